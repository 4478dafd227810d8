"""Clusters of PostgreSQL for tests: copies of one that is made once for all processes of a
run of pytest, because initdb and the migrations cost more than most tests."""
import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile

from .orchestrator import BUILD, SANITIZERS
from .postgres import SCHEMA, Postgres, folder_of_clusters

VARIABLE = "S3O_TEST_CLUSTER"


def share():
    """To be called before other processes are started, which inherit the name."""
    if VARIABLE in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="s3o-cluster-", dir=folder_of_clusters())
    os.chmod(folder, 0o755)
    os.environ[VARIABLE] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _make(data):
    cluster = Postgres()
    try:
        cluster.execute("postgres", f"CREATE DATABASE {SCHEMA}")
        subprocess.run([f"{BUILD}/tools/migrate", f"host={cluster.dir} user=s3o dbname={SCHEMA}"],
                       check=True, env={**os.environ, **SANITIZERS})
        cluster.stop()
        shutil.move(f"{cluster.dir}/data", data)
    finally:
        cluster.remove()


def new_cluster():
    """A running one, with the database SCHEMA."""
    share()
    folder = os.environ[VARIABLE]
    with open(f"{folder}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{folder}/data"):
            _make(f"{folder}/data")
    return Postgres(f"{folder}/data")

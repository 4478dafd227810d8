"""Fixtures of the system tests. A test asks for `orchestrator` and gets running
programs on fresh backends, or for `launch` to choose them itself. After each
test the catalogue is compared with the backends, and the programs must end
cleanly, without a word from the sanitizers."""
import functools
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness import clusters  # noqa: E402
from harness.clients import MIB, make_file, make_tree  # noqa: E402
from harness.endpoint import Endpoint  # noqa: E402
from harness.orchestrator import BUCKETS, BUILD, SHIPPED, Orchestrator  # noqa: E402
from harness.service import TOKEN, Service  # noqa: E402
from harness.storage import S3Server, disks  # noqa: E402


def pytest_configure():
    clusters.share()


@pytest.fixture(scope="session")
def postgres():
    cluster = clusters.new_cluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def own_postgres():
    """A cluster that a test may stop and kill. To be named before `launch`, so
    that it outlives the programs."""
    cluster = clusters.new_cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def s3_state():
    state = tempfile.mkdtemp(prefix="s3o-backends-", dir="/tmp")
    yield state
    shutil.rmtree(state, ignore_errors=True)


def _server(kind, state):
    server = S3Server(kind, state)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def radosgw(s3_state):
    yield from _server("radosgw", s3_state)


@pytest.fixture(scope="session")
def swift(s3_state):
    yield from _server("swift-s3", s3_state)


def new_folder():
    return tempfile.mkdtemp(prefix="s3o-test-", dir=os.environ.get("S3O_TEST_DIR", "/tmp"))


@pytest.fixture
def workdir():
    """A folder on disk, removed at the end of the test."""
    path = new_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def directories(workdir):
    """directories(3, quota="1GB") makes backends disk1 to disk3."""
    return functools.partial(disks, workdir)


def inspect(o):
    """After a test that has passed."""
    if o.checked:
        if not o.workerd:
            o.start_workerd()
        o.tidy_up()
        o.check()


@pytest.fixture
def launch(postgres, workdir, directories, request):
    """launch(backends, extra) starts an Orchestrator, with hosts=2 and a twin (S3O_HOSTS=2:
    everywhere); all are stopped and checked at the end of the test. It has one child, which
    costs less, unless the module has PROCESSES because it is about several; and the programs
    are those that users get, which start faster, unless the module is SANITIZED because it
    has stop points or is about what happens inside. Systems of reuse always are."""
    started = []
    cluster = postgres

    def start(backends=None, extra=None, workerd=True, postgres=postgres, check=True,
              hosts=int(os.environ.get("S3O_HOSTS", "1")), **options):
        options.setdefault("processes", getattr(request.module, "PROCESSES", 1))
        options.setdefault("build", BUILD if getattr(request.module, "SANITIZED", False) else SHIPPED)
        o = Orchestrator(f"{workdir}/o{len(started)}", postgres, backends or directories(), extra,
                         **options)
        if hosts > 1 and "database" not in options:
            o.twin = Orchestrator(f"{workdir}/o{len(started)}-twin", postgres, o.backends, extra,
                                  **{**options, "database": o.database})
        o.checked = check
        started.append(o)
        return o.start(workerd=workerd)

    yield start
    failed = getattr(request.node, "call_failed", False)
    for o in started:
        try:
            if failed:
                print(o.logs())
            else:
                inspect(o)
                o.stop()
        finally:
            o.kill_everything()
    for database in {o.database for o in started if o.postgres is cluster}:
        cluster.drop_database(database)


@pytest.fixture(scope="session")
def _running(postgres):
    """Systems that no test uses now: {name: Orchestrator}."""
    systems = {}
    yield systems
    for o in systems.values():
        try:
            o.stop()
        finally:
            o.kill_everything()
            shutil.rmtree(os.path.dirname(o.dir), ignore_errors=True)


@pytest.fixture
def reuse(postgres, _running, request):
    """reuse(name, backends, extra) is a system that earlier tests have used under that
    name, emptied; or a new one, because there is none or a test has left more behind
    than objects and uploads. For tests that do nothing to the programs: starting these
    costs more than most tests. backends is called with a folder."""
    taken = {}

    def take(name, backends=None, extra=None):
        if name in _running:
            o = _running.pop(name)
            o.forget_logs()
        else:
            folder = new_folder()
            o = Orchestrator(f"{folder}/o", postgres, (backends or disks)(folder), extra)
            o.checked = True
            o.start()
        taken[name] = o, o.identity()
        return o

    yield take
    failed = getattr(request.node, "call_failed", False)
    for name, (o, identity) in taken.items():
        kept = False
        try:
            if failed:
                print(o.logs())
            else:
                inspect(o)
                o.check_logs()
                kept = o.identity() == identity and o.empty()
                if kept:
                    _running[name] = o
                else:
                    o.stop()
        finally:
            if not kept:
                o.kill_everything()
                postgres.drop_database(o.database)
                shutil.rmtree(os.path.dirname(o.dir), ignore_errors=True)


@pytest.fixture
def orchestrator(reuse):
    """On three directories."""
    return reuse("three directories")


@pytest.fixture
def endpoint(request):
    """For the tests of clients: the programs under test on two directories and a Ceph
    gateway, or what S3O_TEST_ENDPOINT names (harness/endpoint.py)."""
    straight = os.environ.get("S3O_TEST_ENDPOINT")
    if straight == "radosgw":
        env = request.getfixturevalue("radosgw").env
        return Endpoint.of_server(env["ENDPOINT"], env["ACCESS_KEY"], env["SECRET_KEY"])
    if straight:
        return Endpoint.of_server(straight, os.environ["S3O_TEST_ACCESS_KEY"],
                                  os.environ["S3O_TEST_SECRET_KEY"])
    reuse, radosgw = map(request.getfixturevalue, ("reuse", "radosgw"))
    (key, secret), other = BUCKETS["photos"], BUCKETS["documents"]

    def backends(folder):
        return [*disks(folder, 2), radosgw.backend("ceph")]
    return Endpoint.of_orchestrator(reuse("for clients", backends, {
        "routing_strategy": "spread",
        "buckets": [{"name": "photos", "credentials": [
            {"access_key_id": key, "secret_access_key": secret, "create_buckets": True}]},
            {"name": "documents", "credentials": [
                {"access_key_id": other[0], "secret_access_key": other[1]}]}]}))


@pytest.fixture(scope="session")
def _originals():
    folder = tempfile.mkdtemp(prefix="s3o-files-", dir="/tmp")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def files(_originals):
    """Files of each kind of size, not to be changed: {name: path}."""
    sizes = {"empty": 0, "one": 1, "five": 5 * MIB, "sixty-four": 64 * MIB}
    os.makedirs(f"{_originals}/sizes")
    return {name: make_file(f"{_originals}/sizes/{name}", size) for name, size in sizes.items()}


@pytest.fixture
def tree(workdir):
    """A folder with subfolders and names that need care, to be changed at will."""
    return make_tree(f"{workdir}/tree")


@pytest.fixture
def service(reuse):
    """Both kinds of credentials; its children must survive the test."""
    keys = {name: {"access_key_id": pair[0], "secret_access_key": pair[1]}
            for name, pair in BUCKETS.items()}
    o = reuse("for signed requests", extra={
        "server": {"max_object_size": "64MiB"},
        "buckets": [{"name": "photos", "credentials": [keys["photos"], {"token": TOKEN}]},
                    {"name": "documents", "credentials": [keys["documents"]]}]})
    before = o.children()
    yield Service(o)
    assert o.children() == before


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        item.call_failed = True

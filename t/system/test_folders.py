# SPDX-License-Identifier: MIT
"""Folders as backends: which one it is, folders that cannot be used, and disks that
do not answer."""
import os
import shutil
import subprocess
import threading
import time

import pytest
from botocore.exceptions import ClientError

from harness.orchestrator import Orchestrator
from harness.storage import Directory
from harness.wait import until

QUICK = {"server": {"backend_timeout": "2s"}}


def error_of(o, name, daemon="proxyd"):
    backend, = [b for b in o.status()[daemon]["backends"] if b["name"] == name]
    assert backend["healthy"] == ("error" not in backend)
    return backend.get("error", "")


def identity(o, name="disk1"):
    return o.sql("SELECT folder_id FROM backend_quotas WHERE backend_name = %s", name)[0][0]


def marker(backend):
    with open(f"{backend.path}/s3o-folder") as f:
        return f.read().splitlines()[-1]


def put(o, key, body=b"x" * 1000):
    o.s3().put_object(Bucket="photos", Key=key, Body=body)


def get(o, key):
    return o.s3(retries={"max_attempts": 0}).get_object(Bucket="photos", Key=key)["Body"].read()


def is_refused(o):
    return until(lambda: "is its file system mounted?" in error_of(o, "disk1"), 10)


def test_a_mount_point_is_not_taken_for_the_folder(launch, directories):
    o = launch(directories(2))
    disk = o.backends[0]
    until(lambda: identity(o) == marker(disk), 10)
    put(o, "k")
    put(o, "deleted")
    assert disk.count() == 2
    o.stop()
    os.rename(disk.path, disk.path + ".away")
    os.mkdir(disk.path)

    o.start()
    is_refused(o)
    with pytest.raises(ClientError):
        get(o, "k")
    o.s3().delete_object(Bucket="photos", Key="deleted")
    put(o, "elsewhere")
    assert o.backends[1].count() == 1
    until(lambda: o.sql("SELECT max(attempts) FROM cleanup_queue")[0][0], 10, "an attempt")
    assert os.listdir(disk.path) == []
    assert o.sql("SELECT orphan_bytes FROM backend_space WHERE backend_name = 'disk1'")[0][0]

    os.rmdir(disk.path)
    os.rename(disk.path + ".away", disk.path)  # nobody is told
    assert until(lambda: not error_of(o, "disk1") and get(o, "k"), 10) == b"x" * 1000
    o.tidy_up()
    assert disk.count() == 1


def test_folders_without_identity(launch, directories):
    """Those of an earlier version are adopted, unless they are empty and should not be."""
    o = launch(directories(1))
    disk, = o.backends
    put(o, "k")
    o.stop()
    os.unlink(f"{disk.path}/s3o-folder")
    o.sql("UPDATE backend_quotas SET folder_id = NULL")
    os.rename(disk.path, disk.path + ".away")
    os.makedirs(disk.path + "/objects")
    o.start()
    is_refused(o)
    assert os.listdir(disk.path) == ["objects"] and identity(o) is None
    shutil.rmtree(disk.path)
    is_refused(o)
    assert not os.path.exists(disk.path)

    os.rename(disk.path + ".away", disk.path)
    until(lambda: not error_of(o, "disk1"), 10)
    assert get(o, "k") == b"x" * 1000
    assert identity(o) == marker(disk)


def test_a_lost_database_and_another_host(launch, directories, workdir, postgres):
    o = launch(directories(1))
    put(o, "k")
    before = marker(o.backends[0])
    other = Orchestrator(f"{workdir}/other", postgres, [Directory(f"{workdir}/local", "disk1")],
                         database=o.database)
    anew = Orchestrator(f"{workdir}/anew", postgres, o.backends)
    try:
        is_refused(other.start())
        assert not os.path.exists(f"{workdir}/local")
        other.stop()
        put(anew.start(), "k2")
        assert identity(anew) == before == marker(o.backends[0])
        anew.stop()
        shutil.rmtree(f"{o.backends[0].path}/objects/photos")
        o.checked = False
    finally:
        other.kill_everything()
        anew.kill_everything()


def test_a_lost_folder_is_replaced_on_purpose(launch, directories):
    o = launch(directories(1))
    disk, = o.backends
    put(o, "k")
    o.stop()
    shutil.rmtree(disk.path)
    o.start()
    is_refused(o)
    # as in s3-orchestrator(7)
    [(folder,)] = o.sql("UPDATE backend_quotas SET folder_id = coalesce(folder_id,"
                        " md5(random()::text)) WHERE backend_name = 'disk1'"
                        " RETURNING folder_id")
    os.mkdir(disk.path)
    with open(f"{disk.path}/s3o-folder", "w") as f:
        f.write(f"{folder}\n")
    until(lambda: not error_of(o, "disk1") and not error_of(o, "disk1", "workerd"), 10)
    put(o, "k2")
    o.s3().delete_object(Bucket="photos", Key="k")
    o.wait_clean()


def test_a_broken_folder_stops_nobody(launch, directories):
    backends = directories(2)
    with open(backends[0].path, "w"):
        pass
    o = launch(backends)
    assert "Not a directory" in until(lambda: error_of(o, "disk1"), 10)
    until(lambda: error_of(o, "disk1", "workerd"), 10)
    lines = o.adminctl("status").stdout.splitlines()
    for daemon in ("proxyd", "workerd"):
        assert f"{daemon}: disk1: path {backends[0].path}: Not a directory" in lines
    put(o, "k")
    assert backends[1].count() == 1
    assert o.adminctl("reload").returncode == 0
    os.unlink(backends[0].path)
    until(lambda: put(o, "k") or backends[0].count() == 1, 15, "it is used when it is repaired")
    until(lambda: not error_of(o, "disk1"), 10)


@pytest.fixture
def frozen(workdir):
    """A folder with a file system of its own, which freeze() and thaw() stop and let
    go on."""
    path = f"{workdir}/disk1"
    os.mkdir(path)

    def freeze(option="--freeze"):
        subprocess.run(["fsfreeze", option, path], check=True)

    if subprocess.run(f"truncate -s 64M {path}.img && mkfs.ext4 -q {path}.img &&"
                      f" mount -o loop {path}.img {path}", shell=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield freeze, lambda: freeze("--unfreeze")
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", path], stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "--lazy", path], check=True)


def test_a_disk_that_does_not_answer(frozen, launch, directories):
    """Its calls end in time, others do not notice, and what was given up leaves
    nothing behind."""
    freeze, thaw = frozen
    o = launch(directories(2), {**QUICK, "backend_circuit_breaker": {
        "enabled": True, "failure_threshold": 3, "open_timeout": "3s"}}, processes=1)
    put(o, "k")
    assert o.backends[0].count() == 1
    freeze()
    try:
        results = []

        def write(i):
            start = time.monotonic()
            put(o, f"w{i}", os.urandom(5000))
            results.append(time.monotonic() - start)

        writers = [threading.Thread(target=write, args=(i,)) for i in range(8)]
        for w in writers:
            w.start()
        for w in writers:
            w.join(30)
        assert len(results) == 8 and max(results) < 12, results
        assert o.backends[1].count() == 8
        assert len(get(o, "w7")) == 5000
        assert len(o.children()) == 1
    finally:
        thaw()
    o.tidy_up()
    until(lambda: o.backends[0].count() == 1, 10, "only what was committed is there")

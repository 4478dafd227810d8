# SPDX-License-Identifier: MIT
"""Jobs that meet a backend which takes everything and answers nothing, or a disk that is
full though its quota is not: they go around it, or end and try again, and nothing is lost."""
import os
import subprocess

import pytest

from harness.gate import Gate
from harness.storage import Directory
from harness.wait import until

MIB = 1024 * 1024
IMPATIENT = {"server": {"backend_timeout": "2s"}}


@pytest.fixture
def ceph(radosgw):
    """Its gate is open in the end, or nobody could clean up."""
    gate = Gate(radosgw.backend("ceph"))
    yield gate
    gate.open()


@pytest.fixture
def small_disk(workdir):
    """A backend on a file system of 8 MiB whose quota promises more. To be named before
    `launch`, so that it outlives the programs."""
    path = f"{workdir}/small"
    os.mkdir(path)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=777", "none", path]).returncode:
        pytest.skip("no right to mount")
    yield Directory(path, "small", "1GB")
    subprocess.run(["umount", "--lazy", path], check=True)


def put(o, n, size):
    bodies = {f"k{i}": os.urandom(size) for i in range(n)}
    for key, body in bodies.items():
        o.s3().put_object(Bucket="photos", Key=key, Body=body)
    return bodies


def holders(o):
    """{key: backends}"""
    return {key.removeprefix("photos/"): sorted(backends) for key, backends in o.sql(
        "SELECT object_key, array_agg(backend_name) FROM object_locations GROUP BY object_key")}


def read_all(o, bodies):
    for key, body in bodies.items():
        assert o.s3().get_object(Bucket="photos", Key=key)["Body"].read() == body


def rebalance(o):
    """A whole pass, whatever it moves."""
    def passes():
        return sum(a["event"] == "rebalance.complete" for a in o.audit("workerd"))
    before = passes()
    o.adminctl("run", "rebalance")
    until(lambda: passes() > before, 60, "a pass is over")


def drain_state(o, backend):
    return o.sql("SELECT state, last_error FROM backend_drains WHERE backend_name = %s", backend)[0]


# --- silence -------------------------------------------------------------------------


def test_copies_go_around_a_silent_backend(launch, directories, ceph):
    disk1, disk2 = directories(2)
    o = launch([disk1, ceph, disk2], {**IMPATIENT, "replication": {"factor": 2}})
    ceph.shut()
    bodies = put(o, 5, 1000)
    until(lambda: all(b == ["disk1", "disk2"] for b in holders(o).values()), 60,
          "all have a second copy")
    read_all(o, bodies)


def test_copies_whose_only_source_is_silent(launch, directories, ceph):
    """The row stays, and says why."""
    o = launch([ceph, *directories(1)], IMPATIENT)
    bodies = put(o, 3, 1000)
    ceph.shut()
    o.config["replication"] = {"factor": 2}
    o.write_config()
    o.adminctl("reload")
    o.adminctl("run", "replication")
    until(lambda: o.sql("SELECT 1 FROM replication_queue WHERE last_error LIKE %s", "%ceph%"), 60)
    ceph.open()

    def copied():
        o.sql("UPDATE replication_queue SET next_retry = now()")
        o.sql("NOTIFY s3o_jobs, 'replication'")
        return all(b == ["ceph", "disk1"] for b in holders(o).values())
    until(copied, 60, "all have a second copy", every=0.5)
    read_all(o, bodies)


def test_a_drain_around_a_silent_backend(launch, directories, ceph):
    disk1, disk2 = directories(2)
    o = launch([disk1, ceph, disk2], IMPATIENT)
    bodies = put(o, 5, 1000)
    ceph.shut()
    o.adminctl("drain", "start", "disk1", "--wait")
    assert all(b == ["disk2"] for b in holders(o).values())
    read_all(o, bodies)


def test_a_drain_of_a_silent_backend(launch, directories, ceph):
    """It waits for the backend to come back."""
    o = launch([ceph, *directories(1)], IMPATIENT)
    bodies = put(o, 5, 1000)
    ceph.shut()
    o.adminctl("drain", "start", "ceph")
    until(lambda: drain_state(o, "ceph")[1], 60, "it tells of its trouble")
    assert all(b == ["ceph"] for b in holders(o).values())
    ceph.open()
    until(lambda: drain_state(o, "ceph")[0] == "drained", 60)
    assert all(b == ["disk1"] for b in holders(o).values())
    read_all(o, bodies)


def test_a_rebalance_towards_a_silent_backend(launch, directories, ceph):
    o = launch([*directories(1), ceph], {**IMPATIENT, "rebalance": {
        "enabled": True, "strategy": "spread", "threshold": 0.0001, "batch_size": 10}})
    bodies = put(o, 6, MIB)
    ceph.shut()
    rebalance(o)
    assert all(b == ["disk1"] for b in holders(o).values())
    ceph.open()
    rebalance(o)
    assert sum(b == ["ceph"] for b in holders(o).values()) == 3
    read_all(o, bodies)


def test_deletions_wait_for_a_silent_backend(launch, ceph):
    o = launch([ceph], IMPATIENT)
    put(o, 3, 1000)
    ceph.shut()
    for key in holders(o):
        o.s3().delete_object(Bucket="photos", Key=key)
    until(lambda: o.sql("SELECT 1 FROM cleanup_queue WHERE attempts > 0"), 60, "one was tried")
    assert ceph.count() == 3
    ceph.open()
    o.tidy_up()
    assert ceph.count() == 0


def test_a_comparison_with_a_silent_backend(launch, directories, ceph):
    """It ends, says with which one it could not be made, and deletes nothing."""
    o = launch([*directories(1), ceph], {**IMPATIENT, "reconcile": {
        "min_age": "0s", "orphan_age": "0s"}})
    bodies = put(o, 3, 1000)
    ceph.shut()
    told = o.adminctl("reconcile", check=False)
    assert told.returncode == 1 and "ceph" in told.stderr
    ceph.open()
    o.adminctl("reconcile")
    read_all(o, bodies)


# --- full ----------------------------------------------------------------------------


def test_copies_beside_a_full_disk(small_disk, launch, directories):
    disk1, disk2 = directories(2)
    o = launch([disk1, small_disk, disk2], {"replication": {"factor": 2}})
    bodies = put(o, 6, 3 * MIB)
    until(lambda: all(len(b) == 2 for b in holders(o).values()), 60, "all have a second copy")
    assert sum("small" in b for b in holders(o).values()) == 2
    read_all(o, bodies)


def test_a_drain_to_a_full_disk(small_disk, launch, directories):
    """What does not fit goes elsewhere."""
    disk1, disk2 = directories(2)
    o = launch([disk1, small_disk, disk2])
    bodies = put(o, 6, 3 * MIB)
    o.adminctl("drain", "start", "disk1", "--wait")
    assert sorted(holders(o).values()) == 4 * [["disk2"]] + 2 * [["small"]]
    read_all(o, bodies)
    o.adminctl("drain", "start", "disk2")
    o.adminctl("drain", "cancel", "disk1")
    o.adminctl("drain", "status", "disk2", "--wait")
    assert "disk2" not in {b for all_of in holders(o).values() for b in all_of}
    read_all(o, bodies)


def test_a_rebalance_to_a_full_disk(small_disk, launch, directories):
    o = launch([*directories(1, quota="1GB"), small_disk], {"rebalance": {
        "enabled": True, "strategy": "spread", "threshold": 0.0001, "batch_size": 10}})
    bodies = put(o, 6, 3 * MIB)
    rebalance(o)
    assert sum(b == ["small"] for b in holders(o).values()) == 2
    read_all(o, bodies)

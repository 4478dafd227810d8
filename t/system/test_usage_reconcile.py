# SPDX-License-Identifier: MIT
"""Counting anew what is stored, after somebody has meddled with the counters."""
import json
import threading
from contextlib import closing

import pytest

from harness.wait import until


def counters(o):
    return o.sql("SELECT backend_name, bytes_used, bytes_reserved, orphan_bytes, copies"
                 " FROM backend_space ORDER BY 1")


def drift(o, backend, slot=0, **by):
    for column, n in by.items():
        o.sql(f"UPDATE backend_quota_slots SET {column} = {column} + %s"
              " WHERE backend_name = %s AND slot = %s", n, backend, slot)


def reconcile(o):
    return json.loads(o.adminctl("usage-reconcile", "-json").stdout)


def problems(o):
    return [p for (p,) in o.sql("SELECT problem FROM s3o_check()")]


@pytest.fixture
def limited(launch, directories):
    """disk3 has no limit."""
    o = launch(directories(3))
    o.sql("SELECT s3o_sync_backend('disk3', 0)")
    for i in range(5):
        o.s3().put_object(Bucket="photos", Key=f"k{i}", Body=b"x" * 1000)
    o.wait_clean()
    return o


def test_only_what_differs_is_adjusted(limited):
    o = limited
    before = counters(o)
    assert reconcile(o) == {"status": "reconciled", "adjustments": {}, "counters": {}}
    assert o.adminctl("usage-reconcile").stdout == "all counters are right\n"
    drift(o, "disk1", 3, used=70, copies=-2, reserved=9)
    drift(o, "disk2", 1, orphan=-5, free=1)
    drift(o, "disk3", used=-11)
    assert len(problems(o)) == 7  # the limit of both that have one, too
    none = {"bytes_used": 0, "bytes_reserved": 0, "orphan_bytes": 0, "object_count": 0,
            "bytes_free": 0}
    assert reconcile(o) == {"status": "reconciled", "adjustments": {"disk1": -70, "disk3": 11},
                            "counters": {
        "disk1": {**none, "bytes_used": -70, "object_count": 2, "bytes_reserved": -9,
                  "bytes_free": -79},
        "disk2": {**none, "orphan_bytes": 5, "bytes_free": 4},
        "disk3": {**none, "bytes_used": 11}}}
    assert counters(o) == before and problems(o) == []
    audited = until(lambda: [a for a in o.audit("workerd") if a["event"] == "storage.UsageReconcile"])
    assert [(a["backend"], a["bytes_used"]) for a in audited] == [
        ("disk1", -70), ("disk2", 0), ("disk3", 11)]
    drift(o, "disk1", free=-5)
    shown = o.adminctl("usage-reconcile").stdout.splitlines()
    assert shown[0] == "added to the counters:" and shown[2].split() == [
        "disk1", "0", "0", "0", "0", "5"]
    o.kill("workerd")  # either daemon can do it
    drift(o, "disk1", used=1)
    assert reconcile(o)["adjustments"] == {"disk1": -1}
    o.start_workerd()


def test_a_quota_that_turns_out_to_be_exceeded(limited):
    """Then nothing fits any more, in no slot."""
    o = limited
    o.sql("SELECT s3o_sync_backend('disk1', 6000)")
    used, = o.sql("SELECT bytes_used FROM backend_space WHERE backend_name = 'disk1'")[0]
    assert used == 5000
    o.sql("UPDATE object_locations SET size_bytes = size_bytes + 600 WHERE backend_name = 'disk1'")
    try:
        assert reconcile(o)["adjustments"] == {"disk1": 3000}
        assert o.sql("SELECT sum(free) FROM backend_quota_slots WHERE backend_name = 'disk1'") == [
            (-2000,)]
        assert problems(o) == []
        for i in range(10):  # each takes another slot
            o.s3().put_object(Bucket="photos", Key=f"elsewhere{i}", Body=b"x")
        assert o.sql("SELECT DISTINCT backend_name FROM object_locations"
                     " WHERE object_key LIKE '%%elsewhere%%'") == [("disk2",)]
    finally:
        o.sql("UPDATE object_locations SET size_bytes = size_bytes - 600"
              " WHERE backend_name = 'disk1'")
        reconcile(o)


def test_while_others_write(limited):
    """What is not committed yet is neither counted nor lost, and nobody is kept waiting."""
    o = limited
    stop, failed = threading.Event(), []

    def write(n):
        s3, i = o.s3(), 0
        try:
            while not stop.is_set():
                i += 1
                s3.put_object(Bucket="photos", Key=f"w{n}", Body=b"x" * (i % 700))
                if i % 5 == 0:
                    s3.delete_object(Bucket="photos", Key=f"w{n}")
        except Exception as e:
            failed.append(e)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for w in writers:
        w.start()
    try:
        for i in range(8):
            drift(o, "disk1", i % 8, used=1000 + i)
            assert reconcile(o)["adjustments"] == {"disk1": -1000 - i}
    finally:
        stop.set()
        for w in writers:
            w.join()
    assert failed == []
    assert reconcile(o)["counters"] == {} and problems(o) == []


def test_a_write_that_is_being_committed(limited):
    """Its row and its counter belong together, whichever of them it has changed first."""
    o = limited
    for row_first in True, False:
        with closing(o.postgres.connect(o.database)) as writer:
            writer.autocommit = False
            c = writer.cursor()
            row = ("INSERT INTO pending_objects (intent_id, object_key, bucket, object_name,"
                   " backend_name, backend_key, size_bytes, slot, owner)"
                   " VALUES ('x', 'b/x', 'b', 'x', 'disk1', 'x', 77, 5, 'me')")
            slot = "SELECT s3o_add_to_slot('disk1', 5::SMALLINT, 0, 77, 0, 0)"
            drift(o, "disk1", used=10)
            c.execute(row)
            if not row_first:
                c.execute(slot)
            done = []
            t = threading.Thread(target=lambda: done.append(reconcile(o)))
            t.start()
            if row_first:
                t.join()  # it has no lock to wait for
                c.execute(slot)
            else:
                until(lambda: o.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                                    " AND query LIKE '%%s3o_recount%%' AND pid <> pg_backend_pid()"))
            writer.commit()
            t.join()
            assert done[0]["counters"]["disk1"]["bytes_reserved"] == 0
            assert done[0]["adjustments"] == {"disk1": -10}
            assert problems(o) == []
            c.execute("DELETE FROM pending_objects WHERE intent_id = 'x'")
            c.execute("SELECT s3o_add_to_slot('disk1', 5::SMALLINT, 0, -77, 0, 0)")
            writer.commit()

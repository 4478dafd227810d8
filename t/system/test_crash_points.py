# SPDX-License-Identifier: MIT
"""workerd is killed at the points where it would hurt most. Another one does the rest, and
nothing is lost, left behind or done twice."""
import os
import signal
import time

import pytest

from harness.uploads import Upload
from harness.wait import until

SANITIZED = True
PROCESSES = 2  # of the systems launched here: children are killed, or share limits

N = 12


def die(o, point):
    """Runs a workerd until it kills itself there."""
    o.start_workerd(stop_at=point)
    assert o.workerd.wait(60) == -signal.SIGKILL, o.logs()
    o.workerd = None


def forget_claims(o):
    """As if the grace period was over."""
    for table in ("cleanup_queue", "replication_queue"):
        o.sql(f"UPDATE {table} SET claimed_at = now() - interval '1 day' WHERE claimed_at < now()")
    o.sql("UPDATE backend_drains SET heartbeat_at = now() - interval '1 day', next_round = now()")
    o.sql("UPDATE pending_objects SET renewed_at = now() - interval '1 day'")


def put(o, n=N):
    bodies = {f"k{i}": os.urandom(3000 + i) for i in range(n)}
    for key, body in bodies.items():
        o.s3().put_object(Bucket="photos", Key=key, Body=body)
    return bodies


def read_all(o, bodies):
    for key, body in bodies.items():
        assert o.s3().get_object(Bucket="photos", Key=key)["Body"].read() == body


def copies(o):
    return dict(o.sql("SELECT object_key, count(*) FROM object_locations GROUP BY 1"))


def deletions(o):
    """How often each key was told to be deleted or absent."""
    counts = {}
    for a in o.audit("workerd"):
        if a["event"] in ("cleanup_queue.processed", "cleanup_queue.already_absent"):
            counts[a["key"]] = counts.get(a["key"], 0) + 1
    return counts


def test_the_clean_up_queue(launch, directories):
    """After the claim, and after the deletion before it is recorded: the row is taken over,
    the absence found, and its bytes are given back once."""
    o = launch(directories(2), workerd=False)
    put(o)
    for key in [f"k{i}" for i in range(N)]:
        o.s3().delete_object(Bucket="photos", Key=key)
    die(o, "cleanup-claimed")
    assert o.sql("SELECT count(*) FROM cleanup_queue WHERE claimed_by IS NOT NULL") == [(N,)]
    assert o.backends[0].count() == N
    forget_claims(o)
    die(o, "cleanup-deleted:3")
    assert o.backends[0].count() < N
    forget_claims(o)
    o.start_workerd()
    o.wait_clean()
    assert o.backends[0].count() == 0
    assert all(n == 1 for n in deletions(o).values())
    assert o.sql("SELECT sum(orphan) FROM backend_quota_slots")[0][0] == 0
    samples = o.metrics(o.worker_port)
    assert samples['s3o_cleanup_queue_stale_claims_recovered_total{backend="disk1"}'] > 0
    assert [a for a in o.audit("workerd") if a["event"] == "cleanup_queue.claim_recovered"]


def test_a_deletion_that_cannot_be_recorded(launch, directories):
    """Its row stays claimed, and is taken over; its bytes are given back once."""
    o = launch(directories(1))
    o.s3().put_object(Bucket="photos", Key="k", Body=b"body")
    o.sql("CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS"
          " $$BEGIN RAISE EXCEPTION 'not now'; END$$")
    o.sql("CREATE TRIGGER refuse BEFORE DELETE ON cleanup_queue"
          " FOR EACH ROW EXECUTE FUNCTION refuse()")
    o.s3().delete_object(Bucket="photos", Key="k")
    until(lambda: any("not now" in line.get("error", "") for line in o.log_lines("workerd")))
    assert o.backends[0].count() == 0
    assert o.sql("SELECT attempts, claimed_by IS NOT NULL FROM cleanup_queue") == [(0, True)]
    o.sql("DROP FUNCTION refuse CASCADE")
    forget_claims(o)
    o.sql("NOTIFY s3o_jobs")
    o.wait_clean()
    assert o.sql("SELECT sum(orphan) FROM backend_quota_slots") == [(0,)]
    assert [a["event"] for a in o.audit("workerd") if a["event"].startswith("cleanup_queue")] == [
        "cleanup_queue.claim_recovered", "cleanup_queue.already_absent"]


@pytest.mark.parametrize("point", ["replication-claimed", "replica-sent:3", "replication-copied"])
def test_replication(launch, directories, point):
    """A copy that was sent and not committed is deleted, one that was committed stays the
    only one on its backend."""
    o = launch(directories(3), {"replication": {"factor": 2, "concurrency": 2}}, workerd=False)
    bodies = put(o)
    die(o, point)
    forget_claims(o)
    o.start_workerd()
    until(lambda: set(copies(o).values()) == {2}, 60)
    o.tidy_up()
    read_all(o, bodies)
    assert [b.count() for b in o.backends] == [N, N, 0]


def test_over_replication(launch, directories):
    o = launch(directories(3), {"replication": {"factor": 3}})
    bodies = put(o)
    until(lambda: set(copies(o).values()) == {3})
    o.stop()
    o.config["replication"]["factor"] = 2
    o.write_config()
    o.start(workerd=False)
    o.start_workerd(stop_at="excess-removed:4")
    until(lambda: o.adminctl("run", "over_replication_cleanup", check=False).returncode == 0
          or o.workerd.poll() is not None)
    assert o.workerd.wait(60) == -signal.SIGKILL
    forget_claims(o)
    o.start_workerd()
    o.adminctl("run", "over_replication_cleanup")
    until(lambda: set(copies(o).values()) == {2}, 60)
    o.wait_clean()
    read_all(o, bodies)
    assert sum(b.count() for b in o.backends) == 2 * N


@pytest.mark.parametrize("point", ["replica-sent:2", "rebalance-moved:3"])
def test_rebalance(launch, directories, point):
    o = launch(directories(2, quota="1MB"), {
        "rebalance": {"enabled": True, "strategy": "spread", "threshold": 0.001,
                      "concurrency": 2}}, workerd=False)
    bodies = put(o)
    o.start_workerd(stop_at=point)
    until(lambda: o.adminctl("run", "rebalance", check=False).returncode == 0
          or o.workerd.poll() is not None)
    assert o.workerd.wait(60) == -signal.SIGKILL
    forget_claims(o)
    o.start_workerd()
    o.adminctl("run", "rebalance")
    until(lambda: o.sql("SELECT count(*) FROM object_locations WHERE backend_name = 'disk2'")
          [0][0] >= N // 2 - 1)
    o.tidy_up()
    assert set(copies(o).values()) == {1}
    read_all(o, bodies)
    assert o.backends[0].count() + o.backends[1].count() == N


@pytest.mark.parametrize("point", ["replica-sent:3", "drain-moved:5", "drain-round"])
def test_drain(launch, directories, point):
    o = launch(directories(2), workerd=False)
    bodies = put(o)
    o.adminctl("drain", "start", "disk1")
    die(o, point)
    state, owner = o.sql("SELECT state, claimed_by FROM backend_drains")[0]
    assert state == "draining" and owner
    forget_claims(o)
    o.start_workerd()
    until(lambda: o.sql("SELECT state FROM backend_drains") == [("drained",)], 60)
    o.tidy_up()
    read_all(o, bodies)
    assert [b.count() for b in o.backends] == [0, N]
    # What left in the moment of the crash may not be counted; nothing is counted twice.
    moved = o.sql("SELECT objects_moved FROM backend_drains")[0][0]
    assert N - 8 <= moved <= N


def test_stale_uploads(launch, directories):
    o = launch(directories(2), {"cleanup_queue": {"multipart_stale_timeout": "1s"}},
               workerd=False)
    for i in range(5):
        Upload(o.s3(), f"u{i}").part(1, b"part")
    until(lambda: o.sql("SELECT count(*) FROM multipart_uploads WHERE created_at >"
                        " now() - interval '1 s'") == [(0,)])
    die(o, "upload-aborted:2")
    left = o.sql("SELECT count(*) FROM multipart_uploads")[0][0]
    assert 0 < left < 5
    forget_claims(o)
    o.start_workerd()
    until(lambda: o.sql("SELECT count(*) FROM multipart_uploads") == [(0,)], 30)
    o.wait_clean()
    assert o.backends[0].count() == 0


def test_the_reaper(launch, directories):
    """Right after intents have become deletions."""
    o = launch(directories(1), workerd=False)
    o.sql("SELECT s3o_reserve('i' || n, 'photos', 'k' || n, 'disk1', 'photos/k' || n || '~1', 10,"
          " 0::SMALLINT, 'dead:1:1', FALSE, NULL) FROM generate_series(1, 5) n")
    o.sql("UPDATE pending_objects SET renewed_at = now() - interval '1 day'")
    o.start_workerd(stop_at="reaped")
    until(lambda: o.adminctl("run", "pending_reaper", check=False).returncode == 0
          or o.workerd.poll() is not None)
    assert o.workerd.wait(60) == -signal.SIGKILL
    assert o.sql("SELECT (SELECT count(*) FROM cleanup_queue), count(*) FROM pending_objects") == [
        (5, 0)]
    forget_claims(o)  # the clean-up of that workerd may have been quick
    o.start_workerd()
    o.wait_clean()
    assert o.sql("SELECT sum(reserved + orphan) FROM backend_quota_slots")[0][0] == 0


def test_lifecycle(launch, directories):
    o = launch(directories(1), {"lifecycle": {"batch_size": 3, "rules": [
        {"prefix": "photos/k", "expiration_days": 1}]}}, workerd=False)
    put(o)
    kept = {"other": b"x"}
    o.s3().put_object(Bucket="photos", Key="other", Body=b"x")
    o.sql("UPDATE object_versions SET created_at = created_at - interval '3 days'")
    o.start_workerd(stop_at="lifecycle-expired:2")
    until(lambda: o.adminctl("run", "lifecycle", check=False).returncode == 0
          or o.workerd.poll() is not None)
    assert o.workerd.wait(60) == -signal.SIGKILL
    left = o.sql("SELECT count(*) FROM object_versions")[0][0]
    assert 1 < left < N + 1
    forget_claims(o)
    o.start_workerd()
    o.adminctl("run", "lifecycle")
    until(lambda: o.sql("SELECT count(*) FROM object_versions") == [(1,)])
    o.wait_clean()
    read_all(o, kept)
    assert o.backends[0].count() == 1


def test_the_lock_goes_in_the_middle(launch, directories):
    """The connection that holds the lock breaks, and another workerd begins: each row is
    still worked off once."""
    o = launch(directories(2), {"cleanup_queue": {"concurrency": 1}}, workerd=False)
    put(o, 80)
    for i in range(80):
        o.s3().delete_object(Bucket="photos", Key=f"k{i}")
    o.start_workerd()
    killed = 0
    deadline = time.monotonic() + 60
    while not o.is_clean() and time.monotonic() < deadline:
        killed += len(o.sql("SELECT pg_terminate_backend(pid) FROM pg_locks"
                            " WHERE locktype = 'advisory' AND objid = 1003 AND granted"))
    assert o.is_clean() and killed > 0
    counts = until(lambda: len(deletions(o)) == 80 and deletions(o), 10, "all are logged")
    assert all(n == 1 for n in counts.values())

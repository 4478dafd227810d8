# SPDX-License-Identifier: MIT
"""The clean-up queue as its operator sees it: rows about bytes that are not there,
rows that are given up, claims of a daemon that died."""
import pytest

from harness.memory_s3 import MemoryS3
from harness.wait import until

from test_workerd import Endpoint, events, queue, rows, wake


@pytest.fixture
def orchestrator(launch):
    """One of the test's own: it is the programs that are tested here."""
    return launch()


class Answering(MemoryS3):
    """It has one answer to every deletion. (Servers at hand answer a DELETE of
    what is absent with 204.)"""

    def __init__(self, status, code):
        super().__init__("remote")
        self.answer = self.error(status, code)
        self.asked = 0

    def delete(self, path):
        self.asked += 1
        return self.answer


def queue_bytes(o, backend, n, size, attempts=0):
    """n rows of that size about objects that never existed, counted as orphaned.
    To be called before workerd is started."""
    o.sql("INSERT INTO cleanup_queue (backend_name, object_key, reason, size_bytes, attempts)"
          " SELECT %s, 'photos/phantom' || i || '~1', 'delete_failed', %s, %s"
          " FROM generate_series(1, %s) i", backend, size, attempts, n)
    o.sql("UPDATE backend_quota_slots SET orphan = orphan + %s, free = free - %s"
          " WHERE backend_name = %s AND slot = 0", n * size, n * size, backend)


def test_phantoms_are_done_at_the_first_attempt(launch):
    """63 rows whose objects were never stored; the backend answers 404 to each DELETE."""
    remote = Answering(404, "NoSuchKey")
    o = launch([remote],
               {"backend_circuit_breaker": {"enabled": True, "failure_threshold": 3}},
               workerd=False)
    queue_bytes(o, "remote", 63, 1000)
    assert o.sql("SELECT orphan_bytes FROM backend_space") == [(63000,)]
    o.start_workerd()
    until(lambda: rows(o, "*") == [], 20, "the queue is empty")
    absent = until(lambda: len(events(o, "cleanup_queue.already_absent")) == 63 and
                   events(o, "cleanup_queue.already_absent"), 5)
    assert {(e["backend"], e["reason"], e["attempt"]) for e in absent} == {
        ("remote", "delete_failed", 1)}
    assert {e["key"] for e in absent} == {f"photos/phantom{i}~1" for i in range(1, 64)}
    assert o.sql("SELECT orphan_bytes FROM backend_space") == [(0,)]
    assert o.sql("SELECT count(*) FROM cleanup_dlq") == [(0,)]
    m = o.metrics(o.worker_port)
    assert {k: v for k, v in m.items() if k.startswith("s3o_cleanup_queue_processed_total")} == {
        's3o_cleanup_queue_processed_total{status="%s"}' % s: n for s, n in
        (("success", 0), ("success_absent", 63), ("retry", 0), ("exhausted", 0))}
    assert m["s3o_cleanup_dlq_depth"] == 0 and remote.asked == 63
    assert m['s3o_circuit_breaker_state{name="remote"}'] == 0


@pytest.mark.parametrize("status,code", [(403, "AccessDenied"), (500, "InternalError"),
                                         (404, "NoSuchBucket")])
def test_genuine_failures_are_given_up_in_the_end(launch, status, code):
    o = launch([Answering(status, code)], workerd=False, check=False)
    queue_bytes(o, "remote", 1, 500)
    o.start_workerd()
    for attempts in range(1, 10):
        wake(o)
        until(lambda: rows(o, "attempts") == [(attempts,)], 10, "an attempt")
        o.sql("UPDATE cleanup_queue SET next_retry = now()")
    wake(o)
    until(lambda: o.sql("SELECT attempts, size_bytes FROM cleanup_dlq") == [(10, 500)], 10)
    assert rows(o, "*") == []
    assert o.sql("SELECT orphan_bytes FROM backend_space") == [(500,)]


def test_given_up_rows_are_seen(launch, directories):
    o = launch(directories(1) + [Endpoint("dead")], workerd=False, check=False)
    queue_bytes(o, "dead", 2, 500, attempts=9)
    o.start_workerd()
    given_up = until(lambda: len(events(o, "cleanup_queue.exhausted_to_dlq")) == 2 and
                     events(o, "cleanup_queue.exhausted_to_dlq"), 20)
    for e in given_up:
        assert e["backend"] == "dead" and e["key"].startswith("photos/phantom")
        assert (e["attempts"], e["size_bytes"]) == (10, 500) and e["last_error"]
    until(lambda: o.metrics(o.worker_port)["s3o_cleanup_dlq_depth"] == 2, 10)
    m = o.metrics(o.worker_port)
    assert m['s3o_cleanup_dlq_enqueued_total{backend="dead"}'] == 2
    assert o.sql("SELECT orphan_bytes FROM backend_space WHERE backend_name = 'dead'") == [(1000,)]
    until(lambda: o.metrics()['s3o_quota_orphan_bytes{backend="dead"}'] == 1000, 10)


def test_claims_of_a_dead_daemon_are_told(orchestrator):
    o = orchestrator
    queue(o, "disk1", claimed="10 minutes")
    [event] = until(lambda: events(o, "cleanup_queue.claim_recovered"), 10)
    assert event["cleanup_id"] > 0 and event["key"] == "photos/none1~1"
    assert event["backend"] == "disk1" and event["reclaimed_by"]
    until(lambda: o.metrics(o.worker_port).get(
        's3o_cleanup_queue_stale_claims_recovered_total{backend="disk1"}') == 1, 5)
    o.wait_clean()


def test_a_brake_on_mass_deletion(launch, directories):
    """No more than so many in a minute, and that is said."""
    o = launch(directories(1), {"safety": {"max_deletes_per_minute": 5}})
    s3 = o.s3()
    for i in range(12):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=b"x")
    for i in range(12):
        s3.delete_object(Bucket="photos", Key=f"k{i}")
    until(lambda: o.metrics(o.worker_port)["s3o_cleanup_paused"] == 1)
    assert o.backends[0].count() == 7
    o.adminctl("run", "cleanup_queue")
    until(lambda: len([line for line in o.log_lines("workerd")
                       if "max_deletes_per_minute" in line["msg"]]) == 1)
    assert o.backends[0].count() == 7
    o.config["safety"]["max_deletes_per_minute"] = 0  # the operator has looked at it
    o.write_config()
    o.adminctl("reload")
    o.adminctl("run", "cleanup_queue")
    o.wait_clean()
    assert o.backends[0].count() == 0
    assert o.metrics(o.worker_port)["s3o_cleanup_paused"] == 0

# SPDX-License-Identifier: MIT
"""Bytes on a backend that the catalogue could not be told of."""
import threading

import botocore.exceptions
import pytest

from harness.memory_s3 import MemoryS3
from harness.wait import until


class Held(MemoryS3):
    """Answers a PUT when it may."""

    def __init__(self, name):
        super().__init__(name)
        self.entered, self.go = threading.Event(), threading.Event()

    def put(self, path, length, read):
        answer = super().put(path, length, read)
        self.entered.set()
        self.go.wait(60)
        return answer


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("sent", [False, True])
def test_the_database_goes_away_before_the_commit(own_postgres, launch, copies, sent):
    """Each object that was left is named, and deleted when the database is back."""
    backends = [Held(f"s{i}") for i in range(copies)]
    o = launch(backends, {"replication": {"factor": copies, "ack": copies},
                          "circuit_breaker": {"open_timeout": "1s"}},
               processes=1, postgres=own_postgres)
    answers = []

    def write():
        try:
            o.s3(retries={"max_attempts": 0}).put_object(Bucket="photos", Key="k", Body=b"x" * 9)
        except botocore.exceptions.ClientError as e:
            answers.append((e.response["ResponseMetadata"]["HTTPStatusCode"],
                            e.response["Error"]["Code"]))
    writer = threading.Thread(target=write)
    writer.start()
    for b in backends:
        assert b.entered.wait(30)
    if sent:
        lock = own_postgres.connect(o.database)
        lock.autocommit = False
        lock.cursor().execute("LOCK TABLE object_locations IN EXCLUSIVE MODE")
    else:
        own_postgres.kill()
    for b in backends:
        b.go.set()
    if sent:
        until(lambda: o.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                            " AND datname = current_database()"), 20, "the commit waits")
        own_postgres.kill()
    writer.join()
    assert answers == [(503, "ServiceUnavailable")]

    def told():
        return [a for a in o.audit() if a["event"] == "storage.OrphanEnqueueFailed"]
    until(lambda: len(told()) == copies)
    for b in backends:
        [event] = [a for a in told() if a["backend"] == b.name]
        [path] = b.stored
        assert path.endswith("/" + event["key"]) and event["key"].startswith("photos/k~")
        assert (event["size"], event["reason"], event["stage"]) == (
            9, "orphan_record_failed", "enqueue")
        assert event["error"]
        assert o.metrics()["s3o_cleanup_enqueue_failures_total{" +
                           f'backend="{b.name}",reason="orphan_record_failed",stage="enqueue"}}'] == 1
    own_postgres.start()
    until(lambda: o.adminctl("status", check=False).returncode == 0, 30)
    o.tidy_up()
    assert not any(b.stored for b in backends)

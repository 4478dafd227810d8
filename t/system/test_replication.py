# SPDX-License-Identifier: MIT
"""Copies: as many as are wanted, where they are wanted, and no more."""
import os
import signal
import threading

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError

from harness.memory_s3 import MemoryS3
from harness.storage import S3Server, key_of_path
from harness.uploads import Upload
from harness.wait import until

SANITIZED = True

MIB = 1024 * 1024


def copies(o, key=None):
    """{(key, segment number): backends of its copies, in order of age}"""
    rows = o.sql("SELECT object_name, segment_number, array_agg(l.backend_name ORDER BY"
                 " l.created_at, l.backend_name) FROM segments s"
                 " JOIN object_versions v USING (bucket, object_name, generation)"
                 " LEFT JOIN object_locations l USING (segment_id)"
                 " WHERE v.is_latest GROUP BY object_name, segment_number")
    return {(k, n): b for k, n, b in rows if key in (None, k)}


def queued(o):
    return o.sql("SELECT count(*) FROM replication_queue")[0][0]


def have(o, n):
    """Every segment has n copies, and nobody thinks that something is missing."""
    return all(len(b) == n for b in copies(o).values()) and not queued(o)


def upload_parts(s3, key, sizes):
    upload, body = Upload(s3, key), b""
    for number, size in enumerate(sizes, 1):
        part = os.urandom(size)
        upload.part(number, part)
        body += part
    upload.complete()
    return body


def file_of(o, key, backend):
    """Where a directory keeps its copy."""
    (name,), = o.sql("SELECT backend_key FROM object_locations WHERE backend_name = %s"
                     " AND object_key = 'photos/' || %s", backend, key)
    directory, = [b for b in o.backends if b.name == backend]
    file, = [f for f in directory.files() if key_of_path(
        os.path.relpath(f, f"{directory.path}/objects")) == name]
    return file


def read_each_copy(o, key, body, of=None):
    """Each copy alone is the object."""
    for holder in [of] if of else copies(o, key)[(key, 1)]:
        with open(file_of(o, key, holder), "rb") as f:
            assert f.read() == body


def wait_copies(o, n, seconds=30):
    until(lambda: have(o, n), seconds, f"{n} copies of everything; {copies(o)}")


def test_new_objects_get_their_copies(launch, directories):
    o = launch(directories(3), {"replication": {"factor": 2}})
    s3 = o.s3()
    bodies = {f"k{i}": os.urandom(size) for i, size in enumerate((0, 1, 5000, 3 * MIB))}
    for key, body in bodies.items():
        s3.put_object(Bucket="photos", Key=key, Body=body, ContentType="image/png")
    wait_copies(o, 2)
    for key, body in bodies.items():
        read_each_copy(o, key, body)
    # The copy says what the original says.
    values = o.sql("SELECT count(DISTINCT backend_key) FROM object_locations")
    assert values == [(2 * len(bodies),)]
    lines = [a for a in o.audit("workerd") if a["event"] == "replication.copy"]
    assert {a["key"] for a in lines} == set(bodies)
    assert all(a["src_backend"] == "disk1" and a["target_backend"] == "disk2" for a in lines)
    samples = o.metrics(o.worker_port)
    assert samples["s3o_replication_copies_created_total"] == len(bodies)
    until(lambda: o.metrics(o.worker_port)["s3o_replication_pending"] == 0)


def test_parts_copies_and_versions(launch, directories):
    o = launch(directories(3), {"replication": {"factor": 3}})
    s3 = o.s3()
    body = upload_parts(s3, "large", [5 * MIB, 5 * MIB, 10])
    s3.copy_object(Bucket="photos", Key="copied", CopySource="photos/large")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket="photos", Key="v", Body=b"%d" % i)["VersionId"] for i in range(3)]
    wait_copies(o, 3)
    assert len(copies(o, "large")) == 3
    o.backends[0].wipe()  # what is left is enough
    for key in ("large", "copied"):
        assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == body
    for i, version in enumerate(ids):
        got = s3.get_object(Bucket="photos", Key="v", VersionId=version)["Body"].read()
        assert got == b"%d" % i
    # And what was lost is there again, because it was noticed.
    wait_copies(o, 3)
    o.sql("UPDATE replication_queue SET next_retry = now()")
    for key in ("large", "copied"):
        s3.get_object(Bucket="photos", Key=key)["Body"].read()
    wait_copies(o, 3)
    assert o.backends[0].count() > 0


def ask(o, method, path):
    return requests.request(method, f"http://127.0.0.1:{o.worker_port}/admin/api/{path}",
                            headers={"X-Admin-Token": "t"}, timeout=60).json()


def test_the_factor_changes(launch, directories):
    """More copies, then fewer: by a reload, and waited for."""
    o = launch(directories(3), {"ui": {"admin_token": "t"}})
    s3 = o.s3()
    for i in range(20):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=os.urandom(1000 * i))
    reason = "replication not configured or factor <= 1"
    assert ask(o, "POST", "replicate") == {"status": "skipped", "copies_created": 0,
                                           "reason": reason}
    o.config["replication"] = {"factor": 3}
    o.write_config()
    o.adminctl("reload")
    assert ask(o, "POST", "replicate") == {"status": "ok", "copies_created": 40}
    assert have(o, 3)
    o.check()
    o.config["replication"] = {"factor": 2}
    o.write_config()
    o.adminctl("reload")
    assert ask(o, "GET", "over-replication") == {"factor": 2, "pending": 20}
    assert "batch_size" in ask(o, "POST", "over-replication?batch_size=1")["error"]
    assert o.adminctl("over-replication").stdout.startswith("20 segments have more copies")
    assert ask(o, "POST", "over-replication") == {"status": "ok", "copies_removed": 20}
    assert ask(o, "GET", "over-replication") == {"factor": 2, "pending": 0}
    assert o.adminctl("over-replication", "--execute").stdout == "0 copies removed\n"
    assert o.adminctl("replicate").stdout == "0 copies created\n"
    assert have(o, 2)
    removed = [a for a in o.audit("workerd") if a["event"] == "over_replication.remove"]
    assert len(removed) == 20
    assert o.metrics(o.worker_port)["s3o_over_replication_removed_total"] == 20
    o.wait_clean()
    assert sum(b.count() for b in o.backends) == 40


def test_failure_domains(launch, directories):
    """Copies of an object are never with one provider only."""
    backends = directories(4)
    labels = ["east", "east", "west", None]

    def config_of(backend, label):
        plain = type(backend).config

        def config():
            return {**plain(backend), **({"labels": {"provider": label}} if label else {})}
        return config
    for backend, label in zip(backends, labels):
        backend.config = config_of(backend, label)
    o = launch(backends, {"replication": {"factor": 3, "spread_over": "provider"}})
    s3 = o.s3()
    for i in range(10):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=b"%d" % i)
    wait_copies(o, 3)
    assert all(b == ["disk1", "disk3", "disk4"] for b in copies(o).values())
    # What lies together from before is taken apart.
    o.config["replication"]["spread_over"] = ""
    o.config["replication"]["factor"] = 2
    o.write_config()
    o.adminctl("reload")
    o.adminctl("run", "over_replication_cleanup")
    wait_copies(o, 2)
    o.sql("UPDATE backend_drains SET state = 'failed'")
    for i in range(10, 20):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=b"%d" % i)
    wait_copies(o, 2)
    assert copies(o)[("k15", 1)] == ["disk1", "disk2"]
    o.config["replication"]["spread_over"] = "provider"
    o.write_config()
    o.adminctl("reload")
    o.adminctl("run", "replication")
    until(lambda: len(copies(o)[("k15", 1)]) == 3)
    until(lambda: not queued(o))
    o.adminctl("run", "over_replication_cleanup")
    wait_copies(o, 2)
    assert all(b != ["disk1", "disk2"] for b in copies(o).values())


def test_copies_before_the_answer(launch, directories):
    """ack: as many copies are there when the client hears of it."""
    quota = "10MB"
    o = launch(directories(3, quota=quota), {
        "replication": {"factor": 2},
        "buckets": [
            {"name": "photos", "replication": {"factor": 3, "ack": 2}, "credentials": [
                {"access_key_id": "photoskey", "secret_access_key": "photossecret"}]},
            {"name": "documents", "replication": {"factor": 1}, "credentials": [
                {"access_key_id": "docskey", "secret_access_key": "docssecret"}]}]},
        workerd=False)
    s3 = o.s3()
    s3.put_object(Bucket="photos", Key="k", Body=b"x" * 1000)
    body = upload_parts(s3, "large", [5 * MIB, 10])
    s3.copy_object(Bucket="photos", Key="copied", CopySource="photos/k")
    assert copies(o) == {("k", 1): ["disk1", "disk2"], ("large", 1): ["disk1", "disk2"],
                         ("large", 2): ["disk1", "disk2"], ("copied", 1): ["disk1", "disk2"]}
    assert queued(o) == 4
    o.s3("documents").put_object(Bucket="documents", Key="d", Body=b"y")
    assert queued(o) == 4  # one copy is what it wants
    # Room for one copy, on disk3, is not enough; and nothing stays of the attempt.
    with pytest.raises(ClientError) as e:
        s3.put_object(Bucket="photos", Key="k2", Body=b"x" * 6 * MIB)
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
    assert o.sql("SELECT count(*) FROM pending_objects") == [(0,)]
    assert s3.get_object(Bucket="photos", Key="large")["Body"].read() == body
    o.start_workerd()
    until(lambda: all(len(b) == (1 if k[0] == "d" else 3) for k, b in copies(o).items()))


def test_acknowledged_copies_survive_a_backend(launch, directories):
    """One of the backends refuses; the copy goes to the next one before the answer."""
    class Refusing(MemoryS3):
        def put(self, path, length, read):
            read(length)
            return self.error(503, "SlowDown")
    o = launch([*directories(1), Refusing("refuses"), MemoryS3("accepts")],
               {"replication": {"factor": 2, "ack": 2}}, workerd=False)
    s3 = o.s3()
    for i in range(3):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=b"%d" % i)
    assert set(map(tuple, copies(o).values())) == {("accepts", "disk1")}


def test_acknowledged_copies_are_written_at_once(launch):
    """Each of two backends answers only when both have the bytes."""
    both = threading.Barrier(2, timeout=20)

    class Meeting(MemoryS3):
        def put(self, path, length, read):
            answer = super().put(path, length, read)
            both.wait()
            return answer
    o = launch([Meeting("one"), Meeting("two")], {"replication": {"factor": 2, "ack": 2}},
               workerd=False)
    s3 = o.s3()
    s3.put_object(Bucket="photos", Key="k", Body=b"x" * 3 * MIB)
    upload_parts(s3, "parts", [5 * MIB, 10])
    assert set(map(tuple, copies(o).values())) == {("one", "two")}


class Stuck(MemoryS3):
    """Reads the bytes and answers much later."""

    def __init__(self, name):
        super().__init__(name)
        self.entered, self.go = threading.Event(), threading.Event()

    def put(self, path, length, read):
        body = read(length)
        self.entered.set()
        self.go.wait(60)
        self.stored[path] = body
        return 200, b""


def test_a_copy_that_fails_ends_the_others(launch):
    """Nobody waits for a backend whose copy would not be enough; what it stores after all
    is deleted."""
    class Refusing(MemoryS3):
        def put(self, path, length, read):
            read(length)
            stuck.entered.wait(20)
            return self.error(503, "SlowDown")
    stuck = Stuck("stuck")
    o = launch([stuck, Refusing("refuses")], {"replication": {"factor": 2, "ack": 2}})
    with pytest.raises(ClientError) as e:
        o.s3().put_object(Bucket="photos", Key="k", Body=b"x" * 1000)
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert not stuck.go.is_set() and not copies(o)
    stuck.go.set()
    until(lambda: stuck.count() == 1, what="its bytes have arrived")
    o.tidy_up()
    assert stuck.count() == 0


def test_a_child_is_killed_while_copies_are_written(launch):
    """Both have their intents before the first byte: what arrives after all is deleted."""
    stuck = [Stuck("one"), Stuck("two")]
    o = launch(stuck, {"replication": {"factor": 2, "ack": 2}})
    writer = threading.Thread(target=lambda: pytest.raises(
        BotoCoreError, o.s3().put_object, Bucket="photos", Key="k", Body=b"x" * 1000))
    writer.start()
    assert all(backend.entered.wait(30) for backend in stuck)
    child, = o.children()
    os.kill(child, signal.SIGKILL)
    writer.join(30)
    assert o.sql("SELECT count(*) FROM pending_objects") == [(2,)]
    for backend in stuck:
        backend.go.set()
    until(lambda: [b.count() for b in stuck] == [1, 1], what="their bytes have arrived")
    o.tidy_up()
    assert not copies(o) and [b.count() for b in stuck] == [0, 0]


def test_a_damaged_copy_is_not_multiplied(launch, directories):
    o = launch(directories(3), {"replication": {"factor": 2}})
    s3 = o.s3()
    body = os.urandom(100000)
    s3.put_object(Bucket="photos", Key="k", Body=body)
    s3.put_object(Bucket="photos", Key="alone", Body=body)
    wait_copies(o, 2)
    # Bytes change, the size does not: of one copy, and of both.
    for backend, key in ((0, "k"), (0, "alone"), (1, "alone")):
        with open(file_of(o, key, f"disk{backend + 1}"), "r+b") as f:
            f.seek(500)
            f.write(b"damage")
    o.config["replication"]["factor"] = 3
    o.write_config()
    o.adminctl("reload")
    o.adminctl("run", "replication")
    until(lambda: len(copies(o, "k")[("k", 1)]) == 3)
    read_each_copy(o, "k", body, of="disk3")  # made of the second copy
    until(lambda: o.sql("SELECT 1 FROM replication_queue WHERE last_error LIKE %s", "%damaged%"))
    assert copies(o, "alone")[("alone", 1)] == ["disk1", "disk2"]
    assert o.metrics(o.worker_port)['s3o_integrity_errors_total{operation="replicate"}'] >= 3
    s3.delete_object(Bucket="photos", Key="alone")


def test_missing_copies_are_replaced(launch, directories):
    o = launch(directories(3), {"replication": {"factor": 2}})
    s3 = o.s3()
    # One of another size goes when there is a sound one; of two bad ones both stay.
    for key in ("cut", "both"):
        s3.put_object(Bucket="photos", Key=key, Body=b"x" * 1000)
    wait_copies(o, 2)
    for key, disk in (("cut", "disk1"), ("both", "disk1"), ("both", "disk2")):
        os.truncate(file_of(o, key, disk), 100)
    assert s3.get_object(Bucket="photos", Key="cut")["Body"].read() == b"x" * 1000
    with pytest.raises(ClientError):
        s3.get_object(Bucket="photos", Key="both")
    until(lambda: {line["key"]: line["outcome"] for line in o.log_lines("workerd")
                   if line["msg"] == "copy has another size than recorded"} == {
        "cut": "removed from the catalogue", "both": "no other copy is sound"})
    until(lambda: len(copies(o, "cut")[("cut", 1)]) == 2)
    assert copies(o, "both")[("both", 1)] == ["disk1", "disk2"]
    for key in ("cut", "both"):
        s3.delete_object(Bucket="photos", Key=key)
    bodies = {f"k{i}": os.urandom(5000) for i in range(10)}
    for key, body in bodies.items():
        s3.put_object(Bucket="photos", Key=key, Body=body)
    wait_copies(o, 2)
    o.backends[0].wipe()
    for key, body in bodies.items():
        assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == body
    until(lambda: o.backends[0].count() + o.backends[2].count() == 10 and have(o, 2))
    o.check()
    # The only copy stays in the catalogue, whatever happened to it.
    o.config["replication"]["factor"] = 1
    o.write_config()
    o.adminctl("reload")
    s3.put_object(Bucket="photos", Key="alone", Body=b"x")
    holder, = copies(o, "alone")[("alone", 1)]
    os.unlink(file_of(o, "alone", holder))
    with pytest.raises(ClientError):
        s3.get_object(Bucket="photos", Key="alone")
    until(lambda: [line for line in o.log_lines("workerd") if line["msg"] == "copy is missing"
                   and line["key"] == "alone" and line["outcome"] == "the copy is needed"])
    assert copies(o, "alone")[("alone", 1)] == [holder]
    s3.delete_object(Bucket="photos", Key="alone")


def test_a_backend_is_ill_for_long_and_comes_back(launch, directories, s3_state):
    """Its copies are made elsewhere; when it is back those that are too many go, in the
    right failure domains."""
    server = S3Server("swift-s3", s3_state + "-ill")
    try:
        sick = server.backend("sick")
        one, two = directories(2)
        for backend, label in ((sick, "x"), (one, "y"), (two, "x")):
            plain = backend.config()
            backend.config = lambda plain=plain, label=label: {**plain, "labels": {"site": label}}
        o = launch([sick, one, two], {
            "replication": {"factor": 2, "spread_over": "site", "unhealthy_threshold": "2s"},
            "backend_circuit_breaker": {"enabled": True, "failure_threshold": 2,
                                        "open_timeout": "500ms"}}, hosts=2)
        s3 = o.s3()
        bodies = {f"k{i}": os.urandom(1000) for i in range(10)}
        for key, body in bodies.items():
            s3.put_object(Bucket="photos", Key=key, Body=body)
        wait_copies(o, 2)
        assert all(b == ["sick", "disk1"] for b in copies(o).values())
        server.run("crash", server.port)  # nobody reads or writes: it is noticed all the same
        until(lambda: all(set(b) == {"sick", "disk1", "disk2"} for b in copies(o).values()), 60)
        assert sum(host.metrics(host.worker_port)["s3o_replication_health_copies_total"]
                   for host in (o, o.twin)) == 10
        s3.put_object(Bucket="photos", Key="new", Body=b"new")
        until(lambda: sorted(copies(o, "new")[("new", 1)]) == ["disk1", "disk2"])
        server.run("revive", server.port)
        until(lambda: all(len(b) == 2 and "disk1" in b for b in copies(o).values()), 60)
        for key, body in bodies.items():
            assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == body
        o.tidy_up()
        o.check()
        o.stop()
        o.checked = False
    finally:
        server.stop()


def test_copies_while_objects_change(launch, directories):
    """Overwriting and deleting beside the job: what is left has its copies."""
    o = launch(directories(3), {"replication": {"factor": 2, "concurrency": 8}})
    failures = []

    def change(n):
        s3 = o.s3()
        try:
            for i in range(40):
                key = f"k{i % 5}"
                if (i + n) % 4:
                    s3.put_object(Bucket="photos", Key=key, Body=os.urandom(2000 + n))
                else:
                    s3.delete_object(Bucket="photos", Key=key)
        except Exception as e:
            failures.append(e)
    threads = [threading.Thread(target=change, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    wait_copies(o, 2)

"""Backends that fail: writes go on elsewhere, reads go on with another copy."""
import base64
import hashlib
import os
import shutil
import threading
import time

import pytest
from botocore.exceptions import ClientError

from harness.memory_s3 import MemoryS3
from harness.wait import until

PROCESSES = 2  # of the systems launched here: requests meet across children

MIB = 1024 * 1024


def test_mixed_backends(launch, directories, radosgw, swift):
    o = launch([radosgw.backend("ceph"), swift.backend("swift"), *directories(1)],
               {"routing_strategy": "spread"})
    s3 = o.s3()
    bodies = {f"k{i}": os.urandom(1000 * i) for i in range(30)}
    for key, body in bodies.items():
        s3.put_object(Bucket="photos", Key=key, Body=body)
    for key, body in bodies.items():
        assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == body


def copy_elsewhere(o, key):
    """Gives the object a second copy, on the second of two directories, which workerd
    would remove when it starts because nobody wants it. Returns the file of the first one."""
    (segment, size), = o.sql("SELECT segment_id, size_bytes FROM segments"
                             " WHERE bucket = 'photos' AND object_name = %s", key)
    first, second = o.backends
    [file] = [f for f in first.files() if os.path.basename(f).startswith(key + "~")]
    copy = file.replace(first.path, second.path)
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    shutil.copyfile(file, copy)
    o.sql("INSERT INTO object_locations (segment_id, backend_name, backend_key, object_key,"
          " size_bytes, created_at) SELECT segment_id, %s, backend_key, object_key, size_bytes,"
          " now() FROM object_locations WHERE segment_id = %s", second.name, segment)
    o.sql("UPDATE backend_quota_slots SET used = used + %s, free = free - %s, copies = copies + 1"
          " WHERE backend_name = %s AND slot = 0", size, size, second.name)
    return file


def cut(file):
    os.truncate(file, os.path.getsize(file) // 2)


def grow(file):
    with open(file, "ab") as f:
        f.write(b"more")


@pytest.mark.parametrize("damage", [os.unlink, cut, grow, lambda file: os.truncate(file, 0)],
                         ids=["missing", "cut", "longer", "empty"])
@pytest.mark.parametrize("size", [1000, 8 * MIB + 123], ids=["small", "large"])
def test_a_damaged_copy_is_replaced_by_another(launch, directories, damage, size):
    o = launch(directories(2), workerd=False)
    s3 = o.s3()
    body = os.urandom(size)
    s3.put_object(Bucket="photos", Key="k", Body=body)
    file = copy_elsewhere(o, "k")
    damage(file)
    assert s3.get_object(Bucket="photos", Key="k")["Body"].read() == body
    for first, last in ((0, 0), (0, size // 2 - 1), (size // 4, 3 * size // 4),
                        (size // 2, size - 1), (size - 1, size - 1)):
        got = s3.get_object(Bucket="photos", Key="k", Range=f"bytes={first}-{last}")
        assert got["Body"].read() == body[first:last + 1]
        assert got["ContentRange"] == f"bytes {first}-{last}/{size}"
    assert any(line["msg"] == "copy cannot be read" for line in o.log_lines("proxyd"))
    s3.delete_object(Bucket="photos", Key="k")  # with the damaged copy


def test_a_copy_breaks_while_it_is_sent(launch, directories):
    """The client has got a part when the rest of the copy vanishes."""
    o = launch(directories(2), workerd=False)
    s3 = o.s3()
    body = os.urandom(64 * MIB)
    s3.put_object(Bucket="photos", Key="k", Body=body)
    file = copy_elsewhere(o, "k")
    stream = s3.get_object(Bucket="photos", Key="k")["Body"]
    start = stream.read(MIB)
    os.truncate(file, 48 * MIB)
    assert start + stream.read() == body
    assert any(line["msg"] == "copy cannot be read" and line["offset"] > MIB
               for line in o.log_lines("proxyd"))
    s3.delete_object(Bucket="photos", Key="k")


class SlowS3(MemoryS3):
    """It stores what it has received when it is told to."""

    def __init__(self, name, status=200, rate=None):
        """rate: bytes that it reads in a second."""
        super().__init__(name)
        self.status, self.rate = status, rate
        self.may_store = threading.Event()
        self.may_store.set()
        self.received = 0
        self.puts = []

    def put(self, path, length, read):
        body = b""
        while self.rate and len(body) < length:
            piece = read(min(self.rate // 10, length - len(body)))
            if not piece:
                return 400, b""
            body += piece
            self.received += len(piece)
            time.sleep(0.1)
        body += read(length - len(body))
        self.may_store.wait(60)
        if self.status == 200:
            self.stored[path] = body
        self.puts.append(path)
        return self.status, b""


def test_bytes_that_arrive_after_the_write_was_given_up(launch):
    """The backend still works on what it has got: the deletion must not come before."""
    slow = SlowS3("slow")
    slow.may_store.clear()
    o = launch([slow], {"server": {"backend_timeout": "2s"}})
    with pytest.raises(ClientError):
        o.s3(retries={"max_attempts": 0}).put_object(Bucket="photos", Key="k", Body=b"x" * 1000)
    assert not slow.puts and not o.is_clean()
    slow.may_store.set()
    o.wait_clean(20)
    assert slow.puts and slow.stored == {}
    assert "Contents" not in o.s3().list_objects_v2(Bucket="photos")


def test_a_busy_backend_is_told_as_such(launch):
    o = launch([SlowS3("busy", status=503)], {"server": {"backend_timeout": "2s"}})
    with pytest.raises(ClientError) as caught:
        o.s3(retries={"max_attempts": 0}).put_object(Bucket="photos", Key="k", Body=b"x")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert caught.value.response["Error"]["Code"] == "SlowDown"
    assert "backend is busy" in caught.value.response["Error"]["Message"]


def test_a_write_whose_intent_was_reaped_ends(launch):
    """Its space is not reserved any more: no more bytes may flow."""
    slow = SlowS3("slow", rate=4 * MIB)
    o = launch([slow], {"write_path": {"pending_pattern": {"min_age": "5s"}},
                        "server": {"backend_timeout": "5s"}}, workerd=False)
    outcome = []

    def put():
        with pytest.raises(ClientError) as caught:
            o.s3(retries={"max_attempts": 0}).put_object(Bucket="photos", Key="k",
                                                         Body=b"x" * 64 * MIB)
        outcome.append(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])

    writer = threading.Thread(target=put)
    writer.start()
    until(lambda: slow.received > 2 * MIB, what="bytes flow")
    # Not at the moment in which it is renewed: then the reaper passes it over.
    until(lambda: o.sql("SELECT 1 FROM s3o_reap(0, 10, 0::SMALLINT, 0)"))
    writer.join(30)
    assert outcome == [503] and slow.received < 48 * MIB
    o.start_workerd()


def test_a_write_without_the_database_ends_before_it_is_reaped(own_postgres, launch):
    """Bytes that come after the reaper's deletion would lie there for ever."""
    slow = SlowS3("slow", rate=4 * MIB)
    o = launch([slow], {"write_path": {"pending_pattern": {"min_age": "5s"}},
                        "server": {"backend_timeout": "5s"}}, postgres=own_postgres)
    outcome = []

    def put():
        with pytest.raises(ClientError) as caught:
            o.s3().put_object(Bucket="photos", Key="k", Body=b"x" * 64 * MIB)
        outcome.append(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])

    writer = threading.Thread(target=put)
    writer.start()
    until(lambda: slow.received > 2 * MIB, what="bytes flow")
    own_postgres.stop()
    writer.join(60)
    assert outcome == [503] and slow.received < 48 * MIB
    own_postgres.start()


class Damaging(MemoryS3):
    """It answers with the MD5 of what it has stored, which is not what it was sent."""

    def put(self, path, length, read):
        self.stored[path] = b"!" + read(length)[1:]
        return 200, b"", {"ETag": f'"{hashlib.md5(self.stored[path]).hexdigest()}"'}


def test_bytes_that_are_damaged_on_their_way(launch, directories):
    """The client says what it sends, the backend what it has got: then they are compared."""
    o = launch([Damaging("bad"), *directories(1)])
    body = b"body"
    o.s3().put_object(Bucket="photos", Key="k", Body=body,
                      ContentMD5=base64.b64encode(hashlib.md5(body).digest()).decode())
    assert o.s3().get_object(Bucket="photos", Key="k")["Body"].read() == body
    assert o.backends[1].count() == 1
    o.tidy_up()


@pytest.mark.parametrize("fault,undo", [("crash", "revive"), ("pause", "resume")])
def test_a_backend_stops_in_the_middle_of_writes(launch, directories, s3_state, fault, undo):
    from harness.storage import S3Server
    server = S3Server("swift-s3", s3_state + "-" + fault)
    try:
        o = launch([server.backend("remote"), *directories(1)],
                   {"server": {"backend_timeout": "3s"},
                    "backend_circuit_breaker": {"enabled": True, "failure_threshold": 3,
                                                "open_timeout": "2s"}})
        acknowledged = {}
        stopped = threading.Event()

        def write(n):
            client = o.s3()
            for i in range(40):
                key, body = f"w{n}-{i}", os.urandom(20_000 + i)
                client.put_object(Bucket="photos", Key=key, Body=body)
                acknowledged[key] = body
                if i == 10:
                    stopped.set()

        writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for w in writers:
            w.start()
        stopped.wait(60)
        server.run(fault, server.port)
        for w in writers:
            w.join(120)
            assert not w.is_alive()
        assert len(acknowledged) == 160
        assert o.metrics()['s3o_write_failover_total{operation="PutObject",'
                           'failed_backend="remote",success_backend="disk1"}'] >= 1
        assert o.backends[1].count() > 0
        server.run(undo, server.port)
        reader = o.s3(retries={"max_attempts": 10})
        for key, body in acknowledged.items():
            assert reader.get_object(Bucket="photos", Key=key)["Body"].read() == body
        o.tidy_up(90)
        o.check()
        o.stop()
        o.checked = False
    finally:
        server.stop()

"""Quotas: used + reserved + orphaned never exceeds a limit, whatever happens at
the same time, and used is what lies there."""
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from harness.uploads import Upload
from harness.wait import until
from harness.wire import Wire

PROCESSES = 2  # of the systems launched here: children are killed, or share limits

MIB = 1024 * 1024


class Sampler:
    """Looks at the counters all the time; keeps every excess it saw."""

    def __init__(self, orchestrator):
        self.orchestrator = orchestrator
        self.excess = []
        self.samples = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        connection = self.orchestrator.postgres.connect(self.orchestrator.database)
        cursor = connection.cursor()
        while not self.ended.is_set():
            cursor.execute("SELECT backend_name, bytes_used + bytes_reserved + orphan_bytes,"
                           " bytes_limit FROM backend_space WHERE bytes_limit > 0")
            self.samples += 1
            self.excess += [row for row in cursor.fetchall() if row[1] > row[2]]
        connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        assert self.samples > 10
        assert not self.excess


def put(s3, key, body):
    try:
        s3.put_object(Bucket="photos", Key=key, Body=body)
        return 200
    except ClientError as e:
        return e.response["ResponseMetadata"]["HTTPStatusCode"]


def test_64_parallel_puts_into_room_for_some(launch, directories):
    o = launch(directories(2, quota=10 * MIB))
    s3 = o.s3()
    body = os.urandom(MIB)
    with Sampler(o), ThreadPoolExecutor(64) as pool:
        results = list(pool.map(lambda i: put(s3, f"q{i}", body), range(64)))
    assert results.count(200) == 20
    assert results.count(507) == 44
    for i, status in enumerate(results):
        if status == 200:
            assert s3.get_object(Bucket="photos", Key=f"q{i}")["Body"].read() == body
    o.wait_clean()
    rows = o.sql("SELECT s.backend_name, s.bytes_used, (SELECT sum(size_bytes) FROM object_locations l"
                 " WHERE l.backend_name = s.backend_name) FROM backend_space s ORDER BY 1")
    assert [(r[1], r[2]) for r in rows] == [(10 * MIB, 10 * MIB)] * 2
    assert [b.bytes_stored() for b in o.backends] == [10 * MIB] * 2


def test_the_last_byte_fits(launch, directories):
    o = launch(directories(1, quota=1000))
    s3 = o.s3()
    assert put(s3, "a", b"x" * 600) == 200
    assert put(s3, "b", b"x" * 401) == 507
    assert put(s3, "b", b"x" * 400) == 200
    assert put(s3, "c", b"x") == 507
    assert put(s3, "c", b"") == 200
    s3.delete_object(Bucket="photos", Key="a")
    o.wait_clean()
    assert put(s3, "c", b"x" * 600) == 200


def test_room_is_there_when_it_is_free(launch, directories):
    """Nobody is refused by what was known before."""
    o = launch(directories(1, quota=1000), processes=1)
    assert put(o.s3(), "a", b"x" * 1000) == 200
    until(lambda: put(o.s3(), "b", b"x") == 507 and o.metrics()["s3o_early_rejections_total"],
          what="it is known that the backend is full", every=0.5)
    o.s3().delete_object(Bucket="photos", Key="a")
    o.wait_clean()
    assert put(o.s3(), "b", b"x") == 200


def test_overwrites_and_deletes_under_a_tight_quota(launch, directories):
    o = launch(directories(2, quota=4 * MIB))
    s3 = o.s3()

    def work(n):
        for i in range(25):
            key = f"k{(n + i) % 5}"
            if (n * i) % 3:
                put(s3, key, os.urandom(100_000 * (1 + (n + i) % 5)))
            else:
                s3.delete_object(Bucket="photos", Key=key)

    with Sampler(o), ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    o.wait_clean()
    o.check()


def test_pack_fills_one_backend_after_the_other(launch, directories):
    o = launch(directories(2, quota=5 * MIB))
    for i in range(8):
        assert put(o.s3(), f"k{i}", os.urandom(MIB)) == 200
    assert [b.count() for b in o.backends] == [5, 3]


def test_spread_fills_all_alike(launch, directories):
    """What placement knows of the space may be a second old: alike, not equal."""
    o = launch(directories(2, quota=100 * MIB), {"routing_strategy": "spread"})
    s3 = o.s3()
    for n in range(100):
        assert put(s3, f"k{n}", os.urandom(100_000)) == 200
        time.sleep(0.05)  # for what is known to be renewed
    counts = [b.count() for b in o.backends]
    assert sum(counts) == 100 and min(counts) > 25


def test_refused_before_the_body(launch, directories):
    """With Expect: 100-continue a refused upload is not sent."""
    o = launch(directories(1, quota=1000))
    url = o.s3().generate_presigned_url("put_object", Params={"Bucket": "photos", "Key": "k"})
    target = url.split(o.endpoint, 1)[1]
    with Wire(o.port) as w:
        w.send(f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1:{o.port}\r\nContent-Length: 5000\r\n"
               "Expect: 100-continue\r\n\r\n".encode())
        assert w.answer().status == 507
    assert o.metrics()["s3o_early_rejections_total"] == 1


def test_a_backend_that_is_nearly_full_is_told(launch, directories):
    """Once, although it is looked at again and again."""
    o = launch(directories(2, quota=10_000), {"usage_flush": {"interval": "100ms",
                                                              "fast_interval": "50ms"}})
    upload = Upload(o.s3(), "open")

    def told():
        return [(line["backend"], line["utilization_pct"], line["bytes_available"])
                for line in o.log_lines("workerd") if line["msg"] == "backend is nearly full"]
    o.s3().put_object(Bucket="photos", Key="k", Body=b"x" * 7999)
    until(lambda: o.sql("SELECT count(*) FROM object_locations") == [(1,)])
    assert told() == []
    o.s3().put_object(Bucket="photos", Key="l", Body=b"x")
    until(told)
    o.s3().put_object(Bucket="photos", Key="m", Body=b"x" * 8000)
    until(lambda: len(told()) > 1)
    assert told() == [("disk1", 80, 2000), ("disk2", 80, 2000)]
    status = o.status()
    assert status["proxyd"]["uploads"] == status["workerd"]["uploads"] == 1
    upload.abort()

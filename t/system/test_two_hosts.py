# SPDX-License-Identifier: MIT
"""Two proxyd and two workerd on one database: all jobs go on, and none does a thing twice,
as the backend sees it."""
import os
import random
import threading

from harness.memory_s3 import MemoryS3
from harness.wait import until

PROCESSES = 2  # of the systems launched here: requests meet across children


class Counting(MemoryS3):
    """It knows what it was asked to do."""

    def __init__(self, name):
        super().__init__(name)
        self.puts, self.deletes, self.lock = [], [], threading.Lock()

    def put(self, path, length, read):
        with self.lock:
            self.puts.append(path)
        return super().put(path, length, read)

    def delete(self, path):
        with self.lock:
            self.deletes.append(path)
        return super().delete(path)


def twice(paths):
    return [p for p in set(paths) if paths.count(p) > 1]


def read_all(o, bodies):
    for key, body in bodies.items():
        assert o.s3().get_object(Bucket="photos", Key=key)["Body"].read() == body


def test_two_hosts(launch, directories):
    one, two = directories(2)
    counting = Counting("counting")
    backends, extra = [one, counting, two], {"replication": {"factor": 2, "concurrency": 3}}
    a = launch(backends, extra, workerd=False)
    b = launch(backends, extra, workerd=False, database=a.database)
    bodies = {f"k{i}": os.urandom(3000) for i in range(80)}
    for i, (key, body) in enumerate(bodies.items()):
        (a, b)[i % 2].s3().put_object(Bucket="photos", Key=key, Body=body)
    starts = [threading.Thread(target=o.start_workerd) for o in (a, b)]
    for t in starts:
        t.start()
    for t in starts:
        t.join()
    until(lambda: a.sql("SELECT count(*) FROM object_locations") == [(160,)], 60)
    assert len(counting.puts) == 80 and not twice(counting.puts)
    for i in range(40, 80):
        b.s3().delete_object(Bucket="photos", Key=f"k{i}")
        del bodies[f"k{i}"]
    a.wait_clean()
    assert len(counting.deletes) == 40 and not twice(counting.deletes)

    # Clients of both overwrite and delete while a drain that one of them was asked for goes on,
    # and the daemon that runs it dies.
    known, failures, stop = dict(bodies), [], threading.Event()

    def change(o, n):
        s3, rng = o.s3(), random.Random(n)
        try:
            while not stop.is_set():
                key = f"k{rng.randrange(20) * 2 + n}"
                if rng.random() < 0.3:
                    s3.delete_object(Bucket="photos", Key=key)
                    known.pop(key, None)
                else:
                    body = rng.randbytes(2000)
                    s3.put_object(Bucket="photos", Key=key, Body=body)
                    known[key] = body
        except Exception as e:
            failures.append(e)
    clients = [threading.Thread(target=change, args=(o, n)) for n, o in enumerate((a, b))]
    for t in clients:
        t.start()
    b.adminctl("drain", "start", "disk1")
    owner = until(lambda: a.sql("SELECT claimed_by FROM backend_drains WHERE objects_moved > 0"))
    (dead,), = owner
    runner = a if f":{a.workerd.pid}:" in dead else b
    runner.kill("workerd")
    a.sql("UPDATE backend_drains SET heartbeat_at = now() - interval '61 s'")
    for table in ("cleanup_queue", "replication_queue"):  # the grace period of its claims is over
        a.sql(f"UPDATE {table} SET claimed_at = now() - interval '1 day' WHERE claimed_by = %s",
              dead)
    until(lambda: a.sql("SELECT count(*) FROM object_locations WHERE backend_name = 'disk1'")
          == [(0,)], 60)
    stop.set()
    for t in clients:
        t.join()
    assert not failures
    runner.start_workerd()
    a.tidy_up()
    until(lambda: a.sql("SELECT state FROM backend_drains") == [("drained",)])
    until(lambda: all(n == 2 for (n,) in a.sql(
        "SELECT count(*) FROM object_locations GROUP BY segment_id")))
    assert one.count() == 0
    assert not twice(counting.puts)
    # What the one that died had just deleted, and not recorded, is deleted again.
    assert len(twice(counting.deletes)) <= 10
    for o in (a, b):
        read_all(o, known)

# SPDX-License-Identifier: MIT
"""Emptying a backend, while clients go on as if nothing happened."""
import json
import os
import random
import threading

import pytest
import requests
from botocore.exceptions import ClientError

from harness.memory_s3 import MemoryS3
from harness.uploads import Upload
from harness.wait import until

SANITIZED = True
PROCESSES = 2  # of the systems launched here: requests meet across children

MIB = 1024 * 1024
TOKEN = "let-me-in"

# More of them when it is not one test of many.
OBJECTS = int(os.environ.get("S3O_DRAIN_OBJECTS", "200"))


def drain(o, action, backend="disk1", *options, check=True):
    done = o.adminctl("drain", action, backend, "--json", *options, check=check)
    return json.loads(done.stdout) if done.stdout else done


def post(o, path, **parameters):
    return requests.post(f"http://127.0.0.1:{o.worker_port}/admin/api/{path}", params=parameters,
                         headers={"X-Admin-Token": TOKEN}, timeout=60)


def wait_drained(o, backend="disk1", seconds=60):
    until(lambda: drain(o, "status", backend)["state"] == "drained", seconds,
          f"{backend} is empty")


def holders(o):
    return {b for (b,) in o.sql("SELECT DISTINCT backend_name FROM object_locations")}


def wait_used(o, backend):
    """It takes writes again: a child may know of its drain for a second longer."""
    def write():
        o.s3().put_object(Bucket="photos", Key="new", Body=b"new")
        return ("photos/new", backend) in o.sql("SELECT object_key, backend_name"
                                                " FROM object_locations")
    until(write, 10, f"{backend} takes writes")


def test_a_backend_is_emptied(launch, directories):
    o = launch(directories(3))
    s3 = o.s3()
    bodies = {f"k{i}": os.urandom(size) for i, size in enumerate((0, 1, 5000, 3 * MIB))}
    for key, body in bodies.items():
        s3.put_object(Bucket="photos", Key=key, Body=body)
    done, going = Upload(s3, "done"), Upload(s3, "going")
    parts = [os.urandom(5 * MIB), os.urandom(77)]
    for number, part in enumerate(parts, 1):
        done.part(number, part)
        going.part(number, part)
    done.complete()
    assert holders(o) == {"disk1"}
    assert drain(o, "status")["state"] == "none"

    result = o.adminctl("drain", "start", "disk1", "--wait")
    assert "drained" in result.stdout and "8" in result.stdout
    assert o.backends[0].count() == 0
    status = drain(o, "status")
    assert status["active"] is False and status["objects_remaining"] == 0
    assert status["objects_moved"] == 8
    assert status["bytes_moved"] == sum(map(len, bodies.values())) + 2 * sum(map(len, parts))
    # All is there, the open upload, too; and nothing new goes to it.
    for key, body in {**bodies, "done": b"".join(parts)}.items():
        assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == body
    going.part(2, b"another")
    going.complete()
    assert s3.get_object(Bucket="photos", Key="going")["Body"].read() == parts[0] + b"another"
    assert "disk1" not in holders(o)
    assert [row for row in o.status()["proxyd"]["backends"] if row["draining"]]
    events = [a["event"] for a in o.audit("workerd")]
    assert events.count("storage.DrainMove") == 8
    assert events.count("storage.DrainComplete") == 1
    # The one who asked is in the log, too.
    assert [a["backend"] for a in o.audit("workerd") if a["event"] == "storage.DrainStart"] == [
        "disk1"]
    assert drain(o, "cancel")["status"] == "drain cancelled"
    wait_used(o, "disk1")
    samples = o.metrics(o.worker_port)
    assert samples["s3o_drain_objects_moved_total"] == 8
    assert samples["s3o_drain_active"] == 0


def test_what_cannot_be_asked_for(launch, directories):
    o = launch(directories(2), workerd=False)
    for arguments, message in ((("start", "nobody"), "no backend nobody is configured"),
                               (("cancel", "disk1"), "is not draining")):
        result = o.adminctl("drain", *arguments, check=False)
        assert result.returncode == 1 and message in result.stderr
    assert o.adminctl("drain", "begin", "disk1", check=False).returncode == 2
    assert o.adminctl("drain", "cancel", "disk1", "--wait", check=False).returncode == 2
    assert o.adminctl("status", "--wait", check=False).returncode == 2
    # Without workerd proxyd takes it down; it is run when there is one.
    o.s3().put_object(Bucket="photos", Key="k", Body=b"x")
    assert drain(o, "start")["status"] == "drain started"
    result = o.adminctl("drain", "start", "disk1", check=False)
    assert result.returncode == 1 and "draining already" in result.stderr
    assert drain(o, "status")["objects_remaining"] == 1
    o.start_workerd()
    wait_drained(o)
    assert holders(o) == {"disk2"}


def test_copies_that_are_enough(launch, directories):
    """Of what has copies elsewhere only as many are made as are wanted."""
    o = launch(directories(4), {"replication": {"factor": 2}, "ui": {"admin_token": TOKEN}})
    s3 = o.s3()
    for i in range(20):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=os.urandom(1000))
    until(lambda: o.sql("SELECT count(*) FROM object_locations")[0][0] == 40)
    o.config["replication"]["factor"] = 3  # and half of them have three
    o.write_config()
    o.adminctl("reload")
    o.adminctl("run", "replication")
    until(lambda: o.sql("SELECT count(*) FROM object_locations")[0][0] == 60)
    o.config["replication"]["factor"] = 2
    o.write_config()
    o.adminctl("reload")
    dry = post(o, "backends/disk2/drain", dry_run="true").json()
    assert (dry["objects"], dry["objects_to_move"], dry["objects_to_remove"]) == (20, 0, 20)
    assert (dry["api_requests"], dry["egress_bytes"], dry["fits"]) == (20, 0, True)
    drain(o, "start", "disk2")
    wait_drained(o, "disk2")
    events = [a["event"] for a in o.audit("workerd")]
    assert events.count("storage.DrainRemoveReplica") == 20
    assert events.count("storage.DrainMove") == 0
    dry = post(o, "backends/disk1/drain", dry_run="true").json()  # now each is wanted
    assert (dry["objects_to_move"], dry["api_requests"], dry["egress_bytes"]) == (20, 40, 20_000)
    assert dry["api_requests_elsewhere"] == 20 and dry["ingress_bytes_elsewhere"] == 20_000
    told = o.adminctl("drain", "start", "disk1", "--dry-run").stdout
    assert told.startswith("20 objects would move (19.5 KiB, read from disk1 and sent elsewhere)")
    assert not drain(o, "status", "disk1")["active"]
    assert post(o, "backends/disk1/drain", dry="1").status_code == 400
    drain(o, "start", "disk1")
    wait_drained(o, "disk1")
    events = [a["event"] for a in o.audit("workerd")]
    assert events.count("storage.DrainMove") == 20
    assert o.sql("SELECT backend_name, count(*) FROM object_locations GROUP BY 1 ORDER BY 1") == [
        ("disk3", 20), ("disk4", 20)]


def test_no_room(launch, directories):
    """What has no other place stays where it is, and is told."""
    one, two = directories(2)
    two.quota = "1MB"
    o = launch([one, two])
    s3 = o.s3()
    s3.put_object(Bucket="photos", Key="large", Body=b"x" * 2 * MIB)
    s3.put_object(Bucket="photos", Key="small", Body=b"x")
    drain(o, "start")

    def hurry():
        o.sql("UPDATE backend_drains SET next_round = now() WHERE fruitless > 0")
        o.sql("SELECT pg_notify('s3o_jobs', 'drain')")
        return drain(o, "status")["state"] == "failed"
    until(hurry, 60)
    status = drain(o, "status")
    assert "no space" in status["error"] and status["objects_moved"] == 1
    assert o.sql("SELECT object_key, backend_name FROM object_locations ORDER BY 1") == [
        ("photos/large", "disk1"), ("photos/small", "disk2")]
    assert o.adminctl("drain", "status", "disk1", "--wait", check=False).returncode == 1
    wait_used(o, "disk1")


def test_a_drain_begins_while_something_is_written(launch, directories):
    """The bytes are on their way when it begins: the write ends elsewhere."""
    class Held(MemoryS3):
        entered, go = threading.Event(), threading.Event()

        def put(self, path, length, read):
            self.entered.set()
            self.go.wait(30)
            return super().put(path, length, read)
    o = launch([Held("slow"), *directories(1)])
    body = os.urandom(1000)
    writer = threading.Thread(target=lambda: o.s3().put_object(Bucket="photos", Key="k",
                                                               Body=body))
    writer.start()
    assert Held.entered.wait(30)
    drain(o, "start", "slow")
    assert drain(o, "status", "slow")["active"]
    Held.go.set()
    writer.join()
    assert holders(o) == {"disk1"}
    assert o.s3().get_object(Bucket="photos", Key="k")["Body"].read() == body
    wait_drained(o, "slow")
    assert o.backends[0].count() == 0
    assert o.metrics()["s3o_drain_race_aborted_total"] == 1


def test_a_long_read_goes_on_elsewhere(launch, radosgw, directories):
    """What somebody is just reading moves; the reader gets every byte."""
    o = launch([radosgw.backend("ceph"), *directories(1)])
    s3 = o.s3()
    body, upload = os.urandom(96 * MIB), Upload(s3, "parts")
    s3.put_object(Bucket="photos", Key="whole", Body=body)
    for number in range(8):
        upload.part(number + 1, body[number * 12 * MIB:(number + 1) * 12 * MIB])
    upload.complete()
    streams = [s3.get_object(Bucket="photos", Key=key)["Body"] for key in ("whole", "parts")]
    starts = [stream.read(MIB) for stream in streams]
    drain(o, "start", "ceph")
    until(lambda: holders(o) == {"disk1"}, 60)
    o.tidy_up()
    assert o.backends[0].count() == 0
    for start, stream in zip(starts, streams):
        assert start + stream.read() == body


def test_another_workerd_goes_on(launch, directories):
    """Killed in the middle, nothing is done twice or left out."""
    o = launch(directories(2), {"replication": {"concurrency": 1}})
    s3 = o.s3()
    bodies = {f"k{i}": os.urandom(2000) for i in range(300)}
    for key, body in bodies.items():
        s3.put_object(Bucket="photos", Key=key, Body=body)
    drain(o, "start")
    until(lambda: len(o.backends[1].files()) > 20)
    o.kill("workerd")
    left = o.sql("SELECT count(*) FROM object_locations WHERE backend_name = 'disk1'")[0][0]
    assert 0 < left < 300
    o.sql("UPDATE backend_drains SET heartbeat_at = now() - interval '61 s'")
    o.sql("UPDATE cleanup_queue SET claimed_at = now() - interval '1 day'"
          " WHERE claimed_at IS NOT NULL")  # and the grace period of what it had claimed
    o.start_workerd()
    until(lambda: holders(o) == {"disk2"}, 60)
    o.tidy_up()
    wait_drained(o)
    for key, body in bodies.items():
        assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == body


class Clients:
    """They write, read, overwrite and delete, each keys of its own, and know what should be
    there."""

    def __init__(self, o, n):
        self.o, self.stop, self.failures = o, threading.Event(), []
        self.known = [{} for _ in range(n)]
        self.operations = 0
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]

    def body(self, rng):
        return rng.randbytes(rng.choice((0, 10, 1000, 20_000, 300_000)))

    def step(self, s3, i, rng):
        known = self.known[i]
        key = f"c{i}/{rng.randrange(60)}"
        what = rng.random()
        if what < 0.4:
            body = self.body(rng)
            s3.put_object(Bucket="photos", Key=key, Body=body)
            known[key] = body
        elif what < 0.5:
            s3.delete_object(Bucket="photos", Key=key)
            known.pop(key, None)
        elif what < 0.52:
            upload, parts = Upload(s3, key), [rng.randbytes(5 * MIB), rng.randbytes(100)]
            for number, part in enumerate(parts, 1):
                upload.part(number, part)
            upload.complete()
            known[key] = b"".join(parts)
        elif key in known:
            assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == known[key]
        else:
            with pytest.raises(ClientError) as e:
                s3.get_object(Bucket="photos", Key=key)
            assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404

    def run(self, i):
        s3, rng = self.o.s3(), random.Random(i)
        try:
            while not self.stop.is_set():
                self.step(s3, i, rng)
                self.operations += 1
        except Exception as e:
            self.failures.append(e)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()
        assert not self.failures, self.failures


def test_under_load(launch, directories):
    """A drain of many objects, of all sizes and in parts, to two other backends, under the
    hands of clients: no read fails, nothing is lost or comes back, and all is counted."""
    o = launch(directories(3, quota="3GB"), {"replication": {"concurrency": 8}}, hosts=2)
    s3 = o.s3()
    rng = random.Random(0)
    bodies = {}

    def fill(n):
        s3, own = o.s3(), random.Random(f"fill{n}")
        for i in range(n, OBJECTS, 4):
            body = own.randbytes(own.choice((0, 100, 3000, 50_000)))
            s3.put_object(Bucket="photos", Key=f"k{i}", Body=body)
            bodies[f"k{i}"] = body
    threads = [threading.Thread(target=fill, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(3):
        upload, parts = Upload(s3, f"large{i}"), [rng.randbytes(5 * MIB), rng.randbytes(i)]
        for number, part in enumerate(parts, 1):
            upload.part(number, part)
        upload.complete()
        bodies[f"large{i}"] = b"".join(parts)
    assert holders(o) == {"disk1"}
    o.config["routing_strategy"] = "spread"
    o.write_config()
    o.adminctl("reload")
    with Clients(o, 3) as clients:
        until(lambda: clients.operations > 30)
        drain(o, "start")
        until(lambda: "disk1" not in holders(o), 60 + OBJECTS / 20)
        before = clients.operations
        until(lambda: clients.operations > before + 30)
    o.tidy_up(60 + OBJECTS / 20)
    wait_drained(o)
    assert o.backends[0].count() == 0
    for known in [bodies, *clients.known]:
        for key, body in known.items():
            assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == body
    listed = [k["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="photos")
              for k in page.get("Contents", [])]
    assert sorted(listed) == sorted([*bodies, *(k for known in clients.known for k in known)])

"""Backends that fail: writes go on elsewhere, reads go on with another copy."""
import os
import threading

import pytest

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
        assert o.backends[1].count() > 0
        server.run(undo, server.port)
        for key, body in acknowledged.items():
            assert o.s3(retries={"max_attempts": 10}).get_object(
                Bucket="photos", Key=key)["Body"].read() == body
        o.tidy_up(90)
        o.check()
        o.stop()
        o.checked = False
    finally:
        server.stop()

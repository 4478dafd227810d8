# SPDX-License-Identifier: MIT
"""Moving what is stored, so that backends are as full as they should be."""
import os

import requests

from harness.wait import until

TOKEN = "let-me-in"


def post(o, path, **parameters):
    return requests.post(f"http://127.0.0.1:{o.worker_port}/admin/api/{path}", params=parameters,
                         headers={"X-Admin-Token": TOKEN}, timeout=60)


def used(o):
    rows = dict(o.sql("SELECT backend_name, bytes_used FROM backend_space"))
    return [rows[b.name] for b in o.backends]


def put(o, n, size, prefix="k"):
    bodies = {f"{prefix}{i}": os.urandom(size) for i in range(n)}
    for key, body in bodies.items():
        o.s3().put_object(Bucket="photos", Key=key, Body=body)
    return bodies


def configure(o, **rebalance):
    o.config["rebalance"] = {"enabled": True, **rebalance}
    o.write_config()
    o.adminctl("reload")


def runs(o):
    return [a for a in o.audit("workerd") if a["event"] == "rebalance.start"]


def run(o):
    """A whole pass of the job."""
    before = len(runs(o))
    o.adminctl("run", "rebalance")
    until(lambda: len(runs(o)) > before)
    until(lambda: [j for j in o.status()["workerd"]["jobs"]
                   if j["name"] == "rebalance" and j["state"] == "waiting"])


def read_all(o, bodies):
    for key, body in bodies.items():
        assert o.s3().get_object(Bucket="photos", Key=key)["Body"].read() == body


def test_spread(launch, directories):
    o = launch(directories(3, quota="1MB"), {"ui": {"admin_token": TOKEN}})
    bodies = put(o, 30, 10_000)
    assert used(o) == [300_000, 0, 0]
    assert post(o, "rebalance").json()["status"] == "skipped"  # it is not enabled
    configure(o, strategy="spread", batch_size=10, threshold=0.05)
    plan = post(o, "rebalance", dry_run="true").json()
    rows = {b.pop("name"): b for b in plan.pop("backends")}
    assert plan == {"status": "dry run", "worthwhile": True, "objects": 10, "bytes": 100_000}
    assert rows["disk1"] == {"objects_out": 10, "objects_in": 0, "api_requests": 20,
                             "egress_bytes": 100_000, "ingress_bytes": 0}
    assert rows["disk2"]["ingress_bytes"] + rows["disk3"]["ingress_bytes"] == 100_000
    assert used(o) == [300_000, 0, 0]
    table = o.adminctl("rebalance", "--dry-run").stdout
    assert table.startswith("10 objects would move\n") and "97.7 KiB" in table
    # No more than a batch.
    assert post(o, "rebalance").json() == {"status": "ok", "objects_moved": 10}
    assert used(o)[0] == 200_000 and sum(used(o)) == 300_000
    assert o.adminctl("rebalance").stdout == "10 objects moved\n"
    assert used(o) == [100_000, 100_000, 100_000]
    run(o)
    assert used(o) == [100_000, 100_000, 100_000]
    read_all(o, bodies)
    moves = [a for a in o.audit("workerd") if a["event"] == "rebalance.move"]
    assert len(moves) == 20 and all(a["src_backend"] == "disk1" for a in moves)
    samples = o.metrics(o.worker_port)
    assert samples['s3o_rebalance_objects_moved_total{strategy="spread",status="success"}'] == 20
    assert samples['s3o_rebalance_bytes_moved_total{strategy="spread"}'] == 200_000
    assert samples['s3o_rebalance_runs_total{strategy="spread",status="success"}'] == 2
    assert samples['s3o_rebalance_skipped_total{reason="threshold"}'] == 1
    assert samples["s3o_rebalance_pending"] == 0
    o.wait_clean()
    assert [b.count() for b in o.backends] == [10, 10, 10]


def test_pack(launch, directories):
    o = launch(directories(3, quota="1MB"), {"routing_strategy": "spread"})
    bodies = put(o, 30, 10_000)
    assert all(used(o))
    put(o, 1, 5_000, prefix="more")  # the fullest is where the others go
    configure(o, strategy="pack", threshold=0.001)
    run(o)
    assert sorted(used(o)) == [0, 0, 305_000]
    read_all(o, bodies)


def test_copies_stay_apart(launch, directories):
    """A copy goes to no backend that has one, nor into the failure domain of another."""
    backends = directories(4, quota="1MB")
    for backend, label in zip(backends, ["x", "y", "y", "z"]):
        plain = backend.config()
        backend.config = lambda plain=plain, label=label: {**plain, "labels": {"site": label}}
    o = launch(backends, {"replication": {"factor": 2, "spread_over": "site"}})
    bodies = put(o, 20, 10_000)
    until(lambda: used(o) == [200_000, 200_000, 0, 0])
    configure(o, strategy="spread", threshold=0.05)
    run(o)
    assert used(o)[2] > 0 and used(o)[3] > 0
    sites = dict(zip(("disk1", "disk2", "disk3", "disk4"), "xyyz"))
    for (holders,) in o.sql("SELECT array_agg(backend_name) FROM object_locations"
                            " GROUP BY segment_id"):
        assert len({sites[h] for h in holders}) == 2
    read_all(o, bodies)


def test_only_when_it_is_wanted(launch, directories):
    o = launch(directories(2, quota="1MB"))
    put(o, 3, 10_000)
    o.adminctl("run", "rebalance")  # it is not enabled
    configure(o, strategy="spread", threshold=0.5)
    run(o)
    assert used(o) == [30_000, 0]
    drained = o.adminctl("drain", "start", "disk2")
    assert drained.returncode == 0
    configure(o, strategy="spread", threshold=0.01)
    run(o)
    assert used(o) == [30_000, 0]  # not to one that is draining

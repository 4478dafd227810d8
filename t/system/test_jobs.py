# SPDX-License-Identifier: MIT
"""Long jobs that were asked for: what is told of them, by either daemon."""
import json
import subprocess

from harness.wait import until


def ask(o, path, method="GET", daemon="proxyd"):
    """(status, reply) of the admin API of a daemon."""
    out = subprocess.run(["curl", "-sS", "-X", method, "-w", "\n%{http_code}", "--unix-socket",
                          f"{o.dir}/run/{daemon}.sock", f"http://o/admin/api/{path}"],
                         capture_output=True, text=True, check=True).stdout
    body, status = out.rsplit("\n", 1)
    return int(status), json.loads(body)


def told(o, *args):
    return json.loads(o.adminctl(*args, "--json").stdout)


def test_jobs(launch, directories):
    o = launch(directories(3))
    assert told(o, "jobs") == {"jobs": []} and o.adminctl("jobs").stdout == ""
    o.s3().put_object(Bucket="photos", Key="k", Body=b"12345")
    o.adminctl("drain", "start", "disk1", "--wait")
    o.adminctl("remove-backend", "disk3", "--confirm")
    # Of a kind that nobody knows: they stay as they are.
    o.sql("INSERT INTO jobs (kind, target, state, owner, params, progress, result, heartbeat_at,"
          " started_at, finished_at) VALUES"
          " ('odd', 'a', 'running', 'me', '{\"x\": 1}', '{\"seen\": 7}', NULL, now(), now(), NULL),"
          " ('odd', 'b', 'failed', 'me', '{}', NULL, '{\"error\": \"no route\"}', now(), now(), now())")
    replies = [ask(o, "jobs", daemon=d) for d in ("proxyd", "workerd")]
    assert replies[0] == replies[1] and replies[0][0] == 200
    failed, running, removal, drain = replies[0][1]["jobs"]
    assert [j["requested_at"] for j in (failed, removal, drain)] == sorted(
        (j["requested_at"] for j in (failed, removal, drain)), reverse=True)
    assert (drain["id"], drain["kind"], drain["target"], drain["state"]) == (
        None, "drain", "disk1", "done")
    assert drain["progress"] == {"objects_moved": 1, "bytes_moved": 5}
    assert drain["finished_at"] and drain["owner"] and drain["error"] is None
    assert (removal["kind"], removal["target"], removal["state"], removal["params"]) == (
        "remove", "disk3", "done", {})
    assert removal["result"]["copies_removed"] == 0 and removal["id"] > 0
    assert running.pop("id") < failed["id"]
    assert running.pop("requested_at") == running.pop("started_at") == running.pop("heartbeat_at")
    assert running == {"kind": "odd", "target": "a", "state": "running", "owner": "me",
                       "params": {"x": 1}, "progress": {"seen": 7}, "result": None, "error": None,
                       "finished_at": None}
    assert failed["error"] == "no route"

    def names(*args):
        return [(j["kind"], j["target"]) for j in told(o, "jobs", *args)["jobs"]]
    assert names("odd") == [("odd", "b"), ("odd", "a")]
    assert names("-state", "done") == [("remove", "disk3"), ("drain", "disk1")]
    assert names("odd", "-state", "running") == names("-state", "running") == [("odd", "a")]
    assert names("-limit", "3") == names()[:3] and names("nothing") == []
    shown = o.adminctl("jobs").stdout
    assert "seen 7" in shown and "objects_moved 1, bytes_moved 5" in shown.replace(
        "bytes_moved 5, objects_moved 1", "objects_moved 1, bytes_moved 5")
    assert "no route" in shown
    wrong = o.adminctl("jobs", "-state", "over", check=False)
    assert wrong.returncode == 1
    assert "state=over: not requested, running, done, failed or cancelled" in wrong.stderr
    assert ask(o, "jobs?limit=0")[0] == 400 and ask(o, "jobs", "POST")[0] == 405
    o.sql("DELETE FROM jobs WHERE kind = 'odd'")


def test_a_drain_that_nobody_runs_yet(launch, directories):
    o = launch(directories(2), workerd=False)
    o.adminctl("drain", "start", "disk1")
    job, = told(o, "jobs")["jobs"]
    assert (job["state"], job["owner"], job["started_at"]) == ("requested", None, None)
    o.start_workerd()
    until(lambda: told(o, "jobs", "drain", "-state", "done")["jobs"], 30)


def test_jobs_of_long_ago_go(launch, directories):
    """When another is asked for."""
    o = launch(directories(1))
    for days in 91, 89:
        o.sql("INSERT INTO jobs (kind, target, state, finished_at) VALUES"
              " ('odd', %s, 'done', now() - %s * interval '1 day')", str(days), days)
    o.adminctl("reconcile")
    assert [(j["kind"], j["target"]) for j in told(o, "jobs")["jobs"]] == [
        ("reconcile", "disk1"), ("odd", "89")]

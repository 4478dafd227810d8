# SPDX-License-Identifier: MIT
"""The background daemon: jobs start when there is work, survive what fails, are
done by one daemon at a time, and end well."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests

from harness.orchestrator import BUILD, Orchestrator
from harness.wait import free_ports, until


@pytest.fixture
def orchestrator(launch):
    """One of the test's own: it is the programs that are tested here."""
    return launch()


class Endpoint:
    """An S3 backend that is not one: nobody listens, or whoever listens never answers."""

    def __init__(self, name):
        self.name = name
        self.port, = free_ports(1)
        self.listener = None

    def config(self):
        return {"name": self.name, "endpoint": f"http://127.0.0.1:{self.port}",
                "region": "us-east-1", "bucket": "b", "access_key_id": "k",
                "secret_access_key": "s", "force_path_style": True, "quota_bytes": "1GB"}

    def hang(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=100)

    def count(self):
        return 0

    def contents(self):
        return {}


def wake(o, job="cleanup_queue"):
    o.sql("SELECT pg_notify('s3o_jobs', %s)", job)


def queue(o, backend, n=1, attempts=0, claimed=None):
    """Rows of size 0 about objects that never existed."""
    o.sql("INSERT INTO cleanup_queue (backend_name, object_key, reason, attempts, claimed_at,"
          " claimed_by) SELECT %s, 'photos/none' || i || '~1', 'delete_failed', %s,"
          " now() - %s::interval, %s FROM generate_series(1, %s) i",
          backend, attempts, claimed, claimed and "elsewhere:1:0", n)
    wake(o)


def rows(o, what, where="TRUE"):
    return o.sql(f"SELECT {what} FROM cleanup_queue WHERE {where}")


def files(o):
    return sum(b.count() for b in o.backends)


def events(o, name):
    return [line for line in o.audit("workerd") if line["event"] == name]


def jobs(o):
    return {j["name"]: j for j in o.status()["workerd"]["jobs"]}


def test_deleted_bytes_are_gone_at_once(orchestrator):
    s3 = orchestrator.s3()
    for i in range(20):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=b"x" * 1000)
    assert files(orchestrator) == 20
    for i in range(20):
        s3.delete_object(Bucket="photos", Key=f"k{i}")
    until(lambda: files(orchestrator) == 0, 5, "the files are gone")
    until(lambda: len(events(orchestrator, "cleanup_queue.processed")) == 20, 5)

    def counted():
        m = orchestrator.metrics(orchestrator.worker_port)
        return (m['s3o_cleanup_queue_processed_total{status="success"}'] == 20 and
                m['s3o_worker_ticks_total{service="cleanup_queue",result="success"}'] >= 1)
    until(counted)


def test_what_was_queued_while_it_was_down_is_done_at_start(orchestrator):
    s3 = orchestrator.s3()
    for i in range(120):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=b"x")
    orchestrator.kill("workerd")
    for i in range(120):
        s3.delete_object(Bucket="photos", Key=f"k{i}")
    assert files(orchestrator) > 0
    orchestrator.start_workerd()
    until(lambda: files(orchestrator) == 0, 10, "the files are gone")


def test_failures_are_repeated_and_given_up_in_the_end(launch, directories):
    o = launch(directories(1) + [Endpoint("dead")], check=False)
    queue(o, "dead")
    until(lambda: rows(o, "attempts") == [(1,)], 10, "one attempt")
    [(wait, error, claimed)] = rows(
        o, "extract(epoch FROM next_retry - now()), last_error, claimed_by")
    assert 50 < wait <= 60 and "refused" in error and claimed is None
    # it comes back by itself when it is due, long before the tick
    o.sql("UPDATE cleanup_queue SET next_retry = now() + interval '2 s', attempts = 3")
    wake(o)
    until(lambda: rows(o, "attempts") == [(4,)], 6, "the next attempt")
    o.sql("UPDATE cleanup_queue SET next_retry = now(), attempts = 9")
    wake(o)
    until(lambda: rows(o, "*") == [], 10, "the row is given up")
    assert o.sql("SELECT backend_name, attempts FROM cleanup_dlq") == [("dead", 10)]
    [event] = until(lambda: events(o, "cleanup_queue.exhausted_to_dlq"))
    assert event["attempts"] == 10 and "refused" in event["last_error"]
    assert o.status()["workerd"]["cleanup_dlq"] == 1


def test_an_open_circuit_breaker_costs_no_attempts(launch, directories):
    o = launch(directories(1) + [Endpoint("dead")], {"backend_circuit_breaker": {
        "enabled": True, "failure_threshold": 1, "open_timeout": "10m"}}, check=False)
    queue(o, "dead")
    until(lambda: rows(o, "attempts") == [(1,)], 10, "the attempt that opens the breaker")
    queue(o, "dead", 60)
    until(lambda: rows(o, "*", "attempts = 0 AND next_retry < now() + interval '30 s'") == [],
          10, "the others are put off")
    assert rows(o, "sum(attempts), count(*), count(claimed_by)") == [(1, 61, 0)]
    assert rows(o, "*", "next_retry > now() + interval '1 minute'") == []
    ticks = 's3o_worker_ticks_total{service="cleanup_queue",result="success"}'
    before = o.metrics(o.worker_port)[ticks]
    time.sleep(3)
    assert o.metrics(o.worker_port)[ticks] - before <= 3, "it does not turn round and round"
    queue(o, "disk1")
    until(lambda: rows(o, "*", "backend_name = 'disk1'") == [], 10, "other backends go on")


def test_bytes_of_an_unknown_backend_are_not_forgotten(orchestrator):
    """Another daemon may know it: this one may only not have been reloaded yet."""
    o = orchestrator
    o.sql("SELECT s3o_sync_backend('elsewhere', 0)")
    queue(o, "elsewhere")
    until(lambda: rows(o, "attempts") == [(1,)], 10, "an attempt")
    assert rows(o, "last_error") == [("the backend is not configured",)]
    o.sql("UPDATE cleanup_queue SET next_retry = now(), attempts = 9")
    wake(o)
    until(lambda: rows(o, "*") == [], 10, "the row is given up")
    assert o.sql("SELECT backend_name FROM cleanup_dlq") == [("elsewhere",)]


def test_absent_bytes_and_stale_claims(orchestrator):
    queue(orchestrator, "disk1")
    until(lambda: len(events(orchestrator, "cleanup_queue.already_absent")) == 1, 10)
    queue(orchestrator, "disk1", claimed="10 minutes")
    until(lambda: rows(orchestrator, "*") == [], 10)
    [event] = events(orchestrator, "cleanup_queue.claim_recovered")
    assert event["backend"] == "disk1" and event["reclaimed_by"]
    queue(orchestrator, "disk1", claimed="10 seconds")  # somebody is at it
    queue(orchestrator, "disk2")
    until(lambda: rows(orchestrator, "*", "backend_name = 'disk2'") == [], 10)
    assert rows(orchestrator, "backend_name, claimed_by") == [("disk1", "elsewhere:1:0")]
    orchestrator.sql("DELETE FROM cleanup_queue")


def test_abandoned_writes_give_their_space_back(orchestrator):
    o = orchestrator
    o.sql("INSERT INTO pending_objects (intent_id, object_key, bucket, object_name, backend_name,"
          " backend_key, size_bytes, slot, owner, renewed_at) VALUES ('01A', 'photos/r', 'photos',"
          " 'r', 'disk1', 'photos/r~1', 500, 0, 'dead:1:0', now() - interval '1 hour')")
    o.sql("UPDATE backend_quota_slots SET reserved = reserved + 500, free = free - 500"
          " WHERE backend_name = 'disk1' AND slot = 0")
    assert o.adminctl("run", "pending_reaper").stdout == "pending_reaper: started\n"
    o.wait_clean(10)
    [dropped] = until(lambda: events(o, "pending_reaper.dropped"))
    assert o.metrics(o.worker_port)['s3o_pending_intents_resolved_total{status="dropped"}'] == 1
    assert (dropped["key"], dropped["backend"], dropped["intent_id"]) == (
        "photos/r~1", "disk1", "01A")
    assert o.sql("SELECT bytes_reserved + orphan_bytes FROM backend_space"
                 " WHERE backend_name = 'disk1'") == [(0,)]


def test_one_daemon_at_a_time_and_another_takes_over(orchestrator, workdir):
    second = Orchestrator(f"{workdir}/second", orchestrator.postgres, orchestrator.backends,
                          database=orchestrator.database)
    try:
        s3 = orchestrator.s3()
        s3.put_object(Bucket="photos", Key="k", Body=b"x")
        second.start_workerd()
        s3.delete_object(Bucket="photos", Key="k")
        until(lambda: files(orchestrator) == 0, 10)
        until(lambda: len(events(orchestrator, "cleanup_queue.processed")) == 1, 5)
        assert events(second, "cleanup_queue.processed") == []
        succeeded = 's3o_worker_last_success_timestamp_seconds{service="cleanup_queue"}'
        assert abs(time.time() - orchestrator.metrics(orchestrator.worker_port)[succeeded]) < 60
        assert succeeded not in second.metrics(second.worker_port)
        s3.put_object(Bucket="photos", Key="k", Body=b"x")
        orchestrator.kill("workerd")
        s3.delete_object(Bucket="photos", Key="k")
        until(lambda: files(orchestrator) == 0, 10)
        until(lambda: len(events(second, "cleanup_queue.processed")) == 1, 5)
        second.stop()
    finally:
        second.kill_everything()
    orchestrator.start_workerd()


def test_one_that_was_stopped_comes_back_too_late(launch, workdir):
    """Another has done its work meanwhile: nothing is lost, nothing is counted twice."""
    o = launch(workerd=False)
    second = Orchestrator(f"{workdir}/second", o.postgres, o.backends,
                          {"cleanup_queue": {"claim_grace_period": "1s"}}, database=o.database)
    s3 = o.s3()
    for key in ("kept", *"abcde"):
        s3.put_object(Bucket="photos", Key=key, Body=b"x" * 1000)
    for key in "abcde":
        s3.delete_object(Bucket="photos", Key=key)
    lock = o.postgres.connect(o.database)
    lock.autocommit = False
    lock.cursor().execute("SELECT FROM backend_quota_slots FOR UPDATE")
    try:
        o.start_workerd()
        until(lambda: files(o) == 1, 10, "it has deleted, and not yet said so")
        o.workerd.send_signal(signal.SIGSTOP)
        assert rows(o, "count(claimed_by)") == [(5,)]
        o.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
              " AND pid <> pg_backend_pid() AND pid <> %s", o.database, lock.info.backend_pid)
        lock.rollback()
        second.start_workerd()

        def taken_over():
            wake(o)
            return not rows(o, "*")
        until(taken_over, 20, "the other takes over", every=0.5)
        assert len(events(second, "cleanup_queue.claim_recovered")) == 5
        o.workerd.send_signal(signal.SIGCONT)
        second.stop()
    finally:
        lock.close()
        second.kill_everything()
    until(lambda: requests.get(f"http://127.0.0.1:{o.worker_port}/health").json() ==
          {"status": "ok"}, 30)
    o.check()
    until(lambda: _deleted(s3, "kept"), 30, "proxyd is back")
    until(lambda: files(o) == 0, 10, "it works again")
    assert events(o, "cleanup_queue.exhausted_to_dlq") == []


def _deleted(s3, key):
    try:
        return s3.delete_object(Bucket="photos", Key=key)
    except Exception:  # noqa: BLE001 not back yet
        return None


def test_a_pass_that_loses_the_database_is_no_success(launch, directories):
    o = launch(directories(1))
    connection = o.postgres.connect(o.database)
    connection.autocommit = False
    try:
        connection.cursor().execute("LOCK TABLE cleanup_dlq")
        # Counts the rows of the table at its end. That would wait until the lock times out,
        # which is a failure, and whoever asks the database about the jobs may wait behind it.
        run = threading.Thread(target=o.adminctl, args=("run", "pending_reaper"))
        run.start()

        def cut():
            o.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                  " datname = current_database() AND wait_event_type = 'Lock'")
            return o.metrics(o.worker_port).get(
                's3o_worker_ticks_total{service="pending_reaper",result="skipped"}', 0) > 0
        until(cut, 20, "a pass is cut", every=0.3)
        run.join()
    finally:
        connection.close()


SERVICES = ("cleanup_queue", "pending_reaper", "multipart_cleanup", "rebalance", "replication",
            "over_replication_cleanup", "lifecycle", "reconcile")


def test_every_service_records_failure_and_success(launch, directories):
    o = launch(directories(2), {"rebalance": {"enabled": True}, "reconcile": {"enabled": True},
                                "replication": {"factor": 2}})
    o.s3().put_bucket_lifecycle_configuration(Bucket="photos", LifecycleConfiguration={
        "Rules": [{"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]})

    def run_all(result):
        """Each twice, to that end."""
        def ended():
            missing = [s for s, n in ticks(result).items() if n < before[s] + 2]
            for service in missing:
                o.adminctl("run", service)
            return not missing
        before = ticks(result)
        until(ended, 30, f"two passes: {result}")

    def ticks(result):
        m = o.metrics(o.worker_port)
        return {s: m.get(f's3o_worker_ticks_total{{service="{s}",result="{result}"}}', 0)
                for s in SERVICES}

    def failures():
        m = o.metrics(o.worker_port)
        return {s: m[f's3o_worker_consecutive_failures{{service="{s}"}}'] for s in SERVICES}

    def told():
        return {w["name"]: w for w in json.loads(o.adminctl("workers", "--json").stdout)["workers"]
                if w["name"] in SERVICES}

    run_all("success")
    assert failures() == dict.fromkeys(SERVICES, 0)
    # Functions know tables, and connections know statements, by other than their names.
    o.kill("workerd")
    names = [("TABLE", t) for t in ("cleanup_queue", "pending_objects", "multipart_uploads",
                                    "object_versions", "object_locations", "segments",
                                    "replication_queue")]
    names += [("VIEW", "backend_space")]
    names += [("FUNCTION", f) for f, in o.sql("SELECT proname FROM pg_proc"
                                              " WHERE pronamespace = 'public'::regnamespace")]
    for kind, name in names:
        o.sql(f"ALTER {kind} {name} RENAME TO away_{name}")
    try:
        o.start_workerd()
        run_all("error")
    finally:
        for kind, name in names:
            o.sql(f"ALTER {kind} away_{name} RENAME TO {name}")
    assert min(failures().values()) >= 2
    assert all("does not exist" in w["last_error"] for w in told().values())
    run_all("success")
    assert failures() == dict.fromkeys(SERVICES, 0)
    assert all(w["last_success"] > w["last_failure"] for w in told().values())


def test_a_database_that_goes_away_and_comes_back(own_postgres, launch):
    o = launch(postgres=own_postgres)
    health = f"http://127.0.0.1:{o.worker_port}/health"
    s3 = o.s3()
    s3.put_object(Bucket="photos", Key="k", Body=b"x")
    own_postgres.kill()
    o.adminctl("run", "cleanup_queue")
    until(lambda: requests.get(health, timeout=5).json() == {"status": "degraded"}, 30)
    names = [w["name"] for w in json.loads(o.adminctl("workers", "--json").stdout)["workers"]]
    assert names == ["cleanup_queue", "pending_reaper", "multipart_cleanup", "rebalance",
                     "replication", "over_replication_cleanup", "lifecycle", "drain", "remove",
                     "reconcile"]
    own_postgres.start()
    until(lambda: _deleted(s3, "k"), 60, "proxyd is back")
    until(lambda: files(o) == 0, 30, "workerd is back")
    until(lambda: requests.get(health, timeout=5).json() == {"status": "ok"}, 30)
    assert not [line for line in o.log_lines("workerd") if line["msg"] == "pass failed"]


def test_signals_while_the_database_is_awaited(own_postgres, launch, workdir):
    o = launch(workerd=False, check=False, postgres=own_postgres)
    own_postgres.stop()
    log = f"{workdir}/log"
    o.workerd = subprocess.Popen([f"{BUILD}/workerd", "-config", o.config_file, "--log-file", log,
                                  "--wait-db", "60"])

    def takes_signals():
        status = open(f"/proc/{o.workerd.pid}/status").read()
        return int(status.split("SigBlk:")[1].split()[0], 16) & 1 << signal.SIGHUP - 1

    until(takes_signals, 10)
    os.rename(log, f"{log}.1")
    o.workerd.send_signal(signal.SIGUSR1)
    until(lambda: os.path.exists(log), 5, "a new log file")
    o.workerd.send_signal(signal.SIGHUP)

    def taken():
        status = open(f"/proc/{o.workerd.pid}/status").read()
        return not int(status.split("ShdPnd:")[1].split()[0], 16) & 1 << signal.SIGHUP - 1

    until(taken, what="the signal is taken")
    own_postgres.start()
    until(lambda: "Configuration reload complete" in open(log).read(), 20, "the reload")


def test_reload(orchestrator, workdir):
    o = orchestrator
    pid = o.status()["workerd"]["pid"]
    o.config["backends"].append({"name": "disk9", "type": "directory", "quota_bytes": "1GB",
                                 "path": f"{workdir}/disk9"})
    o.write_config()
    o.workerd.send_signal(signal.SIGHUP)
    until(lambda: o.status()["workerd"]["generation"] == 2, 10)
    assert any("disk9" in name for name in o.metrics(o.worker_port))
    with open(o.config_file, "a") as f:
        f.write("\nnonsense")
    o.workerd.send_signal(signal.SIGHUP)
    until(lambda: "keeping current config" in o.log_text("workerd"), 10)
    o.config["backends"].pop()
    o.config["worker"]["listen_addr"] = "127.0.0.1:1"
    o.write_config()
    done = o.adminctl("reload")
    assert "workerd: reloaded, generation 3\n" in done.stdout
    assert "workerd: needs a restart to take effect: worker.listen_addr\n" in done.stdout
    assert o.metrics(o.worker_port)['s3o_config_reloads_total{result="ok"}'] >= 1
    asked, = [line for line in o.audit("workerd") if line["event"] == "admin.Request"]
    assert asked["client_addr"] == f"unix:{os.geteuid()}" and asked["duration"] > 0
    assert o.status()["workerd"]["pid"] == pid
    queue(o, "disk1")
    until(lambda: rows(o, "*") == [], 10)


def test_a_backend_that_never_answers_holds_up_no_other(launch, directories):
    hanging = Endpoint("hanging")
    o = launch(directories(1) + [hanging], {"server": {"backend_timeout": "2s"}},
               workerd=False, check=False)
    hanging.hang()
    queue(o, "hanging", 150)
    queue(o, "disk1", 5)
    o.start_workerd()
    until(lambda: rows(o, "*", "backend_name = 'disk1'") == [], 12, "the others' rows are done")
    assert rows(o, "count(*), max(attempts)") == [(150, 1)]
    # one time-out is enough: what was claimed with it waits, and is not an attempt
    assert rows(o, "count(*)", "attempts > 0")[0][0] <= 20


@pytest.mark.parametrize("signals", [1, 2])
def test_stopping_gives_claims_back(launch, directories, signals):
    hanging = Endpoint("hanging")
    o = launch(directories(1) + [hanging], check=False)
    hanging.hang()
    queue(o, "hanging", 30)
    until(lambda: rows(o, "count(*)", "claimed_by IS NOT NULL") == [(30,)], 10, "all are claimed")
    until(lambda: jobs(o)["cleanup_queue"]["state"] == "running", 10)
    begun = time.monotonic()
    for _ in range(signals):
        o.workerd.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in o.log_text("workerd"), 5)
    assert o.workerd.wait(20) == 0
    assert time.monotonic() - begun < (13 if signals == 1 else 8)
    assert rows(o, "count(*)", "claimed_by IS NULL AND attempts = 0") == [(30,)]


def test_admin_api_over_tcp_needs_the_token(launch):
    o = launch(extra={"ui": {"admin_token": "open sesame"}})
    url = f"http://127.0.0.1:{o.worker_port}"
    right = {"X-Admin-Token": "open sesame"}

    def ask(method, path, headers=None, **options):
        return requests.request(method, url + path, headers=headers, timeout=10, **options)

    assert ask("GET", "/admin/api/status").status_code == 401
    assert ask("GET", "/admin/api/status", {"X-Admin-Token": "open"}).status_code == 401
    assert ask("GET", "/admin/api/status", right).json()["daemon"] == "workerd"
    assert ask("GET", "/admin/api/nothing", right).status_code == 404
    assert ask("GET", "/admin/api/status/", right).status_code == 404
    assert ask("HEAD", "/admin/api/status", right).status_code == 200
    refused = ask("DELETE", "/admin/api/log-level", right)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, PUT")
    assert ask("GET", "/admin/api/workers/cleanup/run", right).status_code == 405
    assert ask("POST", "/admin/api/reload", right).status_code == 404  # control socket only
    assert ask("POST", "/admin/api/workers/nothing/run", right).status_code == 404
    assert ask("PUT", "/admin/api/log-level", right, data="{}").status_code == 400
    assert ask("PUT", "/admin/api/log-level", right, data="x" * 5000).status_code == 413
    assert ask("PUT", "/admin/api/log-level", right,
               json={"level": "debug"}).json() == {"level": "debug"}
    done = o.adminctl("status", "-addr", f"127.0.0.1:{o.worker_port}")
    assert done.stdout.startswith("workerd is up")
    # All but GET and HEAD.
    assert [e["status"] for e in o.audit("workerd") if e["event"] == "admin.Request"] == [
        405, 404, 404, 400, 413, 200]


def test_without_a_token_there_is_no_admin_api_over_tcp(orchestrator):
    url = f"http://127.0.0.1:{orchestrator.worker_port}"
    # Clients that say nothing keep nobody out.
    silent = [socket.create_connection(("127.0.0.1", orchestrator.worker_port))
              for _ in range(100)]
    begun = time.monotonic()
    orchestrator.adminctl("status")
    assert requests.get(url + "/admin/api/status", timeout=10).status_code == 404
    assert requests.get(url + "/health/ready", timeout=10).json() == {"status": "ready"}
    assert requests.post(url + "/health", timeout=10).status_code == 405
    assert time.monotonic() - begun < 10
    for s in silent:
        s.close()


def test_detached_with_pid_file_and_log_rotation(launch, workdir):
    o = launch(workerd=False, check=False)
    log, run = f"{workdir}/log", f"{o.dir}/run"
    command = [f"{BUILD}/workerd", "-config", o.config_file]
    assert subprocess.run([*command, "-d", "--log-file", log], timeout=60).returncode == 0
    pid = int(open(f"{run}/workerd.pid").read())
    try:
        assert o.status()["workerd"]["pid"] == pid
        second = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
        assert second.returncode == 1 and f"process {pid} holds" in second.stdout
        os.rename(log, f"{log}.1")
        os.kill(pid, signal.SIGUSR1)
        until(lambda: os.path.exists(log), 5, "a new log file")
        o.adminctl("log-level", "info")
        until(lambda: "admin.Request" in open(log).read(), 5)
    finally:
        os.kill(pid, signal.SIGINT)
    until(lambda: not os.path.exists(f"{run}/workerd.pid"), 20, "the end")
    assert not os.path.exists(f"{run}/workerd.sock")

"""The daemons as an administrator meets them: checking a configuration, reloading,
stopping, logs, pid files."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests
from botocore.exceptions import ClientError

from harness.orchestrator import BUILD, SANITIZERS
from harness.wait import until

PROCESSES = 2  # of the systems launched here: children are killed, or share limits

ENV = {**os.environ, **SANITIZERS}


@pytest.fixture
def orchestrator(launch):
    """One of the test's own: it is the programs that are tested here."""
    return launch()


def run(*args, **options):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV,
                          timeout=60, **options)


def test_a_wrong_configuration_names_every_mistake(workdir):
    path = f"{workdir}/c.yaml"
    with open(path, "w") as f:
        f.write("server:\n  lisen_addr: ':9000'\n  read_timeout: 5\nbuckets: []\n")
    for command in ([f"{BUILD}/proxyd", "-t", "-config", path],
                    [f"{BUILD}/workerd", "-t", "-config", path],
                    [f"{BUILD}/adminctl", "validate", "-config", path]):
        done = run(*command)
        assert done.returncode == 1, done
        assert 'c.yaml:2: unknown key "server.lisen_addr" (did you mean "server.listen_addr"?)' \
            in done.stderr + done.stdout
        assert ":3: server.read_timeout:" in done.stderr + done.stdout
    assert run(f"{BUILD}/proxyd", "--no-such-flag").returncode == 2


def test_validate(orchestrator):
    done = orchestrator.adminctl("validate")
    assert done.stdout == (f"config {orchestrator.config_file}: valid\n  backends: 3\n"
                           "  buckets:  2\n  routing:  pack\n")


def test_reload_takes_a_new_configuration_without_losing_a_request(orchestrator):
    errors, served = [], []
    ended = threading.Event()

    def work(n):
        s3 = orchestrator.s3(retries={"max_attempts": 0})
        while not ended.is_set():
            try:
                s3.put_object(Bucket="photos", Key=f"r{n}", Body=b"x" * 1000)
                served.append(n)
            except Exception as e:  # noqa: BLE001 any failure counts
                errors.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    until(lambda: len(set(served)) == 4, what="all clients are at work")
    before = orchestrator.children()
    orchestrator.config["buckets"][1]["credentials"][0]["secret_access_key"] = "changed"
    orchestrator.write_config()
    assert orchestrator.adminctl("reload").returncode == 0
    until(lambda: not set(before) & set(orchestrator.children()), 40, "the old children left")
    ended.set()
    for t in threads:
        t.join()
    assert not errors and served
    assert requests.get(orchestrator.endpoint + "/health/ready").json() == {"status": "ready"}
    assert orchestrator.status()["proxyd"]["generation"] == 2


def test_reload_of_a_wrong_configuration_changes_nothing(orchestrator):
    before = orchestrator.children()
    with open(orchestrator.config_file, "a") as f:
        f.write("\nnonsense")
    done = orchestrator.adminctl("reload", check=False)
    assert done.returncode == 1
    os.kill(orchestrator.proxyd.pid, signal.SIGHUP)
    until(lambda: "keeping current config" in orchestrator.log_text("proxyd"), what="the log line")
    orchestrator.s3().put_object(Bucket="photos", Key="k", Body=b"x")
    assert orchestrator.children() == before
    orchestrator.write_config()


def test_what_needs_a_restart_is_named(orchestrator):
    for program in ("proxyd", "workerd"):  # from the start, in the log and not only on the terminal
        warnings = [line["warning"] for line in orchestrator.log_lines(program)
                    if line["msg"] == "configuration warning"]
        assert len(warnings) == 1 and "replication.factor" in warnings[0]
    orchestrator.config["server"]["listen_addr"] = "127.0.0.1:1"
    orchestrator.write_config()
    orchestrator.adminctl("reload")
    orchestrator.s3().list_buckets()
    reloaded, = [line for line in orchestrator.audit() if line["event"] == "config.Reloaded"]
    assert reloaded["requires_restart"] == "server.listen_addr"
    lines = [line for line in orchestrator.log_lines("proxyd")
             if line["msg"] == "Config field changed but requires restart to take effect"]
    assert [line["field"] for line in lines] == ["server.listen_addr"]


def begin_upload(o, key):
    """A PUT of 10 bytes whose last 5 are still to come."""
    url = o.s3().generate_presigned_url("put_object", Params={"Bucket": "photos", "Key": key})
    before = o.requests_in_progress()
    s = socket.create_connection(("127.0.0.1", o.port), timeout=60)
    s.sendall((f"PUT {url[len(o.endpoint):]} HTTP/1.1\r\nHost: 127.0.0.1:{o.port}\r\n"
               "Content-Length: 10\r\n\r\n12345").encode())
    until(lambda: o.requests_in_progress() > before, what="it is in progress")
    return s


def test_reloads_under_long_requests(launch, directories):
    """Four generations may live at once; the oldest gives way to the next one."""
    o = launch(directories(1), processes=1, check=False)
    uploads = []
    for i in range(5):
        uploads.append(begin_upload(o, f"slow{i}"))
        assert "proxyd: reloaded" in o.adminctl("reload").stdout
    for i, s in enumerate(uploads):
        with s:
            s.sendall(b"67890") if i > 1 else None
            assert s.recv(1000)[:12] == (b"HTTP/1.1 200" if i > 1 else b"")
    assert o.log_text("proxyd").count("killed to make room") == 2
    o.s3().put_object(Bucket="photos", Key="k", Body=b"x")


def test_children_of_a_killed_supervisor(launch, directories):
    o = launch(directories(1), check=False)
    with begin_upload(o, "slow") as s:
        busy = set(o.children())

        def told_apart():  # who answers for the status has a request too
            busy.intersection_update(
                c["pid"] for c in o.status()["proxyd"]["children"] if c["requests"])
            return len(busy) == 1
        until(told_apart, what="the other one answers for the status")
        busy, = busy
        stopped, = set(o.children()) - {busy}
        os.kill(stopped, signal.SIGSTOP)
        o.kill("proxyd")
        killed = time.monotonic()
        done = run(f"{BUILD}/proxyd", "-config", o.config_file)
        assert done.returncode == 1
        assert f"proxyd.sock: process {stopped} has it open" in done.stdout
        os.kill(stopped, signal.SIGKILL)
        o.start_proxyd()  # beside the one that is leaving
        assert os.path.exists(f"/proc/{busy}")
        s.settimeout(60)
        assert s.recv(1000) == b""
        assert 25 < time.monotonic() - killed < 45


def test_requests_in_progress_finish_before_the_end(launch, directories):
    o = launch(directories(1), {"server": {"shutdown_delay": "1s"}}, check=False)
    with begin_upload(o, "slow") as s:
        o.proxyd.send_signal(signal.SIGTERM)
        until(lambda: requests.get(o.endpoint + "/health/ready").status_code == 503,
              what="not ready any more")
        assert requests.get(o.endpoint + "/health").status_code == 200  # still serving
        until(lambda: not _connects(o.port), 20, "no longer accepting")
        s.sendall(b"67890")
        assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert o.proxyd.wait(30) == 0
    o.proxyd = None
    o.start_proxyd()
    assert o.s3().get_object(Bucket="photos", Key="slow")["Body"].read() == b"1234567890"


def _connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def test_idle_connections_make_room(launch):
    o = launch(workerd=False, processes=1)
    o.stop()
    with open(o.dir + "/proxyd.log", "ab") as log:
        o.proxyd = subprocess.Popen(
            [f"{BUILD}/proxyd", "-config", o.config_file], stdout=log, stderr=log, cwd=o.dir,
            start_new_session=True, env={**os.environ, **SANITIZERS},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300)))
    until(lambda: o._ready(o.port, o.proxyd), what="proxyd is ready")
    silent = [socket.create_connection(("127.0.0.1", o.port)) for _ in range(400)]
    s3 = o.s3()
    for i in range(3):
        s3.put_object(Bucket="photos", Key=f"k{i}", Body=b"x")
        assert s3.get_object(Bucket="photos", Key=f"k{i}")["Body"].read() == b"x"
    status = o.adminctl("status", "--json", check=False)  # workerd is down
    (child,) = json.loads(status.stdout)["proxyd"]["children"]
    assert child["connections"] <= 150 + 64  # half of the limit, and the control socket
    silent[0].settimeout(10)
    assert silent[0].recv(1) == b""
    for s in silent:
        s.close()


def test_daemon_mode(launch, directories):
    o = launch(directories(1))
    o.stop()
    o.checked = False
    for program in ("proxyd", "workerd"):
        pid_file, log = f"{o.dir}/{program}.pid", f"{o.dir}/{program}.daemon.log"
        done = run(f"{BUILD}/{program}", "-d", "-config", o.config_file, "--pid-file", pid_file,
                   "--log-file", log)
        assert done.returncode == 0, done
        until(lambda: os.path.exists(pid_file), what="the pid file")
        pid = int(open(pid_file).read())
        assert os.readlink(f"/proc/{pid}/cwd") in ("/var/lib/s3-orchestrator", "/")
        port = o.port if program == "proxyd" else o.worker_port
        until(lambda: _connects(port) and
              requests.get(f"http://127.0.0.1:{port}/health/ready").ok, what="ready")
        again = run(f"{BUILD}/{program}", "-config", o.config_file, "--pid-file", pid_file)
        assert again.returncode == 1 and str(pid) in again.stderr + again.stdout
        os.rename(log, log + ".1")
        os.kill(pid, signal.SIGUSR1)
        until(lambda: os.path.exists(log), what="the log is reopened")
        os.kill(pid, signal.SIGTERM)
        until(lambda: not os.path.exists(f"/proc/{pid}"), 40, "it has ended")
        assert not os.path.exists(pid_file)


def test_log_lines_and_audit(orchestrator):
    s3 = orchestrator.s3()
    answer = s3.put_object(Bucket="photos", Key="seen", Body=b"12345")
    request_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    lines = until(lambda: [line for line in orchestrator.audit()
                           if line.get("request_id") == request_id], what="audit lines")
    by_event = {line["event"]: line for line in lines}
    assert set(by_event) == {"s3.PutObject", "storage.PutObject"}
    http = by_event["s3.PutObject"]
    assert list(http)[:4] == ["time", "level", "msg", "component"]
    assert (http["status"], http["bucket"], http["key"], http["request_size"]) == (
        200, "photos", "seen", 5)
    assert by_event["storage.PutObject"]["size"] == 5
    assert by_event["storage.PutObject"]["backend"] == "disk1"
    assert "photossecret" not in orchestrator.log_text("proxyd")

    s3.list_objects_v2(Bucket="photos", Prefix="se", MaxKeys=1)
    s3.delete_object(Bucket="photos", Key="seen")
    s3.delete_object(Bucket="photos", Key="seen")
    with pytest.raises(ClientError):
        s3.list_objects_v2(Bucket="documents")
    until(lambda: [line for line in orchestrator.audit() if line["event"] == "s3.BucketMismatch"],
          what="the last audit line")
    audit = orchestrator.audit()
    listed, = [line for line in audit if line["event"] == "storage.ListObjects"]
    assert (listed["prefix"], listed["key_count"], listed["truncated"]) == ("se", 1, False)
    assert "size" not in listed and "backend" not in listed
    deleted = [line for line in audit if line["event"] == "storage.DeleteObject"]
    assert [line["copies_deleted"] for line in deleted] == [1, 0] and "size" not in deleted[0]
    refused, = [line for line in audit if line["event"] == "s3.BucketMismatch"]
    assert (refused["authorized_bucket"], refused["requested_bucket"]) == ("photos", "documents")
    warned, = [line for line in orchestrator.log_lines("proxyd") if line["msg"] == "bucket mismatch"]
    assert (warned["authorized"], warned["requested"]) == ("photos", "documents")


def test_request_ids(orchestrator):
    mine = requests.get(orchestrator.endpoint + "/photos/x", headers={"X-Request-Id": "ABCdef0123"})
    assert mine.headers["x-amz-request-id"] == "ABCdef0123"
    assert "<RequestId>ABCdef0123</RequestId>" in mine.text and mine.headers["x-amz-id-2"]
    other = requests.get(orchestrator.endpoint + "/photos/x", headers={"X-Request-Id": "not-hex"})
    assert len(other.headers["x-amz-request-id"]) == 32


def test_health_and_metrics(orchestrator):
    assert requests.get(orchestrator.endpoint + "/health").json() == {"status": "ok"}
    s3 = orchestrator.s3()
    for i in range(3):
        s3.put_object(Bucket="photos", Key=f"m{i}", Body=b"x" * 100)
    s3.get_object(Bucket="photos", Key="m0")["Body"].read()
    s3.put_object(Bucket="photos", Key="m0", Body=b"y" * 100)
    # Gauges of the database are at most a second old.
    until(lambda: orchestrator.metrics()['s3o_quota_bytes_used{backend="disk1"}'] == 300)
    m = orchestrator.metrics()
    assert m['s3o_requests_total{method="PUT",status_code="200"}'] == 4
    assert m['s3o_cleanup_queue_enqueued_total{reason="overwrite_displaced"}'] == 1
    assert m['s3o_pending_intents_enqueued_total'] == 4
    assert m['s3o_pending_intents_resolved_total{status="committed"}'] == 4
    [displaced] = [e for e in orchestrator.audit() if e["event"] == "storage.overwrite_displaced"]
    assert (displaced["key"], displaced["new_backend"], displaced["displaced_copies"]) == (
        "m0", "disk1", 1)
    assert m['s3o_backend_requests_total{operation="PutObject",backend="disk1",status="success"}'] == 4
    assert m['s3o_inflight_requests{method="PUT"}'] == 0
    until(lambda: orchestrator.metrics(orchestrator.worker_port)["s3o_cleanup_queue_depth"] == 0)
    worker = orchestrator.metrics(orchestrator.worker_port)
    assert worker['s3o_quota_bytes_used{backend="disk1"}'] == 300
    assert worker['s3o_objects_count{backend="disk1"}'] == 3
    assert 's3o_worker_ticks_total{service="cleanup_queue",result="success"}' in worker


def test_health_is_degraded_without_the_database(own_postgres, launch, directories):
    o = launch(directories(1), {"circuit_breaker": {"open_timeout": "1s"}}, postgres=own_postgres)
    own_postgres.freeze()
    for port in (o.port, o.worker_port):
        start = time.monotonic()
        o.metrics(port)
        assert time.monotonic() - start < 3, "a page of metrics waits for the database"
    own_postgres.thaw()
    own_postgres.stop()

    def degraded():
        try:
            o.s3(retries={"max_attempts": 0}).list_objects_v2(Bucket="photos")
        except o.s3().exceptions.ClientError as e:
            assert e.response["Error"]["Code"] == "ServiceUnavailable"
        return requests.get(o.endpoint + "/health").json() == {"status": "degraded"}

    until(degraded, what="degraded")
    failed = [line for line in o.log_lines("proxyd") if line["msg"] == "S3 request failed"]
    assert failed and (failed[0]["level"], failed[0]["operation"], failed[0]["status"]) == (
        "WARN", "ListObjectsV2", 503)
    # Whichever child is asked, and although the others may not know yet.
    for _ in range(10):
        assert requests.get(o.endpoint + "/health").json() == {"status": "degraded"}
    state = 's3o_circuit_breaker_state{name="database"}'
    moves = 's3o_circuit_breaker_transitions_total{name="database",from="closed",to="open"}'
    for port in (o.port, o.worker_port):
        until(lambda: o.metrics(port)[state] in (1, 2), what=f"the breaker at port {port} is open")
        assert o.metrics(port)[moves] >= 1
    status = o.status()["proxyd"]
    assert not status["db_healthy"] and "bytes_used" not in status["backends"][0]
    row, = re.findall(r"^disk1 .*$", o.adminctl("status").stdout, re.M)
    assert row.split()[-6:] == ["-"] * 5 + ["healthy"]
    own_postgres.start()
    until(lambda: requests.get(o.endpoint + "/health").json() == {"status": "ok"}, what="ok again")
    # Each child finds out for itself.
    until(lambda: _succeeds(o.s3().put_object, Bucket="photos", Key="k", Body=b"x"),
          what="writes succeed again")


def test_a_database_over_tls(own_postgres, launch, directories, monkeypatch):
    monkeypatch.setenv("PGSSLROOTCERT", own_postgres.serve_tls())
    o = launch(directories(1), {"database": {"host": "localhost", "port": own_postgres.port,
                                             "ssl_mode": "verify-full"}}, postgres=own_postgres)

    def connected(how):
        return {name for name, in o.sql(
            "SELECT application_name FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            f" WHERE datname = %s AND {how} AND application_name <> ''", o.database)}
    until(lambda: connected("ssl") == {"proxyd", "workerd"}, 10)
    assert not connected("NOT ssl")
    s3 = o.s3()
    keys = [f"{i:03}" + "k" * 900 for i in range(60)]  # a page that is many TLS records
    for key in keys:
        s3.put_object(Bucket="photos", Key=key, Body=b"x")
    for _ in range(5):
        page = s3.list_objects_v2(Bucket="photos")
        assert [k["Key"] for k in page["Contents"]] == keys


def _succeeds(call, **arguments):
    try:
        call(**arguments)
        return True
    except ClientError:
        return False


def test_status(orchestrator):
    orchestrator.s3().put_object(Bucket="photos", Key="k", Body=b"x" * 1000)
    status = orchestrator.status()["proxyd"]
    assert status["backends"][0]["name"] == "disk1"
    assert status["backends"][0]["bytes_used"] == 1000
    assert len(status["children"]) == 2
    table = orchestrator.adminctl("status").stdout
    for word in ("proxyd", "workerd", "disk1", "disk3", "used", "reserved", "orphaned", "free"):
        assert word in table.lower(), table
    orchestrator.kill("workerd")
    down = orchestrator.adminctl("status", check=False)
    assert down.returncode == 3 and "workerd" in down.stdout + down.stderr
    assert "disk1" in down.stdout
    orchestrator.start_workerd()


def test_control_socket_speaks_http(orchestrator):
    out = run("curl", "-sS", "--unix-socket", f"{orchestrator.dir}/run/proxyd.sock",
              "http://localhost/admin/api/status")
    assert json.loads(out.stdout)["backends"]
    # The audit log of both daemons names the user at the other end.
    orchestrator.adminctl("log-level", "info")
    for program in ("proxyd", "workerd"):
        event = until(lambda: [line for line in orchestrator.audit(program)
                               if line["event"] == "admin.Request"], what="audit line")[-1]
        assert event["client_addr"] == f"unix:{os.getuid()}"

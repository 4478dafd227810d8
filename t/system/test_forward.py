# SPDX-License-Identifier: MIT
"""The admin API as a whole is on proxyd's port: what is workerd's is asked of workerd."""
import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harness.wait import until

TOKEN = {"X-Admin-Token": "let-me-in"}


@pytest.fixture
def admin(launch):
    """On one child, so that a request which blocks it would be noticed."""
    return launch(extra={"ui": {"admin_token": TOKEN["X-Admin-Token"]}}, processes=1)


def ask(o, method, path, port=None, headers=TOKEN, **options):
    return requests.request(method, f"http://127.0.0.1:{port or o.port}/admin/api/{path}",
                            headers=headers, timeout=60, **options)


def ask_socket(o, daemon, method, path):
    out = subprocess.run(["curl", "-sS", "-X", method, "--unix-socket", f"{o.dir}/run/{daemon}.sock",
                          f"http://o/admin/api/{path}"], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def requests_made(o, daemon, n):
    """The first n in the audit log, which is written when all has been answered."""
    def made():
        return [line for line in o.audit(daemon) if line["event"] == "admin.Request"]
    until(lambda: len(made()) >= n, 10, "the audit log has them")
    return made()


def test_all_of_workerd_can_be_asked(admin):
    o = admin
    for method, path, status in (
            ("GET", "workers", 200), ("POST", "workers/cleanup_queue/run", 202),
            ("POST", "workers/nothing/run", 404), ("POST", "replicate", 200),
            ("GET", "over-replication", 200), ("POST", "over-replication", 200),
            ("POST", "rebalance?dry_run=true", 200), ("POST", "rebalance?dry_run=yes", 400),
            ("POST", "scrub", 200), ("POST", "backfill-checksums?batch_size=5", 200),
            ("POST", "encrypt-existing", 400), ("POST", "decrypt-existing", 400),
            ("POST", "rotate-encryption-key", 400),
            ("DELETE", "backends/disk1?dry_run=true", 200), ("DELETE", "backends/nobody", 400)):
        here, there = (ask(o, method, path, port) for port in (o.port, o.worker_port))
        assert here.status_code == there.status_code == status, (path, here.text)
        assert here.headers["Content-Type"] == there.headers["Content-Type"]
        if path != "workers":  # has times
            assert here.text == there.text
    assert [w["name"] for w in ask(o, "GET", "workers").json()["workers"]]
    assert ask_socket(o, "proxyd", "GET", "workers")["workers"]
    head = ask(o, "HEAD", "workers")
    assert head.status_code == 200 and not head.content and int(head.headers["Content-Length"]) > 99
    refused = ask(o, "PUT", "rebalance")
    assert refused.status_code == 405 and refused.headers["Allow"] == "POST"
    assert ask(o, "POST", "rebalance", data=b"x" * 5000).status_code == 413
    shown = o.adminctl("-addr", f"127.0.0.1:{o.port}", "run", "cleanup_queue")
    assert "cleanup_queue" in shown.stdout


CACHE = (("GET", "cache"), ("POST", "cache/flush"), ("DELETE", "cache/keys/photos%2Fk"),
         ("DELETE", "cache/prefix?prefix=photos"))


def test_what_is_turned_off_says_so(admin):
    assert ask(admin, "POST", "scrub").json() == {
        "status": "skipped", "reason": "integrity verification is not enabled"}
    assert ask(admin, "POST", "encrypt-existing").json() == {"error": "encryption not enabled"}
    for method, path in CACHE:
        answer = ask(admin, method, path)
        assert answer.status_code == 503
        assert answer.json() == {"status": "disabled", "reason": "object data cache is not enabled"}


def test_what_is_turned_on_in_vain_says_so(launch):
    o = launch(extra={"ui": {"admin_token": TOKEN["X-Admin-Token"]},
                      "integrity": {"enabled": True}, "cache": {"enabled": True}})
    for method, path in (*CACHE, ("POST", "scrub"), ("POST", "backfill-checksums")):
        answer = ask(o, method, path)
        assert answer.status_code == 501
        assert answer.json() == {"error": "not supported by this version"}


def test_without_a_token_nobody_is_asked(admin):
    o = admin
    for headers in {}, {"X-Admin-Token": "wrong"}:
        assert ask(o, "POST", "replicate", headers=headers).status_code == 401
    ask(o, "POST", "replicate", headers={**TOKEN, "X-Request-Id": "abc123",
                                         "X-Forwarded-For": "somebody else"})
    (here,), (there,) = (requests_made(o, d, 1) for d in ("proxyd", "workerd"))
    assert here["client_addr"].startswith("127.0.0.1:") and "forwarded_for" not in here
    assert there["forwarded_for"] == here["client_addr"]
    assert there["client_addr"] == f"unix:{os.getuid()}"
    assert here["request_id"] == there["request_id"] == "abc123"
    assert there["path"] == "/admin/api/replicate"
    # Only over the socket that is believed.
    ask(o, "POST", "replicate", o.worker_port, {**TOKEN, "X-Forwarded-For": "somebody else"})
    assert "forwarded_for" not in requests_made(o, "workerd", 2)[1]


@pytest.mark.parametrize("token", [True, False])
def test_one_confirmation_for_both_daemons(launch, token):
    """The question asked here, the answer given there; also where no token is configured."""
    o = launch(extra={"ui": {"admin_token": TOKEN["X-Admin-Token"]}} if token else {})
    asked = "proxyd", "workerd"
    for first, second, backend in (*asked, "disk1"), (*asked[::-1], "disk2"):
        preview = ask_socket(o, first, "DELETE", f"backends/{backend}?purge=true")
        assert preview["expires_in"] == 60
        done = ask_socket(o, second, "DELETE",
                          f"backends/{backend}?purge=true&confirm={preview['confirm_token']}")
        assert done["status"] == "backend purged", done


def test_without_workerd(admin):
    o = admin
    o.kill("workerd")  # its socket stays behind
    for _ in "with a socket", "without":
        for method, path in ("POST", "replicate"), ("POST", "scrub"), ("DELETE", "backends/disk1"):
            answer = ask(o, method, path)
            assert answer.status_code == 503
            assert answer.json() == {"error": "worker daemon not reachable"}
        answer = ask(o, "GET", "workers")
        assert (answer.status_code, answer.json()) == (503, {"error": "worker health not available"})
        if os.path.exists(f"{o.dir}/run/workerd.sock"):
            os.unlink(f"{o.dir}/run/workerd.sock")
    assert ask(o, "GET", "nothing").status_code == 404
    o.start_workerd()
    assert ask(o, "GET", "workers").status_code == 200


def leave_while_waiting(o):
    """A client that asks and goes away without an answer."""
    with socket.create_connection(("127.0.0.1", o.port)) as s:
        s.sendall(b"POST /admin/api/over-replication HTTP/1.1\r\nHost: o\r\n"
                  b"X-Admin-Token: let-me-in\r\n\r\n")
        until(lambda: in_progress(o) == 1, 20, "it is waited for")


def in_progress(o):
    status = ask_socket(o, "proxyd", "GET", "status")
    return sum(c["requests"] for c in status["children"]) - 1


def test_while_workerd_takes_its_time(admin):
    o = admin
    o.workerd.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as thread:
            patient = thread.submit(ask, o, "POST", "replicate")
            until(lambda: in_progress(o) == 1, 20, "it is waited for")
            o.s3().put_object(Bucket="photos", Key="k", Body=b"served meanwhile")
            assert not patient.done()
            o.workerd.send_signal(signal.SIGCONT)
            assert patient.result().json()["status"] == "skipped"
        o.workerd.send_signal(signal.SIGSTOP)
        leave_while_waiting(o)
        until(lambda: in_progress(o) == 0, 20, "nobody is waited for any more")
        left = requests_made(o, "proxyd", 2)[1]
        assert (left["path"], left["status"]) == ("/admin/api/over-replication", 499)
    finally:
        o.workerd.send_signal(signal.SIGCONT)
    assert ask(o, "POST", "replicate").status_code == 200


def test_when_a_daemon_ends_meanwhile(admin):
    o = admin
    with ThreadPoolExecutor(1) as thread:
        o.workerd.send_signal(signal.SIGSTOP)
        asked = thread.submit(ask, o, "POST", "replicate")
        until(lambda: in_progress(o) == 1, 20, "it is waited for")
        o.kill("workerd")
        answer = asked.result()
        assert answer.status_code == 502 and "ended before it answered" in answer.json()["error"]
        o.start_workerd()
        o.workerd.send_signal(signal.SIGSTOP)
        try:
            asked = thread.submit(ask, o, "POST", "replicate")
            until(lambda: in_progress(o) == 1, 20, "it is waited for")
            began = time.monotonic()
            o.proxyd.send_signal(signal.SIGTERM)
            answer = asked.result()
            assert answer.status_code == 503 and "stopping" in answer.json()["error"]
            assert o.proxyd.wait(20) == 0 and time.monotonic() - began < 20
        finally:
            o.workerd.send_signal(signal.SIGCONT)
    o.start_proxyd()


def test_names_in_paths_are_decoded_once(admin):
    """A forwarded one, too; what is no name is refused by whoever is asked."""
    o = admin
    for port in o.port, o.worker_port:
        assert raw(port, "GET", "backends/%64isk1/drain")[1]["backend"] == "disk1"
        assert raw(port, "GET", "backends/a%2Fb%2525/drain")[1]["backend"] == "a/b%25"
        refused = raw(port, "POST", "backends/%c3%bc/drain")
        assert refused[0] == 400 and "no backend ü is" in refused[1]["error"]
        preview = raw(port, "DELETE", "backends/disk%31?dry_run=true&purge=true")[1]
        assert (preview["backend"], preview["status"]) == ("disk1", "dry run")
        for name in "%", "%4", "%zz", "disk1%00", "%ff", "\xff":
            for method, path in ("DELETE", f"backends/{name}/drain"), ("DELETE", f"backends/{name}"):
                refused = raw(port, method, path)
                assert refused == (400, {"error": "the path is not well-formed"}), (name, refused)
    asked = [line for line in requests_made(o, "workerd", 3) if line.get("query")]
    assert asked[0]["query"] == "dry_run=true&purge=true"
    assert asked[0]["path"] == "/admin/api/backends/disk%31"


def raw(port, method, path):
    """Without a client that encodes."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(f"{method} /admin/api/{path} HTTP/1.1\r\nHost: o\r\nConnection: close\r\n"
                  "X-Admin-Token: let-me-in\r\n\r\n".encode("latin-1"))
        answer = s.makefile("rb").read()
    head, body = answer.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), json.loads(body)

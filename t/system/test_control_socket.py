# SPDX-License-Identifier: MIT
"""Who may use the control sockets, and who may have them."""
import json
import os
import subprocess

import pytest

from harness.orchestrator import BUILD, SANITIZERS, merge
from harness.wait import free_ports, until

DAEMONS = "proxyd", "workerd"
OPERATORS, SOMEBODY = 54321, 54322  # a group and a user that nobody is in
ERROR = {"error": "only root, the user of the daemon and the group of its socket may"}

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def let_pass(path):
    """Everybody reaches what is below."""
    while path != "/tmp":
        os.chmod(path, 0o755)
        path = os.path.dirname(path)


def ask(o, daemon, path="/admin/api/status", user=None, group=SOMEBODY, groups=()):
    """(status, reply) for a user of these groups."""
    become = ["setpriv", f"--reuid={user}", f"--regid={group}",
              "--groups=" + ",".join(map(str, groups)) if groups else "--clear-groups"]
    out = subprocess.run([*(become if user is not None else []), "curl", "-sS", "-w",
                          "\n%{http_code}", "--unix-socket", f"{o.dir}/run/{daemon}.sock",
                          f"http://o{path}"], capture_output=True, text=True)
    if out.returncode:
        return out.stderr
    body, status = out.stdout.rsplit("\n", 1)
    return int(status), body


@as_root
def test_only_root_and_the_group_of_the_socket(launch, workdir):
    o = launch()
    let_pass(f"{o.dir}/run")
    for daemon in DAEMONS:
        socket = f"{o.dir}/run/{daemon}.sock"
        os.chown(socket, 0, OPERATORS)
        assert "onnect" in ask(o, daemon, user=SOMEBODY)  # the kernel says no
        assert ask(o, daemon, user=SOMEBODY, group=OPERATORS)[0] == 200
        os.chmod(socket, 0o666)
        for path in "/admin/api/status", "/health", "/metrics":
            status, body = ask(o, daemon, path, SOMEBODY)
            assert (status, json.loads(body)) == (403, ERROR)
        assert ask(o, daemon, user=SOMEBODY, groups=(1, 2, 3))[0] == 403
        assert ask(o, daemon, user=SOMEBODY, group=OPERATORS)[0] == 200
        assert ask(o, daemon, user=SOMEBODY, groups=(*range(100, 300), OPERATORS))[0] == 200
        assert ask(o, daemon)[0] == 200
        refused = until(lambda: [a for a in o.audit(daemon) if a["event"] == "admin.AuthFailure"])
        assert len(refused) == 4
        assert {a["client_addr"] for a in refused} == {f"unix:{SOMEBODY}"}
        assert [a["path"] for a in refused][:2] == ["/admin/api/status", "/health"]


@as_root
def test_the_user_of_the_daemon(launch, workdir):
    o = launch(workerd=False, check=False)
    let_pass(f"{o.dir}/run")
    os.chmod(f"{o.dir}/run", 0o777)
    with open(f"{o.dir}/workerd.log", "ab") as log:
        o.workerd = subprocess.Popen([f"{BUILD}/workerd", "-config", o.config_file, "--user",
                                      "nobody"], stdout=log, stderr=log, start_new_session=True,
                                     cwd=o.dir, env={**os.environ, **SANITIZERS})
    socket = f"{o.dir}/run/workerd.sock"
    until(lambda: os.path.exists(socket) and "starting" in o.log_text("workerd"))
    nobody = os.stat(socket).st_uid
    assert nobody != 0 and os.stat(socket).st_mode & 0o777 == 0o660
    os.chmod(socket, 0o666)
    assert ask(o, "workerd", user=nobody)[0] == 200
    assert ask(o, "workerd", user=SOMEBODY)[0] == 403
    assert ask(o, "workerd")[0] == 200


def test_a_living_socket_is_left_alone(orchestrator, workdir):
    """Also by one with another pid file and other ports."""
    o = orchestrator
    ports = free_ports(2)
    config = merge(o.config, {"server": {"listen_addr": f"127.0.0.1:{ports[0]}"},
                              "worker": {"listen_addr": f"127.0.0.1:{ports[1]}"}})
    with open(os.open(f"{workdir}/config", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        json.dump(config, f)
    for daemon in DAEMONS:
        second = subprocess.run([f"{BUILD}/{daemon}", "-config", f"{workdir}/config", "--pid-file",
                                 f"{workdir}/pid"], stdout=subprocess.PIPE, text=True, timeout=60)
        assert second.returncode == 1
        assert f"{daemon}.sock: " in second.stdout, second.stdout
        assert ask(o, daemon)[0] == 200


def test_a_socket_that_is_left_over(launch):
    o = launch()
    sockets = {d: f"{o.dir}/run/{d}.sock" for d in DAEMONS}
    for daemon in DAEMONS:
        o.kill(daemon)
    until(lambda: all("onnect" in ask(o, d) for d in DAEMONS), what="the children have left")
    assert all(map(os.path.exists, sockets.values()))
    o.start()
    assert [ask(o, d)[0] for d in DAEMONS] == [200, 200]
    o.stop()
    assert not any(map(os.path.exists, sockets.values()))
    for daemon in DAEMONS:
        with open(sockets[daemon], "w") as f:
            f.write("precious")
        refused = subprocess.run([f"{BUILD}/{daemon}", "-config", o.config_file],
                                 stdout=subprocess.PIPE, text=True, timeout=60)
        assert refused.returncode == 1 and "exists and is not a socket" in refused.stdout
        os.unlink(sockets[daemon])
    o.start()

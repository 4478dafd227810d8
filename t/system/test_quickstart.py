"""make run, without the make: one command from nothing to a complete system, and
nothing left when it has ended, however it was ended."""
import glob
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from harness.orchestrator import BUILD, SANITIZERS
from harness.storage import ROOT
from harness.wait import free_ports, until


@pytest.fixture
def quickstart(workdir):
    state = f"{workdir}/a state's folder"
    port, worker_port = free_ports(2)
    env = {**os.environ, **SANITIZERS, "S3O_STATE": state, "S3O_PORT": str(port),
           "S3O_WORKER_PORT": str(worker_port)}
    started = []

    def run(output):
        started.append(subprocess.Popen(
            [f"{ROOT}/packaging/quickstart", BUILD], cwd=ROOT, env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    run.state, run.port = state, port
    yield run
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def processes_of(state):
    """Those whose environment names the state."""
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                if f"S3O_STATE={state}\0".encode() in f.read():
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def test_quickstart(quickstart, workdir):
    with open(f"{workdir}/output", "w+") as output:
        first = quickstart(output)
        until(lambda: "is ready" in open(output.name).read() or first.poll() is not None, 60, "ready")
        text = open(output.name).read()
        command, = re.findall(r"^ +(S3O_STATE=.* status)$", text, re.M)
        shown = subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True)
        assert shown.returncode == 0 and "disk3" in shown.stdout

        start = time.monotonic()
        second = quickstart(subprocess.PIPE)
        said, _ = second.communicate(timeout=20)
        assert second.returncode == 1 and "runs already" in said and "is ready" not in said
        assert time.monotonic() - start < 3

        # The terminal is closed.
        first.send_signal(signal.SIGHUP)
        assert first.wait(60) == 0
    until(lambda: not processes_of(quickstart.state), 20, "nothing is left")

    with socket.create_server(("127.0.0.1", quickstart.port)):
        start = time.monotonic()
        refused = quickstart(subprocess.PIPE)
        said, _ = refused.communicate(timeout=60)
    assert refused.returncode == 1 and "is ready" not in said
    assert f"port {quickstart.port} is taken" in said and "S3O_PORT" in said
    assert time.monotonic() - start < 15
    until(lambda: not processes_of(quickstart.state), 20, "nothing is left")

# SPDX-License-Identifier: MIT
"""adminctl top: on a terminal and for programs."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time

import pytest

from harness.orchestrator import BUILD, SANITIZERS


@pytest.fixture
def busy(orchestrator):
    """A system that serves all the time."""
    o, over = orchestrator, threading.Event()

    def work():
        s3 = o.s3()
        while not over.is_set():
            s3.put_object(Bucket="photos", Key="k", Body=b"x" * 1000)
            s3.get_object(Bucket="photos", Key="k")["Body"].read()
            try:
                s3.get_object(Bucket="photos", Key="none")
            except s3.exceptions.NoSuchKey:
                pass

    thread = threading.Thread(target=work)
    thread.start()
    yield o
    over.set()
    thread.join()


def test_numbers(busy):
    top = json.loads(busy.adminctl("top", "-json").stdout)
    requests = {r["method"]: r for r in top["requests"]}
    assert set(requests) == {"all", "GET", "PUT"} and 1.9 < top["seconds"] < 30
    every, put, get = requests["all"], requests["PUT"], requests["GET"]
    assert every["per_second"] == pytest.approx(put["per_second"] + get["per_second"])
    assert get["per_second"] == pytest.approx(2 * put["per_second"], rel=0.5)
    assert every["client_errors_per_second"] == pytest.approx(put["per_second"], rel=0.5)
    assert every["server_errors_per_second"] == 0
    assert put["received_bytes_per_second"] == pytest.approx(1000 * put["per_second"], rel=0.5)
    assert 0 < get["p50_ms"] <= get["p99_ms"] and get["mean_ms"] > 0
    backends = {b["name"]: b for b in top["backends"]}
    assert backends["disk1"]["calls_per_second"] > 0 and "bytes_used" in backends["disk1"]
    assert top["proxyd"]["up"] and {j["name"] for j in top["workerd"]["jobs"]} >= {"drain"}


def read_until(fd, pattern, seconds=30):
    text, end = "", time.monotonic() + seconds
    while not re.search(pattern, text):
        assert select.select([fd], [], [], end - time.monotonic())[0], text
        text += os.read(fd, 65536).decode(errors="replace")
    return text


def test_a_screen(busy):
    """It is drawn again and again within the rows of the terminal, and q ends it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 15, 120, 0, 0))
    before = termios.tcgetattr(slave)
    p = subprocess.Popen([f"{BUILD}/adminctl", "-config", busy.config_file, "top"], stdin=slave,
                         stdout=slave, stderr=slave, env={**os.environ, **SANITIZERS})
    text = read_until(master, r"(?s)(q: quit.*){2}")
    assert not termios.tcgetattr(slave)[3] & termios.ICANON
    screens = text.split("\033[H\033[J")[1:]
    assert all(s.count("\n") <= 14 for s in screens), screens
    assert "proxyd is up" in screens[0] and re.search(r"all +\d", screens[0])
    os.write(master, b"q")
    assert "\033[?1049l" in read_until(master, r"\033\[\?1049l")
    assert p.wait(10) == 0
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_without_daemons(tmp_path):
    p = subprocess.run([f"{BUILD}/adminctl", "-socket-dir", str(tmp_path), "top"],
                       capture_output=True, text=True, timeout=60)
    assert p.returncode == 3 and "proxyd is down" in p.stdout and "workerd is down" in p.stdout

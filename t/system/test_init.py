# SPDX-License-Identifier: MIT
"""adminctl init: answers become a configuration with which the daemons really run."""
import fcntl
import json
import os
import pty
import re
import stat
import subprocess
import termios

import pytest

from harness.clients import client
from harness.orchestrator import BUILD, SANITIZERS, Orchestrator
from harness.storage import Directory
from harness.wait import free_ports, until

HOSTILE = """a"b\\c #d: ${HOME} $${X} {e} 'f' \\n %s | ü日"""


class Init:
    def __init__(self, folder):
        self.folder = folder
        self.path = f"{folder}/config.yaml"

    @property
    def command(self):
        return [f"{BUILD}/adminctl", "init", "-config", self.path]

    def __call__(self, *answers, status=0):
        """Pipes answers in, a line each, and returns what it printed."""
        r = subprocess.run(self.command, input="".join(f"{a}\n" for a in answers), text=True,
                           capture_output=True, timeout=60, env={**os.environ, **SANITIZERS})
        assert r.returncode == status, r.stdout + r.stderr
        if status:
            assert os.listdir(self.folder) == self.before
        return r.stdout + r.stderr

    def validate(self):
        r = subprocess.run([f"{BUILD}/adminctl", "validate", "-json", "-config", self.path],
                           text=True, capture_output=True, timeout=60)
        found = json.loads(r.stdout)
        assert r.returncode == 0, found
        return found

    def text(self):
        with open(self.path) as f:
            return f.read()

    def nothing_else(self):
        """What is in the folder now must not grow by failures."""
        self.before = os.listdir(self.folder)
        return self


@pytest.fixture
def init(workdir):
    return Init(workdir).nothing_else()


def folder(path, name="", quota="10GB", labels="", more="n"):
    return [name, "directory", path, quota, "", "", "", labels, more]


def service(config, path_style="n", quota="10GB"):
    return [config["name"], "s3", config["endpoint"], "", config["bucket"],
            config["access_key_id"], config["secret_access_key"], path_style, quota, "", "", "",
            ""]


EMBEDDED = ["", "", ""]  # address, driver, folder of its data


def test_as_little_as_possible(init, workdir):
    out = init(*EMBEDDED, *folder(f"{workdir}/disk"), "photos", "", "", "n")
    assert stat.S_IMODE(os.stat(init.path).st_mode) == 0o600
    assert init.validate()["backends"] == 1
    text = init.text()
    assert 'listen_addr: ":9000"' in text and 'driver: "embedded"' in text
    key = re.search(r"access key id +([A-Z2-7]{20})$", out, re.M).group(1)
    secret = re.search(r"secret access key +([\w-]{40})$", out, re.M).group(1)
    assert f'access_key_id: "{key}"' in text and f'secret_access_key: "{secret}"' in text
    assert not os.path.exists(f"{workdir}/disk")  # it was tried, and nothing stayed
    assert sorted(os.listdir(workdir)) == sorted(["config.yaml", *init.before])


def test_proxyd_runs_with_it(init, workdir, postgres, radosgw):
    """On a folder with a hostile name and a bucket that is not in the host name, though that was
    answered; with hostile texts wherever one may stand."""
    ceph = radosgw.backend("ceph")
    disk = Directory(f"{workdir}/{HOSTILE}", "disk")
    o = Orchestrator(f"{workdir}/o", postgres, [disk, ceph])
    o.config_file = init.path
    init.nothing_else()
    out = init(f"127.0.0.1:{o.port}",
               "post", postgres.dir, "", o.database, "s3o", HOSTILE, "disable",
               *folder(disk.path, "disk", labels="place=a b#c, x=${HOME}", more="y"),
               *service(ceph.config()), "n", "2",
               "photos", HOSTILE, HOSTILE, "y",
               "documents", "docskey", HOSTILE, "")
    assert "force_path_style: true, because " in out and out.count("It works.") == 2
    assert ceph.config()["secret_access_key"] not in out
    assert HOSTILE not in out.replace(disk.path, "")
    assert ceph.contents() == {} and not os.path.exists(disk.path)
    init.validate()
    text = init.text()
    assert text.count("factor: \"2\"") == 1
    with open(init.path, "w") as f:
        f.write(text.replace("server:\n", f"server:\n  run_dir: \"{o.dir}/run\"\n", 1))
    try:
        o.start_proxyd()
        s3 = client(o.endpoint, "docskey", HOSTILE)
        s3.put_object(Bucket="documents", Key="k", Body=b"bytes")
        assert s3.get_object(Bucket="documents", Key="k")["Body"].read() == b"bytes"
        assert disk.count() + ceph.count() >= 1
        o.stop()
    finally:
        o.kill_everything()
        postgres.drop_database(o.database)


def test_an_existing_file(init, workdir):
    with open(init.path, "w") as f:
        f.write("mine")
    init.nothing_else()
    assert "Aborted." in init("")
    assert "Aborted." in init("no")
    assert "no more answers" in init(status=1)
    assert init.text() == "mine"
    init("YES", *EMBEDDED, *folder(f"{workdir}/disk"), "photos", "key", "secret", "n")
    assert "mine" not in init.text()
    assert sorted(os.listdir(workdir)) == sorted(init.before)


def test_the_end_of_the_input_writes_nothing(init, workdir):
    answers = [*EMBEDDED, *folder(f"{workdir}/disk"), "photos", "key", "secret"]
    for n in (0, 2, 5, 12, len(answers)):
        assert "no more answers" in init(*answers[:n], status=1)
    init(*answers, "n")


def test_what_is_not_valid_as_a_file_is_not_written(init, workdir):
    """One that is too large."""
    out = init(*EMBEDDED, *folder(f"{workdir}/disk"), "photos", "key", "s" * 1_100_000, "n",
               status=1)
    assert "it would not be valid" in out


def test_wrong_answers_are_asked_again(init, workdir):
    out = init("nowhere", ":9000", "sqlite", "emb", "relative", "",
               "", "nfs", "dir", "", "relative", f"{workdir}/disk",
               "many", "5G", "-1", "0", "0", "0", "a=1,b", "a=1", "n",
               "", "photos", "k", "s", "y",
               "photos", "k2", "s2", "photos2", "k2", "s2", "n")
    for told in ("server.listen_addr", "it is none of these words",
                 "must begin with '/'", "an answer is required", "each label is NAME=VALUE", "must not be negative", "duplicate bucket name 'photos'"):
        assert told in out, told
    assert init.validate()["buckets"] == 2


def test_backends_that_do_not_work(init, workdir, radosgw):
    """One is entered again, one left out, one kept; what is not typed again stays."""
    ceph = radosgw.backend("ceph")
    wrong = {**ceph.config(), "secret_access_key": "wrongsecret"}
    closed = {**ceph.config(), "name": "closed",
              "endpoint": f"http://127.0.0.1:{free_ports(1)[0]}"}
    again = ["", "", "", "", "", "", ceph.config()["secret_access_key"], "y", "", "", "", "", ""]
    out = init(*EMBEDDED, *service(wrong, "y"), "", *again, "y",
               *service(closed, "y"), "leave", "y",
               *folder("/proc/nowhere", "disk")[:-1], "keep", "n", "",
               "photos", "key", "secret", "n")
    assert "is the secret_access_key right?" in out and "Connection refused" in out
    assert out.count("It does not work") == 3 and out.count("It works.") == 1
    assert "wrongsecret" not in out
    text = init.text()
    assert re.findall(r'- name: "(.*)"', text) == ["ceph", "disk", "photos"]
    assert ceph.config()["secret_access_key"] in text and "wrongsecret" not in text
    assert init.validate()["backends"] == 2
    assert ceph.contents() == {}


def test_quotas_for_all_or_for_none(init, workdir):
    out = init(*EMBEDDED, *folder(f"{workdir}/a", "a", more="y"),
               *folder(f"{workdir}/b", "b", quota="0")[:-1],
               *["", "", "", "1GB", "", "", "", ""], "n", "", "photos", "key", "secret", "n")
    assert "quota" in out
    assert re.findall(r'quota_bytes: "(.*)"', init.text()) == ["10GB", "1GB"]


def test_a_place_that_cannot_be_written(init, workdir):
    init.path = f"{workdir}/missing/config.yaml"
    assert "missing: No such file or directory" in init(status=1)
    init.path = workdir
    assert "not a regular file" in init(status=1)


# --- a terminal ----------------------------------------------------------------------

class Terminal:
    def __init__(self, command):
        self.master, self.slave = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(command, stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, start_new_session=True,
                                        env={**os.environ, **SANITIZERS},
                                        preexec_fn=self.take_terminal)
        os.set_blocking(self.master, False)

    @staticmethod
    def take_terminal():
        """Signals of its keys go to the program."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def read(self):
        try:
            self.seen += os.read(self.master, 65536).decode(errors="replace")
        except BlockingIOError:
            pass
        return self.seen

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def answer(self, question, text, echo=True):
        until(lambda: question in self.read(), what=question)
        until(lambda: self.echoes() == echo, what="the echo")
        self.seen = ""
        os.write(self.master, text.encode())

    def finish(self):
        self.process.wait(60)
        self.read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(init):
    t = Terminal(init.command)
    yield t
    t.close()


def answer_until_bucket(t, workdir):
    for question, text in [("listen at", ""), ("driver", ""), ("Folder", ""), ("Name", ""),
                           ("Type", "d"), ("Folder", f"{workdir}/disk"), ("quota", ""),
                           ("Requests", ""), ("read", ""), ("written", ""), ("Labels", ""),
                           ("another", ""), ("Name", "photos"), ("Access key", "key")]:
        t.answer(question, text + "\n")


def test_secrets_are_not_shown_on_a_terminal(init, terminal, workdir):
    answer_until_bucket(terminal, workdir)
    terminal.answer("Secret", "  a secret\n", echo=False)
    terminal.answer("another", "\n")
    assert terminal.finish() == 0
    assert "secret" not in terminal.seen
    assert 'secret_access_key: "  a secret"' in init.text()


def test_an_interrupt_leaves_the_terminal_as_it_was(init, terminal, workdir):
    answer_until_bucket(terminal, workdir)
    terminal.answer("Secret", "half\x03", echo=False)
    assert terminal.finish() != 0
    assert terminal.echoes()
    assert os.listdir(workdir) == init.before

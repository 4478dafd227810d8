# SPDX-License-Identifier: MIT
"""adminctl without daemons: options, exit codes, completion, validation."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from harness.orchestrator import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = f"{BUILD}/adminctl"

VALID = """
server: {listen_addr: "127.0.0.1:9000", run_dir: %(dir)s/run, spill_dir: %(dir)s}
database: {driver: embedded, path: %(dir)s/db}
buckets:
  - name: photos
    credentials: [{access_key_id: photoskey, secret_access_key: photossecret}]
backends:
  - {name: disk1, type: directory, path: %(dir)s/disk1}
"""


def adminctl(*args, cwd="/", **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("S3O_ADMIN_")}
    return subprocess.run([PROGRAM, *args], cwd=cwd, env={**clean, **env},
                          capture_output=True, text=True, timeout=60)


def commands():
    lines = adminctl("help").stderr.split("commands:\n")[1].split("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines]


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(VALID % {"dir": tmp_path})
    file.chmod(0o600)
    return file


def test_help_lists_all_commands():
    assert adminctl().returncode == 0
    assert adminctl("--help").returncode == 0
    assert {"status", "validate", "reload", "workers", "run", "log-level",
            "version", "help"} <= set(commands())


def test_completion_and_manual_know_all_commands():
    completion = (ROOT / "etc/adminctl.bash").read_text()
    manual = (ROOT / "man/adminctl.8").read_text()
    assert re.search(r'commands="(.*)"', completion).group(1).split() == commands()
    for command in commands():
        assert f".It Cm {command}" in manual


@pytest.mark.parametrize("args", [
    ["bogus"], ["status", "extra"], ["run"], ["-bogus", "status"], ["status", "-config"],
    ["-json=1", "status"],
])
def test_wrong_usage(args):
    r = adminctl(*args)
    assert r.returncode == 2
    assert r.stderr and not r.stdout


def test_version_is_one_line():
    r = adminctl("version")
    assert r.returncode == 0
    assert re.fullmatch(r"adminctl \S+ \S+ linux/\S+\n", r.stdout)


@pytest.mark.parametrize("args", [
    ["validate", "-config", "{}"], ["--config", "{}", "validate"], ["validate", "--config={}"],
])
def test_validate_accepts(config, args):
    r = adminctl(*[a.format(config) for a in args])
    assert r.returncode == 0, r.stderr
    assert r.stdout == (f"config {config}: valid\n  backends: 1\n  buckets:  1\n"
                        "  routing:  pack\n")


def test_validate_takes_the_file_here_by_default(config):
    r = adminctl("validate", cwd=config.parent)
    assert r.returncode == 0
    assert r.stdout.startswith("config config.yaml: valid\n")


def test_validate_reports_everything(config):
    config.write_text(config.read_text() + "bogus: 1\nother: 2\n")
    r = adminctl("validate", "-config", config)
    assert r.returncode == 1
    assert r.stdout == ""
    errors = [line for line in r.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "bogus" in errors[0] and "other" in errors[1]
    result = json.loads(adminctl("validate", "-json", "-config", config).stdout)
    assert result["valid"] is False and len(result["errors"]) == 2
    nowhere = os.fsencode(config.parent) + b"/\xff"
    for format_ in ([], ["-json"]):
        r = adminctl("validate", *format_, "-config", nowhere)
        assert r.returncode == 1 and "No such file" in r.stdout + r.stderr


def test_daemons_that_are_down_are_named(config):
    r = adminctl("status", "-config", config)
    assert r.returncode == 3
    for name in "proxyd", "workerd":
        assert f"{name} is down: {config.parent}/run/{name}.sock" in r.stdout
    for command in ["workers"], ["run", "cleanup_queue"]:
        r = adminctl(*command, "-config", config)
        assert r.returncode == 3
        assert f"{config.parent}/run/workerd.sock" in r.stderr
    for command in ["object", "photos/k"], ["ls", "photos"], ["buckets"], ["dlq", "list"]:
        r = adminctl(*command, "-config", config)
        assert r.returncode == 3 and not r.stdout
        for name in "proxyd", "workerd":
            assert f"{config.parent}/run/{name}.sock does not answer" in r.stderr
    result = json.loads(adminctl("status", "-json", "-socket-dir", "/nonexistent").stdout)
    assert [result[d]["up"] for d in ("proxyd", "workerd")] == [False, False]


def test_http_needs_a_token(config):
    r = adminctl("status", "-config", config, "-addr", "127.0.0.1:1")
    assert r.returncode == 1 and "a token is needed" in r.stderr
    r = adminctl("status", S3O_ADMIN_ADDR="127.0.0.1:1", S3O_ADMIN_TOKEN="x")
    assert r.returncode == 3
    assert "http://127.0.0.1:1" in r.stdout
    r = adminctl("buckets", S3O_ADMIN_ADDR="127.0.0.1:1", S3O_ADMIN_TOKEN="x")
    assert r.returncode == 3
    assert r.stderr.count("http://127.0.0.1:1") == 1


def test_address_is_https_where_tls_is_configured(config, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-days", "2"],
                   check=True, capture_output=True)
    config.write_text(config.read_text().replace(
        "server: {", 'worker: {listen_addr: ":2"}\nserver: {tls: {cert_file: %s, key_file: %s}, ' % (cert, key)))
    for addr, url in (("127.0.0.1:1", "https://127.0.0.1:1"), (":2", "http://127.0.0.1:2"),
                      ("http://127.0.0.1:1", "http://127.0.0.1:1")):
        r = adminctl("status", "-config", config, "-addr", addr, "-token", "t")
        assert r.returncode == 3 and url in r.stdout, r

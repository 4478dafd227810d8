# SPDX-License-Identifier: MIT
"""Documents against programs: settings page, metrics, the README's table of S3
operations (test_fields.py has that of header fields), make help, options in the manual pages."""
import functools
import os
import re
import shlex
import subprocess

import botocore.session
import pytest
import requests

from harness.orchestrator import BUILD, SANITIZERS
from harness.service import Service
from harness.storage import ROOT
from harness.wait import free_ports

ENV = {**os.environ, **SANITIZERS}


def text(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def output(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=ENV, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stdout
    return done.stdout


def make(*targets):
    """In the build folder of the programs under test, when it is one of the usual shape."""
    folder, sanitized = os.path.split(BUILD)
    arguments = [f"BUILD={folder}", "SANITIZE=1"] if sanitized == "san" else [f"BUILD={BUILD}"]
    return output("make", "-s", "--no-print-directory", *arguments, *targets)


# --- settings ---

def keys_of_the_parser():
    """Dotted paths of settings_table.c: sections by their .path, keys by the macros."""
    table = text("common", "config", "settings_table.c")
    paths = {}
    for body in re.findall(r"^(?:static )?const struct section (.*?);$", table, re.S | re.M):
        settings = re.search(r"\.settings = (\w+)", body)
        paths[settings.group(1)] = re.search(r'\.path = "([^"]*)"', body).group(1)
    keys = []
    for name, body in re.findall(r"static const struct setting (\w+)\[\] = \{\n(.*?)\{0\}\};",
                                 table, re.S):
        for entry in re.findall(r"^\t\{[.A-Z].*?(?=^\t\{|\Z)", body, re.S | re.M):
            if ".sub = &" not in entry:
                key = re.search(r'"([a-z_]+)"', entry).group(1)
                keys.append(f"{paths[name]}.{key}".lstrip("."))
    return keys


def test_every_setting_is_in_its_manual_page():
    make(f"{BUILD}/tools/gen_settings_man")
    done = subprocess.run([f"{BUILD}/tools/gen_settings_man"], env=ENV, timeout=60, text=True,
                          input=text("man", "s3-orchestrator.yaml.5.in"), stdout=subprocess.PIPE)
    assert done.returncode == 0
    described, section = set(), None
    for line in done.stdout.split("\n.Sh SETTINGS\n")[1].split("\n.Sh ")[0].splitlines():
        if line.startswith(".Ss "):
            section = line[4:].removesuffix("\\&")
        elif line.startswith(".It Cm "):
            described.add(line[7:] if section == "Top level" else f"{section}.{line[7:]}")
    wanted = keys_of_the_parser()
    assert len(wanted) > 120
    assert set(wanted) == described


def test_every_setting_is_in_the_example():
    """Set, or commented out with its default."""
    words = set(re.findall(r"[a-z_]+(?=:)", text("etc", "s3-orchestrator.yaml")))
    alternatives = {"token"}  # instead of the keys of a credential
    assert {k.split(".")[-1] for k in keys_of_the_parser()} - alternatives <= words


# --- metrics ---

@pytest.mark.parametrize("program", ["proxyd", "workerd"])
def test_every_metric_is_explained(orchestrator, program):
    orchestrator.s3().put_object(Bucket="photos", Key="k", Body=b"x")
    port = orchestrator.port if program == "proxyd" else orchestrator.worker_port
    page = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    helped = set(re.findall(r"^# HELP (\w+) \S", page, re.M))
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", page, re.M))
    families = set()
    for name in re.findall(r"^(\w+)[{ ]", page, re.M):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        families.add(base if types.get(base) == "histogram" else name)
    assert len(families) > 10
    assert families <= helped and helped == set(types)
    if program == "workerd":  # what the manual says to watch
        watched = re.findall(r"^\.It Li .*\b(s3o_\w+)", text("man", "s3-orchestrator.7"), re.M)
        assert watched and set(watched) <= set(types)


def test_metrics_on_a_listener_of_their_own(launch):
    port, = free_ports(1)
    o = launch(extra={"telemetry": {"metrics": {"listen": f"127.0.0.1:{port}"}}})
    assert "s3o_build_info" in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    elsewhere = requests.get(f"{o.endpoint}/metrics", timeout=10)
    assert elsewhere.status_code == 403 and "s3o_build_info" not in elsewhere.text
    o.config["telemetry"]["metrics"]["enabled"] = False
    o.write_config()
    assert "proxyd: needs a restart to take effect: telemetry.metrics.enabled\n" in \
        o.adminctl("reload").stdout


# --- operations ---

def readme_table(title):
    """The cells of each row of the table below a title."""
    lines = text("README.md").split(f"{title}\n")[1].split("\n#")[0]
    rows = [re.split(r" \| ", line[2:-2]) for line in re.findall(r"^\| .* \|$", lines, re.M)]
    return rows[1:]  # without that of titles


def done_in_the_readme():
    names = []
    for cell, state in readme_table("## Which S3 operations"):
        if state.startswith(("done", "partly")):
            names += cell.split(", ")
    return names


@functools.lru_cache(maxsize=None)
def api_operations():
    """{name: description} of all operations of S3."""
    model = botocore.session.get_session().get_service_model("s3")
    elsewhere = {"WriteGetObjectResponse", "ListDirectoryBuckets"}  # of endpoints of their own
    return {name: model.operation_model(name) for name in set(model.operation_names) - elsewhere}


def ask(service, operation):
    """The status of a request that has what the operation cannot do without, but no body."""
    path, _, query = operation.http["requestUri"].partition("?")
    query = [tuple(p.partition("=")[::2]) for p in query.split("&") if p]
    fields = {}
    shape = operation.input_shape
    for name in shape.required_members if shape else []:
        member = shape.members[name].serialization
        value = {"CopySource": "photos/k", "ObjectAttributes": "ETag", "PartNumber": "1"}.get(name, "x")
        if member.get("location") == "querystring":
            query.append((member["name"], value))
        elif member.get("location") == "header":
            fields[member["name"]] = value
    path = path.replace("{Bucket}", "photos").replace("{Key+}", "k")
    return service.do(operation.http["method"], path, query=query, headers=fields).status


def post_a_form(s3):
    post = s3.generate_presigned_post("photos", "k")
    return requests.post(post["url"], post["fields"], files={"file": b"x"}, timeout=20).status_code


def test_operations_are_what_the_readme_says(orchestrator):
    done = done_in_the_readme()
    assert post_a_form(orchestrator.s3()) == 204 and "PostObject" in done
    done.remove("PostObject")  # no call of a library
    operations = api_operations()
    assert len(done) == len(set(done)) and set(done) <= set(operations)
    service = Service(orchestrator)
    status = {name: ask(service, operation) for name, operation in sorted(operations.items())}
    assert not {name: n for name, n in status.items() if (n == 501) == (name in done)}
    assert not {name: n for name, n in status.items() if n > 501 or n == 405 and name != "DeleteBucket"}


# --- make help, options ---

def test_make_help_lists_every_public_target():
    makefile = text("Makefile")
    targets = re.search(r"^\.PHONY: (all .*)$", makefile, re.M).group(1).split()
    internal = {"all", "help", "print-layers"}  # all is plain "make"
    listed = re.findall(r"^make ([a-z]+)", make("help"), re.M)
    assert set(targets) - internal == set(listed)


@pytest.mark.parametrize("command", [["proxyd", "-h"], ["workerd", "-h"], ["adminctl", "help"]])
def test_options_are_in_the_manual_pages(command):
    program, *arguments = command
    usage = output(f"{BUILD}/{program}", *arguments)
    options = set(re.findall(r"(?:^  |, )(--?[A-Za-z][a-z-]*)", usage, re.M))
    assert len(options) >= 5
    flags = set(re.findall(r"\bFl (\S+)", "".join(
        line for line in text("man", f"{program}.8").splitlines(True) if line.startswith(".It Fl "))))
    assert {o.removeprefix("-") if not o.startswith("--") else o[2:] for o in options} <= \
        {f.removeprefix("-") for f in flags}


# --- installation ---

def test_install_goes_where_destdir_says():
    lines = [line for line in make("-n", "install", "DESTDIR=/a b").splitlines() if "install -" in line]
    words = [word for line in lines for word in shlex.split(line.rstrip("\\"))]
    assert len(lines) > 5 and not [word for word in words if word.startswith("b/")]
    assert "/a b/usr/sbin" in words


def test_readme_and_manual_prepare_the_same_system():
    def commands(lines, continued):
        return [line.split() for line in "\n".join(lines).replace(continued + "\n", " ").splitlines()]

    readme = text("README.md").split("    useradd ")[1].split("\n\n")[0]
    page = text("man", "s3-orchestrator.7").split("\nuseradd ")[1].split("\n.Ed")[0]
    assert commands(readme.splitlines(), "\\") == commands(page.splitlines(), "\\e")

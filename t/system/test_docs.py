# SPDX-License-Identifier: MIT
"""Documents against programs: settings page, metrics, the README's table of S3
operations, make help, options in the manual pages."""
import os
import re
import shlex
import subprocess

import pytest
import requests
from botocore.exceptions import ClientError

from harness.orchestrator import BUILD, SANITIZERS
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

def done_in_the_readme():
    table = text("README.md").split("## Which S3 operations")[1].split("\n## ")[0]
    names = []
    for cell, state in re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.M):
        if state.startswith(("done", "partly")):
            names += cell.split(", ")
    return names


# Every operation: how it is asked for, with a bucket "photos" and an object "k".
K = {"Bucket": "photos", "Key": "k"}
B = {"Bucket": "photos"}
UPLOAD = {**K, "UploadId": "u"}
OPERATIONS = {
    "ListBuckets": ("list_buckets", {}),
    "HeadBucket": ("head_bucket", B),
    "GetBucketLocation": ("get_bucket_location", B),
    "CreateBucket": ("create_bucket", B),
    "DeleteBucket": ("delete_bucket", B),
    "ListObjects": ("list_objects", B),
    "ListObjectsV2": ("list_objects_v2", B),
    "ListObjectVersions": ("list_object_versions", B),
    "PutObject": ("put_object", {**K, "Body": b"x"}),
    "GetObject": ("get_object", K),
    "HeadObject": ("head_object", K),
    "DeleteObject": ("delete_object", {"Bucket": "photos", "Key": "gone"}),
    "DeleteObjects": ("delete_objects", {**B, "Delete": {"Objects": [{"Key": "gone"}]}}),
    "CopyObject": ("copy_object", {"Bucket": "photos", "Key": "k2", "CopySource": "photos/k"}),
    "GetObjectAttributes": ("get_object_attributes", {**K, "ObjectAttributes": ["ETag"]}),
    "CreateMultipartUpload": ("create_multipart_upload", K),
    "UploadPart": ("upload_part", {**UPLOAD, "PartNumber": 1, "Body": b"x"}),
    "UploadPartCopy": ("upload_part_copy", {**UPLOAD, "PartNumber": 1, "CopySource": "photos/k"}),
    "ListParts": ("list_parts", UPLOAD),
    "ListMultipartUploads": ("list_multipart_uploads", B),
    "CompleteMultipartUpload": ("complete_multipart_upload", {
        **UPLOAD, "MultipartUpload": {"Parts": [{"ETag": "e", "PartNumber": 1}]}}),
    "AbortMultipartUpload": ("abort_multipart_upload", UPLOAD),
    "GetObjectAcl": ("get_object_acl", K),
    "PutObjectAcl": ("put_object_acl", {**K, "ACL": "private"}),
    "GetObjectTagging": ("get_object_tagging", K),
    "PutObjectTagging": ("put_object_tagging", {**K, "Tagging": {"TagSet": []}}),
    "DeleteObjectTagging": ("delete_object_tagging", K),
    "GetObjectLegalHold": ("get_object_legal_hold", K),
    "GetObjectRetention": ("get_object_retention", K),
    "GetObjectLockConfiguration": ("get_object_lock_configuration", B),
    "GetObjectTorrent": ("get_object_torrent", K),
    "RestoreObject": ("restore_object", {**K, "RestoreRequest": {"Days": 1}}),
    "GetBucketAcl": ("get_bucket_acl", B),
    "PutBucketAcl": ("put_bucket_acl", {**B, "ACL": "private"}),
    "GetBucketCors": ("get_bucket_cors", B),
    "DeleteBucketCors": ("delete_bucket_cors", B),
    "GetBucketEncryption": ("get_bucket_encryption", B),
    "GetBucketLifecycleConfiguration": ("get_bucket_lifecycle_configuration", B),
    "DeleteBucketLifecycle": ("delete_bucket_lifecycle", B),
    "GetBucketLogging": ("get_bucket_logging", B),
    "GetBucketNotificationConfiguration": ("get_bucket_notification_configuration", B),
    "GetBucketOwnershipControls": ("get_bucket_ownership_controls", B),
    "GetBucketPolicy": ("get_bucket_policy", B),
    "PutBucketPolicy": ("put_bucket_policy", {**B, "Policy": "{}"}),
    "DeleteBucketPolicy": ("delete_bucket_policy", B),
    "GetBucketPolicyStatus": ("get_bucket_policy_status", B),
    "GetBucketReplication": ("get_bucket_replication", B),
    "GetBucketRequestPayment": ("get_bucket_request_payment", B),
    "GetBucketTagging": ("get_bucket_tagging", B),
    "GetBucketVersioning": ("get_bucket_versioning", B),
    "PutBucketVersioning": ("put_bucket_versioning", {
        **B, "VersioningConfiguration": {"Status": "Enabled"}}),
    "GetBucketWebsite": ("get_bucket_website", B),
    "GetPublicAccessBlock": ("get_public_access_block", B),
    "GetBucketAccelerateConfiguration": ("get_bucket_accelerate_configuration", B),
}


def post_a_form(s3):
    post = s3.generate_presigned_post("photos", "k")
    return requests.post(post["url"], post["fields"], files={"file": b"x"}, timeout=20).status_code


def test_operations_are_what_the_readme_says(orchestrator):
    s3 = orchestrator.s3()
    s3.put_object(**K, Body=b"x")
    done = done_in_the_readme()
    assert post_a_form(s3) == 204 and "PostObject" in done
    done.remove("PostObject")  # no call of a library
    assert done and set(done) <= set(OPERATIONS)
    wrong = []
    for name, (call, arguments) in OPERATIONS.items():
        try:
            getattr(s3, call)(**arguments)
            status = 200
        except ClientError as e:
            status = e.response["ResponseMetadata"]["HTTPStatusCode"]
        if (status == 501) == (name in done):
            wrong.append((name, status))
    assert not wrong


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

"""The clients that people use, each as it comes: store, list, read, read a range,
delete, with files from nothing to 1 GiB and keys that need care."""
import hashlib
import os
import shutil
import subprocess

import boto3
import boto3.s3.transfer
import pytest

from harness.orchestrator import BUCKETS
from harness.storage import ROOT

MIB = 1024 * 1024
SIZES = {"empty": 0, "one": 1, "five": 5 * MIB, "sixty-four": 64 * MIB, "gib": 1024 * MIB}
ODD_KEYS = ["with space", "plus+sign", "percent%2Fslash", "uni-ü-日本", "double//slash", "x" * 1000]
KEY, SECRET = BUCKETS["photos"]


@pytest.fixture(scope="module")
def files():
    """One file of each size, on disk; random, but the large one repeats a block."""
    folder = "/tmp/s3o-client-files-%d" % os.getpid()
    os.makedirs(folder)
    block = os.urandom(8 * MIB)
    for name, size in SIZES.items():
        with open(f"{folder}/{name}", "wb") as f:
            while size > 0:
                f.write(block[:size])
                size -= len(block)
    yield {name: f"{folder}/{name}" for name in SIZES}
    shutil.rmtree(folder)


def md5(path):
    digest = hashlib.md5()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(MIB), b""):
            digest.update(block)
    return digest.hexdigest()


def run(*command, env=None, **options):
    # What the shell of the tester has set for AWS is none of the clients' business.
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**clean, **(env or {})}, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def test_awscli(orchestrator, files, workdir):
    config = f"{workdir}/aws-config"
    with open(config, "w") as f:
        f.write("[default]\nregion = us-east-1\ns3 =\n  addressing_style = path\n")
    env = {"AWS_CONFIG_FILE": config, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
           "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"}

    def aws(*args):
        return run("/usr/bin/aws", "--endpoint-url", orchestrator.endpoint, *args, env=env)

    for name, path in files.items():
        aws("s3", "cp", "--no-progress", path, f"s3://photos/cli/{name}")
        aws("s3", "cp", "--no-progress", f"s3://photos/cli/{name}", f"{workdir}/back")
        assert md5(f"{workdir}/back") == md5(path)
    assert [line.split()[2:] for line in aws("s3", "ls", "s3://photos/cli/").splitlines()] == \
        sorted([[str(size), name] for name, size in SIZES.items()], key=lambda x: x[1])
    for key in ODD_KEYS:
        aws("s3api", "put-object", "--bucket", "photos", "--key", key, "--body", files["one"])
        aws("s3api", "get-object", "--bucket", "photos", "--key", key, f"{workdir}/back")
        assert md5(f"{workdir}/back") == md5(files["one"])
        aws("s3api", "delete-object", "--bucket", "photos", "--key", key)
    aws("s3api", "get-object", "--bucket", "photos", "--key", "cli/five", "--range",
        "bytes=100-199", f"{workdir}/back")
    with open(files["five"], "rb") as f, open(f"{workdir}/back", "rb") as back:
        f.seek(100)
        assert back.read() == f.read(100)
    for name in files:
        aws("s3", "rm", f"s3://photos/cli/{name}")
    assert "Contents" not in orchestrator.s3().list_objects_v2(Bucket="photos")


def test_boto3(orchestrator, files, workdir):
    s3 = orchestrator.s3()
    transfer = boto3.s3.transfer.TransferConfig(use_threads=False)
    for name, path in files.items():
        s3.upload_file(path, "photos", f"b/{name}")
        s3.download_file("photos", f"b/{name}", f"{workdir}/back", Config=transfer)
        assert md5(f"{workdir}/back") == md5(path)
        # In parallel ranges, as the transfer manager does by default.
        s3.download_file("photos", f"b/{name}", f"{workdir}/back")
        assert md5(f"{workdir}/back") == md5(path)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "b/five"})
    run("curl", "-sSf", "-o", f"{workdir}/back", url)
    assert md5(f"{workdir}/back") == md5(files["five"])
    for name in files:
        s3.delete_object(Bucket="photos", Key=f"b/{name}")


def test_rclone(orchestrator, files, workdir):
    config = f"{workdir}/rclone.conf"
    with open(config, "w") as f:
        f.write(f"[o]\ntype = s3\nprovider = Other\naccess_key_id = {KEY}\n"
                f"secret_access_key = {SECRET}\nendpoint = {orchestrator.endpoint}\n"
                "region = us-east-1\nforce_path_style = true\nupload_cutoff = 20M\n")

    def rclone(*args):
        return run("rclone", "--config", config, "--retries", "1", "--low-level-retries", "1", *args)

    source = os.path.dirname(files["one"])
    rclone("copy", source, "o:photos/rc")
    rclone("check", "--download", source, "o:photos/rc")
    assert sorted(rclone("lsf", "o:photos/rc").split()) == sorted(SIZES)
    with open(files["five"], "rb") as f, open(f"{workdir}/part", "wb") as part:
        f.seek(1000)
        part.write(f.read(100))
    run("sh", "-c", f"rclone --config {config} cat --offset 1000 --count 100 o:photos/rc/five |"
                    f" cmp - {workdir}/part")
    for key in ("with space", "plus+sign", "percent%2Fslash", "uni-ü-日本"):
        rclone("copyto", files["one"], f"o:photos/odd/{key}")
        rclone("copyto", f"o:photos/odd/{key}", f"{workdir}/back")
        assert md5(f"{workdir}/back") == md5(files["one"])
    rclone("delete", "o:photos")
    assert "Contents" not in orchestrator.s3().list_objects_v2(Bucket="photos")


def test_s3cmd(orchestrator, files, workdir):
    host = orchestrator.endpoint.removeprefix("http://")
    config = f"{workdir}/s3cfg"
    with open(config, "w") as f:
        f.write(f"[default]\naccess_key = {KEY}\nsecret_key = {SECRET}\nhost_base = {host}\n"
                f"host_bucket = {host}\nuse_https = False\n"
                "max_retries = 1\nbucket_location = us-east-1\n")

    def s3cmd(*args):
        return run("s3cmd", "-c", config, "--no-progress", *args)

    for name, path in files.items():
        s3cmd("put", path, f"s3://photos/s3cmd/{name}")
        s3cmd("get", "--force", f"s3://photos/s3cmd/{name}", f"{workdir}/back")
        assert md5(f"{workdir}/back") == md5(path)
    assert len(s3cmd("ls", "s3://photos/s3cmd/").splitlines()) == len(files)
    for key in ("with space", "plus+sign", "percent%2Fslash", "uni-ü-日本"):
        s3cmd("put", files["one"], f"s3://photos/odd/{key}")
        s3cmd("get", "--force", f"s3://photos/odd/{key}", f"{workdir}/back")
        assert md5(f"{workdir}/back") == md5(files["one"])
        s3cmd("del", f"s3://photos/odd/{key}")
    with open(f"{workdir}/part", "wb") as f, open(files["five"], "rb") as whole:
        f.write(whole.read(2 * MIB))
    s3cmd("get", "--continue", "s3://photos/s3cmd/five", f"{workdir}/part")
    assert md5(f"{workdir}/part") == md5(files["five"])
    for name in files:
        s3cmd("del", f"s3://photos/s3cmd/{name}")


def test_javascript_sdk(orchestrator, files):
    folder = f"{ROOT}/build/js"
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "workload.mjs"):
        shutil.copy(f"{ROOT}/t/system/js/{name}", folder)
    if not os.path.isdir(f"{folder}/node_modules/@aws-sdk/client-s3"):
        run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
    out = run("node", "workload.mjs", orchestrator.endpoint, "photos", KEY, SECRET,
              *files.values(), cwd=folder)
    assert f"ok {len(files)}" in out

"""The clients that people use, each as it comes: store, list, read, read a range,
delete, with files from nothing to 1 GiB and keys that need care. The largest file
takes minutes with some of them: it goes through boto3, which reads it in both ways,
in one piece and in parallel ranges."""
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
ODD_NAMES = ["with space", "plus+sign", "percent%2Fslash", "uni-ü-日本"]
ODD_KEYS = ["double//slash", "x" * 1000]  # and what cannot be the name of a file
KEY, SECRET = BUCKETS["photos"]


@pytest.fixture(scope="module")
def all_files():
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


@pytest.fixture
def files(all_files):
    return {name: path for name, path in all_files.items() if name != "gib"}


@pytest.fixture(scope="module")
def odd_files(all_files):
    """A folder of small files with names that need care."""
    folder = os.path.dirname(all_files["one"]) + "-odd"
    os.makedirs(folder)
    for name in ODD_NAMES:
        with open(f"{folder}/{name}", "w") as f:
            f.write(name)
    yield folder
    shutil.rmtree(folder)


def assert_same(path, other):
    run("cmp", path, other)


def assert_same_tree(folder, other):
    run("diff", "-r", folder, other)


def run(*command, env=None, **options):
    # What the shell of the tester has set for AWS is none of the clients' business.
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**clean, **(env or {})}, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def test_awscli(orchestrator, files, odd_files, workdir):
    # Multipart uploads are not part of this version: single PUTs up to their limit.
    config = f"{workdir}/aws-config"
    with open(config, "w") as f:
        f.write("[default]\nregion = us-east-1\ns3 =\n  addressing_style = path\n")
    env = {"AWS_CONFIG_FILE": config, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
           "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"}

    def aws(*args):
        return run("/usr/bin/aws", "--endpoint-url", orchestrator.endpoint, *args, env=env)

    # The program takes longer to start than to move a small file: whole folders.
    for name, folder in (("cli", f"{workdir}/cli"), ("odd", odd_files)):
        if name == "cli":
            os.makedirs(folder)
            for path in files.values():
                os.link(path, f"{folder}/{os.path.basename(path)}")
        aws("s3", "cp", "--no-progress", "--recursive", folder, f"s3://photos/{name}/")
        aws("s3", "cp", "--no-progress", "--recursive", f"s3://photos/{name}/", f"{workdir}/{name}-back")
        assert_same_tree(folder, f"{workdir}/{name}-back")
    assert [line.split()[2:] for line in aws("s3", "ls", "s3://photos/cli/").splitlines()] == \
        sorted([[str(SIZES[name]), name] for name in files], key=lambda x: x[1])
    for key in ODD_KEYS:
        aws("s3api", "put-object", "--bucket", "photos", "--key", key, "--body", files["one"])
        aws("s3api", "get-object", "--bucket", "photos", "--key", key, f"{workdir}/back")
        assert_same(f"{workdir}/back", files["one"])
        aws("s3api", "delete-object", "--bucket", "photos", "--key", key)
    aws("s3api", "get-object", "--bucket", "photos", "--key", "cli/five", "--range",
        "bytes=100-199", f"{workdir}/back")
    with open(files["five"], "rb") as f, open(f"{workdir}/back", "rb") as back:
        f.seek(100)
        assert back.read() == f.read(100)
    aws("s3", "rm", "--recursive", "s3://photos")
    assert "Contents" not in orchestrator.s3().list_objects_v2(Bucket="photos")


def test_boto3(orchestrator, all_files, workdir):
    s3 = orchestrator.s3()
    transfer = boto3.s3.transfer.TransferConfig(multipart_threshold=5 * 1024 * MIB,
                                                use_threads=False)
    for name, path in all_files.items():
        s3.upload_file(path, "photos", f"b/{name}", Config=transfer)
        s3.download_file("photos", f"b/{name}", f"{workdir}/back", Config=transfer)
        assert_same(f"{workdir}/back", path)
        # In parallel ranges, as the transfer manager does by default.
        s3.download_file("photos", f"b/{name}", f"{workdir}/back")
        assert_same(f"{workdir}/back", path)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "b/five"})
    run("curl", "-sSf", "-o", f"{workdir}/back", url)
    assert_same(f"{workdir}/back", all_files["five"])
    for name in all_files:
        s3.delete_object(Bucket="photos", Key=f"b/{name}")


def test_rclone(orchestrator, files, odd_files, workdir):
    config = f"{workdir}/rclone.conf"
    with open(config, "w") as f:
        f.write(f"[o]\ntype = s3\nprovider = Other\naccess_key_id = {KEY}\n"
                f"secret_access_key = {SECRET}\nendpoint = {orchestrator.endpoint}\n"
                "region = us-east-1\nforce_path_style = true\nupload_cutoff = 20M\n")

    def rclone(*args):
        return run("rclone", "--config", config, "--retries", "1", "--low-level-retries", "1", *args)

    source = os.path.dirname(files["one"])
    for folder, name in ((source, "rc"), (odd_files, "odd")):
        rclone("copy", "--exclude", "gib", folder, f"o:photos/{name}")
        rclone("check", "--exclude", "gib", "--download", folder, f"o:photos/{name}")
        names = rclone("lsf", f"o:photos/{name}").splitlines()
        assert sorted(names) == sorted(set(os.listdir(folder)) - {"gib"})
    with open(files["five"], "rb") as f, open(f"{workdir}/part", "wb") as part:
        f.seek(1000)
        part.write(f.read(100))
    run("sh", "-c", f"rclone --config {config} cat --offset 1000 --count 100 o:photos/rc/five |"
                    f" cmp - {workdir}/part")
    rclone("delete", "o:photos")
    assert "Contents" not in orchestrator.s3().list_objects_v2(Bucket="photos")


def test_s3cmd(orchestrator, files, odd_files, workdir):
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
        assert_same(f"{workdir}/back", path)
    assert len(s3cmd("ls", "s3://photos/s3cmd/").splitlines()) == len(files)
    for name in ODD_NAMES:
        s3cmd("put", f"{odd_files}/{name}", f"s3://photos/odd/{name}")
        s3cmd("get", "--force", f"s3://photos/odd/{name}", f"{workdir}/back")
        assert_same(f"{workdir}/back", f"{odd_files}/{name}")
        s3cmd("del", f"s3://photos/odd/{name}")
    with open(f"{workdir}/part", "wb") as f, open(files["five"], "rb") as whole:
        f.write(whole.read(2 * MIB))
    s3cmd("get", "--continue", "s3://photos/s3cmd/five", f"{workdir}/part")
    assert_same(f"{workdir}/part", files["five"])
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

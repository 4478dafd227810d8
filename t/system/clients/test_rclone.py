"""rclone: folders both ways, copies that never leave the server, and a folder served
from a bucket."""
import os
import subprocess

import pytest
import requests

from harness.clients import (MIB, assert_same, assert_same_tree, change_tree, files_of, make_file,
                             run, without_aws)
from harness.wait import free_ports, until


@pytest.fixture
def rclone(endpoint, workdir):
    config = f"{workdir}/rclone.conf"
    with open(config, "w") as f:
        f.write(f"[o]\ntype = s3\nprovider = Other\naccess_key_id = {endpoint.key}\n"
                f"secret_access_key = {endpoint.secret}\nendpoint = {endpoint.url}\n"
                "region = us-east-1\nforce_path_style = true\n")
    command = ["rclone", "--config", config, "--retries", "1", "--low-level-retries", "1",
               "--s3-upload-cutoff", "16M", "--s3-chunk-size", "5M"]

    def start(*args):
        return run(*command, *args)
    start.command = command
    return start


def test_files(endpoint, rclone, files, tree, workdir):
    remote = f"o:{endpoint.bucket}"
    for name, folder in (("sizes", os.path.dirname(files["one"])), ("tree", tree)):
        rclone("copy", folder, f"{remote}/{name}")
        rclone("check", "--download", folder, f"{remote}/{name}")
        listed = rclone("lsf", "-R", "--files-only", f"{remote}/{name}").splitlines()
        assert sorted(listed) == sorted(files_of(folder))
        rclone("copy", f"{remote}/{name}", f"{workdir}/{name}-back")
        assert_same_tree(folder, f"{workdir}/{name}-back")
    head = endpoint.s3().head_object(Bucket=endpoint.bucket, Key="sizes/sixty-four")
    assert head["ETag"].endswith('-13"')  # 5 MiB parts
    assert "mtime" in head["Metadata"]
    with open(files["five"], "rb") as f, open(f"{workdir}/part", "wb") as part:
        f.seek(1000)
        part.write(f.read(100))
    out = subprocess.run([*rclone.command, "cat", "--offset", "1000", "--count", "100",
                          f"{remote}/sizes/five"], stdout=subprocess.PIPE, env=without_aws(),
                         check=True).stdout
    assert out == open(f"{workdir}/part", "rb").read()
    rclone("delete", remote)
    assert endpoint.keys() == [] and endpoint.uploads() == []


def test_sync(endpoint, rclone, tree, workdir):
    remote = f"o:{endpoint.bucket}/sync"
    rclone("sync", tree, remote)
    change_tree(tree)
    rclone("sync", tree, remote)
    rclone("check", tree, remote)
    rclone("sync", remote, f"{workdir}/back")
    assert_same_tree(tree, f"{workdir}/back")
    for name in files_of(tree):  # times, too, which are metadata
        assert int(os.path.getmtime(f"{tree}/{name}")) == \
            int(os.path.getmtime(f"{workdir}/back/{name}")), name
    assert "There was nothing to transfer" in rclone("sync", "-v", tree, remote)


def test_on_the_server(endpoint, rclone, workdir):
    """Copies, moves and new times, of small objects and by UploadPartCopy."""
    remote, s3 = f"o:{endpoint.bucket}", endpoint.s3()
    small, large = (make_file(f"{workdir}/{name}", size) for name, size in
                    (("small", 100_000), ("large", 20 * MIB + 5)))
    for path in (small, large):
        rclone("--s3-copy-cutoff", "8M", "copyto", path, f"{remote}/first")
        rclone("--s3-copy-cutoff", "8M", "copyto", f"{remote}/first", f"{remote}/a +ü/second")
        rclone("--s3-copy-cutoff", "8M", "moveto", f"{remote}/a +ü/second", f"{remote}/third")
        assert endpoint.keys() == ["first", "third"]
        rclone("touch", "-t", "2001-02-03T04:05:06", f"{remote}/third")
        assert "2001-02-03 04:05:06" in rclone("lsl", f"{remote}/third")
        rclone("copyto", f"{remote}/third", f"{workdir}/back")
        assert_same(f"{workdir}/back", path)
        rclone("delete", remote)
    s3.put_object(Bucket=endpoint.bucket, Key="dir/k", Body=b"x")
    rclone("purge", f"{remote}/dir")
    assert endpoint.keys() == [] and endpoint.uploads() == []


def test_buckets(endpoint, rclone):
    rclone("mkdir", "o:made-by-rclone")
    assert "made-by-rclone/" in rclone("lsf", "o:").split()
    rclone("rmdir", "o:made-by-rclone")
    assert "made-by-rclone/" not in rclone("lsf", "o:").split()


def test_served_as_web_pages(endpoint, rclone, tree):
    rclone("copy", tree, f"o:{endpoint.bucket}/site")
    port, = free_ports(1)
    server = subprocess.Popen([*rclone.command, "serve", "http", "--addr", f"127.0.0.1:{port}",
                               f"o:{endpoint.bucket}/site"], stderr=subprocess.DEVNULL,
                              env=without_aws())
    try:
        def page(path, **headers):
            return requests.get(f"http://127.0.0.1:{port}/{path}", headers=headers, timeout=20)

        def answers():
            try:
                return page("").ok
            except requests.ConnectionError:
                return False
        until(answers, what="rclone serves")
        content = open(f"{tree}/large", "rb").read()
        assert page("large").content == content
        assert page("large", Range="bytes=5000000-5000099").content == content[5000000:5000100]
        assert page("a/b/c/deep").content == open(f"{tree}/a/b/c/deep", "rb").read()
    finally:
        server.terminate()
        server.wait(20)

"""s3cmd: files, folders, and its calls for buckets."""
import os

import pytest

from harness.clients import (MIB, assert_same, assert_same_tree, change_tree, files_of, make_file,
                             run)


@pytest.fixture
def s3cmd(endpoint, workdir):
    config = f"{workdir}/s3cfg"
    with open(config, "w") as f:
        f.write(f"[default]\naccess_key = {endpoint.key}\nsecret_key = {endpoint.secret}\n"
                f"host_base = {endpoint.host}\nhost_bucket = {endpoint.host}\nuse_https = False\n"
                "max_retries = 1\nbucket_location = us-east-1\nmultipart_chunk_size_mb = 5\n")

    def start(*args, **options):
        return run("s3cmd", "-c", config, "--no-progress", *args, **options)
    return start


def test_files(endpoint, s3cmd, files, workdir):
    url = f"s3://{endpoint.bucket}"
    for name, path in files.items():
        s3cmd("put", path, f"{url}/sizes/{name}")
        s3cmd("get", "--force", f"{url}/sizes/{name}", f"{workdir}/back")
        assert_same(f"{workdir}/back", path)
    assert len(s3cmd("ls", f"{url}/sizes/").splitlines()) == len(files)
    assert endpoint.s3().head_object(Bucket=endpoint.bucket, Key="sizes/sixty-four")[
        "ETag"].endswith('-13"')
    with open(f"{workdir}/part", "wb") as f, open(files["five"], "rb") as whole:
        f.write(whole.read(2 * MIB))
    s3cmd("get", "--continue", f"{url}/sizes/five", f"{workdir}/part")
    assert_same(f"{workdir}/part", files["five"])
    s3cmd("del", "--recursive", "--force", f"{url}/")
    assert endpoint.keys() == [] and endpoint.uploads() == []


def test_sync(endpoint, s3cmd, tree, workdir):
    url, back = f"s3://{endpoint.bucket}/sync/", f"{workdir}/back/"
    os.makedirs(back)
    s3cmd("sync", f"{tree}/", url)
    assert endpoint.keys() == sorted(f"sync/{name}" for name in files_of(tree))
    s3cmd("sync", url, back)
    assert_same_tree(tree, back)
    change_tree(tree)
    s3cmd("sync", "--delete-removed", f"{tree}/", url)
    s3cmd("sync", "--delete-removed", url, back)
    assert_same_tree(tree, back)


def test_on_the_server(endpoint, s3cmd, workdir):
    url = f"s3://{endpoint.bucket}"
    for path in (make_file(f"{workdir}/small", 1000), make_file(f"{workdir}/large", 12 * MIB)):
        s3cmd("put", "--mime-type=image/x-a", "--add-header=x-amz-meta-a:b", path, f"{url}/first")
        s3cmd("cp", f"{url}/first", f"{url}/second +ü")
        s3cmd("mv", f"{url}/second +ü", f"{url}/third")
        assert endpoint.keys() == ["first", "third"]
        s3cmd("get", "--force", f"{url}/third", f"{workdir}/back")
        assert_same(f"{workdir}/back", path)
        info = s3cmd("info", f"{url}/third")
        assert "image/x-a" in info and "x-amz-meta-a: b" in info
        s3cmd("modify", "--mime-type=image/x-b", f"{url}/third")
        assert "image/x-b" in s3cmd("info", f"{url}/third")
        s3cmd("del", f"{url}/first", f"{url}/third")


def test_uploads(endpoint, s3cmd):
    s3, url = endpoint.s3(), f"s3://{endpoint.bucket}"
    upload = s3.create_multipart_upload(Bucket=endpoint.bucket, Key="k")["UploadId"]
    s3.upload_part(Bucket=endpoint.bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
    assert upload in s3cmd("multipart", url)
    assert "1000" in s3cmd("listmp", f"{url}/k", upload)
    s3cmd("abortmp", f"{url}/k", upload)
    assert endpoint.uploads() == []


def test_buckets(endpoint, s3cmd, files, workdir):
    url = "s3://made-by-s3cmd"
    s3cmd("mb", url)
    assert url in s3cmd("ls")
    assert "Location" in s3cmd("info", url)
    s3cmd("expire", "--expiry-days=7", "--expiry-prefix=tmp/", url)
    assert "<Days>7</Days>" in s3cmd("getlifecycle", url)
    s3cmd("dellifecycle", url)
    cors = f"{workdir}/cors.xml"
    with open(cors, "w") as f:
        f.write("<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin>"
                "<AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>")
    s3cmd("setcors", cors, url)
    assert "<AllowedMethod>GET</AllowedMethod>" in s3cmd("info", url)
    s3cmd("delcors", url)
    s3cmd("put", files["one"], f"{url}/k")
    assert s3cmd("du", url).split()[0] == "1"
    if endpoint.ours:  # there are no anonymous readers: never pretend
        assert "AccessControlListNotSupported" in s3cmd(
            "setacl", "--acl-public", f"{url}/k", status=11)
    s3cmd("rb", "--recursive", "--force", url)
    assert url not in s3cmd("ls")

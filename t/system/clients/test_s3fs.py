"""s3fs: a bucket as a file system, with what programs do to files; but not truncate,
after which s3fs 1.90 has zeros for the content."""
import os
import shutil
import subprocess

import pytest

from harness.clients import MIB, assert_same, assert_same_tree, make_file, run, without_aws
from harness.wait import until


def cannot_mount():
    """Why nobody can mount here, or None."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        return f"/dev/fuse: {e.strerror}"
    return None


@pytest.fixture
def mounted(endpoint, workdir):
    """mounted() is the folder where the bucket is mounted, anew at each call: what it
    shows then comes from the bucket, not from a cache."""
    if cannot_mount():
        pytest.skip(cannot_mount())
    folder, password = f"{workdir}/mounted", f"{workdir}/password"
    os.makedirs(folder)
    with open(password, "w") as f:
        f.write(f"{endpoint.key}:{endpoint.secret}\n")
    os.chmod(password, 0o600)
    server = []

    def unmount():
        if server:
            run("fusermount3", "-u", folder)
            assert server.pop().wait(30) == 0

    def mount():
        unmount()
        server.append(subprocess.Popen(
            ["s3fs", endpoint.bucket, folder, "-f", "-o", f"passwd_file={password}",
             "-o", f"url={endpoint.url}", "-o", "use_path_request_style", "-o", "sigv4",
             "-o", "multipart_size=5", "-o", f"tmpdir={workdir}", "-o", "endpoint=us-east-1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=without_aws()))
        until(lambda: os.path.ismount(folder) or server[0].poll() is not None, what="mounted")
        assert os.path.ismount(folder)
        return folder

    yield mount
    unmount()


def test_files(mounted, tree):
    folder = mounted()
    shutil.copytree(tree, f"{folder}/tree")
    folder = mounted()
    assert_same_tree(tree, f"{folder}/tree")
    assert run("ls", "-R", tree).split("\n", 1)[1] == \
        run("ls", "-R", f"{folder}/tree").replace(folder + "/tree", tree).split("\n", 1)[1]
    shutil.rmtree(f"{folder}/tree")
    assert os.listdir(mounted()) == []


def test_changes(endpoint, mounted, workdir):
    folder = mounted()
    with open(f"{folder}/text", "w") as f:
        f.write("one\n")
    with open(f"{folder}/text", "a") as f:
        f.write("two\n")
    os.chmod(f"{folder}/text", 0o640)
    os.mkdir(f"{folder}/dir")
    os.rename(f"{folder}/text", f"{folder}/dir/to +")
    os.rename(f"{folder}/dir/to +", f"{folder}/dir/renamed")
    large = make_file(f"{workdir}/large", 30 * MIB + 7)
    shutil.copyfile(large, f"{folder}/large")
    os.rename(f"{folder}/large", f"{folder}/dir/large")  # by UploadPartCopy
    os.symlink("renamed", f"{folder}/dir/link")
    folder = mounted()
    with open(f"{folder}/dir/link") as f:
        assert f.read() == "one\ntwo\n"
    assert os.stat(f"{folder}/dir/renamed").st_mode & 0o777 == 0o640
    assert_same(f"{folder}/dir/large", large)
    for path in (large, f"{folder}/dir/large"):  # in the middle
        with open(path, "r+b") as f:
            f.seek(12 * MIB)
            f.write(b"changed")
    folder = mounted()
    assert_same(f"{folder}/dir/large", large)
    os.rename(f"{folder}/dir", f"{folder}/moved")
    assert sorted(os.listdir(mounted() + "/moved")) == ["large", "link", "renamed"]
    shutil.rmtree(f"{folder}/moved")
    assert endpoint.keys() == [] and endpoint.uploads() == []

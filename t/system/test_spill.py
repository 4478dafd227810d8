# SPDX-License-Identifier: MIT
"""Bodies that do not fit in memory go to temporary files without a name."""
import os
import signal
import socket
import subprocess

import pytest
from botocore.exceptions import ClientError

from harness.wait import until

PROCESSES = 2  # of the systems launched here: requests meet across children

MIB = 1024 * 1024


def spilled(o, folder):
    """Deleted files below the folder that children have open."""
    found = []
    for pid in o.children():
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        found += [link for link in links if link.startswith(folder + "/")]
    return found


def test_large_bodies_wait_in_unnamed_files(launch, directories, workdir, monkeypatch):
    folder = f"{workdir}/tmp"
    os.makedirs(folder)
    monkeypatch.setenv("TMPDIR", folder)
    o = launch(directories(1), {"server": {"spill_dir": ""},
                                "write_path": {"spill_threshold": "1MiB"}})

    def begin(key, size):
        url = o.s3().generate_presigned_url("put_object", Params={"Bucket": "photos", "Key": key})
        s = socket.create_connection(("127.0.0.1", o.port), timeout=60)
        s.sendall((f"PUT {url[len(o.endpoint):]} HTTP/1.1\r\nHost: 127.0.0.1:{o.port}\r\n"
                   f"Content-Length: {size}\r\n\r\n").encode())
        return s

    large = os.urandom(8 * MIB)
    with begin("large", len(large)) as s:
        s.sendall(large[:-10])
        links = until(lambda: spilled(o, folder), 20, "a file for the body")
        assert all(link.endswith(" (deleted)") for link in links)
        assert os.listdir(folder) == []
        s.sendall(large[-10:])
        assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert o.s3().get_object(Bucket="photos", Key="large")["Body"].read() == large
    until(lambda: not spilled(o, folder), 10, "it is gone")
    with begin("small", MIB // 2) as s:
        s.sendall(large[:MIB // 2 - 10])
        until(lambda: o.requests_in_progress() == 1)
        assert not spilled(o, folder)
        s.sendall(large[MIB // 2 - 10:MIB // 2])
        assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
    with begin("killed", len(large)) as s:
        s.sendall(large[:-10])
        until(lambda: spilled(o, folder), 20)
        for pid in o.children():
            os.kill(pid, signal.SIGKILL)
        until(lambda: not spilled(o, folder), 20)
    assert os.listdir(folder) == []


@pytest.fixture
def small_disk(workdir):
    """A file system of 4 MiB."""
    folder = f"{workdir}/disk"
    os.makedirs(folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=1777", "none", folder],
                      stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_for_bodies(small_disk, launch, directories):
    o = launch(directories(1), {"server": {"spill_dir": small_disk},
                                "write_path": {"spill_threshold": "1MiB"}})
    s3, children = o.s3(retries={"max_attempts": 0}), o.children()

    def put(key, size):
        return s3.put_object(Bucket="photos", Key=key, Body=b"x" * size)

    for _ in range(3):
        with pytest.raises(ClientError) as refused:
            put("large", 8 * MIB)
        assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
        put("small", MIB // 2)
    until(lambda: not spilled(o, small_disk), 10, "the files are gone")
    assert os.listdir(small_disk) == []
    put("fits", 3 * MIB)
    assert [k["Key"] for k in s3.list_objects_v2(Bucket="photos")["Contents"]] == ["fits", "small"]
    assert o.children() == children

# SPDX-License-Identifier: MIT
"""The tool that compares catalogue and backends: what it finds, and that it can."""
import os
import subprocess

from harness.storage import ROOT


def check(o):
    done = subprocess.run([f"{ROOT}/t/tools/check_catalogue", o.config_file],
                          stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout.splitlines()


def test_every_kind_of_difference(launch, directories, radosgw):
    ceph = radosgw.backend("ceph")
    o = launch([*directories(1), ceph], check=False)
    for i in range(3):
        o.s3().put_object(Bucket="photos", Key=f"k{i}", Body=b"1234")
    assert check(o) == (0, ["no difference"])
    files = sorted(o.backends[0].files())
    os.unlink(files[0])
    os.truncate(files[1], 2)
    with open(files[2].replace("k2", "stranger"), "wb"):
        pass
    ceph.server.client().put_object(Bucket=ceph.bucket, Key="left-behind", Body=b"x")
    o.sql("UPDATE backend_quota_slots SET used = used + 1 WHERE backend_name = 'ceph'"
          " AND slot = 0")
    status, lines = check(o)
    text = "\n".join(lines)
    assert status == 1 and len(lines) == 6
    for part in ("disk1: photos/k0~", "is missing", "has 2 bytes instead of 4",
                 "disk1: photos/stranger~", "ceph: left-behind is known to nobody",
                 "backend ceph: used is 1, copies have 0", "slots add up to 10737418241"):
        assert part in text, text

# SPDX-License-Identifier: MIT
"""Buckets that an operator creates and deletes, as a client would."""
import json

import pytest

from harness.uploads import Upload


def told(o, *args):
    return json.loads(o.adminctl(*args, "--json").stdout)


def refused(o, *args):
    r = o.adminctl("bucket", *args, check=False)
    assert r.returncode == 1, r
    return r.stderr


def test_a_bucket(orchestrator):
    o, s3 = orchestrator, orchestrator.s3()
    assert told(o, "bucket", "create", "holidays", "photoskey") == {
        "status": "created", "bucket": "holidays", "owner": "photoskey"}
    assert o.adminctl("bucket", "create", "holidays", "photoskey").stdout == "holidays: created\n"
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["holidays", "photos"]
    s3.put_object(Bucket="holidays", Key="k", Body=b"12345")
    shown, = told(o, "bucket", "show", "holidays")["buckets"]
    assert (shown["owner"], shown["objects"], shown["bytes"]) == ("photoskey", 1, 5)
    assert shown in told(o, "bucket", "list")["buckets"]
    assert told(o, "buckets") == told(o, "bucket", "list")
    assert "holidays" in o.adminctl("bucket", "show", "holidays").stdout
    with pytest.raises(o.s3("documents").exceptions.ClientError):
        o.s3("documents").get_object(Bucket="holidays", Key="k")
    assert "the name of the bucket is taken" in refused(o, "create", "holidays", "docskey")
    assert "the bucket is not empty" in refused(o, "delete", "holidays")
    s3.delete_object(Bucket="holidays", Key="k")
    Upload(s3, "open", bucket="holidays").part(1, b"gone with it")
    assert o.adminctl("bucket", "delete", "holidays").stdout == "holidays: deleted\n"
    assert "bucket not found" in refused(o, "delete", "holidays")
    assert "bucket not found" in refused(o, "show", "holidays")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["photos"]
    o.wait_clean()


def test_what_cannot_be(orchestrator):
    o = orchestrator
    for args, error in (
            (("create", "Holidays", "photoskey"), "name=Holidays: The name of a bucket consists"),
            (("create", "ab", "photoskey"), "3 to 63"),
            (("create", "health", "photoskey"), "name=health: This name is reserved"),
            (("create", "holidays", "nobody"), "owner=nobody: no such access key"),
            (("create", "photos", "photoskey"), "of the configuration"),
            (("delete", "photos"), "buckets of the configuration are made and removed there")):
        assert error in refused(o, *args)
    o.sql("INSERT INTO buckets (bucket) VALUES ('left-over')")
    assert "the bucket belongs to a configuration" in refused(o, "delete", "left-over")
    o.sql("DELETE FROM buckets WHERE bucket = 'left-over'")
    for args in ["create", "holidays"], ["show"], ["list", "x"], ["drop", "x"], ["delete", "x", "y"]:
        assert o.adminctl("bucket", *args, check=False).returncode == 2

"""Listings, compared with what a sorted list of the keys says."""
import random

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
import requests

from harness.orchestrator import Orchestrator
from harness.storage import Directory

KEYS = sorted({f"{a}{d}{b}{d}{c}" for a in "abc" for b in ("1", "2", "ü") for c in "xyz"
               for d in ("/", "//", "-")} |
              {"top", "z%", "z_", "z\\", "a", "a/", "\U0001f642/k", "ﬀ/k"},
             key=lambda k: k.encode())


@pytest.fixture(scope="module")
def bucket(postgres, tmp_path_factory):
    """One bucket for all of these tests, which only read."""
    folder = tmp_path_factory.mktemp("list")
    o = Orchestrator(folder, postgres, [Directory(f"{folder}/disk", "disk")]).start()
    s3 = o.s3()
    for key in KEYS:
        s3.put_object(Bucket="photos", Key=key, Body=key.encode())
    yield o
    o.check()
    o.stop()


def expected(prefix="", delimiter="", after=""):
    out = []
    for key in KEYS:
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = ("prefix", key[:at + len(delimiter)]) if at >= 0 else ("key", key)
        if entry[1].encode() <= after.encode() and not (
                entry[0] == "prefix" and after.startswith(entry[1]) and after != entry[1]
                and key.encode() > after.encode()):
            continue
        if entry not in out:
            out.append(entry)
    return out


def entries(page):
    found = [("key", o["Key"]) for o in page.get("Contents", [])]
    found += [("prefix", p["Prefix"]) for p in page.get("CommonPrefixes", [])]
    return sorted(found, key=lambda e: e[1].encode())


@pytest.mark.parametrize("prefix", ["", "a", "a/", "b/1/", "z", "z_", "ü", "nothing"])
@pytest.mark.parametrize("delimiter", ["", "/", "//", "-", "/1"])
def test_pages(bucket, prefix, delimiter):
    s3 = bucket.s3()
    want = expected(prefix, delimiter)
    for page_size in (1, 2, 7, 1000):
        got, token = [], {}
        while True:
            page = s3.list_objects_v2(Bucket="photos", Prefix=prefix, Delimiter=delimiter,
                                      MaxKeys=page_size, **token)
            assert page["KeyCount"] == len(entries(page)) <= page_size
            got += entries(page)
            if not page["IsTruncated"]:
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        assert got == want
        got, marker = [], ""
        while True:
            page = s3.list_objects(Bucket="photos", Prefix=prefix, Delimiter=delimiter,
                                   MaxKeys=page_size, Marker=marker)
            got += entries(page)
            if not page["IsTruncated"]:
                break
            marker = page["NextMarker"]
        assert got == want


def test_start_after(bucket):
    s3 = bucket.s3()
    for after in random.Random(7).sample(KEYS, 10) + ["", "0", "zz"]:
        page = s3.list_objects_v2(Bucket="photos", StartAfter=after)
        assert [o["Key"] for o in page.get("Contents", [])] == \
            [k for k in KEYS if k.encode() > after.encode()]
        assert page.get("StartAfter", "") == after


def test_details(bucket):
    s3 = bucket.s3()
    page = s3.list_objects_v2(Bucket="photos", Prefix="top", FetchOwner=True)
    entry = page["Contents"][0]
    head = s3.head_object(Bucket="photos", Key="top")
    assert entry["ETag"] == head["ETag"] and entry["Size"] == 3
    assert abs((entry["LastModified"] - head["LastModified"]).total_seconds()) < 1
    assert entry["StorageClass"] == "STANDARD" and entry["Owner"]["ID"]
    assert s3.list_objects_v2(Bucket="photos", MaxKeys=0)["KeyCount"] == 0


def test_wrong_parameters(bucket):
    for query in ("list-type=2&max-keys=x", "list-type=2&max-keys=-1",
                  "list-type=2&continuation-token=forged", "list-type=2&encoding-type=base64"):
        request = botocore.awsrequest.AWSRequest("GET", f"{bucket.endpoint}/photos?{query}")
        botocore.auth.S3SigV4Auth(botocore.credentials.Credentials("photoskey", "photossecret"),
                                  "s3", "us-east-1").add_auth(request)
        answer = requests.get(request.url, headers=dict(request.headers))
        assert answer.status_code == 400, query
        assert "<Code>InvalidArgument</Code>" in answer.text

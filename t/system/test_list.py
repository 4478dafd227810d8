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


ALPHABET = ["a", "b", "/", "/", "//", "-", "\x01", "\t", "\x7f", "é", "\ud7ff", "\ue000",
            "\U0010ffff", "\U0010ffff"]
DELIMITERS = ["/", "//", "a", "a/", "\x01", "é", "\ud7ff", "\U0010ffff", "/\U0010ffff", "\x7f/"]


@pytest.fixture(scope="module")
def odd_keys(bucket):
    """Random keys in a bucket of their own."""
    rng = random.Random(2)
    keys = sorted({"".join(rng.choices(ALPHABET, k=rng.randrange(1, 8))) for _ in range(200)} |
                  {"\U0010ffff" * 256, "/" + "\U0010ffff" * 255} |
                  {f"many/{i}" for i in range(70)})
    s3 = bucket.s3("documents")
    for key in keys:
        s3.put_object(Bucket="documents", Key=key, Body=b"")
    return keys


def page_of(keys, prefix, delimiter, after, is_cursor, size):
    """The entries of a page, and whether it is truncated: grouping key by key. Text
    is compared by code points, which is the order of UTF-8."""
    def group(key):
        at = key.find(delimiter, len(prefix)) if key.startswith(prefix) else -1
        return key[:at + len(delimiter)] if at >= 0 else None

    found = []
    for key in keys:
        told = group(key)
        if not key.startswith(prefix) or key <= after or is_cursor and told and told == group(after):
            continue
        entry = ("prefix", told) if told else ("key", key)
        if entry not in found:
            found.append(entry)
    return found[:size], len(found) > size


def test_odd_keys_and_delimiters(bucket, odd_keys):
    s3 = bucket.s3("documents")
    rng = random.Random(3)
    for n in range(250):
        key = rng.choice(odd_keys)[:12]
        prefix = key[:rng.choice((0, 0, 0, 1, 1, 2))]
        delimiter = rng.choice(DELIMITERS)
        after = (rng.choice(odd_keys) + rng.choice(["", "", "/", "a"]))[:rng.randrange(9)]
        size = rng.choice((1, 2, 3, 10, 1000))
        said = dict(Bucket="documents", Prefix=prefix, Delimiter=delimiter, MaxKeys=size)
        page = s3.list_objects(Marker=after, **said) if n % 2 else \
            s3.list_objects_v2(StartAfter=after, **said)
        assert (entries(page), page["IsTruncated"]) == page_of(
            odd_keys, prefix, delimiter, after, n % 2 == 1, size), (said, after)
        if page["IsTruncated"] and n % 2 == 0:
            last = entries(page)[-1][1]
            more = s3.list_objects_v2(ContinuationToken=page["NextContinuationToken"], **said)
            assert entries(more) == page_of(odd_keys, prefix, delimiter, last, True, size)[0]


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

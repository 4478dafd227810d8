"""Objects through one endpoint: what is stored comes back, byte for byte and with
everything the client said about it."""
import datetime
import hashlib
import os
import socket

import pytest
from botocore.exceptions import ClientError

from harness.service import Service
from harness.signing import Signer
from harness.storage import disks
from harness.wait import until

MIB = 1024 * 1024
KEYS = ["plain.txt", "with space", "plus+sign", "percent%2Fencoded", "per%cent", "uni/ü-日本-🙂",
        "double//slash", "/leading", "trailing/", "a/./b", "a/../b", ".", "..", "tilde~01",
        "quote\"'<>&", "star*(x)!", "semi;colon=1?x#y", "back\\slash", "new\nline", "x" * 1000,
        "é" * 500]


@pytest.fixture(params=["directory", "radosgw", "swift"])
def any_backend(request, reuse):
    """An orchestrator on each kind of backend."""
    if request.param == "directory":
        return reuse("two directories", lambda folder: disks(folder, 2))
    server = request.getfixturevalue(request.param)
    return reuse(request.param, lambda folder: [server.backend("remote")])


def error_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_sizes(any_backend):
    s3 = any_backend.s3()
    for size in (0, 1, 4096, 5 * MIB, 64 * MIB):
        body = os.urandom(size)
        md5 = hashlib.md5(body).hexdigest()
        put = s3.put_object(Bucket="photos", Key=f"s{size}", Body=body)
        assert put["ETag"] == f'"{md5}"'
        got = s3.get_object(Bucket="photos", Key=f"s{size}")
        assert got["ContentLength"] == size
        assert got["ETag"] == f'"{md5}"'
        assert got["Body"].read() == body
        assert s3.head_object(Bucket="photos", Key=f"s{size}")["ContentLength"] == size


def test_keys(any_backend):
    s3 = any_backend.s3()
    for key in KEYS:
        s3.put_object(Bucket="photos", Key=key, Body=key.encode())
    for key in KEYS:
        assert s3.get_object(Bucket="photos", Key=key)["Body"].read() == key.encode(), key
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket="photos")["Contents"]]
    assert listed == sorted(KEYS, key=lambda k: k.encode())
    for key in KEYS:
        s3.delete_object(Bucket="photos", Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket="photos")
    any_backend.wait_clean()
    assert sum(b.count() for b in any_backend.backends) == 0


def test_ranges(any_backend):
    s3 = any_backend.s3()
    body = os.urandom(3 * MIB + 17)
    s3.put_object(Bucket="photos", Key="r", Body=body)
    n = len(body)
    for spec, first, last in (("0-0", 0, 0), ("0-99", 0, 99), ("100-", 100, n - 1),
                              ("-5", n - 5, n - 1), (f"{n - 1}-", n - 1, n - 1),
                              (f"1000000-{n + 5}", 1000000, n - 1), (f"-{n + 9}", 0, n - 1)):
        got = s3.get_object(Bucket="photos", Key="r", Range=f"bytes={spec}")
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"] == f"bytes {first}-{last}/{n}"
        assert got["Body"].read() == body[first:last + 1], spec
    for ignored in ("bytes=5-2", "bytes=x", "lines=1-2", "bytes=0-1,5-6"):
        got = s3.get_object(Bucket="photos", Key="r", Range=ignored)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert got["Body"].read() == body
    for bad in (f"bytes={n}-", "bytes=-0"):
        assert error_of(s3.get_object, Bucket="photos", Key="r", Range=bad) == (416, "InvalidRange")


def test_what_the_client_says_is_kept(orchestrator):
    s3 = orchestrator.s3()
    said = dict(ContentType="text/x-test; charset=utf-8", CacheControl="max-age=7",
                ContentDisposition='attachment; filename="a.txt"',
                ContentEncoding="gzip", ContentLanguage="de",
                Metadata={"one": "1", "two-words": "a b  c", "upper": "X"})
    s3.put_object(Bucket="photos", Key="m", Body=b"x",
                  Expires=datetime.datetime(2030, 1, 2, 3, 4, 5), **said)
    for got in (s3.get_object(Bucket="photos", Key="m"), s3.head_object(Bucket="photos", Key="m")):
        for name, value in said.items():
            assert got[name] == value
        assert got["Expires"].year == 2030
        assert got["AcceptRanges"] == "bytes"
    plain = s3.put_object(Bucket="photos", Key="p", Body=b"x")
    assert plain["ETag"]
    assert s3.head_object(Bucket="photos", Key="p")["ContentType"] in (
        "application/octet-stream", "binary/octet-stream")


def test_metadata_limits(orchestrator):
    s3 = orchestrator.s3()
    s3.put_object(Bucket="photos", Key="full", Body=b"", Metadata={"k": "v" * 2047})
    assert error_of(s3.put_object, Bucket="photos", Key="over", Body=b"",
                    Metadata={"k": "v" * 2048}) == (400, "MetadataTooLarge")
    said = ("Content-Type", "text/plain"), ("Cache-Control", "x" * 9000)
    status, answer = exchange(orchestrator, "PUT", "over", said)
    assert status == 400 and "MetadataTooLarge" in answer
    assert "size 9010 of" in answer and "exceeds limit 8192" in answer
    status, answer = exchange(orchestrator, "PUT", "over", [("Content-Type", "\xff")])
    assert status == 400 and "InvalidArgument" in answer and "not valid UTF-8" in answer
    assert error_of(s3.head_object, Bucket="photos", Key="over")[0] == 404


def test_overwrite_and_delete(any_backend):
    s3 = any_backend.s3()
    for body in (b"first", b"second, longer", b"3"):
        s3.put_object(Bucket="photos", Key="k", Body=body)
        assert s3.get_object(Bucket="photos", Key="k")["Body"].read() == body
    any_backend.wait_clean()
    assert sum(b.count() for b in any_backend.backends) == 1
    s3.delete_object(Bucket="photos", Key="k")
    assert error_of(s3.get_object, Bucket="photos", Key="k") == (404, "NoSuchKey")
    s3.delete_object(Bucket="photos", Key="k")
    any_backend.wait_clean()
    assert sum(b.count() for b in any_backend.backends) == 0


def test_bytes_that_are_missing_on_every_backend(any_backend):
    s3 = any_backend.s3()
    metric = 's3o_integrity_errors_total{operation="read"}'
    before = any_backend.metrics()[metric]
    s3.put_object(Bucket="photos", Key="k", Body=b"body")
    for backend in any_backend.backends:
        backend.wipe()
    assert error_of(s3.get_object, Bucket="photos", Key="k") == (404, "NoSuchKey")
    assert any_backend.metrics()[metric] == before + 1
    [line] = [e for e in any_backend.log_lines("proxyd") if e["msg"] == "every copy is missing"]
    assert line["level"] == "WARN" and line["key"] == "k"
    s3.delete_object(Bucket="photos", Key="k")


def test_conditional_reads(orchestrator):
    s3 = orchestrator.s3()
    etag = s3.put_object(Bucket="photos", Key="c", Body=b"body", ContentType="text/x",
                         CacheControl="max-age=7", Expires="Wed, 02 Jan 2030 03:04:05 GMT")["ETag"]
    modified = s3.head_object(Bucket="photos", Key="c")["LastModified"]
    later = modified + datetime.timedelta(hours=1)
    earlier = modified - datetime.timedelta(hours=1)
    for call in (s3.get_object, s3.head_object):
        call(Bucket="photos", Key="c", IfMatch=etag)
        call(Bucket="photos", Key="c", IfNoneMatch='"other"')
        call(Bucket="photos", Key="c", IfModifiedSince=earlier)
        call(Bucket="photos", Key="c", IfUnmodifiedSince=later)
        for wrong, status in ((dict(IfMatch='"other"'), 412), (dict(IfNoneMatch=etag), 304),
                              (dict(IfModifiedSince=modified), 304),
                              (dict(IfUnmodifiedSince=earlier), 412)):
            assert error_of(call, Bucket="photos", Key="c", **wrong)[0] == status, wrong
    for method in ("GET", "HEAD"):
        status, answer = exchange(orchestrator, method, "c", [("If-None-Match", etag)])
        assert status == 304 and etag in answer and "text/x" not in answer
        assert "Cache-Control: max-age=7\r\n" in answer
        assert "Expires: Wed, 02 Jan 2030 03:04:05 GMT\r\n" in answer


def test_response_overrides(orchestrator):
    s3 = orchestrator.s3()
    s3.put_object(Bucket="photos", Key="o", Body=b"x", ContentType="text/plain")
    got = s3.get_object(Bucket="photos", Key="o", ResponseContentType="text/css",
                        ResponseContentDisposition="inline", ResponseCacheControl="no-store",
                        ResponseContentLanguage="")
    assert got["ContentType"] == "text/css"
    assert got["ContentDisposition"] == "inline"
    assert got["CacheControl"] == "no-store"
    assert "ContentLanguage" not in got
    assert s3.get_object(Bucket="photos", Key="o", ResponseContentType="")[
        "ContentType"] == "text/plain"
    for value in ("a\nSet-Cookie: b", "\x01", "\x7f"):
        assert error_of(s3.get_object, Bucket="photos", Key="o",
                        ResponseCacheControl=value) == (400, "InvalidArgument")


def test_buckets(orchestrator):
    s3, service = orchestrator.s3(), Service(orchestrator)

    def list_buckets(query):
        return service.do("GET", "/", query=[tuple(p.split("=")) for p in query.split("&")])

    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["photos"]
    for query, names in (("prefix=pho", 1), ("prefix=x", 0),
                         ("max-buckets=1&bucket-region=us-east-1&continuation-token=", 1)):
        answer = list_buckets(query)
        assert answer.status == 200 and answer.body.count(b"<Name>photos</Name>") == names, query
        assert (b"<Prefix>" in answer.body) == ("prefix" in query)
    for query in ("max-buckets=0", "max-buckets=10001", "max-buckets=x", "continuation-token=x",
                  "bucket-region=eu-west-1"):
        assert list_buckets(query).error == (400, "InvalidArgument"), query
    s3.head_bucket(Bucket="photos")
    assert s3.create_bucket(Bucket="photos")["Location"] == "/photos"
    assert s3.get_bucket_location(Bucket="photos")["LocationConstraint"] is None
    assert error_of(s3.head_bucket, Bucket="documents")[0] == 403
    documents = orchestrator.s3("documents")
    documents.put_object(Bucket="documents", Key="k", Body=b"theirs")
    s3.put_object(Bucket="photos", Key="k", Body=b"ours")
    assert documents.get_object(Bucket="documents", Key="k")["Body"].read() == b"theirs"
    assert error_of(documents.get_object, Bucket="photos", Key="k")[0] == 403
    assert error_of(s3.create_bucket, Bucket="documents")[0] == 403
    assert error_of(s3.list_objects_v2, Bucket="documents") == (403, "AccessDenied")
    assert error_of(s3.list_objects_v2, Bucket="nowhere") == (404, "NoSuchBucket")


def test_an_error_repeats_only_paths_that_could_be_right(orchestrator):
    for key, repeated in (("k" * 1024, True), ("%C3%A9" * 512, True), ("'" * 4000, False)):
        status, answer = exchange(orchestrator, "GET", key, [])
        assert status >= 400 and f"<Resource>/photos/{key}</Resource>" in answer or not repeated
        assert ("<Resource>" in answer) == repeated and len(answer) < 5000


def test_content_md5(orchestrator):
    s3 = orchestrator.s3()
    import base64
    right = base64.b64encode(hashlib.md5(b"body").digest()).decode()
    s3.put_object(Bucket="photos", Key="d", Body=b"body", ContentMD5=right)
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert error_of(s3.put_object, Bucket="photos", Key="d2", Body=b"body",
                    ContentMD5=wrong) == (400, "BadDigest")
    assert error_of(s3.put_object, Bucket="photos", Key="d2", Body=b"body",
                    ContentMD5="nonsense") == (400, "InvalidDigest")
    assert error_of(s3.head_object, Bucket="photos", Key="d2")[0] == 404


def test_what_is_not_built_is_refused_by_name(orchestrator):
    s3 = orchestrator.s3()
    s3.put_object(Bucket="photos", Key="k", Body=b"untouched")
    for call, arguments in (
            (s3.put_bucket_policy, dict(Bucket="photos", Policy="{}")),):
        assert error_of(call, **arguments) == (501, "NotImplemented"), call
    assert s3.get_object(Bucket="photos", Key="k")["Body"].read() == b"untouched"
    assert Service(orchestrator).do("PATCH", "/photos/k").status == 405
    refusals = {(501, "s3.NotImplemented"), (405, "s3.MethodNotAllowed")}
    until(lambda: {(line["status"], line["event"]) for line in orchestrator.audit()
                   if line.get("status") in (405, 501)} == refusals, what="they are logged")


def test_a_field_in_the_query_of_a_signed_url_counts(service):
    service.put("k", b"untouched")
    answer = service.ask(service.sign.presigned(
        "PUT", "/photos/k", query=[("x-amz-acl", "public-read-write")],
        headers={"content-length": "0"}))
    assert answer.error == (501, "NotImplemented") and b"x-amz-acl" in answer.body
    assert service.stored("k") == b"untouched"


def test_conditional_writes(orchestrator):
    s3 = orchestrator.s3()

    def condition(**fields):
        def add(request, **_):
            for name, value in fields.items():
                request.headers[name.replace("_", "-")] = value
        client = orchestrator.s3()
        client.meta.events.register("before-sign.s3.PutObject", add)
        return client

    once = condition(If_None_Match="*")
    etag = once.put_object(Bucket="photos", Key="w", Body=b"1")["ETag"]
    assert error_of(once.put_object, Bucket="photos", Key="w", Body=b"2") == (
        412, "PreconditionFailed")
    condition(If_Match=etag).put_object(Bucket="photos", Key="w", Body=b"3")
    assert error_of(condition(If_Match=etag).put_object, Bucket="photos", Key="w",
                    Body=b"4")[0] == 412
    assert error_of(condition(If_Match=etag).put_object, Bucket="photos", Key="absent",
                    Body=b"4") == (404, "NoSuchKey")
    assert s3.get_object(Bucket="photos", Key="w")["Body"].read() == b"3"


def exchange(orchestrator, method, key, fields, body=b"", wait=False):
    """Status and text of the answer to a request signed in its URL, whose header
    fields are (name, value) pairs, sent as they are. wait: the body is sent only
    after 100 Continue."""
    signer = Signer(f"127.0.0.1:{orchestrator.port}")
    head = signer.presigned(method, f"/photos/{key}",
                            headers={"content-length": len(body)}).decode()[:-2]
    head += "".join(f"{name}: {value}\r\n" for name, value in fields)
    with socket.create_connection(("127.0.0.1", orchestrator.port), timeout=30) as s:
        s.sendall(head.encode("latin-1") + b"\r\n" + (b"" if wait else body))
        answer = s.recv(65536).decode("latin-1")
    return int(answer.split(" ")[1]), answer


def test_conditions_are_checked_before_the_body(orchestrator):
    etag = orchestrator.s3().put_object(Bucket="photos", Key="k", Body=b"1")["ETag"]
    for key, name, value, status in (
            ("k", "If-None-Match", "*", 412), ("k", "If-Match", '"other"', 412),
            ("new", "If-Match", "*", 404), ("new", "If-Match", etag, 404),
            ("new", "If-None-Match", "*", 100), ("k", "If-Match", etag, 100),
            ("k", "If-Match", "*", 100)):
        fields = [("Expect", "100-continue"), (name, value)]
        assert exchange(orchestrator, "PUT", key, fields, b"2", wait=True)[0] == status, fields


def test_conditions_that_no_object_meets(orchestrator):
    s3 = orchestrator.s3()
    etag = s3.put_object(Bucket="photos", Key="k", Body=b"kept")["ETag"]
    for values in ([""], ['""'], ['W/""'], ['"*"'], ["W/" + etag], [etag + ', "x"'],
                   [etag, '"x"'], [etag, ""], ["*", "*"], ["\xff"]):
        fields = [("If-Match", value) for value in values]
        for method in ("PUT", "DELETE"):
            status, answer = exchange(orchestrator, method, "k", fields, b"lost")
            assert status == 412 and "PreconditionFailed" in answer, (method, values)
    assert s3.get_object(Bucket="photos", Key="k")["Body"].read() == b"kept"
    for value in ("*", etag):
        assert exchange(orchestrator, "DELETE", "k", [("If-Match", value)])[0] == 204
        s3.put_object(Bucket="photos", Key="k", Body=b"kept")

"""Uploads whose length is known only at their end, and clients that speak HTTP/1.0."""
import hashlib
import os
import subprocess
import zlib

import pytest
import requests

from harness.service import Service
from harness.signing import SIGNED, Signer, b64
from harness.wait import until
from harness.wire import with_length

KIB = 1024
MIB = 1024 * KIB
CHUNKED = {"transfer-encoding": "chunked"}


@pytest.fixture
def small(launch, directories):
    """Objects of 1 MiB at most, of which 64 KiB stay in memory; 2 MB of room."""
    return Service(launch(directories(1, quota="2MB"), {
        "server": {"max_object_size": "1MiB"},
        "write_path": {"spill_threshold": "64KiB", "memory_budget": "1MiB"}}))


def chunks(body, size=10000):
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def put(s, body, key="k", sent=None, headers=None, **more):
    more.setdefault("payload", hashlib.sha256(body).hexdigest())
    request = s.sign.request("PUT", f"/photos/{key}", length=False, headers=headers,
                             fields=CHUNKED, **more)
    return s.ask(request + (chunks(body) if sent is None else sent))


def test_an_upload_without_length(small):
    s = small
    for size in (0, 1, 16 * KIB, 64 * KIB, 64 * KIB + 1, 300000, MIB):
        body = os.urandom(size)
        assert put(s, body).status == 200, size
        answer = s.do("GET", "/photos/k")
        assert answer.body == body and answer.headers["content-length"] == str(size)
        assert answer.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert s.o.sql("SELECT count(*) FROM object_versions")[0][0] == 1


def test_it_is_bounded_and_leaves_nothing(small):
    s = small
    for size in (MIB + 1, 3 * MIB):
        assert put(s, b"x" * size, payload="UNSIGNED-PAYLOAD").error == (413, "EntityTooLarge"), size
    # An endless one is given up, too.
    with s.wire() as w:
        w.send(s.sign.request("PUT", "/photos/k", length=False, payload="UNSIGNED-PAYLOAD",
                              fields=CHUNKED) + b"%x\r\n" % (1 << 40) + b"x" * (2 * MIB))
        assert w.answer().error == (413, "EntityTooLarge")
    assert s.count() == 0
    assert s.o.sql("SELECT count(*) FROM pending_objects")[0][0] == 0


def test_it_is_verified(small):
    s = small
    assert put(s, b"sent", payload=hashlib.sha256(b"signed").hexdigest()).error == (
        400, "XAmzContentSHA256Mismatch")
    crc = b64(zlib.crc32(b"sent").to_bytes(4, "big"))
    assert put(s, b"else", headers={"x-amz-checksum-crc32": crc}).error == (400, "BadDigest")
    assert put(s, b"abc", sent=b"3\r\nabcX\r\n").error == (400, "IncompleteBody")
    assert put(s, b"abc", sent=b"zz\r\nabc\r\n").error == (400, "IncompleteBody")
    with s.wire() as w:
        w.send(s.sign.request("PUT", "/photos/k", length=False, payload="UNSIGNED-PAYLOAD",
                              fields=CHUNKED) + b"5\r\nab")
    until(lambda: sum("reading the body" in line.get("error", "") for line in s.o.audit()) == 3,
          what="the client has left")
    assert s.count() == 0
    assert put(s, b"sent", headers={"x-amz-checksum-crc32": crc}).status == 200


def test_placement_waits_for_its_size(small):
    s = small
    for key in ("a", "b"):
        assert put(s, os.urandom(900000), key).status == 200
    assert put(s, os.urandom(900000), "c").error == (507, "InsufficientStorage")
    assert put(s, os.urandom(100000), "d").status == 200


def test_length_or_chunks_are_required(small):
    s = small
    assert s.ask(s.sign.request("PUT", "/photos/k", length=False)).error == (
        411, "MissingContentLength")
    # Inside aws-chunked the length has to be told.
    request = s.sign.request("PUT", "/photos/k", headers={"content-encoding": "aws-chunked"},
                             payload=SIGNED, length=False)
    sent = s.sign.chunked([b"abc"], SIGNED)
    assert s.ask(request[:-2] + b"transfer-encoding: chunked\r\n\r\n" + chunks(sent)).error == (
        411, "MissingContentLength")
    request = s.sign.upload("/photos/k", SIGNED, 3)
    sent = s.sign.chunked([b"abc"], SIGNED)
    assert s.ask(request[:-2] + b"transfer-encoding: chunked\r\n\r\n" + chunks(sent)).status == 200
    assert s.stored("k") == b"abc"


def test_real_clients_stream(service):
    s = service
    s3 = s.o.s3()
    body = os.urandom(3 * MIB)
    url = s3.generate_presigned_url("put_object", {"Bucket": "photos", "Key": "generated"})
    pieces = (body[i:i + 100000] for i in range(0, len(body), 100000))
    assert requests.put(url, data=pieces, timeout=60).status_code == 200
    assert s.stored("generated") == body
    url = s3.generate_presigned_url("put_object", {"Bucket": "photos", "Key": "piped"})
    done = subprocess.run(["curl", "-sS", "--fail-with-body", "-T", "-", url], input=body,
                          stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.stdout
    assert s.stored("piped") == body
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-T", "-", url],
                          input=b"x" * (65 * MIB), stdout=subprocess.PIPE, timeout=60)
    assert done.stdout == b"413"
    assert s.stored("piped") == body


# --- HTTP/1.0 ---

def old(s, method, path, body=b"", fields=None, **more):
    """The request in HTTP/1.0."""
    head = s.sign.request(method, path, body=body, fields=fields or {}, **more)
    return head.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1) + body


def test_http_1_0(service):
    s = service
    body = os.urandom(300000)
    for request, method in ((old(s, "PUT", "/photos/k", body), "PUT"),
                            (old(s, "HEAD", "/photos/k"), "HEAD"),
                            (old(s, "GET", "/photos/k"), "GET"),
                            (old(s, "GET", "/photos", query=[("list-type", "2")]), "GET"),
                            (old(s, "DELETE", "/photos/absent"), "DELETE")):
        with s.wire() as w:
            answer = w.send(request).answer(method)
            assert answer.status in (200, 204), answer
            assert "transfer-encoding" not in answer.headers
            assert answer.status == 204 or "content-length" in answer.headers
            assert answer.headers["connection"] == "close" and w.is_closed(), method
            if request.startswith(b"GET /photos/k "):
                assert answer.body == body


def test_http_1_0_may_keep_the_connection(service):
    s = service
    keep = {"connection": "Keep-Alive"}
    with s.wire() as w:
        assert w.send(old(s, "PUT", "/photos/k", b"body", keep)).answer().status == 200
        answer = w.send(old(s, "GET", "/photos/k", fields=keep)).answer()
        assert answer.body == b"body" and answer.headers["connection"] == "keep-alive"
        answer = w.send(old(s, "GET", "/photos/absent", fields=keep)).answer()
        assert answer.error == (404, "NoSuchKey")
        answer = w.send(old(s, "GET", "/photos/k")).answer()
        assert answer.body == b"body" and answer.headers["connection"] == "close"
        assert w.is_closed()


def test_http_1_0_knows_no_interim_answer_and_no_chunks(service):
    s = service
    with s.wire() as w:
        w.send(old(s, "PUT", "/photos/k", b"body", {"expect": "100-continue"}))
        assert w.answer().status == 200
        assert w.is_closed()
    request = s.sign.request("PUT", "/photos/k", length=False, fields=CHUNKED)
    request = request.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
    assert s.ask(request + chunks(b"abc")).status == 400
    assert s.ask(old(s, "PUT", "/photos/k", length=False)).error == (411, "MissingContentLength")
    # Nobody has to name a host; then none is signed.
    signer = Signer("")
    request = signer.request("GET", "/photos/k").replace(b"host: \r\n", b"")
    assert s.ask(request.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)).body == b"body"

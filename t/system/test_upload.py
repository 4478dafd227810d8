"""Bodies of uploads: their length, their checksums, and aws-chunked in all its
forms, broken in one place at a time."""
import hashlib
import socket
from collections import Counter

import pytest

from harness.signing import CHECKSUMS, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, Signer, b64
from harness.wire import with_length

KIB = 1024
MIB = 1024 * KIB


def test_payload_hash(service):
    s = service
    answer = s.do("PUT", "/photos/k", b"sent", payload=hashlib.sha256(b"signed").hexdigest())
    assert answer.error == (400, "XAmzContentSHA256Mismatch")
    assert s.count() == 0
    s.put("k", b"sent", payload="UNSIGNED-PAYLOAD")
    assert s.stored("k") == b"sent"


def test_checksums(service):
    s = service
    body = b"The quick brown fox"
    assert CHECKSUMS["crc32c"](b"123456789").hex() == "e3069283"  # check values of the algorithms
    assert CHECKSUMS["crc64nvme"](b"123456789").hex() == "ae8b14860a799888"
    for name, of in CHECKSUMS.items():
        field = f"x-amz-checksum-{name}"
        s.put("right", body, headers={field: b64(of(body))})
        for value, code in ((b64(of(body + b"!")), "BadDigest"), ("%%%", "InvalidRequest"),
                            (b64(of(body) + b"!"), "InvalidRequest"), ("", "InvalidRequest"),
                            (b64(of(body))[:-4], "InvalidRequest")):
            answer = s.do("PUT", "/photos/wrong", body, headers={field: value})
            assert answer.error == (400, code), (name, value)
    md5 = hashlib.md5(body).digest()
    s.put("right", body, headers={"content-md5": b64(md5)})
    assert s.do("PUT", "/photos/wrong", body, headers={"content-md5": b64(md5[::-1])}).error == (
        400, "BadDigest")
    for value in ("short", b64(md5 + b"x"), md5.hex(), ""):
        assert s.do("PUT", "/photos/wrong", body, headers={"content-md5": value}).error == (
            400, "InvalidDigest")
    # An algorithm that is not computed here cannot be promised.
    assert s.do("PUT", "/photos/wrong", body, headers={"x-amz-checksum-md4": "AAAA"}).error == (
        501, "NotImplemented")
    s.put("right", body, headers={"x-amz-checksum-algorithm": "CRC32"})
    # An SDK that has computed a checksum and not sent it has gone wrong.
    promise = {"x-amz-sdk-checksum-algorithm": "CRC32"}
    s.put("right", body, headers={"x-amz-checksum-crc32": b64(CHECKSUMS["crc32"](body)), **promise})
    for fields in (promise, {"content-md5": b64(md5), **promise}):
        answer = s.do("PUT", "/photos/wrong", body, headers=fields)
        assert answer.error == (400, "InvalidRequest")
        assert b"no corresponding x-amz-checksum-* or x-amz-trailer headers were found" in answer.body
    assert s.count() == 1


def test_fields_that_come_twice(service):
    s = service
    body = b"body"
    crc, sha1 = (b64(CHECKSUMS[n](body)) for n in ("crc32", "sha1"))
    for name, value in (("content-md5", b64(hashlib.md5(body).digest())),
                        ("x-amz-checksum-crc32", crc), ("x-amz-checksum-sha1", sha1),
                        ("x-amz-checksum-algorithm", "CRC32"),
                        ("x-amz-content-sha256", hashlib.sha256(body).hexdigest())):
        request = s.sign.request("PUT", "/photos/k", body=body, fields={name: value},
                                 unsigned=("x-amz-content-sha256",))
        assert s.ask(request + body).status == 200, name
        answer = s.ask(request[:-2] + f"{name}: {value}\r\n\r\n".encode() + body)
        assert answer.error == (400, "InvalidRequest") and name in answer.body.decode(), name
    request = s.sign.upload("/photos/k", SIGNED, 4, unsigned=("x-amz-decoded-content-length",))
    framed = s.sign.chunked([body], SIGNED)
    assert s.ask(with_length(request, framed)).status == 200
    request = request[:-2] + b"X-Amz-Decoded-Content-Length: 4\r\n\r\n"
    assert s.ask(with_length(request, framed)).error == (400, "InvalidRequest")
    # A list may be spread over several fields.
    trailers = {"x-amz-checksum-crc32": crc, "x-amz-checksum-sha1": sha1}
    for sent, status in ((trailers, 200), ({**trailers, "x-amz-checksum-sha1": crc}, 400)):
        request = s.sign.upload("/photos/k", UNSIGNED_TRAILER, 4, "x-amz-checksum-crc32",
                                unsigned=("x-amz-trailer",))
        request = request[:-2] + b"x-amz-trailer: x-amz-checksum-sha1\r\n\r\n"
        framed = s.sign.chunked([body], UNSIGNED_TRAILER, sent)
        assert s.ask(with_length(request, framed)).status == status


def test_length_is_required_and_bounded(service):
    s = service
    assert s.ask(s.sign.request("PUT", "/photos/k", length=False)).error == (
        411, "MissingContentLength")
    for size in (64 * MIB + 1, 5 << 40, (1 << 63) - 1):
        request = s.sign.request("PUT", "/photos/k", length=False,
                                 fields={"content-length": str(size)})
        assert s.ask(request).error == (413, "EntityTooLarge"), size
    request = s.sign.upload("/photos/k", SIGNED, 64 * MIB + 1)
    assert s.ask(with_length(request, b"")).error == (413, "EntityTooLarge")
    assert s.count() == 0


@pytest.mark.parametrize("outer", ["length", "chunked"])
def test_streaming(service, outer):
    s = service
    sizes = ([], [b""[:0]], [b"a" * 65536, b"b" * 1024], [b"x"] * 40, [b"y" * (2 * MIB)])

    def send(request, body):
        if outer == "length":
            return s.ask(with_length(request, body))
        request = request[:-2] + b"transfer-encoding: chunked\r\n\r\n"
        half = len(body) // 2
        parts = [p for p in (body[:half], body[half:]) if p]
        return s.ask(request + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) +
                     b"0\r\n\r\n")

    accepted = Counter()
    for pieces in sizes:
        pieces = [p for p in pieces if p]
        body = b"".join(pieces)
        request = s.sign.upload("/photos/signed", SIGNED, len(body))
        answer = send(request, s.sign.chunked(pieces, SIGNED))
        assert answer.status == 200, answer
        assert answer.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
        accepted["signed"] += 1
        assert s.stored("signed") == body
        for name, of in CHECKSUMS.items():
            if len(body) > 100_000 and name.startswith("crc") and name != "crc32":
                continue  # too slow in Python
            for variant in (SIGNED_TRAILER, UNSIGNED_TRAILER):
                trailers = {f"x-amz-checksum-{name}": b64(of(body))}
                request = s.sign.upload("/photos/trailer", variant, len(body), *trailers)
                answer = send(request, s.sign.chunked(pieces, variant, trailers))
                assert answer.status == 200, (name, variant, answer)
                accepted["signed_trailer" if variant == SIGNED_TRAILER else "unsigned_trailer"] += 1
        assert s.stored("trailer") == body
    assert s.streaming("requests", "variant") == accepted


def test_streaming_content_encoding(service):
    s = service
    for given, kept in (("aws-chunked", None), ("aws-chunked,gzip", "gzip"),
                        ("gzip, AWS-Chunked", "gzip"), (None, None)):
        request = s.sign.upload("/photos/k", SIGNED, 3, headers={"content-encoding": given})
        assert s.ask(with_length(request, s.sign.chunked([b"abc"], SIGNED))).status == 200
        assert s.do("HEAD", "/photos/k").headers.get("content-encoding") == kept


def test_streaming_needs_its_headers(service):
    s = service
    body = b"0\r\n\r\n"
    for variant, fields, error in (
            (SIGNED, {"x-amz-decoded-content-length": None}, (411, "MissingContentLength")),
            (SIGNED, {"x-amz-decoded-content-length": "x"}, (400, "InvalidRequest")),
            (SIGNED, {"x-amz-decoded-content-length": "-1"}, (400, "InvalidRequest")),
            (SIGNED, {"x-amz-decoded-content-length": "+1"}, (400, "InvalidRequest")),
            (SIGNED_TRAILER, {}, (400, "InvalidRequest")),
            (UNSIGNED_TRAILER, {}, (400, "InvalidRequest")),
            (UNSIGNED_TRAILER, {"x-amz-trailer": "x-amz-checksum-md4"}, (501, "NotImplemented")),
            (SIGNED_TRAILER, {"x-amz-trailer": "x-amz-checksum-crc32, x-amz-meta-a"},
             (501, "NotImplemented")),
            (SIGNED, {"x-amz-trailer": "x-amz-checksum-crc32"}, (400, "InvalidRequest"))):
        request = s.sign.upload("/photos/k", variant, 0, headers=fields)
        assert s.ask(with_length(request, body)).error == error, (variant, fields)

    # Framing that is announced is never stored as part of the object.
    def refuses(name, answer):
        assert answer.error == (400, "InvalidRequest"), answer
        assert f"header {name} does not fit" in answer.body.decode()

    for payload in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"):
        for name, value in (("x-amz-decoded-content-length", "0"),
                            ("x-amz-trailer", "x-amz-checksum-crc32")):
            refuses(name, s.do("PUT", "/photos/k", body, payload=payload, headers={name: value}))
    refuses("Content-Encoding", s.do("PUT", "/photos/k", body, headers={
        "content-encoding": "aws-chunked", "x-amz-decoded-content-length": "0"}))
    for variant in (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER):
        request = s.sign.presigned("PUT", "/photos/k", headers={"x-amz-content-sha256": variant})
        refuses("x-amz-content-sha256", s.ask(with_length(request, body)))
    framed = {"content-encoding": "aws-chunked"}
    assert s.ask(with_length(s.sign.presigned("PUT", "/photos/k", headers=framed), body)).error == (
        411, "MissingContentLength")
    assert s.count() == 0
    framed["x-amz-decoded-content-length"] = "3"
    assert s.ask(with_length(s.sign.presigned("PUT", "/photos/k", headers=framed),
                             b"3\r\nabc\r\n0\r\n\r\n")).status == 200
    assert s.stored("k") == b"abc"


def replace(old, new):
    return lambda body: body.replace(old, new, 1)


CRC = {"x-amz-checksum-crc32": b64(CHECKSUMS["crc32"](b"hello world"))}
MALFORMED = ("InvalidRequest", "chunk_malformed")
BAD_TRAILER = ("InvalidRequest", "trailer_malformed")
BAD_LENGTH = ("IncompleteBody", "decoded_length_mismatch")
BAD_CHUNK = ("SignatureDoesNotMatch", "chunk_signature_mismatch")

# variant, declared length, how the right body is changed, code and reason
REJECTIONS = {
    "chunk signature": (SIGNED, 11, 0, BAD_CHUNK),
    "last chunk's signature": (SIGNED, 11, 2, BAD_CHUNK),
    "flipped bit": (SIGNED, 11, replace(b"hello", b"iello"), BAD_CHUNK),
    "trailer signature": (SIGNED_TRAILER, 11, "trailer",
                          ("SignatureDoesNotMatch", "trailer_signature_mismatch")),
    "changed trailer": (SIGNED_TRAILER, 11, replace(b"crc32:", b"crc32:A"),
                        ("SignatureDoesNotMatch", "trailer_signature_mismatch")),
    "declared too much": (SIGNED, 12, None, BAD_LENGTH),
    "declared too little": (SIGNED, 10, None, BAD_LENGTH),
    "declared too much, unsigned": (UNSIGNED_TRAILER, 12, None, BAD_LENGTH),
    "declared too little, unsigned": (UNSIGNED_TRAILER, 10, None, BAD_LENGTH),
    "ends inside data": (SIGNED, 11, lambda b: b[:b.index(b"hello") + 2], BAD_LENGTH),
    "ends before the last chunk": (UNSIGNED_TRAILER, 11, lambda b: b[:b.index(b"0\r\nx-amz")],
                                   BAD_LENGTH),
    "ends inside a header": (SIGNED, 11, lambda b: b[:40], MALFORMED),
    "large chunk": (SIGNED, 32 * MIB, lambda b: b"1000001" + b[1:],
                    ("InvalidRequest", "chunk_too_large")),
    "bare LF": (SIGNED, 11, replace(b"\r\n", b"\n"), MALFORMED),
    "no CRLF after data": (SIGNED, 11, replace(b"hello \r\n", b"hello "), MALFORMED),
    "bad hex": (SIGNED, 11, lambda b: b"g" + b[1:], MALFORMED),
    "0x": (UNSIGNED_TRAILER, 11, lambda b: b"0x" + b, MALFORMED),
    "sign": (UNSIGNED_TRAILER, 11, lambda b: b"+" + b, MALFORMED),
    "space after the size": (UNSIGNED_TRAILER, 11, replace(b"6\r", b"6 \r"), MALFORMED),
    "size over 64 bits": (UNSIGNED_TRAILER, 11, lambda b: b"1" + b"0" * 16 + b, MALFORMED),
    "empty line": (SIGNED, 11, lambda b: b"\r\n" + b, MALFORMED),
    "no chunk signature": (SIGNED, 11, lambda b: b"6\r\n" + b[b.index(b"\n") + 1:], MALFORMED),
    "short chunk signature": (SIGNED, 11, lambda b: b[:80] + b[81:], MALFORMED),
    "other extension": (SIGNED, 11, replace(b";chunk-signature=", b";chunk-signaturf="), MALFORMED),
    "extension in the unsigned form": (UNSIGNED_TRAILER, 11,
                                       replace(b"6\r", b"6;chunk-signature=" + b"0" * 64 + b"\r"),
                                       MALFORMED),
    "bytes after the end": (SIGNED, 11, lambda b: b + b"x", MALFORMED),
    "long chunk header": (SIGNED, 11, lambda b: b"0" * 2000 + b, MALFORMED),
    "trailer without colon": (UNSIGNED_TRAILER, 11, replace(b"crc32:", b"crc32;"), BAD_TRAILER),
    "undeclared trailer": (UNSIGNED_TRAILER, 11, replace(b"crc32:", b"crc33:"), BAD_TRAILER),
    "no trailer": (UNSIGNED_TRAILER, 11, lambda b: b[:b.index(b"x-amz")] + b"\r\n", BAD_TRAILER),
    "no trailer signature": (SIGNED_TRAILER, 11,
                             lambda b: b[:b.index(b"x-amz-trailer-sig")] + b"\r\n", BAD_TRAILER),
    "no end of trailers": (UNSIGNED_TRAILER, 11, lambda b: b[:-2], BAD_TRAILER),
    "huge trailer": (UNSIGNED_TRAILER, 11, replace(b"crc32:", b"crc32:" + b"A" * 9000), BAD_TRAILER),
    "checksum": (UNSIGNED_TRAILER, 11, replace(b"crc32:", b"crc32:AAAA"), ("BadDigest", None)),
}


def test_streaming_rejections(service):
    s = service
    counted = Counter()
    for name, (variant, size, change, (code, reason)) in REJECTIONS.items():
        trailers = None if variant == SIGNED else CRC
        request = s.sign.upload("/photos/k", variant, size, *(trailers or {}))
        flip = None if callable(change) else change
        body = s.sign.chunked([b"hello ", b"world"], variant, trailers, flip)
        if callable(change):
            body = change(body)
        with s.wire() as w:
            answer = w.send(with_length(request, body)).answer()
            assert answer.error == (403 if code == "SignatureDoesNotMatch" else 400, code), name
            assert answer.headers.get("connection") == "close", name
            assert w.is_closed()
        if reason:
            counted[reason] += 1
        assert s.streaming("rejections", "reason") == counted, name
    assert len(counted) == 6
    # The client goes away in the middle, under either outer framing.
    for field in ("content-length: 5000", "transfer-encoding: chunked"):
        request = s.sign.upload("/photos/k", SIGNED, 11)
        body = s.sign.chunked([b"hello ", b"world"], SIGNED)
        body = body[:body.index(b"hello") + 2]
        if "chunked" in field:
            body = b"%x\r\n%s\r\n" % (len(body), body)
        with s.wire() as w:
            w.send(request[:-2] + field.encode() + b"\r\n\r\n" + body)
            w.s.shutdown(socket.SHUT_WR)
            assert w.answer().error == (400, "IncompleteBody")
        counted["decoded_length_mismatch"] += 1
        assert s.streaming("rejections", "reason") == counted
    # Complete inside, but not outside: something was lost.
    request = s.sign.upload("/photos/k", SIGNED, 11)
    with s.wire() as w:
        body = s.sign.chunked([b"hello ", b"world"], SIGNED)
        w.send(request[:-2] + b"content-length: 5000\r\n\r\n" + body)
        w.s.shutdown(socket.SHUT_WR)
        assert w.answer().error == (400, "IncompleteBody")
    # Not a byte of them has reached a backend, or was meant to.
    assert s.count() == 0
    assert s.o.sql("SELECT count(*) FROM pending_objects")[0][0] == 0
    counted = s.counted()
    assert not any(k.startswith('s3o_backend_requests_total{operation="PutObject') for k in counted)
    assert "s3o_pending_intents_enqueued_total" not in counted


def test_expect_100_continue(service):
    s = service
    body = b"z" * 300_000
    expect = {"expect": "100-continue", "content-length": str(len(body))}
    with s.wire() as w:
        w.send(s.sign.request("PUT", "/photos/k", payload="UNSIGNED-PAYLOAD", fields=expect))
        assert w.answer().status == 100
        w.send(body)
        assert w.answer().status == 200
        w.send(s.sign.request("GET", "/photos/k"))
        assert w.answer().body == body
    # A refusal comes at once, without 100, and the body is never sent.
    for request, status in (
            (Signer(s.host, secret="x").request("PUT", "/photos/k", fields=expect), 403),
            (s.sign.request("PUT", "/photos/k", fields={**expect, "content-length": 65 * MIB}), 413),
            (s.sign.request("PUT", "/documents/k", fields=expect), 403),
            (s.sign.request("PUT", "/photos/k", headers={"x-amz-meta-a": "v" * 2049},
                            fields=expect), 400),
            (s.sign.request("PUT", "/photos/k", query=[("torrent", "")], fields=expect), 501)):
        with s.wire() as w:
            answer = w.send(request).answer()
            assert answer.status == status and answer.headers["connection"] == "close"
            assert w.is_closed()

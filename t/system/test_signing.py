# SPDX-License-Identifier: MIT
"""Signatures over the path as it is on the wire, and over aws-chunked bodies."""
import base64
import hashlib

import pytest

from harness.signing import send, sign

PATHS = {"a%2Fb": "a/b", "p%25q": "p%q", "a%2Bb": "a+b", "s%20t": "s t", "u%C3%BC": "uü",
         "l%c3%bc": "lü", "x/y": "x/y"}


@pytest.mark.parametrize("query", [False, True], ids=["header", "presigned"])
def test_paths_are_signed_as_sent(orchestrator, query):
    def ask(method, wire, body=b"", other=None):
        target, headers, _ = sign(orchestrator, method, f"/photos/{wire}", query=query)
        if other:
            target = target.replace(wire, other)
        return send(orchestrator, method, target, headers, body)

    for wire, key in PATHS.items():
        assert ask("PUT", wire, key.encode())[0] == 200, wire
        assert ask("GET", wire) == (200, key.encode())
        got = orchestrator.s3().get_object(Bucket="photos", Key=key)
        assert got["Body"].read() == key.encode()
        assert ask("DELETE", wire)[0] == 204
    orchestrator.s3().put_object(Bucket="photos", Key="a/b", Body=b"x")
    for signed, sent in (("a%2Fb", "a/b"), ("a/b", "a%2Fb"), ("l%c3%bc", "l%C3%BC")):
        status, body = ask("GET", signed, other=sent)
        assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in body


SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
DATA = [b"a" * 70000, b"b" * 8192, b""]
WHOLE = b"".join(DATA)
CHECKSUM = base64.b64encode(hashlib.sha256(WHOLE).digest()).decode()


def framed(variant, chain):
    if variant == UNSIGNED:
        chunks = [b"%x\r\n%s" % (len(d), d + b"\r\n" if d else b"") for d in DATA]
        return b"".join(chunks) + f"x-amz-checksum-sha256:{CHECKSUM}\r\n\r\n".encode()
    body = b"".join(chain.chunk(d) for d in DATA)
    if variant == TRAILER:
        body += chain.trailer("x-amz-checksum-sha256", CHECKSUM)
    return body + b"\r\n"


def upload(o, variant, spoil=lambda body: body, length=len(WHOLE)):
    headers = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": str(length)}
    if variant != SIGNED:
        headers["x-amz-trailer"] = "x-amz-checksum-sha256"
    target, headers, chain = sign(o, "PUT", "/photos/chunked", variant, headers)
    return send(o, "PUT", target, headers, spoil(framed(variant, chain)))


def test_chunked_bodies_are_decoded(orchestrator):
    s3 = orchestrator.s3()
    for variant in (SIGNED, TRAILER, UNSIGNED):
        assert upload(orchestrator, variant)[0] == 200, variant
        got = s3.get_object(Bucket="photos", Key="chunked")
        assert got["Body"].read() == WHOLE and "ContentEncoding" not in got
        s3.delete_object(Bucket="photos", Key="chunked")
    m = orchestrator.metrics()
    assert {k: v for k, v in m.items() if k.startswith("s3o_auth_streaming_requests_total")} == {
        's3o_auth_streaming_requests_total{variant="%s"}' % v: 1
        for v in ("signed", "signed_trailer", "unsigned_trailer")}


def cut(old, new):
    return lambda body: body.replace(old, new, 1)


BROKEN = {
    "chunk signature": (SIGNED, cut(b"aaa", b"aab"), {}, 403, "SignatureDoesNotMatch",
                        "chunk_signature_mismatch"),
    "shorter": (SIGNED, lambda b: b, {"length": len(WHOLE) + 1}, 400, "IncompleteBody",
                "decoded_length_mismatch"),
    "longer": (SIGNED, lambda b: b, {"length": len(WHOLE) - 1}, 400, "IncompleteBody",
               "decoded_length_mismatch"),
    "bare LF": (UNSIGNED, cut(b"\r\n", b"\n"), {}, 400, "InvalidRequest", "chunk_malformed"),
    "missing CRLF": (UNSIGNED, cut(b"a\r\n", b"a"), {}, 400, "InvalidRequest", "chunk_malformed"),
    "bad size": (UNSIGNED, lambda b: b"x" + b, {}, 400, "InvalidRequest", "chunk_malformed"),
    "no chunk signature": (SIGNED, lambda b: b[:b.index(b";")] + b[b.index(b"\r\n"):], {}, 400,
                           "InvalidRequest", "chunk_malformed"),
    "no trailer signature": (TRAILER, lambda b: b[:b.index(b"x-amz-trailer-signature")] + b"\r\n",
                             {}, 400, "InvalidRequest", "trailer_malformed"),
    "wrong trailer signature": (TRAILER, lambda b: b[:b.index(b"signature:", -80) + 10] +
                                b"0" * 64 + b"\r\n\r\n", {}, 403, "SignatureDoesNotMatch",
                                "trailer_signature_mismatch"),
    "chunk too large": (SIGNED, lambda b: b"1000001" + b[b.index(b";"):], {}, 400,
                        "InvalidRequest", "chunk_too_large"),
}
REASONS = {"chunk_signature_mismatch", "trailer_signature_mismatch", "chunk_malformed",
           "chunk_too_large", "decoded_length_mismatch", "trailer_malformed"}


def test_broken_chunked_bodies_are_refused(orchestrator):
    counted = dict.fromkeys(REASONS, 0)
    for name, (variant, spoil, options, status, code, reason) in BROKEN.items():
        got = upload(orchestrator, variant, spoil, **options)
        assert got[0] == status and f"<Code>{code}</Code>".encode() in got[1], (name, got)
        counted[reason] += 1
    assert all(counted.values())
    m = orchestrator.metrics()
    assert {k: v for k, v in m.items() if k.startswith("s3o_auth_streaming_rejections_total")} == {
        's3o_auth_streaming_rejections_total{reason="%s"}' % r: n for r, n in counted.items()}
    # Not a byte of them has reached a backend, or was meant to.
    assert not any(k.startswith("s3o_backend_requests_total{operation=\"PutObject") for k in m)
    assert m["s3o_pending_intents_enqueued_total"] == 0

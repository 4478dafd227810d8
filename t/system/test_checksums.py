"""Additional checksums: stored with what they came with, and told to who asks."""
import base64

import pytest

from harness.signing import CHECKSUMS, UNSIGNED_TRAILER, b64
from harness.uploads import ByHand, elements, message_of
from harness.wire import with_length

MIB = 1024 * 1024
PART = 5 * MIB
ENABLED = {"x-amz-checksum-mode": "ENABLED"}


def told(answer):
    """The checksum fields of an answer."""
    return {n: v for n, v in answer.headers.items() if n.startswith("x-amz-checksum-")}


def test_checksums_of_objects(service):
    s, body = service, b"The quick brown fox"
    for name, of in CHECKSUMS.items():
        fields = {f"x-amz-checksum-{name}": b64(of(body))}
        expected = {**fields, "x-amz-checksum-type": "FULL_OBJECT"}
        put = s.put("k", body, headers=fields)
        assert told(put) == expected
        for method in ("GET", "HEAD"):
            assert told(s.do(method, "/photos/k")) == {}
            assert told(s.do(method, "/photos/k", headers=ENABLED)) == expected
            part = s.do(method, "/photos/k", headers=ENABLED, query=[("partNumber", "1")])
            assert told(part) == expected and part.status == 206
            # Not those of a range.
            assert told(s.do(method, "/photos/k", headers={**ENABLED, "range": "bytes=1-2"})) == {}
        answer = s.do("GET", "/photos/k", query=[("attributes", "")],
                      headers={"x-amz-object-attributes": "Checksum"})
        assert elements(answer.body, f"Checksum{name.upper()}") == [b64(of(body))]
        assert elements(answer.body, "ChecksumType") == ["FULL_OBJECT"]
        # In a trailer.
        request = s.sign.upload("/photos/t", UNSIGNED_TRAILER, len(body), f"x-amz-checksum-{name}")
        framed = s.sign.chunked([body], UNSIGNED_TRAILER, fields)
        assert told(s.ask(with_length(request, framed))) == expected
        assert told(s.do("HEAD", "/photos/t", headers=ENABLED)) == expected
    s.put("k", body)  # and without one there is none
    assert told(s.do("HEAD", "/photos/k", headers=ENABLED)) == {}
    # Of two that hold one is kept; the payload's hash and Content-MD5 are none.
    both = {f"x-amz-checksum-{n}": b64(CHECKSUMS[n](body)) for n in ("crc32", "sha1")}
    assert told(s.put("k", body, headers=both)) == {
        "x-amz-checksum-crc32": both["x-amz-checksum-crc32"], "x-amz-checksum-type": "FULL_OBJECT"}


def crc_type(name, kind):
    """Which combinations S3 has."""
    return {"crc64nvme": kind == "FULL_OBJECT"}.get(name, kind == "COMPOSITE" or "crc" in name)


@pytest.mark.parametrize("name", CHECKSUMS)
@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT", None])
def test_checksums_of_parts(service, name, kind):
    s, of, field = service, CHECKSUMS[name], f"x-amz-checksum-{name}"
    asked = {"x-amz-checksum-algorithm": name.upper(), **({"x-amz-checksum-type": kind} if kind else {})}
    if kind and not crc_type(name, kind):
        answer = s.do("POST", "/photos/k", query=[("uploads", "")], headers=asked)
        assert answer.error == (400, "InvalidRequest") and kind in message_of(answer)
        return
    kind = kind or ("FULL_OBJECT" if name == "crc64nvme" else "COMPOSITE")
    u = ByHand(s, **asked)
    assert u.created.headers["x-amz-checksum-algorithm"] == name.upper()
    assert u.created.headers["x-amz-checksum-type"] == kind
    # CRCs by hand are slow: bytes of the first part are not checked here one by one.
    body, end = b"\0" * PART, b"the end"
    other = "sha1" if name != "sha1" else "crc32"
    answer = u.part(2, end, **{f"x-amz-checksum-{other}": b64(CHECKSUMS[other](end))})
    assert answer.error == (400, "InvalidRequest") and "Checksum Type mismatch" in message_of(answer)
    assert u.part(2, end, **{field: b64(of(b"other"))}).error == (400, "BadDigest")
    sent = u.part(2, end, **{field: b64(of(end))})
    computed = u.part(1, body)  # without one
    assert sent.headers[field] == b64(of(end)) and "x-amz-checksum-type" not in sent.headers
    sums = [computed.headers[field], sent.headers[field]]
    element = f"Checksum{name.upper()}"
    listed = u.do("GET").body
    assert elements(listed, element) == sums
    assert elements(listed, "ChecksumAlgorithm") == [name.upper()]

    parts = [(n, u.tags[n], f"<{element}>{sums[n - 1]}</{element}>") for n in (1, 2)]
    wrong = [parts[0], (2, u.tags[2], f"<{element}>{sums[0]}</{element}>")]
    assert u.complete(wrong).error == (400, "InvalidPart")
    assert u.complete(parts, **{field: sums[0]}).error == (400, "BadDigest")
    opposite = "COMPOSITE" if kind == "FULL_OBJECT" else "FULL_OBJECT"
    assert u.complete(parts, x_amz_checksum_type=opposite).error == (400, "BadDigest")
    done = u.complete(parts, x_amz_checksum_type=kind)
    assert done.status == 200 and elements(done.body, "ChecksumType") == [kind]
    [value] = elements(done.body, element)
    assert u.complete(parts, **{field: value}).body == done.body  # asked again
    if kind == "COMPOSITE":
        assert value == b64(of(b"".join(base64.b64decode(t) for t in sums))) + "-2"
    else:  # what a single PUT of the same bytes is compared with
        assert s.do("PUT", "/photos/single", body + end, headers={field: value}).status == 200
    for method in ("GET", "HEAD"):
        got = s.do(method, "/photos/k", headers={"x-amz-checksum-mode": "ENABLED"})
        assert (got.headers[field], got.headers["x-amz-checksum-type"]) == (value, kind)
        assert field not in s.do(method, "/photos/k").headers
        for number in (1, 2):
            part = [("partNumber", str(number))]
            got = s.do(method, "/photos/k", headers=ENABLED, query=part)
            assert told(got) == {field: sums[number - 1], "x-amz-checksum-type": kind}
            assert got.headers["x-amz-mp-parts-count"] == "2"
            assert told(s.do(method, "/photos/k", query=part)) == {}
    answer = s.do("GET", "/photos/k", query=[("attributes", "")],
                  headers={"x-amz-object-attributes": "Checksum,ObjectParts"})
    assert elements(answer.body, "ChecksumType") == [kind]
    assert elements(answer.body, element) == [value.removesuffix("-2"), *sums]


def test_checksums_of_parts_nobody_asked_for(service):
    """Verified and told, though of no use to the object."""
    s = service
    u = ByHand(s)
    assert "x-amz-checksum-algorithm" not in u.created.headers
    value = b64(CHECKSUMS["crc32"](b"part"))
    assert u.part(1, b"part", x_amz_checksum_crc32=value).headers["x-amz-checksum-crc32"] == value
    assert elements(u.do("GET").body, "ChecksumCRC32") == [value]
    done = u.complete([(1, u.tags[1], f"<ChecksumCRC32>{value}</ChecksumCRC32>")])
    assert done.status == 200 and b"Checksum" not in done.body
    assert told(s.do("HEAD", "/photos/k", headers=ENABLED)) == {}
    part = s.do("GET", "/photos/k", headers=ENABLED, query=[("partNumber", "1")])
    assert told(part) == {"x-amz-checksum-crc32": value} and part.body == b"part"
    for headers in ({"x-amz-checksum-algorithm": "MD5"}, {"x-amz-checksum-algorithm": "CRC33"},
                    {"x-amz-checksum-type": "COMPOSITE"},
                    {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "x"}):
        assert s.do("POST", "/photos/k", query=[("uploads", "")],
                    headers=headers).error == (400, "InvalidRequest"), headers

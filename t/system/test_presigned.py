"""What a presigned URL says in its parameters counts as if it stood in header fields;
and whose buckets are expected."""

import pytest
import requests

from harness.signing import CHECKSUMS, EMPTY, b64

PUT = {"content-length": "4"}


def presigned(service, query, headers=PUT, method="PUT", path="/photos/k"):
    body = b"body" if method == "PUT" else b""
    return service.ask(service.sign.presigned(method, path, query=query, headers=headers) + body,
                       method)


def test_parameters_of_a_presigned_put_count_as_fields(service):
    s = service
    assert presigned(s, [("x-amz-meta-Colour", "deep blue"), ("X-Amz-Meta-n", " 1 "),
                         ("x-amz-storage-class", "STANDARD"), ("x-amz-acl", "private"),
                         ("x-amz-server-side-encryption", "AES256")]).status == 200
    head = s.do("HEAD", "/photos/k").headers
    assert head["x-amz-meta-colour"] == "deep blue" and head["x-amz-meta-n"] == "1"
    for name, value in (("x-amz-acl", "public-read-write"),
                        ("x-amz-server-side-encryption", "aws:kms")):
        answer = presigned(s, [(name, value)])
        assert answer.error == (501, "NotImplemented") and name in answer.body.decode(), name
    assert presigned(s, [("x-amz-meta-big", "v" * 3000)]).error == (400, "MetadataTooLarge")
    assert presigned(s, [("x-amz-meta-n", "a\r\nb: c")]).error == (400, "InvalidArgument")
    assert presigned(s, [("x-amz-meta-a:b", "c")]).error == (400, "InvalidArgument")
    assert presigned(s, [(f"x-amz-meta-{i}", "") for i in range(600)]).status == 431
    assert s.count() == 1


def test_checksums_in_a_presigned_url_are_of_no_body(service):
    """SDKs put that of the body into the URL which they had when they made it: of none."""
    s = service
    of_nothing, right, wrong = (b64(CHECKSUMS["crc32"](d)) for d in (b"", b"body", b"else"))
    name = "x-amz-checksum-crc32"
    url = [(name, of_nothing), ("x-amz-sdk-checksum-algorithm", "CRC32"),
           ("X-Amz-Content-Sha256", EMPTY)]
    assert presigned(s, url).status == 200
    head = s.do("HEAD", "/photos/k", headers={"x-amz-checksum-mode": "ENABLED"}).headers
    assert name not in head
    assert presigned(s, [("x-amz-sdk-checksum-algorithm", "SHA1")]).status == 200
    assert presigned(s, [("x-amz-checksum-md4", "AAAA"), (name, right), (name, wrong)]).status == 200
    # What whoever uploads says counts, whatever the URL says.
    assert presigned(s, url, {**PUT, name: right}).headers[name] == right
    assert presigned(s, url, {**PUT, name: wrong}).error == (400, "BadDigest")
    algorithm = {"x-amz-sdk-checksum-algorithm": "CRC32"}
    assert presigned(s, url, {**PUT, **algorithm}).error == (400, "InvalidRequest")


def test_what_a_presigned_url_says_about_checksums_counts(service):
    s = service
    s.put("k", headers={"x-amz-checksum-crc32": b64(CHECKSUMS["crc32"](b"body"))})
    mode = [("x-amz-checksum-mode", "ENABLED")]
    assert "x-amz-checksum-crc32" in presigned(s, mode, {}, "HEAD").headers
    answer = presigned(s, [("uploads", ""), ("x-amz-checksum-algorithm", "SHA1")], {}, "POST")
    assert answer.headers["x-amz-checksum-algorithm"] == "SHA1"


def test_a_header_cannot_overrule_the_url(service):
    s = service
    name = "x-amz-meta-a"
    assert presigned(s, [(name, "1")], {**PUT, name: "1"}).status == 200
    assert presigned(s, [(name, "1")], {**PUT, name: "2"}).error == (403, "AccessDenied")
    assert s.do("HEAD", "/photos/k").headers[name] == "1"


def test_boto_signs_them_into_the_url(orchestrator):
    url = orchestrator.s3().generate_presigned_url("put_object", {
        "Bucket": "photos", "Key": "k", "Metadata": {"a": "b"}, "ACL": "private"})
    answer = requests.put(url, data=b"x", headers={"x-amz-meta-a": "b", "x-amz-acl": "private"},
                          timeout=20)
    assert answer.status_code == 200, answer.text
    assert orchestrator.s3().head_object(Bucket="photos", Key="k")["Metadata"] == {"a": "b"}


@pytest.mark.parametrize("name", ["x-amz-expected-bucket-owner",
                                  "x-amz-source-expected-bucket-owner"])
def test_expected_owner(service, name):
    s = service
    s.put("k")
    owner = s.o.s3().list_buckets()["Owner"]["ID"]
    for method, path in (("GET", "/"), ("GET", "/photos"), ("GET", "/photos/k"), ("PUT", "/photos"),
                         ("HEAD", "/photos/k"), ("PUT", "/photos/k"), ("DELETE", "/photos/k")):
        assert s.do(method, path, headers={name: "123456789012"}).status == 403, (method, path)
        assert s.do(method, path, headers={name: ""}).status == 403, (method, path)
        assert s.do(method, path, headers={name: owner}).status in (200, 204), (method, path)
        if path == "/photos/k":
            assert presigned(s, [(name, "1")], method=method).status == 403

# SPDX-License-Identifier: MIT
"""README's table of header fields against the server: each of its fields has a request
here that shows its state, and no field is missing in it."""
import glob
import hashlib
import os
import re

import pytest
import requests

from harness.orchestrator import BUCKETS
from harness.service import TOKEN, Service
from harness.signing import CHECKSUMS, SIGNED_TRAILER, amz_date, b64
from harness.storage import ROOT
from harness.uploads import ByHand
from harness.wire import head
from test_chunked import CHUNKED, chunks
from test_docs import api_operations, readme_table, text
from test_post import Form

BODY = b"body"


def fields_of_the_api():
    """A name that ends with a hyphen stands for many."""
    return {member.serialization["name"] for operation in api_operations().values()
            if operation.input_shape for member in operation.input_shape.members.values()
            if member.serialization.get("location") in ("header", "headers")}


def fields_of_the_source():
    """String literals that are fields of requests."""
    found = set()
    for folder in ("proxyd/s3", "common/s3proto"):
        for source in files(folder):
            answers = r'reply_field\w*\([^,]+,\s*"'
            found |= set(re.findall('"(x-amz-[a-z0-9-]+)"', re.sub(answers, "", source)))
    about_urls = {"x-amz-algorithm", "x-amz-credential", "x-amz-expires", "x-amz-signature",
                  "x-amz-signedheaders"}
    return found - about_urls - {"x-amz-copy-"}  # of forms: refused before the field is looked at


def files(folder):
    for path in glob.glob(os.path.join(ROOT, folder, "*.c")):
        with open(path, encoding="utf-8") as f:
            yield f.read()


def table():
    """[(fields, operations, state)]"""
    section = text("README.md").split("### Which header fields")[1].split("\n## ")[0]
    groups = {name: members.replace("\n", " ").split(", ")
              for name, members in re.findall(r"\*(\w+)\*:\s([^.]+)\.", section)}
    rows = []
    for cell, where, state in readme_table("### Which header fields"):
        operations = [o for name in where.split(", ") for o in groups.get(name, [name])]
        rows.append((re.findall("`([^`]+)`", cell), operations, state))
    return rows


def is_in(name, listed):
    return any(name.lower() == entry.lower() or
               (entry[-1] in "*-" and name.lower().startswith(entry.lower().rstrip("*")))
               for entry in listed)


def test_no_field_is_missing_in_the_readme():
    listed = [name for names, _, _ in table() for name in names]
    assert len(listed) == len(set(listed)) > 90
    assert not [name for name in fields_of_the_api() if not is_in(name, listed)]
    source = fields_of_the_source()
    assert len(source) > 40
    assert not [name for name in source
                if not is_in(name, listed) and not (name[-1] == "-" and
                                                    any(n.startswith(name) for n in listed))]


# --- a request of each operation ---

LIFECYCLE = (b"<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix>tmp</Prefix></Filter>"
             b"<Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>")
VERSIONING = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
DELETE = b"<Delete><Object><Key>gone</Key></Object></Delete>"


class Requests:
    """Of each operation one that succeeds, to be sent with further fields."""

    def __init__(self, service):
        self.s = service
        self.n = 0
        service.put("k", BODY)
        assert service.do("PUT", "/versioned").status == 200
        self.upload = ByHand(service, "upload")
        assert self.upload.part(1, BODY).status == 200
        document = ("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"
                    f"{self.upload.tags[1]}</ETag></Part></CompleteMultipartUpload>").encode()
        upload, source = [("uploadId", self.upload.id)], {"x-amz-copy-source": "photos/k"}
        self.requests = {
            "ListObjects": ("GET", "/photos"),
            "ListObjectsV2": ("GET", "/photos", [("list-type", "2")]),
            "ListObjectVersions": ("GET", "/photos", [("versions", "")]),
            "CreateBucket": ("PUT", "/new-one"),
            "PutBucketAcl": ("PUT", "/photos", [("acl", "")], {"x-amz-acl": "private"}),
            "PutBucketLifecycleConfiguration": ("PUT", "/photos", [("lifecycle", "")], {}, LIFECYCLE),
            "PutBucketVersioning": ("PUT", "/versioned", [("versioning", "")], {}, VERSIONING),
            "PutBucketPolicy": ("PUT", "/photos", [("policy", "")]),
            "PutBucketReplication": ("PUT", "/photos", [("replication", "")]),
            "PutBucketNotificationConfiguration": ("PUT", "/photos", [("notification", "")]),
            "PutObjectLockConfiguration": ("PUT", "/photos", [("object-lock", "")]),
            "CreateSession": ("GET", "/photos", [("session", "")]),
            "DeleteObjects": ("POST", "/photos", [("delete", "")], {}, DELETE),
            "PutObject": ("PUT", "/photos/new", [], {}, BODY),
            "CopyObject": ("PUT", "/photos/new", [], source),
            "CreateMultipartUpload": ("POST", "/photos/other", [("uploads", "")]),
            "UploadPart": ("PUT", "/photos/upload", [("partNumber", "1"), *upload], {}, BODY),
            "UploadPartCopy": ("PUT", "/photos/upload", [("partNumber", "1"), *upload], source),
            "CompleteMultipartUpload": ("POST", "/photos/upload", upload, {}, document),
            "AbortMultipartUpload": ("DELETE", "/photos/upload", upload),
            "ListParts": ("GET", "/photos/upload", upload),
            "GetObject": ("GET", "/photos/k"),
            "HeadObject": ("HEAD", "/photos/k"),
            "GetObjectAttributes": ("GET", "/photos/k", [("attributes", "")],
                                    {"x-amz-object-attributes": "ETag"}),
            "PutObjectAcl": ("PUT", "/photos/k", [("acl", "")], {"x-amz-acl": "private"}),
            "DeleteObject": ("DELETE", "/photos/gone"),
            "RenameObject": ("PUT", "/photos/new", [("renameObject", "")]),
        }

    def send(self, operation, fields=None, query=(), key=None, body=None, **more):
        method, path, *rest = self.requests[operation]
        own, headers, content = (*rest, *([], {}, b"")[len(rest):])
        return self.s.do(method, f"/photos/{key}" if key else path, content if body is None else body,
                         query=[*own, *query], headers={**headers, **(fields or {})}, **more)

    def error(self, operation, fields=None, **more):
        """(status, code) of an answer; the code is that of the status where there is no body."""
        if operation == "PostObject":
            return self.post(fields)
        answer = self.send(operation, fields, **more)
        self.told = answer.body.decode()
        return answer.status, answer.code

    def post(self, fields, key="new"):
        """The fields of a form; conditions are those of the request."""
        head = {n: v for n, v in (fields or {}).items() if n.lower().startswith("if-")}
        form = {n: v for n, v in (fields or {}).items() if n not in head}
        answer = Form(self.s, {"key": key, **form}).post(BODY, headers=head)
        self.told = answer.text
        code = re.search("<Code>(.*?)</Code>", answer.text)
        return answer.status_code, code and code.group(1)

    def store(self, operation, fields, key="new"):
        """Makes an object with the fields and tells what is said about it."""
        if operation == "PostObject":
            assert self.post(fields, key)[0] == 204
        elif operation == "CreateMultipartUpload":
            upload = ByHand(self.s, key, **fields)
            upload.part(1, BODY)
            assert upload.complete().status == 200
        else:
            answer = self.send(operation, fields, key=key)
            assert answer.status == 200, answer
        return self.s.do("HEAD", f"/photos/{key}", headers={"x-amz-checksum-mode": "ENABLED"}).headers

    def complete(self, **fields):
        upload = ByHand(self.s, "completed")
        upload.part(1, BODY)
        return upload.complete(**fields)

    def snapshot(self):
        """What there is in the catalogue."""
        return self.s.o.sql(
            "SELECT (SELECT json_agg(v ORDER BY generation) FROM object_versions v)::text,"
            " (SELECT json_agg(s ORDER BY bucket, name) FROM bucket_settings s)::text,"
            " (SELECT json_agg(b ORDER BY bucket) FROM buckets b)::text,"
            " (SELECT json_agg(u ORDER BY upload_id) FROM multipart_uploads u)::text,"
            " (SELECT json_agg(s ORDER BY segment_id) FROM segments s)::text")

    # --- what tests ask for ---

    def decides(self, operation, name, good, bad, error, **more):
        """The one value is fine, the other is not."""
        status = self.error(operation, {name: good}, **more)[0]
        assert status < 300, (operation, good, status)
        got = self.error(operation, {name: bad}, **more)
        assert got == error, (operation, bad, got)


OBJECTS = ("PutObject", "PostObject", "CopyObject", "CreateMultipartUpload")
NO = (501, "NotImplemented")
FAILED = (412, "PreconditionFailed")

# --- what is done ---

DONE = {}


def done(*names):
    """The function shows of each of these fields that it counts."""
    def add(function):
        for name in names:
            assert name not in DONE
            DONE[name] = function
        return function
    return add


@done("Authorization", "Host", "x-proxy-token", "x-amz-date", "x-amz-content-sha256")
def who_asks(r, name):
    s = r.s
    if name == "x-proxy-token":
        for token, status in ((TOKEN, 200), ("wrong", 403)):
            assert s.ask(head("GET", "/photos/k", {"host": s.host, name: token})).status == status
        return
    wrong, error = {
        "Authorization": ({"authorization": "AWS4-HMAC-SHA256 x"}, (400, "AuthorizationHeaderMalformed")),
        "Host": ({"fields": {"host": "other"}}, (403, "SignatureDoesNotMatch")),
        "x-amz-date": ({"date": amz_date(-7200)}, (403, "RequestTimeTooSkewed")),
        "x-amz-content-sha256": ({"payload": "0" * 64}, (400, "XAmzContentSHA256Mismatch"))}[name]
    assert s.do("PUT", "/photos/new", BODY, **wrong).error == error


@done("x-request-id")
def names_the_request(r, name):
    assert r.send("GetObject", {name: "abc123"}).headers["x-amz-request-id"] == "abc123"


@done("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
def owner(r, name):
    for operation in ("CopyObject", "UploadPartCopy"):
        r.decides(operation, name, "s3-orchestrator", "123456789012", (403, "AccessDenied"))


@done("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
def origin(r, name):
    rules = (b"<CORSConfiguration><CORSRule><AllowedOrigin>http://a</AllowedOrigin><AllowedMethod>GET"
             b"</AllowedMethod><AllowedHeader>x-a</AllowedHeader></CORSRule></CORSConfiguration>")
    assert r.s.do("PUT", "/photos", rules, query=[("cors", "")]).status == 200
    assert r.send("GetObject", {"origin": "http://a"}).headers["access-control-allow-origin"] == "http://a"
    fields = {"Origin": "http://a", "Access-Control-Request-Method": "GET",
              "Access-Control-Request-Headers": "x-a"}
    for value, status in ((fields[name], 200), ("other", 403)):
        answer = r.s.ask(head("OPTIONS", "/photos/k", {"host": r.s.host, **fields, name: value}))
        assert answer.status == status, value


@done("Content-Length")
def length(r, _):
    assert r.s.ask(r.s.sign.request("PUT", "/photos/new", length=False)).error == (
        411, "MissingContentLength")


@done("Transfer-Encoding")
def chunked(r, _):
    request = r.s.sign.request("PUT", "/photos/chunked", length=False, fields=CHUNKED,
                               payload="UNSIGNED-PAYLOAD")
    assert r.s.ask(request + chunks(BODY)).status == 200 and r.s.stored("chunked") == BODY


@done("Expect")
def expect(r, _):
    with r.s.wire() as w:
        w.send(r.s.sign.request("PUT", "/photos/new", body=BODY, headers={"expect": "100-continue"}))
        assert w.answer().status == 100
        assert w.send(BODY).answer().status == 200


@done("Content-MD5", *(f"x-amz-checksum-{kind}" for kind in CHECKSUMS))
def checksum(r, name):
    make = CHECKSUMS.get(name[15:], lambda data: hashlib.md5(data).digest())
    for operation in ("PutObject", "UploadPart"):
        r.decides(operation, name, b64(make(BODY)), b64(make(b"other")), (400, "BadDigest"))
    r.decides("DeleteObjects", name, b64(make(DELETE)), b64(make(b"other")), (400, "BadDigest"))
    if name != "Content-MD5":
        assert r.store("PutObject", {name: b64(make(BODY))})[name] == b64(make(BODY))


@done("x-amz-sdk-checksum-algorithm")
def announced_checksum(r, name):
    sums = {"x-amz-checksum-sha1": b64(CHECKSUMS["sha1"](BODY))}
    assert r.error("PutObject", {name: "SHA1", **sums})[0] == 200
    assert r.error("PutObject", {name: "SHA1"}) == (400, "InvalidRequest")


@done("x-amz-decoded-content-length", "x-amz-trailer", "x-amz-trailer-signature")
def trailer(r, name):
    def put(size=len(BODY), trailer="x-amz-checksum-crc32", flip=None):
        request = r.s.sign.upload("/photos/new", SIGNED_TRAILER, size, trailer)
        framed = r.s.sign.chunked([BODY], SIGNED_TRAILER,
                                  {"x-amz-checksum-crc32": b64(CHECKSUMS["crc32"](BODY))}, flip)
        return r.s.ask(request[:-2] + b"content-length: %d\r\n\r\n" % len(framed) + framed).error
    assert put()[0] == 200
    wrong = {"x-amz-decoded-content-length": {"size": 3}, "x-amz-trailer": {"trailer": None},
             "x-amz-trailer-signature": {"flip": "trailer"}}[name]
    assert put(**wrong)[0] in (400, 403)


@done("x-amz-checksum-algorithm")
def algorithm(r, name):
    for kind in CHECKSUMS:
        assert r.send("CreateMultipartUpload", {name: kind.upper()}).headers[name] == kind.upper()
        assert r.store("CopyObject", {name: kind.upper()})[f"x-amz-checksum-{kind}"] == b64(
            CHECKSUMS[kind](BODY))
    for operation in ("CreateMultipartUpload", "CopyObject"):
        assert r.error(operation, {name: "XXHASH3"}) == (400, "InvalidRequest")


@done("x-amz-checksum-type")
def checksum_type(r, name):
    crc = {"x-amz-checksum-algorithm": "CRC32"}
    assert r.send("CreateMultipartUpload", {name: "FULL_OBJECT", **crc}).headers[name] == "FULL_OBJECT"
    assert r.error("CreateMultipartUpload", {name: "x", **crc}) == (400, "InvalidRequest")
    assert r.complete(x_amz_checksum_type="FULL_OBJECT").error == (400, "BadDigest")


@done("x-amz-checksum-mode")
def checksum_mode(r, name):
    r.store("PutObject", {"x-amz-checksum-sha1": b64(CHECKSUMS["sha1"](BODY))})
    for operation in ("GetObject", "HeadObject"):
        assert "x-amz-checksum-sha1" in r.send(operation, {name: "ENABLED"}, key="new").headers
        assert "x-amz-checksum-sha1" not in r.send(operation, key="new").headers


@done("Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language",
      "Expires", "x-amz-meta-*")
def given_back(r, name):
    name = name.replace("*", "colour")
    for operation in OBJECTS:
        fields = {name: "a/b", **({"x-amz-metadata-directive": "REPLACE"}
                                  if operation == "CopyObject" else {})}
        assert r.store(operation, fields)[name.lower()] == "a/b", operation


@done("x-amz-tagging")
def tagging(r, name):
    for operation in OBJECTS:
        directive = {"x-amz-tagging-directive": "REPLACE"} if operation == "CopyObject" else {}
        assert r.store(operation, {name: "a=b&c=d", **directive})["x-amz-tagging-count"] == "2", operation


@done("x-amz-metadata-directive", "x-amz-tagging-directive")
def directive(r, name):
    r.decides("CopyObject", name, "REPLACE", "x", (400, "InvalidArgument"))


def enable_acls(r, on):
    rule = (b"<OwnershipControls><Rule><ObjectOwnership>%s</ObjectOwnership></Rule></OwnershipControls>"
            % (b"ObjectWriter" if on else b"BucketOwnerEnforced"))
    assert r.s.do("PUT", "/photos", rule, query=[("ownershipControls", "")]).status == 200


@done("x-amz-acl")
def acl(r, name):
    url = f"{r.s.o.endpoint}/photos"
    assert r.error("PutObject", {name: "public-read"}) == (400, "AccessControlListNotSupported")
    enable_acls(r, True)
    for operation in (*OBJECTS, "PutObjectAcl"):
        for value, status in (("public-read", 200), ("private", 403), ("bucket-owner-full-control", 403),
                              ("bucket-owner-read", 403)):
            r.store(operation, {name: value}, "k" if operation == "PutObjectAcl" else "new")
            key = "k" if operation == "PutObjectAcl" else "new"
            assert requests.get(f"{url}/{key}", timeout=20).status_code == status, (operation, value)
    for value, status in (("public-read", 200), ("private", 403)):
        assert r.error("PutBucketAcl", {name: value})[0] == 200
        assert requests.get(url, timeout=20).status_code == status
    enable_acls(r, False)
    for number, (value, status) in enumerate((("public-read", 200), ("private", 403))):
        fields = {name: value, "x-amz-object-ownership": "BucketOwnerPreferred"}
        assert r.s.do("PUT", f"/acl-{number}", headers=fields).status == 200
        assert requests.get(f"{r.s.o.endpoint}/acl-{number}", timeout=20).status_code == status


@done("x-amz-server-side-encryption", "x-amz-object-lock-legal-hold")
def harmless_value(r, name):
    value = {"x-amz-server-side-encryption": "AES256"}.get(name, "OFF")
    for operation in OBJECTS:
        assert name not in r.store(operation, {name: value})


@done("x-amz-copy-source")
def source(r, name):
    for operation in ("CopyObject", "UploadPartCopy"):
        r.decides(operation, name, "photos/k", "photos/none", (404, "NoSuchKey"))


PAST, FUTURE = "Thu, 01 Jan 2015 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@done(*(f"x-amz-copy-source-if-{c}" for c in ("match", "none-match", "modified-since", "unmodified-since")))
def source_condition(r, name):
    etag = r.send("HeadObject").headers["etag"]
    good, bad = {"if-match": (etag, '"x"'), "if-none-match": ('"x"', etag),
                 "if-modified-since": (PAST, FUTURE), "if-unmodified-since": (FUTURE, PAST)}[name[18:]]
    for operation in ("CopyObject", "UploadPartCopy"):
        r.decides(operation, name, good, bad, FAILED)


@done("x-amz-copy-source-range")
def source_range(r, name):
    assert b"<Size>4<" in r.send("ListParts").body
    r.decides("UploadPartCopy", name, "bytes=1-2", "bytes=0-9", (400, "InvalidArgument"))
    assert b"<Size>2<" in r.send("ListParts").body
    assert r.send("UploadPart").status == 200


@done("x-amz-mp-object-size")
def object_size(r, _):
    assert r.complete(x_amz_mp_object_size="4").status == 200
    assert r.complete(x_amz_mp_object_size="5").error == (400, "InvalidRequest")


@done("If-Match")
def if_match(r, name):
    etag = r.store("PutObject", {})["etag"]
    for operation in ("GetObject", "HeadObject", "PutObject", "CopyObject", "DeleteObject"):
        expected = (412, None) if operation == "HeadObject" else FAILED
        assert r.error(operation, {name: '"x"'}, key="new") == expected
        assert r.error(operation, {name: etag}, key="new")[0] < 300
    r.store("PutObject", {})
    r.decides("PostObject", name, etag, '"x"', FAILED)
    r.complete()
    assert r.complete(if_match="*").status == 200
    assert r.complete(if_match='"x"').error == FAILED
    for operation in ("UploadPart", "UploadPartCopy", "CreateMultipartUpload", "DeleteObjects"):
        assert r.error(operation, {name: etag}) == NO


@done("If-None-Match")
def if_none_match(r, name):
    r.store("PutObject", {})
    r.complete()
    for operation in ("PutObject", "CopyObject", "PostObject"):
        assert r.error(operation, {name: "*"}) == FAILED
    assert r.complete(if_none_match="*").error == FAILED
    for operation in ("GetObject", "HeadObject"):
        assert r.error(operation, {name: r.send("HeadObject").headers["etag"]})[0] == 304


@done("If-Modified-Since", "If-Unmodified-Since")
def if_since(r, name):
    modified = r.send("HeadObject").headers["last-modified"]
    good, bad, status = {"If-Modified-Since": (PAST, modified, 304),
                         "If-Unmodified-Since": (FUTURE, PAST, 412)}[name]
    for operation in ("GetObject", "HeadObject"):
        assert r.error(operation, {name: good})[0] == 200
        assert r.error(operation, {name: bad})[0] == status


@done("Range", "If-Range")
def byte_range(r, name):
    etag = r.send("HeadObject").headers["etag"]
    for fields, body in (({"range": "bytes=1-2"}, b"od"), ({"range": "bytes=0-0,2-2"}, BODY),
                         ({"range": "bytes=1-2", "if-range": etag}, b"od"),
                         ({"range": "bytes=1-2", "if-range": '"x"'}, BODY)):
        assert r.send("GetObject", fields).body == body
        assert r.send("HeadObject", fields).headers["content-length"] == str(len(body))


@done("?response-*", "?partNumber", "?versionId")
def parameters(r, name):
    if name == "?response-*":
        answer = r.send("GetObject", query=[("response-cache-control", "no-store")])
        assert answer.headers["cache-control"] == "no-store"
        return
    good, bad, status = {"?partNumber": ("1", "2", 416), "?versionId": ("null", "0" * 26, 404)}[name]
    for operation in ("GetObject", "HeadObject"):
        assert r.send(operation, query=[(name[1:], good)]).status in (200, 206)
        assert r.send(operation, query=[(name[1:], bad)]).status == status


@done("x-amz-object-attributes", "x-amz-max-parts", "x-amz-part-number-marker")
def attributes(r, name):
    r.complete()
    wanted = {"x-amz-object-attributes": "ObjectParts,ObjectSize"}
    value, element = {"x-amz-object-attributes": (wanted[next(iter(wanted))], b"<ObjectSize>4<"),
                      "x-amz-max-parts": ("7", b"<MaxParts>7<"),
                      "x-amz-part-number-marker": ("1", b"<PartNumberMarker>1<")}[name]
    assert element in r.send("GetObjectAttributes", {**wanted, name: value}, key="completed").body
    assert r.error("GetObjectAttributes", {**wanted, name: "x"}) == (400, "InvalidArgument")


@done("x-amz-object-ownership")
def ownership(r, name):
    for n, value in enumerate(("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")):
        assert r.s.do("PUT", f"/owned-{n}", headers={name: value}).status == 200
        answer = r.s.do("GET", f"/owned-{n}", query=[("ownershipControls", "")])
        assert f"<ObjectOwnership>{value}<".encode() in answer.body
    assert r.error("CreateBucket", {name: "Me"}) == (400, "InvalidArgument")


@done("x-amz-bucket-object-lock-enabled", "x-amz-bucket-namespace")
def harmless_bucket(r, name):
    value = {"x-amz-bucket-namespace": "global"}.get(name, "false")
    assert r.s.do("PUT", f"/{name[6:]}", headers={name: value}).status == 200


@done("x-amz-transition-default-minimum-object-size")
def transitions(r, name):
    size = "all_storage_classes_128K"
    for fields in ({}, {name: size}):
        assert r.send("PutBucketLifecycleConfiguration", fields).headers[name] == size
    assert r.s.do("GET", "/photos", query=[("lifecycle", "")]).headers[name] == size


# --- what is not ---

# Of fields that are partly done: values that are refused, and where if not everywhere.
WRITES = ("PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload", "CreateMultipartUpload",
          "UploadPart", "UploadPartCopy")
NOT_DONE = {
    "x-amz-acl": ("authenticated-read", None),
    "x-amz-server-side-encryption": ("aws:kms", None),
    "x-amz-object-lock-legal-hold": ("ON", None),
    "x-amz-copy-source-range": ("bytes=0-1", ("CopyObject",)),
    "If-None-Match": ('"x"', WRITES),
    "If-Modified-Since": (PAST, (*WRITES, "DeleteObject")),
    "If-Unmodified-Since": (FUTURE, (*WRITES, "DeleteObject")),
    "Range": None,  # shown with what is done
    "x-amz-bucket-object-lock-enabled": ("true", None),
    "x-amz-bucket-namespace": ("account-regional", None),
    "x-amz-transition-default-minimum-object-size": ("varies_by_storage_class", None),
}


def names_of(entry):
    """The fields that an entry of the table means."""
    if not entry.endswith("*"):
        return [entry]
    return [name for name in fields_of_the_api() if is_in(name, [entry])]


def refused(r, name, operations, value="x"):
    before = r.snapshot()
    for operation in operations:
        error = (501, None) if operation == "HeadObject" else NO
        got = r.error(operation, {name: value})
        assert got == error, (operation, got)
        assert not r.told or name.lower() in r.told.lower() or "subresource" in r.told, r.told
    assert r.snapshot() == before


def ignored(r, name, operations):
    plain = r.s.do("HEAD", "/photos/k").names
    for operation in ("PutObject", "GetObject") if operations == ["all"] else operations:
        got = (r.send(operation, query=[(name[1:], "x")]) if name[0] == "?" else
               r.send(operation, {name: "x"}))
        assert got.status in (200, 204), (operation, got)
        assert name not in got.names
    assert r.s.do("HEAD", "/photos/k").names == plain


def shows(r, entry, operations, state):
    word = re.match(r"\w+", state).group()
    if word == "ignored":
        ignored(r, entry, operations)
    elif word == "refused":
        for name in names_of(entry):
            refused(r, name, operations)
    else:
        DONE[entry](r, entry)
        assert (word == "partly") == (entry in NOT_DONE)
    if word == "partly" and NOT_DONE[entry]:
        value, where = NOT_DONE[entry]
        refused(r, entry, where or operations, value)


@pytest.fixture
def asked(launch):
    (key, secret), other = BUCKETS["photos"], BUCKETS["documents"]
    return Requests(Service(launch(extra={"buckets": [
        {"name": "photos", "credentials": [
            {"access_key_id": key, "secret_access_key": secret, "create_buckets": True},
            {"token": TOKEN}]},
        {"name": "documents", "credentials": [
            {"access_key_id": other[0], "secret_access_key": other[1]}]}]})))


def test_header_fields_are_what_the_readme_says(asked):
    wrong, seen = {}, set()
    for names, operations, state in table():
        assert state.startswith(("done", "partly", "refused", "ignored")), state
        seen.update(names)
        for entry in names:
            try:
                shows(asked, entry, operations, state)
            except (AssertionError, KeyError) as e:
                wrong[entry] = repr(e)[:600]
    assert not wrong, "\n".join(f"{entry}: {why}" for entry, why in wrong.items())
    assert set(DONE) | set(NOT_DONE) <= seen

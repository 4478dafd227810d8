"""Every error that a client can be told: at least one request for each row of
common/s3proto/s3err.h, and the whole answer."""
import base64
import collections
import hashlib
import html
import re
import socket

import pytest
from test_post import FIELD, Form

from harness.memory_s3 import MemoryS3
from harness.orchestrator import BUCKETS
from harness.service import Service
from harness.signing import SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, Signer, amz_date
from harness.storage import ROOT
from harness.uploads import ByHand, document
from harness.wait import until

MIB = 1024 * 1024
OTHER = base64.b64encode(hashlib.md5(b"other").digest()).decode()
ETAG = '"%s"' % hashlib.md5(b"body").hexdigest()
DATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT")
CLOSE = {"connection": "close"}
REGION = {"x-amz-bucket-region": "us-east-1"}  # of 403 and 404 about a bucket

Error = collections.namedtuple("Error", "code status message")


def read_table():
    """The errors of s3err.h by name."""
    with open(f"{ROOT}/common/s3proto/s3err.h") as f:
        text = re.sub(r'"\s*\\\s*"', "", f.read())  # strings in several pieces
    rows = re.findall(r'^\tX\((\w+), "(\w+)", (\d+),[\s\\]*"(.*)"\)', text, re.M)
    assert len(rows) == text.count("\n\tX(")
    return {name: Error(code, int(status), message) for name, code, status, message in rows}


ERRORS = read_table()


# --- requests ---

class Request:
    """make(service, method) gives the bytes. methods: "GET HEAD" asks by both of them.
    cut: the client sends no more, and says so."""

    def __init__(self, methods, make, cut=False):
        self.methods, self.make, self.cut = methods.split(), make, cut

    def send(self, service, wire, method):
        wire.send(self.make(service, method))
        if self.cut:
            wire.s.shutdown(socket.SHUT_WR)


def signed(methods, target, body=b"", headers=None, key="photoskey", secret="photossecret", cut=False,
           **more):
    """target and headers: with {names} of what was prepared."""
    def make(service, method):
        path, _, query = target.format(**service.names).partition("?")
        pairs = [tuple(p.partition("=")[::2]) for p in query.split("&") if p]
        fields = {n: v.format(**service.names) for n, v in (headers or {}).items()}
        signer = Signer(service.host, key, secret)
        return signer.request(method, path, pairs, fields, body, **more) + body
    return Request(methods, make, cut)


def begun(target, size=100, **more):
    """An upload that announces its size and sends nothing of it."""
    return signed("PUT", target, length=False, payload="UNSIGNED-PAYLOAD",
                  fields={"content-length": str(size)}, **more)


def raw(data):
    return Request(data.split(b" ", 1)[0].decode("latin-1"), lambda service, method: data)


def presigned(**more):
    return Request("GET HEAD", lambda service, method: service.sign.presigned(
        method, "/photos/k", **more))


def chunked(variant, change=(b"", b""), size=4, trailer=None, flip=None):
    """change: what is replaced in the framing, and by what."""
    def make(service, method):
        head = service.sign.upload("/photos/k", variant, size, trailer and "x-amz-checksum-crc32",
                                   fields={"transfer-encoding": "chunked"})
        body = service.sign.chunked([b"body"], variant, trailer, flip).replace(*change)
        return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return Request("PUT", make)


def multipart(data, path=b"/photos"):
    return raw(b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n"
               b"Content-Length: %d\r\n\r\n%s" % (path, len(data), data))


def form(*args, path=b"/photos", **more):
    def make(service, method):
        fields = Form(service, *args, **more).fields
        data = b"".join(FIELD % (n.encode(), v.encode()) for n, v in fields.items())
        file = (b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\nbody'
                b"\r\n--b--\r\n")
        return multipart(data + file, path).make(service, method)
    return Request("POST", make)


def settings(subresource, text):
    return signed("PUT", f"/photos?{subresource}=", text)


def complete(*numbers):
    return signed("POST", "/photos/parts?uploadId={upload}",
                  document((n, '"%s"' % hashlib.md5(b"x").hexdigest()) for n in numbers))


def tags(*names):
    return b"<Tagging><TagSet>%s</TagSet></Tagging>" % b"".join(
        b"<Tag><Key>%s</Key><Value/></Tag>" % n for n in names)


def copy(source, target="/photos/copy"):
    return signed("PUT", target, headers={"x-amz-copy-source": source})


# --- answers ---

def fits(value, expected):
    if isinstance(expected, re.Pattern):
        return value is not None and expected.fullmatch(value)
    return value == expected


def check_head(answer, headers):
    expected = {"content-type": "application/xml", **headers}
    if answer.status == 503:
        expected["retry-after"] = "1"
    for field, value in expected.items():
        assert fits(answer.headers.get(field), value), (field, answer)
    assert sorted(answer.names) == sorted([
        *expected, "content-length", "date", "server", "x-amz-id-2", "x-amz-request-id"]), answer
    assert ("allow" in headers) == (answer.status == 405)
    assert ("content-range" in headers) == (answer.status == 416)


def check_document(answer, code, message):
    assert int(answer.headers["content-length"]) == len(answer.body)
    found = re.fullmatch(
        '<\\?xml version="1.0" encoding="UTF-8"\\?>\n<Error>\n  <Code>(.*)</Code>\n'
        '  <Message>(.*)</Message>\n(?:  <Resource>/.*</Resource>\n)?'
        f'  <RequestId>{answer.headers["x-amz-request-id"]}</RequestId>\n'
        f'  <HostId>{answer.headers["x-amz-id-2"]}</HostId>\n</Error>', answer.body.decode())
    assert found and found.group(1) == code and fits(html.unescape(found.group(2)), message), (
        code, message, answer)


def check(service, row):
    """The answers, as a whole, and whether the connection goes on."""
    name, request, status, code, message, headers = row
    expected = {field: value.format(**service.names) if isinstance(value, str) else value
                for field, value in headers.items()}
    for method in request.methods:
        with service.wire() as w:
            request.send(service, w, method)
            answer = w.answer(method)
            assert answer.status == status, (name, answer)
            check_head(answer, expected)
            if method != "HEAD":
                check_document(answer, code, message or ERRORS[name].message)
            if "connection" in headers:
                assert w.is_closed(), name
            else:  # nothing of the answer is left over, a body of HEAD neither
                w.send(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
                assert w.answer().headers["content-type"] == "application/json", name


# --- the table: (name in s3err.h, request, status, code, message, header fields) ---
# A message of None is the one in s3err.h. Fields that all answers have, and Retry-After
# with 503, are checked for all of them; others than these and those named here are not
# there.

EVERYDAY = [
    ("ACCESS_DENIED", raw(b"GET /photos/k HTTP/1.1\r\nHost: h\r\n\r\n"), 403, "AccessDenied",
     "Access denied", {}),
    ("ACCESS_DENIED", raw(b"HEAD /photos HTTP/1.1\r\nHost: h\r\n\r\n"), 403, "AccessDenied",
     "Access denied", REGION),
    ("ACCESS_DENIED", signed("GET HEAD", "/documents/k"), 403, "AccessDenied", "Access denied", {}),
    ("ACCESS_DENIED", signed("GET HEAD", "/theirs/k"), 403, "AccessDenied", "Access denied", {}),
    ("ACCESS_DENIED", signed("GET HEAD", "/photos/k", date="nonsense"), 403, "AccessDenied",
     "AWS authentication requires a valid x-amz-date header", {}),
    ("ACCESS_DENIED", presigned(date=amz_date(-1000), expires="1"), 403, "AccessDenied",
     "Request has expired", {}),
    ("ACCESS_DENIED", presigned(signed_headers="x-amz-a"), 403, "AccessDenied",
     "There were headers present in the request which were not signed", {}),
    ("ACCESS_DENIED", copy("documents/k"), 403, "AccessDenied", "Cross-bucket copy is not allowed", {}),
    ("ACCESS_DENIED", signed("PUT", "/another", key="docskey", secret="docssecret"), 403,
     "AccessDenied", re.compile("This credential may not create buckets: .*"), REGION),
    ("ACCESS_DENIED", signed("GET HEAD", "/photos/k", headers={"x-amz-expected-bucket-owner": "1"}),
     403, "AccessDenied", "x-amz-expected-bucket-owner is not the owner of the bucket, which is "
     "s3-orchestrator", {}),
    ("ACCESS_DENIED", form(sign=False), 403, "AccessDenied", "Access denied", REGION),
    ("ACCESS_DENIED", form(expires=-1), 403, "AccessDenied",
     "Invalid according to Policy: Policy expired.", {}),

    ("ACCESS_FORBIDDEN", raw(b"OPTIONS /photos/k HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\n"
                             b"Access-Control-Request-Method: GET\r\n\r\n"), 403, "AccessForbidden",
     None, {}),
    ("AUTH_HEADER_MALFORMED",
     signed("GET HEAD", "/photos/k", authorization="AWS4-HMAC-SHA256 Credential=photoskey"), 400,
     "AuthorizationHeaderMalformed",
     "The authorization header requires Credential, SignedHeaders and Signature.", {}),
    ("AUTH_QUERY_PARAMETERS", presigned(expires="0"), 400, "AuthorizationQueryParametersError",
     "X-Amz-Expires must be a number of seconds from 1 to 604800.", {}),
    ("INVALID_ACCESS_KEY_ID", signed("GET HEAD", "/photos/k", key="nobody"), 403,
     "InvalidAccessKeyId", None, {}),
    ("SIGNATURE_DOES_NOT_MATCH", signed("GET HEAD", "/photos/k", secret="wrong"), 403,
     "SignatureDoesNotMatch", None, {}),
    ("SIGNATURE_DOES_NOT_MATCH", chunked(SIGNED, flip=0), 403, "SignatureDoesNotMatch",
     "The chunk signature does not match the signature derived from the request.", CLOSE),
    ("SIGNATURE_DOES_NOT_MATCH",
     chunked(SIGNED_TRAILER, trailer={"x-amz-checksum-crc32": "26HkvA=="}, flip="trailer"), 403,
     "SignatureDoesNotMatch",
     "The trailer signature does not match the signature derived from the request.", CLOSE),
    ("REQUEST_TIME_TOO_SKEWED", signed("GET HEAD", "/photos/k", date=amz_date(-3600)), 403,
     "RequestTimeTooSkewed", None, {}),

    ("CONTENT_SHA256_MISMATCH",
     signed("PUT", "/photos/k", b"body", payload=hashlib.sha256(b"other").hexdigest()), 400,
     "XAmzContentSHA256Mismatch", None, CLOSE),
    ("BAD_DIGEST", signed("PUT", "/photos/k", b"body", headers={"content-md5": OTHER}), 400,
     "BadDigest", None, CLOSE),
    ("INVALID_DIGEST", signed("PUT", "/photos/k", b"body", headers={"content-md5": "x"}), 400,
     "InvalidDigest", "The Content-MD5 you specified is not valid.", {}),
    ("INCOMPLETE_BODY", begun("/photos/k", cut=True), 400, "IncompleteBody", None, CLOSE),
    ("INCOMPLETE_BODY", chunked(SIGNED, size=5), 400, "IncompleteBody",
     "The decoded body length does not match x-amz-decoded-content-length.", CLOSE),

    ("INVALID_REQUEST", signed("POST HEAD", "/"), 400, "InvalidRequest", "Invalid path format", {}),
    ("INVALID_REQUEST", signed("GET HEAD", "//k"), 400, "InvalidRequest", "Invalid path format", {}),
    ("INVALID_REQUEST", signed("GET HEAD", "/photos/%FF"), 400, "InvalidRequest",
     "The key is not valid UTF-8 text", {}),
    ("INVALID_REQUEST", chunked(SIGNED, change=(b"4;", b"z;")), 400, "InvalidRequest",
     "Streaming chunk framing is malformed.", CLOSE),
    ("INVALID_REQUEST", chunked(SIGNED, change=(b"4;", b"4000000000;")), 400, "InvalidRequest",
     "A streaming chunk exceeded the maximum permitted size.", CLOSE),
    ("INVALID_REQUEST", chunked(UNSIGNED_TRAILER, trailer={"x-amz-checksum-crc32": "26HkvA=="},
                                change=(b"crc32:", b"crc32 ")), 400, "InvalidRequest",
     "Streaming trailer block is malformed.", CLOSE),
    ("INVALID_REQUEST", copy("photos/k", "/photos/k"), 400, "InvalidRequest",
     re.compile("This copy request is illegal because it is trying to copy an object to itself .*"), {}),
    ("INVALID_REQUEST", copy("/versioned/k?versionId={marker}"), 400, "InvalidRequest",
     re.compile("The source of a copy request may not specifically refer to a delete marker .*"), {}),
    ("INVALID_REQUEST", raw(b"GET /photos HTTP/1.1\r\nHost: h\r\nAuthorization: AWS k:s\r\n\r\n"), 400,
     "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use "
     "AWS4-HMAC-SHA256.", {}),
    ("INVALID_REQUEST", raw(b"GARBAGE\r\n\r\n"), 400, "InvalidRequest", "malformed start line", CLOSE),
    ("INVALID_REQUEST", raw(b"GET /photos/k HTTP/3.0\r\nHost: h\r\n\r\n"), 505, "InvalidRequest",
     "only HTTP/1.0 and HTTP/1.1 are spoken here", CLOSE),

    ("INVALID_ARGUMENT", signed("PUT", "/photos/k?partNumber=0&uploadId={upload}", b"x"), 400,
     "InvalidArgument", "Part number must be between 1 and 10000", {}),
    ("INVALID_ARGUMENT", signed("PUT", "/photos/k?partNumber=10001&uploadId={upload}", b"x"), 400,
     "InvalidArgument", "Part number must be between 1 and 10000", {}),
    ("INVALID_ARGUMENT", signed("PUT", "/photos/k?partNumber=one&uploadId={upload}", b"x"), 400,
     "InvalidArgument", "Invalid part number", {}),
    ("INVALID_ARGUMENT", signed("GET HEAD", "/photos/k?partNumber=0"), 400, "InvalidArgument",
     "Part number must be between 1 and 10000", {}),
    ("INVALID_ARGUMENT", copy("photos/%zz"), 400, "InvalidArgument",
     "Invalid x-amz-copy-source encoding", {}),
    ("INVALID_ARGUMENT", copy("photos"), 400, "InvalidArgument", "Invalid x-amz-copy-source", {}),
    ("INVALID_ARGUMENT", signed("GET HEAD", "/photos/k?versionId=1"), 400, "InvalidArgument",
     "Invalid version id specified", {}),
    ("INVALID_URI", raw(b"GET /photos/%zz HTTP/1.1\r\nHost: h\r\n\r\n"), 400,
     "InvalidURI", None, {}),
    ("INVALID_URI", raw(b"HEAD /photos?a=%z HTTP/1.1\r\nHost: h\r\n\r\n"), 400, "InvalidURI", None, {}),

    ("INVALID_BUCKET_NAME", signed("PUT", "/ab"), 400, "InvalidBucketName",
     "The name of a bucket has 3 to 63 characters", {}),
    ("TOO_MANY_BUCKETS", signed("PUT", "/one-more"), 400, "TooManyBuckets",
     "An access key may have 100 buckets", {}),
    ("ILLEGAL_LOCATION", signed("PUT", "/one-more", b"<CreateBucketConfiguration><LocationConstraint>"
                                b"eu-west-1</LocationConstraint></CreateBucketConfiguration>"), 400,
     "IllegalLocationConstraintException", "The eu-west-1 location constraint is incompatible with "
     "this endpoint, which is in us-east-1", {}),
    ("BUCKET_ALREADY_EXISTS", signed("PUT", "/documents"), 409, "BucketAlreadyExists", None, {}),
    ("BUCKET_ALREADY_EXISTS", signed("PUT", "/theirs"), 409, "BucketAlreadyExists", None, {}),
    ("BUCKET_ALREADY_OWNED", signed("PUT", "/photos", headers={
        "x-amz-object-ownership": "ObjectWriter"}), 409, "BucketAlreadyOwnedByYou", None, {}),
    ("ACL_WITH_OWNERSHIP", signed("PUT", "/published", headers={"x-amz-acl": "public-read"}), 400,
     "InvalidBucketAclWithObjectOwnership", None, {}),
    ("BUCKET_NOT_EMPTY", signed("DELETE", "/versioned"), 409, "BucketNotEmpty", None, {}),

    ("INVALID_PART", complete(1, 3, 4), 400, "InvalidPart", "parts not uploaded: 3, 4", {}),
    ("INVALID_PART_ORDER", complete(2, 1), 400, "InvalidPartOrder", None, {}),
    ("ENTITY_TOO_SMALL", complete(1, 2), 400, "EntityTooSmall",
     "parts of less than 5 MiB, and not the last one: 1", {}),
    ("ENTITY_TOO_SMALL", form(extra=[["content-length-range", 5, 10]]), 400, "EntityTooSmall", None,
     CLOSE),
    ("ENTITY_TOO_LARGE", begun("/photos/k", MIB + 1), 413, "EntityTooLarge", None, CLOSE),
    ("ENTITY_TOO_LARGE", begun("/photos/parts?partNumber=1&uploadId={upload}", MIB + 1), 413,
     "EntityTooLarge", "Part size exceeds the maximum allowed size", CLOSE),
    ("POST_TOO_LARGE", form(extra=[["content-length-range", 0, 3]]), 400, "EntityTooLarge", None, CLOSE),

    ("ILLEGAL_VERSIONING", settings("versioning", b"<VersioningConfiguration/>"), 400,
     "IllegalVersioningConfigurationException",
     "The Versioning element must be specified: <Status> is missing", {}),
    ("INVALID_TAG", settings("tagging", tags(b"aws:x")), 400, "InvalidTag",
     "Your TagKey cannot be prefixed with aws:", {}),
    ("BAD_REQUEST", signed("PUT", "/photos/k?tagging=", tags(*(b"%d" % n for n in range(11)))), 400,
     "BadRequest", "Object tags cannot be greater than 10", {}),
    ("BAD_REQUEST", raw(b"OPTIONS /photos/k HTTP/1.1\r\nHost: h\r\n\r\n"), 400, "BadRequest",
     "Insufficient information. Origin request header needed.", {}),
    ("ACL_NOT_SUPPORTED", signed("PUT", "/photos?acl=", headers={"x-amz-acl": "public-read"}), 400,
     "AccessControlListNotSupported", None, {}),
    ("MALFORMED_ACL", signed("PUT", "/photos/k?acl=", b"x", headers={"x-amz-acl": "private"}), 400,
     "MalformedACLError", None, {}),
    ("KEY_TOO_LONG", signed("GET HEAD", "/photos/" + "k" * 1025), 400, "KeyTooLongError", None, {}),
    ("KEY_REQUIRED", form({"key": "${filename}"}), 400, "UserKeyMustBeSpecified", None, {}),
    ("MALFORMED_XML", signed("POST", "/photos?delete=", b"<Delete>"), 400, "MalformedXML", None, {}),
    ("MALFORMED_XML", signed("POST", "/photos/parts?uploadId={upload}", b"no"), 400, "MalformedXML",
     None, {}),
    ("MALFORMED_XML", signed("POST", "/photos?delete=", b"<Delete/>"), 400, "MalformedXML",
     "No objects specified for deletion", {}),
    ("MALFORMED_XML", signed("POST", "/photos?delete=", b"<Delete>%s</Delete>" % (
        b"<Object><Key>k</Key></Object>" * 1001)), 400, "MalformedXML",
     "DeleteObjects request may contain a maximum of 1000 objects", {}),
    ("MALFORMED_XML", signed("POST", "/photos?delete=", length=False,
                             fields={"content-length": str(4 * MIB + 1)}), 400, "MalformedXML",
     "The document is longer than 4194304 bytes", CLOSE),
    ("MALFORMED_POST", multipart(b"hello"), 400, "MalformedPOSTRequest", re.compile(".+"), CLOSE),
    ("POST_FIELDS_TOO_LARGE", multipart(FIELD % (b"key", b"k" * 20480)), 400,
     "MaxPostPreDataLengthExceededError", None, {}),
    ("INVALID_POLICY", form(policy="{"), 400, "InvalidPolicyDocument",
     "Invalid Policy: Invalid JSON.", {}),
    ("METADATA_TOO_LARGE", signed("PUT", "/photos/k", headers={"x-amz-meta-a": "b" * 2048}), 400,
     "MetadataTooLarge", "metadata size 2049 exceeds limit 2048", {}),
    ("METADATA_TOO_LARGE", signed("PUT", "/photos/k", fields={"x-amz-meta-a": "b\tc"}), 400,
     "MetadataTooLarge", "metadata contains invalid characters", {}),
    ("MISSING_CONTENT_LENGTH", signed("PUT", "/photos/k", length=False), 411, "MissingContentLength",
     None, {}),
    ("MISSING_CONTENT_LENGTH", signed("PUT", "/photos/parts?partNumber=1&uploadId={upload}",
                                      length=False), 411, "MissingContentLength", None, {}),
    ("HEADERS_TOO_LARGE", raw(b"GET /photos/k HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 501 + b"\r\n"),
     431, "RequestHeaderSectionTooLarge", "too many header fields", CLOSE),

    ("NO_SUCH_BUCKET", signed("GET HEAD", "/nowhere/k"), 404, "NoSuchBucket", None, {}),
    ("NO_SUCH_BUCKET", copy("nowhere/k"), 404, "NoSuchBucket", None, {}),
    ("NO_SUCH_KEY", signed("GET HEAD", "/photos/none"), 404, "NoSuchKey", None, {}),
    ("NO_SUCH_KEY", copy("photos/none"), 404, "NoSuchKey", None, {}),
    ("NO_SUCH_KEY", signed("GET HEAD", "/versioned/k"), 404, "NoSuchKey", None,
     {"x-amz-delete-marker": "true", "x-amz-version-id": "{marker}"}),
    ("NO_SUCH_UPLOAD", signed("DELETE", "/photos/parts?uploadId=none"), 404, "NoSuchUpload", None, {}),
    ("NO_SUCH_UPLOAD", signed("GET", "/photos/other?uploadId={upload}"), 404, "NoSuchUpload", None, {}),
    ("NO_SUCH_VERSION", signed("GET HEAD", "/photos/k?versionId=" + "0" * 26), 404, "NoSuchVersion",
     None, {}),
    ("NO_SUCH_TAG_SET", signed("GET", "/photos?tagging="), 404, "NoSuchTagSet", None, REGION),
    ("NO_SUCH_CORS", signed("GET", "/photos?cors="), 404, "NoSuchCORSConfiguration", None, REGION),
    ("NO_SUCH_LIFECYCLE", signed("GET", "/photos?lifecycle="), 404, "NoSuchLifecycleConfiguration",
     None, REGION),
    ("NO_SUCH_POLICY", signed("GET", "/photos?policy="), 404, "NoSuchBucketPolicy", None, REGION),
    ("NO_OWNERSHIP_CONTROLS", signed("GET", "/photos?ownershipControls="), 404,
     "OwnershipControlsNotFoundError", None, REGION),
    ("NO_PUBLIC_ACCESS_BLOCK", signed("GET", "/photos?publicAccessBlock="), 404,
     "NoSuchPublicAccessBlockConfiguration", None, REGION),
    ("NO_ENCRYPTION", signed("GET", "/photos?encryption="), 404,
     "ServerSideEncryptionConfigurationNotFoundError", None, REGION),
    ("NO_WEBSITE", signed("GET", "/photos?website="), 404, "NoSuchWebsiteConfiguration", None, REGION),
    ("NO_REPLICATION", signed("GET", "/photos?replication="), 404,
     "ReplicationConfigurationNotFoundError", None, REGION),
    ("NO_OBJECT_LOCK", signed("GET", "/photos?object-lock="), 404,
     "ObjectLockConfigurationNotFoundError", None, REGION),

    ("METHOD_NOT_ALLOWED", signed("POST", "/photos"), 405, "MethodNotAllowed",
     "Method not supported for bucket", {"allow": "GET, HEAD, PUT, DELETE"}),
    ("METHOD_NOT_ALLOWED", signed("PATCH", "/photos"), 405, "MethodNotAllowed",
     "Method not supported for bucket", {"allow": "GET, HEAD, PUT, POST, DELETE"}),
    ("METHOD_NOT_ALLOWED", signed("GET HEAD", "/photos?delete="), 405, "MethodNotAllowed",
     "Method not supported for bucket", {"allow": "POST"}),
    ("METHOD_NOT_ALLOWED", signed("POST", "/photos?tagging="), 405, "MethodNotAllowed",
     "Method not supported for bucket", {"allow": "GET, PUT, DELETE"}),
    ("METHOD_NOT_ALLOWED", signed("DELETE", "/photos"), 405, "MethodNotAllowed",
     "buckets of the configuration are removed there", {"allow": "GET, HEAD, PUT, POST"}),
    ("METHOD_NOT_ALLOWED", signed("POST PATCH", "/photos/k"), 405, "MethodNotAllowed",
     "Method not supported", {"allow": "GET, HEAD, PUT, DELETE"}),
    ("METHOD_NOT_ALLOWED", signed("HEAD", "/photos/k?uploadId={upload}"), 405, "MethodNotAllowed",
     "Method not supported", {"allow": "GET, PUT, POST, DELETE"}),
    ("METHOD_NOT_ALLOWED", signed("GET HEAD", "/versioned/k?versionId={marker}"), 405,
     "MethodNotAllowed", "Method not supported",
     {"allow": "DELETE", "last-modified": DATE, "x-amz-delete-marker": "true",
      "x-amz-version-id": "{marker}"}),
    ("METHOD_NOT_ALLOWED", form(path=b"/photos/k"), 405, "MethodNotAllowed", "Method not supported",
     {"allow": "GET, HEAD, PUT, DELETE"}),

    ("PRECONDITION_FAILED", signed("PUT", "/photos/k", headers={"if-none-match": "*"}), 412,
     "PreconditionFailed", None, {}),
    ("PRECONDITION_FAILED", begun("/photos/k", headers={"if-none-match": "*", "expect": "100-continue"}),
     412, "PreconditionFailed", None, CLOSE),
    ("PRECONDITION_FAILED", signed("DELETE", "/photos/k", headers={"if-match": '"x"'}), 412,
     "PreconditionFailed", None, {}),
    ("PRECONDITION_FAILED", signed("GET HEAD", "/photos/k", headers={"if-match": '"x"'}), 412,
     "PreconditionFailed", None, {"etag": ETAG, "last-modified": DATE}),
    ("INVALID_RANGE", signed("GET HEAD", "/photos/k", headers={"range": "bytes=4-"}), 416, "InvalidRange",
     None, {"content-range": "bytes */4"}),
    ("INVALID_PART_NUMBER", signed("GET HEAD", "/photos/k?partNumber=2"), 416, "InvalidPartNumber",
     None, {"content-range": "bytes */4"}),

    ("NOT_IMPLEMENTED", signed("GET HEAD", "/photos/k?torrent="), 501, "NotImplemented",
     'object subresource "torrent" is not supported', {}),
    ("NOT_IMPLEMENTED", signed("GET HEAD", "/photos?inventory="), 501, "NotImplemented",
     'bucket subresource "inventory" is not supported', {}),
    ("NOT_IMPLEMENTED", signed("PUT", "/photos/k", headers={"x-amz-object-lock-mode": "GOVERNANCE"}),
     501, "NotImplemented", "header x-amz-object-lock-mode is not supported", {}),
    ("NOT_IMPLEMENTED", raw(b"PUT /photos/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n"),
     501, "NotImplemented", re.compile(".*[Tt]ransfer.*"), CLOSE),

    ("REQUEST_TIMEOUT", begun("/photos/k"), 400, "RequestTimeout", None, CLOSE),
    ("REQUEST_TIMEOUT", raw(b"POST /photos HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n"
                            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"), 400,
     "RequestTimeout", None, CLOSE),
    ("SLOW_DOWN", signed("POST", "/photos/another?uploads="), 503, "SlowDown",
     "Too many active multipart uploads", {}),
    ("INSUFFICIENT_STORAGE", signed("PUT", "/photos/k", b"x" * 500), 507, "InsufficientStorage",
     "No backend can accept a 500 byte upload; backend usage: disk1=506/1000", {}),
    ("INSUFFICIENT_STORAGE", signed("PUT", "/photos/parts?partNumber=3&uploadId={upload}", b"x" * 500),
     507, "InsufficientStorage",
     "No backend can accept a 500 byte upload; backend usage: disk1=506/1000", {}),
    ("INSUFFICIENT_STORAGE", copy("photos/half"), 507, "InsufficientStorage",
     "no backend has sufficient quota", {}),
]

# Those of keys that DeleteObjects does not delete: they stand in its answer.
ENTRIES = [
    ("KEY_REQUIRED", b"<Key/>", "UserKeyMustBeSpecified"),
    ("KEY_TOO_LONG", b"<Key>%s</Key>" % (b"k" * 1025), "KeyTooLongError"),
    ("NO_SUCH_VERSION", b"<Key>k</Key><VersionId>1</VersionId>", "NoSuchVersion"),
    ("NO_SUCH_KEY", b"<Key>none</Key><ETag>x</ETag>", "NoSuchKey"),
    ("PRECONDITION_FAILED", b"<Key>k</Key><ETag>x</ETag>", "PreconditionFailed"),
]

BACKEND_FAILS = [
    ("BACKEND_FAILED", signed("PUT", "/photos/new", b"x"), 502, "InternalError",
     "Failed to store object", {}),
    ("BACKEND_FAILED", signed("GET", "/photos/k"), 502, "InternalError",
     "Failed to retrieve object", {}),
    ("BACKEND_FAILED", copy("photos/k"), 502, "InternalError", "Failed to copy object", {}),
    ("BACKEND_FAILED", signed("PUT", "/photos/parts?partNumber=1&uploadId={upload}", b"x"), 502,
     "InternalError", "Failed to upload part", {}),
]

BACKEND_IS_BUSY = [
    ("BACKEND_BUSY", signed("PUT", "/photos/new", b"x"), 503, "SlowDown", None, {}),
    ("BACKEND_BUSY", signed("GET", "/photos/k"), 503, "SlowDown", None, {}),
]

# With one byte of egress in a month.
MONTH_IS_OVER = [
    ("USAGE_LIMITED", request, 429, "SlowDown", None, {}) for request in (
        signed("GET", "/photos/k"), signed("GET", "/photos/k?partNumber=1"),
        signed("GET", "/photos/k", headers={"range": "bytes=1-2"}))]

NO_WRITE = "database unavailable, writes are temporarily rejected"
NO_LIST = "listing unavailable during database outage"
DATABASE_IS_AWAY = [
    ("SERVICE_UNAVAILABLE", request, 503, "ServiceUnavailable", message, {}) for request, message in (
        (signed("GET HEAD", "/photos/k"), None),
        (signed("GET", "/photos/k?tagging="), None),
        (signed("GET", "/photos?versioning="), None),
        (signed("GET", "/created/k"), None),
        (signed("PUT", "/photos/new", b"x"), NO_WRITE),
        (copy("photos/k"), NO_WRITE),
        (signed("DELETE", "/photos/k"), NO_WRITE),
        (signed("POST", "/photos?delete=", b"<Delete><Object><Key>k</Key></Object></Delete>"), NO_WRITE),
        (signed("PUT", "/photos/k?tagging=", tags(b"a")), NO_WRITE),
        (settings("tagging", tags(b"a")), NO_WRITE),
        (signed("POST", "/photos/new?uploads="), NO_WRITE),
        (signed("PUT", "/photos/parts?partNumber=1&uploadId={upload}", b"x"), NO_WRITE),
        (complete(1), NO_WRITE),
        (signed("DELETE", "/photos/parts?uploadId={upload}"), NO_WRITE),
        (signed("GET", "/photos"), NO_LIST),
        (signed("GET", "/photos?list-type=2"), NO_LIST),
        (signed("GET", "/photos?versions="), NO_LIST),
        (signed("GET", "/photos?uploads="), NO_LIST),
        (signed("GET", "/photos/parts?uploadId={upload}"), NO_LIST),
        (signed("GET", "/"), NO_LIST),
    )]

UNPROVOKED = {
    "RATE_LIMITED": "the section rate_limit is not active yet",
    "INTERNAL_ERROR": "told of a key whose deletion ended as the catalogue never says",
}


# --- tests ---

def test_no_error_is_forgotten():
    rows = EVERYDAY + BACKEND_FAILS + BACKEND_IS_BUSY + MONTH_IS_OVER + DATABASE_IS_AWAY
    for name, _, status, code, _, _ in rows:
        # one status has no row of its own
        assert (code, status) == ERRORS[name][:2] or (name, status) == ("INVALID_REQUEST", 505)
    provoked = {row[0] for row in rows}
    assert provoked | UNPROVOKED.keys() == ERRORS.keys() and not provoked & UNPROVOKED.keys()


def prepare(service):
    """The object k, and an upload."""
    service.put("k")
    service.names = {"upload": ByHand(service, "parts").id}
    return service


@pytest.fixture
def everyday(launch, directories):
    """With little room and little patience."""
    (key, secret), other = BUCKETS["photos"], BUCKETS["documents"]
    o = launch(directories(1, quota=1000), {
        "server": {"max_object_size": "1MiB", "read_timeout": "2s", "read_header_timeout": "2s"},
        "buckets": [{"name": "photos", "max_multipart_uploads": 1, "credentials": [
            {"access_key_id": key, "secret_access_key": secret, "create_buckets": True}]},
            {"name": "documents", "credentials": [
                {"access_key_id": other[0], "secret_access_key": other[1]}]}]}, processes=1)
    s = prepare(Service(o))
    s.put("half", b"x" * 500)
    # Until it has looked again, only the reservation knows how little room is left.
    until(lambda: b"No backend can" in s.do("PUT", "/photos/k", b"x" * 500).body)
    for n in ("1", "2"):
        part = [("uploadId", s.names["upload"]), ("partNumber", n)]
        assert s.do("PUT", "/photos/parts", b"x", query=part).status == 200
    versioned = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    assert s.do("PUT", "/versioned").status == 200
    assert s.do("PUT", "/versioned", versioned, query=[("versioning", "")]).status == 200
    s.names["marker"] = s.do("DELETE", "/versioned/k").headers["x-amz-version-id"]
    o.sql("INSERT INTO buckets (bucket, owner) SELECT 'many-' || n, 'photoskey'"
          " FROM generate_series(1, 99) n UNION SELECT 'theirs', 'somebody'")
    return s


def test_everyday_errors(everyday):
    s = everyday
    for row in EVERYDAY:
        check(s, row)
    answer = s.do("POST", "/photos", b"<Delete>%s</Delete>" % b"".join(
        b"<Object>%s</Object>" % item for _, item, _ in ENTRIES), query=[("delete", "")])
    told = re.findall("<Error>.*?<Code>(.*?)</Code><Message>(.*?)</Message></Error>",
                      answer.body.decode())
    assert answer.status == 200
    assert told == [(code, ERRORS[name].message) for name, _, code in ENTRIES]
    assert s.stored("k") == b"body" and s.count() == 3  # nothing was done


def test_limits_of_the_month(launch, directories):
    disk, = directories(1)
    config = {**disk.config(), "egress_byte_limit": 1}
    disk.config = lambda: config
    s = prepare(Service(launch([disk], processes=1)))
    for row in MONTH_IS_OVER:
        check(s, row)


class Failing(MemoryS3):
    """It says what is wrong with it, when something is."""
    failure = None

    def put(self, path, length, read):
        body = read(length)
        return self.failure or super().put(path, length, lambda _: body)

    def copy(self, *args):
        return self.failure or super().copy(*args)

    def get(self, *args):
        return self.failure or super().get(*args)


def test_outages(own_postgres, launch):
    backend = Failing("remote")
    s = prepare(Service(launch(
        [backend], {"server": {"backend_timeout": "1s"}, "circuit_breaker": {"failure_threshold": 1}},
        postgres=own_postgres, processes=1)))
    for failure, rows in (((500, "InternalError"), BACKEND_FAILS), ((503, "SlowDown"), BACKEND_IS_BUSY)):
        backend.failure = MemoryS3.error(*failure)
        for row in rows:
            check(s, row)
    backend.failure = None
    own_postgres.stop()
    for row in DATABASE_IS_AWAY:
        check(s, row)
    own_postgres.start()

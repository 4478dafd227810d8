"""Uploads of browsers: HTML forms with a signed policy."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
import urllib.parse
import zlib
from xml.etree import ElementTree

import pytest
import requests

from harness.signing import CHECKSUMS, Signer, amz_date, b64
from harness.wait import until

KIB = 1024
MIB = 1024 * KIB


def expiration(seconds=300):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + seconds))


class Form:
    """A form of the bucket photos: conditions for all fields, unless told otherwise."""

    def __init__(self, service, fields=None, conditions=None, extra=(), policy=None,
                 key="photoskey", secret="photossecret", sign=True, expires=300):
        signer = Signer(service.host, key, secret)
        date = amz_date()
        self.s = service
        self.fields = {"key": "k", **(fields or {})}
        if sign:
            self.fields.update({"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": date,
                                "x-amz-credential": f"{key}/{signer.scope(date)}"})
        if conditions is None:
            conditions = [{n: v} for n, v in self.fields.items()] + [{"bucket": "photos"}]
        if policy is None:
            policy = json.dumps({"expiration": expiration(expires),
                                 "conditions": conditions + list(extra)})
        if sign:
            self.fields["policy"] = base64.b64encode(policy.encode()).decode()
            self.fields["x-amz-signature"] = hmac.new(
                signer.signing_key(date), self.fields["policy"].encode(), hashlib.sha256).hexdigest()
        self.fields = {n: v for n, v in self.fields.items() if v is not None}

    def post(self, body=b"body", name="file.txt", path="/photos", after=None, **more):
        files = [(n, (None, v)) for n, v in self.fields.items()] + [("file", (name, body))] + [
            (n, (None, v)) for n, v in (after or {}).items()]
        return requests.post(self.s.o.endpoint + path, files=files, allow_redirects=False,
                             timeout=60, **more)

    def refused(self, **more):
        """Status, code and message of an answer that refuses the form."""
        answer = self.post(**more)
        root = ElementTree.fromstring(answer.content)
        return answer.status_code, root.findtext("Code"), root.findtext("Message")


def code(form, **more):
    return form.refused(**more)[:2]


# --- what is stored ---

def test_generated_by_boto(orchestrator):
    s3 = orchestrator.s3()
    post = s3.generate_presigned_post(
        "photos", "uploads/${filename}", Fields={"acl": "private", "Content-Type": "text/plain"},
        Conditions=[{"acl": "private"}, ["starts-with", "$Content-Type", "text/"],
                    ["content-length-range", 1, 5 * MIB]])
    body = os.urandom(3 * MIB)
    answer = requests.post(post["url"], data=post["fields"], files={"file": ("a b.txt", body)},
                           timeout=60)
    assert answer.status_code == 204 and answer.content == b"", answer.text
    assert answer.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert answer.headers["location"] == f"{orchestrator.endpoint}/photos/uploads/a%20b.txt"
    found = s3.get_object(Bucket="photos", Key="uploads/a b.txt")
    assert found["Body"].read() == body and found["ContentType"] == "text/plain"
    until(lambda: {"s3.PostObject", "storage.PostObject"} <=
          {line.get("event") for line in orchestrator.audit()}, what="it is logged")


def test_curl(orchestrator, workdir):
    post = orchestrator.s3().generate_presigned_post("photos", "curled")
    with open(f"{workdir}/body", "wb") as f:
        f.write(os.urandom(2 * MIB))
    fields = [x for n, v in post["fields"].items() for x in ("-F", f"{n}={v}")]
    for more in ([], ["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"], ["-0"]):
        done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *more, *fields,
                               "-F", f"file=@{workdir}/body", post["url"]],
                              stdout=subprocess.PIPE, timeout=60)
        assert done.stdout == b"204", more
    with open(f"{workdir}/body", "rb") as f:
        assert orchestrator.s3().get_object(Bucket="photos", Key="curled")["Body"].read() == f.read()


def test_fields_are_kept_with_the_object(service):
    s = service
    fields = {"Content-Type": "image/png", "Cache-Control": "no-cache", "Expires": "never",
              "Content-Disposition": 'attachment; filename="x.png"', "Content-Encoding": "br",
              "x-amz-meta-Colour": "deep blue", "x-amz-storage-class": "STANDARD",
              "acl": "bucket-owner-full-control", "x-amz-server-side-encryption": "AES256"}
    assert Form(s, fields).post().status_code == 204
    head = s.do("HEAD", "/photos/k").headers
    for name in ("Content-Type", "Cache-Control", "Expires", "Content-Disposition",
                 "Content-Encoding", "x-amz-meta-Colour"):
        assert head[name.lower()] == fields[name], name
    # Names have no case, and what is said of the part is not said of the object.
    form = Form(s, {"KEY": "upper", "key": None}, conditions=[
        {"BuCkEt": "photos"}, ["StArTs-WiTh", "$kEy", "up"], ["starts-with", "$X-Amz-Date", ""],
        ["starts-with", "$x-amz-credential", ""], ["starts-with", "$x-amz-algorithm", ""]])
    assert form.post().status_code == 204
    assert s.do("HEAD", "/photos/upper").headers["content-type"] == "application/octet-stream"


def test_the_name_of_the_file_goes_into_the_key(service):
    s = service
    free = [{"bucket": "photos"}] + [["starts-with", f"${n}", ""] for n in (
        "key", "x-amz-date", "x-amz-credential", "x-amz-algorithm")]
    for name, stored in (("a.txt", "in/a.txt/a.txt"), ("C:\\dir\\b.txt", "in/b.txt/b.txt"),
                         ("dir/c.txt", "in/c.txt/c.txt"), ("ü.txt", "in/ü.txt/ü.txt")):
        form = Form(s, {"key": "in/${filename}/${filename}"}, free)
        head = "".join(f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
                       for n, v in form.fields.items())
        body = (head + f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"'
                "\r\n\r\nbody\r\n--b--\r\n").encode()
        answer = requests.post(s.o.endpoint + "/photos", data=body, timeout=20,
                               headers={"Content-Type": 'multipart/form-data; boundary="b"'})
        assert answer.status_code == 204, answer.text
        assert s.o.s3().head_object(Bucket="photos", Key=stored)
    # A policy is about the key as it will be.
    form = Form(s, {"key": "${filename}"}, free[:1] + free[2:] + [["starts-with", "$key", "safe/"]])
    assert code(form, name="evil") == (403, "AccessDenied")
    assert code(Form(s, {"key": "${filename}"}, free), name="") == (400, "UserKeyMustBeSpecified")


def test_bytes_that_look_like_the_boundary(service):
    s = service
    form = Form(s)
    for body in (b"", b"\r\n", b"\r\n--", b"\r\n--b", b"\r\n\r\n--boundar\r\n--boundarx\r\r\n-",
                 b"\r" * 100000, os.urandom(500000)):
        head = "".join(f'--boundary\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
                       for n, v in form.fields.items()).encode()
        data = b"preamble\r\n" + head + (
            b'--boundary  \r\ncontent-disposition:form-data;name=file;filename=x\r\n\r\n' + body +
            b"\r\n--boundary--\r\nepilogue")
        # Cut into pieces, so that delimiters are cut, too.
        pieces = [data[i:i + 7919] for i in range(0, len(data), 7919)]
        answer = requests.post(s.o.endpoint + "/photos", data=iter(pieces), timeout=20, headers={
            "Content-Type": "multipart/form-data; boundary=boundary"})
        assert answer.status_code == 204, answer.text
        assert s.stored("k") == body


# --- answers ---

def test_success_actions(service):
    s = service
    etag = hashlib.md5(b"body").hexdigest()
    for asked, status in (("200", 200), ("201", 201), ("204", 204), ("404", 204), ("x", 204)):
        answer = Form(s, {"key": "a b&c", "success_action_status": asked}).post()
        assert answer.status_code == status and answer.headers["etag"] == f'"{etag}"'
        location = f"{s.o.endpoint}/photos/a%20b%26c"
        assert answer.headers["location"] == location
        if status != 201:
            assert answer.content == b""
            continue
        root = ElementTree.fromstring(answer.content)
        assert [root.findtext("{*}" + n) for n in ("Location", "Bucket", "Key", "ETag")] == [
            location, "photos", "a b&c", f'"{etag}"']
    result = f"bucket=photos&key=a%20b%26c&etag=%22{etag}%22"
    for url, location in (("http://here/done", f"http://here/done?{result}"),
                          ("https://here/?a=b", f"https://here/?a=b&{result}"),
                          ("https://here/x#end", f"https://here/x?{result}#end")):
        for field in ("success_action_redirect", "redirect"):
            answer = Form(s, {"key": "a b&c", field: url}).post()
            assert answer.status_code == 303 and answer.headers["location"] == location
    for url in ("javascript:alert(1)", "/relative", "http://a b/", ""):
        assert Form(s, {"success_action_redirect": url}).post().status_code == 204, url


def test_the_connection_lives_on(service):
    s = service
    with requests.Session() as session:
        for _ in range(3):
            request = Form(s).post
            files = [(n, (None, v)) for n, v in Form(s).fields.items()] + [("file", os.urandom(MIB))]
            answer = session.post(s.o.endpoint + "/photos", files=files, timeout=20)
            assert answer.status_code == 204 and "connection" not in answer.headers
    assert request().status_code == 204


# --- who may ---

def test_who_signed_it(service):
    s = service
    assert code(Form(s, sign=False)) == (403, "AccessDenied")
    assert code(Form(s, key="unknown")) == (403, "InvalidAccessKeyId")
    assert code(Form(s, secret="wrong")) == (403, "SignatureDoesNotMatch")
    form = Form(s)
    form.fields["policy"] = form.fields["policy"][:-4] + "AAAA"
    assert code(form) == (403, "SignatureDoesNotMatch")
    for name, value, expected in (
            ("x-amz-algorithm", "AWS4-HMAC-SHA1", "InvalidRequest"),
            ("x-amz-algorithm", None, "InvalidRequest"), ("x-amz-date", None, "InvalidArgument"),
            ("x-amz-date", "20200101T000000Z", "InvalidArgument"),
            ("x-amz-credential", "photoskey", "InvalidArgument"),
            ("x-amz-credential", None, "InvalidArgument"),
            ("x-amz-signature", None, "InvalidArgument")):
        form = Form(s)
        form.fields.pop(name)
        if value:
            form.fields[name] = value
        assert code(form) == (400, expected), (name, value)
    other = Form(s, key="docskey", secret="docssecret", conditions=[])
    assert code(other) == (403, "AccessDenied")
    assert code(Form(s), path="/absent") == (404, "NoSuchBucket")
    assert code(Form(s), path="/photos/k") == (405, "MethodNotAllowed")
    assert code(Form(s), path="/photos?delete")[0] == 403
    assert code(Form(s), path="/") == (400, "InvalidRequest")
    assert s.count() == 0
    assert Form(s).post().status_code == 204


# --- the policy ---

def test_policies_that_are_none(service):
    s = service
    good = {"expiration": expiration(), "conditions": [{"bucket": "photos"}]}
    for policy in ("", "{", "[]", "null", "{}", '{"expiration": 5, "conditions": []}',
                   json.dumps({**good, "expiration": "tomorrow"}),
                   json.dumps({**good, "expiration": "2099-01-01 00:00:00Z"}),
                   json.dumps({"expiration": expiration()}),
                   json.dumps({"EXPIRATION": expiration(), "conditions": []}),
                   json.dumps({**good, "conditions": {}}),
                   json.dumps({**good, "conditions": ["x"]}),
                   json.dumps({**good, "conditions": [["eq", "$key"]]}),
                   json.dumps({**good, "conditions": [["eq", "key", "k"]]}),
                   json.dumps({**good, "conditions": [["like", "$key", "k"]]}),
                   json.dumps({**good, "conditions": [{"key": 5}]}),
                   json.dumps({**good, "conditions": [["content-length-range", -1, 5]]}),
                   json.dumps({**good, "conditions": [["content-length-range", 5]]}),
                   json.dumps({**good, "conditions": [["content-length-range", 1, "x"]]}),
                   "[" * 5000 + "]" * 5000):
        expected = (400, "InvalidPolicyDocument") if policy else (403, "AccessDenied")
        assert code(Form(s, policy=policy)) == expected, policy[:80]
    assert s.count() == 0


def test_conditions(service):
    s = service

    def denied(why, *args, **more):
        answer = Form(s, *args, **more).refused()
        assert answer[:2] == (403, "AccessDenied") and f"Invalid according to Policy: {why}" in answer[2]

    denied("Policy expired.", expires=-1)
    denied('Policy Condition failed: ["eq", "$key", "other"]', extra=[["eq", "$key", "other"]])
    denied('Policy Condition failed: ["starts-with", "$key", "x"]',
           extra=[["starts-with", "$key", "x"]])
    denied('Policy Condition failed: ["eq", "$bucket", "documents"]', extra=[{"bucket": "documents"}])
    denied('Policy Condition failed: ["eq", "$x-amz-meta-a", "b"]', extra=[{"x-amz-meta-a": "b"}])
    for name in ("x-amz-meta-a", "Content-Type", "acl", "success_action_redirect", "submit"):
        form = Form(s)
        form.fields[name] = "private"
        answer = form.refused()
        assert answer[:2] == (403, "AccessDenied") and f"Extra input fields: {name}" in answer[2]
    # The bucket has to be named, too.
    form = Form(s, conditions=[["starts-with", f"${n}", ""] for n in (
        "key", "x-amz-date", "x-amz-credential", "x-amz-algorithm")])
    assert "Extra input fields: bucket" in form.refused()[2]
    assert s.count() == 0
    form = Form(s)
    form.fields["x-ignore-me"] = "anything"
    assert form.post(after={"unknown": "x", "key": "behind the file"}).status_code == 204
    assert s.stored("k") == b"body"
    types = [["starts-with", "$Content-Type", "image/"]]
    assert Form(s, {"Content-Type": "image/png, image/gif"}, extra=types).post().ok
    assert code(Form(s, {"Content-Type": "image/png,text/html"}, extra=types)) == (
        403, "AccessDenied")
    dollar = json.dumps({"expiration": expiration(), "conditions": [
        {"bucket": "photos"}, ["eq", "$key", "DOLLAR5"]] + [
            ["starts-with", f"${n}", ""] for n in ("x-amz-date", "x-amz-credential",
                                                   "x-amz-algorithm")]}).replace("DOLLAR", "\\$")
    assert Form(s, {"key": "$5"}, policy=dollar).post().status_code == 204


def test_sizes(service):
    s = service
    within = [["content-length-range", 4, 100000]]
    for size, expected in ((3, (400, "EntityTooSmall")), (100001, (400, "EntityTooLarge")),
                           (MIB, (400, "EntityTooLarge"))):
        assert code(Form(s, extra=within), body=b"x" * size) == expected, size
    assert s.count() == 0
    for size in (4, 100000):
        assert Form(s, extra=within).post(b"x" * size).status_code == 204
    both = within + [["content-length-range", "0", "10"]]
    assert code(Form(s, extra=both), body=b"x" * 11) == (400, "EntityTooLarge")
    assert code(Form(s, extra=[["content-length-range", 0, 1 << 40]]),
                body=b"x" * (64 * MIB + 1)) == (413, "EntityTooLarge")


# --- what is refused ---

def test_what_is_not_built_is_refused_by_name(service):
    s = service
    for name, value in (("acl", "public-read-write"), ("tagging", "<Tagging/>"),
                        ("x-amz-copy-source", "/photos/k"),
                        ("x-amz-server-side-encryption", "aws:kms"),
                        ("x-amz-website-redirect-location", "/x"),
                        ("x-amz-checksum-md4", "AAAA")):
        answer = Form(s, {name: value}).refused()
        assert answer[:2] == (501, "NotImplemented") and name in answer[2], name
    assert code(Form(s, {"x-amz-meta-a": "v" * 3000})) == (400, "MetadataTooLarge")
    assert code(Form(s, {"x-amz-meta-a": "b\r\nc: d"})) == (400, "InvalidArgument")
    assert code(Form(s, {"Content-Encoding": "aws-chunked"})) == (400, "InvalidRequest")
    assert code(Form(s), headers={"x-amz-expected-bucket-owner": "1"}) == (403, "AccessDenied")
    assert code(Form(s, {"key": "k" * 1025})) == (400, "KeyTooLongError")
    assert code(Form(s, {"key": None})) == (400, "InvalidArgument")
    assert s.count() == 0
    assert Form(s).post().ok
    assert code(Form(s), headers={"If-None-Match": "*"}) == (412, "PreconditionFailed")


def test_checksums(service):
    s = service
    for name, of in CHECKSUMS.items():
        field = f"x-amz-checksum-{name}"
        assert Form(s, {field: b64(of(b"body"))}).post().status_code == 204, name
        assert code(Form(s, {field: b64(of(b"else"))})) == (400, "BadDigest"), name
        assert code(Form(s, {field: "%%"})) == (400, "InvalidRequest"), name
    assert Form(s, {"Content-MD5": b64(hashlib.md5(b"body").digest())}).post().status_code == 204
    crc = b64(zlib.crc32(b"body").to_bytes(4, "big"))
    form = Form(s, {"x-amz-checksum-crc32": crc})
    assert form.post(b"else").status_code == 400
    assert s.stored("k") == b"body"


FIELD = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
MALFORMED = {
    "not a form": b"hello",
    "no name": b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    "no disposition": b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
    "attachment": b'--b\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--b--\r\n',
    "open quote": b'--b\r\nContent-Disposition: form-data; name="a\r\n\r\nx\r\n--b--\r\n',
    "bare line feed": b'--b\r\nContent-Disposition: form-data; name="a"\n\nx\r\n--b--\r\n',
    "cut off": FIELD % (b"key", b"k"),
    "no colon": b"--b\r\nContent-Disposition\r\n\r\nx\r\n--b--\r\n",
    "boundary goes on": b"--bc\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(service, name):
    answer = requests.post(service.o.endpoint + "/photos", data=MALFORMED[name], timeout=20,
                           headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert (answer.status_code, b"<Code>MalformedPOSTRequest<" in answer.content) == (400, True)


def test_limits_of_a_form(service):
    s = service

    def post(data, content_type="multipart/form-data; boundary=b"):
        answer = requests.post(s.o.endpoint + "/photos", data=data, timeout=20,
                               headers={"Content-Type": content_type})
        return answer.status_code, ElementTree.fromstring(answer.content).findtext("Code")

    too_large = (400, "MaxPostPreDataLengthExceededError")
    assert post(FIELD % (b"key", b"k" * 20 * KIB)) == too_large
    assert post(b"x" * 30 * KIB) == too_large
    assert post((FIELD % (b"x-ignore-a", b"")) * 1000) == too_large
    assert post(b"--b\r\nA: " + b"x" * 30 * KIB) == too_large
    assert post(FIELD % (b"key", b"k") + b"--b--\r\n") == (400, "InvalidArgument")
    for boundary in ("", "; boundary=", "; boundary=" + "b" * 71, '; boundary="b', "; boundary=ü"):
        content_type = f"multipart/form-data{boundary}".encode()
        expected = (400, "MalformedPOSTRequest")
        if boundary != '; boundary="b':
            assert post(b"--b\r\n", content_type) == expected, boundary
    form = Form(s)
    twice = b"".join(FIELD % (n.encode(), v.encode()) for n, v in form.fields.items())
    file = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nbody'
    assert post(twice + FIELD % (b"KEY", b"k") + file + b"\r\n--b--") == (400, "InvalidArgument")
    # Cut off within the file.
    assert post(twice + file) == (400, "IncompleteBody")
    assert post(twice + file + b"\r\n--") == (400, "IncompleteBody")
    assert s.count() == 0
    with s.wire() as w:
        w.send(b"POST /photos HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b"
               b"\r\n\r\n")
        assert w.answer().error == (411, "MissingContentLength")


def test_a_client_that_leaves_within_the_file(service):
    s = service
    with s.wire() as w:
        data = b"".join(FIELD % (n.encode(), v.encode()) for n, v in Form(s).fields.items()) + (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"x" * 100000)
        w.send(b"POST /photos HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n"
               b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + data)
    until(lambda: [line for line in s.o.audit() if line.get("event") == "s3.PostObject"],
          what="it has ended")
    assert s.count() == 0


def test_virtual_host_style(launch):
    from harness.service import Service
    s = Service(launch(extra={"server": {"domain": "s3.example.com"}}))
    answer = Form(s, {"success_action_status": "201"}).post(
        path="/", headers={"Host": "photos.s3.example.com"})
    assert answer.status_code == 201
    assert answer.headers["location"] == "http://photos.s3.example.com/k"
    assert s.stored("k") == b"body"
    assert urllib.parse.urlsplit(Form(s).post().headers["location"]).path == "/photos/k"

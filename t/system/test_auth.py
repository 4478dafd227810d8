"""Who may ask, in which form, and what the answers look like on the wire. Requests
are signed here by hand, so that they can be wrong in one place at a time."""
import base64
import calendar
import hashlib
import hmac
import re
import socket
import ssl
import subprocess
import time
import zlib
from urllib.parse import quote

import pytest

from harness.orchestrator import BUCKETS
from harness.wait import until

KIB = 1024
MIB = 1024 * KIB
EMPTY = hashlib.sha256(b"").hexdigest()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = SIGNED + "-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
TOKEN = "a-legacy-token"


def amz_date(offset=0):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + offset))


def mac(key, text):
    return hmac.new(key, text.encode() if isinstance(text, str) else text, hashlib.sha256).digest()


def b64(data):
    return base64.b64encode(data).decode()


def reflected_crc(data, polynomial, bits):
    ones = (1 << bits) - 1
    crc = ones
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    return (crc ^ ones).to_bytes(bits // 8, "big")


CHECKSUMS = {
    "crc32": lambda d: zlib.crc32(d).to_bytes(4, "big"),
    "crc32c": lambda d: reflected_crc(d, 0x82F63B78, 32),
    "crc64nvme": lambda d: reflected_crc(d, 0x9A6C9329AC4BC9B5, 64),
    "sha1": lambda d: hashlib.sha1(d).digest(),
    "sha256": lambda d: hashlib.sha256(d).digest(),
}


class Signer:
    """SigV4 by hand. path is encoded as it goes over the wire, query is a list of
    pairs."""

    def __init__(self, host, key="photoskey", secret="photossecret", region="us-east-1"):
        self.host, self.key, self.secret, self.region = host, key, secret, region

    def scope(self, date):
        return f"{date[:8]}/{self.region}/s3/aws4_request"

    def signing_key(self, date):
        k = ("AWS4" + self.secret).encode()
        for part in self.scope(date).split("/"):
            k = mac(k, part)
        return k

    def signature(self, method, path, query, headers, payload, date):
        encoded = sorted((quote(n, safe="-._~"), quote(v, safe="-._~")) for n, v in query)
        canonical = "\n".join(
            [method, path, "&".join(f"{n}={v}" for n, v in encoded)] +
            [f"{n}:{v}" for n, v in sorted(headers.items())] +
            ["", ";".join(sorted(headers)), payload])
        return mac(self.signing_key(date), "\n".join(
            ["AWS4-HMAC-SHA256", date, self.scope(date),
             hashlib.sha256(canonical.encode()).hexdigest()])).hex()

    def request(self, method, path, query=(), headers=None, body=b"", payload=None, date=None,
                length=True, unsigned=(), **wrong):
        """The bytes of a request with its signature in the header, without body.
        wrong: authorization, fields, or the path that is sent in place of the one
        that was signed."""
        date = date or amz_date()
        payload = payload or hashlib.sha256(body).hexdigest()
        fields = {"host": self.host, "x-amz-date": date, "x-amz-content-sha256": payload}
        fields.update({n.lower(): v for n, v in (headers or {}).items()})
        signed = {n: v for n, v in fields.items() if n not in unsigned}
        self.seed = self.signature(method, path, query, signed, payload, date)
        self.date = date
        authorization = (f"AWS4-HMAC-SHA256 Credential={self.key}/{self.scope(date)}, "
                         f"SignedHeaders={';'.join(sorted(signed))}, Signature={self.seed}")
        fields["authorization"] = wrong.get("authorization", authorization)
        if length and (body or method in ("PUT", "POST")):
            fields["content-length"] = str(len(body))
        fields.update(wrong.get("fields", {}))
        target = wrong.get("sent", path)
        if query:
            target += "?" + "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in query)
        return head(method, target, fields)

    def presigned(self, method, path, expires="60", date=None, query=(), add="", headers=None,
                  algorithm="AWS4-HMAC-SHA256", signed_headers="host"):
        date = date or amz_date()
        query = list(query) + [
            ("X-Amz-Algorithm", algorithm), ("X-Amz-Credential", f"{self.key}/{self.scope(date)}"),
            ("X-Amz-Date", date), ("X-Amz-Expires", expires),
            ("X-Amz-SignedHeaders", signed_headers)]
        values = {n: self.host for n in signed_headers.split(";") if n}
        signature = self.signature(method, path, query, values, "UNSIGNED-PAYLOAD", date)
        target = path + "?" + "&".join(f"{n}={quote(v, safe='')}" for n, v in query)
        return head(method, f"{target}&X-Amz-Signature={signature}{add}",
                    {"host": self.host, **(headers or {})})

    def chunked(self, pieces, variant, trailers=None, flip=None):
        """The aws-chunked body of the request signed last. flip: index of a chunk
        whose signature is made wrong, or "trailer"."""
        previous, out = self.seed, b""
        key = self.signing_key(self.date)

        def link(algorithm, *lines):
            return mac(key, "\n".join([algorithm, self.date, self.scope(self.date), previous,
                                       *lines])).hex()

        for i, piece in enumerate(list(pieces) + [b""]):
            out += b"%x" % len(piece)
            if variant != UNSIGNED_TRAILER:
                previous = link("AWS4-HMAC-SHA256-PAYLOAD", EMPTY,
                                hashlib.sha256(piece).hexdigest())
                sent = wrong_hex(previous) if flip == i else previous
                out += b";chunk-signature=" + sent.encode()
            out += b"\r\n" + (piece + b"\r\n" if piece else b"")
        for name, value in (trailers or {}).items():
            out += f"{name}:{value}\r\n".encode()
        if variant == SIGNED_TRAILER:
            text = "".join(f"{n}:{v}\n" for n, v in sorted((trailers or {}).items()))
            signature = link("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(text.encode()).hexdigest())
            sent = wrong_hex(signature) if flip == "trailer" else signature
            out += f"x-amz-trailer-signature:{sent}\r\n".encode()
        return out + b"\r\n"

    def upload(self, path, variant, size, trailer=None, headers=None, **more):
        fields = {"content-encoding": "aws-chunked",
                  "x-amz-decoded-content-length": str(size), **(headers or {})}
        if trailer:
            fields["x-amz-trailer"] = trailer
        return self.request("PUT", path, headers={n: v for n, v in fields.items() if v is not None},
                            payload=variant, length=False, **more)


def wrong_hex(text):
    return ("1" if text[0] == "0" else "0") + text[1:]


def head(method, target, fields, version="1.1"):
    return "".join([f"{method} {target} HTTP/{version}\r\n"] +
                   [f"{n}: {v}\r\n" for n, v in fields.items()] + ["\r\n"]).encode()


def with_length(request, body):
    return request[:-2] + b"content-length: %d\r\n\r\n" % len(body) + body


class Answer:
    def __init__(self, status, lines, body):
        self.status, self.body = status, body
        self.names = [line.split(":", 1)[0].lower() for line in lines]
        self.headers = {n: line.split(":", 1)[1].strip() for n, line in zip(self.names, lines)}

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]}"

    @property
    def code(self):
        found = re.search(rb"<Code>(.*?)</Code>", self.body)
        return found and found.group(1).decode()

    @property
    def error(self):
        return self.status, self.code


class Wire:
    """A connection that speaks what it is told to."""

    def __init__(self, port, tls=None):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=20)
        if tls:
            self.s = tls.wrap_socket(self.s, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def send(self, data):
        self.s.sendall(data)
        return self

    def _more(self):
        block = self.s.recv(65536)
        self.buffer += block
        return block

    def answer(self, method="GET"):
        while b"\r\n\r\n" not in self.buffer:
            assert self._more(), f"closed after {self.buffer!r}"
        text, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status, *lines = text.decode("latin-1").split("\r\n")
        answer = Answer(int(status.split()[1]), lines, b"")
        n = int(answer.headers.get("content-length", 0))
        if method == "HEAD" or answer.status in (100, 204, 304):
            n = 0
        while len(self.buffer) < n:
            assert self._more(), "body cut off"
        answer.body, self.buffer = self.buffer[:n], self.buffer[n:]
        return answer

    def is_closed(self):
        """Waits for the server to close."""
        try:
            return not self.buffer and not self._more()
        except ConnectionResetError:
            return True


class Service:
    def __init__(self, orchestrator):
        self.o = orchestrator
        self.host = f"127.0.0.1:{orchestrator.port}"
        self.sign = Signer(self.host)

    def wire(self):
        return Wire(self.o.port)

    def ask(self, data, method="GET"):
        with self.wire() as w:
            return w.send(data).answer(method)

    def do(self, method, path, body=b"", **more):
        return self.ask(self.sign.request(method, path, body=body, **more) + body, method)

    def put(self, key, body=b"body", **more):
        answer = self.do("PUT", f"/photos/{key}", body, **more)
        assert answer.status == 200, answer
        return answer

    def stored(self, key):
        answer = self.do("GET", f"/photos/{key}")
        return answer.body if answer.status == 200 else None

    def count(self):
        return self.o.sql("SELECT count(*) FROM object_versions")[0][0]

    def rejections(self, reason):
        return self.o.metrics().get(
            f's3o_auth_streaming_rejections_total{{reason="{reason}"}}', 0)


@pytest.fixture
def service(launch):
    """Both kinds of credentials; its children must survive the test."""
    o = launch(extra={
        "server": {"max_object_size": "64MiB"},
        "buckets": [
            {"name": "photos", "credentials": [
                {"access_key_id": BUCKETS["photos"][0], "secret_access_key": BUCKETS["photos"][1]},
                {"token": TOKEN}]},
            {"name": "documents", "credentials": [
                {"access_key_id": BUCKETS["documents"][0],
                 "secret_access_key": BUCKETS["documents"][1]}]}]})
    before = sorted(o.children())
    yield Service(o)
    assert sorted(o.children()) == before


# --- who asks ---

def test_header_signature(service):
    s = service
    s.put("k", b"body")
    assert s.stored("k") == b"body"

    def get(**more):
        return s.do("GET", "/photos/k", **more).error

    assert get(payload="UNSIGNED-PAYLOAD") == (200, None)
    assert get(date=amz_date(-14 * 60 - 55)) == (200, None)
    assert get(date=amz_date(14 * 60 + 55)) == (200, None)
    assert get(date=amz_date(-15 * 60 - 5)) == (403, "RequestTimeTooSkewed")
    assert get(date=amz_date(15 * 60 + 5)) == (403, "RequestTimeTooSkewed")
    assert get(unsigned=("host",)) == (403, "AccessDenied")
    assert get(payload="junk") == (400, "InvalidArgument")
    assert get(payload="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD") == (400, "InvalidRequest")
    assert get(fields={"x-amz-date": "yesterday"}) == (403, "AccessDenied")
    for n in (-1, 1):  # the date that was signed is another one
        assert get(fields={"x-amz-date": amz_date(n * 60)})[0] == 403
    anyone = Signer(s.host, secret="wrong")
    assert s.ask(anyone.request("GET", "/photos/k")).error == (403, "SignatureDoesNotMatch")
    anyone = Signer(s.host, key="nobody")
    assert s.ask(anyone.request("GET", "/photos/k")).error == (403, "InvalidAccessKeyId")
    abroad = Signer(s.host, region="mars-north-7")
    assert s.ask(abroad.request("GET", "/photos/k")).status == 200


def test_malformed_authorization(service):
    s = service
    date = amz_date()
    scope = f"photoskey/{date[:8]}/us-east-1/s3/aws4_request"
    for text, error in (
            ("AWS4-HMAC-SHA256", (403, "AccessDenied")),
            ("AWS4-HMAC-SHA256 Credential", (400, "AuthorizationHeaderMalformed")),
            ("AWS4-HMAC-SHA256 ,,,=,=", (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential={scope}", (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential={scope[:-1]}, SignedHeaders=host, Signature=0",
             (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
             (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=Host, Signature=0",
             (403, "AccessDenied")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;host, Signature=0",
             (403, "AccessDenied")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=",
             (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'g' * 64}",
             (403, "SignatureDoesNotMatch")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}",
             (403, "SignatureDoesNotMatch")),
            ("AWS photoskey:c2lnbmF0dXJl", (403, "AccessDenied")),
            ("AWS4-ECDSA-P256-SHA256 Credential=x", (403, "AccessDenied")),
            ("Bearer x", (403, "AccessDenied")), ("", (403, "AccessDenied"))):
        answer = s.do("GET", "/photos/k", date=date, authorization=text)
        assert answer.error == error, text
    assert s.ask(head("GET", "/photos/k", {"host": "h"})).error == (403, "AccessDenied")


def test_long_list_of_signed_headers_is_refused(service):
    """Names that differ in their last byte only would cost quadratic time."""
    s = service
    date = amz_date()
    names = ";".join(["host"] + ["x" * 2000 + "%03d" % n for n in range(450)])
    begin = time.monotonic()
    answer = s.do("GET", "/photos/k", date=date, authorization=(
        f"AWS4-HMAC-SHA256 Credential=photoskey/{date[:8]}/us-east-1/s3/aws4_request, "
        f"SignedHeaders={names}, Signature={'0' * 64}"))
    assert answer.error == (403, "AccessDenied")
    assert b"SignedHeaders" in answer.body
    assert time.monotonic() - begin < 5


def test_presigned(service):
    s = service
    s.put("k", b"body")
    sign = s.sign.presigned

    def get(*args, **more):
        return s.ask(sign("GET", "/photos/k", *args, **more)).error

    assert get() == (200, None)
    assert get("604800") == (200, None)
    for expires in ("0", "-1", "604801", "abc", "9223372036854775807", "99999999999999999999",
                    "", " 5", "5.0"):
        assert get(expires) == (400, "AuthorizationQueryParametersError"), expires
    expired = s.ask(sign("GET", "/photos/k", "10", date=amz_date(-15)))
    assert expired.error == (403, "AccessDenied") and b"Request has expired" in expired.body
    assert get("3600", date=amz_date(-3000)) == (200, None)
    assert get(date=amz_date(14 * 60)) == (200, None)
    assert get(date=amz_date(16 * 60)) == (403, "AccessDenied")
    assert get(add="&response-content-type=text/html") == (403, "SignatureDoesNotMatch")
    assert get(add="&versionId=null") == (403, "SignatureDoesNotMatch")
    assert get(query=[("response-content-type", "text/html")]) == (200, None)
    assert get(query=[("X-Amz-Security-Token", "a/b+c=")]) == (200, None)
    assert get(algorithm="AWS4-HMAC-SHA1") == (400, "AuthorizationQueryParametersError")
    assert get(signed_headers="") == (400, "AuthorizationQueryParametersError")
    assert get(headers={"x-amz-content-sha256": "anything"}) == (200, None)
    assert s.ask(sign("GET", "/photos/other").replace(b"/photos/other", b"/photos/k")).error == (
        403, "SignatureDoesNotMatch")
    assert s.ask(sign("GET", "/photos/k").replace(b"GET", b"DELETE")).error == (
        403, "SignatureDoesNotMatch")
    assert s.ask(with_length(sign("PUT", "/photos/p"), b"presigned")).status == 200
    assert s.stored("p") == b"presigned"
    assert s.ask(sign("DELETE", "/photos/p"), "DELETE").status == 204
    assert s.stored("p") is None
    for secret, key, code in (("wrong", "photoskey", "SignatureDoesNotMatch"),
                              ("photossecret", "nobody", "InvalidAccessKeyId")):
        assert s.ask(Signer(s.host, key, secret).presigned("GET", "/photos/k")).error == (403, code)


def test_path_is_signed_as_sent(service):
    s = service
    for path in ("a%2Fb", "lower%c3%a4", "raw+plus", "%2B", "%20", "a%2fb%2Fc", "~*()!$&',;=:@",
                 "%25", "x//y", "./..//."):
        wire = "".join(c if c in "~+%/" or c.isalnum() or c in "-._" else "%%%02X" % ord(c)
                       for c in path)
        # What is raw on the wire and reserved is signed in its encoded form.
        canonical = wire.replace("+", "%2B")
        request = s.sign.request("PUT", f"/photos/{canonical}", body=b"x", sent=f"/photos/{path}")
        assert s.ask(request + b"x").status == 200, path
    keys = [o["Key"] for o in s.o.s3().list_objects_v2(Bucket="photos")["Contents"]]
    assert {"a/b", "lowerä", "raw+plus", "+", " ", "a/b/c", "%", "x//y", "./..//."} <= set(keys)
    for signed, sent in (("a%2Fb", "a/b"), ("a/b", "a%2Fb"), ("lower%c3%a4", "lower%C3%A4"),
                         ("%7E", "~")):
        answer = s.do("GET", f"/photos/{signed}", sent=f"/photos/{sent}")
        assert answer.error == (403, "SignatureDoesNotMatch"), (signed, sent)


def test_token(service):
    s = service
    s.put("k", b"body")

    def ask(method, path, token, body=b"", **fields):
        fields = {n.replace("_", "-"): v for n, v in fields.items()}
        request = head(method, path, {"host": "h", "x-proxy-token": token,
                                      "content-length": len(body), **fields})
        return s.ask(request + body, method)

    assert ask("GET", "/photos/k", TOKEN).body == b"body"
    for token in ("", "wrong", TOKEN[:-1], TOKEN + "x", "A" + TOKEN[1:]):
        assert ask("GET", "/photos/k", token).error == (403, "AccessDenied"), token
    assert ask("GET", "/documents/k", TOKEN).error == (403, "AccessDenied")
    assert ask("GET", "/nowhere/k", TOKEN).error == (404, "NoSuchBucket")
    assert ask("PUT", "/photos/t", TOKEN, b"by token").status == 200
    assert s.stored("t") == b"by token"
    # A signature that fails is not mended by a token.
    answer = s.ask(Signer(s.host, secret="wrong").request(
        "GET", "/photos/k", headers={"x-proxy-token": TOKEN}))
    assert answer.error == (403, "SignatureDoesNotMatch")
    # There is no signature that the chunks could continue from.
    for variant in (SIGNED, SIGNED_TRAILER):
        answer = ask("PUT", "/photos/streamed", TOKEN, b"0\r\n\r\n",
                     x_amz_content_sha256=variant, x_amz_decoded_content_length="0",
                     x_amz_trailer="x-amz-checksum-crc32")
        assert answer.error == (400, "InvalidRequest")
    body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:" + b64(CHECKSUMS["crc32"](b"abc")).encode() + \
        b"\r\n\r\n"
    assert ask("PUT", "/photos/streamed", TOKEN, body, x_amz_content_sha256=UNSIGNED_TRAILER,
               x_amz_decoded_content_length="3", x_amz_trailer="x-amz-checksum-crc32").status == 200
    assert s.stored("streamed") == b"abc"
    # What a link may change of the answer has to be signed.
    assert ask("GET", "/photos/k?response-content-type=text/html", TOKEN).error == (
        400, "InvalidRequest")


def test_buckets_of_others(service):
    s = service
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        for path in ("/documents/k", "/documents"):
            assert s.do(method, path).status == 403, (method, path)
        for path in ("/nowhere/k", "/nowhere", "/admin", "/health2/x"):
            assert s.do(method, path).status == 404, (method, path)
    assert s.do("GET", "/documents/k").error == (403, "AccessDenied")
    assert s.do("GET", "/nowhere/k").error == (404, "NoSuchBucket")
    assert s.do("GET", "/photos%2Fk").error == (404, "NoSuchKey")
    for method, path in (("GET", "//k"), ("POST", "/"), ("PUT", "/"), ("HEAD", "/")):
        answer = s.do(method, path)
        assert answer.status == 400, (method, path)
        assert method == "HEAD" or answer.code == "InvalidRequest"
    assert s.do("GET", "/photos/" + "k" * 1025).error == (400, "KeyTooLongError")
    assert s.do("GET", "/photos/%ff").error == (400, "InvalidRequest")
    assert s.do("GET", "/photos/a%00b").error == (400, "InvalidRequest")


# --- bodies ---

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
    chunked = s.sign.request("PUT", "/photos/k", length=False, payload="UNSIGNED-PAYLOAD",
                             fields={"transfer-encoding": "chunked"})
    assert s.ask(chunked + b"3\r\nabc\r\n0\r\n\r\n").error == (411, "MissingContentLength")
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

    for pieces in sizes:
        pieces = [p for p in pieces if p]
        body = b"".join(pieces)
        request = s.sign.upload("/photos/signed", SIGNED, len(body))
        answer = send(request, s.sign.chunked(pieces, SIGNED))
        assert answer.status == 200, answer
        assert answer.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert s.stored("signed") == body
        for name, of in CHECKSUMS.items():
            if len(body) > 100_000 and name.startswith("crc") and name != "crc32":
                continue  # too slow in Python
            for variant in (SIGNED_TRAILER, UNSIGNED_TRAILER):
                trailers = {f"x-amz-checksum-{name}": b64(of(body))}
                request = s.sign.upload("/photos/trailer", variant, len(body), *trailers)
                answer = send(request, s.sign.chunked(pieces, variant, trailers))
                assert answer.status == 200, (name, variant, answer)
        assert s.stored("trailer") == body
    metrics = s.o.metrics()
    for variant in ("signed", "signed_trailer", "unsigned_trailer"):
        assert metrics[f's3o_auth_streaming_requests_total{{variant="{variant}"}}'] >= 5


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
    for name, (variant, size, change, (code, reason)) in REJECTIONS.items():
        trailers = None if variant == SIGNED else CRC
        before = s.rejections(reason)
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
        assert s.rejections(reason) == (before + 1 if reason else 0), name
    # The client goes away in the middle, under either outer framing.
    for field in ("content-length: 5000", "transfer-encoding: chunked"):
        before = s.rejections("decoded_length_mismatch")
        request = s.sign.upload("/photos/k", SIGNED, 11)
        body = s.sign.chunked([b"hello ", b"world"], SIGNED)
        body = body[:body.index(b"hello") + 2]
        if "chunked" in field:
            body = b"%x\r\n%s\r\n" % (len(body), body)
        with s.wire() as w:
            w.send(request[:-2] + field.encode() + b"\r\n\r\n" + body)
            w.s.shutdown(socket.SHUT_WR)
            assert w.answer().error == (400, "IncompleteBody")
        assert s.rejections("decoded_length_mismatch") == before + 1
    # Complete inside, but not outside: something was lost.
    request = s.sign.upload("/photos/k", SIGNED, 11)
    with s.wire() as w:
        body = s.sign.chunked([b"hello ", b"world"], SIGNED)
        w.send(request[:-2] + b"content-length: 5000\r\n\r\n" + body)
        w.s.shutdown(socket.SHUT_WR)
        assert w.answer().error == (400, "IncompleteBody")
    assert s.count() == 0
    assert s.o.sql("SELECT count(*) FROM pending_objects")[0][0] == 0


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
            (s.sign.request("PUT", "/photos/k", query=[("acl", "")], fields=expect), 501)):
        with s.wire() as w:
            answer = w.send(request).answer()
            assert answer.status == status and answer.headers["connection"] == "close"
            assert w.is_closed()


# --- answers ---

def test_error_shape(service):
    s = service
    answer = s.do("GET", "/photos/a%26b<c".replace("<", "%3C"))
    request_id, host_id = answer.headers["x-amz-request-id"], answer.headers["x-amz-id-2"]
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n  <Code>NoSuchKey</Code>\n'
        '  <Message>object not found</Message>\n  <Resource>/photos/a%26b%3Cc</Resource>\n'
        f'  <RequestId>{request_id}</RequestId>\n  <HostId>{host_id}</HostId>\n</Error>')
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    for given, adopted in (("ABCdef0123", True), ("f" * 64, True), ("f" * 65, False),
                           ("my-trace-123", False), ("", False)):
        got = s.do("GET", "/photos", headers={"x-request-id": given}).headers["x-amz-request-id"]
        assert (got == given) == adopted
    # Also when the request was no HTTP, and when nobody was let in.
    for request in (b"GARBAGE\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n",
                    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /x HTTP/4.0\r\n\r\n",
                    b"GET /photos HTTP/1.1\r\nHost: h\r\n\r\n"):
        answer = s.ask(request)
        text = answer.body.decode()
        assert f"<RequestId>{answer.headers['x-amz-request-id']}</RequestId>" in text
        assert f"<HostId>{answer.headers['x-amz-id-2']}</HostId>" in text


def test_head_has_no_body(service):
    s = service
    s.put("k", b"body")
    for path, status in (("/photos/k", 200), ("/photos/none", 404), ("/documents/k", 403),
                         ("/nowhere/k", 404), ("/photos", 200), ("/photos/k?acl=", 501)):
        with s.wire() as w:
            plain, _, name = path.partition("?")
            query = [(name.rstrip("="), "")] if name else []
            w.send(s.sign.request("HEAD", plain, query=query))
            answer = w.answer("HEAD")
            assert answer.status == status and answer.headers["x-amz-request-id"]
            w.send(s.sign.request("GET", "/photos/k"))  # the next answer follows at once
            assert w.answer().body == b"body"
    assert s.do("HEAD", "/photos/k").headers["content-length"] == "4"


def test_headers_of_answers(service):
    s = service
    put = s.put("k", b"body", headers={"x-amz-meta-a": "1"})
    etag = f'"{hashlib.md5(b"body").hexdigest()}"'
    assert put.headers["etag"] == etag and put.headers["content-length"] == "0"
    for method in ("GET", "HEAD"):
        got = s.do(method, "/photos/k")
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-length"] == "4" and got.headers["etag"] == etag
        assert got.headers["accept-ranges"] == "bytes" and got.headers["x-amz-meta-a"] == "1"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
                            got.headers["last-modified"])
        assert len(got.names) == len(set(got.names)), got.names
    modified = got.headers["last-modified"]
    earlier = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(
        calendar.timegm(time.strptime(modified, "%a, %d %b %Y %H:%M:%S GMT")) - 60))

    for method in ("GET", "HEAD"):
        for fields in ({"if-none-match": etag}, {"if-modified-since": modified},
                       {"if-none-match": "*", "range": "bytes=0-1"},
                       {"if-none-match": f'"x", W/{etag}'}):
            answer = s.do(method, "/photos/k", headers=fields)
            assert answer.status == 304 and answer.headers["etag"] == etag
            assert answer.headers["last-modified"] == modified
            assert "content-length" not in answer.headers
            assert "content-type" not in answer.headers
        for fields in ({"if-match": '"x"'}, {"if-unmodified-since": earlier},
                       {"if-match": '"x"', "range": "bytes=0-1"}):
            answer = s.do(method, "/photos/k", headers=fields)
            assert answer.status == 412 and answer.headers["etag"] == etag
            assert answer.headers["last-modified"] == modified
        # A tag decides before a date, dates that make no sense say nothing.
        for fields in ({"if-match": etag, "if-unmodified-since": earlier},
                       {"if-none-match": '"x"', "if-modified-since": modified},
                       {"if-modified-since": "yesterday"}, {"if-unmodified-since": "yesterday"}):
            assert s.do(method, "/photos/k", headers=fields).status == 200, fields

    for fields, status, body in (
            ({"range": "bytes=1-2"}, 206, b"od"), ({"range": "bytes=1-2", "if-range": etag}, 206, b"od"),
            ({"range": "bytes=1-2", "if-range": '"x"'}, 200, b"body"),
            ({"range": "bytes=1-2", "if-range": modified}, 206, b"od"),
            ({"range": "bytes=1-2", "if-range": earlier}, 200, b"body"),
            ({"range": "bytes=1-2", "if-range": "W/" + etag}, 200, b"body"),
            ({"range": "bytes=0-1,3-3"}, 200, b"body"), ({"range": "bytes=3-1"}, 200, b"body")):
        answer = s.do("GET", "/photos/k", headers=fields)
        assert (answer.status, answer.body) == (status, body), fields
        assert ("content-range" in answer.headers) == (status == 206)
    answer = s.do("GET", "/photos/k", headers={"range": "bytes=4-"})
    assert answer.error == (416, "InvalidRange")
    assert answer.headers["content-range"] == "bytes */4"
    answer = s.do("HEAD", "/photos/k", headers={"range": "bytes=1-2"})
    assert answer.status == 200 and answer.headers["content-length"] == "4"
    answer = s.do("DELETE", "/photos/k")
    assert answer.status == 204 and "content-length" not in answer.headers


def test_answers_cannot_be_split(service):
    s = service
    s.put("k", b"body")
    answer = s.do("GET", "/photos/k", query=[
        ("response-content-type", "text/html\r\nX-Evil: 1"),
        ("response-cache-control", "no-store\r\n\r\n<html>")])
    assert answer.status in (200, 400) and "x-evil" not in answer.headers
    assert b"<html>" not in answer.body or answer.status == 400


def test_list_order(service):
    s = service
    for key in ("a", "b/1", "c", "d/1", "e"):
        s.put(key, b"x")
    query = [("delimiter", "/"), ("prefix", ""), ("encoding-type", "url"), ("max-keys", "4")]
    v1 = s.do("GET", "/photos", query=query).body.decode()
    v2 = s.do("GET", "/photos", query=query + [("list-type", "2"), ("start-after", "0")]).body.decode()

    def order(text):
        return [n for n in re.findall(r"<(\w+)[ >]", text[text.index("<ListBucketResult"):])
                if n not in ("Key", "ETag", "Size", "LastModified", "StorageClass", "Owner", "ID",
                             "DisplayName")]

    entries = ["Contents", "Contents", "CommonPrefixes", "Prefix", "CommonPrefixes", "Prefix"]
    assert order(v1) == ["ListBucketResult", "Name", "Prefix", "Marker", "NextMarker", "Delimiter",
                         "MaxKeys", "IsTruncated", "EncodingType"] + entries
    assert order(v2) == ["ListBucketResult", "Name", "Prefix", "Delimiter", "MaxKeys", "KeyCount",
                         "IsTruncated", "NextContinuationToken", "StartAfter",
                         "EncodingType"] + entries
    for query in ([("max-keys", "-1")], [("max-keys", "x")], [("encoding-type", "x")],
                  [("list-type", "2"), ("continuation-token", "x")], [("prefix", "a\0")]):
        assert s.do("GET", "/photos", query=query).error == (400, "InvalidArgument"), query


OBJECT_SUBRESOURCES = [
    "acl", "attributes", "cors", "encryption", "legal-hold", "object-lock", "policy", "restore",
    "retention", "select", "tagging", "torrent", "versions", "uploads", "uploadId", "partNumber"]
BUCKET_SUBRESOURCES = [
    "accelerate", "acl", "analytics", "cors", "encryption", "intelligent-tiering", "inventory",
    "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy",
    "policyStatus", "publicAccessBlock", "replication", "requestPayment", "tagging", "versions",
    "website"]


def test_subresources_are_refused_by_name(service):
    s = service
    s.put("k", b"untouched")
    for path, names, kind in (("/photos/k", OBJECT_SUBRESOURCES, "object"),
                              ("/photos", BUCKET_SUBRESOURCES, "bucket")):
        with s.wire() as w:
            for name in names:
                for method in ("PUT", "GET", "DELETE", "POST"):
                    for value in ("", "1"):
                        w.send(s.sign.request(method, path, query=[(name, value)]))
                        answer = w.answer()
                        assert answer.error == (501, "NotImplemented"), (method, path, name)
                        assert f"{kind} subresource &quot;{name}&quot;" in answer.body.decode()
    assert s.do("GET", "/photos/k", query=[("versionId", "null")]).body == b"untouched"
    assert s.do("GET", "/photos/k", query=[("versionId", "")]).body == b"untouched"
    assert s.do("GET", "/photos/k", query=[("versionId", "1")]).error == (501, "NotImplemented")
    assert s.do("GET", "/photos/k", query=[("x-id", "GetObject")]).body == b"untouched"
    for path in ("/photos/k", "/photos"):
        for method in ("POST", "PATCH", "OPTIONS", "BREW"):
            answer = s.do(method, path)
            assert answer.error == (405, "MethodNotAllowed") and "allow" in answer.headers
    for name, value in (("x-amz-copy-source", "/photos/k"), ("x-amz-tagging", "a=b"),
                        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
                        ("x-amz-object-lock-mode", "GOVERNANCE")):
        assert s.do("PUT", "/photos/k", b"x", headers={name: value}).error == (
            501, "NotImplemented"), name
    assert s.stored("k") == b"untouched"


def test_conditional_delete(service):
    s = service
    etag = s.put("k", b"1").headers["etag"]
    answer = s.do("DELETE", "/photos/k", headers={"if-match": '"other"'})
    assert answer.error == (412, "PreconditionFailed")
    for name in ("x-amz-if-match-size", "x-amz-if-match-last-modified-time"):
        assert s.do("DELETE", "/photos/k", headers={name: "1"}).error == (501, "NotImplemented")
    assert s.stored("k") == b"1"
    assert s.do("DELETE", "/photos/k", headers={"if-match": etag}).status == 204
    assert s.stored("k") is None
    assert s.do("DELETE", "/photos/k", headers={"if-match": etag}).error == (404, "NoSuchKey")
    s.put("k", b"2")
    assert s.do("DELETE", "/photos/k", headers={"if-match": "*"}).status == 204


# --- connections ---

def test_keep_alive_after_errors(service):
    s = service
    s.put("k", b"body")
    with s.wire() as w:
        for size in (0, 1, 1000, 256 * KIB):  # read and thrown away
            body = b"GET /evil HTTP/1.1\r\n\r\n".ljust(size, b"-")[:size]
            w.send(Signer(s.host, secret="x").request("PUT", "/photos/k", body=body) + body)
            answer = w.answer()
            assert answer.status == 403 and answer.headers.get("connection") is None
            w.send(s.sign.request("GET", "/photos/k"))
            assert w.answer().body == b"body"
    with s.wire() as w:
        body = b"-" * (256 * KIB + 1)
        w.send(Signer(s.host, secret="x").request("PUT", "/photos/k", body=body) + body)
        answer = w.answer()
        assert answer.status == 403 and answer.headers["connection"] == "close"
        assert w.is_closed()


def test_large_refused_body_does_not_lose_the_answer(service):
    s = service
    for _ in range(5):
        body = b"-" * (20 * MIB)
        with s.wire() as w:
            w.send(Signer(s.host, secret="x").request("PUT", "/photos/k", body=body) + body)
            assert w.answer().error == (403, "SignatureDoesNotMatch")


def test_http_1_0(service):
    s = service
    s.put("k", b"body")
    request = s.sign.request("GET", "/photos/k").replace(b"HTTP/1.1", b"HTTP/1.0")
    with s.wire() as w:
        answer = w.send(request).answer()
        assert answer.body == b"body" and answer.headers["connection"] == "close"
        assert w.is_closed()
    with s.wire() as w:
        for _ in range(3):
            w.send(request[:-2] + b"Connection: keep-alive\r\n\r\n")
            answer = w.answer()
            assert answer.body == b"body" and answer.headers["connection"] == "keep-alive"
    with s.wire() as w:  # no 100 for a client that does not know it
        fields = {"expect": "100-continue"}
        w.send(s.sign.request("PUT", "/photos/z", body=b"x", fields=fields)
               .replace(b"HTTP/1.1", b"HTTP/1.0") + b"x")
        assert w.answer().status == 200


def test_pipelined(service):
    s = service
    s.put("k", b"body")
    with s.wire() as w:
        burst = b""
        for n in range(50):
            burst += s.sign.request("PUT", f"/photos/p{n}", body=b"%d" % n) + b"%d" % n
            burst += s.sign.request("HEAD", f"/photos/p{n}")
            burst += s.sign.request("GET", f"/photos/p{n}") + b"\r\n"
            burst += s.sign.request("GET", "/photos/none")
        w.send(burst)
        for n in range(50):
            assert w.answer().status == 200
            assert w.answer("HEAD").headers["content-length"] == str(len(str(n)))
            assert w.answer().body == b"%d" % n
            assert w.answer().error == (404, "NoSuchKey")


def test_slow_clients_are_bounded(launch):
    s = Service(launch(extra={"server": {"read_header_timeout": "1s", "read_timeout": "2s",
                                         "idle_timeout": "2s"}}))

    def seconds_until_closed(request, drip=b""):
        with s.wire() as w:
            begin = time.monotonic()
            w.send(request)
            w.s.settimeout(0.2)
            while time.monotonic() - begin < 20:
                try:
                    if not w._more():
                        break
                except socket.timeout:
                    pass
                except OSError:
                    break
                try:
                    w.send(drip)
                except OSError:
                    break
            return time.monotonic() - begin

    assert seconds_until_closed(b"") < 6
    assert seconds_until_closed(b"GET /photos/k HTTP/1.1\r\n", b"A: b\r\n") < 6
    refused = Signer(s.host, secret="x").request("PUT", "/photos/k", length=False,
                                                 fields={"content-length": "1000"})
    assert seconds_until_closed(refused, b"-") < 6

    def accepted(**fields):
        return s.sign.request("PUT", "/photos/k", length=False, payload="UNSIGNED-PAYLOAD",
                              fields=fields)

    with s.wire() as w:
        assert w.send(accepted(**{"content-length": "1000"})).answer().error == (
            400, "RequestTimeout")
    # Bytes now and then, of the body or of the framing around it, are no progress.
    assert seconds_until_closed(accepted(**{"content-length": "1000"}), b"-") < 6
    framed = s.sign.upload("/photos/k", UNSIGNED_TRAILER, 1000, "x-amz-checksum-crc32",
                           fields={"transfer-encoding": "chunked"})
    assert seconds_until_closed(framed, b"1\r\n0\r\n") < 6
    assert seconds_until_closed(framed + b"1;", b"x") < 6
    # Whoever goes on sending may take longer than one timeout.
    with s.wire() as w:
        w.send(accepted(**{"content-length": str(5 * 64 * KIB)}))
        for _ in range(5):
            time.sleep(0.6)
            w.send(b"-" * 64 * KIB)
        assert w.answer().status == 200


def test_large_heads_are_bounded_together(launch):
    s = Service(launch(processes=1, extra={"server": {"read_header_timeout": "2m"}}))
    wires = [s.wire() for _ in range(100)]
    for w in wires:
        w.s.setblocking(False)
    left = {w: b"GET /photos/k HTTP/1.1\r\nA: " + b"x" * 1_000_000 for w in wires}
    closed = set()

    def step():
        for w in wires:
            if w in closed:
                continue
            try:
                left[w] = left[w][w.s.send(left[w]):] if left[w] else b""
                if not w.s.recv(1):
                    closed.add(w)
            except BlockingIOError:
                pass
            except OSError:
                closed.add(w)
        return len(closed) >= 30

    until(step, what="some of them are sent away")
    s.put("k", b"x")
    assert s.stored("k") == b"x"
    for w in wires:
        w.s.close()
    until(lambda: s.do("GET", "/photos/k", headers={"x-long": "y" * 500_000}).body == b"x")
    assert len(closed) <= 50


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.crt"],
                   check=True, stderr=subprocess.DEVNULL)
    return {"cert_file": f"{folder}/tls.crt", "key_file": f"{folder}/tls.key"}


def test_tls(launch, workdir):
    o = launch(extra={"server": {"tls": make_certificate(workdir), "read_header_timeout": "1s"}},
               scheme="https")
    tls = ssl.create_default_context(cafile=f"{workdir}/tls.crt")
    sign = Signer(f"localhost:{o.port}")

    def ask(data):
        with Wire(o.port, tls) as w:
            return w.send(data).answer()

    assert ask(sign.request("PUT", "/photos/k", body=b"body") + b"body").status == 200
    with Wire(o.port, tls) as w:
        assert w.s.selected_alpn_protocol() is None
        for _ in range(3):
            assert w.send(sign.request("GET", "/photos/k")).answer().body == b"body"
    # The answer reaches a client that is still sending what nobody wants.
    refused = Signer(sign.host, secret="x")
    for _ in range(5):
        body = b"-" * (20 * MIB)
        assert ask(refused.request("PUT", "/photos/k", body=body) + body).error == (
            403, "SignatureDoesNotMatch")
    # Neither plain text nor a hand-shake that does not go on holds a connection.
    for said in (b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n", b"", b"\x16\x03\x01"):
        with Wire(o.port) as w:
            begin = time.monotonic()
            w.send(said)
            while not w.is_closed():
                w.buffer = b""
            assert time.monotonic() - begin < 6
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    h2 = ssl.create_default_context(cafile=f"{workdir}/tls.crt")
    h2.set_alpn_protocols(["h2"])
    for context in (old, h2):
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            Wire(o.port, context)

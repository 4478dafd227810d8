"""SigV4 by hand, so that requests can be wrong in one place at a time."""
import base64
import hashlib
import hmac
import time
import zlib
from urllib.parse import quote

from .wire import head

EMPTY = hashlib.sha256(b"").hexdigest()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = SIGNED + "-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


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

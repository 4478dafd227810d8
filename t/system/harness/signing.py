"""Requests signed by hand: paths that no SDK would send, and aws-chunked bodies
that can be broken at will."""
import hashlib
import hmac
import http.client

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .orchestrator import BUCKETS

REGION = "us-east-1"
EMPTY = hashlib.sha256(b"").hexdigest()


class _Auth(S3SigV4Auth):
    def __init__(self, credentials, payload):
        super().__init__(credentials, "s3", REGION)
        self.sha256 = payload

    def payload(self, request):
        return self.sha256


def send(o, method, target, headers=None, body=b""):
    """One request with the target as it is. Status, body."""
    connection = http.client.HTTPConnection("127.0.0.1", o.port, timeout=30)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {**(headers or {}), "Content-Length": len(body)}.items():
            connection.putheader(name, str(value))
        connection.endheaders()
        try:
            connection.send(body)
        except OSError:
            pass  # refused before its end; the answer is there
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def sign(o, method, target, payload="UNSIGNED-PAYLOAD", headers=None, query=False):
    """(target, headers) of a signed request, and what chunks are chained to."""
    key, secret = BUCKETS["photos"]
    request = AWSRequest(method, o.endpoint + target, headers={
        "Host": f"127.0.0.1:{o.port}", **(headers or {})})
    if query:
        S3SigV4QueryAuth(Credentials(key, secret), "s3", REGION).add_auth(request)
        return request.url[len(o.endpoint):], dict(request.headers), None
    _Auth(Credentials(key, secret), payload).add_auth(request)
    stamp = request.context["timestamp"]
    chain = Chain(secret, stamp, request.headers["Authorization"].rsplit("Signature=")[1])
    return target, dict(request.headers), chain


class Chain:
    """Signatures of the chunks of one body, and of its trailer."""

    def __init__(self, secret, stamp, seed):
        self.stamp, self.previous = stamp, seed
        self.scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
        self.key = b"AWS4" + secret.encode()
        for part in (stamp[:8], REGION, "s3", "aws4_request"):
            self.key = hmac.new(self.key, part.encode(), hashlib.sha256).digest()

    def _next(self, kind, *hashes):
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", self.stamp, self.scope, self.previous,
                          *hashes))
        self.previous = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        return self.previous

    def chunk(self, data):
        signature = self._next("PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())
        return b"%x;chunk-signature=%s\r\n%s" % (len(data), signature.encode(),
                                                 data + b"\r\n" if data else b"")

    def trailer(self, name, value):
        line = f"{name}:{value}"
        signature = self._next("TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
        return f"{line}\r\nx-amz-trailer-signature:{signature}\r\n".encode()

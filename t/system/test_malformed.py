"""Requests that no client would send: they are refused, and no child crashes or
hangs. A child that did would have another process id afterwards."""
import os
import random
import socket
import threading

import pytest

from harness.signing import Signer
from harness.wait import until

# More of them when it is not one test of many.
MUTATIONS = int(os.environ.get("S3O_MUTATIONS", "20000"))


def exchange(port, data, half_close=True):
    """Sends bytes and returns all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while block := s.recv(65536):
                answer += block
        except ConnectionResetError:
            pass
        return answer


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


@pytest.fixture
def target(orchestrator):
    """A running system whose children must survive the test."""
    before = sorted(orchestrator.children())
    yield orchestrator
    assert sorted(orchestrator.children()) == before
    s3 = orchestrator.s3()
    s3.put_object(Bucket="photos", Key="after", Body=b"alive")
    assert s3.get_object(Bucket="photos", Key="after")["Body"].read() == b"alive"


CASES = {
    "content-length and transfer-encoding":
        (b"PUT /photos/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two content-lengths":
        (b"PUT /photos/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "bare LF": (b"GET /photos/k HTTP/1.1\nHost: h\n\n", 400),
    "space before colon": (b"GET /photos/k HTTP/1.1\r\nHost : h\r\n\r\n", 400),
    "obs-fold": (b"GET /photos/k HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400),
    "NUL": (b"GET /photos/k\0 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "no host": (b"GET /photos/k HTTP/1.1\r\n\r\n", 400),
    "other version": (b"GET /photos/k HTTP/3.0\r\nHost: h\r\n\r\n", 505),
    "other coding": (b"PUT /photos/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "huge header": (b"GET /photos/k HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 1100000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /photos/k HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 2000 + b"\r\n", 431),
    "negative length":
        (b"PUT /photos/k HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
    "overflowing length":
        (b"PUT /photos/k HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    "no credentials": (b"GET /photos/k HTTP/1.1\r\nHost: h\r\n\r\n", 403),
    "bad escape": (b"GET /photos/%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "bad escape in the query": (b"GET /photos?x=%g HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, 400),
}


def test_refused(target):
    children = sorted(target.children())
    for name, (request, status) in CASES.items():
        answer = exchange(target.port, request)
        assert status_of(answer) == status, (name, answer[:200])
        assert sorted(target.children()) == children, name


def signed(orchestrator, method="GET", key="k", **headers):
    return Signer(f"127.0.0.1:{orchestrator.port}").presigned(
        method, f"/photos/{key}", expires="3600",
        headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_truncated_body(target):
    answer = exchange(target.port, signed(target, "PUT", Content_Length=1000) + b"only this")
    assert status_of(answer) == 400 and b"IncompleteBody" in answer
    assert target.sql("SELECT count(*) FROM object_versions")[0][0] == 0


def test_slow_headers_do_not_hold_others(target):
    held = [socket.create_connection(("127.0.0.1", target.port)) for _ in range(200)]
    for s in held:
        s.sendall(b"GET /photos/k HTT")
    target.s3().put_object(Bucket="photos", Key="meanwhile", Body=b"x")
    for s in held:
        s.close()


def test_clients_that_leave_in_the_middle(target):
    body = os.urandom(300_000)
    target.s3().put_object(Bucket="photos", Key="big", Body=body * 20)
    for n in range(200):
        with socket.create_connection(("127.0.0.1", target.port), timeout=60) as s:
            if n % 2:
                s.sendall(signed(target, "PUT", f"left{n}", Content_Length=len(body)))
                s.sendall(body[:n * 700])
            else:
                s.sendall(signed(target, "GET", "big"))
                s.recv(n * 100 + 1)
    until(lambda: target.requests_in_progress() == 0,
          what="no request is left in progress")


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at:at + rng.randrange(1, 20)]
        elif kind == 2:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        elif kind == 3:
            data[at:at] = data[max(0, at - 40):at]
        elif kind == 4:
            data[at:at] = rng.choice((b"\r\n", b"\r\n\r\n", b"\0", b" ", b":", b"%", b"&", b";",
                                      b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"))
        else:
            del data[at:]
    return bytes(data)


def signed_listing(orchestrator, rng):
    """A listing whose parameters are mutated before they are signed: a signature of
    another request would keep them from ever being looked at."""
    query = mutate(rng, b"list-type=2&prefix=a&delimiter=/&max-keys=3&start-after=a&encoding-type=url")
    pairs = [pair.partition(b"=")[::2] for pair in query.split(b"&")]
    return Signer(f"127.0.0.1:{orchestrator.port}").request("GET", "/photos", query=pairs)


def test_mutations(target):
    chunked = ("5;chunk-signature=" + "0" * 64 + "\r\nhello\r\n0;chunk-signature=" + "0" * 64 +
               "\r\n\r\n").encode()
    seeds = [
        signed(target, "GET", "after", Range="bytes=0-3", If_None_Match='"x"'),
        signed(target, "PUT", "mutant", Content_Length=5, Content_MD5="XUFAKrxLKna5cZ2REBfFkg==",
               x_amz_meta_a="b") + b"hello",
        signed(target, "PUT", "mutant", Content_Encoding="aws-chunked",
               x_amz_decoded_content_length=5, Content_Length=len(chunked)) + chunked,
        signed(target, "PUT", "mutant", Transfer_Encoding="chunked", Content_Encoding="aws-chunked",
               x_amz_decoded_content_length=5) + b"a\r\n5\r\nhello\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
        signed(target, "HEAD", "after") + signed(target, "GET", "after"),
        signed(target, "DELETE", "mutant"),
        # never valid: for the parser of Authorization
        b"GET /photos?list-type=2&prefix=a&delimiter=/&max-keys=3 HTTP/1.1\r\nHost: h\r\n"
        b"Authorization: AWS4-HMAC-SHA256 Credential=photoskey/20260101/us-east-1/s3/aws4_request,"
        b"SignedHeaders=host;x-amz-date,Signature=" + b"0" * 64 +
        b"\r\nx-amz-date: 20260101T000000Z\r\n\r\n",
    ]
    failures = []
    sent = []  # numbers, one of each thread
    listings = []  # statuses of the answers

    def attack(seed):
        rng = random.Random(seed)
        for n in range(MUTATIONS // 4):
            listing = n % 20 == 0
            request = signed_listing(target, rng) if listing else mutate(rng, rng.choice(seeds))
            try:
                answer = exchange(target.port, request)
                if listing:
                    listings.append(status_of(answer))
            except OSError as e:
                failures.append((e, request))
                return
        sent.append(n + 1)

    threads = [threading.Thread(target=attack, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures and sum(sent) == MUTATIONS
    assert set(listings) <= {200, 400, 403, 501} and listings.count(200) > MUTATIONS // 100, \
        {status: listings.count(status) for status in set(listings)}

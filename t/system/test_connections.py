"""Connections: what keeps them alive, what ends them, and TLS."""
import socket
import ssl
import subprocess
import time

import pytest

from harness.service import Service
from harness.signing import UNSIGNED_TRAILER, Signer
from harness.wait import until
from harness.wire import Wire

PROCESSES = 2  # of the systems launched here: requests meet across children

KIB = 1024
MIB = 1024 * KIB


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
    old.set_ciphers("DEFAULT@SECLEVEL=0")  # or it is the client that refuses
    h2 = ssl.create_default_context(cafile=f"{workdir}/tls.crt")
    h2.set_alpn_protocols(["h2"])
    for context, alert in (old, "alert protocol version"), (h2, "alert no application protocol"):
        with pytest.raises(ssl.SSLError, match=f"(?i){alert}"):
            Wire(o.port, context)


def test_tls_client_certificates(launch, workdir):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=workdir,
                       stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    server = make_certificate(workdir)
    for ca in ("ours", "theirs"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=client of {ca}",
                "-keyout", f"client-{ca}.key", "-out", "request.pem")
        openssl("x509", "-req", "-in", "request.pem", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key",
                "-CAcreateserial", "-days", "2", "-out", f"client-{ca}.pem")
    o = launch(processes=1, scheme="https",
               client_certificate=(f"{workdir}/client-ours.pem", f"{workdir}/client-ours.key"),
               extra={"server": {"tls": {**server, "min_version": "1.3",
                                         "client_ca_file": f"{workdir}/ours.pem"}}})
    sign = Signer(f"localhost:{o.port}")

    def context(name=None, version=ssl.TLSVersion.TLSv1_3):
        c = ssl.create_default_context(cafile=f"{workdir}/tls.crt")
        c.minimum_version = c.maximum_version = version
        if name:
            c.load_cert_chain(f"{workdir}/client-{name}.pem", f"{workdir}/client-{name}.key")
        return c

    known = context("ours")
    with Wire(o.port, known) as w:
        assert w.send(sign.request("PUT", "/photos/k", body=b"body") + b"body"
                      ).answer().status == 200
        assert w.send(sign.request("GET", "/photos/k")).answer().body == b"body"
        session = w.s.session
    # A session that is taken up again is one of a client that was known.
    plain = socket.create_connection(("127.0.0.1", o.port), timeout=20)
    with known.wrap_socket(plain, server_hostname="localhost", session=session) as again:
        assert again.session_reused
    for refused in (context(), context("theirs"), context("ours", ssl.TLSVersion.TLSv1_2)):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with Wire(o.port, refused) as w:
                w.send(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n").answer()

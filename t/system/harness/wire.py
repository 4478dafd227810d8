"""HTTP byte by byte: requests that no library would send, and answers as they
come."""
import re
import socket


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

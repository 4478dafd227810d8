"""An S3 backend in memory, for what no real server does on request: tests override
what it answers."""
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class MemoryS3:
    def __init__(self, name):
        self.name = name
        self.stored = {}  # body by path
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, body=b"", fields={}):
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", "0" if status == 204 else str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self):
                source = self.headers.get("x-amz-copy-source")
                if source:
                    self.answer(*outer.copy(self.path, urllib.parse.unquote(source)))
                    return
                self.answer(*outer.put(self.path, int(self.headers["Content-Length"]),
                                       self.rfile.read))

            def do_GET(self):
                self.answer(*outer.get(self.path))

            def do_DELETE(self):
                self.answer(*outer.delete(self.path))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    # --- what it answers: status, body, and header fields if any ---

    def put(self, path, length, read):
        self.stored[path] = read(length)
        return 200, b""

    def copy(self, path, source):
        """Both as they are asked for, source decoded."""
        path_of = {urllib.parse.unquote(p): p for p in self.stored}
        if source not in path_of:
            return self.error(404, "NoSuchKey")
        self.stored[path] = self.stored[path_of[source]]
        return 200, b"<CopyObjectResult><ETag>&quot;x&quot;</ETag></CopyObjectResult>"

    def get(self, path):
        if path not in self.stored:
            return self.error(404, "NoSuchKey")
        return 200, self.stored[path]

    def delete(self, path):
        self.stored.pop(path, None)
        return 204, b""

    @staticmethod
    def error(status, code):
        return status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    # --- as a backend of the configuration ---

    def config(self):
        return {"name": self.name, "endpoint": f"http://127.0.0.1:{self.server.server_port}",
                "region": "us-east-1", "bucket": "b", "access_key_id": "k",
                "secret_access_key": "s", "force_path_style": True, "quota_bytes": "1GB"}

    def contents(self):
        return {urllib.parse.unquote(path.removeprefix("/b/")): len(body)
                for path, body in self.stored.items()}

    def count(self):
        return len(self.stored)

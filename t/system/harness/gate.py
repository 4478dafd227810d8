"""A way to an S3 server through which nothing comes while it is shut: as with a network
that drops packets, connections are taken or stay as they are, and no byte goes on."""
import socket
import threading
import urllib.parse


class Gate:
    """Takes the place of a backend of an S3 server (storage.S3Backend)."""

    def __init__(self, backend):
        self.backend = backend
        self.opened = threading.Event()
        self.opened.set()
        where = urllib.parse.urlsplit(backend.server.env["ENDPOINT"])
        self.target = where.hostname, where.port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def config(self):
        return {**self.backend.config(),
                "endpoint": f"http://127.0.0.1:{self.listener.getsockname()[1]}"}

    def shut(self):
        self.opened.clear()

    def open(self):
        """What was held is lost, like the connections that it came on."""
        self.opened.set()

    def _accept(self):
        while True:
            client = self.listener.accept()[0]
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        if not self.opened.is_set():
            self.opened.wait()
            client.close()
            return
        server = socket.create_connection(self.target)
        back = threading.Thread(target=self._pass, args=(server, client), daemon=True)
        back.start()
        self._pass(client, server)
        back.join()
        client.close()
        server.close()

    def _pass(self, source, sink):
        try:
            while data := source.recv(65536):
                if not self.opened.is_set():
                    self.opened.wait()
                    break
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

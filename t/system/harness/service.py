"""A running system as one client sees it that signs its requests by hand."""
from .signing import Signer
from .wire import Wire

TOKEN = "a-legacy-token"


class Service:
    def __init__(self, orchestrator):
        self.o = orchestrator
        self.host = f"127.0.0.1:{orchestrator.port}"
        self.sign = Signer(self.host)
        self.metrics_before = orchestrator.metrics()

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

    def streaming(self, what, label):
        """{label's value: count} of s3o_auth_streaming_{what}_total since this was made,
        where not 0."""
        name = f's3o_auth_streaming_{what}_total{{{label}="'
        return {k[len(name):-2]: n for k, n in self.counted().items() if k.startswith(name)}

    def counted(self):
        """The metrics that have changed since this was made: {name: difference}."""
        now = self.o.metrics()
        changes = {k: n - self.metrics_before.get(k, 0) for k, n in now.items()}
        return {k: n for k, n in changes.items() if n}

# SPDX-License-Identifier: MIT
"""adminctl probe: what it finds out about real servers, folders and broken ones, which
settings it advises, and that nothing of it stays."""
import contextlib
import json
import os
import signal
import ssl
import subprocess
import threading
import urllib.parse

import pytest

from harness.memory_s3 import MemoryS3
from harness.orchestrator import BUILD, SANITIZERS
from harness.storage import Directory
from harness.wait import free_ports, until

MIB = 1 << 20


class Prober:
    def __init__(self, folder):
        self.folder = folder
        self.config = f"{folder}/config.yaml"

    def start(self, backend, *args, **settings):
        """backend: its configuration, to be changed by settings."""
        backend = {k: v for k, v in {**backend, **settings}.items() if v is not None}
        with open(self.config, "w") as f:
            json.dump({
                "server": {"listen_addr": "127.0.0.1:9000", "spill_dir": self.folder,
                           "backend_timeout": "5s"},
                "database": {"driver": "embedded", "path": f"{self.folder}/db"},
                "buckets": [{"name": "photos", "credentials": [
                    {"access_key_id": "photoskey", "secret_access_key": "photossecret"}]}],
                "backends": [backend]}, f)
        os.chmod(self.config, 0o600)
        return subprocess.Popen(
            [f"{BUILD}/adminctl", "probe", "-config", self.config, *args, backend["name"]],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **SANITIZERS})

    def finish(self, process, status):
        out, err = process.communicate(timeout=60)
        assert process.returncode == status, out + err
        return out, err

    def __call__(self, backend, status=0, **settings):
        """The report."""
        out, err = self.finish(self.start(backend, "-json", **settings), status)
        if backend.get("secret_access_key"):
            assert backend["secret_access_key"] not in out + err
        report = json.loads(out)
        assert report["usable"] == (status == 0)
        assert not report["left"]
        return report


@pytest.fixture
def probe(workdir):
    return Prober(workdir)


def results(report):
    return {t["feature"]: t["result"] for t in report["tries"]}


def absent(report):
    return {t["feature"] for t in report["tries"] if t["result"] != "ok"}


def advice(report, needed=True):
    return {s["name"]: s["value"] for s in report["settings"] if s["needed"] == needed}


# --- real servers -----------------------------------------------------------------

def test_ceph(radosgw, probe):
    store = radosgw.backend("ceph")
    report = probe(store.config(), unsigned_payload=True, disable_checksum=True)
    assert absent(report) == {"control characters in keys", "bucket in the host name"}
    assert len(report["tries"]) > 20
    assert advice(report) == {}
    assert advice(report, needed=False) == {"unsigned_payload": "false",
                                            "disable_checksum": "false"}
    assert report["bytes_sent"] > 8 * MIB and report["bytes_read"] > 8 * MIB
    assert 50 < report["requests"] < 75
    assert store.contents() == {}


def test_swift_and_the_region_it_names(swift, probe):
    store = swift.backend("swift")
    report = probe(store.config(), status=1, region="mars")
    assert advice(report) == {"region": "us-east-1"}
    assert {"If-None-Match: *", "metadata of 1.5 KB in one value"} <= absent(report)
    assert results(report)["read what is not there"] == "ok"
    assert store.contents() == {}


def test_for_people(radosgw, probe):
    """The bucket is looked for in the host name, and found in the path."""
    store = radosgw.backend("ceph")
    process = probe.start(store.config(), force_path_style=False)
    out, err = probe.finish(process, 1)
    assert "about 70 requests" in err
    assert "\n  force_path_style: true   # " in out
    assert "\nceph: not usable: some settings have to be changed\n" in out
    assert " requests, 8.00 MiB sent, 8.00 MiB read." in out
    assert radosgw.env["SECRET_KEY"] not in out + err
    assert store.contents() == {}


@pytest.mark.parametrize("settings, status, told", [
    ({"secret_access_key": "wrong"}, 1, "SignatureDoesNotMatch; is the secret_access_key right?"),
    ({"access_key_id": "nobody"}, 1, "InvalidAccessKeyId; there is no such access_key_id"),
    ({"bucket": "nowhere"}, 1, "NoSuchBucket; there is no bucket nowhere"),
    ({"endpoint": "http://no-such-host.invalid"}, 3, "no-such-host.invalid: "),
    ({"endpoint": "closed"}, 3, "Connection refused"),
    ({"endpoint": "https"}, 3, "does it speak https at that port?"),
])
def test_why_it_is_not_reached(radosgw, probe, settings, status, told):
    config = radosgw.backend("ceph").config()
    if settings.get("endpoint") == "closed":
        settings = {"endpoint": f"http://127.0.0.1:{free_ports(1)[0]}"}
    elif settings.get("endpoint") == "https":
        settings = {"endpoint": config["endpoint"].replace("http:", "https:")}
    report = probe(config, status, **settings)
    assert told in report["why"]
    assert report["verdict"] == ("not usable" if status == 1 else "not reachable")
    assert len(report["tries"]) == 1
    assert advice(report) == {}


def test_an_unknown_backend_is_refused_with_the_known_ones(probe):
    process = probe.start({"name": "disk", "type": "directory", "path": "/nowhere"}, "bogus")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2  # two names
    r = subprocess.run([f"{BUILD}/adminctl", "-config", probe.config, "probe", "bogus"],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 1
    assert "no backend bogus" in r.stderr and r.stderr.endswith("there are: disk\n")


# --- folders -----------------------------------------------------------------------

def test_a_new_folder_is_not_there_afterwards(probe, workdir):
    os.mkdir(f"{workdir}/here")
    folder = Directory(f"{workdir}/here/a/b", "disk")
    report = probe(folder.config())
    assert absent(report) <= {"copies that share blocks"}
    assert {"writable", "free space", "fsync", "copies by itself"} <= set(results(report))
    assert os.listdir(f"{workdir}/here") == []


def test_a_folder_in_use_stays_as_it_is(probe, workdir):
    folder = Directory(f"{workdir}/disk", "disk")
    os.makedirs(f"{folder.path}/objects/photos")
    for name in ("s3o-folder", "objects/photos/cat%="):
        with open(f"{folder.path}/{name}", "w") as f:
            f.write(name)
    before = {at: (folders, files) for at, folders, files in os.walk(folder.path)}
    probe(folder.config())
    assert {at: (folders, files) for at, folders, files in os.walk(folder.path)} == before


@contextlib.contextmanager
def read_only(path):
    """Also for root, who is not stopped by modes."""
    os.mkdir(path)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", path]).returncode != 0:
        os.rmdir(path)
        pytest.skip("no right to mount")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_folder_that_cannot_be_written(probe, workdir):
    with read_only(f"{workdir}/ro") as path:
        report = probe(Directory(path, "disk").config(), 1)
    assert results(report) == {"writable": "failed"}
    assert "Read-only file system" in report["why"]


# --- servers with quirks -------------------------------------------------------------

class Quirky(MemoryS3):
    """Knows lists. What is odd about it is overridden."""

    def __init__(self):
        super().__init__("quirky")
        outer = self

        class Handler(self.server.RequestHandlerClass):
            def do_PUT(self):
                refusal = outer.refuse(self.headers)
                if refusal:
                    self.rfile.read(int(self.headers["Content-Length"]))
                    self.answer(*refusal)
                else:
                    super().do_PUT()

            def date_time_string(self, timestamp=None):
                return outer.date or super().date_time_string(timestamp)

        self.server.RequestHandlerClass = Handler
        self.date = None

    def config(self):
        return {**super().config(), "secret_access_key": "quirkysecret"}

    def refuse(self, headers):
        return None

    def get(self, path):
        path, _, query = path.partition("?")
        if not query:
            return super().get(path)
        prefix = urllib.parse.parse_qs(query).get("prefix", [""])[0]
        keys = sorted(k for k in self.contents() if k.startswith(prefix))
        items = "".join(f"<Contents><Key>{urllib.parse.quote(k)}</Key><Size>1</Size></Contents>"
                        for k in keys)
        return 200, ("<ListBucketResult><EncodingType>url</EncodingType>"
                     f"{items}</ListBucketResult>").encode()


@pytest.fixture
def quirky():
    """quirky(cls) is a running server of that class."""
    started = []

    def start(cls):
        started.append(cls())
        return started[-1]
    yield start
    for s in started:
        s.server.shutdown()
        s.server.server_close()


class OnlyUnsigned(Quirky):
    def refuse(self, headers):
        if headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD":
            return self.error(400, "InvalidRequest")
        return None


def test_signed_bodies_are_refused(quirky, probe):
    s = quirky(OnlyUnsigned)
    report = probe(s.config(), 1)
    assert advice(report) == {"unsigned_payload": "true"}
    assert s.stored == {}
    # it cannot HEAD either
    assert results(report)["size (HEAD)"] == "failed"


class Small(Quirky):
    def put(self, path, length, read):
        body = read(length)
        if length > 3 * MIB:
            return self.error(400, "EntityTooLarge")
        self.stored[path] = body
        return 200, b""


def test_large_objects_are_refused(quirky, probe):
    s = quirky(Small)
    report = probe(s.config(), 1)
    assert advice(report) == {"max_object_size": "2MiB"}
    assert s.stored == {}


class Unlisted(Quirky):
    """As S3 answers a key without the right to list: neither lists, nor what is not there."""

    def get(self, path):
        return super().get(path) if path in self.stored else self.error(403, "AccessDenied")


def test_no_right_to_list(quirky, probe):
    s = quirky(Unlisted)
    report = probe(s.config(), 1)
    assert "the access key may not list the bucket" in report["why"]
    found = results(report)
    assert found["read"] == "ok" and found["read what is not there"] == "failed"
    assert any("servers say so to keys that may not list" in t["why"] for t in report["tries"])
    assert s.stored == {}


class Late(Quirky):
    def get(self, path):
        return self.error(403, "AccessDenied")


def test_another_clock(quirky, probe):
    s = quirky(Late)
    s.date = "Thu, 01 Jan 2015 00:00:00 GMT"
    report = probe(s.config(), 1)
    assert "s ahead of that of the server" in report["why"]


def test_a_certificate_that_nobody_knows(quirky, probe, workdir):
    s = quirky(Quirky)
    certificate = f"{workdir}/tls.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-keyout", f"{workdir}/tls.key", "-out", certificate],
                   check=True, stderr=subprocess.DEVNULL)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, f"{workdir}/tls.key")
    s.server.socket = tls.wrap_socket(s.server.socket, server_side=True)
    config = {**s.config(), "endpoint": f"https://localhost:{s.server.server_port}"}
    report = probe(config, 3)
    assert "certificate; ca_file names authorities to trust" in report["why"]
    report = probe(config, 1, ca_file=certificate)  # it knows too little of S3
    assert results(report)["read"] == "ok" and advice(report, needed=False) == {}


class Clinging(Quirky):
    def delete(self, path):
        return self.error(403, "AccessDenied")


def test_what_cannot_be_removed_is_told(quirky, probe):
    s = quirky(Clinging)
    out, _ = probe.finish(probe.start(s.config(), "-json"), 1)
    report = json.loads(out)
    assert {k["key"] for k in report["left"]} >= set(s.contents())
    assert all(k["key"].startswith(report["prefix"]) and "AccessDenied" in k["why"]
               for k in report["left"])


class Slow(Quirky):
    """Answers no PUT after the first one until it may, but has stored it."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def put(self, path, length, read):
        answer = super().put(path, length, read)
        if len(self.stored) > 1:
            self.go.wait()
        return answer


def test_an_interrupted_probe_removes_what_it_wrote(quirky, probe):
    s = quirky(Slow)
    process = probe.start(s.config(), "-json")
    until(lambda: len(s.stored) > 1, what="the second PUT")
    process.send_signal(signal.SIGINT)
    out, err = probe.finish(process, 1)
    s.go.set()
    assert "once more" in err
    assert json.loads(out)["verdict"] == "interrupted"
    assert s.stored == {}


def test_an_interrupted_probe_of_a_folder(probe, workdir):
    """Wherever it is then."""
    folder = Directory(f"{workdir}/disk", "disk")
    process = probe.start(folder.config(), "-json")
    until(lambda: os.path.exists(f"{folder.path}/s3o-probe") or process.poll() is not None,
          every=0.001)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert json.loads(out)["left"] == []
    assert not os.path.exists(folder.path)

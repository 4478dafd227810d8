"""The programs under test: proxyd and workerd of one host, with a configuration
of their own, a database of their own and the given backends."""
import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess

import requests

from .catalogue import differences
from .clients import client
from .processes import children_of
from .storage import ROOT
from .wait import free_ports, until

# With sanitizers and stop points; and the programs as users get them, when they are there.
BUILD = os.environ.get("S3O_BUILD", f"{ROOT}/build/san")
SHIPPED = os.environ.get("S3O_SHIPPED_BUILD", BUILD)

BUCKETS = {
    "photos": ("photoskey", "photossecret"),
    "documents": ("docskey", "docssecret"),
}

# A sanitizer's report is as good as a failed assertion; leaks are looked for
# when a process ends by itself.
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_stack_use_after_return=0:quarantine_size_mb=32",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def merge(base, extra):
    out = dict(base)
    for key, value in extra.items():
        out[key] = merge(out[key], value) if isinstance(value, dict) and key in out else value
    return out


def context_of(client_certificate):
    """Certificates of tests are their own authority."""
    context = ssl._create_unverified_context()
    if client_certificate:
        context.load_cert_chain(*client_certificate)
    return context


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Orchestrator:
    """One proxyd and one workerd. With a twin, which is another pair on the same database and
    backends, clients go to either, and the logs of both are one."""

    twin = None

    def __init__(self, directory, postgres, backends, extra=None, processes=2, database=None,
                 scheme="http", client_certificate=None, build=BUILD):
        """client_certificate: files of it and its key. build: the folder of the programs."""
        self.build = build
        self.dir = str(directory)
        self.postgres = postgres
        self.backends = backends
        self.port, self.worker_port = free_ports(2)
        self.endpoint = f"{scheme}://127.0.0.1:{self.port}"
        self.context = context_of(client_certificate) if scheme == "https" else None
        self.database = database or postgres.new_database()
        self.proxyd = self.workerd = None
        self.clients = {}  # of s3()
        os.makedirs(self.dir + "/run", exist_ok=True)
        os.makedirs(self.dir + "/spill", exist_ok=True)
        self.config = merge({
            "server": {"listen_addr": f"127.0.0.1:{self.port}", "processes": processes,
                       "run_dir": self.dir + "/run", "spill_dir": self.dir + "/spill"},
            "worker": {"listen_addr": f"127.0.0.1:{self.worker_port}"},
            "database": {"host": postgres.dir, "database": self.database, "user": "s3o",
                         "ssl_mode": "disable"},
            "buckets": [{"name": name, "credentials": [
                {"access_key_id": key, "secret_access_key": secret}]}
                for name, (key, secret) in BUCKETS.items()],
            "backends": [b.config() for b in backends],
            "telemetry": {"metrics": {"enabled": True}},
        }, extra or {})
        self.write_config()

    # --- life ---

    def write_config(self):
        self.config_file = self.dir + "/config.yaml"
        with open(self.config_file, "w") as f:
            json.dump(self.config, f, indent=1)  # JSON is YAML
        os.chmod(self.config_file, 0o600)
        if self.twin:
            self.twin.config.update({k: v for k, v in self.config.items()
                                     if k not in ("server", "worker")})
            self.twin.write_config()

    def _spawn(self, program, env={}):
        log = open(f"{self.dir}/{program}.log", "ab")
        process = subprocess.Popen([f"{self.build}/{program}", "-config", self.config_file],
                                   stdout=log, stderr=log, cwd=self.dir, start_new_session=True,
                                   env={**os.environ, **SANITIZERS, **env})
        log.close()
        return process

    def start(self, workerd=True):
        self.start_proxyd()
        if workerd:
            self.start_workerd()
        if self.twin:
            self.twin.start(workerd)
        return self

    def start_proxyd(self):
        self.proxyd = self._spawn("proxyd")
        until(lambda: self._ready(self.port, self.proxyd, self.context), what="proxyd is ready")

    def start_workerd(self, stop_at=None):
        """stop_at: the point where it dies (common/base/stop.h), perhaps before it is ready."""
        assert not stop_at or self.build == BUILD, "the module is not SANITIZED"
        self.workerd = self._spawn("workerd", {"S3O_STOP_AT": stop_at} if stop_at else {})
        if stop_at:
            return
        until(lambda: self._ready(self.worker_port, self.workerd), what="workerd is ready")

    def _ready(self, port, process, context=None):
        """Asked many times until it is true: without requests, which takes milliseconds."""
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}\n{self.logs()}")
        if context:
            c = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
        else:
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            c.request("GET", "/health/ready")
            return c.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            c.close()

    def stop(self):
        """Ends both programs as an administrator would, and checks that they end well."""
        if self.twin:
            self.twin.stop()
        for name in ("workerd", "proxyd"):
            process = getattr(self, name)
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name in ("workerd", "proxyd"):
            process = getattr(self, name)
            if process:
                try:
                    status = process.wait(40)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise AssertionError(f"{name} does not end\n{self.logs()}")
                assert status == 0, f"{name} ended with {status}\n{self.logs()}"
            setattr(self, name, None)
        self.check_logs()

    def kill(self, name):
        """kill -9 of a whole program, its children left to notice."""
        process = getattr(self, name)
        process.kill()
        process.wait()
        setattr(self, name, None)

    def kill_everything(self):
        if self.twin:
            self.twin.kill_everything()
        for name in ("proxyd", "workerd"):
            process = getattr(self, name)
            if process:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            setattr(self, name, None)

    def children(self):
        """Process ids of the serving children."""
        return children_of(self.proxyd.pid)

    # --- used by several tests ---

    def identity(self):
        """What stays as it is unless a test changes the programs."""
        if not (self.proxyd and self.workerd):
            return None
        with open(self.config_file) as f:
            return self.proxyd.pid, self.workerd.pid, self.children(), f.read()

    def empty(self):
        """Removes objects and uploads as clients do. False when there is more than
        those, or too many of them."""
        if self.sql("SELECT 1 FROM buckets WHERE owner IS NOT NULL OR versioning IS NOT NULL"
                    " UNION ALL SELECT 1 FROM bucket_settings UNION ALL SELECT 1 FROM cleanup_dlq"):
            return False
        objects = self.sql("SELECT bucket, object_name FROM object_versions")
        uploads = self.sql("SELECT bucket, object_name, upload_id FROM multipart_uploads")
        if len(objects) + len(uploads) > 200:
            return False
        clients = {bucket: self.s3(bucket) for bucket in BUCKETS}
        for bucket, key in objects:
            clients[bucket].delete_object(Bucket=bucket, Key=key)
        for bucket, key, upload in uploads:
            clients[bucket].abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        self.tidy_up()
        return True

    # --- logs ---

    def log_text(self, program):
        try:
            with open(f"{self.dir}/{program}.log", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def forget_logs(self):
        for program in ("proxyd", "workerd"):
            os.truncate(f"{self.dir}/{program}.log", 0)  # they append

    def log_lines(self, program):
        """Parsed log lines, oldest first."""
        lines = []
        for line in self.log_text(program).splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                pass
        return lines + (self.twin.log_lines(program) if self.twin else [])

    def audit(self, program="proxyd"):
        return [line for line in self.log_lines(program) if line.get("audit")]

    def logs(self, n=25):
        """The last lines but audit events, for a failed test."""
        return "\n".join(
            f"--- {p}\n" + "\n".join([line[:400] for line in self.log_text(p).splitlines()
                                      if '"audit":true' not in line][-n:])
            for p in ("proxyd", "workerd"))

    def check_logs(self):
        for program in sorted(name[:-4] for name in os.listdir(self.dir) if name.endswith(".log")):
            text = self.log_text(program)
            for mark in ("ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer",
                         "Assertion `"):
                assert mark not in text, f"{program}: {text[text.index(mark) - 200:][:6000]}"

    # --- clients ---

    def s3(self, bucket="photos", **options):
        """A client with connections of its own, unless it goes to the only child: to make one
        takes longer than most requests."""
        host = random.choice([self, self.twin]) if self.twin else self
        if host.config["server"]["processes"] > 1:
            return client(host.endpoint, *BUCKETS[bucket], **options)
        name = bucket, repr(sorted(options.items()))
        if name not in host.clients:
            host.clients[name] = client(host.endpoint, *BUCKETS[bucket], **options)
        return host.clients[name]

    def adminctl(self, *args, check=True):
        if self.twin and args[0] == "reload":
            self.twin.adminctl(*args, check=check)
        return subprocess.run([f"{self.build}/adminctl", "-config", self.config_file, *args],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=check, env={**os.environ, **SANITIZERS})

    def requests_in_progress(self):
        """Without the one that asks: the control socket is served by the children, too."""
        return sum(c["requests"] for c in self.status()["proxyd"]["children"]) - 1

    def status(self):
        """As adminctl status tells, of the daemons that answer. Asked many times until
        something has happened: without a program, which takes 50 ms."""
        found = {}
        for name in ("proxyd", "workerd"):
            c = UnixConnection(f"{self.dir}/run/{name}.sock")
            try:
                c.request("GET", "/admin/api/status")
                found[name] = json.loads(c.getresponse().read())
            except OSError:
                pass
            finally:
                c.close()
        return found

    def metrics(self, port=None):
        """Samples of the metrics page: {'name{labels}': value}."""
        text = requests.get(f"http://127.0.0.1:{port or self.port}/metrics", timeout=10).text
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    # --- the catalogue ---

    def sql(self, query, *args):
        return self.postgres.execute(self.database, query, args)

    def is_clean(self):
        """No clean-up is waiting, no write is unfinished."""
        return self.sql("SELECT (SELECT count(*) FROM cleanup_queue) +"
                        " (SELECT count(*) FROM pending_objects)")[0][0] == 0

    def wait_clean(self, seconds=90):
        """A deletion that failed once is repeated after a minute."""
        until(self.is_clean, seconds, "the clean-up queue is empty")

    def tidy_up(self, seconds=60):
        """Cleans up without the patience of back-off and minimum age."""
        def step():
            self.sql("UPDATE cleanup_queue SET next_retry = now()")
            self.sql("UPDATE pending_objects SET renewed_at = now() - interval '1 day'")
            self.sql("NOTIFY s3o_jobs")
            try:
                return until(self.is_clean, 1)
            except TimeoutError:
                return False
        if not self.is_clean():
            until(step, seconds, "the clean-up queue is empty")

    def keeps_for_readers(self):
        """Whether deletions of what is still being read are put off."""
        return self.sql("SELECT min(next_retry) > now() + interval '20 s' FROM cleanup_queue"
                        " WHERE generation IS NOT NULL")[0][0]

    def check(self):
        """The promises: the catalogue agrees with itself and with the backends."""
        found = list(differences(self.sql, self.backends))
        assert not found, found

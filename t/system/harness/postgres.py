"""A private PostgreSQL cluster on a Unix socket, run as an unprivileged user,
because PostgreSQL refuses root."""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import psycopg2

from .processes import children_of
from .wait import free_ports, until


def _version(path):
    return int(path.split("/")[4])


def _bindir():
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    if not found:
        raise RuntimeError("no PostgreSQL server in /usr/lib/postgresql")
    return os.path.dirname(max(found, key=_version))


def folder_of_clusters():
    """In memory where there is room: new databases are many small files. Each process of
    tests has a few at a time, of 8 MB, and WAL of up to 1 GB."""
    memory = "/dev/shm"
    if os.path.isdir(memory) and shutil.disk_usage(memory).free > 2 << 30:
        return memory
    return "/tmp"


# The database with the schema and nothing in it, where there is one (clusters.py).
SCHEMA = "schema"


class Postgres:
    """Without fsync: killing processes loses nothing, only a crash of the machine would."""

    def __init__(self, data=None):
        """data: the folder of a cluster that is at rest and has SCHEMA, to be copied."""
        self.template = SCHEMA if data else "template1"
        self.dir = tempfile.mkdtemp(prefix="s3o-pg-", dir=folder_of_clusters())
        self.idle = {}  # connections of execute(), by database
        self.bin = _bindir()
        self.version = _version(self.bin)
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.process = None
        self.port = 5432
        if os.geteuid() == 0:
            shutil.chown(self.dir, self.user)
        os.chmod(self.dir, 0o755)
        if data:
            subprocess.run(["cp", "-a", data, self.dir + "/data"], check=True)
        else:
            self._run("initdb", "-D", self.dir + "/data", "-U", "s3o", "-A", "trust", "-E", "UTF8",
                      "--locale=C.UTF-8", "--no-sync", "--wal-segsize=4")
        with open(self.dir + "/data/postgresql.conf", "a") as f:
            f.write(f"""
listen_addresses = ''
unix_socket_directories = '{self.dir}'
max_connections = 200
fsync = off
full_page_writes = off
autovacuum = off
shared_buffers = 32MB
log_min_messages = warning
""")
        self.start()
        self.databases = 0

    def _as_user(self):
        if os.geteuid() != 0:
            return {}
        entry = pwd.getpwnam(self.user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def _run(self, program, *args):
        subprocess.run([f"{self.bin}/{program}", *args], check=True, cwd=self.dir,
                       stdout=subprocess.DEVNULL, **self._as_user())

    def start(self):
        log = open(self.dir + "/log", "ab")
        self.process = subprocess.Popen([f"{self.bin}/postgres", "-D", self.dir + "/data"],
                                        stdout=log, stderr=log, cwd=self.dir,
                                        start_new_session=True, **self._as_user())
        log.close()
        until(self.answers, what="PostgreSQL answers")

    def answers(self):
        try:
            self.connect("postgres").close()
            return True
        except psycopg2.OperationalError:
            return False

    def connect(self, database):
        connection = psycopg2.connect(host=self.dir, port=self.port, user="s3o",
                                      dbname=database)
        connection.autocommit = True
        return connection

    def execute(self, database, query, args=()):
        """The rows of a statement, or None. Connections are kept, because a new one
        costs more than most statements; several threads may call."""
        idle = self.idle.setdefault(database, [])
        while True:
            connection, kept = (idle.pop(), True) if idle else (self.connect(database), False)
            try:
                cursor = connection.cursor()
                cursor.execute(query, args or None)
                rows = cursor.fetchall() if cursor.description else None
            except psycopg2.OperationalError:
                if kept and connection.closed:  # the server was restarted meanwhile
                    continue
                raise
            idle.append(connection)
            return rows

    def new_database(self, template=None):
        self.databases += 1
        name = f"t{self.databases}"
        # From version 15 on copies go through the WAL unless told otherwise, which takes longer.
        how = " STRATEGY file_copy" if self.version >= 15 else ""
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {template or self.template}{how}")
        return name

    def drop_database(self, name):
        for connection in self.idle.pop(name, []):
            connection.close()
        self.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self):
        """Shuts down at once, cutting connections, cleanly."""
        self._end(signal.SIGINT)

    def kill(self):
        """Crash: no shutdown, no checkpoint. Its processes notice and die."""
        self._end(signal.SIGKILL)

    def serve_tls(self):
        """Restarts it with a TCP port on localhost that speaks TLS. Returns the file of
        its certificate, which is its own authority."""
        self.stop()
        self.port, = free_ports(1)
        certificate, key = self.dir + "/data/server.crt", self.dir + "/data/server.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                        key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
        if os.geteuid() == 0:
            shutil.chown(certificate, self.user)
            shutil.chown(key, self.user)
        with open(self.dir + "/data/postgresql.conf", "a") as f:
            f.write(f"listen_addresses = 'localhost'\nport = {self.port}\nssl = on\n")
        self.start()
        return shutil.copy(certificate, self.dir + "/authority.crt")

    def freeze(self, how=signal.SIGSTOP):
        """Takes connections and statements, answers nothing, until thaw()."""
        for pid in [self.process.pid, *children_of(self.process.pid)]:
            os.kill(pid, how)

    def thaw(self):
        self.freeze(signal.SIGCONT)

    def _end(self, how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)
        self.process = None
        socket = f"{self.dir}/.s.PGSQL.{self.port}"
        if how == signal.SIGKILL:
            until(lambda: not self._backends_left(), what="PostgreSQL's processes are gone")
            for leftover in (socket, socket + ".lock"):
                if os.path.exists(leftover):
                    os.unlink(leftover)

    def _backends_left(self):
        found = subprocess.run(["pgrep", "-f", f"{self.dir}/data"], stdout=subprocess.PIPE)
        if found.stdout:
            return True
        # Shared memory stays attached until the last backend has left.
        try:
            with open(self.dir + "/data/postmaster.pid") as f:
                lines = f.read().split("\n")
            shmid = lines[6].split()[1] if len(lines) > 6 and lines[6] else None
        except (OSError, IndexError):
            return False
        if not shmid:
            return False
        out = subprocess.run(["ipcs", "-m", "-i", shmid], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True).stdout
        return "nattch=" in out and "nattch=0" not in out.replace(" ", "")

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

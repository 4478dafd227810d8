"""Backends to store on: folders, and real S3 servers started by t/backends."""
import os
import subprocess
import urllib.parse

import boto3
from botocore.config import Config

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))


def key_of_path(path):
    """The key of a file below objects/: common/backend/dir_path.h, read backwards. In
    bytes, because a long component may be cut inside a character."""
    key = b""
    *folders, name = os.fsencode(path).split(b"/")
    for folder in folders:
        if folder.endswith(b"%+"):
            key += urllib.parse.unquote_to_bytes(folder[:-2])
        else:
            key += (b"" if folder == b"%-" else urllib.parse.unquote_to_bytes(folder)) + b"/"
    if not name.endswith(b"%="):
        return f"not an object: {path}"
    return (key + urllib.parse.unquote_to_bytes(name[:-2])).decode(errors="surrogateescape")


class Directory:
    """A folder as a backend."""

    def __init__(self, path, name, quota="10GB"):
        self.name = name
        self.path = path
        self.quota = quota

    def config(self):
        return {"name": self.name, "type": "directory", "path": self.path,
                "quota_bytes": self.quota}

    def files(self):
        """Every stored file, whatever it is called."""
        found = []
        for folder, _, names in os.walk(os.path.join(self.path, "objects")):
            found += [os.path.join(folder, n) for n in names]
        return found

    def bytes_stored(self):
        return sum(os.path.getsize(f) for f in self.files())

    def count(self):
        return len(self.files())

    def contents(self):
        """What lies here: {key: size}. Every kind of backend has this."""
        top = os.path.join(self.path, "objects")
        return {key_of_path(os.path.relpath(f, top)): os.path.getsize(f) for f in self.files()}

    def wipe(self):
        """Loses everything behind the catalogue's back."""
        for f in self.files():
            os.unlink(f)


def disks(folder, n=3, quota="10GB"):
    """disk1 to diskN as backends."""
    return [Directory(f"{folder}/disk{i}", f"disk{i}", quota) for i in range(1, n + 1)]


class S3Server:
    """One server of t/backends/{radosgw,swift-s3}, shared by a session's tests;
    each test uses a bucket of its own."""

    def __init__(self, kind, state):
        self.kind = kind
        self.state = state
        self.script = f"{ROOT}/t/backends/{kind}"
        values = self.run("start", "1")
        prefix = {"radosgw": "RADOSGW", "swift-s3": "SWIFT"}[kind] + "_1_"
        self.env = {k[len(prefix):]: v for k, v in
                    (line.split("=", 1) for line in values.splitlines() if "=" in line)
                    if k.startswith(prefix)}
        self.port = self.env["PORT"]
        self.buckets = 0

    def run(self, *args):
        return subprocess.run([self.script, *args], check=True, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "S3_BACKENDS_STATE": self.state}).stdout

    def client(self):
        return boto3.client("s3", endpoint_url=self.env["ENDPOINT"],
                            aws_access_key_id=self.env["ACCESS_KEY"],
                            aws_secret_access_key=self.env["SECRET_KEY"],
                            region_name=self.env["REGION"],
                            config=Config(s3={"addressing_style": "path"},
                                          retries={"max_attempts": 5}))

    def backend(self, name, quota="10GB"):
        self.buckets += 1
        bucket = f"store{self.buckets}"
        self.client().create_bucket(Bucket=bucket)
        return S3Backend(self, name, bucket, quota)

    def stop(self):
        self.run("stop")


class S3Backend:
    """A bucket of an S3 server as a backend."""

    def __init__(self, server, name, bucket, quota):
        self.server, self.name, self.bucket, self.quota = server, name, bucket, quota

    def config(self):
        return {"name": self.name, "endpoint": self.server.env["ENDPOINT"],
                "region": self.server.env["REGION"], "bucket": self.bucket,
                "access_key_id": self.server.env["ACCESS_KEY"],
                "secret_access_key": self.server.env["SECRET_KEY"],
                "force_path_style": True, "quota_bytes": self.quota}

    def objects(self):
        pages = self.server.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [o for page in pages for o in page.get("Contents", [])]

    def bytes_stored(self):
        return sum(o["Size"] for o in self.objects())

    def count(self):
        return len(self.objects())

    def contents(self):
        return {o["Key"]: o["Size"] for o in self.objects()}

    def wipe(self):
        for key in self.contents():
            self.server.client().delete_object(Bucket=self.bucket, Key=key)

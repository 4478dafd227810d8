"""Where a test of a client sends it: to the programs under test, or straight to a
real S3 server, which shows that the test itself is right.

S3O_TEST_ENDPOINT chooses: absent the programs under test, "radosgw" a Ceph gateway,
or any URL, with S3O_TEST_ACCESS_KEY and S3O_TEST_SECRET_KEY."""
import secrets

from .clients import client
from .orchestrator import BUCKETS


class Endpoint:
    """One S3 service with the credentials of one user and an empty bucket."""

    def __init__(self, url, key, secret, ours):
        self.url, self.key, self.secret, self.ours = url, key, secret, ours
        self.host = url.split("://", 1)[1]
        self.region = "us-east-1"
        self.bucket = "photos"

    @classmethod
    def of_orchestrator(cls, orchestrator):
        return cls(orchestrator.endpoint, *BUCKETS["photos"], ours=True)

    @classmethod
    def of_server(cls, url, key, secret):
        endpoint = cls(url, key, secret, ours=False)
        endpoint.bucket = endpoint.new_bucket()
        return endpoint

    def new_bucket(self):
        """Another bucket of the same user."""
        name = f"photos-{secrets.token_hex(6)}"  # other tests use the same server
        self.s3().create_bucket(Bucket=name)
        return name

    def s3(self, **options):
        return client(self.url, self.key, self.secret, **options)

    def keys(self, bucket=None):
        """All keys of a bucket, in order."""
        pages = self.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket or self.bucket)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def uploads(self):
        """Multipart uploads that are not finished."""
        return self.s3().list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])

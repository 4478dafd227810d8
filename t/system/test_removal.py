# SPDX-License-Identifier: MIT
"""Taking a backend out of the catalogue: with all that it holds, or leaving it alone; never
without telling what is lost."""
import os
import signal

import pytest
import requests
from botocore.exceptions import ClientError

from harness.uploads import Upload
from harness.wait import until

SANITIZED = True
PROCESSES = 2  # of the systems launched here: requests meet across children

TOKEN = "let-me-in"


def start(launch, backends, extra=None, **options):
    return launch(backends, {"ui": {"admin_token": TOKEN}, **(extra or {})}, **options)


def remove(o, backend, **parameters):
    return requests.delete(f"http://127.0.0.1:{o.worker_port}/admin/api/backends/{backend}",
                           params=parameters, headers={"X-Admin-Token": TOKEN}, timeout=60)


def put(o, n, prefix="k", bucket="photos"):
    bodies = {f"{prefix}{i}": os.urandom(2000 + i) for i in range(n)}
    for key, body in bodies.items():
        o.s3(bucket).put_object(Bucket=bucket, Key=key, Body=body)
    return bodies


def keys(o, bucket="photos"):
    return sorted(k["Key"] for k in o.s3(bucket).list_objects_v2(Bucket=bucket).get("Contents", []))


def of(o, table, backend="disk1"):
    return o.sql(f"SELECT count(*) FROM {table} WHERE backend_name = %s", backend)[0][0]


def copied(o, n):
    return all(c == n for (c,) in o.sql("SELECT count(*) FROM object_locations l"
                                        " JOIN segments s USING (segment_id)"
                                        " WHERE s.bucket = 'documents' GROUP BY segment_id"))


def two_buckets(factor):
    return {"buckets": [
        {"name": "photos", "replication": {"factor": 1}, "credentials": [
            {"access_key_id": "photoskey", "secret_access_key": "photossecret"}]},
        {"name": "documents", "replication": {"factor": factor}, "credentials": [
            {"access_key_id": "docskey", "secret_access_key": "docssecret"}]}]}


def test_purge(launch, directories):
    """What is only there goes, after two questions; what has another copy stays."""
    o = start(launch, directories(3), two_buckets(2))
    alone, copies = put(o, 150), put(o, 20, "d", "documents")
    upload = Upload(o.s3(), "open")
    upload.part(1, b"part")
    until(lambda: copied(o, 2))
    size = sum(map(len, alone.values())) + 4
    both = sum(map(len, copies.values()))
    preview = remove(o, "disk1", purge="true").json()
    token = preview.pop("confirm_token")
    assert preview == {"status": "confirmation required", "backend": "disk1", "purge": True,
                       "object_count": 171, "total_bytes": size + both, "sole_object_count": 151,
                       "sole_bytes": size, "api_requests": 171, "egress_bytes": 0,
                       "expires_in": 60}
    dry = remove(o, "disk1", purge="true", dry_run="true").json()
    assert dry["status"] == "dry run" and "confirm_token" not in dry
    for wrong in ("x", token[:-2], token + "A"):
        answer = remove(o, "disk1", purge="true", confirm=wrong)
        assert answer.status_code == 403 and "invalid or expired" in answer.json()["error"]
    assert remove(o, "disk2", purge="true", confirm=token).status_code == 403
    assert remove(o, "disk1", confirm=token).status_code == 403  # it was for another action
    assert len(keys(o)) == 150

    answer = remove(o, "disk1", purge="true", confirm=token)
    assert answer.status_code == 200 and answer.json() == {
        "status": "backend purged", "backend": "disk1", "copies_removed": 171,
        "deletions_lost": 0}
    assert o.backends[0].count() == 0
    assert keys(o) == [] and keys(o, "documents") == sorted(copies)
    for table in ("object_locations", "backend_quotas", "backend_quota_slots", "cleanup_queue"):
        assert of(o, table) == 0, table
    with pytest.raises(ClientError):
        upload.complete()
    until(lambda: copied(o, 2))
    for key, body in copies.items():
        assert o.s3("documents").get_object(Bucket="documents", Key=key)["Body"].read() == body
    put(o, 3)  # elsewhere, although it is configured still
    assert of(o, "object_locations") == 0
    assert [(a["backend"], a["purge"]) for a in o.audit("workerd")
            if a["event"] == "storage.RemoveBackend"] == [("disk1", True)]


def test_versions_that_were_current(launch, directories):
    """The newest that is left becomes the current one. With adminctl, which asks twice."""
    o = start(launch, directories(2))
    s3 = o.s3()
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="photos", Key="k", Body=b"old")
    o.adminctl("drain", "start", "disk1", "--wait")
    o.adminctl("drain", "cancel", "disk1")
    s3.put_object(Bucket="photos", Key="k", Body=b"new")
    asked = o.adminctl("remove-backend", "disk1", "-purge")
    assert asked.stdout.splitlines()[::2] == ['Backend "disk1" contains 1 objects (3 bytes).',
                                              "Re-run with --confirm to proceed."]
    told = o.adminctl("remove-backend", "--dry-run", "disk1", "--purge")
    assert "1 objects (3 bytes) have no copy elsewhere" in told.stdout
    assert s3.get_object(Bucket="photos", Key="k")["Body"].read() == b"new"
    done = o.adminctl("remove-backend", "disk1", "--purge", "--confirm")
    assert done.stdout == "disk1: backend purged, 1 copies\n"
    assert s3.get_object(Bucket="photos", Key="k")["Body"].read() == b"old"
    refused = o.adminctl("remove-backend", "disk1", "--purge", check=False)
    assert refused.returncode == 1 and "knows no backend disk1" in refused.stderr
    o.kill("workerd")
    down = o.adminctl("remove-backend", "disk2", check=False)
    assert down.returncode == 3 and "workerd" in down.stderr


def test_without_purge(launch, directories):
    """At once when all has another copy; the bytes stay where they are."""
    o = start(launch, directories(3), two_buckets(2))
    bodies = put(o, 20, "d", "documents")
    until(lambda: copied(o, 2))
    o.wait_clean()
    before = o.backends[0].contents()
    answer = remove(o, "disk1").json()
    assert answer["status"] == "backend removed" and answer["copies_removed"] == 20
    assert o.backends[0].contents() == before
    assert of(o, "object_locations") == of(o, "backend_quotas") == 0
    until(lambda: copied(o, 2))  # on the two others
    for key, body in bodies.items():
        assert o.s3("documents").get_object(Bucket="documents", Key=key)["Body"].read() == body
    o.backends[0].wipe()


def test_what_would_be_lost_is_asked_for(launch, directories):
    o = start(launch, directories(2), check=False)
    put(o, 5)
    preview = remove(o, "disk1").json()
    assert preview["status"] == "confirmation required" and preview["sole_object_count"] == 5
    assert of(o, "object_locations") == 5
    answer = remove(o, "disk1", confirm=preview["confirm_token"]).json()
    assert answer["status"] == "backend removed"
    assert o.backends[0].count() == 5 and len(keys(o)) == 5
    with pytest.raises(ClientError) as e:
        o.s3().get_object(Bucket="photos", Key="k0")
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500  # it is not gone


def test_what_cannot_be_asked_for(launch, directories):
    one, two = directories(2)
    two.quota = "1MB"
    o = start(launch, [one, two])
    o.s3().put_object(Bucket="photos", Key="k", Body=b"x" * 2_000_000)
    assert remove(o, "nobody", purge="true").status_code == 400
    assert "purge_it" in remove(o, "disk1", purge_it="true").json()["error"]
    assert "purge=yes" in remove(o, "disk1", purge="yes").json()["error"]
    o.adminctl("drain", "start", "disk1")
    token = remove(o, "disk1", purge="true").json()["confirm_token"]
    answer = remove(o, "disk1", purge="true", confirm=token)
    assert answer.status_code == 400 and "is draining" in answer.json()["error"]
    o.adminctl("drain", "cancel", "disk1")
    assert requests.delete(f"http://127.0.0.1:{o.worker_port}/admin/api/backends/disk1",
                           timeout=10).status_code == 401
    assert keys(o) == ["k"]


@pytest.mark.parametrize("point", ["purged-page", "backend-forgotten"])
def test_a_killed_workerd(launch, directories, point):
    o = start(launch, directories(2), workerd=False)
    put(o, 120)
    o.start_workerd(stop_at=point)
    token = until(lambda: ask(o, purge="true")).json()["confirm_token"]
    with pytest.raises(requests.RequestException):
        remove(o, "disk1", purge="true", confirm=token)
    assert o.workerd.wait(60) == -signal.SIGKILL
    assert o.sql("SELECT state FROM jobs") == [("running",)]
    o.sql("UPDATE jobs SET heartbeat_at = now() - interval '1 day'")
    o.sql("UPDATE cleanup_queue SET claimed_at = now() - interval '1 day'"
          " WHERE claimed_at IS NOT NULL")
    o.start_workerd()
    until(lambda: o.sql("SELECT state FROM jobs") == [("done",)], 60)
    assert o.backends[0].count() == 0 and keys(o) == []
    assert of(o, "backend_quotas") == 0


def ask(o, **parameters):
    try:
        return remove(o, "disk1", **parameters)
    except requests.RequestException:
        return None

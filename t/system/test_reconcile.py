# SPDX-License-Identifier: MIT
"""What lies on the backends and what the catalogue says: compared, and made to agree without
losing anything."""
import datetime
import json
import os
import signal
import threading
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from harness.memory_s3 import MemoryS3
from harness.storage import S3Backend
from harness.uploads import Upload
from harness.wait import until

SANITIZED = True

AT_ONCE = {"reconcile": {"min_age": "0s", "orphan_age": "0s"}}
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def settings(**more):
    return {"reconcile": {**AT_ONCE["reconcile"], **more}}


def is_past(backend):
    """Swift rounds times up to the next second."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return all(k["LastModified"] < now for k in backend.objects())


def run(o, *args, check=True):
    for backend in o.backends:
        if isinstance(backend, S3Backend) and backend.server.kind == "swift-s3":
            until(lambda backend=backend: is_past(backend))
    done = o.adminctl(*args, "-json", check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if check else done


def reload(o, **config):
    o.config.update(config)
    o.write_config()
    o.adminctl("reload")


def reconcile(o, *args):
    """What was counted and is not zero, over all backends."""
    answer = run(o, "reconcile", *args)
    return {k: v for k, v in answer.items()
            if isinstance(v, int) and v and k not in ("listed", "backends_scanned", "dry_run")}


def keys(o, bucket="photos"):
    return sorted(k["Key"] for k in o.s3(bucket).list_objects_v2(Bucket=bucket).get("Contents", []))


def read(o, key, bucket="photos"):
    return o.s3(bucket).get_object(Bucket=bucket, Key=key)["Body"].read()


def put_beside(backend, key, body=b"body", **more):
    """As somebody who knows nothing of us."""
    backend.server.client().put_object(Bucket=backend.bucket, Key=key, Body=body, **more)


def import_of_others(o, ceph):
    put_beside(ceph, "photos/a.txt", b"first", ContentType="text/plain",
               Metadata={"who": "me"}, CacheControl="no-store", ContentEncoding="identity")
    put_beside(ceph, "photos/b/ü %", b"second")
    put_beside(ceph, f"photos/c~{ULID}", b"looks like ours")
    put_beside(ceph, "nobody/x")
    put_beside(ceph, "photos")
    put_beside(ceph, "__multipart/u/1")


def test_objects_of_others(launch, radosgw):
    """They become objects where they lie, under the keys that they have there."""
    ceph = radosgw.backend("ceph")
    o = launch([ceph], AT_ONCE)
    o.s3().put_object(Bucket="photos", Key="known", Body=b"known")
    import_of_others(o, ceph)
    assert reconcile(o, "-dry-run") == {"imported": 3, "bytes_imported": 26, "foreign": 3}
    assert keys(o) == ["known"]
    before = ceph.contents()
    assert reconcile(o) == {"imported": 3, "bytes_imported": 26, "foreign": 3}
    assert ceph.contents() == before  # no byte was copied
    assert keys(o) == ["a.txt", "b/ü %", f"c~{ULID}", "known"]
    got = o.s3().get_object(Bucket="photos", Key="a.txt")
    assert got["Body"].read() == b"first" and got["ContentType"] == "text/plain"
    assert got["Metadata"] == {"who": "me"} and got["CacheControl"] == "no-store"
    assert got["ETag"] == '"8b04d5e3775d298e78455efc5ca404d5"'  # of the bytes
    assert read(o, "b/ü %") == b"second"
    assert reconcile(o) == {"foreign": 3}
    assert o.sql("SELECT bytes_used FROM backend_space") == [(26 + 5,)]
    done = o.adminctl("reconcile")
    assert done.stdout.splitlines()[0].split() == [
        "BACKEND", "LISTED", "IMPORTED", "ADOPTED", "ORPHANS", "KEPT", "REMOVED", "LOST", "SIZE",
        "DIFFERS", "FOREIGN", "SKIPPED", "UNPROVEN", "ERRORS"]

    # Deleted and overwritten as any other, and they do not come back.
    o.s3().delete_object(Bucket="photos", Key="a.txt")
    o.s3().put_object(Bucket="photos", Key="b/ü %", Body=b"third")
    o.wait_clean()
    assert reconcile(o) == {"foreign": 3}
    assert read(o, "b/ü %") == b"third" and "photos/a.txt" not in ceph.contents()
    audit = [a for a in o.audit("workerd") if a["event"] == "storage.ReconcileComplete"]
    assert [(a["imported"], a["dry_run"]) for a in audit[:2]] == [(3, True), (3, False)]
    for key in ("nobody/x", "photos", "__multipart/u/1"):
        ceph.server.client().delete_object(Bucket=ceph.bucket, Key=key)


def test_what_is_new_is_left_alone(launch, radosgw):
    ceph = radosgw.backend("ceph")
    o = launch([ceph])
    put_beside(ceph, "photos/new")
    assert reconcile(o) == {"skipped": 1}
    assert keys(o) == []
    ceph.wipe()


def test_versions_and_markers_stay(launch, radosgw):
    """A key that has a version, or was deleted in a bucket with versions, keeps it."""
    ceph, s3 = radosgw.backend("ceph"), None
    o = launch([ceph], AT_ONCE)
    s3 = o.s3()
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="photos", Key="is", Body=b"ours")
    s3.delete_object(Bucket="photos", Key="was")
    put_beside(ceph, "photos/is")
    put_beside(ceph, "photos/was")
    put_beside(ceph, "photos/new")
    assert reconcile(o) == {"imported": 1, "bytes_imported": 4, "skipped": 2}
    assert keys(o) == ["is", "new"] and read(o, "is") == b"ours"
    version = s3.head_object(Bucket="photos", Key="new")["VersionId"]
    s3.delete_object(Bucket="photos", Key="new")
    assert s3.get_object(Bucket="photos", Key="new", VersionId=version)["Body"].read() == b"body"
    s3.delete_object(Bucket="photos", Key="new", VersionId=version)
    for key in ("photos/is", "photos/was"):
        ceph.server.client().delete_object(Bucket=ceph.bucket, Key=key)


def test_imported_objects_get_copies(launch, radosgw, directories):
    """Also when the backend cannot tell the MD5 of what lies there."""
    ceph = radosgw.backend("ceph")
    o = launch([ceph, *directories(1)], {**AT_ONCE, "replication": {"factor": 2}})
    body = os.urandom(6 << 20)
    put_beside(ceph, "photos/k", b"body")
    client = ceph.server.client()
    upload = client.create_multipart_upload(Bucket=ceph.bucket, Key="photos/big")["UploadId"]
    part = client.upload_part(Bucket=ceph.bucket, Key="photos/big", UploadId=upload, PartNumber=1,
                              Body=body)
    client.complete_multipart_upload(
        Bucket=ceph.bucket, Key="photos/big", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert reconcile(o, "-backend", "ceph")["imported"] == 2
    until(lambda: o.sql("SELECT count(*) FROM object_locations WHERE backend_name = 'disk1'")
          == [(2,)])
    assert o.s3().head_object(Bucket="photos", Key="big")["ETag"].endswith('-1"')
    ceph.wipe()
    assert read(o, "k") == b"body" and read(o, "big") == body
    until(lambda: ceph.count() == 2)  # readers have said that copies are missing


def test_sync(launch, swift):
    """Everything goes into one bucket, but what belongs to another one."""
    store = swift.backend("swift")
    o = launch([store], AT_ONCE)
    o.s3().put_object(Bucket="photos", Key="pics/1", Body=b"ours")
    for key in ("pics/1", "pics/2", "docs/3", "photos/4", "documents/5", "pics/6/7"):
        put_beside(store, key, key.encode())
    asked = ("sync", "-backend", "swift", "-bucket", "photos")
    assert run(o, *asked, "-dry-run", "-prefix", "pics/")["imported"] == 2
    assert keys(o) == ["pics/1"]
    first = run(o, *asked, "--prefix", "pics/")
    assert (first["imported"], first["skipped"], first["bytes_imported"]) == (2, 1, 14)
    assert keys(o) == ["pics/1", "pics/2", "pics/6/7"]
    told = o.adminctl(*asked)  # nothing is new any more
    assert told.stdout == ("swift: 2 objects (14 B) imported into photos, 2 skipped, 0 foreign, "
                           "0 errors\n")
    assert keys(o) == ["4", "docs/3", "pics/1", "pics/2", "pics/6/7"]
    assert read(o, "pics/1") == b"ours" and read(o, "docs/3") == b"docs/3"
    assert read(o, "4") == b"photos/4"
    assert reconcile(o) == {"imported": 1, "bytes_imported": 11, "foreign": 1}  # documents/5
    assert keys(o, "documents") == ["5"]
    store.server.client().delete_object(Bucket=store.bucket, Key="pics/1")


def test_what_cannot_be_asked_for(launch, directories):
    o = launch(directories(1))
    for args, code, text in (
            (("sync", "-bucket", "photos"), 1, "-backend is required"),
            (("sync", "-backend", "disk1"), 1, "-bucket is required"),
            (("sync", "-backend", "x", "-bucket", "photos"), 1, "backend=x: no such backend"),
            (("sync", "-backend", "disk1", "-bucket", "x"), 1, "bucket=x: there is no such"),
            (("reconcile", "-backend", "x"), 1, "backend=x: no such backend"),
            (("reconcile", "-bucket", "x"), 2, "no option of this command: -bucket")):
        done = run(o, *args, check=False)
        assert done.returncode == code and text in done.stderr, done.stderr


def of_ours(backend, key, body, **metadata):
    """As if a writer had died after its last byte, and nobody knew."""
    put_beside(backend, key, body, Metadata={"s3o-format": "1", "s3o-segment": "1",
                                             "s3o-size": str(len(body)), **metadata})


def test_orphans(launch, radosgw):
    """What is ours beyond doubt and in no table is deleted when it is old; never imported."""
    ceph = radosgw.backend("ceph")
    o = launch([ceph], settings(orphan_age="168h"))
    o.s3().put_object(Bucket="photos", Key="k", Body=b"live")
    of_ours(ceph, f"photos/k~{ULID}", b"old", **{"s3o-generation": ULID})
    of_ours(ceph, f"photos/gone~{ULID}/00003.{ULID}", b"part", **{"s3o-generation": ULID})
    of_ours(ceph, f"theirs/k~{ULID}", b"of another installation", **{"s3o-generation": ULID})
    assert reconcile(o) == {"orphans_kept": 3}
    assert ceph.count() == 4 and keys(o) == ["k"]
    reload(o, reconcile=settings(remove=False)["reconcile"])
    assert reconcile(o) == {"orphans_kept": 3}
    reload(o, **AT_ONCE)
    assert reconcile(o, "-dry-run") == {"orphans": 2, "orphans_kept": 1}
    assert ceph.count() == 4
    assert run(o, "sync", "-backend", "ceph", "-bucket", "photos")["orphans_kept"] == 3
    assert reconcile(o) == {"orphans": 2, "orphans_kept": 1}
    o.wait_clean()
    ceph.server.client().delete_object(Bucket=ceph.bucket, Key=f"theirs/k~{ULID}")
    assert ceph.count() == 1 and read(o, "k") == b"live"
    assert o.sql("SELECT orphan_bytes FROM backend_space") == [(0,)]


def test_a_removed_backend_comes_back(launch, directories):
    """Its bytes were left where they are: they become copies again, parts too."""
    o = launch(directories(2), settings(remove=False), check=False)
    s3 = o.s3()
    bodies = {f"k{i}": os.urandom(1000 + i) for i in range(30)}
    bodies["x" * 1000] = b"cut"
    for key, body in bodies.items():
        s3.put_object(Bucket="photos", Key=key, Body=body)
    upload = Upload(s3, "big")
    upload.part(1, os.urandom(5 << 20))
    upload.part(1, bytes(5 << 20))  # the first one must not come back
    upload.part(2, b"end")
    upload.complete()
    o.wait_clean()
    assert o.backends[0].count() == 33
    o.adminctl("remove-backend", "disk1", "-confirm")
    with pytest.raises(ClientError):
        read(o, "k0")
    o.adminctl("drain", "cancel", "disk1", check=False)
    o.stop()  # it is in the configuration still
    o.start()
    assert reconcile(o) == {"adopted": 33}
    for key, body in bodies.items():
        assert read(o, key) == body
    assert read(o, "big") == bytes(5 << 20) + b"end"
    assert reconcile(o) == {}
    o.check()


def test_verify(launch, directories):
    """Every difference is told, and nothing is changed."""
    o = launch(directories(2), {**AT_ONCE, "replication": {"factor": 2}}, check=False)
    for i in range(4):
        o.s3().put_object(Bucket="photos", Key=f"k{i}", Body=b"body")
    until(lambda: o.backends[1].count() == 4)
    o.wait_clean()
    fine = o.adminctl("verify")
    assert fine.stdout == "8 keys on 2 backends are as the catalogue says.\n"
    files = {os.path.basename(f)[:2]: f for f in o.backends[0].files()}
    os.unlink(files["k0"])
    with open(files["k1"], "ab") as f:
        f.write(b"more")
    os.rename(files["k2"], files["k2"].replace("k2~", "k9~"))
    os.link(files["k3"], os.path.dirname(files["k3"]) + "/others%=")
    os.makedirs(f"{o.backends[0].path}/objects/photos/x%FE")
    os.link(files["k3"], f"{o.backends[0].path}/objects/photos/x%FE/y%=")  # no text
    o.sql("UPDATE backend_quota_slots SET copies = copies + 1 WHERE backend_name = 'disk2'"
          " AND slot = 0")
    bad = o.adminctl("verify", check=False)
    assert bad.returncode == 1
    told = [line.split("~")[0].split(" (")[0] for line in bad.stdout.splitlines()]
    assert sorted(told) == sorted([
        "catalogue: backend disk2: copies is 5, there are 4",
        "disk1: copy is missing: photos/k0",
        "disk1: copy has another size than recorded: photos/k1",
        "disk1: copy is missing: photos/k2",
        "disk1: object of ours that nobody needs: photos/k9",
        "disk1: object of others: photos/others"])
    assert o.sql("SELECT count(*) FROM object_locations") == [(8,)]


def test_copies_that_are_missing(launch, directories):
    """Taken out of the catalogue and made again; the only trace of an object stays."""
    o = launch(directories(2), {**AT_ONCE, "buckets": [
        {"name": "photos", "replication": {"factor": 2}, "credentials": [
            {"access_key_id": "photoskey", "secret_access_key": "photossecret"}]},
        {"name": "documents", "replication": {"factor": 1}, "credentials": [
            {"access_key_id": "docskey", "secret_access_key": "docssecret"}]}]}, check=False)
    for i in range(5):
        o.s3().put_object(Bucket="photos", Key=f"k{i}", Body=b"body")
    for i in range(2):
        o.s3("documents").put_object(Bucket="documents", Key=f"d{i}", Body=b"only")
    until(lambda: o.backends[1].count() == 5)
    one = {os.path.basename(f)[:2]: f for f in o.backends[0].files()}
    for name in ("k0", "k1", "d0"):
        os.unlink(one[name])
    with open(one["k2"], "ab") as f:
        f.write(b"more")
    assert reconcile(o, "-dry-run") == {"removed": 2, "lost": 1, "size_differs": 1}
    assert o.sql("SELECT count(*) FROM object_locations") == [(12,)]
    assert reconcile(o) == {"removed": 2, "lost": 1, "size_differs": 1}
    until(lambda: o.backends[0].count() == 6 and o.wait_clean() is None)
    for i in range(5):
        assert read(o, f"k{i}") == b"body"
    assert keys(o, "documents") == ["d0", "d1"]
    assert any("the only copy is missing" in line["msg"] for line in o.log_lines("workerd"))
    assert reconcile(o) == {"lost": 1}

    # A backend that has nothing at all any more is not believed.
    o.backends[0].wipe()
    refused = run(o, "reconcile", check=False)
    assert refused.returncode == 1 and "lists nothing" in refused.stderr
    assert o.sql("SELECT count(*) FROM object_locations") == [(12,)]


def test_a_backend_that_is_away(launch, swift, directories):
    """It is tried again, then the others' results stand and this one has failed."""
    away = swift.backend("away")
    away.config = lambda: {**type(away).config(away), "endpoint": "http://127.0.0.1:1"}
    o = launch([*directories(1), away], AT_ONCE, check=False)
    o.s3().put_object(Bucket="photos", Key="k", Body=b"body")
    refused = run(o, "reconcile", check=False)
    assert refused.returncode == 1 and "reconcile failed: away" in refused.stderr
    assert o.sql("SELECT target, state FROM jobs ORDER BY 1") == [("away", "failed"),
                                                                  ("disk1", "done")]


def test_the_limit_of_the_month(launch, radosgw):
    """Holds for this job, too."""
    ceph = radosgw.backend("ceph")
    ceph.config = lambda: {**type(ceph).config(ceph), "api_request_limit": 60}
    o = launch([ceph], AT_ONCE)
    for i in range(80):
        put_beside(ceph, f"photos/{i}")
    refused = run(o, "reconcile", check=False)
    assert refused.returncode == 1 and "limit of requests of this month" in refused.stderr
    imported = len(keys(o))
    assert 0 < imported < 60 + 8  # what was under way
    used = run(o, "reconcile", check=False)
    assert used.returncode == 1 and len(keys(o)) == imported
    reload(o, backends=[type(ceph).config(ceph)])
    reconcile(o)
    assert len(keys(o)) == 80


@pytest.mark.parametrize("point", ["found-imported:3", "found-adopted:3", "found-queued:3",
                                   "window-compared"])
def test_a_killed_workerd(launch, radosgw, point):
    """Another one goes on, and each key is dealt with once."""
    ceph = radosgw.backend("ceph")
    o = launch([ceph], AT_ONCE, workerd=False)
    for i in range(8):
        o.s3().put_object(Bucket="photos", Key=f"k{i}", Body=b"ours")
    lose_rows(o)
    for i in range(8):
        put_beside(ceph, f"photos/f{i}")
        of_ours(ceph, f"photos/o{i}~{ULID}", b"orphan", **{"s3o-generation": ULID})
    o.start_workerd(stop_at=point)
    until(lambda: o.adminctl("reconcile", check=False) and o.workerd.poll() is not None, 60)
    assert o.workerd.returncode == -signal.SIGKILL
    assert o.sql("SELECT state FROM jobs") == [("running",)]
    o.sql("UPDATE jobs SET heartbeat_at = now() - interval '1 day'")
    o.sql("UPDATE cleanup_queue SET claimed_at = now() - interval '1 day'"
          " WHERE claimed_at IS NOT NULL")
    o.start_workerd()
    o.sql("SELECT pg_notify('s3o_jobs', 'reconcile')")
    until(lambda: o.sql("SELECT state FROM jobs") == [("done",)], 60)
    o.wait_clean()
    assert keys(o) == [f"f{i}" for i in range(8)] + [f"k{i}" for i in range(8)]
    for i in range(8):
        assert read(o, f"k{i}") == b"ours"
    assert ceph.count() == 16


def lose_rows(o):
    """As a backend that was removed and is back."""
    o.sql("WITH gone AS (DELETE FROM object_locations RETURNING *)"
          " UPDATE backend_quota_slots s SET used = used - b, copies = copies - n,"
          " free = free + b FROM (SELECT sum(size_bytes)::bigint b, count(*) n FROM gone) g"
          " WHERE slot = 0")
    o.sql("UPDATE backend_quota_slots SET free = t.free FROM (SELECT sum(free) / count(*) AS free"
          " FROM backend_quota_slots) t")


def test_two_workerd(launch, radosgw):
    """Asked on both at once: each key is dealt with once."""
    ceph = radosgw.backend("ceph")
    a = launch([ceph], AT_ONCE)
    b = launch([ceph], AT_ONCE, database=a.database)
    for i in range(60):
        put_beside(ceph, f"photos/f{i}")
        of_ours(ceph, f"photos/o{i}~{ULID}", b"orphan", **{"s3o-generation": ULID})
    asked = []
    threads = [threading.Thread(target=lambda o=o: asked.append(run(o, "reconcile", check=False)))
               for o in (a, b)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(d.returncode for d in asked) in ([0, 0], [0, 1])
    lines = [line for o in (a, b) for line in o.log_lines("workerd")]
    for what in ("object imported", "object of ours that nobody needs is deleted"):
        told = [line["backend_key"] for line in lines if line["msg"] == what]
        assert len(told) == len(set(told)) == 60
    a.wait_clean()
    assert len(keys(a)) == 60 and ceph.count() == 60


def test_at_the_interval(launch, radosgw):
    ceph = radosgw.backend("ceph")
    o = launch([ceph], settings(enabled=True, interval="1s"))
    put_beside(ceph, "photos/k")
    until(lambda: keys(o) == ["k"], 30)


class Coming(MemoryS3):
    """Its first object comes while it lists that it has none."""
    lists = 0

    def get(self, path):
        if "list-type=2" not in path:
            return super().get(path)
        self.lists += 1
        there = dict(self.stored)
        if not there:
            self.write()
        return 200, ("<ListBucketResult><IsTruncated>false</IsTruncated>" + "".join(
            f"<Contents><Key>{urllib.parse.unquote(p).removeprefix('/b/')}</Key>"
            f"<Size>{len(body)}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            "</Contents>" for p, body in there.items()) + "</ListBucketResult>").encode()


def test_the_first_object_comes_meanwhile(launch):
    backend = Coming("s")
    o = launch([backend])
    backend.write = lambda: o.s3().put_object(Bucket="photos", Key="k", Body=b"x")
    assert reconcile(o) == {} and backend.lists == 2
    assert read(o, "k") == b"x"
    o.s3().delete_object(Bucket="photos", Key="k")


def test_while_clients_write(launch, radosgw, directories):
    """Compared all the time, with nothing left alone for its age: no live byte is taken for
    something else."""
    o = launch([*directories(2), radosgw.backend("ceph")],
               {**AT_ONCE, "routing_strategy": "spread", "replication": {"factor": 2}})
    over, counts, bodies = threading.Event(), [], {}

    def compare():
        while not over.is_set():
            counts.append(reconcile(o))

    def write(who):
        s3 = o.s3()
        for i in range(60):
            key = f"{who}-{i % 7}"
            if i % 5 == 4:
                s3.delete_object(Bucket="photos", Key=key)
                bodies.pop(key, None)
                continue
            bodies[key] = os.urandom(2000 + i)
            if i % 9 == 8:
                upload = Upload(s3, key)
                upload.part(1, bodies[key])
                upload.complete()
            else:
                s3.put_object(Bucket="photos", Key=key, Body=bodies[key])
            assert read(o, key) == bodies[key]

    comparing = threading.Thread(target=compare)
    writing = [threading.Thread(target=write, args=(w,)) for w in range(3)]
    for t in (comparing, *writing):
        t.start()
    for t in writing:
        t.join()
    over.set()
    comparing.join()
    assert len(counts) > 3 and all(c == {} for c in counts), counts
    assert keys(o) == sorted(bodies)
    for key, body in bodies.items():
        assert read(o, key) == body

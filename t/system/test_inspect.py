# SPDX-License-Identifier: MIT
"""Looking into the catalogue, and deciding about deletions that were given up."""
import hashlib
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

import pytest

from harness.uploads import Upload
from harness.wait import until

MIB = 1024 * 1024


def ask(o, path, method="GET", daemon="proxyd"):
    """(status, reply) of the admin API of a daemon."""
    out = subprocess.run(["curl", "-sS", "-X", method, "-w", "\n%{http_code}", "--unix-socket",
                          f"{o.dir}/run/{daemon}.sock", f"http://o/admin/api/{path}"],
                         capture_output=True, text=True, check=True).stdout
    body, status = out.rsplit("\n", 1)
    return int(status), json.loads(body)


def told(o, *args):
    return json.loads(o.adminctl(*args, "--json").stdout)


def put(o, *keys, size=100):
    bodies, s3 = {key: os.urandom(size) for key in keys}, o.s3()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda kb: s3.put_object(Bucket="photos", Key=kb[0], Body=kb[1]),
                         bodies.items()))
    return bodies


@pytest.fixture
def give_up(orchestrator):
    """give_up("disk1", 5, size=10): deletions of bytes that are gone, whose attempts are used up."""
    def enter(backend, n, size=10):
        orchestrator.sql(
            "INSERT INTO cleanup_dlq (original_id, backend_name, object_key, reason, size_bytes,"
            " attempts, last_error, first_enqueued_at) SELECT i, %s, 'gone/' || i,"
            " 'object_deleted', %s, 10, 'no route', now() - interval '1 day'"
            " FROM generate_series(1, %s) i", backend, size, n)
        orchestrator.sql("SELECT s3o_add_to_slot(%s, 0::SMALLINT, 0, 0, %s, 0)", backend,
                         n * size)
    return enter


def orphaned(o, backend):
    return o.sql("SELECT orphan_bytes FROM backend_space WHERE backend_name = %s", backend)[0][0]


def test_an_object(orchestrator):
    o = orchestrator
    key = "a folder/ü %+&?#.jpg"
    body = put(o, key)[key]
    listed = o.sql("SELECT backend_key FROM object_locations")
    replies = [ask(o, "object-locations?key=" + quote(f"photos/{key}"), daemon=d)
               for d in ("proxyd", "workerd")]
    assert replies[0] == replies[1]
    status, reply = replies[0]
    location, = reply["locations"]
    assert status == 200 and reply["key"] == f"photos/{key}"
    assert (reply["size"], reply["etag"]) == (100, hashlib.md5(body).hexdigest())
    assert (reply["parts"], reply["version_id"], reply["next"]) == (0, None, None)
    assert location.pop("CreatedAt") == reply["modified"]
    assert location == {
        "ObjectKey": f"photos/{key}", "Part": 1, "BackendName": "disk1",
        "BackendKey": listed[0][0], "SizeBytes": 100, "Encrypted": False, "KeyID": None,
        "PlaintextSize": 100, "ContentHash": hashlib.sha256(body).hexdigest()}
    assert told(o, "object", f"photos/{key}")["locations"] == ask(
        o, "object-locations?key=" + quote(f"photos/{key}"))[1]["locations"]
    shown = o.adminctl("object", f"photos/{key}").stdout
    assert key in shown and "100 B" in shown and "disk1" in shown
    missing = o.adminctl("object", "photos/missing", check=False)
    assert missing.returncode == 1 and missing.stderr.endswith("object not found\n")
    assert ask(o, "object-locations?key=photos/missing") == (404, {"error": "object not found"})


def test_an_object_in_parts_is_told_in_pages(orchestrator):
    o = orchestrator
    upload = Upload(o.s3(), "parts")
    bodies = [os.urandom(5 * MIB), os.urandom(5 * MIB), b"end"]
    for number, body in zip((2, 5, 9), bodies):
        upload.part(number, body)
    upload.complete()
    status, page = ask(o, "object-locations?key=photos/parts&limit=2")
    assert [p["Part"] for p in page["locations"]] == [1, 2] and page["next"] == 2
    assert page["parts"] == 3 and page["etag"].endswith("-3")
    page = ask(o, "object-locations?key=photos/parts&limit=2&after=2")[1]
    assert [(p["Part"], p["SizeBytes"]) for p in page["locations"]] == [(3, 3)]
    assert page["next"] is None
    assert [p["PlaintextSize"] for p in told(o, "object", "photos/parts")["locations"]] == [
        5 * MIB, 5 * MIB, 3]


def test_versions_of_an_object(orchestrator):
    o, s3 = orchestrator, orchestrator.s3()
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    try:
        first = s3.put_object(Bucket="photos", Key="k", Body=b"first")["VersionId"]
        second = s3.put_object(Bucket="photos", Key="k", Body=b"second!")["VersionId"]
        assert told(o, "object", "photos/k")["version_id"] == second
        assert [told(o, "object", "photos/k", v)["size"] for v in (first, second)] == [5, 7]
        marker = s3.delete_object(Bucket="photos", Key="k")["VersionId"]
        for version in "", marker, "null":
            assert ask(o, f"object-locations?key=photos/k&version={version}")[0] == 404
        photos = [b for b in told(o, "buckets")["buckets"] if b["name"] == "photos"][0]
        assert (photos["versioning"], photos["objects"], photos["bytes"]) == ("Enabled", 0, 0)
        for version in first, second, marker:
            s3.delete_object(Bucket="photos", Key="k", VersionId=version)
    finally:
        o.sql("UPDATE buckets SET versioning = NULL")


def test_objects_of_a_bucket(orchestrator):
    o = orchestrator
    bodies = put(o, "a", "d/1", "d/2", "d/e/3", "f/4", "z", size=50)
    row = ask(o, "objects?bucket=photos&prefix=a")[1]["objects"][0]
    modified = row.pop("modified")
    assert modified.endswith("Z")
    assert row == {"key": "a", "size": 50, "etag": hashlib.md5(bodies["a"]).hexdigest(),
                   "copies": 1, "copies_wanted": 1, "backends": ["disk1"]}

    def keys(*args):
        reply = told(o, "ls", *args)
        return [r["key"] for r in reply["objects"]], reply["prefixes"]
    assert keys("photos") == (["a", "z"], ["d/", "f/"])
    assert keys("photos/d/") == (["d/1", "d/2"], ["d/e/"])
    assert keys("photos/d", "-r") == (["d/1", "d/2", "d/e/3"], [])
    assert keys("documents") == ([], [])
    # In pages, none of which repeats a group.
    pages, path = [], "objects?bucket=photos&delimiter=/&limit=1"
    reply = ask(o, path)[1]
    while reply["next"]:
        pages.append(reply)
        reply = ask(o, f"{path}&after={quote(reply['next'])}")[1]
    pages.append(reply)
    assert [(r["objects"] or r["prefixes"])[0] for r in pages][1:3] == ["d/", "f/"]
    assert len(pages) == 4
    shown = o.adminctl("ls", "photos").stdout.splitlines()
    assert shown[1].endswith("d/") and shown[-1].endswith("z") and "50 B" in shown[-1]
    missing = o.adminctl("ls", "nobody", check=False)
    assert missing.returncode == 1 and "bucket not found" in missing.stderr


def test_many_objects_come_in_pages(orchestrator):
    o = orchestrator
    keys = [f"k{i:03}" for i in range(205)]  # more than an answer has
    put(o, *keys, size=1)
    assert [r["key"] for r in told(o, "ls", "photos")["objects"]] == keys
    o.s3().delete_objects(Bucket="photos", Delete={"Objects": [{"Key": k} for k in keys]})


def test_copies_of_an_object_are_those_of_all_segments(orchestrator):
    o = orchestrator
    upload = Upload(o.s3(), "k")
    for number in 1, 2:
        upload.part(number, os.urandom(5 * MIB))
    upload.complete()
    second, = o.sql("SELECT segment_id, backend_key, object_key, size_bytes, created_at FROM"
                    " object_locations ORDER BY segment_id DESC LIMIT 1")
    o.sql("UPDATE object_locations SET backend_name = 'disk2' WHERE segment_id ="
          " (SELECT max(segment_id) FROM segments)")
    row, = told(o, "ls", "photos")["objects"]
    assert row["backends"] == ["disk1", "disk2"] and row["copies"] == 1
    o.sql("INSERT INTO object_locations SELECT segment_id, 'disk3', backend_key, object_key,"
          " size_bytes, now() FROM object_locations WHERE backend_name = 'disk1'")
    row, = told(o, "ls", "photos")["objects"]
    assert row["backends"] == ["disk1", "disk2", "disk3"] and row["copies"] == 1
    o.sql("DELETE FROM object_locations WHERE backend_name = 'disk2'")
    row, = told(o, "ls", "photos")["objects"]
    assert row["backends"] == ["disk1", "disk3"] and row["copies"] == 0
    assert told(o, "object", "photos/k")["locations"][-1]["BackendName"] is None
    o.sql("DELETE FROM object_locations WHERE backend_name = 'disk3'")
    o.sql("INSERT INTO object_locations SELECT %s, 'disk1', %s, %s, %s, %s", *second)


def test_buckets(orchestrator):
    o = orchestrator
    put(o, "k1", "k2", size=1000)
    buckets = {b["name"]: b for b in told(o, "buckets")["buckets"]}
    assert buckets["documents"].pop("created")
    assert buckets["documents"] == {"name": "documents", "owner": None, "versioning": None,
                                    "objects": 0, "bytes": 0, "factor": 1, "ack": 1}
    assert (buckets["photos"]["objects"], buckets["photos"]["bytes"]) == (2, 2000)
    assert "photos" in o.adminctl("buckets").stdout


def test_the_clean_up_queue_is_read_without_claiming(orchestrator):
    o = orchestrator
    o.sql("INSERT INTO cleanup_queue (backend_name, object_key, reason, next_retry, attempts,"
          " last_error, claimed_at, claimed_by) VALUES"
          " ('disk1', 'gone/1', 'object_deleted', now() - interval '1 hour', 0, NULL, now(), 'me'),"
          " ('disk2', 'gone/2', 'intent_expired', now() + interval '1 hour', 3, 'no route', NULL, NULL)")
    before = o.sql("SELECT * FROM cleanup_queue ORDER BY id")
    for daemon in "proxyd", "workerd":
        status, reply = ask(o, "cleanup-queue", daemon=daemon)
        item, = reply["items"]  # the other is not due
        assert status == 200 and reply["depth"] == 2
        assert item.pop("ID") == before[0][0]
        assert item.pop("ClaimedAt") > item.pop("NextRetry")
        assert item == {"BackendName": "disk1", "ObjectKey": "gone/1", "Reason": "object_deleted",
                        "Attempts": 0, "SizeBytes": 0, "ClaimedBy": "me", "LastError": None}
    reply = told(o, "cleanup-queue")
    assert [i["LastError"] for i in reply["items"]] == [None, "no route"]
    assert told(o, "cleanup-queue", "disk2") == {"depth": 1, "items": reply["items"][1:]}
    assert told(o, "cleanup-queue", "-limit", "1")["items"] == reply["items"][:1]
    shown = o.adminctl("cleanup-queue", "-limit", "1").stdout
    assert "gone/1" in shown and "... 2 in all" in shown
    assert o.sql("SELECT * FROM cleanup_queue ORDER BY id") == before
    o.sql("UPDATE cleanup_queue SET claimed_at = NULL, claimed_by = NULL")


def test_the_replication_queue(orchestrator):
    o = orchestrator
    put(o, "k")
    o.sql("INSERT INTO replication_queue (segment_id, attempts, last_error, next_retry, suspect)"
          " SELECT segment_id, 2, 'no room', now() + interval '1 hour', TRUE FROM segments"
          " UNION ALL SELECT 0, 0, NULL, now() + interval '2 hours', FALSE")
    try:
        reply = told(o, "replication-queue")
        assert reply == ask(o, "replication-queue")[1] and reply["depth"] == 2
        there, gone = reply["items"]
        assert there.pop("next_retry") < gone.pop("next_retry")
        assert there == {"segment": o.sql("SELECT segment_id FROM segments")[0][0],
                         "bucket": "photos", "key": "k", "attempts": 2, "last_error": "no room",
                         "suspect": True}
        assert gone == {"segment": 0, "bucket": None, "key": None, "attempts": 0,
                        "last_error": None, "suspect": False}
        assert "no room" in o.adminctl("replication-queue").stdout
    finally:
        o.sql("DELETE FROM replication_queue")


def test_deletions_that_were_given_up_are_tried_again(orchestrator, give_up):
    o = orchestrator
    give_up("disk1", 2500)  # more than one transaction takes
    give_up("disk2", 3)
    reply = told(o, "dlq", "list")
    assert reply["depth"] == 2503 and len(reply["items"]) == 50
    item = told(o, "dlq", "list", "disk2")["items"][0]
    assert item.pop("ID") > 0 and item.pop("MovedAt") > item.pop("FirstEnqueuedAt")
    assert item == {"OriginalID": 1, "BackendName": "disk2", "ObjectKey": "gone/1",
                    "Reason": "object_deleted", "Attempts": 10, "SizeBytes": 10,
                    "LastError": "no route"}
    one = reply["items"][7]["ID"]
    with closing(o.postgres.connect(o.database)) as listener:
        listener.cursor().execute("LISTEN s3o_jobs")
        assert told(o, "dlq", "retry", str(one)) == {"status": "requeued", "rows": 1}

        def woken():
            listener.poll()
            return "cleanup_queue" in [n.payload for n in listener.notifies]
        until(woken, 10, "the job is woken")
    assert told(o, "dlq", "retry", "disk1") == {"status": "requeued", "rows": 2499}
    assert o.adminctl("dlq", "retry", "--all").stdout == "3 rows requeued\n"
    until(o.is_clean, 30, "the bytes are found to be gone")
    assert (orphaned(o, "disk1"), orphaned(o, "disk2")) == (0, 0)
    assert told(o, "dlq", "list") == {"depth": 0, "items": []}
    asked = [a for a in o.audit("workerd") if a["event"] == "admin.Request"]
    assert {a["path"] for a in asked} == {"/admin/api/cleanup-dlq/requeue"}


def test_deletions_that_were_given_up_are_written_off(orchestrator, give_up):
    o = orchestrator
    give_up("disk1", 1001)
    give_up("disk2", 2)
    first = told(o, "dlq", "list", "disk2")["items"][0]["ID"]
    assert told(o, "dlq", "write-off", str(first)) == {
        "status": "written off", "rows": 1, "bytes": 10}
    assert orphaned(o, "disk2") == 10
    again = o.adminctl("dlq", "write-off", str(first), check=False)
    assert again.returncode == 1 and f"no row {first} is there" in again.stderr
    assert o.adminctl("dlq", "write-off", "disk1").stdout == "1001 rows written off, 9.78 KiB\n"
    assert (orphaned(o, "disk1"), orphaned(o, "disk2")) == (0, 10)
    # Without a choice nothing happens.
    for path in "write-off", "write-off?all=true", "write-off?backend=", "write-off?id=1&backend=disk2":
        assert ask(o, f"cleanup-dlq/{path}", "POST")[0] == 400
    assert orphaned(o, "disk2") == 10
    assert ask(o, "cleanup-dlq/write-off?backend=disk2", "POST", "workerd") == (
        200, {"status": "written off", "rows": 1, "bytes": 10})


def test_bad_input_is_named(orchestrator):
    o = orchestrator
    for path, error in (
            ("object-locations", "key parameter is required"),
            ("object-locations?key=photos", "key=photos: not BUCKET/KEY"),
            ("object-locations?key=photos/%ff", "key=photos/?: not UTF-8"),
            ("object-locations?key=photos/a%00b", "key=photos/a?b: not UTF-8"),
            ("object-locations?key=a/b&key=c/d", "key is given twice"),
            ("object-locations?key=%zz", "the query is not well-formed"),
            ("objects", "bucket parameter is required"),
            ("objects?bucket=photos&limit=0", "limit=0: not a number from 1 to 1000"),
            ("cleanup-queue?limit=-5", "limit=-5: not a number from 1 to 1000"),
            ("cleanup-queue?all=1", "all=1: neither true nor false"),
            ("cleanup-dlq?backend=nobody", "backend=nobody: no such backend"),
            ("replication-queue?limit=1e3", "limit=1e3: not a number from 1 to 1000"),
            ("buckets?limit=1", "unknown parameter: limit"),
            ("buckets?%ff%00=1", "unknown parameter: ??"),
            ("cleanup-queue?Backend=disk1", "unknown parameter: Backend")):
        for daemon in "proxyd", "workerd":
            assert ask(o, path, daemon=daemon) == (400, {"error": error})
    assert ask(o, "cleanup-dlq/requeue?all=false", "POST") == (400, {"error": "all=false: not true"})
    assert ask(o, "cleanup-dlq/requeue?backend=disk1", "GET")[0] == 405
    for args in (["ls"], ["ls", "photos", "-all"], ["buckets", "-limit", "3"], ["status", "-r"],
                 ["dlq"], ["dlq", "retry"], ["dlq", "write-off"], ["dlq", "write-off", "-all"],
                 ["dlq", "retry", "disk1", "-all"], ["dlq", "list", "-all"],
                 ["dlq", "retry", "disk1", "-limit", "3"], ["dlq", "drop", "disk1"]):
        assert o.adminctl(*args, check=False).returncode == 2, args
    wrong = o.adminctl("cleanup-queue", "nobody", check=False)
    assert wrong.returncode == 1 and "backend=nobody: no such backend" in wrong.stderr

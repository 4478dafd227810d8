"""Rules that remove what is old. Ages are made in the catalogue."""
import threading

import pytest

from harness.wait import until

DAY = "interval '1 day'"


def rule(number=1, prefix="", **actions):
    return {"ID": f"rule-{number}", "Status": "Enabled", "Filter": {"Prefix": prefix}, **actions}


def set_rules(o, *rules):
    o.s3().put_bucket_lifecycle_configuration(Bucket="photos",
                                              LifecycleConfiguration={"Rules": list(rules)})


def age(o, days, key, generation="%"):
    """As if all versions of the key had been written so much earlier."""
    o.sql(f"UPDATE object_versions SET created_at = created_at - %s * {DAY}"
          " WHERE object_name LIKE %s AND generation LIKE %s", days, key, generation)


def rest(o):
    """Until nobody walks; the first walk is at start."""
    until(lambda: o.sql("SELECT 1 FROM job_health WHERE name = 'lifecycle'"), what="it has walked")
    until(lambda: [j for j in o.status()["workerd"]["jobs"]
                   if j["name"] == "lifecycle" and j["state"] == "waiting"], what="it rests")


def walk(o):
    """One walk through all buckets, from its beginning to its end."""
    rest(o)

    def walks():
        return sum(n for name, n in o.metrics(o.worker_port).items()
                   if name.startswith("s3o_lifecycle_runs_total"))
    before = walks()
    o.adminctl("run", "lifecycle")
    until(lambda: walks() > before, 60, "the walk is over")


def keys(o, bucket="photos"):
    return [row[0] for row in o.sql(
        "SELECT object_name FROM object_versions WHERE bucket = %s AND is_latest"
        " AND NOT is_delete_marker ORDER BY 1", bucket)]


def put(o, *names, bucket="photos", **more):
    s3 = o.s3(bucket)
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"body", **more)


def audited(o, event="lifecycle.delete"):
    return [line for line in o.audit("workerd") if line.get("event") == event]


def test_objects_expire_at_the_midnight_after_their_last_day(orchestrator):
    o = orchestrator
    put(o, "tmp/old", "tmp/edge", "tmp/young", "kept")
    age(o, 30, "tmp/old")
    age(o, 30, "kept")
    # In the database's words: midnight of today, UTC, less three days.
    midnight = "date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    o.sql(f"UPDATE object_versions SET created_at = {midnight} - 3 * {DAY}"
          " WHERE object_name = 'tmp/edge'")
    o.sql(f"UPDATE object_versions SET created_at = {midnight} - 3 * {DAY} + interval '1 second'"
          " WHERE object_name = 'tmp/young'")
    set_rules(o, rule(prefix="tmp/", Expiration={"Days": 3}))
    walk(o)
    assert keys(o) == ["kept", "tmp/young"]
    until(lambda: len(audited(o)) == 2, what="it is in the audit log")
    line = audited(o)[0]
    assert (line["bucket"], line["prefix"], line["expiration_days"]) == ("photos", "tmp/", 3)
    assert o.metrics(o.worker_port)["s3o_lifecycle_deleted_total"] == 2


def test_rules_of_the_configuration(launch):
    o = launch(extra={"lifecycle": {"batch_size": 2, "rules": [
        {"prefix": "photos/tmp/", "expiration_days": 7}, {"prefix": "docu", "expiration_days": 2}]}})
    put(o, *[f"tmp/{i}" for i in range(5)], "tmp", "other")
    put(o, "tmp/x", bucket="documents")
    age(o, 3, "%")
    walk(o)
    assert len(keys(o)) == 7 and keys(o, "documents") == []
    age(o, 6, "%")
    walk(o)
    assert keys(o) == ["other", "tmp"]


def test_filters(orchestrator):
    o = orchestrator
    s3 = o.s3()
    for key, size in (("small", 10), ("large", 5000), ("tagged", 10), ("half-tagged", 10)):
        s3.put_object(Bucket="photos", Key=key, Body=b"x" * size)
    o.sql("""UPDATE object_versions SET tags = '{"a": "1", "b": "2"}' WHERE object_name = 'tagged'""")
    o.sql("""UPDATE object_versions SET tags = '{"a": "1"}' WHERE object_name = 'half-tagged'""")
    age(o, 30, "%")
    set_rules(o, {**rule(1, Expiration={"Days": 1}), "Filter": {"ObjectSizeGreaterThan": 4999}},
              {**rule(2, Expiration={"Days": 1}), "Filter": {"And": {
                  "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}}},
              {**rule(3, Expiration={"Days": 1}), "Status": "Disabled"})
    walk(o)
    assert keys(o) == ["half-tagged", "small"]


def test_what_was_written_again_stays(orchestrator):
    o = orchestrator
    put(o, "k")
    age(o, 30, "k")
    put(o, "k")
    set_rules(o, rule(Expiration={"Days": 1}))
    walk(o)
    assert keys(o) == ["k"]


def test_rules_that_are_gone_remove_nothing(orchestrator):
    """Although they were there when the walk began: it waits for a key."""
    o = orchestrator
    put(o, "old", "older")
    age(o, 30, "old%")
    set_rules(o, rule(Expiration={"Days": 3}))
    with o.postgres.connect(o.database).cursor() as writer:
        writer.execute("BEGIN; SELECT s3o_lock_key('photos', 'old')")
        o.adminctl("run", "lifecycle")
        until(lambda: o.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                            " AND NOT granted AND database = (SELECT oid FROM pg_database"
                            "  WHERE datname = current_database())")[0][0], what="it waits")
        o.s3().delete_bucket_lifecycle(Bucket="photos")
        writer.execute("COMMIT")
        writer.connection.close()
    walk(o)
    assert keys(o) == ["old", "older"]
    assert not audited(o)


@pytest.fixture
def versioned(orchestrator):
    orchestrator.sql("UPDATE buckets SET versioning = 'Enabled' WHERE bucket = 'photos'")
    return orchestrator


def versions(o, key):
    """'v' for each version and 'd' for each delete marker, newest first."""
    return "".join("d" if row[0] else "v" for row in o.sql(
        "SELECT is_delete_marker FROM object_versions WHERE object_name = %s"
        " ORDER BY created_at DESC", key))


def test_current_versions_get_delete_markers(versioned):
    o = versioned
    put(o, "k")
    age(o, 30, "k")
    set_rules(o, rule(Expiration={"Days": 1}))
    walk(o)
    assert versions(o, "k") == "dv" and keys(o) == []
    walk(o)
    assert versions(o, "k") == "dv"


def test_noncurrent_versions_expire_by_when_they_became_so(versioned):
    o = versioned
    for _ in range(4):
        put(o, "k")
        age(o, 10, "k")
    # Written 40, 30, 20 and 10 days ago, so replaced 30, 20 and 10 days ago.
    set_rules(o, rule(NoncurrentVersionExpiration={"NoncurrentDays": 25}))
    walk(o)
    assert versions(o, "k") == "vvv"
    set_rules(o, rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}))
    walk(o)
    assert versions(o, "k") == "vv"
    set_rules(o, rule(NoncurrentVersionExpiration={"NoncurrentDays": 1}))
    walk(o)
    assert versions(o, "k") == "v" and keys(o) == ["k"]


def test_the_null_version_expires_as_well(orchestrator):
    o = orchestrator
    put(o, "k")
    o.sql("UPDATE buckets SET versioning = 'Enabled' WHERE bucket = 'photos'")
    age(o, 30, "k")
    put(o, "k")
    age(o, 10, "k")
    set_rules(o, rule(NoncurrentVersionExpiration={"NoncurrentDays": 5}))
    walk(o)
    assert versions(o, "k") == "v" and keys(o) == ["k"]


def test_lonely_delete_markers_go(versioned):
    o = versioned
    s3 = o.s3()
    for key in ("alone", "with-others"):
        put(o, key)
        s3.delete_object(Bucket="photos", Key=key)
    o.sql("UPDATE object_versions SET created_at = created_at - interval '9 days'"
          " WHERE object_name = 'alone'")
    set_rules(o, rule(1, "alone", NoncurrentVersionExpiration={"NoncurrentDays": 5}))
    walk(o)
    assert versions(o, "alone") == "d"
    set_rules(o, rule(2, Expiration={"ExpiredObjectDeleteMarker": True}))
    walk(o)
    assert versions(o, "alone") == "" and versions(o, "with-others") == "dv"


def test_uploads_that_were_left_are_aborted(launch):
    o = launch(extra={"cleanup_queue": {"multipart_stale_timeout": "8760h"}})
    for upload, key, days in (("old", "tmp/k", 9), ("young", "tmp/k", 1), ("elsewhere", "k", 9)):
        o.sql("INSERT INTO multipart_uploads (upload_id, bucket, object_name, object_key, generation,"
              f" created_at) VALUES (rpad(%s, 26, '0'), 'photos', %s, 'photos/' || %s,"
              f" rpad(%s, 26, '0'), now() - %s * {DAY})", upload, key, key, upload, days)
    set_rules(o, rule(prefix="tmp/", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 3}))
    walk(o)
    assert [row[0].rstrip("0") for row in o.sql(
        "SELECT upload_id FROM multipart_uploads ORDER BY 1")] == ["elsewhere", "young"]
    until(lambda: len(audited(o, "lifecycle.abort_upload")) == 1, what="it is in the audit log")


def test_a_walk_goes_through_many_keys(orchestrator):
    """More than the windows of one pass have, and than one of them tells."""
    o = orchestrator
    put(o, "a")
    o.sql("INSERT INTO object_versions (bucket, object_name, generation, size_bytes, etag, created_at)"
          " SELECT 'photos', 'many/' || lpad(n::text, 6, '0'), lpad(n::text, 26, '0'), 0, 'e',"
          "        now() - CASE WHEN n % 20 = 0 THEN interval '9 days' ELSE interval '0' END"
          " FROM generate_series(1, 60000) n")
    o.sql("UPDATE buckets SET versioning = 'Enabled' WHERE bucket = 'documents'")
    o.sql("INSERT INTO object_versions (bucket, object_name, generation, version_id, is_latest,"
          " size_bytes, etag, created_at) SELECT 'documents', 'k', lpad(n::text, 26, '0'),"
          " lpad(n::text, 26, '0'), n = 2500, 0, 'e', now() - interval '9 days' + n * interval '1 ms'"
          " FROM generate_series(1, 2500) n")
    set_rules(o, rule(Expiration={"Days": 3}))
    o.s3("documents").put_bucket_lifecycle_configuration(
        Bucket="documents", LifecycleConfiguration={"Rules": [
            rule(NoncurrentVersionExpiration={"NoncurrentDays": 3})]})
    walk(o)
    assert len(keys(o)) == 57001 and versions(o, "k") == "v"
    o.sql("DELETE FROM object_versions WHERE object_name LIKE 'many/%' OR bucket = 'documents'")


def add_versions(o, key, n, tags="NULL"):
    """Noncurrent ones of a key of 'photos' that are days old, and a current one. tags: of
    the n-th one, in the database's words."""
    o.sql("INSERT INTO object_versions (bucket, object_name, generation, version_id, is_latest,"
          " size_bytes, etag, created_at, tags) SELECT 'photos', %s, lpad(n::text, 26, '0'),"
          " lpad(n::text, 26, '0'), n = %s, 0, 'e',"
          f" now() - interval '9 days' + n * interval '1 ms', {tags}"
          " FROM generate_series(1, %s) n", key, n + 1, n + 1)


def test_versions_behind_many_that_stay(versioned):
    """More versions of one key that the rule is not for than a window tells."""
    o = versioned
    add_versions(o, "k", 2500, """CASE WHEN n > 2200 THEN '{"a": "1"}'::JSONB END""")
    set_rules(o, {**rule(NoncurrentVersionExpiration={"NoncurrentDays": 3}),
                  "Filter": {"Tag": {"Key": "a", "Value": "1"}}})
    walk(o)
    assert len(versions(o, "k")) == 2201
    set_rules(o, rule(NoncurrentVersionExpiration={
        "NoncurrentDays": 3, "NewerNoncurrentVersions": 20}))
    walk(o)
    assert len(versions(o, "k")) == 21
    o.sql("DELETE FROM object_versions WHERE object_name = 'k'")


def test_what_is_locked_is_left_to_the_next_walk(launch):
    """A bucket, and one key of another, for longer than a statement waits: nobody else is
    kept from being dealt with, and it is told."""
    o = launch(extra={"lifecycle": {"batch_size": 1, "rules": [
        {"prefix": "documents/", "expiration_days": 1}, {"prefix": "photos/", "expiration_days": 1}]}})
    rest(o)
    put(o, "x", bucket="documents")
    put(o, "a", "b", "c")
    age(o, 30, "%")
    other = o.postgres.connect(o.database)
    other.cursor().execute("SELECT pg_advisory_lock(7002, hashtext('documents')),"
                           " pg_advisory_lock(7001, hashtext('photos/b'))")
    walk(o)
    assert keys(o) == ["b"] and keys(o, "documents") == ["x"]
    failures, error = o.sql("SELECT consecutive_failures, last_error FROM job_health"
                            " WHERE name = 'lifecycle'")[0]
    assert failures == 1 and error.startswith("bucket documents: delete: ")
    assert o.metrics(o.worker_port)["s3o_lifecycle_failed_total"] == 2
    assert [(line["bucket"], line["key"]) for line in o.log_lines("workerd")
            if line["msg"] == "versions not deleted"] == [("documents", "x"), ("photos", "b")]
    other.close()
    walk(o)
    assert keys(o) == [] and keys(o, "documents") == []


def test_a_bucket_is_left_after_some_failures(launch):
    """It does not take the time of a lock for each of its keys."""
    o = launch(extra={"lifecycle": {"batch_size": 1, "rules": [
        {"prefix": "documents/", "expiration_days": 1}]}})
    rest(o)
    put(o, *"abcdef", bucket="documents")
    age(o, 30, "%")
    o.sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
          " $$ BEGIN RAISE EXCEPTION 'slow' USING ERRCODE = '57014'; END $$")
    o.sql("CREATE TRIGGER slow BEFORE DELETE ON object_versions EXECUTE FUNCTION slow()")
    walk(o)
    assert o.metrics(o.worker_port)["s3o_lifecycle_failed_total"] == 3
    o.sql("DROP TRIGGER slow ON object_versions")
    walk(o)
    assert keys(o, "documents") == []


@pytest.fixture
def slow(launch):
    """A launched system whose deletions take their time."""
    o = launch(extra={"lifecycle": {"batch_size": 1, "rules": [
        {"prefix": "photos/", "expiration_days": 1}]}})
    o.sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
          " $$ BEGIN PERFORM pg_sleep(0.02); RETURN OLD; END $$")
    for table in ("object_versions", "multipart_uploads"):
        o.sql(f"CREATE TRIGGER slow BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION slow()")
    return o


def reload_amid(o, left, what):
    """Reloads when some of it has been deleted; the walk goes on afterwards."""
    n = left()
    run = threading.Thread(target=o.adminctl, args=("run", "lifecycle"))
    run.start()
    until(lambda: left() < n, 20, "it has begun")
    o.adminctl("reload")
    assert left() > 0
    until(lambda: left() == 0, 30, what)
    run.join()


def test_a_reload_in_the_first_window(slow):
    o = slow
    o.sql("INSERT INTO object_versions (bucket, object_name, generation, size_bytes, etag, created_at)"
          f" SELECT 'photos', n::text, lpad(n::text, 26, '0'), 0, 'e', now() - 9 * {DAY}"
          " FROM generate_series(1, 300) n")
    reload_amid(o, lambda: len(keys(o)), "all are deleted")


def add_uploads(o, n, days):
    """n of them, the i-th one begun so many days ago: in the database's words."""
    o.sql("INSERT INTO multipart_uploads (upload_id, bucket, object_name, object_key, generation,"
          " created_at) SELECT lpad(i::text, 26, '0'), 'photos', 'k', 'photos/k',"
          f" lpad(i::text, 26, '0'), now() - ({days}) * {DAY} FROM generate_series(1, %s) i", n)


def uploads(o):
    return o.sql("SELECT count(*) FROM multipart_uploads")[0][0]


def test_a_reload_amid_uploads(slow):
    add_uploads(slow, 300, "9")
    set_rules(slow, rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 3}))
    reload_amid(slow, lambda: uploads(slow), "all are aborted")


def test_a_walk_goes_through_many_uploads(orchestrator):
    """More than the pages of one pass have."""
    o = orchestrator
    add_uploads(o, 60000, "CASE WHEN i IN (30000, 60000) THEN 9 ELSE 0 END")
    put(o, "old", "young")
    age(o, 9, "old")
    set_rules(o, rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 3},
                      Expiration={"Days": 3}))
    passes = 's3o_worker_ticks_total{service="lifecycle",result="success"}'
    before = o.metrics(o.worker_port).get(passes, 0)
    walk(o)
    assert uploads(o) == 59998 and keys(o) == ["young"]
    assert o.metrics(o.worker_port)[passes] >= before + 2
    o.sql("DELETE FROM multipart_uploads")

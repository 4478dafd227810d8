# SPDX-License-Identifier: MIT
"""Monthly usage: what is counted is what was done, nothing of it gets lost, and a limit
that is reached is a limit for writes and reads, but not for deletions."""
import json
import os
import signal

import pytest
from botocore.exceptions import ClientError

from harness.uploads import Upload
from harness.wait import until
from test_failover import copy_elsewhere

PROCESSES = 2  # of the systems launched here: children are killed, or share limits

MIB = 1024 * 1024

# Nothing is flushed that a test does not ask for.
NEVER = {"usage_flush": {"interval": "1h"}}
OFTEN = {"usage_flush": {"interval": "100ms", "fast_interval": "50ms"}}


def limited(backend, **limits):
    """The backend with api_request_limit, egress_byte_limit or ingress_byte_limit."""
    config = backend.config
    backend.config = lambda: {**config(), **limits}
    return backend


def usage(o, flush=True):
    """{backend: (requests, egress, ingress)} of all daemons that run."""
    if flush:
        o.adminctl("usage-flush", check=False)
    told = json.loads(o.adminctl("usage", "--json").stdout)
    assert told["usage_period"] == o.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')")[0][0]
    return {b["name"]: (b["api_requests"], b["egress_bytes"], b["ingress_bytes"])
            for b in told["backends"]}


def stored(o):
    """What the database has, without asking a daemon."""
    return {row[0]: row[1:] for row in o.sql(
        "SELECT backend_name, api_requests, egress_bytes, ingress_bytes FROM backend_usage"
        " WHERE period = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')")}


def put(o, key, n, bucket="photos"):
    """The status."""
    try:
        o.s3(bucket).put_object(Bucket=bucket, Key=key, Body=os.urandom(n))
        return 200
    except ClientError as e:
        return e.response["ResponseMetadata"]["HTTPStatusCode"]


def get(o, key, **arguments):
    """(status, error code) or (status, size)."""
    try:
        answer = o.s3().get_object(Bucket="photos", Key=key, **arguments)
        return answer["ResponseMetadata"]["HTTPStatusCode"], len(answer["Body"].read())
    except ClientError as e:
        return e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"]


def home(o, key):
    """The backends that have the object."""
    return [row[0] for row in o.sql(
        "SELECT DISTINCT backend_name FROM object_locations l JOIN segments s USING (segment_id)"
        " WHERE s.object_name = %s ORDER BY 1", key)]


def refusals(o):
    name = "s3o_usage_limit_rejections_total"
    return {k[len(name):]: n for k, n in o.metrics().items() if k.startswith(name)}


# --- counting ---

@pytest.mark.parametrize("kind", ["directory", "ceph"])
def test_counts_are_exact(launch, directories, request, kind):
    backend = (directories(1)[0] if kind == "directory"
               else request.getfixturevalue("radosgw").backend("remote"))
    name = backend.name
    o = launch([backend], NEVER, workerd=False)
    s3 = o.s3()
    where = {"Bucket": "photos", "Key": "k"}
    assert usage(o) == {name: (0, 0, 0)}

    s3.put_object(**where, Body=os.urandom(1000))
    s3.get_object(**where)["Body"].read()
    s3.get_object(**where, Range="bytes=100-299")["Body"].read()
    assert usage(o) == {name: (3, 1200, 1000)}

    s3.head_object(**where)
    s3.list_objects_v2(Bucket="photos")
    s3.get_object_tagging(**where)
    s3.put_object(Bucket="photos", Key="empty", Body=b"")
    s3.get_object(Bucket="photos", Key="empty")["Body"].read()
    assert usage(o) == {name: (4, 1200, 1000)}  # what the catalogue knows costs nothing

    upload = Upload(s3, "large")
    upload.part(1, os.urandom(5 * MIB))
    upload.part(2, os.urandom(300_000))
    assert usage(o) == {name: (6, 1200, 1000 + 5 * MIB + 300_000)}
    upload.complete()
    assert usage(o)[name][0] == 6
    s3.get_object(Bucket="photos", Key="large")["Body"].read()
    assert usage(o) == {name: (8, 1200 + 5 * MIB + 300_000, 1000 + 5 * MIB + 300_000)}

    # the backend copies by itself, segment by segment
    s3.copy_object(Bucket="photos", Key="copy", CopySource="photos/large")
    assert usage(o) == {name: (10, 1200 + 5 * MIB + 300_000, 1000 + 5 * MIB + 300_000)}

    for key in ("k", "empty", "large", "copy"):
        s3.delete_object(Bucket="photos", Key=key)
    assert usage(o)[name][0] == 10
    o.start_workerd()
    o.tidy_up()
    assert usage(o) == {name: (16, 1200 + 5 * MIB + 300_000, 1000 + 5 * MIB + 300_000)}
    assert stored(o) == usage(o)


def test_copies_between_backends_are_read_and_written(launch, directories):
    first, second = directories(2)
    o = launch([limited(first, ingress_byte_limit=5000), second], NEVER)
    assert put(o, "k", 5000) == 200
    o.s3().copy_object(Bucket="photos", Key="copy", CopySource="photos/k")
    assert home(o, "copy") == ["disk2"]
    assert usage(o) == {"disk1": (2, 5000, 5000), "disk2": (1, 0, 5000)}


def test_gauges_and_tables(launch, directories):
    first, second = directories(2)
    o = launch([limited(first, api_request_limit=7, ingress_byte_limit="1MiB"), second], NEVER)
    assert put(o, "k", 2048) == 200
    assert o.metrics()['s3o_usage_ingress_bytes{backend="disk1"}'] == 0
    o.adminctl("usage-flush")
    for port in (o.port, o.worker_port):
        page = o.metrics(port)
        for metric, n in (("api_requests", 1), ("api_calls", 1), ("egress_bytes", 0),
                          ("ingress_bytes", 2048)):
            if port == o.port:
                assert page[f's3o_usage_{metric}{{backend="disk1"}}'] == n
            assert page[f's3o_usage_{metric}{{backend="disk2"}}'] == 0
    table = [line.split() for line in o.adminctl("usage").stdout.splitlines()]
    assert table[1:] == [
        ["BACKEND", "REQUESTS", "LIMIT", "EGRESS", "LIMIT", "INGRESS", "LIMIT"],
        ["disk1", "1", "7", "0", "B", "unlimited", "2.00", "KiB", "1.00", "MiB"],
        ["disk2", "0", "unlimited", "0", "B", "unlimited", "0", "B", "unlimited"]]
    assert "INGRESS" in o.adminctl("status").stdout
    status = o.status()
    for daemon in ("proxyd", "workerd"):
        told = status[daemon]["backends"][0]
        assert (told["api_requests"], told["api_request_limit"]) == (1, 7)
        assert status[daemon]["usage_period"] == table[0][2]


def test_without_limits_the_status_is_silent(orchestrator):
    assert "INGRESS" not in orchestrator.adminctl("status").stdout


# --- nothing gets lost ---

def test_a_killed_child_takes_nothing_along(launch, directories):
    o = launch(directories(1), NEVER, processes=1)
    for i in range(5):
        assert put(o, f"k{i}", 100) == 200
    child, = o.children()
    os.kill(child, signal.SIGKILL)
    until(lambda: o.children() not in ([], [child]), what="a new child")
    assert put(o, "more", 11) == 200
    assert usage(o)["disk1"] == (6, 0, 511)


def test_a_child_is_killed_while_it_flushes(launch, directories, postgres):
    """What it was about to add is not lost, and others can flush after it."""
    o = launch(directories(1), OFTEN, workerd=False, processes=1)
    lock = postgres.connect(o.database)
    lock.autocommit = False
    lock.cursor().execute("LOCK backend_usage IN ACCESS EXCLUSIVE MODE")
    child, = o.children()

    def waiting(column):
        return o.sql(f"SELECT {column} FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                     " AND query LIKE '%%backend_usage%%' AND datname = %s", o.database)

    until(lambda: waiting("pid"), what="a flush waits")
    assert put(o, "k", 100) == 200
    os.kill(child, signal.SIGKILL)
    # or it would be added when nobody can learn of it any more; unless its wait has just ended
    waiting("pg_terminate_backend(pid)")
    lock.rollback()
    lock.close()
    until(lambda: stored(o).get("disk1") == (1, 0, 100), what="the next child has flushed")


def test_the_end_writes_everything(launch, directories):
    o = launch(directories(1), NEVER)
    assert put(o, "k", 1000) == 200
    o.s3().delete_object(Bucket="photos", Key="k")
    o.tidy_up()
    assert stored(o) == {}
    o.stop()
    assert stored(o) == {"disk1": (2, 0, 1000)}
    o.start()
    assert usage(o)["disk1"] == (2, 0, 1000)


def test_the_database_is_away(own_postgres, launch, directories):
    o = launch([limited(*directories(1), api_request_limit=2)], NEVER, postgres=own_postgres,
               processes=1)
    assert put(o, "k", 1000) == 200
    own_postgres.stop()
    failed = o.adminctl("usage-flush", check=False)
    assert failed.returncode == 1
    assert failed.stdout.count("flush failed: ") == 2
    own_postgres.start()
    until(lambda: o.adminctl("usage-flush", check=False).returncode == 0, 60)
    assert usage(o)["disk1"] == (1, 0, 1000)
    assert get(o, "k") == (200, 1000)
    assert get(o, "k") == (429, "SlowDown")


def test_the_database_is_away_at_the_end(own_postgres, launch, directories):
    o = launch(directories(1), NEVER, postgres=own_postgres)
    assert put(o, "k", 1000) == 200
    own_postgres.stop()
    o.stop()
    assert "usage of the last moments is lost" in o.log_text("proxyd")
    own_postgres.start()
    o.start()


def test_flushing_with_one_daemon(launch, directories):
    o = launch(directories(1), NEVER, workerd=False)
    assert put(o, "k", 10) == 200
    flushed = o.adminctl("usage-flush", check=False)
    assert flushed.returncode == 3
    assert flushed.stdout.startswith("proxyd: flushed\nworkerd is down: ")
    assert stored(o) == {"disk1": (1, 0, 10)}
    o.start_workerd()
    assert o.adminctl("usage-flush").stdout == "proxyd: flushed\nworkerd: flushed\n"
    o.kill("proxyd")
    assert o.adminctl("usage-flush", check=False).returncode == 3
    assert usage(o)["disk1"] == (1, 0, 10)  # workerd knows, too
    o.start_proxyd()


def test_flushes_come_by_themselves(launch, directories):
    o = launch(directories(1), OFTEN)
    assert put(o, "k", 10) == 200
    until(lambda: stored(o) == {"disk1": (1, 0, 10)}, what="it is flushed")
    o.s3().delete_object(Bucket="photos", Key="k")
    o.tidy_up()
    until(lambda: stored(o) == {"disk1": (2, 0, 10)}, what="workerd flushes, too")


def test_near_a_limit_flushes_come_sooner(launch, directories):
    o = launch([limited(*directories(1), ingress_byte_limit=1000)], {"usage_flush": {
        "interval": "1h", "adaptive_enabled": True, "fast_interval": "100ms"}})

    def switches():
        return [line["msg"] for line in o.log_lines("proxyd") if line.get("component") == "usage_flush"]

    assert put(o, "k", 800) == 200
    until(lambda: stored(o) == {"disk1": (1, 0, 800)}, what="it is flushed")
    o.sql("DELETE FROM backend_usage")
    until(lambda: len(switches()) == 2, what="that is over")
    assert switches() == ["a monthly limit is near: usage is flushed more often",
                          "no monthly limit is near any more"]


def test_hosts_add_up(launch, directories):
    disk, = directories(1)
    one = launch([limited(disk, ingress_byte_limit=1000)], NEVER)
    other = launch([disk], NEVER, workerd=False, database=one.database)
    assert put(one, "k1", 600) == 200
    usage(one)
    assert put(other, "k2", 300) == 200  # it does not know yet
    assert usage(other)["disk1"] == (2, 0, 900)
    assert put(other, "k3", 101) == 507
    assert put(one, "k3", 400) == 200
    usage(one)
    assert put(one, "k4", 1) == 507
    other.stop()


# --- limits of writes ---

def test_the_next_backend_takes_what_one_may_not(launch, directories):
    first, second = directories(2)
    o = launch([limited(first, ingress_byte_limit=1000), second], NEVER)
    assert put(o, "k1", 600) == 200 and home(o, "k1") == ["disk1"]
    assert put(o, "k2", 401) == 200 and home(o, "k2") == ["disk2"]
    assert put(o, "k3", 400) == 200 and home(o, "k3") == ["disk1"]  # just so
    assert put(o, "k4", 1) == 200 and home(o, "k4") == ["disk2"]
    assert put(o, "k5", 0) == 200 and home(o, "k5") == ["disk1"]
    assert refusals(o) == {}
    assert usage(o) == {"disk1": (3, 0, 1000), "disk2": (2, 0, 402)}


def test_no_backend_may(launch, directories):
    first, second = directories(2)
    o = launch([limited(first, ingress_byte_limit=1000), limited(second, api_request_limit=1)], NEVER)
    s3 = o.s3()
    upload = Upload(s3, "parts")
    assert put(o, "k1", 1000) == 200 and put(o, "k2", 1) == 200
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="photos", Key="k3", Body=b"x")
    error = refused.value.response["Error"]
    assert error["Code"] == "InsufficientStorage"
    assert error["Message"].startswith("No backend can accept a 1 byte upload")
    assert error["Message"].count(" (monthly limit)") == 2
    with pytest.raises(ClientError):
        upload.part(1, b"x")
    with pytest.raises(ClientError) as refused:
        s3.copy_object(Bucket="photos", Key="k3", CopySource="photos/k2")
    assert refused.value.response["Error"]["Code"] == "InsufficientStorage"
    assert refusals(o) == {'{operation="PutObject",limit_type="write"}': 1,
                           '{operation="UploadPart",limit_type="write"}': 1,
                           '{operation="CopyObject",limit_type="write"}': 1}
    assert put(o, "k4", 0) == 200  # a request, but no bytes
    assert [b.count() for b in o.backends] == [2, 1]


def test_deletions_go_on(launch, directories):
    o = launch([limited(*directories(1), api_request_limit=1)], NEVER)
    assert put(o, "k", 1000) == 200
    assert get(o, "k") == (429, "SlowDown")
    o.s3().delete_object(Bucket="photos", Key="k")
    o.tidy_up()
    assert o.backends[0].count() == 0
    assert usage(o)["disk1"] == (2, 0, 1000)


# --- limits of reads ---

def test_reads_pass_over_a_limit(launch, directories):
    first, second = directories(2)
    o = launch([limited(first, egress_byte_limit=1500), limited(second, egress_byte_limit=1000)],
               NEVER, workerd=False)
    assert put(o, "k", 1000) == 200
    copy_elsewhere(o, "k")
    assert get(o, "k") == (200, 1000)
    assert usage(o)["disk1"][1] == 1000 and usage(o)["disk2"][1] == 0
    assert get(o, "k") == (200, 1000)
    assert usage(o)["disk1"][1] == 1000 and usage(o)["disk2"][1] == 1000
    assert get(o, "k") == (429, "SlowDown")
    assert get(o, "k", Range="bytes=0-499") == (206, 500)  # just so
    assert get(o, "k", Range="bytes=0-0") == (429, "SlowDown")
    assert usage(o) == {"disk1": (3, 1500, 1000), "disk2": (1, 1000, 0)}
    assert refusals(o) == {'{operation="GetObject",limit_type="read"}': 2}
    o.s3().head_object(Bucket="photos", Key="k")
    assert len(o.s3().list_objects_v2(Bucket="photos")["Contents"]) == 1


def test_what_the_refusal_says(launch, directories):
    o = launch([limited(*directories(1), egress_byte_limit=1)], NEVER)
    assert put(o, "k", 2) == 200
    with pytest.raises(ClientError) as refused:
        o.s3().get_object(Bucket="photos", Key="k")
    answer = refused.value.response
    assert answer["Error"]["Message"] == \
        "monthly usage limit exceeded for all backends holding this object"
    # nobody shall come back in a second
    assert "retry-after" not in answer["ResponseMetadata"]["HTTPHeaders"]


def test_a_missing_copy_is_not_a_limit(launch, directories):
    """When one copy is damaged and only a limit protects the other one, that is an error."""
    first, second = directories(2)
    o = launch([first, limited(second, egress_byte_limit=999)], NEVER, workerd=False,
               check=False)
    assert put(o, "k", 1000) == 200
    os.unlink(copy_elsewhere(o, "k"))
    assert get(o, "k") == (502, "InternalError")


def test_parts_are_not_begun_that_cannot_be_ended(launch, directories):
    o = launch([limited(*directories(1), egress_byte_limit=6 * MIB)], NEVER)
    upload = Upload(o.s3(), "k")
    upload.part(1, os.urandom(5 * MIB))
    upload.part(2, os.urandom(2 * MIB))
    upload.complete()
    assert get(o, "k") == (429, "SlowDown")
    assert usage(o)["disk1"][:2] == (2, 0)
    assert get(o, "k", Range=f"bytes=0-{6 * MIB - 1}") == (206, 6 * MIB)
    assert get(o, "k", Range="bytes=0-0") == (429, "SlowDown")


def test_copies_are_reads_too(launch, directories):
    first, second = directories(2)
    o = launch([limited(first, egress_byte_limit=999, ingress_byte_limit=1000), second], NEVER)
    assert put(o, "k", 1000) == 200
    with pytest.raises(ClientError) as refused:
        o.s3().copy_object(Bucket="photos", Key="copy", CopySource="photos/k")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert refusals(o) == {'{operation="CopyObject",limit_type="read"}': 1}
    o.wait_clean()


# --- how long a limit holds ---

def test_a_restart_is_no_way_out(launch, directories):
    o = launch([limited(*directories(1), api_request_limit=3, ingress_byte_limit=1000)], NEVER)
    assert put(o, "k", 1000) == 200
    o.stop()
    o.start()
    assert put(o, "more", 1) == 507  # the very first request
    assert get(o, "k") == (200, 1000)
    assert get(o, "k") == (200, 1000)
    assert get(o, "k") == (429, "SlowDown")


def test_a_new_month_begins_with_nothing(launch, directories):
    o = launch([limited(*directories(1), ingress_byte_limit=1000)], NEVER)
    assert put(o, "k", 1000) == 200
    assert usage(o)["disk1"] == (1, 0, 1000)
    assert put(o, "more", 1) == 507
    o.sql("UPDATE backend_usage SET period = '2020-01'")  # a long time has passed
    assert usage(o)["disk1"] == (0, 0, 0)
    assert put(o, "more", 1000) == 200
    assert usage(o)["disk1"] == (1, 0, 1000)
    assert o.sql("SELECT period, ingress_bytes FROM backend_usage ORDER BY 1")[0] == ("2020-01", 1000)


def test_limits_are_reloaded_and_counters_stay(launch, directories):
    o = launch([limited(*directories(1), api_request_limit=2)], NEVER)
    assert put(o, "k1", 10) == 200 and put(o, "k2", 20) == 200 and put(o, "k3", 1) == 507
    o.s3().delete_object(Bucket="photos", Key="k1")
    o.tidy_up()
    o.sql("ALTER TABLE backend_usage RENAME TO away")  # it is not flushed on the way
    o.config["backends"][0]["api_request_limit"] = 4
    o.write_config()
    o.adminctl("reload")
    o.sql("ALTER TABLE away RENAME TO backend_usage")
    assert put(o, "k3", 30) == 200
    assert usage(o)["disk1"] == (4, 0, 60)
    usage(o)  # proxyd was the first to flush
    assert put(o, "k4", 1) == 507


# --- limits of jobs ---

def homes(o):
    """{backend: copies}"""
    return dict(o.sql("SELECT backend_name, count(*) FROM object_locations GROUP BY 1"))


def test_copies_go_where_the_limits_let_them(launch, directories):
    """Replication passes over a backend that may not take more, and one that may not be read."""
    one, two, three = directories(3)
    o = launch([one, limited(two, ingress_byte_limit=2000), three],
               {**NEVER, "replication": {"factor": 2, "concurrency": 1}}, workerd=False)
    for i in range(5):
        assert put(o, f"k{i}", 1000) == 200
    assert homes(o) == {"disk1": 5}
    o.start_workerd()
    until(lambda: homes(o) == {"disk1": 5, "disk2": 2, "disk3": 3})
    assert usage(o)["disk2"] == (2, 0, 2000)


def test_a_drain_keeps_to_the_limits(launch, directories):
    """It moves what may be read, tells why the rest stays, and goes on when it may."""
    first, second = directories(2)
    o = launch([limited(first, egress_byte_limit=3000), second],
               {**NEVER, "replication": {"concurrency": 1}})
    for i in range(8):
        assert put(o, f"k{i}", 1000) == 200
    o.adminctl("drain", "start", "disk1")

    def hurry():
        o.sql("UPDATE backend_drains SET next_round = now() WHERE fruitless > 0")
        o.sql("SELECT pg_notify('s3o_jobs', 'drain')")
        return json.loads(o.adminctl("drain", "status", "disk1", "-json").stdout)
    until(lambda: "limit" in hurry().get("error", ""), 60)
    assert homes(o) == {"disk1": 5, "disk2": 3}
    assert usage(o)["disk1"][1] == 3000
    o.config["backends"][0]["egress_byte_limit"] = 100_000
    o.write_config()
    o.adminctl("reload")
    if hurry()["state"] == "failed":
        o.adminctl("drain", "start", "disk1")
    until(lambda: hurry()["state"] == "drained", 60)
    assert homes(o) == {"disk2": 8}


def test_rebalancing_keeps_to_the_limits(launch, directories):
    first, second = directories(2, quota="100kB")
    o = launch([first, limited(second, ingress_byte_limit=2000)],
               {**NEVER, "rebalance": {"enabled": True, "strategy": "spread", "threshold": 0.01,
                                       "interval": "1h", "concurrency": 1}})
    for i in range(8):
        assert put(o, f"k{i}", 1000) == 200
    o.adminctl("rebalance")
    assert homes(o) == {"disk1": 6, "disk2": 2}
    assert usage(o)["disk2"] == (2, 0, 2000)

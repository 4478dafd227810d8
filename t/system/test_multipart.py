"""Uploads in parts: what becomes of them, whatever happens meanwhile."""
import hashlib
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from harness.memory_s3 import MemoryS3
from harness.orchestrator import BUCKETS
from harness.service import Service
from harness.signing import Signer, b64
from harness.uploads import ByHand, Upload, document, message_of, tag_of
from harness.wait import until
from harness.wire import Wire
from test_crash import EXTRA

PROCESSES = 2  # of the systems launched here: children are killed, or share limits

MIB = 1024 * 1024
PART = 5 * MIB  # the least, but for the last one


def error_of(call, **arguments):
    with pytest.raises(ClientError) as e:
        call(**arguments)
    return (e.value.response["ResponseMetadata"]["HTTPStatusCode"],
            e.value.response["Error"]["Code"])


def get(s3, **arguments):
    return s3.get_object(Bucket="photos", Key="k", **arguments)


def backends_of_parts(o, key="k"):
    return [row[0] for row in o.sql(
        "SELECT backend_name FROM object_locations JOIN segments USING (segment_id)"
        " WHERE object_name = %s ORDER BY segment_number", key)]


# --- the object ---

def test_parts_become_an_object(launch, directories, radosgw):
    o = launch([radosgw.backend("ceph"), *directories(1)], {"routing_strategy": "spread"})
    s3 = o.s3()
    parts = [os.urandom(n) for n in (PART, PART + 12345, PART, 100)]
    whole = b"".join(parts)
    u = Upload(s3, ContentType="text/x", CacheControl="no-store", Metadata={"colour": "blue"})
    for number in (30, 2, 10_000, 7):  # in any order
        u.part(number, parts[(2, 7, 30, 10_000).index(number)])
    assert error_of(s3.head_object, Bucket="photos", Key="k")[0] == 404
    done = u.complete()
    assert done["ETag"] == tag_of(*parts) and (done["Bucket"], done["Key"]) == ("photos", "k")
    assert done["Location"] == f"{o.endpoint}/photos/k"
    assert set(backends_of_parts(o)) <= {"ceph", "disk1"}

    got = get(s3)
    assert got["Body"].read() == whole and got["ETag"] == tag_of(*parts)
    assert got["ContentType"] == "text/x" and got["CacheControl"] == "no-store"
    assert got["Metadata"] == {"colour": "blue"}
    assert "PartsCount" not in s3.head_object(Bucket="photos", Key="k")
    ends = [sum(map(len, parts[:i])) for i in range(5)]
    spans = [(a, b) for e in ends for a, b in ((e - 2, e + 1), (e - 1, e - 1), (e, e), (e - PART, e + 10))
             if 0 <= a <= b < len(whole)]
    for first, last in spans + [(0, len(whole) - 1), (PART - 1, len(whole) - 100)]:
        got = get(s3, Range=f"bytes={first}-{last}")
        assert got["Body"].read() == whole[first:last + 1], (first, last)
        assert got["ContentRange"] == f"bytes {first}-{last}/{len(whole)}"
    assert get(s3, Range="bytes=-101")["Body"].read() == whole[-101:]
    for i, number in enumerate((2, 7, 30, 10_000)):
        got = get(s3, PartNumber=number)
        assert got["Body"].read() == parts[i] and got["PartsCount"] == 4
        assert got["ContentRange"] == f"bytes {ends[i]}-{ends[i + 1] - 1}/{len(whole)}"
        head = s3.head_object(Bucket="photos", Key="k", PartNumber=number)
        assert head["ContentLength"] == len(parts[i]) and head["PartsCount"] == 4
    for call in (s3.get_object, s3.head_object):
        assert error_of(call, Bucket="photos", Key="k", PartNumber=1)[0] == 416
        assert error_of(call, Bucket="photos", Key="k", PartNumber=10_001)[0] == 400
        assert error_of(call, Bucket="photos", Key="k", PartNumber=2, Range="bytes=0-1")[0] == 400
    s3.put_object(Bucket="photos", Key="plain", Body=b"whole")
    assert s3.get_object(Bucket="photos", Key="plain", PartNumber=1)["Body"].read() == b"whole"

    [entry] = s3.list_objects_v2(Bucket="photos", Prefix="k")["Contents"]
    assert entry["Size"] == len(whole) and entry["ETag"] == tag_of(*parts)
    events = {line["event"]: line for line in o.audit() if line["event"].startswith("storage.")}
    assert events["storage.CreateMultipartUpload"]["upload_id"] == u.id
    # A line for each part, which names its backend.
    stored = [(line["part_number"], line["backend"]) for line in o.audit()
              if line["event"] == "storage.UploadPart"]
    assert sorted(stored) == list(zip((2, 7, 30, 10_000), backends_of_parts(o, "k")))
    event = events["storage.CompleteMultipartUpload"]
    assert (event["key"], event["upload_id"]) == ("k", u.id)
    assert (event["total_size"], event["parts_count"]) == (len(whole), 4)
    metrics = o.metrics()
    for name, backend, n in (("CreateMultipartUpload", "", 1), ("CompleteMultipartUpload", "", 1)):
        assert metrics['s3o_manager_requests_total{operation="%s",backend="%s",status="success"}' %
                       (name, backend)] == n
    s3.delete_object(Bucket="photos", Key="k")  # all four segments


def test_quotas_force_parts_apart(launch, directories):
    """An object may be larger than the room on any backend."""
    o = launch(directories(2, quota=8 * MIB))
    s3 = o.s3()
    u = Upload(s3)
    parts = [os.urandom(PART), os.urandom(PART), os.urandom(2 * MIB)]
    for i, body in enumerate(parts):
        u.part(i + 1, body)
    assert error_of(u.part, number=4, body=os.urandom(PART)) == (507, "InsufficientStorage")
    u.complete()
    assert sorted(set(backends_of_parts(o))) == ["disk1", "disk2"]
    assert get(s3)["Body"].read() == b"".join(parts)
    used = o.sql("SELECT sum(bytes_used) FROM backend_space")[0][0]
    assert used == 2 * PART + 2 * MIB


def test_what_is_not_listed_goes(orchestrator):
    o = orchestrator
    s3 = o.s3()
    s3.put_object(Bucket="photos", Key="k", Body=b"before")
    u = Upload(s3)
    parts = [os.urandom(PART) for _ in range(4)]
    for i, body in enumerate(parts):
        u.part(i + 1, body)
    del u.tags[1], u.tags[3]
    assert u.complete()["ETag"] == tag_of(parts[1], parts[3])
    assert get(s3)["Body"].read() == parts[1] + parts[3]
    o.tidy_up()
    assert o.backends[0].bytes_stored() == 2 * PART


def test_empty_parts(orchestrator):
    o = orchestrator
    s3 = o.s3()
    u = Upload(s3)
    u.part(1, b"")
    assert u.complete()["ETag"] == tag_of(b"")
    assert get(s3)["Body"].read() == b"" and get(s3, PartNumber=1)["Body"].read() == b""
    u, body = Upload(s3), os.urandom(PART)
    u.part(1, body), u.part(2, b"")
    assert u.complete()["ETag"] == tag_of(body, b"")
    assert get(s3)["Body"].read() == get(s3, PartNumber=1)["Body"].read() == body
    for call in (s3.get_object, s3.head_object):
        assert error_of(call, Bucket="photos", Key="k", PartNumber=2)[0] == 416


# --- what is refused ---

def test_parts_that_are_refused(service):
    s = service
    u = ByHand(s)
    for number in ("", "0", "10001", "-1", "x", "1 "):
        answer = u.part(number, b"x")
        assert answer.error == (400, "InvalidArgument"), number
    assert u.do("PUT", b"x").error == (400, "InvalidArgument")  # no number at all
    one = [("partNumber", "1")]
    assert u.do("PUT", query=one, length=False).error == (411, "MissingContentLength")
    answer = u.do("PUT", query=one, fields={"content-length": str(64 * MIB + 1)})
    assert answer.error == (413, "EntityTooLarge")
    assert message_of(answer) == "Part size exceeds the maximum allowed size"
    stranger = Signer(s.host, *BUCKETS["documents"])
    for sign, path, upload in (
            (s.sign, "/photos/k", "unknown"), (s.sign, "/photos/k", ""), (s.sign, "/photos/k", "0" * 26),
            (s.sign, "/photos/other", u.id), (stranger, "/documents/k", u.id)):
        for method, query in (("PUT", one), ("GET", []), ("DELETE", []), ("POST", [])):
            body = document([(1, "e")]) if method == "POST" else b""
            request = sign.request(method, path, [("uploadId", upload), *query], body=body)
            assert s.ask(request + body).error == (404, "NoSuchUpload"), (method, path, upload)
    assert u.do("HEAD").status == 405
    for header in ("if-match", "if-none-match"):
        assert s.do("POST", "/photos/k", query=[("uploads", "")],
                    headers={header: "*"}).error == (501, "NotImplemented")
        assert u.do("PUT", b"x", one, headers={header: "*"}).error == (501, "NotImplemented")
    answer = u.do("PUT", query=one, headers={"x-amz-copy-source": "/photos/k"})
    assert answer.error == (404, "NoSuchKey")
    assert u.do("PUT", b"x", one, headers={"content-md5": b64(b"0" * 16)}).error == (400, "BadDigest")
    for headers in ({"x-amz-meta-a": "x" * 3000}, {"x-amz-tagging": "a=b&a=c"}):
        assert s.do("POST", "/photos/k", query=[("uploads", "")], headers=headers).status == 400
    assert s.o.sql("SELECT count(*) FROM multipart_parts")[0][0] == 0
    assert s.o.sql("SELECT count(*) FROM multipart_uploads")[0][0] == 1


def test_completions_that_are_refused(service):
    s = service
    u = ByHand(s)
    big, small = os.urandom(PART), b"small"
    u.part(1, big), u.part(4, small), u.part(5, small)
    t = u.tags

    def refused(error, parts=None, text=None, **headers):
        answer = u.complete(parts, **headers)
        assert answer.error == error, answer
        assert text is None or text in message_of(answer), answer

    refused((400, "InvalidPart"), [(1, t[1]), (2, "x"), (3, "y"), (4, t[4])],
            "parts not uploaded: 2, 3")
    refused((400, "InvalidPart"), [(1, t[4]), (4, t[1])], "parts with another ETag: 1, 4")
    refused((400, "InvalidPart"), [(1, t[1], "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>")],
            "parts with another checksum: 1")
    refused((400, "EntityTooSmall"), [(1, t[1]), (4, t[4]), (5, t[5])], "5 MiB, and not the last one: 4")
    for parts in ([(4, t[4]), (1, t[1])], [(1, t[1]), (1, t[1])]):
        refused((400, "InvalidPartOrder"), parts)
    refused((400, "MalformedXML"), [])
    refused((400, "InvalidArgument"), [(0, "x")])
    refused((400, "MalformedXML"), [(1, " " * 4 * MIB)], "longer than")
    good = [(1, t[1]), (4, t[4])]
    refused((400, "InvalidRequest"), good, f"the size of the object, {PART + 5}",
            x_amz_mp_object_size="7")
    refused((400, "BadDigest"), good, content_md5=b64(b"0" * 16))
    refused((400, "InvalidRequest"), good, "algorithm CRC32", x_amz_checksum_crc32="AAAAAA==")
    refused((400, "BadDigest"), good, "type COMPOSITE", x_amz_checksum_type="COMPOSITE")
    refused((404, "NoSuchKey"), good, if_match="*")
    for body in (b"", b"<", b"<CompleteMultipartUpload/>", b"<Delete/>"):
        assert u.do("POST", body).error == (400, "MalformedXML"), body
    assert s.count() == 0

    right = b64(hashlib.md5(document(good)).digest())
    first = u.complete(good, if_none_match="*", x_amz_mp_object_size=str(PART + 5),
                       content_md5=right)
    assert first.status == 200 and s.stored("k") == big + small
    again = u.complete(good, if_none_match="*")  # its condition held
    assert again.status == 200 and again.body == first.body
    assert u.part(1, b"x").error == (404, "NoSuchUpload")
    assert u.do("DELETE").error == (404, "NoSuchUpload")
    v = ByHand(s)
    v.part(1, small)
    assert v.complete(if_none_match="*").error == (412, "PreconditionFailed")
    assert v.complete(if_match='"other"').error == (412, "PreconditionFailed")
    assert v.complete(if_match=tag_of(big, small)).status == 200
    assert s.stored("k") == small


def test_bound_of_open_uploads(launch):
    key, secret = "photoskey", "photossecret"
    o = launch(extra={"buckets": [{"name": "photos", "max_multipart_uploads": 2, "credentials": [
        {"access_key_id": key, "secret_access_key": secret}]}]})
    s = Service(o)
    first, second = ByHand(s, "a"), ByHand(s, "b")
    answer = s.do("POST", "/photos/c", query=[("uploads", "")])
    assert answer.error == (503, "SlowDown")
    assert message_of(answer) == "Too many active multipart uploads"
    second.part(1, b"x")
    assert second.complete().status == 200
    third = ByHand(s, "c")
    assert s.do("POST", "/photos/d", query=[("uploads", "")]).status == 503
    for u in (first, third):
        assert u.do("DELETE").status == 204
    assert ByHand(s, "d").do("DELETE").status == 204


# --- at the same time ---

def test_many_complete_at_once(orchestrator):
    o = orchestrator
    u = Upload(o.s3())
    body = os.urandom(PART)
    u.part(1, body), u.part(2, b"end")
    clients = [o.s3() for _ in range(16)]

    def complete(s3):
        return s3.complete_multipart_upload(**u.where, MultipartUpload=u.list())["ETag"]

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(complete, clients)) == {tag_of(body, b"end")}
    assert o.sql("SELECT count(*) FROM object_versions")[0][0] == 1
    assert o.sql("SELECT count(*) FROM segments")[0][0] == 2
    assert get(o.s3())["Body"].read() == body + b"end"


def test_a_part_is_uploaded_again_and_again(launch, directories):
    o = launch(directories(2), {"routing_strategy": "spread"}, processes=2)
    u = Upload(o.s3())
    u.part(1, os.urandom(PART))
    bodies = [os.urandom(100_000 + i) for i in range(24)]

    def send(body):
        return o.s3().upload_part(**u.where, PartNumber=2, Body=body)["ETag"]

    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(send, bodies))
    assert tags == [f'"{hashlib.md5(b).hexdigest()}"' for b in bodies]
    _, last = u.s3.list_parts(**u.where)["Parts"]
    stays = bodies[tags.index(last["ETag"])]
    assert last["Size"] == len(stays)
    u.tags[2] = tags[tags.index(last["ETag"]) - 1]
    assert error_of(u.complete) == (400, "InvalidPart")
    u.tags[2] = last["ETag"]
    u.complete()
    assert get(u.s3)["Body"].read()[PART:] == stays


def test_a_part_is_uploaded_while_the_upload_ends(orchestrator):
    o = orchestrator
    s = Service(o)
    for end in ("abort", "complete"):
        u = ByHand(s, end)
        u.part(1, b"first")
        late = os.urandom(MIB)
        with s.wire() as w:
            w.send(s.sign.request("PUT", u.path, body=late, headers={"expect": "100-continue"},
                                  query=[("partNumber", "2"), ("uploadId", u.id)]))
            assert w.answer().status == 100
            assert (u.do("DELETE") if end == "abort" else u.complete()).status in (200, 204)
            assert w.send(late).answer().error == (404, "NoSuchUpload")
    assert s.stored("abort") is None and s.stored("complete") == b"first"
    o.tidy_up()
    assert o.backends[0].bytes_stored() == 5


def test_abort_frees_everything(launch, directories, radosgw):
    o = launch([radosgw.backend("ceph"), *directories(1)], {"routing_strategy": "spread"})
    u = Upload(o.s3())
    for i in range(1, 7):
        u.part(i, os.urandom(MIB))
    u.abort()
    assert error_of(u.abort) == (404, "NoSuchUpload")
    assert error_of(u.part, number=1, body=b"x") == (404, "NoSuchUpload")
    assert error_of(u.complete) == (404, "NoSuchUpload")
    o.tidy_up()
    assert not o.backends[0].contents() and not o.backends[1].contents()
    assert o.sql("SELECT sum(bytes_used + bytes_reserved + orphan_bytes) FROM backend_space") == [(0,)]
    event, = [line for line in o.audit() if line["event"] == "storage.AbortMultipartUpload"]
    assert (event["key"], event["upload_id"], event["parts_cleaned"]) == ("k", u.id, 6)


# --- failures ---

class Broken(MemoryS3):
    def put(self, path, length, read):
        read(length)
        return self.error(500, "InternalError")


def test_a_part_fails_over(launch, directories):
    broken = Broken("broken")
    o = launch([broken, *directories(1)])
    u = Upload(o.s3())
    parts = [os.urandom(PART), b"end"]
    for i, body in enumerate(parts):
        u.part(i + 1, body)
    u.complete()
    assert backends_of_parts(o) == ["disk1", "disk1"]
    assert get(u.s3)["Body"].read() == b"".join(parts)


def test_an_upload_is_resumed_after_a_kill(launch, directories):
    o = launch(directories(2), EXTRA)
    u = Upload(o.s3())
    parts = [os.urandom(PART), os.urandom(PART), b"end"]
    u.part(1, parts[0])
    sign = Signer(f"127.0.0.1:{o.port}")
    with Wire(o.port) as w:
        w.send(sign.request("PUT", "/photos/k", body=parts[1],
                            query=[("partNumber", "2"), ("uploadId", u.id)]) + parts[1][:3 * MIB])
        until(lambda: o.requests_in_progress() == 1, what="the part is being received")
        os.killpg(o.proxyd.pid, 9)  # children too: else they would finish it
        o.proxyd.wait()
        assert w.is_closed()
    o.start_proxyd()
    u.s3 = o.s3()
    there = u.s3.list_parts(**u.where)["Parts"]
    assert [p["PartNumber"] for p in there] == [1] and there[0]["ETag"] == u.tags[1]
    u.part(2, parts[1]), u.part(3, parts[2])
    u.complete()
    assert get(u.s3)["Body"].read() == b"".join(parts)
    o.tidy_up()


class Uploader(threading.Thread):
    """Makes objects of parts, one after the other; repeats what fails, as an SDK does."""

    def __init__(self, orchestrator, n):
        super().__init__()
        self.o, self.n, self.rng = orchestrator, n, random.Random(n)
        self.ended = threading.Event()
        self.made, self.wrong = {}, []

    def persist(self, call):
        while not self.ended.is_set():
            try:
                return call()
            except ClientError as e:
                if e.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    raise
            except BotoCoreError:
                pass
            self.ended.wait(0.05)
        return None

    def run(self):
        s3 = self.o.s3(connect_timeout=2, read_timeout=20)
        i = 0
        try:
            while not self.ended.is_set():
                key, i = f"m{self.n}-{i}", i + 1
                self.upload(s3, key)
        except ClientError as e:
            self.wrong.append((key, str(e)))

    def upload(self, s3, key):
        bodies = [self.rng.randbytes(PART), self.rng.randbytes(1000)]
        u = self.persist(lambda: Upload(s3, key))
        for i, body in enumerate(bodies):
            u and self.persist(lambda: u.part(i + 1, body))
        if u and len(u.tags) == 2 and self.persist(u.complete):
            self.made[key] = hashlib.md5(b"".join(bodies)).hexdigest()


def test_children_are_killed_during_uploads(launch, directories):
    o = launch(directories(2), EXTRA, processes=2)
    uploaders = [Uploader(o, n) for n in range(3)]
    for u in uploaders:
        u.start()
    rng = random.Random(7)
    for _ in range(12):
        made = sum(len(u.made) for u in uploaders)
        until(lambda: sum(len(u.made) for u in uploaders) > made, 60, "work goes on")
        u.ended.wait(rng.uniform(0, 0.3))
        try:
            os.kill(rng.choice(o.children()), 9)
        except (ProcessLookupError, IndexError):
            pass
    for u in uploaders:
        u.ended.set()
    for u in uploaders:
        u.join(60)
        assert not u.is_alive() and not u.wrong
    s3 = o.s3(retries={"max_attempts": 5})
    until(lambda: s3.list_buckets(), what="the system answers")
    for u in uploaders:
        for key, md5 in u.made.items():
            body = s3.get_object(Bucket="photos", Key=key)["Body"].read()
            assert hashlib.md5(body).hexdigest() == md5
    for left in s3.list_multipart_uploads(Bucket="photos").get("Uploads", []):
        s3.abort_multipart_upload(Bucket="photos", Key=left["Key"], UploadId=left["UploadId"])
    o.tidy_up()

"""CopyObject and UploadPartCopy: what is copied, by whom, and what remains when it
fails."""
import base64
import hashlib
import os
import random
import re
import signal
import socket
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from harness.memory_s3 import MemoryS3
from harness.service import Service
from harness.signing import CHECKSUMS, Signer
from harness.storage import disks
from harness.uploads import Upload, tag_of
from harness.wait import until
from harness.wire import Wire

PROCESSES = 2  # of the systems launched here: requests meet across children

MIB = 1024 * 1024
SOURCE = {"Bucket": "photos", "Key": "from"}
QUICK = {"write_path": {"pending_pattern": {"min_age": "5s", "reaper_tick": "1s"}}}


def copy(o, to="to", source="photos/from", **more):
    return o.s3().copy_object(Bucket="photos", Key=to, CopySource=source, **more)


def read(o, key, **more):
    return o.s3().get_object(Bucket="photos", Key=key, **more)["Body"].read()


def error_of(call, *args, **more):
    with pytest.raises(ClientError) as caught:
        call(*args, **more)
    return (caught.value.response["ResponseMetadata"]["HTTPStatusCode"],
            caught.value.response["Error"]["Code"])


def calls(o, operation, backend):
    """Requests of that kind that a backend has got."""
    return sum(n for name, n in o.metrics().items()
               if name.startswith("s3o_backend_requests_total{") and f'"{operation}"' in name
               and f'"{backend}"' in name)


def places(o, key):
    """Backend of each segment, in order."""
    return [row[0] for row in o.sql(
        "SELECT l.backend_name FROM segments s JOIN object_locations l USING (segment_id)"
        " JOIN object_versions v USING (bucket, object_name, generation)"
        " WHERE s.object_name = %s AND v.is_latest ORDER BY segment_number", key)]


def bound(o, backend, size):
    """From now on it has room for so many bytes more."""
    o.sql("UPDATE backend_quota_slots SET free = CASE slot WHEN 0 THEN %s ELSE 0 END"
          " WHERE backend_name = %s", size, backend)


def upload(o, key, **more):
    return Upload(o.s3(), key, ContentType="text/x-parts", Metadata={"a": "b"}, **more)


def copy_part(u, number, source="photos/from", **more):
    """A part that is a copy."""
    answer = u.s3.upload_part_copy(**u.where, PartNumber=number, CopySource=source, **more)
    u.tags[number] = answer["CopyPartResult"]["ETag"]
    return answer["CopyPartResult"]


# --- what is copied ---

@pytest.fixture(params=["directory", "radosgw", "swift"])
def one_backend(request, reuse):
    if request.param == "directory":
        return reuse("one directory", lambda folder: disks(folder, 1))
    server = request.getfixturevalue(request.param)
    return reuse(request.param, lambda folder: [server.backend("remote")])


def copies_well(o, size):
    body = os.urandom(size)
    put = o.s3().put_object(**SOURCE, Body=body, ContentType="text/x-test", Metadata={"a": "b"},
                            CacheControl="no-store", ContentEncoding="x")
    copy(o, "from", ChecksumAlgorithm="CRC32")
    result = copy(o)["CopyObjectResult"]
    crc = base64.b64encode(CHECKSUMS["crc32"](body)).decode()
    assert result["ETag"] == put["ETag"] and result["ChecksumCRC32"] == crc
    got = o.s3().get_object(Bucket="photos", Key="to", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert got["LastModified"] == result["LastModified"].replace(microsecond=0)
    for name, value in (("ETag", put["ETag"]), ("ContentType", "text/x-test"),
                        ("Metadata", {"a": "b"}), ("CacheControl", "no-store"),
                        ("ContentEncoding", "x"), ("ChecksumCRC32", crc)):
        assert got[name] == value
    o.s3().delete_object(**SOURCE)
    o.wait_clean()
    assert read(o, "to") == body


def test_bytes_and_what_is_known_of_them(one_backend):
    for size in (0, 1, 100_000, 6 * MIB + 1):
        copies_well(one_backend, size)


def test_the_backend_copies_by_itself(one_backend):
    o, name = one_backend, one_backend.backends[0].name
    o.s3().put_object(**SOURCE, Body=os.urandom(MIB))

    def count():
        return [calls(o, operation, name) for operation in ("CopyObject", "PutObject", "GetObject")]
    copies, puts, gets = count()
    copy(o, Metadata={"new": "1"}, MetadataDirective="REPLACE")
    assert count() == [copies + 1, puts, gets]
    [event] = [line for line in o.audit() if line["event"] == "storage.CopyObject"]
    assert (event["src_backend"], event["dst_backend"], event["src_key"], event["key"],
            event["size"]) == (name, name, "from", "to", MIB)


def test_a_copy_describes_itself(launch, radosgw, directories):
    """A catalogue could be made again of what lies on the backends."""
    disk, = directories(1)
    for backend in (disk, radosgw.backend("ceph")):
        o = launch([backend])
        o.s3().put_object(**SOURCE, Body=b"body", ContentType="text/x-a")
        copy(o, MetadataDirective="REPLACE", ContentType="text/x-b")
        o.s3().delete_object(**SOURCE)
        o.wait_clean()
        [(generation, key)] = o.sql("SELECT generation, backend_key FROM segments"
                                    " JOIN object_locations USING (segment_id)")
        if backend is disk:
            text = os.getxattr(disk.files()[0], "user.s3o.meta").decode()
            assert f"meta.s3o-generation={generation}\n" in text
            assert "content-type=text/x-b\n" in text and "meta.s3o-size=4\n" in text
        else:
            head = radosgw.client().head_object(Bucket=backend.bucket, Key=key)
            assert head["Metadata"]["s3o-generation"] == generation
            assert head["ContentType"] == "text/x-b" and head["Metadata"]["s3o-size"] == "4"
        o.check()


def test_directives(orchestrator):
    o = orchestrator
    s3 = o.s3()
    s3.put_object(**SOURCE, Body=b"body", ContentType="text/x-a", Metadata={"a": "1"})
    copy(o, Metadata={"b": "2"})  # of no effect, as with S3
    assert s3.head_object(Bucket="photos", Key="to")["Metadata"] == {"a": "1"}
    copy(o, Metadata={"b": "2"}, MetadataDirective="REPLACE", ContentLanguage="de")
    got = s3.head_object(Bucket="photos", Key="to")
    assert got["Metadata"] == {"b": "2"} and got["ContentLanguage"] == "de"
    assert got["ContentType"] == "application/octet-stream"
    copy(o, Tagging="k=v&l=w%20x", TaggingDirective="REPLACE")
    assert s3.get_object(Bucket="photos", Key="to")["TagCount"] == 2
    copy(o, "again", "photos/to")
    assert o.sql("SELECT tags FROM object_versions WHERE object_name = 'again'")[0][0] == \
        {"k": "v", "l": "w x"}
    for wrong in ({"MetadataDirective": "MERGE"}, {"TaggingDirective": "copy"},
                  {"Tagging": "a=%zz", "TaggingDirective": "REPLACE"}):
        assert error_of(copy, o, **wrong) == (400, "InvalidArgument"), wrong
    assert error_of(copy, o, Tagging="aws:k=v", TaggingDirective="REPLACE") == (400, "InvalidTag")
    assert error_of(copy, o, WebsiteRedirectLocation="/x") == (501, "NotImplemented")
    assert error_of(copy, o, CopySourceSSECustomerAlgorithm="AES256", CopySourceSSECustomerKey="k" *
                    32) == (501, "NotImplemented")


def test_onto_itself(orchestrator):
    o = orchestrator
    o.s3().put_object(**SOURCE, Body=b"body", Metadata={"a": "1"})
    assert error_of(copy, o, "from") == (400, "InvalidRequest")
    copy(o, "from", Metadata={"b": "2"}, MetadataDirective="REPLACE")
    got = o.s3().get_object(**SOURCE)
    assert got["Metadata"] == {"b": "2"} and got["Body"].read() == b"body"
    copy(o, "from", ServerSideEncryption="AES256")
    o.wait_clean()
    assert read(o, "from") == b"body"


def test_conditions(orchestrator):
    o = orchestrator
    put = o.s3().put_object(**SOURCE, Body=b"body")
    later, earlier = time.time() + 100, time.time() - 100
    for hold in ({"CopySourceIfMatch": put["ETag"]}, {"CopySourceIfNoneMatch": '"x"'},
                 {"CopySourceIfUnmodifiedSince": later}, {"CopySourceIfModifiedSince": earlier},
                 {"CopySourceIfMatch": put["ETag"], "CopySourceIfUnmodifiedSince": earlier}):
        copy(o, **hold)
    for fail in ({"CopySourceIfMatch": '"x"'}, {"CopySourceIfNoneMatch": put["ETag"]},
                 {"CopySourceIfUnmodifiedSince": earlier}, {"CopySourceIfModifiedSince": later},
                 {"CopySourceIfNoneMatch": put["ETag"], "CopySourceIfModifiedSince": earlier}):
        assert error_of(copy, o, "other", **fail) == (412, "PreconditionFailed"), fail
    s = Service(o)

    def conditional(to, **headers):
        return s.do("PUT", f"/photos/{to}", headers={
            "x-amz-copy-source": "photos/from",
            **{n.replace("_", "-"): v for n, v in headers.items()}})
    assert conditional("to", if_none_match="*").error == (412, "PreconditionFailed")
    assert conditional("to", if_match='"x"').error == (412, "PreconditionFailed")
    assert conditional("to", if_match=put["ETag"]).status == 200
    assert conditional("other", if_none_match="*").status == 200
    assert conditional("absent", if_match="*").error == (404, "NoSuchKey")


def test_sources_that_are_not_there(orchestrator):
    o = orchestrator
    o.s3().put_object(**SOURCE, Body=b"body")
    s = Service(o)
    for source, expected in (
            ("photos/absent", (404, "NoSuchKey")), ("absent/from", (404, "NoSuchBucket")),
            ("documents/from", (403, "AccessDenied")), ("photos", (400, "InvalidArgument")),
            ("photos/", (400, "InvalidArgument")), ("/", (400, "InvalidArgument")),
            ("photos/%zz", (400, "InvalidArgument")), ("photos/%ff", (400, "InvalidArgument")),
            ("photos/from?versionId=", (400, "InvalidArgument")),
            ("photos/from?versionId=x", (400, "InvalidArgument")),
            ("photos/from?versionId=" + "0" * 26, (404, "NoSuchVersion")),
            ("photos/" + "k" * 1025, (400, "KeyTooLongError"))):
        answer = s.do("PUT", "/photos/to", headers={"x-amz-copy-source": source})
        assert answer.error == expected, (source, answer)
    for source in ("photos/from", "/photos/from", "photos/%66rom", "photos%2Ffrom",
                   "photos/from?versionId=null"):
        assert s.do("PUT", "/photos/to", headers={"x-amz-copy-source": source}).status == 200
    strange = "a b+c%2B?versionId=ü/d"
    o.s3().put_object(Bucket="photos", Key=strange, Body=b"strange")
    copy(o, source={"Bucket": "photos", "Key": strange})
    assert read(o, "to") == b"strange"
    # As QueryEscape() of Go does it, and so Terraform.
    encoded = urllib.parse.quote_plus(f"photos/{strange}")
    assert "+" in encoded and "/" not in encoded
    answer = s.do("PUT", "/photos/too", headers={"x-amz-copy-source": encoded})
    assert answer.status == 200 and read(o, "too") == b"strange"


def test_versions(orchestrator):
    o = orchestrator
    o.sql("UPDATE buckets SET versioning = 'Enabled' WHERE bucket = 'photos'")
    first = o.s3().put_object(**SOURCE, Body=b"first")["VersionId"]
    second = o.s3().put_object(**SOURCE, Body=b"second")["VersionId"]
    result = copy(o, source=f"photos/from?versionId={first}")
    assert result["CopySourceVersionId"] == first and result["VersionId"] not in (first, second)
    assert read(o, "to", VersionId=result["VersionId"]) == b"first"
    assert copy(o)["CopySourceVersionId"] == second
    copy(o, "from", f"photos/from?versionId={first}")  # an old version becomes current again
    assert read(o, "from") == b"first"
    marker = o.s3().delete_object(**SOURCE)["VersionId"]
    assert error_of(copy, o) == (404, "NoSuchKey")
    assert error_of(copy, o, source=f"photos/from?versionId={marker}") == (400, "InvalidRequest")


def test_checksums(orchestrator):
    o, body = orchestrator, os.urandom(10_000)
    o.s3().put_object(**SOURCE, Body=body)
    for name in ("CRC32", "CRC32C", "SHA1", "SHA256"):
        result = copy(o, ChecksumAlgorithm=name)["CopyObjectResult"]
        sums = {k: v for k, v in result.items() if k.startswith("Checksum") and k != "ChecksumType"}
        assert sums == {f"Checksum{name}": base64.b64encode(CHECKSUMS[name.lower()](body)).decode()}
        head = o.s3().head_object(Bucket="photos", Key="to", ChecksumMode="ENABLED")
        assert head[f"Checksum{name}"] == sums[f"Checksum{name}"]
    assert error_of(copy, o, ChecksumAlgorithm="MD4") == (400, "InvalidRequest")
    copy(o, "from", ChecksumAlgorithm="SHA1")  # that is a change
    assert "ChecksumSHA1" in o.s3().head_object(**SOURCE, ChecksumMode="ENABLED")


# --- several segments ---

def parts_elsewhere(o, key, parts):
    """Its parts lie on one backend after the other."""
    u = upload(o, key)
    for (number, body), backend in zip(parts.items(), o.backends * 10):
        for other in o.backends:
            bound(o, other.name, 10**9 if other is backend else 0)
        u.part(number, body)
    for backend in o.backends:
        bound(o, backend.name, 10**9)
    return u.complete()["ETag"]


def unbounded(backends):
    for b in backends:
        b.quota = "1GB"
    return backends


def test_a_multipart_source_over_several_backends(launch, directories, radosgw, swift):
    backends = unbounded([*directories(1), radosgw.backend("ceph"), swift.backend("swift")])
    o = launch(backends)
    parts = {n: os.urandom(size) for n, size in ((1, 5 * MIB), (2, 5 * MIB + 1), (7, 5 * MIB), (9, 100))}
    o.checked = False  # bound() has changed what is free
    etag = parts_elsewhere(o, "from", parts)
    assert etag == tag_of(*parts.values())
    assert places(o, "from") == ["disk1", "ceph", "swift", "disk1"]
    result = copy(o)["CopyObjectResult"]
    assert result["ETag"] == etag and read(o, "to") == b"".join(parts.values())
    assert places(o, "to") == places(o, "from")  # each by the one that had it
    assert read(o, "to", PartNumber=7) == parts[7]
    head = o.s3().head_object(Bucket="photos", Key="to", PartNumber=2)
    assert head["PartsCount"] == 4 and head["ContentLength"] == 5 * MIB + 1
    assert head["ContentType"] == "text/x-parts" and head["Metadata"] == {"a": "b"}
    result = copy(o, ChecksumAlgorithm="CRC32")["CopyObjectResult"]
    whole = CHECKSUMS["crc32"](b"".join(parts.values()))
    assert result["ChecksumCRC32"] == base64.b64encode(whole).decode()
    result = copy(o, ChecksumAlgorithm="SHA1")["CopyObjectResult"]
    whole = CHECKSUMS["sha1"](b"".join(parts.values()))
    assert result["ChecksumSHA1"] == base64.b64encode(whole).decode() and result["ETag"] == etag
    assert read(o, "to", PartNumber=7) == parts[7]
    o.s3().delete_object(**SOURCE)
    o.wait_clean()
    assert read(o, "to") == b"".join(parts.values())


class Breaking(MemoryS3):
    """It takes all bytes of an object, and then fails: once, at the n-th, with an error or
    by what it says of the bytes."""
    at, damages = 0, False

    def put(self, path, length, read):
        body = read(length)
        self.at -= 1
        if self.at == 0 and not self.damages:
            return self.error(500, "InternalError")
        self.stored[path] = body
        return 200, b"", {"ETag": '"%032d"' % 0} if self.at == 0 else {}


@pytest.mark.parametrize("damages", [False, True])
def test_a_checksum_of_segments_that_were_sent_twice(launch, directories, damages):
    """Bytes of an attempt that failed do not count, of the first segment or a later one."""
    backend = Breaking("breaking")
    o = launch([backend, *directories(1)], {"server": {"backend_timeout": "2s"}})
    u, parts = upload(o, "from", ChecksumAlgorithm="SHA256"), [os.urandom(5 * MIB), os.urandom(1000)]
    sums = []
    for number, body in enumerate(parts, 1):
        sums.append(u.part(number, body, ChecksumAlgorithm="SHA256")["ChecksumSHA256"])
    listed = [{"PartNumber": n, "ETag": u.tags[n], "ChecksumSHA256": s} for n, s in enumerate(sums, 1)]
    u.s3.complete_multipart_upload(**u.where, MultipartUpload={"Parts": listed})
    whole = base64.b64encode(CHECKSUMS["sha256"](b"".join(parts))).decode()
    backend.damages = damages
    for backend.at in (1, 2):
        result = copy(o, ChecksumAlgorithm="SHA256")["CopyObjectResult"]
        assert result["ChecksumSHA256"] == whole and backend.at <= 0
        assert "disk1" in places(o, "to")
        assert read(o, "to") == b"".join(parts)
    told = u.s3.get_object_attributes(Bucket="photos", Key="to", ObjectAttributes=["ObjectParts"])
    assert [p["ChecksumSHA256"] for p in told["ObjectParts"]["Parts"]] == sums


def test_parts_of_bytes_of_objects(launch, directories):
    o = launch(directories(1))
    s3, body = o.s3(), os.urandom(6 * MIB)
    s3.put_object(**SOURCE, Body=body)
    u, middle = upload(o, "to"), 5 * MIB
    ranges = {1: (0, middle - 1), 2: (5, 5), 3: (10, 6 * MIB - 1), 4: (0, 6 * MIB - 1)}
    for number, (first, last) in ranges.items():
        result = copy_part(u, number, CopySourceRange=f"bytes={first}-{last}")
        assert result["ETag"] == f'"{hashlib.md5(body[first:last + 1]).hexdigest()}"'
        assert abs(result["LastModified"].timestamp() - time.time()) < 100
    assert calls(o, "CopyObject", "disk1") == 1  # the whole
    copy_part(u, 2)  # again, in place of the one byte
    assert calls(o, "CopyObject", "disk1") == 2
    for wrong in ("bytes=0-", "bytes=-5", "0-5", "bytes=5-4", f"bytes=0-{6 * MIB}", "bytes=0-1,3-4"):
        assert error_of(copy_part, u, 5, CopySourceRange=wrong) == (400, "InvalidArgument"), wrong
    assert error_of(copy_part, u, 10001) == (400, "InvalidArgument")
    assert error_of(copy_part, u, 5, CopySourceIfMatch='"x"') == (412, "PreconditionFailed")
    for wrong in ({"UploadId": "u"}, {"Key": "k"}):
        assert error_of(s3.upload_part_copy, **{**u.where, **wrong}, PartNumber=1,
                        CopySource="photos/from") == (404, "NoSuchUpload")
    u.complete()
    assert read(o, "to") == body[:middle] + body + body[10:] + body
    # a range over two segments, and one that is exactly a segment
    u = upload(o, "third")
    copy_part(u, 1, "photos/to", CopySourceRange=f"bytes=1-{middle + 5}")
    copy_part(u, 2, "photos/to", CopySourceRange=f"bytes={middle}-{middle + 6 * MIB - 1}")
    u.complete()
    assert read(o, "third") == (body[:middle] + body)[1:middle + 6] + body
    assert calls(o, "CopyObject", "disk1") == 3


def test_checksums_of_copied_parts(orchestrator):
    o, body = orchestrator, os.urandom(10_000)
    o.s3().put_object(**SOURCE, Body=body)
    u = upload(o, "to", ChecksumAlgorithm="CRC32")
    result = copy_part(u, 1, CopySourceRange="bytes=1-100")
    assert result["ChecksumCRC32"] == base64.b64encode(CHECKSUMS["crc32"](body[1:101])).decode()
    u.s3.complete_multipart_upload(**u.where, MultipartUpload={"Parts": [
        {"PartNumber": 1, "ETag": result["ETag"], "ChecksumCRC32": result["ChecksumCRC32"]}]})
    assert read(o, "to") == body[1:101]


# --- failures ---

class Refusing(MemoryS3):
    """It stores and tells, but its copies fail in the given way."""

    def __init__(self, name, answer, leaves=False):
        super().__init__(name)
        self.copy_answer, self.leaves, self.copies = answer, leaves, 0

    def copy(self, path, source):
        self.copies += 1
        if self.leaves:
            self.stored[path] = b"half"
        return self.copy_answer


FAILURES = {
    "501": ((501, MemoryS3.error(501, "NotImplemented")[1]), False),
    "403": (MemoryS3.error(403, "AccessDenied"), False),
    "404": (MemoryS3.error(404, "NoSuchKey"), False),
    "500": (MemoryS3.error(500, "InternalError"), True),
    "late": ((200, b'  \n<?xml version="1.0"?><Error><Code>InternalError</Code></Error>'), True),
    "empty": ((200, b""), True),
    "other": ((200, b"<What/>"), True),
    "damaged": ((200, b"<CopyObjectResult><ETag>&quot;" + b"0" * 32 +
                 b"&quot;</ETag></CopyObjectResult>"), True),
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_backend_that_does_not_copy(launch, how):
    """Then the bytes go through here, under another name on the backend."""
    answer, leaves = FAILURES[how]
    backend = Refusing("remote", answer, leaves)
    o = launch([backend], {"server": {"backend_timeout": "2s"}}, processes=1)
    body = os.urandom(100_000)
    o.s3().put_object(**SOURCE, Body=body)
    copy(o)
    assert read(o, "to") == body and backend.copies == 1
    copy(o)
    assert backend.copies == (1 if how == "501" else 2)
    o.s3().delete_object(**SOURCE)
    o.wait_clean()
    assert read(o, "to") == body and backend.count() == 1


class Late(MemoryS3):
    """Its copies appear after so many seconds, and nothing is heard of them before."""
    after = 0

    def copy(self, path, source):
        time.sleep(self.after)
        return super().copy(path, source)


def test_a_copy_that_was_given_up_comes_late(launch):
    """It is deleted when it has had the time to come, and not before."""
    backend, body = Late("late"), os.urandom(24 * MIB)
    o = launch([backend], {"server": {"backend_timeout": "2s"}})
    o.s3().put_object(**SOURCE, Body=body)
    backend.after = 2.75
    copy(o, "patient")  # a second more for 16 MiB
    assert calls(o, "PutObject", "late") == 1
    backend.after = 6
    copy(o)
    assert calls(o, "PutObject", "late") == 2 and backend.count() == 3
    until(lambda: backend.count() == 4, 20, "the bytes have come twice")
    o.wait_clean()
    assert backend.count() == 3 and read(o, "to") == body


def test_a_full_backend_copies_to_another(launch, directories):
    o = launch([*directories(2, quota="1500KB")])
    body = os.urandom(MIB)
    o.s3().put_object(**SOURCE, Body=body)
    copy(o)
    assert places(o, "from") + places(o, "to") == ["disk1", "disk2"]
    assert read(o, "to") == body
    assert error_of(copy, o, "third") == (507, "InsufficientStorage")
    assert calls(o, "CopyObject", "disk1") == 0


def test_a_damaged_copy_is_not_copied(orchestrator):
    """Neither by the backend nor through here: it would look as good as the original."""
    o = orchestrator
    o.s3().put_object(**SOURCE, Body=os.urandom(MIB))
    with open(o.backends[0].files()[0], "r+b") as f:
        f.truncate(MIB // 2)
    status, _ = error_of(copy, o)
    assert status == 502
    assert [key for key, in o.sql("SELECT object_name FROM object_versions")] == ["from"]
    o.s3().delete_object(**SOURCE)
    o.wait_clean()


def test_a_source_that_is_overwritten_all_the_time(orchestrator):
    o = orchestrator
    bodies = [os.urandom(MIB) for _ in range(3)]
    o.s3().put_object(**SOURCE, Body=bodies[0])
    ended = threading.Event()

    def overwrite():
        s3 = o.s3()
        while not ended.is_set():
            s3.put_object(**SOURCE, Body=random.choice(bodies))

    writers = [threading.Thread(target=overwrite) for _ in range(3)]
    for w in writers:
        w.start()
    try:
        for _ in range(40):
            copy(o)
            assert read(o, "to") in bodies
    finally:
        ended.set()
        for w in writers:
            w.join()


def test_everything_is_killed_during_a_copy(launch, directories, radosgw):
    """Some segments are copied, some are not: nothing of them stays."""
    class Waiting(MemoryS3):
        hold = False

        def copy(self, path, source):
            result = super().copy(path, source)
            if self.hold:
                self.waits.set()
                self.go.wait(60)
            return result

    last = Waiting("last")
    last.waits, last.go = threading.Event(), threading.Event()
    o = launch([*directories(1), last], QUICK)
    o.checked = False
    parts_elsewhere(o, "from", {1: b"1" * 5 * MIB, 2: b"2" * 1000})
    assert places(o, "from") == ["disk1", "last"]
    last.hold = True
    threading.Thread(target=lambda: pytest.raises(Exception, copy, o), daemon=True).start()
    assert last.waits.wait(30)
    os.killpg(o.proxyd.pid, signal.SIGKILL)
    o.proxyd.wait()
    last.go.set()
    assert o.sql("SELECT count(*) FROM pending_objects")[0][0] == 2
    o.start_proxyd()
    o.wait_clean()
    assert [b.count() for b in o.backends] == [1, 1]
    assert error_of(read, o, "to") == (404, "NoSuchKey")
    assert read(o, "from") == b"1" * 5 * MIB + b"2" * 1000


# --- answers that take long ---

class Slow(MemoryS3):
    """Its copies take as long as the test wants."""

    def __init__(self, name):
        super().__init__(name)
        self.asked, self.go = threading.Event(), threading.Event()
        self.answer = None

    def copy(self, path, source):
        self.asked.set()
        self.go.wait(60)
        return self.answer or super().copy(path, source)


@pytest.fixture
def slow(launch):
    backend = Slow("slow")
    o = launch([backend])
    o.s3().put_object(**SOURCE, Body=b"body")
    o.slow = backend
    yield o
    backend.go.set()


def begin(o, version="1.1", **more):
    wire = Wire(o.port)
    request = Signer(f"127.0.0.1:{o.port}").request(
        "PUT", "/photos/to", headers={"x-amz-copy-source": "photos/from", **more})
    return wire.send(request.replace(b"HTTP/1.1", f"HTTP/{version}".encode()))


def head_of(wire):
    until(lambda: b"\r\n\r\n" in wire.buffer or not wire._more(), 30, "the head is there")
    head, wire.buffer = wire.buffer.split(b"\r\n\r\n", 1)
    return head.decode()


def chunk(wire):
    until(lambda: b"\r\n" in wire.buffer or not wire._more(), 30, "a chunk begins")
    size, wire.buffer = wire.buffer.split(b"\r\n", 1)
    n = int(size, 16)
    until(lambda: len(wire.buffer) >= n + 2 or not wire._more(), 30, "a chunk is there")
    data, end, wire.buffer = wire.buffer[:n], wire.buffer[n:n + 2], wire.buffer[n + 2:]
    assert end == b"\r\n"
    return data


DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def test_a_slow_copy_keeps_the_client_waiting(slow):
    with begin(slow) as wire:
        head = head_of(wire)
        assert head.startswith("HTTP/1.1 200 ") and "Transfer-Encoding: chunked" in head
        assert "Content-Length" not in head and "Content-Type: application/xml" in head
        assert [chunk(wire), chunk(wire)] == [DECLARATION, b" "]
        slow.slow.go.set()
        rest = b""
        while data := chunk(wire):
            rest += data
        assert re.fullmatch(rb" *<CopyObjectResult .*<ETag>.*</CopyObjectResult>", rest)
        # the connection lives on
        answer = wire.send(Signer(f"127.0.0.1:{slow.port}").request("GET", "/photos/to")).answer()
        assert answer.body == b"body"


def test_a_slow_copy_for_an_old_client(slow):
    with begin(slow, "1.0") as wire:
        head = head_of(wire)
        assert "Transfer-Encoding" not in head and "Connection: close" in head
        slow.slow.go.set()
        while wire._more():
            pass
        assert re.match(re.escape(DECLARATION) + rb" *<CopyObjectResult ", wire.buffer)


def test_a_slow_copy_fails_late(slow):
    """The status has gone out: the document tells, and clients look at it."""
    slow.slow.put = lambda *_: MemoryS3.error(500, "InternalError")
    slow.slow.answer = MemoryS3.error(500, "InternalError")
    with begin(slow) as wire:
        assert head_of(wire).startswith("HTTP/1.1 200 ") and chunk(wire) == DECLARATION
        slow.slow.go.set()
        rest = chunk(wire)
        assert b"<Error>" in rest and b"<Code>InternalError</Code>" in rest
        assert chunk(wire) == b""
    until(lambda: any(line["msg"] == "S3 request failed" for line in slow.log_lines("proxyd")))
    assert slow.metrics()['s3o_manager_requests_total{operation="CopyObject",backend="",'
                          'status="error"}'] == 1


def test_the_source_stays_until_all_of_it_is_copied(slow):
    """However long its first segment takes, and whatever replaces it meanwhile."""
    u, parts = upload(slow, "from"), [os.urandom(5 * MIB), os.urandom(1000)]
    for number, body in enumerate(parts, 1):
        u.part(number, body)
    u.complete()
    with ThreadPoolExecutor() as pool:
        copying = pool.submit(copy, slow)
        assert slow.slow.asked.wait(20)
        slow.s3().put_object(**SOURCE, Body=b"new")
        try:
            until(slow.keeps_for_readers, 14, "its deletion is put off")
        finally:
            slow.slow.go.set()
        copying.result()
    assert read(slow, "to") == b"".join(parts)
    assert calls(slow, "CopyObject", "slow") == 2  # at the first go


def test_a_client_that_leaves_a_slow_copy(slow):
    wire = begin(slow)
    assert slow.slow.asked.wait(20)
    head_of(wire)
    wire.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wire.s.close()
    until(lambda: slow.requests_in_progress() == 0, 30, "the copy has ended")
    slow.slow.go.set()
    slow.tidy_up()
    assert slow.slow.count() == 1
    assert error_of(read, slow, "to") == (404, "NoSuchKey")

"""boto3 as programs use it: the transfer manager, resumed uploads, pages, conditions,
versions."""
import hashlib
import os
import threading

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from harness.clients import KIB, MIB, assert_same, make_file, run

# In bytes; by hand it is larger.
LARGE = int(os.environ.get("S3O_LARGE_OBJECT", 256 * MIB))
WHOLE = TransferConfig(multipart_threshold=5 * 1024 * MIB, use_threads=False)
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB,
                       max_concurrency=8)


def refused(status, call, *args, **options):
    with pytest.raises(ClientError) as caught:
        call(*args, **options)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status, caught.value
    return caught.value.response["Error"]["Code"]


def move(s3, bucket, path, workdir, config):
    """Up, and down in one piece and in parallel ranges."""
    key = f"dir/{os.path.basename(path)}"
    s3.upload_file(path, bucket, key, Config=config,
                   ExtraArgs={"Metadata": {"a": "b"}, "ContentType": "image/x-a"})
    for download in (WHOLE, PARTS):
        s3.download_file(bucket, key, f"{workdir}/back", Config=download)
        assert_same(f"{workdir}/back", path)
    head = s3.head_object(Bucket=bucket, Key=key)
    assert head["ContentType"] == "image/x-a" and head["Metadata"] == {"a": "b"}
    s3.delete_object(Bucket=bucket, Key=key)
    return head["ETag"]


@pytest.mark.parametrize("config", [WHOLE, PARTS], ids=["whole", "parts"])
def test_transfer_manager(endpoint, files, workdir, config):
    for name, path in files.items():
        etag = move(endpoint.s3(), endpoint.bucket, path, workdir, config)
        assert ("-" in etag) == (config is PARTS and name in ("five", "sixty-four"))
    assert endpoint.keys() == [] and endpoint.uploads() == []


def test_a_large_object_in_one_piece(endpoint, workdir):
    path = make_file(f"{workdir}/large", LARGE)
    move(endpoint.s3(), endpoint.bucket, path, workdir, WHOLE)


def test_presigned_urls(endpoint, files, workdir):
    s3 = endpoint.s3()
    params = {"Bucket": endpoint.bucket, "Key": "odd +/ü"}
    run("curl", "-sSf", "-T", files["five"], s3.generate_presigned_url("put_object", Params=params))
    run("curl", "-sSf", "-o", f"{workdir}/back",
        s3.generate_presigned_url("get_object", Params=params))
    assert_same(f"{workdir}/back", files["five"])
    form = s3.generate_presigned_post(endpoint.bucket, "forms/${filename}", Fields={"acl": "private"},
                                      Conditions=[{"acl": "private"},
                                                  ["content-length-range", 1, 6 * MIB]])
    fields = [word for name, value in form["fields"].items() for word in ("-F", f"{name}={value}")]
    run("curl", "-sSf", *fields, "-F", f"file=@{files['five']}", form["url"])
    assert endpoint.keys() == ["forms/five", "odd +/ü"]
    run("curl", "-sSf", *fields, "-F", f"file=@{files['sixty-four']}", form["url"], status=22)
    run("curl", "-sSf", "-X", "DELETE", s3.generate_presigned_url("delete_object", Params=params))
    assert endpoint.keys() == ["forms/five"]


def test_an_upload_is_resumed(endpoint):
    """A client that was interrupted asks what is there and sends the rest."""
    name = {"Bucket": endpoint.bucket, "Key": "resumed"}
    bodies = {n: os.urandom(5 * MIB) for n in range(1, 9)}
    first = endpoint.s3()
    upload = first.create_multipart_upload(**name)["UploadId"]
    for n in (1, 2, 5):
        first.upload_part(**name, UploadId=upload, PartNumber=n, Body=bodies[n])
    s3 = endpoint.s3()
    assert [u["UploadId"] for u in endpoint.uploads()] == [upload]
    pages = s3.get_paginator("list_parts").paginate(**name, UploadId=upload,
                                                    PaginationConfig={"PageSize": 2})
    there = {p["PartNumber"]: p["ETag"] for page in pages for p in page["Parts"]}
    assert there == {n: f'"{hashlib.md5(bodies[n]).hexdigest()}"' for n in (1, 2, 5)}

    def send(n):
        there[n] = s3.upload_part(**name, UploadId=upload, PartNumber=n, Body=bodies[n])["ETag"]
    threads = [threading.Thread(target=send, args=(n,)) for n in bodies if n not in there]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    done = s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": n, "ETag": there[n]} for n in sorted(bodies)]})
    of_parts = b"".join(hashlib.md5(bodies[n]).digest() for n in sorted(bodies))
    got = s3.get_object(**name)
    assert got["ETag"] == f'"{hashlib.md5(of_parts).hexdigest()}-8"'
    if endpoint.ours:  # the gateway answers without one
        assert done["ETag"] == got["ETag"]
    assert got["Body"].read() == b"".join(bodies[n] for n in sorted(bodies))
    assert endpoint.uploads() == []


def test_pages(endpoint):
    s3 = endpoint.s3()
    keys = sorted(f"{folder}/{n:02}" for folder in ("a", "b", "ü") for n in range(15))
    for key in keys:
        s3.put_object(Bucket=endpoint.bucket, Key=key, Body=key.encode())
    for operation in ("list_objects", "list_objects_v2"):
        pages = list(s3.get_paginator(operation).paginate(
            Bucket=endpoint.bucket, PaginationConfig={"PageSize": 7}))
        assert [o["Key"] for p in pages for o in p["Contents"]] == keys and len(pages) == 7
        pages = s3.get_paginator(operation).paginate(
            Bucket=endpoint.bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
        assert [c["Prefix"] for p in pages for c in p.get("CommonPrefixes", [])] == [
            "a/", "b/", "ü/"]
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=endpoint.bucket, PaginationConfig={"PageSize": 7})
    assert [(v["Key"], v["VersionId"]) for p in pages for v in p["Versions"]] == [
        (key, "null") for key in keys]
    uploads = [(key, s3.create_multipart_upload(Bucket=endpoint.bucket, Key=key)["UploadId"])
               for key in keys[:9]]
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=endpoint.bucket, PaginationConfig={"PageSize": 4})
    assert [(u["Key"], u["UploadId"]) for p in pages for u in p["Uploads"]] == uploads
    for key, upload in uploads:
        s3.abort_multipart_upload(Bucket=endpoint.bucket, Key=key, UploadId=upload)
    answer = s3.delete_objects(Bucket=endpoint.bucket,
                               Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(answer["Deleted"]) == 45 and endpoint.keys() == []


def with_header(s3, operation, **fields):
    """Header fields that this boto3 does not know yet."""
    def add(request, **_):
        for name, value in fields.items():
            request.headers[name.replace("_", "-")] = value
    s3.meta.events.register(f"before-sign.s3.{operation}", add)
    return s3


def test_conditional_writes(endpoint):
    name = {"Bucket": endpoint.bucket, "Key": "k"}
    s3 = endpoint.s3()
    only_new = with_header(endpoint.s3(), "PutObject", If_None_Match="*")
    etag = only_new.put_object(**name, Body=b"first")["ETag"]
    assert refused(412, only_new.put_object, **name, Body=b"second") == "PreconditionFailed"
    assert s3.get_object(**name)["Body"].read() == b"first"
    if endpoint.ours:
        only_that_one(endpoint, name, etag)
    etag = s3.head_object(**name)["ETag"]
    refused(304, s3.get_object, **name, IfNoneMatch=etag)
    refused(412, s3.get_object, **name, IfMatch='"0"')


def only_that_one(endpoint, name, etag):
    only_that = with_header(endpoint.s3(), "PutObject", If_Match=etag)
    only_that.put_object(**name, Body=b"third")
    assert refused(412, only_that.put_object, **name, Body=b"fourth") == "PreconditionFailed"
    assert endpoint.s3().get_object(**name)["Body"].read() == b"third"


def test_one_of_many_writers_wins(endpoint):
    """The lock of a state file: If-None-Match from many at once."""
    outcomes = []

    def write(n):
        s3 = with_header(endpoint.s3(), "PutObject", If_None_Match="*")
        try:
            s3.put_object(Bucket=endpoint.bucket, Key="lock", Body=str(n).encode())
            outcomes.append((200, n))
        except ClientError as e:
            outcomes.append((e.response["ResponseMetadata"]["HTTPStatusCode"], n))
    threads = [threading.Thread(target=write, args=(n,)) for n in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    (_, winner), = [o for o in outcomes if o[0] == 200]
    assert {status for status, _ in outcomes} <= {200, 409, 412} and len(outcomes) == 10
    assert endpoint.s3().get_object(Bucket=endpoint.bucket, Key="lock")["Body"].read() == \
        str(winner).encode()


def test_checksums(endpoint):
    if not endpoint.ours:
        pytest.skip("the gateway does not know x-amz-checksum")
    s3, name = endpoint.s3(), {"Bucket": endpoint.bucket, "Key": "k"}
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        put = s3.put_object(**name, Body=b"body", ChecksumAlgorithm=algorithm)
        head = s3.head_object(**name, ChecksumMode="ENABLED")
        assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
        got = s3.get_object(**name, ChecksumMode="ENABLED")
        assert got["Body"].read() == b"body"  # compared by boto3
        assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    upload = s3.create_multipart_upload(**name, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for n in (1, 2):
        part = s3.upload_part(**name, UploadId=upload, PartNumber=n, Body=os.urandom(5 * MIB),
                              ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": n, "ETag": part["ETag"],
                      "ChecksumSHA256": part["ChecksumSHA256"]})
    done = s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    assert done["ChecksumSHA256"].endswith("-2")
    found = s3.get_object_attributes(**name, ObjectAttributes=["Checksum", "ObjectParts", "ETag"])
    assert found["ObjectParts"]["TotalPartsCount"] == 2


def test_versions(endpoint):
    s3, name = endpoint.s3(), {"Bucket": endpoint.bucket, "Key": "k"}
    s3.put_bucket_versioning(Bucket=endpoint.bucket,
                             VersioningConfiguration={"Status": "Enabled"})
    bodies = {}
    for n in range(5):
        body = os.urandom(n * 100 * KIB)
        bodies[s3.put_object(**name, Body=body)["VersionId"]] = body
    marker = s3.delete_object(**name)["VersionId"]
    assert refused(404, s3.get_object, **name) == "NoSuchKey"
    for version, body in bodies.items():
        got = s3.get_object(**name, VersionId=version)
        assert got["VersionId"] == version and got["Body"].read() == body
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=endpoint.bucket, PaginationConfig={"PageSize": 2})
    listed = [(v["VersionId"], v["Size"]) for p in pages for v in p.get("Versions", [])]
    assert listed == [(version, len(body)) for version, body in reversed(bodies.items())]
    # Back to an old one, by copying it over the newest.
    old = list(bodies)[1]
    s3.copy_object(**name, CopySource={**name, "VersionId": old})
    assert s3.get_object(**name)["Body"].read() == bodies[old]
    refused(405 if endpoint.ours else 404, s3.get_object, **name, VersionId=marker)
    s3.delete_objects(Bucket=endpoint.bucket, Delete={"Objects": [
        {"Key": "k", "VersionId": version} for version in [marker, *bodies]]})
    left = s3.list_object_versions(Bucket=endpoint.bucket)
    assert len(left["Versions"]) == 1 and "DeleteMarkers" not in left
    assert s3.get_object(**name)["Body"].read() == bodies[old]

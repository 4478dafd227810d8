"""Many keys deleted with one request: a result for each, in order, in one transaction."""
import base64
import hashlib
import os
import random
import zlib
from concurrent.futures import ThreadPoolExecutor

from harness.service import Service
from harness.wait import until


def document(*items, quiet=False):
    """Items: keys, or what stands in <Object>."""
    text = "".join(f"<Object>{i if i.startswith('<') else f'<Key>{i}</Key>'}</Object>"
                   for i in items)
    return f"<Delete>{'<Quiet>true</Quiet>' if quiet else ''}{text}</Delete>".encode()


def post(service, body, **headers):
    return service.do("POST", "/photos", body, query=[("delete", "")],
                      headers={n.replace("_", "-"): v for n, v in headers.items()})


def test_a_thousand_keys(orchestrator):
    s3 = orchestrator.s3()
    keys = [f"k/{i:04}" for i in range(1000)]
    for key in keys[::50]:
        s3.put_object(Bucket="photos", Key=key, Body=b"x")
    s3.put_object(Bucket="photos", Key="other", Body=b"kept")
    random.Random(1).shuffle(keys)
    answer = s3.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": k} for k in keys]})
    assert [d["Key"] for d in answer["Deleted"]] == keys and "Errors" not in answer
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="photos")["Contents"]] == ["other"]

    def audited():
        return [line for line in orchestrator.audit()
                if line["event"] == "storage.DeleteObjects"]

    until(audited, what="it is logged")
    assert [(line["total_keys"], line["deleted"], line["errors"]) for line in audited()] == [
        (1000, 1000, 0)]
    assert orchestrator.metrics()[
        's3o_manager_requests_total{operation="DeleteObjects",backend="",status="success"}'] == 1


def test_results_of_each_key(orchestrator):
    s3, service = orchestrator.s3(), Service(orchestrator)
    etag = s3.put_object(Bucket="photos", Key="a", Body=b"1")["ETag"]
    s3.put_object(Bucket="photos", Key="b", Body=b"2")
    s3.put_object(Bucket="photos", Key="c", Body=b"3")
    answer = post(service, document(
        "absent", "<Key></Key>", "k" * 1025, f"<Key>b</Key><ETag>{etag}</ETag>",
        f"<Key>a</Key><ETag>{etag}</ETag>", "<Key>gone</Key><ETag>*</ETag>",
        "<Key>c</Key><VersionId>nonsense</VersionId>", "<Key>c</Key><VersionId>null</VersionId>",
        "é&amp;&#9;"))
    assert answer.status == 200
    text = answer.body.decode()
    wanted = ["<Deleted><Key>absent</Key></Deleted>",
              "<Error><Key></Key><Code>UserKeyMustBeSpecified</Code>",
              f"<Error><Key>{'k' * 1025}</Key><Code>KeyTooLongError</Code>",
              "<Error><Key>b</Key><Code>PreconditionFailed</Code>",
              "<Deleted><Key>a</Key></Deleted>", "<Error><Key>gone</Key><Code>NoSuchKey</Code>",
              "<Error><Key>c</Key><VersionId>nonsense</VersionId><Code>NoSuchVersion</Code>",
              "<Deleted><Key>c</Key><VersionId>null</VersionId></Deleted>",
              "<Deleted><Key>é&amp;&#x9;</Key></Deleted>"]
    places = [text.index(w) for w in wanted]
    assert places == sorted(places)
    assert text.count("<Message>") == 5
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="photos")["Contents"]] == ["b"]
    # Quiet tells of errors only.
    text = post(service, document("b", "<Key></Key>", quiet=True)).body.decode()
    assert "<Deleted>" not in text and text.count("<Error>") == 1
    assert service.stored("b") is None
    # The same key twice.
    s3.put_object(Bucket="photos", Key="a", Body=b"1")
    answer = s3.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": "a"}] * 2})
    assert [d["Key"] for d in answer["Deleted"]] == ["a", "a"]


def test_what_is_refused_as_a_whole(orchestrator):
    service = Service(orchestrator)
    service.put("k", b"kept")
    body = document("k")
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    wrong_md5 = base64.b64encode(hashlib.md5(b"").digest()).decode()
    for text, headers, error in (
            (b"", {}, (400, "MalformedXML")), (b"<Delete>", {}, (400, "MalformedXML")),
            (b"<Delete/>", {}, (400, "MalformedXML")), (b"<x/>", {}, (400, "MalformedXML")),
            (document(*["k"] * 1001), {}, (400, "MalformedXML")),
            (document("k" * (5 << 20)), {}, (400, "MalformedXML")),
            (document("<Key>k</Key><Size>4</Size>"), {}, (501, "NotImplemented")),
            (body, {"content_md5": wrong_md5}, (400, "BadDigest")),
            (body, {"content_md5": "x"}, (400, "InvalidDigest")),
            (body, {"x_amz_checksum_crc32": "AAAAAA=="}, (400, "BadDigest"))):
        assert post(service, text, **headers).error == error, (text[:80], headers)
    assert service.stored("k") == b"kept"
    assert post(service, body, content_md5=md5, x_amz_checksum_crc32=crc).status == 200
    assert service.stored("k") is None


def test_without_a_database(own_postgres, launch, directories):
    o = launch(directories(1), postgres=own_postgres, workerd=False)
    service = Service(o)
    service.put("k", b"kept")
    own_postgres.stop()
    answer = post(service, document("k", "l"))
    assert answer.error == (503, "ServiceUnavailable") and b"<Deleted>" not in answer.body
    own_postgres.start()
    until(lambda: service.stored("k") == b"kept", what="the database is back")
    o.start_workerd()


def test_batches_in_opposite_order(launch, directories):
    """They lock their keys in one order, whatever the order of the request."""
    o = launch(directories(1), processes=2)
    s3 = o.s3()
    keys = [f"k{i}" for i in range(200)]
    for versioning in (False, True):
        if versioning:
            s3.put_bucket_versioning(Bucket="photos",
                                     VersioningConfiguration={"Status": "Enabled"})

        def run(n):
            client, rng = o.s3(), random.Random(n)
            order = keys if n % 2 else keys[::-1]
            for _ in range(5):
                key = rng.choice(keys)
                client.put_object(Bucket="photos", Key=key, Body=os.urandom(10))
                answer = client.delete_objects(
                    Bucket="photos", Delete={"Objects": [{"Key": k} for k in order]})
                assert "Errors" not in answer and len(answer["Deleted"]) == len(keys)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(run, range(8)))
    assert o.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [
        (0,)]
    assert "Contents" not in s3.list_objects_v2(Bucket="photos")

"""Buckets that keep versions, compared step by step with a model: for each key a list of
versions, the newest first."""
import random

import pytest
from botocore.exceptions import ClientError

from harness.relay import Relay
from harness.service import Service

PROCESSES = 2  # of the systems launched here: requests meet across children

KEYS = ["a", "b/1", "b/2", "b/2/x", "c", "d/", "ü/1"]


def error_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def headers_of(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]


class Model:
    """What a bucket must hold. A version: [id, body], the body None for a marker."""

    def __init__(self):
        self.keys = {}
        self.versioning = None

    def place(self, key, version, body):
        versions = self.keys.setdefault(key, [])
        if self.versioning != "Enabled":
            version = "null"
            versions[:] = [v for v in versions if v[0] != "null"]
        versions.insert(0, [version, body])

    def delete(self, key, marker):
        if self.versioning:
            self.place(key, marker, None)
        else:
            self.keys.pop(key, None)

    def delete_version(self, key, version):
        """Whether a marker went."""
        versions = self.keys.get(key, [])
        gone = [v for v in versions if v[0] == version]
        versions[:] = [v for v in versions if v[0] != version]
        if not versions:
            self.keys.pop(key, None)
        return bool(gone) and gone[0][1] is None

    def listed(self):
        return [(key, version, i == 0, None if body is None else len(body))
                for key in sorted(self.keys, key=str.encode)
                for i, (version, body) in enumerate(self.keys[key])]

    def current(self):
        return [key for key in sorted(self.keys, key=str.encode)
                if self.keys[key][0][1] is not None]

    def some_version(self, rng):
        key = rng.choice(KEYS)
        ids = [v[0] for v in self.keys.get(key, [])] + ["null", "0" * 26]
        return key, rng.choice(ids)


def entries(page):
    rows = [(v["Key"], v["VersionId"], v["IsLatest"], v["Size"], v["LastModified"])
            for v in page.get("Versions", [])]
    rows += [(m["Key"], m["VersionId"], m["IsLatest"], None, m["LastModified"])
             for m in page.get("DeleteMarkers", [])]
    return rows


def all_versions(s3, **arguments):
    """Every entry of all pages and every common prefix. Within a page boto3 sorts by kind, so
    that only pages of one entry show the order."""
    rows, groups = [], []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="photos", **arguments):
        rows += entries(page)
        groups += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
    return rows, groups


class Walk:
    def __init__(self, orchestrator, seed):
        self.s3 = orchestrator.s3()
        self.rng = random.Random(seed)
        self.model = Model()

    def set_versioning(self):
        status = self.rng.choice(["Enabled", "Enabled", "Suspended"])
        self.s3.put_bucket_versioning(Bucket="photos",
                                      VersioningConfiguration={"Status": status})
        self.model.versioning = status
        assert self.s3.get_bucket_versioning(Bucket="photos")["Status"] == status

    def put(self):
        key, body = self.rng.choice(KEYS), self.rng.randbytes(self.rng.randrange(100))
        answer = self.s3.put_object(Bucket="photos", Key=key, Body=body)
        self.told(answer.get("VersionId"))
        self.model.place(key, answer.get("VersionId"), body)

    def told(self, version):
        if self.model.versioning == "Enabled":
            assert len(version) == 26
        else:
            assert version == ("null" if self.model.versioning else None)

    def delete(self):
        key = self.rng.choice(KEYS)
        answer = self.s3.delete_object(Bucket="photos", Key=key)
        self.told(answer.get("VersionId"))
        assert answer.get("DeleteMarker", False) == bool(self.model.versioning)
        self.model.delete(key, answer.get("VersionId"))

    def delete_version(self):
        key, version = self.model.some_version(self.rng)
        answer = self.s3.delete_object(Bucket="photos", Key=key, VersionId=version)
        assert answer["VersionId"] == version
        assert answer.get("DeleteMarker", False) == self.model.delete_version(key, version)

    def delete_many(self):
        items = []
        for key in self.rng.sample(KEYS, self.rng.randrange(1, 5)):
            version = self.model.some_version(self.rng)[1] if self.rng.random() < 0.4 else None
            items.append({"Key": key, **({"VersionId": version} if version else {})})
        answer = self.s3.delete_objects(Bucket="photos", Delete={"Objects": items})
        assert "Errors" not in answer
        assert [(d["Key"], d.get("VersionId")) for d in answer["Deleted"]] == [
            (i["Key"], i.get("VersionId")) for i in items]
        for done in answer["Deleted"]:
            marker = done.get("DeleteMarkerVersionId")
            if "VersionId" in done:
                was_marker = self.model.delete_version(done["Key"], done["VersionId"])
                assert marker == (done["VersionId"] if was_marker else None)
            else:
                self.told(marker)
                self.model.delete(done["Key"], marker)
            assert done.get("DeleteMarker", False) == (marker is not None)

    def get(self):
        key, version = self.model.some_version(self.rng)
        found = [v for v in self.model.keys.get(key, []) if v[0] == version]
        wanted = dict(Bucket="photos", Key=key, VersionId=version)
        for call in (self.s3.get_object, self.s3.head_object):
            if found and found[0][1] is not None:
                answer = call(**wanted)
                assert answer["VersionId"] == version
                assert answer["ContentLength"] == len(found[0][1])
                assert "Body" not in answer or answer["Body"].read() == found[0][1]
            else:
                assert error_of(call, **wanted)[0] == (405 if found else 404)

    def compare(self):
        rows, _ = all_versions(self.s3)
        assert sorted((r[:4] for r in rows), key=str) == sorted(self.model.listed(), key=str)
        listed = self.s3.list_objects_v2(Bucket="photos").get("Contents", [])
        assert [o["Key"] for o in listed] == self.model.current()
        for key in self.rng.sample(KEYS, 2):
            versions = self.model.keys.get(key)
            if versions and versions[0][1] is not None:
                got = self.s3.get_object(Bucket="photos", Key=key)
                assert got["Body"].read() == versions[0][1]
                assert got.get("VersionId") == (versions[0][0] if self.model.versioning else None)
            else:
                assert error_of(self.s3.get_object, Bucket="photos", Key=key) == (
                    404, "NoSuchKey")


@pytest.mark.parametrize("seed", [1, 2])
def test_random_walk(launch, directories, seed):
    o = launch(directories(2), processes=1)
    walk = Walk(o, seed)
    steps = [walk.put] * 6 + [walk.delete] * 3 + [walk.delete_version] * 3 + \
            [walk.delete_many] * 2 + [walk.get] * 2 + [walk.set_versioning]
    for i in range(80):
        # First without versioning, which never comes back.
        step = walk.rng.choice(steps if i >= 12 else steps[:-1])
        step()
        walk.compare()
    # In pages of one entry its order shows; in larger ones nothing is lost at their ends.
    rows, _ = all_versions(o.s3(), PaginationConfig={"PageSize": 1})
    assert [r[:4] for r in rows] == walk.model.listed()
    for older, newer in zip(rows[1:], rows):
        assert older[0] != newer[0] or older[4] <= newer[4]
    for size in (2, 3, 7):
        rows, _ = all_versions(o.s3(), PaginationConfig={"PageSize": size})
        assert sorted((r[:4] for r in rows), key=str) == sorted(walk.model.listed(), key=str)
    # Everything is deleted version by version, and nothing stays.
    s3 = o.s3()
    while True:
        page = s3.list_object_versions(Bucket="photos", MaxKeys=5)
        rows = entries(page)
        if not rows:
            break
        s3.delete_objects(Bucket="photos", Delete={"Quiet": True, "Objects": [
            {"Key": r[0], "VersionId": r[1]} for r in rows]})
    o.wait_clean()
    assert sum(b.count() for b in o.backends) == 0


def test_emptying_a_bucket_page_by_page(orchestrator):
    """The marker of the next page is a version that is deleted before it is asked for."""
    s3 = orchestrator.s3()
    enable(s3)
    for i in range(11):
        s3.put_object(Bucket="photos", Key="k" if i % 3 else "l", Body=b"%d" % i)
    for page in s3.get_paginator("list_object_versions").paginate(
            Bucket="photos", PaginationConfig={"PageSize": 2}):
        s3.delete_objects(Bucket="photos", Delete={"Objects": [
            {"Key": r[0], "VersionId": r[1]} for r in entries(page)]})
    assert entries(s3.list_object_versions(Bucket="photos")) == []


def enable(s3, status="Enabled"):
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": status})


def test_listing(orchestrator):
    s3, service = orchestrator.s3(), Service(orchestrator)
    s3.put_object(Bucket="photos", Key="a", Body=b"1")
    enable(s3)
    for key in ("a", "b/1", "b/2", "b/2", "c d"):
        s3.put_object(Bucket="photos", Key=key, Body=b"22")
    s3.delete_object(Bucket="photos", Key="b/1")
    for size in (1, 2, 3, 1000):
        rows, groups = all_versions(s3, Delimiter="/", PaginationConfig={"PageSize": size})
        assert sorted(r[0] for r in rows) == ["a", "a", "c d"] and groups == ["b/"]
        rows, groups = all_versions(s3, Prefix="b/", PaginationConfig={"PageSize": size})
        assert sorted(r[0] for r in rows) == ["b/1", "b/1", "b/2", "b/2"] and not groups
    page = s3.list_object_versions(Bucket="photos", MaxKeys=1)
    assert page["IsTruncated"] and page["NextKeyMarker"] == "a" and page["MaxKeys"] == 1
    first = page["Versions"][0]
    assert page["NextVersionIdMarker"] == first["VersionId"] and first["IsLatest"]
    assert first["StorageClass"] == "STANDARD" and first["Owner"]["ID"] == "s3-orchestrator"
    assert first["ETag"] == s3.head_object(Bucket="photos", Key="a")["ETag"]
    [second] = s3.list_object_versions(Bucket="photos", MaxKeys=1, KeyMarker="a",
                                       VersionIdMarker=first["VersionId"])["Versions"]
    assert second["Key"] == "a" and second["VersionId"] == "null" and not second["IsLatest"]
    rest = s3.list_object_versions(Bucket="photos", KeyMarker="a", VersionIdMarker="null")
    assert {r[0] for r in entries(rest)} == {"b/1", "b/2", "c d"}
    assert entries(s3.list_object_versions(Bucket="photos", KeyMarker="a")) == entries(rest)
    # A marker inside a group that has been told.
    page = s3.list_object_versions(Bucket="photos", Delimiter="/", KeyMarker="b/1")
    assert [r[0] for r in entries(page)] == ["c d"] and "CommonPrefixes" not in page
    assert not s3.list_object_versions(Bucket="photos", MaxKeys=0)["IsTruncated"]

    def ask(query):
        return service.do("GET", "/photos", query=[("versions", "")] + query)

    text = ask([("encoding-type", "url"), ("prefix", "c d")]).body.decode()
    assert "<Key>c%20d</Key>" in text and "<EncodingType>url</EncodingType>" in text
    text = ask([]).body.decode()  # versions and markers as they come
    assert text.index("<DeleteMarker>") < text.index("<Key>b/2</Key>")
    for query in ([("version-id-marker", "null")], [("max-keys", "x")],
                  [("key-marker", "a"), ("version-id-marker", "x")],
                  [("encoding-type", "x")]):
        assert ask(query).error == (400, "InvalidArgument"), query


def test_markers_and_headers(orchestrator):
    s3, service = orchestrator.s3(), Service(orchestrator)
    before = service.put("k", b"1")
    assert "x-amz-version-id" not in before.headers
    assert "x-amz-version-id" not in service.do("GET", "/photos/k").headers
    enable(s3)
    for method in ("GET", "HEAD"):
        assert service.do(method, "/photos/k").headers["x-amz-version-id"] == "null"
    version = service.put("k", b"2").headers["x-amz-version-id"]
    answer = service.do("DELETE", "/photos/k")
    marker = answer.headers["x-amz-version-id"]
    assert answer.status == 204 and answer.headers["x-amz-delete-marker"] == "true"
    for method in ("GET", "HEAD"):
        answer = service.do(method, "/photos/k")
        assert answer.status == 404 and answer.headers["x-amz-delete-marker"] == "true"
        assert answer.headers["x-amz-version-id"] == marker
        answer = service.do(method, "/photos/k", query=[("versionId", marker)])
        assert answer.status == 405 and answer.headers["x-amz-delete-marker"] == "true"
        assert answer.headers["allow"] == "DELETE" and "last-modified" in answer.headers
        answer = service.do(method, "/photos/k", query=[("versionId", version)])
        assert answer.status == 200 and answer.headers["x-amz-version-id"] == version
        assert "x-amz-delete-marker" not in answer.headers
    # The key counts as absent.
    assert service.do("PUT", "/photos/k", b"3", headers={"if-match": "*"}).error == (
        404, "NoSuchKey")
    answer = service.do("PUT", "/photos/k", b"3", headers={"if-none-match": "*"})
    assert answer.status == 200
    answer = service.do("DELETE", "/photos/k", query=[("versionId", marker)])
    assert answer.headers["x-amz-delete-marker"] == "true"
    assert answer.headers["x-amz-version-id"] == marker
    assert service.stored("k") == b"3"
    for method in ("GET", "HEAD", "DELETE"):
        answer = service.do(method, "/photos/k", query=[("versionId", "")])
        assert answer.status == 400 and answer.code in ("InvalidArgument", None)
    assert service.stored("k") == b"3"


def test_versioning_documents(orchestrator):
    s3, service = orchestrator.s3(), Service(orchestrator)
    assert "Status" not in s3.get_bucket_versioning(Bucket="photos")

    def put(body):
        return service.do("PUT", "/photos", body, query=[("versioning", "")])

    for body, error in (
            (b"", (400, "MalformedXML")), (b"<x/>", (400, "MalformedXML")),
            (b"<VersioningConfiguration/>", (400, "IllegalVersioningConfigurationException")),
            (b"<VersioningConfiguration><Status>enabled</Status></VersioningConfiguration>",
             (400, "MalformedXML")),
            (b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"
             b"</VersioningConfiguration>", (501, "NotImplemented")),
            (b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>1</MfaDelete>"
             b"</VersioningConfiguration>", (400, "MalformedXML")),
            (b"<VersioningConfiguration><Status>Enabled</Status><Other/>"
             b"</VersioningConfiguration>", (400, "MalformedXML"))):
        assert put(body).error == error, body
    assert "Status" not in s3.get_bucket_versioning(Bucket="photos")
    assert put(b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
               b"<MfaDelete>Disabled</MfaDelete><Status>Enabled</Status>"
               b"</VersioningConfiguration>").status == 200
    assert s3.get_bucket_versioning(Bucket="photos")["Status"] == "Enabled"
    enable(s3, "Suspended")
    assert s3.get_bucket_versioning(Bucket="photos")["Status"] == "Suspended"


def test_the_answer_to_a_commit_is_lost(launch, postgres, workdir):
    """What it has made is found out, and told as if nothing had happened."""
    relay = Relay(postgres, f"{workdir}/relay")
    o = launch(extra={"database": {"host": relay.dir}})
    s3 = o.s3()
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    for write in (lambda: s3.put_object(Bucket="photos", Key="k", Body=b"body"),
                  lambda: s3.copy_object(Bucket="photos", Key="to", CopySource="photos/k")):
        relay.lose = True
        made = write()
        assert not relay.lose
        versions = s3.list_object_versions(Bucket="photos")["Versions"]
        assert made["VersionId"] in [v["VersionId"] for v in versions]
        if "CopyObjectResult" in made:
            assert {v["Key"]: v["LastModified"] for v in versions}["to"] == \
                made["CopyObjectResult"]["LastModified"]

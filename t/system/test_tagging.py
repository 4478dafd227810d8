"""Tags of objects, compared with a dictionary; and that a tag never lands on a version
that was written later."""
import random
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from harness.service import Service
from test_versions import enable, error_of

KEYS = ["a", "b", "ü/c"]


def tag_set(tags):
    return {"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}


def tags_of(s3, key, **version):
    answer = s3.get_object_tagging(Bucket="photos", Key=key, **version)
    return {t["Key"]: t["Value"] for t in answer["TagSet"]}


def test_random_walk(orchestrator):
    s3, rng = orchestrator.s3(), random.Random(4)
    model = {}  # key -> [[version, tags], ...]
    enable(s3)

    def some_tags():
        words = ["a", "b c", "ü", "x=y", "+-=._:/@", "k" * 128]
        return {k: rng.choice(["", "v", "v" * 256, "ß = ü"])
                for k in rng.sample(words, rng.randrange(len(words)))}

    def put():
        key, tags = rng.choice(KEYS), some_tags()
        answer = s3.put_object(Bucket="photos", Key=key, Body=b"x", Tagging=urlencode(tags))
        model.setdefault(key, []).insert(0, [answer["VersionId"], tags])

    def change():
        if not model:
            return
        key = rng.choice(list(model))
        version = rng.choice(model[key]) if rng.random() < 0.5 else None
        which = {"VersionId": version[0]} if version else {}
        tags = some_tags() if rng.random() < 0.7 else {}
        if tags:
            answer = s3.put_object_tagging(Bucket="photos", Key=key, Tagging=tag_set(tags),
                                           **which)
        else:
            answer = s3.delete_object_tagging(Bucket="photos", Key=key, **which)
        target = version or model[key][0]
        assert answer["VersionId"] == target[0]
        target[1] = tags

    for _ in range(60):
        rng.choice([put, change, change])()
        for key, versions in model.items():
            assert tags_of(s3, key) == versions[0][1]
            version, tags = rng.choice(versions)
            assert tags_of(s3, key, VersionId=version) == tags
            head = s3.head_object(Bucket="photos", Key=key, VersionId=version)
            count = head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-tagging-count")
            assert count == (str(len(tags)) if tags else None)


def test_what_is_refused(orchestrator):
    s3, service = orchestrator.s3(), Service(orchestrator)
    wanted = dict(Bucket="photos", Key="k")
    assert error_of(s3.get_object_tagging, **wanted) == (404, "NoSuchKey")
    assert error_of(s3.put_object_tagging, Tagging=tag_set({"a": "b"}), **wanted) == (
        404, "NoSuchKey")
    assert error_of(s3.delete_object_tagging, **wanted) == (404, "NoSuchKey")
    s3.put_object(Body=b"x", Tagging="a=b", **wanted)
    assert error_of(s3.get_object_tagging, VersionId="0" * 26, **wanted) == (
        404, "NoSuchVersion")
    assert error_of(s3.get_object_tagging, VersionId="x", **wanted) == (400, "InvalidArgument")
    for tags, code in (({str(i): "" for i in range(11)}, "BadRequest"),
                       ({"k" * 129: ""}, "InvalidTag"), ({"k": "v" * 257}, "InvalidTag"),
                       ({"aws:k": "v"}, "InvalidTag"), ({"k": "{}"}, "InvalidTag")):
        assert error_of(s3.put_object_tagging, Tagging=tag_set(tags), **wanted) == (400, code)
    for value, code in (("a=1&a=2", "InvalidTag"), ("%zz=1", "InvalidArgument"),
                        ("&".join(f"k{i}=" for i in range(11)), "BadRequest")):
        answer = service.do("PUT", "/photos/k", b"lost", headers={"x-amz-tagging": value})
        assert answer.error == (400, code), value
    assert service.do("PUT", "/photos/k", b"<x/>", query=[("tagging", "")]).error == (
        400, "MalformedXML")
    assert service.stored("k") == b"x" and tags_of(s3, "k") == {"a": "b"}
    # An object that replaces another one has its own tags, or none.
    s3.put_object(Body=b"y", **wanted)
    assert tags_of(s3, "k") == {}
    enable(s3)
    marker = s3.delete_object(**wanted)["VersionId"]
    assert error_of(s3.get_object_tagging, **wanted) == (404, "NoSuchKey")
    for call in (s3.get_object_tagging, s3.delete_object_tagging):
        assert error_of(call, VersionId=marker, **wanted) == (405, "MethodNotAllowed")


def test_tags_while_the_object_is_replaced(orchestrator):
    """Each request means one version: whatever the order, tags are never mixed, and a write
    is not tagged by what was asked for before it."""
    o = orchestrator
    s3 = o.s3()
    s3.put_object(Bucket="photos", Key="k", Body=b"x", Tagging="n=0")

    def write(n):
        o.s3().put_object(Bucket="photos", Key="k", Body=b"x", Tagging=f"n={n}")

    def tag(n):
        o.s3().put_object_tagging(Bucket="photos", Key="k", Tagging=tag_set({"t": str(n)}))

    with ThreadPoolExecutor(16) as pool:
        for job in [pool.submit((write, tag)[n % 2], n) for n in range(60)]:
            job.result()
    tags = tags_of(s3, "k")
    assert len(tags) == 1 and set(tags) < {"n", "t"}
    s3.put_object(Bucket="photos", Key="k", Body=b"x", Tagging="last=1")
    assert tags_of(s3, "k") == {"last": "1"}


def test_acls(orchestrator):
    """public-read where the bucket allows ACLs, private everywhere; nothing else."""
    s3, service = orchestrator.s3(), Service(orchestrator)

    def readers(key="k", **version):
        answer = s3.get_object_acl(Bucket="photos", Key=key, **version)
        assert answer["Owner"]["ID"] == "s3-orchestrator"
        [owner, *others] = answer["Grants"]
        assert owner["Permission"] == "FULL_CONTROL"
        assert owner["Grantee"]["ID"] == "s3-orchestrator"
        assert all(g["Permission"] == "READ" for g in others)
        return [g["Grantee"]["URI"].rsplit("/")[-1] for g in others]

    def write(**fields):
        return service.do("PUT", "/photos/k", b"x",
                          headers={k.replace("_", "-"): v for k, v in fields.items()})

    def put(body=b"", **fields):
        return service.do("PUT", "/photos/k", body, query=[("acl", "")],
                          headers={k.replace("_", "-"): v for k, v in fields.items()})

    refused = (400, "AccessControlListNotSupported")
    assert put(x_amz_acl="private").error == (404, "NoSuchKey")
    assert write().status == 200 and readers() == []
    assert write(x_amz_acl="public-read").error == refused
    assert put(x_amz_acl="public-read").error == refused
    assert service.ask(service.sign.presigned(
        "PUT", "/photos/k", query=[("x-amz-acl", "public-read")],
        headers={"content-length": "0"})).error == refused
    for canned in ("private", "bucket-owner-full-control"):
        assert put(x_amz_acl=canned).status == 200 and readers() == []
    for body, fields, error in (
            (b"", {"x_amz_acl": "authenticated-read"}, (501, "NotImplemented")),
            (b"", {"x_amz_acl": "x"}, (400, "InvalidArgument")),
            (b"", {"x_amz_grant_read": 'id="1"'}, (501, "NotImplemented")),
            (b"", {}, (400, "MalformedACLError")), (b"<x/>", {}, (400, "MalformedACLError"))):
        assert put(body, **fields).error == error, (body, fields)

    orchestrator.sql("INSERT INTO bucket_settings (bucket, name, value)"
                     " VALUES ('photos', 'ownershipControls', 'ObjectWriter')")
    assert put(x_amz_acl="public-read").status == 200 and readers() == ["AllUsers"]
    document = service.do("GET", "/photos/k", query=[("acl", "")]).body
    assert write().status == 200 and readers() == []  # a new object
    assert put(document).status == 200 and readers() == ["AllUsers"]
    assert put(document, x_amz_acl="private").error == (400, "MalformedACLError")
    assert put(document.replace(b">READ<", b">WRITE<")).error == (501, "NotImplemented")
    assert put(x_amz_acl="private").status == 200 and readers() == []
    enable(s3)
    first = write(x_amz_acl="public-read").headers["x-amz-version-id"]
    assert write().status == 200
    assert readers() == [] and readers(VersionId=first) == ["AllUsers"]

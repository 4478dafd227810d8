"""What can be read without any credentials."""
import requests

from test_buckets import buckets, error_of

ENFORCED, PREFERRED = "BucketOwnerEnforced", "BucketOwnerPreferred"


def ask(o, path, method="GET", **more):
    return requests.request(method, o.endpoint + path, timeout=20, **more)


def publish(o, key, bucket="photos"):
    """As PutObjectAcl would."""
    o.sql("UPDATE object_versions SET acl = 'public-read' WHERE bucket = %s AND object_name = %s",
          bucket, key)


def own(s3, ownership):
    s3.put_bucket_ownership_controls(Bucket="photos", OwnershipControls={
        "Rules": [{"ObjectOwnership": ownership}]})


def block(s3, **on):
    s3.put_public_access_block(Bucket="photos", PublicAccessBlockConfiguration=on)


def test_nothing_is_public_by_itself(orchestrator):
    orchestrator.s3().put_object(Bucket="photos", Key="k", Body=b"body")
    publish(orchestrator, "k")  # while ACLs are disabled
    for method, path in (("GET", "/"), ("GET", "/photos"), ("HEAD", "/photos"), ("GET", "/photos/k"),
                         ("HEAD", "/photos/k"), ("GET", "/photos/none"), ("GET", "/nowhere/k"),
                         ("PUT", "/photos/k"), ("DELETE", "/photos/k"), ("POST", "/photos/k"),
                         ("PUT", "/new-one"), ("DELETE", "/photos"), ("GET", "/photos?acl"),
                         ("GET", "/photos/k?acl"), ("GET", "/photos?versions"), ("PATCH", "/photos")):
        answer = ask(orchestrator, path, method)
        assert answer.status_code == 403, (method, path)
        assert method == "HEAD" or b"<Code>AccessDenied<" in answer.content, (method, path)
    assert orchestrator.s3().get_object(Bucket="photos", Key="k")["Body"].read() == b"body"


def test_objects_are_public_by_their_acl(orchestrator):
    o, s3 = orchestrator, orchestrator.s3()
    for key in ("open", "closed"):
        s3.put_object(Bucket="photos", Key=key, Body=b"body", ContentType="text/x")
    publish(o, "open")
    own(s3, PREFERRED)
    answer = ask(o, "/photos/open")
    assert (answer.status_code, answer.content) == (200, b"body")
    assert answer.headers["content-type"] == "text/x"
    assert ask(o, "/photos/open", "HEAD").status_code == 200
    assert ask(o, "/photos/open", headers={"Range": "bytes=1-2"}).content == b"od"
    for path in ("/photos/closed", "/photos/none", "/photos", "/photos/open?acl"):
        assert ask(o, path).status_code == 403, path
    assert ask(o, "/photos/open?response-content-type=a/b").status_code == 400
    for method in ("PUT", "DELETE"):
        assert ask(o, "/photos/open", method).status_code == 403
    # A wrong credential is not the same as none.
    for headers in ({"x-proxy-token": "wrong"}, {"Authorization": "Bearer x"}):
        assert ask(o, "/photos/open", headers=headers).status_code == 403, headers
    assert ask(o, "/photos/open", headers={"Authorization": "AWS photoskey:sig"}).status_code == 400
    # Everybody includes those who may use another bucket.
    assert o.s3("documents").get_object(Bucket="photos", Key="open")["Body"].read() == b"body"
    assert error_of(o.s3("documents").get_object, Bucket="photos", Key="closed")[0] == 403
    own(s3, ENFORCED)
    assert ask(o, "/photos/open").status_code == 403


def test_a_bucket_is_listed_by_its_acl(orchestrator):
    o, s3 = orchestrator, orchestrator.s3()
    s3.put_object(Bucket="photos", Key="closed", Body=b"body")
    own(s3, PREFERRED)
    assert ask(o, "/photos").status_code == 403
    s3.put_bucket_acl(Bucket="photos", ACL="public-read")
    assert b"<Key>closed</Key>" in ask(o, "/photos?list-type=2").content
    assert b"<Key>closed</Key>" in ask(o, "/photos").content
    assert ask(o, "/photos", "HEAD").status_code == 200
    assert ask(o, "/photos/closed").status_code == 403
    assert ask(o, "/photos/none").status_code == 404
    for path in ("/photos?uploads", "/photos?acl", "/photos?location", "/photos?versions"):
        assert ask(o, path).status_code == 403, path
    assert s3.get_bucket_policy_status(Bucket="photos")["PolicyStatus"]["IsPublic"] is True


def test_the_public_access_block_forbids_acls(orchestrator):
    o, s3 = orchestrator, orchestrator.s3()
    s3.put_object(Bucket="photos", Key="open", Body=b"body")
    publish(o, "open")
    own(s3, PREFERRED)
    s3.put_bucket_acl(Bucket="photos", ACL="public-read")
    for on in ("IgnorePublicAcls", "RestrictPublicBuckets"):
        block(s3, **{on: True})
        assert ask(o, "/photos/open").status_code == 403, on
        assert ask(o, "/photos").status_code == 403, on
        assert s3.get_bucket_policy_status(Bucket="photos")["PolicyStatus"]["IsPublic"] is False
    for on in ("BlockPublicAcls", "BlockPublicPolicy"):
        block(s3, **{on: True})
        assert ask(o, "/photos/open").status_code == 200, on


def test_the_operator_may_open_a_bucket(launch):
    o = launch(extra=buckets(photos={"public_read": True}))
    s3 = o.s3()
    s3.put_object(Bucket="photos", Key="k", Body=b"body")
    block(s3, BlockPublicAcls=True, IgnorePublicAcls=True, BlockPublicPolicy=True,
          RestrictPublicBuckets=True)
    assert ask(o, "/photos/k").content == b"body"
    assert b"<Key>k</Key>" in ask(o, "/photos").content
    assert ask(o, "/photos/none").status_code == 404
    assert ask(o, "/photos/k?response-expires=x").status_code == 400
    for method, path in (("PUT", "/photos/k"), ("DELETE", "/photos/k"), ("GET", "/photos?acl"),
                         ("GET", "/documents"), ("GET", "/")):
        assert ask(o, path, method).status_code == 403, (method, path)
    assert o.s3("documents").get_object(Bucket="photos", Key="k")["Body"].read() == b"body"
    assert error_of(o.s3("documents").delete_object, Bucket="photos", Key="k")[0] == 403
    assert s3.get_bucket_policy_status(Bucket="photos")["PolicyStatus"]["IsPublic"] is True


def test_a_created_bucket_can_be_public(launch):
    o = launch(extra=buckets("photos"))
    s3 = o.s3()
    s3.create_bucket(Bucket="new-one")
    s3.put_object(Bucket="new-one", Key="k", Body=b"body")
    publish(o, "k", "new-one")
    assert ask(o, "/new-one/k").status_code == 403
    s3.put_bucket_ownership_controls(Bucket="new-one", OwnershipControls={
        "Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    assert ask(o, "/new-one/k").content == b"body"

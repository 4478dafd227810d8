"""Buckets that clients create, and what can be set on any bucket."""
import base64
import hashlib
import re
from contextlib import ExitStack

import boto3
import pytest
from botocore.exceptions import ClientError

from harness.orchestrator import BUCKETS
from harness.service import Service
from harness.signing import Signer
from harness.wire import Wire, head

PHOTOS, DOCUMENTS = BUCKETS["photos"], BUCKETS["documents"]


def error_of(call, **arguments):
    with pytest.raises(ClientError) as e:
        call(**arguments)
    r = e.value.response
    return r["ResponseMetadata"]["HTTPStatusCode"], r["Error"]["Code"]


def buckets(*creators, **more):
    """The configuration, in which the holders of some buckets may create others."""
    return {"buckets": [{"name": name, "credentials": [
        {"access_key_id": key, "secret_access_key": secret, "create_buckets": name in creators}],
        **more.get(name, {})} for name, (key, secret) in BUCKETS.items()]}


@pytest.fixture
def creator(launch):
    return launch(extra=buckets("photos"))


def names(s3, **arguments):
    return [b["Name"] for b in s3.list_buckets(**arguments)["Buckets"]]


def test_a_created_bucket_is_a_bucket(creator):
    s3 = creator.s3()
    assert s3.create_bucket(Bucket="new-one")["Location"] == "/new-one"
    s3.create_bucket(Bucket="new-one")  # clients make sure of their bucket
    s3.head_bucket(Bucket="new-one")
    s3.put_object(Bucket="new-one", Key="k", Body=b"body")
    assert s3.get_object(Bucket="new-one", Key="k")["Body"].read() == b"body"
    assert [k["Key"] for k in s3.list_objects_v2(Bucket="new-one")["Contents"]] == ["k"]
    assert s3.get_bucket_location(Bucket="new-one")["LocationConstraint"] is None
    assert error_of(s3.delete_bucket, Bucket="new-one") == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="new-one", Key="k")
    s3.delete_bucket(Bucket="new-one")
    assert error_of(s3.put_object, Bucket="new-one", Key="k", Body=b"") == (404, "NoSuchBucket")
    assert error_of(s3.delete_bucket, Bucket="new-one") == (404, "NoSuchBucket")


def test_a_bucket_belongs_to_the_key_that_created_it(launch):
    o = launch(extra=buckets("photos", "documents"))
    ours, theirs = o.s3(), o.s3("documents")
    ours.create_bucket(Bucket="ours")
    ours.put_object(Bucket="ours", Key="k", Body=b"ours")
    assert error_of(theirs.get_object, Bucket="ours", Key="k") == (403, "AccessDenied")
    assert error_of(theirs.put_object, Bucket="ours", Key="k", Body=b"") == (403, "AccessDenied")
    assert error_of(theirs.list_objects_v2, Bucket="ours") == (403, "AccessDenied")
    assert error_of(theirs.delete_bucket, Bucket="ours") == (403, "AccessDenied")
    assert error_of(theirs.create_bucket, Bucket="ours") == (409, "BucketAlreadyExists")
    assert error_of(theirs.create_bucket, Bucket="photos") == (409, "BucketAlreadyExists")
    assert error_of(theirs.get_object, Bucket="none", Key="k") == (404, "NoSuchBucket")
    assert names(ours) == ["ours", "photos"] and names(theirs) == ["documents"]
    ours.delete_object(Bucket="ours", Key="k")
    ours.delete_bucket(Bucket="ours")
    theirs.create_bucket(Bucket="ours")
    assert names(theirs) == ["documents", "ours"]


def test_a_request_does_not_reach_the_bucket_of_the_next_owner(launch):
    """Bodies that were begun when the bucket was ours come when it is theirs."""
    o = launch(extra=buckets("photos", "documents"))
    ours, theirs, sign = o.s3(), o.s3("documents"), Signer(f"127.0.0.1:{o.port}")
    rules = b"""<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status>
        <Filter><Prefix></Prefix></Filter><Expiration><Date>2001-01-01T00:00:00Z</Date>
        </Expiration></Rule></LifecycleConfiguration>"""
    begun = [("PUT", "/house/k", [], b"ours"),
             ("POST", "/house", [("delete", "")], b"<Delete><Object><Key>k</Key></Object></Delete>"),
             ("PUT", "/house", [("lifecycle", "")], rules),
             ("PUT", "/house", [("versioning", "")], b"<VersioningConfiguration><Status>Enabled"
              b"</Status></VersioningConfiguration>")]
    ours.create_bucket(Bucket="house")
    with ExitStack() as stack:
        wires = []
        for method, path, query, body in begun:
            wire = stack.enter_context(Wire(o.port))
            fields = {"expect": "100-continue",
                      "content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
            wire.send(sign.request(method, path, query, fields, body))
            assert wire.answer().status == 100
            wires.append((wire, body))
        ours.delete_bucket(Bucket="house")
        theirs.create_bucket(Bucket="house")
        theirs.put_object(Bucket="house", Key="k", Body=b"theirs")
        for wire, body in wires:
            assert wire.send(body).answer().error == (404, "NoSuchBucket")
    assert theirs.get_object(Bucket="house", Key="k")["Body"].read() == b"theirs"
    assert "Status" not in theirs.get_bucket_versioning(Bucket="house")
    assert error_of(theirs.get_bucket_lifecycle_configuration, Bucket="house")[0] == 404


def test_creating_needs_the_right(creator):
    other = creator.s3("documents")
    with pytest.raises(ClientError, match="create_buckets"):
        other.create_bucket(Bucket="new-one")
    assert error_of(other.create_bucket, Bucket="new-one") == (403, "AccessDenied")
    assert other.create_bucket(Bucket="documents")["Location"] == "/documents"
    assert error_of(other.delete_bucket, Bucket="documents") == (405, "MethodNotAllowed")
    assert error_of(other.delete_bucket, Bucket="photos") == (403, "AccessDenied")


def test_open_uploads_go_with_their_bucket(creator):
    """A bucket whose listing is empty can be deleted."""
    s3 = creator.s3()
    s3.create_bucket(Bucket="new-one")
    upload = s3.create_multipart_upload(Bucket="new-one", Key="k")["UploadId"]
    part = {"Bucket": "new-one", "Key": "k", "UploadId": upload, "PartNumber": 1}
    s3.upload_part(**part, Body=b"x" * 1000)
    s3.delete_bucket(Bucket="new-one")
    assert error_of(s3.upload_part, **part, Body=b"x") == (404, "NoSuchBucket")
    s3.create_bucket(Bucket="new-one")
    assert error_of(s3.upload_part, **part, Body=b"x") == (404, "NoSuchUpload")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="new-one")


def test_names_and_places_of_buckets(creator):
    service, s3 = Service(creator), creator.s3()
    for name in ("ab", "a" * 64, "Upper", "under_score", "-a-", "a..b", "192.168.5.4", "xn--a-b",
                 "abc-s3alias", "__multipart", "admin", "ui", "abc."):
        answer = service.do("PUT", f"/{name}")
        assert answer.error == (400, "InvalidBucketName"), name
    for name in ("abc", "a" * 63, "a.b-c", "192.168.5.4a"):
        assert service.do("PUT", f"/{name}").status == 200, name

    def place(region):
        return service.do("PUT", "/placed", b"<CreateBucketConfiguration><LocationConstraint>" +
                          region + b"</LocationConstraint></CreateBucketConfiguration>")

    assert place(b"EU").error == (400, "IllegalLocationConstraintException")
    assert service.do("PUT", "/placed", b"<x/>").error == (400, "MalformedXML")
    assert service.do("PUT", "/placed", b"<CreateBucketConfiguration><Bucket/>"
                      b"</CreateBucketConfiguration>").error == (501, "NotImplemented")
    assert "placed" not in names(s3)
    assert place(b"us-east-1").status == 200 and "placed" in names(s3)
    elsewhere = boto3.client("s3", "eu-central-1", endpoint_url=creator.endpoint,
                             aws_access_key_id=PHOTOS[0], aws_secret_access_key=PHOTOS[1])
    elsewhere.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={
        "LocationConstraint": "eu-central-1"})  # as clients of that region do by themselves
    with pytest.raises(ClientError, match="IllegalLocationConstraint"):
        elsewhere.create_bucket(Bucket="other", CreateBucketConfiguration={
            "LocationConstraint": "eu-west-1"})


def test_a_bucket_is_created_as_it_is_to_be(creator):
    """With the bucket its settings are there, or neither is."""
    s3, service, b = creator.s3(), Service(creator), {"Bucket": "new-one"}

    def create(bucket="new-one", acl=None, ownership=None, tags=()):
        fields = {"x-amz-acl": acl, "x-amz-object-ownership": ownership}
        document = "".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in tags)
        answer = service.do(
            "PUT", f"/{bucket}", f"<CreateBucketConfiguration><Tags>{document}</Tags></CreateBucketConfiguration>".encode()
            if tags else b"",
            headers={n: v for n, v in fields.items() if v})
        return answer.error if answer.body else answer.status

    blue = [("team", "blue + green")]
    assert create(acl="public-read", ownership="ObjectWriter", tags=blue) == 200
    assert s3.get_bucket_tagging(**b)["TagSet"] == TAGS["TagSet"]
    assert s3.get_bucket_ownership_controls(**b)["OwnershipControls"] == {
        "Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    assert len(s3.get_bucket_acl(**b)["Grants"]) == 2
    for wrong, error in (
            ({"acl": "public-read"}, "InvalidBucketAclWithObjectOwnership"),
            ({"acl": "public-read", "ownership": "BucketOwnerEnforced"},
             "InvalidBucketAclWithObjectOwnership"),
            ({"ownership": "Me"}, "InvalidArgument"), ({"tags": [("aws:x", "")]}, "InvalidTag"),
            ({"tags": [("a", ""), ("a", "")]}, "InvalidTag"),
            ({"tags": [(str(i), "") for i in range(51)]}, "BadRequest")):
        assert create("another", **wrong) == (400, error), wrong
    assert names(s3) == ["new-one", "photos"]
    # Who makes sure of a bucket is told when it is another one, of the configuration too.
    for same in ({}, {"ownership": "ObjectWriter"}, {"tags": blue}):
        assert create(**same) == 200
    for bucket, other in (("new-one", {"ownership": "BucketOwnerEnforced"}),
                          ("new-one", {"acl": "private"}), ("new-one", {"tags": [("team", "red")]}),
                          ("photos", {"ownership": "ObjectWriter"}), ("photos", {"tags": blue})):
        assert create(bucket, **other) == (409, "BucketAlreadyOwnedByYou"), (bucket, other)
    for same in ({"acl": "private"}, {"ownership": "BucketOwnerEnforced"}):
        assert create("photos", **same) == 200
    assert create("documents", acl="private") == (409, "BucketAlreadyExists")
    assert len(s3.get_bucket_acl(**b)["Grants"]) == 2


def test_the_region_of_a_bucket_is_told_to_everybody(service):
    """Clients that look for it ask without credentials."""
    s = service
    nobody, wrong = Signer(s.host, key="nobody"), Signer(s.host, secret="wrong")
    for path in ("/photos", "/documents", "/nowhere", "/photos/"):
        for method in ("HEAD", "GET"):
            anonymous = head(method, path, {"host": s.host})
            for request in (anonymous, nobody.request(method, path), wrong.request(method, path),
                            s.sign.request(method, path)):
                answer = s.ask(request, method)
                assert answer.status in (403, 404) or path.startswith("/photos")
                if answer.status != 200 or method == "HEAD":
                    assert answer.headers["x-amz-bucket-region"] == "us-east-1", (path, answer)
    for path in ("/", "/photos/none", "/documents/k"):
        answer = s.do("HEAD" if path == "/" else "GET", path)
        assert "x-amz-bucket-region" not in answer.headers
    assert s.do("GET", "/photos", query=[("cors", "")]).headers["x-amz-bucket-region"] == "us-east-1"


def test_listing_buckets_in_pages(creator):
    s3, service = creator.s3(), Service(creator)

    def page(**query):
        text = service.do("GET", "/", query=[(k.replace("_", "-"), v) for k, v in query.items()]
                          ).body.decode()
        token = re.search("<ContinuationToken>(.*)</ContinuationToken>", text)
        return re.findall("<Name>(.*?)</Name>", text), token and token.group(1)

    for i in range(7):
        s3.create_bucket(Bucket=f"page-{i}")
    wanted = [f"page-{i}" for i in range(7)] + ["photos"]
    assert names(s3) == wanted and page(prefix="page-")[0] == wanted[:7]
    first, token = page(max_buckets="3", prefix="p")
    second, token = page(max_buckets="3", prefix="p", continuation_token=token)
    third, end = page(max_buckets="3", prefix="p", continuation_token=token)
    assert (first, second, third) == (wanted[:3], wanted[3:6], wanted[6:]) and not end
    assert page(max_buckets="8") == (wanted, None)
    # With a parameter, the region of each.
    for query, n in (([], 0), ([("x-id", "ListBuckets")], 0), ([("max-buckets", "2")], 2),
                     ([("prefix", "page-")], 7), ([("bucket-region", "us-east-1")], 8)):
        body = service.do("GET", "/", query=query).body
        assert body.count(b"<BucketRegion>us-east-1</BucketRegion>") == n, query
    for query in ([("max-buckets", "0")], [("max-buckets", "10001")], [("continuation-token", "x")]):
        assert service.do("GET", "/", query=query).error == (400, "InvalidArgument")


def test_there_is_a_limit_of_buckets(creator):
    s3 = creator.s3()
    creator.sql("INSERT INTO buckets (bucket, owner) SELECT 'many-' || n, 'photoskey'"
                " FROM generate_series(1, 99) n")
    s3.create_bucket(Bucket="the-last-one")
    assert error_of(s3.create_bucket, Bucket="too-many") == (400, "TooManyBuckets")
    s3.create_bucket(Bucket="many-7")
    assert len(names(s3)) == 101


def test_a_bucket_with_a_hidden_version_is_not_empty(creator):
    s3 = creator.s3()
    s3.create_bucket(Bucket="versions")
    creator.sql("UPDATE buckets SET versioning = 'Enabled' WHERE bucket = 'versions'")
    s3.put_object(Bucket="versions", Key="k", Body=b"1")
    s3.delete_object(Bucket="versions", Key="k")
    assert "Contents" not in s3.list_objects_v2(Bucket="versions")
    assert error_of(s3.delete_bucket, Bucket="versions") == (409, "BucketNotEmpty")


def test_the_database_decides_about_created_buckets(own_postgres, launch):
    o = launch(postgres=own_postgres, extra=buckets("photos"), workerd=False, check=False)
    s3 = o.s3()
    s3.create_bucket(Bucket="new-one")
    own_postgres.stop()
    assert error_of(s3.get_object, Bucket="new-one", Key="k") == (503, "ServiceUnavailable")
    assert error_of(s3.create_bucket, Bucket="another") == (503, "ServiceUnavailable")
    assert error_of(s3.list_buckets) == (503, "ServiceUnavailable")
    own_postgres.start()


# --- settings ---

TAGS = {"TagSet": [{"Key": "team", "Value": "blue + green"}]}
CORS = {"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"],
                       "MaxAgeSeconds": 7}]}
LIFECYCLE = {"Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"},
                        "Expiration": {"Days": 3}}]}
BLOCK = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": True,
         "RestrictPublicBuckets": False}


def test_settings_are_given_back_and_forgotten(orchestrator):
    s3, other = orchestrator.s3(), orchestrator.s3("documents")
    b = {"Bucket": "photos"}
    for what, absent, put, got in (
            ("tagging", "NoSuchTagSet", {"Tagging": TAGS}, TAGS),
            ("cors", "NoSuchCORSConfiguration", {"CORSConfiguration": CORS}, CORS),
            ("lifecycle_configuration", "NoSuchLifecycleConfiguration",
             {"LifecycleConfiguration": LIFECYCLE}, LIFECYCLE),
            ("ownership_controls", "OwnershipControlsNotFoundError",
             {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
             {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
            ("public_access_block", "NoSuchPublicAccessBlockConfiguration",
             {"PublicAccessBlockConfiguration": BLOCK}, {"PublicAccessBlockConfiguration": BLOCK})):
        name = what if what == "public_access_block" else f"bucket_{what}"
        get = getattr(s3, f"get_{name}")
        forget = getattr(s3, f"delete_{name}".replace("lifecycle_configuration", "lifecycle"))
        assert error_of(get, **b) == (404, absent)
        getattr(s3, f"put_{name}")(**b, **put)
        answer = get(**b)
        assert {k: answer[k] for k in got} == got
        assert error_of(getattr(other, f"get_{name}"), **b) == (403, "AccessDenied")
        assert error_of(getattr(other, f"put_{name}"), **b, **put) == (403, "AccessDenied")
        forget(**b)
        assert error_of(get, **b) == (404, absent)
        forget(**b)


def test_settings_go_with_their_bucket(creator):
    s3 = creator.s3()
    s3.create_bucket(Bucket="new-one")
    s3.put_bucket_tagging(Bucket="new-one", Tagging=TAGS)
    s3.delete_bucket(Bucket="new-one")
    s3.create_bucket(Bucket="new-one")
    assert error_of(s3.get_bucket_tagging, Bucket="new-one") == (404, "NoSuchTagSet")


def test_documents_that_are_wrong_change_nothing(service):
    s = service
    for name, document, error in (
            ("tagging", "<Tagging/>", (400, "MalformedXML")), ("cors", "nonsense", (400, "MalformedXML")),
            ("cors", "", (400, "MalformedXML")),
            ("lifecycle", "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/>"
             "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>"
             "</LifecycleConfiguration>", (501, "NotImplemented")),
            ("ownershipControls", "<OwnershipControls><Rule><ObjectOwnership>Me</ObjectOwnership>"
             "</Rule></OwnershipControls>", (400, "MalformedXML")),
            ("ownershipControls", "<OwnershipControls/>", (400, "MalformedXML")),
            ("publicAccessBlock", "<PublicAccessBlockConfiguration><BlockPublicAcls>2"
             "</BlockPublicAcls></PublicAccessBlockConfiguration>", (400, "MalformedXML")),
            ("encryption", "<ServerSideEncryptionConfiguration><Rule>"
             "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>"
             "</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
             (501, "NotImplemented"))):
        answer = s.do("PUT", "/photos", document.encode(), query=[(name, "")])
        assert answer.error == error, (name, answer)
        assert s.do("GET", "/photos", query=[(name, "")]).status == 404
    assert s.do("PUT", "/photos", b" " * (1024 * 1024 + 1), query=[("cors", "")]).code == "MalformedXML"


def test_acl_of_a_bucket(orchestrator):
    s3 = orchestrator.s3()
    b = {"Bucket": "photos"}

    def permissions():
        return [(g["Grantee"].get("URI", "").rsplit("/", 1)[-1], g["Permission"])
                for g in s3.get_bucket_acl(**b)["Grants"]]

    owner, everybody = ("", "FULL_CONTROL"), ("AllUsers", "READ")
    assert permissions() == [owner]
    s3.put_bucket_acl(**b, ACL="private")
    assert error_of(s3.put_bucket_acl, **b, ACL="public-read") == (
        400, "AccessControlListNotSupported")
    s3.put_bucket_ownership_controls(**b, OwnershipControls={
        "Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    s3.put_public_access_block(**b, PublicAccessBlockConfiguration=BLOCK)
    assert error_of(s3.put_bucket_acl, **b, ACL="public-read") == (403, "AccessDenied")
    s3.delete_public_access_block(**b)
    s3.put_bucket_acl(**b, ACL="public-read")
    assert permissions() == [owner, everybody]
    given = s3.get_bucket_acl(**b)
    s3.put_bucket_acl(**b, ACL="private")
    assert permissions() == [owner]
    s3.put_bucket_acl(**b, AccessControlPolicy={k: given[k] for k in ("Owner", "Grants")})
    assert permissions() == [owner, everybody]
    for acl in ("public-read-write", "authenticated-read"):
        assert error_of(s3.put_bucket_acl, **b, ACL=acl) == (501, "NotImplemented")
    assert error_of(s3.put_bucket_acl, **b, ACL="nonsense") == (400, "InvalidArgument")
    assert error_of(s3.put_bucket_acl, **b, GrantRead="id=x") == (501, "NotImplemented")
    given["Grants"][1]["Permission"] = "WRITE"
    assert error_of(s3.put_bucket_acl, **b, AccessControlPolicy={
        k: given[k] for k in ("Owner", "Grants")}) == (501, "NotImplemented")
    assert permissions() == [owner, everybody]


def test_what_cannot_be_set_is_answered_truthfully(orchestrator):
    s3 = orchestrator.s3()
    b = {"Bucket": "photos"}
    assert s3.get_bucket_request_payment(**b)["Payer"] == "BucketOwner"
    assert "Status" not in s3.get_bucket_accelerate_configuration(**b)
    assert "LoggingEnabled" not in s3.get_bucket_logging(**b)
    assert not set(s3.get_bucket_notification_configuration(**b)) - {"ResponseMetadata"}
    assert s3.get_bucket_policy_status(**b)["PolicyStatus"]["IsPublic"] is False
    for call, code in ((s3.get_bucket_policy, "NoSuchBucketPolicy"),
                       (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
                       (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
                       (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
                       (s3.get_bucket_encryption,
                        "ServerSideEncryptionConfigurationNotFoundError")):
        assert error_of(call, **b) == (404, code)
    aes = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    assert error_of(s3.put_bucket_encryption, **b,
                    ServerSideEncryptionConfiguration=aes) == (400, "InvalidRequest")
    s3.delete_bucket_encryption(**b)
    for call, arguments in (
            (s3.put_bucket_policy, {"Policy": "{}"}), (s3.delete_bucket_policy, {}),
            (s3.put_bucket_website, {"WebsiteConfiguration": {}}),
            (s3.put_bucket_request_payment, {"RequestPaymentConfiguration": {"Payer": "Requester"}})):
        assert error_of(call, **b, **arguments) == (501, "NotImplemented"), call

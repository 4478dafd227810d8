"""The AWS command line as it comes: files and folders, and the calls of s3api."""
import json
import os
import subprocess

import pytest

from harness.clients import (MIB, ODD_KEYS, assert_same, assert_same_tree, change_tree, files_of,
                             make_file, run, without_aws)
from harness.storage import ROOT


class Cli:
    def __init__(self, endpoint, workdir):
        self.endpoint, self.workdir = endpoint, workdir
        config = f"{workdir}/aws-config"
        with open(config, "w") as f:
            f.write("[default]\nregion = us-east-1\ns3 =\n  addressing_style = path\n")
        env = {"AWS_CONFIG_FILE": config, "AWS_ACCESS_KEY_ID": endpoint.key,
               "AWS_SECRET_ACCESS_KEY": endpoint.secret, "AWS_MAX_ATTEMPTS": "1",
               "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}
        self.program = subprocess.Popen(
            ["/usr/bin/python3", f"{ROOT}/t/system/harness/aws_cli.py"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**without_aws(), **env})

    def end(self):
        self.program.stdin.close()
        assert self.program.wait(30) == 0

    def run(self, *args):
        command = json.dumps(["--endpoint-url", self.endpoint.url, *args])
        print(command, file=self.program.stdin, flush=True)
        status, said = json.loads(self.program.stdout.readline())
        assert status == 0, f"{args} ended with {status}\n{said}"
        return said

    def s3(self, command, *args):
        quiet = ["--no-progress"] if command in ("cp", "sync", "mv") else []
        return self.run("s3", command, *quiet, *args)

    def api(self, command, key=None, bucket=None, **options):
        """aws s3api COMMAND, decoded. Options with _ in place of -; those that are no
        strings are given as JSON."""
        args = ["--bucket", bucket or self.endpoint.bucket] if command != "list-buckets" else []
        if key is not None:
            args += ["--key", key]
        for name, value in options.items():
            args += [f"--{name.replace('_', '-')}",
                     value if isinstance(value, str) else json.dumps(value)]
        out = self.run("s3api", command, *args)
        return json.loads(out) if out.strip() else None

    def body(self, key, **options):
        """Content of an object."""
        path = f"{self.workdir}/body"
        args = [f"--{n.replace('_', '-')}={v}" for n, v in options.items()]
        self.run("s3api", "get-object", "--bucket", self.endpoint.bucket, "--key", key, *args, path)
        with open(path, "rb") as f:
            return f.read()

    def fails(self, code, *args, **options):
        """s3api says that the call fails with this code."""
        # It falls over the gateway's errors, which have no text.
        known = rf"An error occurred \({code}\)"
        known = known if self.endpoint.ours else f"{known}|'NoneType' is not iterable"
        with pytest.raises(AssertionError, match=known):
            self.api(*args, **options)


@pytest.fixture
def aws(endpoint, workdir):
    cli = Cli(endpoint, workdir)
    yield cli
    cli.end()


def test_files(aws, files, tree, workdir):
    """cp of files of every size, single and multipart, and of odd names."""
    url = f"s3://{aws.endpoint.bucket}"
    folder = os.path.dirname(files["one"])
    # The program takes longer to start than to move a small file: whole folders.
    for name, source in (("sizes", folder), ("tree", tree)):
        aws.s3("cp", "--recursive", source, f"{url}/{name}/")
        aws.s3("cp", "--recursive", f"{url}/{name}/", f"{workdir}/{name}-back")
        assert_same_tree(source, f"{workdir}/{name}-back")
    assert sorted(line.split()[2:] for line in aws.s3("ls", f"{url}/sizes/").splitlines()) == \
        sorted([str(size), name] for name, size in files_of(folder).items())
    assert "PRE odd/" in aws.s3("ls", f"{url}/tree/")
    etag = aws.api("head-object", "sizes/sixty-four")["ETag"]
    assert etag.endswith('-8"')  # it was a multipart upload of 8 MiB parts
    assert aws.body("sizes/five", range="bytes=100-199") == open(files["five"], "rb").read()[100:200]
    aws.s3("mv", f"{url}/sizes/five", f"{url}/moved +/five")
    aws.s3("mv", f"{url}/moved +/five", f"{url}/moved/five")
    aws.s3("mv", f"{url}/moved/five", f"{workdir}/moved")
    assert_same(f"{workdir}/moved", files["five"])
    aws.s3("cp", f"{url}/sizes/sixty-four", f"{url}/copied")  # by UploadPartCopy
    address = aws.s3("presign", f"{url}/copied").strip()
    run("curl", "-sSf", "-o", f"{workdir}/presigned", address)
    assert_same(f"{workdir}/presigned", files["sixty-four"])
    aws.s3("rm", "--recursive", url)
    assert aws.endpoint.keys() == [] and aws.endpoint.uploads() == []


@pytest.mark.parametrize("key", ODD_KEYS, ids=["double slash", "long"])
def test_odd_keys(aws, files, key):
    aws.api("put-object", key, body=files["one"])
    assert aws.endpoint.keys() == [key]
    assert aws.body(key) == open(files["one"], "rb").read()
    aws.api("delete-object", key)
    assert aws.endpoint.keys() == []


def test_sync(aws, tree, workdir):
    url, back = f"s3://{aws.endpoint.bucket}/sync", f"{workdir}/back"
    aws.s3("sync", tree, url)
    assert aws.s3("sync", tree, url) == ""  # nothing left to do
    aws.s3("sync", url, back)
    assert_same_tree(tree, back)
    change_tree(tree)
    said = aws.s3("sync", "--delete", tree, url)
    assert said.count("upload:") == 4 and said.count("delete:") == 1
    os.utime(f"{back}/one")  # of the same size: only fetched where the file is the newer one
    said = aws.s3("sync", "--delete", url, back)
    assert said.count("download:") == 4 and said.count("delete:") == 1
    assert_same_tree(tree, back)


def test_multipart_calls(aws, workdir):
    parts = [make_file(f"{workdir}/part{n}", size, n) for n, size in
             enumerate((5 * MIB, 6 * MIB, 100))]
    contents = [open(path, "rb").read() for path in parts]
    source = make_file(f"{workdir}/source", 7 * MIB, "source")
    aws.api("put-object", "source", body=source)
    upload = aws.api("create-multipart-upload", "big", content_type="image/x-big",
                     metadata={"colour": "red"})["UploadId"]
    other = aws.api("create-multipart-upload", "big")["UploadId"]
    listed = aws.api("list-multipart-uploads")["Uploads"]
    assert sorted(u["UploadId"] for u in listed) == sorted([upload, other])
    etags = {}
    for n, path in ((1, parts[0]), (2, parts[2]), (2, parts[1])):  # the second one twice
        etags[n] = aws.api("upload-part", "big", part_number=n, upload_id=upload, body=path)["ETag"]
    etags[3] = aws.api("upload-part-copy", "big", part_number=3, upload_id=upload,
                       copy_source=f"{aws.endpoint.bucket}/source",
                       copy_source_range=f"bytes=1000-{6 * MIB + 999}")["CopyPartResult"]["ETag"]
    etags[3] = '"' + etags[3].strip('"') + '"'  # the gateway gives it without quotes
    etags[10] = aws.api("upload-part", "big", part_number=10, upload_id=upload,
                        body=parts[2])["ETag"]
    listed = aws.api("list-parts", "big", upload_id=upload)["Parts"]
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed] == [
        (1, 5 * MIB, etags[1]), (2, 6 * MIB, etags[2]), (3, 6 * MIB, etags[3]), (10, 100, etags[10])]
    first = aws.api("list-parts", "big", upload_id=upload, max_items=2)
    rest = aws.api("list-parts", "big", upload_id=upload, starting_token=first["NextToken"])
    assert first["Parts"] + rest["Parts"] == listed
    assert aws.endpoint.keys() == ["source"]
    wanted = {"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in sorted(etags)]}
    wrong = {"Parts": [{"PartNumber": 1, "ETag": etags[2]}]}
    aws.fails("InvalidPart", "complete-multipart-upload", "big", upload_id=upload,
              multipart_upload=wrong)
    done = aws.api("complete-multipart-upload", "big", upload_id=upload, multipart_upload=wanted)
    head = aws.api("head-object", "big")
    assert head["ETag"].endswith('-4"') and head["ContentLength"] == 17 * MIB + 100
    if aws.endpoint.ours:  # the gateway answers without one
        assert done["ETag"] == head["ETag"]
    assert head["ContentType"] == "image/x-big" and head["Metadata"] == {"colour": "red"}
    middle = open(source, "rb").read()[1000:6 * MIB + 1000]
    assert aws.body("big") == contents[0] + contents[1] + middle + contents[2]
    assert aws.body("big", range=f"bytes={5 * MIB - 10}-{5 * MIB + 9}") == \
        contents[0][-10:] + contents[1][:10]
    aws.api("abort-multipart-upload", "big", upload_id=other)
    aws.fails("NoSuchUpload", "list-parts", "big", upload_id=other)
    assert aws.endpoint.uploads() == []


def test_copies(aws, workdir):
    other = aws.endpoint.new_bucket()
    path = make_file(f"{workdir}/file", 300_000)
    content = open(path, "rb").read()
    source = f"{aws.endpoint.bucket}/dir/with space+"  # the program encodes it
    aws.api("put-object", "dir/with space+", body=path, content_type="text/x-a",
            cache_control="no-cache", metadata={"colour": "red"}, tagging="a=1&b=2")
    aws.api("copy-object", "same", copy_source=source)
    aws.api("copy-object", "replaced", copy_source=source, metadata_directive="REPLACE",
            content_type="text/x-b", metadata={"shape": "round"}, tagging_directive="REPLACE",
            tagging="c=3")
    aws.api("copy-object", "there", bucket=other, copy_source=source)
    for key, bucket, kind, metadata in (("same", None, "text/x-a", {"colour": "red"}),
                                        ("replaced", None, "text/x-b", {"shape": "round"}),
                                        ("there", other, "text/x-a", {"colour": "red"})):
        head = aws.api("head-object", key, bucket=bucket)
        assert (head["ContentType"], head["Metadata"]) == (kind, metadata), key
    assert aws.api("head-object", "same")["CacheControl"] == "no-cache"
    assert aws.body("same") == content and aws.body("replaced") == content
    assert aws.endpoint.s3().get_object(Bucket=other, Key="there")["Body"].read() == content
    assert {t["Key"]: t["Value"] for t in aws.api("get-object-tagging", "same")["TagSet"]} == \
        {"a": "1", "b": "2"}
    if aws.endpoint.ours:  # the gateway drops them
        assert aws.api("get-object-tagging", "replaced")["TagSet"] == [{"Key": "c", "Value": "3"}]
    # Onto itself only with something new.
    aws.fails("InvalidRequest", "copy-object", "same", copy_source=f"{aws.endpoint.bucket}/same")
    aws.api("copy-object", "same", copy_source=f"{aws.endpoint.bucket}/same",
            metadata_directive="REPLACE", metadata={"size": "large"})
    assert aws.api("head-object", "same")["Metadata"] == {"size": "large"}
    assert aws.body("same") == content
    if aws.endpoint.ours:  # the gateway does not look
        aws.fails("PreconditionFailed", "copy-object", "x", copy_source=source,
                  copy_source_if_match='"0123"')
    aws.fails("NoSuchKey", "copy-object", "x", copy_source=f"{aws.endpoint.bucket}/nothing")
    answer = aws.api("delete-objects", delete={"Objects": [
        {"Key": key} for key in ("same", "replaced", "dir/with space+", "never there", "ü &<>")]})
    assert {d["Key"] for d in answer["Deleted"]} == {
        "same", "replaced", "dir/with space+", "never there", "ü &<>"}
    assert aws.endpoint.keys() == [] and aws.endpoint.keys(other) == ["there"]
    aws.api("delete-objects", delete={"Quiet": True, "Objects": [{"Key": "there"}]}, bucket=other)
    aws.api("delete-bucket", bucket=other)


def test_versions(aws, workdir):
    aws.api("put-object", "k", body=make_file(f"{workdir}/0", 10))  # before there are versions
    status = aws.api("get-bucket-versioning")
    assert not status
    aws.api("put-bucket-versioning", versioning_configuration="Status=Enabled")
    assert aws.api("get-bucket-versioning")["Status"] == "Enabled"
    ids = ["null"] + [aws.api("put-object", "k", body=make_file(f"{workdir}/{n}", 10 + n))["VersionId"]
                      for n in (1, 2)]
    marker = aws.api("delete-object", "k")
    assert marker["DeleteMarker"] is True
    aws.fails("NoSuchKey", "get-object-tagging", "k") if aws.endpoint.ours else None
    assert aws.endpoint.keys() == []
    listed = aws.api("list-object-versions", prefix="k")
    assert [(v["VersionId"], v["Size"], v["IsLatest"]) for v in listed["Versions"]] == [
        (ids[2], 12, False), (ids[1], 11, False), ("null", 10, False)]
    assert [(m["VersionId"], m["IsLatest"]) for m in listed["DeleteMarkers"]] == [
        (marker["VersionId"], True)]
    for n, version in enumerate(ids):
        assert aws.body("k", version_id=version) == open(f"{workdir}/{n}", "rb").read()
    aws.api("copy-object", "old", copy_source=f"{aws.endpoint.bucket}/k?versionId={ids[1]}")
    assert aws.body("old") == open(f"{workdir}/1", "rb").read()
    aws.api("delete-object", "k", version_id=marker["VersionId"])
    assert aws.body("k") == open(f"{workdir}/2", "rb").read()
    aws.api("delete-object", "k", version_id=ids[2])
    assert aws.body("k") == open(f"{workdir}/1", "rb").read()
    aws.api("put-bucket-versioning", versioning_configuration="Status=Suspended")
    answer = aws.api("put-object", "k", body=f"{workdir}/2")
    assert answer.get("VersionId", "null") == "null"  # replaces the one of before
    versions = aws.api("list-object-versions", prefix="k")["Versions"]
    assert [(v["VersionId"], v["Size"]) for v in versions] == [("null", 12), (ids[1], 11)]
    aws.api("delete-objects", delete={"Objects": [
        {"Key": "k", "VersionId": "null"}, {"Key": "k", "VersionId": ids[1]}]})
    assert not (aws.api("list-object-versions", prefix="k") or {}).get("Versions")


def test_tags_and_conditions(aws, workdir):
    path = make_file(f"{workdir}/file", 1000)
    aws.api("put-object", "k", body=path, tagging="colour=red")
    assert aws.api("get-object-tagging", "k")["TagSet"] == [{"Key": "colour", "Value": "red"}]
    tags = [{"Key": "a b", "Value": "ü+/="}, {"Key": "empty", "Value": ""}]
    aws.api("put-object-tagging", "k", tagging={"TagSet": tags})
    assert sorted(aws.api("get-object-tagging", "k")["TagSet"], key=str) == sorted(tags, key=str)
    aws.api("delete-object-tagging", "k")
    assert aws.api("get-object-tagging", "k")["TagSet"] == []
    etag = aws.api("head-object", "k")["ETag"]
    aws.fails("304", "head-object", "k", if_none_match=etag)
    aws.fails("412", "head-object", "k", if_match='"0"')
    if aws.endpoint.ours:
        found = aws.api("get-object-attributes", "k", object_attributes=["ETag", "ObjectSize"])
        assert found["ETag"] == etag.strip('"') and found["ObjectSize"] == 1000


def test_bucket_calls(aws):
    bucket = "made-by-awscli"
    aws.api("create-bucket", bucket=bucket)
    assert bucket in [b["Name"] for b in aws.api("list-buckets")["Buckets"]]
    aws.api("head-bucket", bucket=bucket)
    assert (aws.api("get-bucket-location", bucket=bucket) or {}).get("LocationConstraint") in (
        None, "default")
    owner = aws.api("get-bucket-acl", bucket=bucket)
    assert [g["Permission"] for g in owner["Grants"]] == ["FULL_CONTROL"]
    aws.endpoint.s3().put_object(Bucket=bucket, Key="k", Body=b"x")
    assert [g["Permission"] for g in aws.api("get-object-acl", "k", bucket=bucket)["Grants"]] == [
        "FULL_CONTROL"]
    aws.fails("BucketNotEmpty", "delete-bucket", bucket=bucket)
    rules = {"CORSRules": [{"AllowedOrigins": ["https://*.example.com"],
                            "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"],
                            "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]}
    aws.fails("NoSuchCORSConfiguration", "get-bucket-cors", bucket=bucket)
    aws.api("put-bucket-cors", bucket=bucket, cors_configuration=rules)
    rule, = aws.api("get-bucket-cors", bucket=bucket)["CORSRules"]
    assert {k: sorted(v) if isinstance(v, list) else v for k, v in rule.items() if k != "ID"} == \
        rules["CORSRules"][0]
    aws.api("delete-bucket-cors", bucket=bucket)
    aws.fails("NoSuchCORSConfiguration", "get-bucket-cors", bucket=bucket)
    aws.fails("NoSuchTagSet", "get-bucket-tagging", bucket=bucket) if aws.endpoint.ours else None
    tags = {"TagSet": [{"Key": "team", "Value": "a b"}]}
    aws.api("put-bucket-tagging", bucket=bucket, tagging=tags)
    assert aws.api("get-bucket-tagging", bucket=bucket) == tags
    aws.api("delete-bucket-tagging", bucket=bucket)
    if aws.endpoint.ours:
        aws.fails("NoSuchLifecycleConfiguration", "get-bucket-lifecycle-configuration",
                  bucket=bucket)
    lifecycle = {"Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"},
                            "Expiration": {"Days": 7}}]}
    aws.api("put-bucket-lifecycle-configuration", bucket=bucket, lifecycle_configuration=lifecycle)
    assert aws.api("get-bucket-lifecycle-configuration", bucket=bucket) == lifecycle
    aws.api("delete-bucket-lifecycle", bucket=bucket)
    aws.fails("NoSuchBucketPolicy", "get-bucket-policy", bucket=bucket)
    if aws.endpoint.ours:
        aws.fails("NoSuchPublicAccessBlockConfiguration", "get-public-access-block", bucket=bucket)
        aws.fails("OwnershipControlsNotFoundError", "get-bucket-ownership-controls", bucket=bucket)
        aws.fails("ServerSideEncryptionConfigurationNotFoundError", "get-bucket-encryption",
                  bucket=bucket)
    aws.api("delete-object", "k", bucket=bucket)
    aws.api("delete-bucket", bucket=bucket)
    aws.fails("404", "head-bucket", bucket=bucket)
    assert bucket not in [b["Name"] for b in aws.api("list-buckets")["Buckets"]]

"""Virtual-host style: the host names the bucket and the path is the key."""
import pytest
import requests
from botocore.exceptions import ClientError

from harness.service import Service
from harness.signing import Signer
from harness.wait import until

DOMAIN = "s3.example.com"


@pytest.fixture
def vhosts(launch):
    """Signers by host; `ask` is always over a connection to the same port."""
    keys = {"access_key_id": "photoskey", "secret_access_key": "photossecret"}
    s = Service(launch(extra={
        "server": {"domain": f"other.org, {DOMAIN}"},
        "buckets": [{"name": "photos", "credentials": [keys]},
                    {"name": "my.dotted.bucket",
                     "credentials": [{"access_key_id": "docskey", "secret_access_key": "docssecret"}]}]}))

    def to(host, method, path, body=b"", key=("photoskey", "photossecret"), **more):
        signer = Signer(host, *key)
        return s.ask(signer.request(method, path, body=body, **more) + body, method)
    s.to = to
    return s


def test_both_styles_are_the_same_objects(vhosts):
    s = vhosts
    host = f"photos.{DOMAIN}"
    for wire, key in (("/k", "k"), ("//k", "/k"), ("/a//b/../c/", "a//b/../c/"),
                      ("/photos/k", "photos/k"), ("/%2F%20%C3%BC", "/ ü"), ("/health", "health"),
                      ("/metrics", "metrics"), ("/admin/status", "admin/status")):
        assert s.to(host, "PUT", wire, key.encode()).status == 200, wire
        for other in (f"photos.{DOMAIN}:{s.o.port}", f"PHOTOS.{DOMAIN.upper()}", "photos.other.org"):
            assert s.to(other, "GET", wire).body == key.encode(), (other, wire)
        assert s.o.s3().get_object(Bucket="photos", Key=key)["Body"].read() == key.encode()
    listed = s.to(host, "GET", "/", query=[("list-type", "2"), ("prefix", "photos/")])
    assert b"<Name>photos</Name>" in listed.body and b"<Key>photos/k</Key>" in listed.body
    assert s.to(host, "HEAD", "/").status == 200
    assert s.to(host, "DELETE", "/k").status == 204
    assert s.to(DOMAIN, "GET", "/photos/k").error == (404, "NoSuchKey")
    until(lambda: ("photos", "k") in {(line.get("bucket"), line.get("key")) for line in s.o.audit()},
          what="the log names bucket and key")


def test_other_hosts_are_path_style(vhosts):
    s = vhosts
    s.put("k", b"body")
    for host in (DOMAIN, f"{DOMAIN}:{s.o.port}", "other.org", "photos.example.com", s.host,
                 f".{DOMAIN}"):
        assert s.to(host, "GET", "/photos/k").body == b"body", host
        assert b"ListAllMyBucketsResult" in s.to(host, "GET", "/").body, host
    assert requests.get(s.o.endpoint + "/health", headers={"Host": DOMAIN}, timeout=20).ok


def test_a_credential_opens_its_own_bucket_only(vhosts):
    s = vhosts
    assert s.to(f"my.dotted.bucket.{DOMAIN}", "PUT", "/k", b"x").error == (403, "AccessDenied")
    assert s.to(f"absent.{DOMAIN}", "PUT", "/k", b"x").error == (404, "NoSuchBucket")
    dots = ("docskey", "docssecret")
    assert s.to(f"my.dotted.bucket.{DOMAIN}", "PUT", "/k", b"x", key=dots).status == 200
    assert s.to(f"my.dotted.bucket.{DOMAIN}", "GET", "/k", key=dots).body == b"x"
    # The host is part of what is signed.
    request = Signer(f"photos.{DOMAIN}").request("GET", "/k")
    assert s.ask(request.replace(b"photos.", b"my.dotted.bucket.")).error[0] == 403
    assert s.to(f"photos.{DOMAIN}", "PUT", "/" + "k" * 1025, b"x").error == (400, "KeyTooLongError")


def test_boto_in_virtual_style(vhosts):
    """Through the server as if it were a proxy, so that no name has to be resolved."""
    o = vhosts.o
    endpoint, o.endpoint = o.endpoint, f"http://{DOMAIN}:{o.port}"
    s3 = o.s3(s3={"addressing_style": "virtual"}, proxies={"http": endpoint})
    o.endpoint = endpoint
    s3.put_object(Bucket="photos", Key="a//b", Body=b"body")
    assert s3.get_object(Bucket="photos", Key="a//b")["Body"].read() == b"body"
    assert [k["Key"] for k in s3.list_objects_v2(Bucket="photos")["Contents"]] == ["a//b"]
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="photos", Key="b")
    url = s3.generate_presigned_url("get_object", {"Bucket": "photos", "Key": "a//b"})
    assert url.startswith(f"http://photos.{DOMAIN}:")
    assert requests.get(url, proxies={"http": endpoint}, timeout=20).content == b"body"


def test_the_domain_can_be_changed_while_running(vhosts):
    o = vhosts.o
    o.config["server"]["domain"] = "new.example.net"
    o.write_config()
    o.adminctl("reload")
    vhosts.put("k", b"body")
    until(lambda: vhosts.to("photos.new.example.net", "GET", "/k").body == b"body", what="reloaded")
    assert vhosts.to(f"photos.{DOMAIN}", "GET", "/photos/k").body == b"body"
    o.config["server"]["domain"] = "a..b"
    o.write_config()
    refused = o.adminctl("validate", check=False)
    assert refused.returncode and "server.domain" in refused.stdout + refused.stderr

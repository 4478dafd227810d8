"""Pages of other origins: preflights, and what other answers tell them."""
import requests

from harness.service import Service

ORIGIN = "https://app.example.org"
RULES = {"CORSRules": [
    {"AllowedOrigins": ["https://*.example.org"], "AllowedMethods": ["GET", "PUT"],
     "AllowedHeaders": ["content-type", "x-amz-*"], "ExposeHeaders": ["etag"],
     "MaxAgeSeconds": 60},
    {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]}]}


def allowed(o):
    o.s3().put_bucket_cors(Bucket="photos", CORSConfiguration=RULES)
    return o.endpoint + "/photos"


def preflight(url, origin=ORIGIN, method="PUT", headers=None):
    fields = {"Origin": origin, "Access-Control-Request-Method": method,
              "Access-Control-Request-Headers": headers}
    return requests.options(url, headers={k: v for k, v in fields.items() if v}, timeout=20)


def said(answer):
    return {k.lower() for k in answer.headers if k.lower().startswith("access-control-")}


def test_a_preflight_needs_no_signature(orchestrator):
    url = allowed(orchestrator)
    for target in (url, url + "/any/key"):
        answer = preflight(target, headers="Content-Type, X-Amz-Date")
        assert answer.status_code == 200 and answer.content == b""
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-methods"] == "GET, PUT"
        assert answer.headers["access-control-allow-headers"].lower() == "content-type, x-amz-date"
        assert answer.headers["access-control-expose-headers"] == "etag"
        assert answer.headers["access-control-max-age"] == "60"
        assert "Origin" in answer.headers["vary"]
    answer = preflight(url, "https://elsewhere.net", "HEAD")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_a_preflight_without_a_rule_is_forbidden(orchestrator):
    url = allowed(orchestrator)
    for answer in (preflight(url, "https://elsewhere.net"), preflight(url, method="DELETE"),
                   preflight(url, headers="x-other"),
                   preflight(orchestrator.endpoint + "/documents/k"),
                   preflight(orchestrator.endpoint + "/nowhere/k")):
        assert answer.status_code == 403 and b"<Code>AccessForbidden<" in answer.content
        assert not said(answer)
    for answer in (preflight(url, origin=None), preflight(url, method=None)):
        assert answer.status_code == 400 and b"<Code>BadRequest<" in answer.content
    orchestrator.s3().delete_bucket_cors(Bucket="photos")
    assert preflight(url).status_code == 403


def test_answers_tell_the_page_also_when_they_are_errors(orchestrator):
    allowed(orchestrator)
    s = Service(orchestrator)
    s.put("k")
    for path, status in (("/photos/k", 200), ("/photos", 200), ("/photos/none", 404)):
        answer = s.do("GET", path, headers={"origin": ORIGIN})
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN, path
        assert answer.headers["access-control-allow-credentials"] == "true"
    assert "access-control-allow-origin" not in s.do("GET", "/photos/k").headers
    for method, origin in (("GET", "https://elsewhere.net"), ("DELETE", ORIGIN)):
        answer = s.do(method, "/photos/k", headers={"origin": origin})
        assert not [n for n in answer.names if n.startswith("access-control-")]
    # Nobody is let in, but the page may know why.
    answer = requests.get(orchestrator.endpoint + "/photos/k", headers={"Origin": ORIGIN}, timeout=20)
    assert answer.status_code == 403
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_a_page_uploads(orchestrator):
    allowed(orchestrator)
    link = orchestrator.s3().generate_presigned_url(
        "put_object", Params={"Bucket": "photos", "Key": "from-a-page"})
    assert preflight(link, headers="content-type").status_code == 200
    answer = requests.put(link, data=b"bytes", headers={"Origin": ORIGIN}, timeout=20)
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-expose-headers"] == "etag"

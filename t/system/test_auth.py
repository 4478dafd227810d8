"""Who may ask, and in which form. Requests are signed by hand, so that they can be
wrong in one place at a time."""
import time

import requests

from harness.service import TOKEN
from harness.signing import (CHECKSUMS, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, Signer,
                             amz_date, b64)
from harness.wire import head, with_length


def test_header_signature(service):
    s = service
    s.put("k", b"body")
    assert s.stored("k") == b"body"

    def get(**more):
        return s.do("GET", "/photos/k", **more).error

    assert get(payload="UNSIGNED-PAYLOAD") == (200, None)
    assert get(date=amz_date(-14 * 60 - 55)) == (200, None)
    assert get(date=amz_date(14 * 60 + 55)) == (200, None)
    assert get(date=amz_date(-15 * 60 - 5)) == (403, "RequestTimeTooSkewed")
    assert get(date=amz_date(15 * 60 + 5)) == (403, "RequestTimeTooSkewed")
    assert get(unsigned=("host",)) == (403, "AccessDenied")
    assert get(payload="junk") == (400, "InvalidArgument")
    assert get(payload="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD") == (400, "InvalidRequest")
    assert get(fields={"x-amz-date": "yesterday"}) == (403, "AccessDenied")
    date = amz_date()
    for second in "13":  # the date that was signed is another one, of the same day
        other = date[:-2] + ("2" if date[-2] == second else second) + "Z"
        assert get(date=date, fields={"x-amz-date": other}) == (403, "SignatureDoesNotMatch")
    anyone = Signer(s.host, secret="wrong")
    assert s.ask(anyone.request("GET", "/photos/k")).error == (403, "SignatureDoesNotMatch")
    anyone = Signer(s.host, key="nobody")
    assert s.ask(anyone.request("GET", "/photos/k")).error == (403, "InvalidAccessKeyId")
    abroad = Signer(s.host, region="mars-north-7")
    assert s.ask(abroad.request("GET", "/photos/k")).status == 200


def test_malformed_authorization(service):
    s = service
    date = amz_date()
    scope = f"photoskey/{date[:8]}/us-east-1/s3/aws4_request"
    for text, error in (
            ("AWS4-HMAC-SHA256", (403, "AccessDenied")),
            ("AWS4-HMAC-SHA256 Credential", (400, "AuthorizationHeaderMalformed")),
            ("AWS4-HMAC-SHA256 ,,,=,=", (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential={scope}", (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential={scope[:-1]}, SignedHeaders=host, Signature=0",
             (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
             (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=Host, Signature=0",
             (403, "AccessDenied")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;host, Signature=0",
             (403, "AccessDenied")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=",
             (400, "AuthorizationHeaderMalformed")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'g' * 64}",
             (403, "SignatureDoesNotMatch")),
            (f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}",
             (403, "SignatureDoesNotMatch")),
            ("AWS photoskey:c2lnbmF0dXJl", (400, "InvalidRequest")),
            ("AWS4-ECDSA-P256-SHA256 Credential=x", (403, "AccessDenied")),
            ("Bearer x", (403, "AccessDenied")), ("", (403, "AccessDenied"))):
        answer = s.do("GET", "/photos/k", date=date, authorization=text)
        assert answer.error == error, text
    assert s.ask(head("GET", "/photos/k", {"host": "h"})).error == (403, "AccessDenied")


def test_signature_version_2(orchestrator):
    """What boto3 makes of presigned URLs and forms unless it is told otherwise."""
    o = orchestrator
    o.s3().put_object(Bucket="photos", Key="k", Body=b"body")
    by_default = o.s3(signature_version=None)
    url = by_default.generate_presigned_url("get_object", {"Bucket": "photos", "Key": "k"})
    post = by_default.generate_presigned_post("photos", "k")
    assert "AWSAccessKeyId=" in url and "AWSAccessKeyId" in post["fields"]
    for answer in (requests.get(url, timeout=20), requests.put(url, timeout=20),
                   requests.post(post["url"], post["fields"], files={"file": b"x"}, timeout=20),
                   requests.get(o.endpoint, headers={"Authorization": "AWS photoskey:x"}, timeout=20)):
        assert answer.status_code == 400 and "<Code>InvalidRequest<" in answer.text
        assert "Please use AWS4-HMAC-SHA256." in answer.text


def test_long_list_of_signed_headers_is_refused(service):
    """Names that differ in their last byte only would cost quadratic time."""
    s = service
    date = amz_date()
    names = ";".join(["host"] + ["x" * 2000 + "%03d" % n for n in range(450)])
    begin = time.monotonic()
    answer = s.do("GET", "/photos/k", date=date, authorization=(
        f"AWS4-HMAC-SHA256 Credential=photoskey/{date[:8]}/us-east-1/s3/aws4_request, "
        f"SignedHeaders={names}, Signature={'0' * 64}"))
    assert answer.error == (403, "AccessDenied")
    assert b"SignedHeaders" in answer.body
    assert time.monotonic() - begin < 5


def test_presigned(service):
    s = service
    s.put("k", b"body")
    sign = s.sign.presigned

    def get(*args, **more):
        return s.ask(sign("GET", "/photos/k", *args, **more)).error

    assert get() == (200, None)
    assert get("604800") == (200, None)
    for expires in ("0", "-1", "604801", "abc", "9223372036854775807", "99999999999999999999",
                    "", " 5", "5.0"):
        assert get(expires) == (400, "AuthorizationQueryParametersError"), expires
    expired = s.ask(sign("GET", "/photos/k", "10", date=amz_date(-15)))
    assert expired.error == (403, "AccessDenied") and b"Request has expired" in expired.body
    assert get("3600", date=amz_date(-3000)) == (200, None)
    assert get(date=amz_date(14 * 60)) == (200, None)
    assert get(date=amz_date(16 * 60)) == (403, "AccessDenied")
    assert get(add="&response-content-type=text/html") == (403, "SignatureDoesNotMatch")
    assert get(add="&versionId=null") == (403, "SignatureDoesNotMatch")
    assert get(query=[("response-content-type", "text/html")]) == (200, None)
    assert get(query=[("X-Amz-Security-Token", "a/b+c=")]) == (200, None)
    assert get(algorithm="AWS4-HMAC-SHA1") == (400, "AuthorizationQueryParametersError")
    assert get(signed_headers="") == (400, "AuthorizationQueryParametersError")
    assert get(headers={"x-amz-content-sha256": "anything"}) == (200, None)
    assert s.ask(sign("GET", "/photos/other").replace(b"/photos/other", b"/photos/k")).error == (
        403, "SignatureDoesNotMatch")
    assert s.ask(sign("GET", "/photos/k").replace(b"GET", b"DELETE")).error == (
        403, "SignatureDoesNotMatch")
    assert s.ask(with_length(sign("PUT", "/photos/p"), b"presigned")).status == 200
    assert s.stored("p") == b"presigned"
    assert s.ask(sign("DELETE", "/photos/p"), "DELETE").status == 204
    assert s.stored("p") is None
    for secret, key, code in (("wrong", "photoskey", "SignatureDoesNotMatch"),
                              ("photossecret", "nobody", "InvalidAccessKeyId")):
        assert s.ask(Signer(s.host, key, secret).presigned("GET", "/photos/k")).error == (403, code)


def test_path_is_signed_as_sent(service):
    s = service
    s3 = s.o.s3()

    def by_header(method, signed, sent, body=b""):
        return s.ask(s.sign.request(method, signed, body=body, sent=sent) + body, method)

    def presigned(method, signed, sent, body=b""):
        request = s.sign.presigned(method, signed).replace(signed.encode(), sent.encode(), 1)
        return s.ask(with_length(request, body), method)

    keys = {"a%2Fb": "a/b", "lower%c3%a4": "lowerä", "u%C3%BC": "uü", "raw+plus": "raw+plus",
            "%2B": "+", "%20": " ", "a%2fb%2Fc": "a/b/c", "~*()!$&',;=:@": "~*()!$&',;=:@",
            "%25": "%", "p%25q": "p%q", "x//y": "x//y", "./..//.": "./..//."}
    for ask in (by_header, presigned):
        for path, key in keys.items():
            # What is raw on the wire and reserved is signed in its encoded form.
            signed = "/photos/" + "".join(
                c if c in "~%/-._" or c.isalnum() else "%%%02X" % ord(c) for c in path)
            sent = f"/photos/{path}"
            assert ask("PUT", signed, sent, key.encode()).status == 200, path
            assert ask("GET", signed, sent).body == key.encode(), path
            listed = s3.list_objects_v2(Bucket="photos")["Contents"]
            assert [o["Key"] for o in listed] == [key]
            assert ask("DELETE", signed, sent).status == 204, path
        for signed, sent in (("a%2Fb", "a/b"), ("a/b", "a%2Fb"), ("lower%c3%a4", "lower%C3%A4"),
                             ("%7E", "~")):
            answer = ask("GET", f"/photos/{signed}", f"/photos/{sent}")
            assert answer.error == (403, "SignatureDoesNotMatch"), (signed, sent)


def test_token(service):
    s = service
    s.put("k", b"body")

    def ask(method, path, token, body=b"", **fields):
        fields = {n.replace("_", "-"): v for n, v in fields.items()}
        request = head(method, path, {"host": "h", "x-proxy-token": token,
                                      "content-length": len(body), **fields})
        return s.ask(request + body, method)

    assert ask("GET", "/photos/k", TOKEN).body == b"body"
    for token in ("", "wrong", TOKEN[:-1], TOKEN + "x", "A" + TOKEN[1:]):
        assert ask("GET", "/photos/k", token).error == (403, "AccessDenied"), token
    assert ask("GET", "/documents/k", TOKEN).error == (403, "AccessDenied")
    assert ask("GET", "/nowhere/k", TOKEN).error == (404, "NoSuchBucket")
    assert ask("PUT", "/photos/t", TOKEN, b"by token").status == 200
    assert s.stored("t") == b"by token"
    # A signature that fails is not mended by a token.
    answer = s.ask(Signer(s.host, secret="wrong").request(
        "GET", "/photos/k", headers={"x-proxy-token": TOKEN}))
    assert answer.error == (403, "SignatureDoesNotMatch")
    # There is no signature that the chunks could continue from.
    for variant in (SIGNED, SIGNED_TRAILER):
        answer = ask("PUT", "/photos/streamed", TOKEN, b"0\r\n\r\n",
                     x_amz_content_sha256=variant, x_amz_decoded_content_length="0",
                     x_amz_trailer="x-amz-checksum-crc32")
        assert answer.error == (400, "InvalidRequest")
    body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:" + b64(CHECKSUMS["crc32"](b"abc")).encode() + \
        b"\r\n\r\n"
    assert ask("PUT", "/photos/streamed", TOKEN, body, x_amz_content_sha256=UNSIGNED_TRAILER,
               x_amz_decoded_content_length="3", x_amz_trailer="x-amz-checksum-crc32").status == 200
    assert s.stored("streamed") == b"abc"
    # What a link may change of the answer has to be signed.
    assert ask("GET", "/photos/k?response-content-type=text/html", TOKEN).error == (
        400, "InvalidRequest")


def test_buckets_of_others(service):
    s = service
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        for path in ("/documents/k", "/documents"):
            assert s.do(method, path).status == 403, (method, path)
        for path in ("/nowhere/k", "/nowhere", "/admin", "/health2/x"):
            # Creating a bucket needs a right of its own.
            creates = method == "PUT" and path.count("/") == 1
            assert s.do(method, path).status == (403 if creates else 404), (method, path)
    assert s.do("GET", "/documents/k").error == (403, "AccessDenied")
    assert s.do("GET", "/nowhere/k").error == (404, "NoSuchBucket")
    assert s.do("GET", "/photos%2Fk").error == (404, "NoSuchKey")
    for method, path in (("GET", "//k"), ("POST", "/"), ("PUT", "/"), ("HEAD", "/")):
        answer = s.do(method, path)
        assert answer.status == 400, (method, path)
        assert method == "HEAD" or answer.code == "InvalidRequest"
    assert s.do("GET", "/photos/" + "k" * 1025).error == (400, "KeyTooLongError")
    assert s.do("GET", "/photos/%ff").error == (400, "InvalidRequest")
    assert s.do("GET", "/photos/a%00b").error == (400, "InvalidRequest")

"""What the answers look like on the wire, what conditions do to them, and what is
refused by name."""
import calendar
import hashlib
import re
import time

VARIES = dict.fromkeys(("date", "x-amz-request-id", "x-amz-id-2"))  # from answer to answer


def test_error_shape(service):
    s = service
    answer = s.do("GET", "/photos/a%26b<c".replace("<", "%3C"))
    request_id, host_id = answer.headers["x-amz-request-id"], answer.headers["x-amz-id-2"]
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n  <Code>NoSuchKey</Code>\n'
        '  <Message>object not found</Message>\n  <Resource>/photos/a%26b%3Cc</Resource>\n'
        f'  <RequestId>{request_id}</RequestId>\n  <HostId>{host_id}</HostId>\n</Error>')
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    for given, adopted in (("ABCdef0123", True), ("f" * 64, True), ("f" * 65, False),
                           ("my-trace-123", False), ("", False)):
        got = s.do("GET", "/photos", headers={"x-request-id": given}).headers["x-amz-request-id"]
        assert (got == given) == adopted
    # Also when the request was no HTTP, and when nobody was let in.
    for request in (b"GARBAGE\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n",
                    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /x HTTP/4.0\r\n\r\n",
                    b"GET /photos HTTP/1.1\r\nHost: h\r\n\r\n"):
        answer = s.ask(request)
        text = answer.body.decode()
        assert f"<RequestId>{answer.headers['x-amz-request-id']}</RequestId>" in text
        assert f"<HostId>{answer.headers['x-amz-id-2']}</HostId>" in text


def test_head_has_no_body(service):
    s = service
    s.put("k", b"body")
    for path, status in (("/photos/k", 200), ("/photos/none", 404), ("/documents/k", 403),
                         ("/nowhere/k", 404), ("/photos", 200), ("/photos/k?torrent=", 501)):
        with s.wire() as w:
            plain, _, name = path.partition("?")
            query = [(name.rstrip("="), "")] if name else []
            w.send(s.sign.request("HEAD", plain, query=query))
            answer = w.answer("HEAD")
            assert answer.status == status and answer.headers["x-amz-request-id"]
            w.send(s.sign.request("GET", "/photos/k"))  # the next answer follows at once
            assert w.answer().body == b"body"
    assert s.do("HEAD", "/photos/k").headers["content-length"] == "4"


def test_headers_of_answers(service):
    s = service
    put = s.put("k", b"body", headers={"x-amz-meta-a": "1"})
    etag = f'"{hashlib.md5(b"body").hexdigest()}"'
    assert put.headers["etag"] == etag and put.headers["content-length"] == "0"
    for method in ("GET", "HEAD"):
        got = s.do(method, "/photos/k")
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-length"] == "4" and got.headers["etag"] == etag
        assert got.headers["accept-ranges"] == "bytes" and got.headers["x-amz-meta-a"] == "1"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
                            got.headers["last-modified"])
        assert len(got.names) == len(set(got.names)), got.names
    modified = got.headers["last-modified"]
    earlier = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(
        calendar.timegm(time.strptime(modified, "%a, %d %b %Y %H:%M:%S GMT")) - 60))

    for method in ("GET", "HEAD"):
        for fields in ({"if-none-match": etag}, {"if-modified-since": modified},
                       {"if-none-match": "*", "range": "bytes=0-1"},
                       {"if-none-match": f'"x", W/{etag}'}):
            answer = s.do(method, "/photos/k", headers=fields)
            assert answer.status == 304 and answer.headers["etag"] == etag
            assert answer.headers["last-modified"] == modified
            assert "content-length" not in answer.headers
            assert "content-type" not in answer.headers
        for fields in ({"if-match": '"x"'}, {"if-unmodified-since": earlier},
                       {"if-match": '"x"', "range": "bytes=0-1"}):
            answer = s.do(method, "/photos/k", headers=fields)
            assert answer.status == 412 and answer.headers["etag"] == etag
            assert answer.headers["last-modified"] == modified
        # A tag decides before a date, dates that make no sense say nothing.
        for fields in ({"if-match": etag, "if-unmodified-since": earlier},
                       {"if-none-match": '"x"', "if-modified-since": modified},
                       {"if-modified-since": "yesterday"}, {"if-unmodified-since": "yesterday"}):
            assert s.do(method, "/photos/k", headers=fields).status == 200, fields

    for fields, status, body in (
            ({"range": "bytes=1-2"}, 206, b"od"), ({"range": "bytes=1-2", "if-range": etag}, 206, b"od"),
            ({"range": "bytes=1-2", "if-range": '"x"'}, 200, b"body"),
            ({"range": "bytes=1-2", "if-range": modified}, 206, b"od"),
            ({"range": "bytes=1-2", "if-range": earlier}, 200, b"body"),
            ({"range": "bytes=1-2", "if-range": "W/" + etag}, 200, b"body"),
            ({"range": "bytes=0-1,3-3"}, 200, b"body"), ({"range": "bytes=3-1"}, 200, b"body")):
        answer = s.do("GET", "/photos/k", headers=fields)
        assert (answer.status, answer.body) == (status, body), fields
        assert answer.headers.get("content-range") == ("bytes 1-2/4" if status == 206 else None)
        told = s.do("HEAD", "/photos/k", headers=fields)
        assert told.status == status and told.body == b"", fields
        assert {**told.headers, **VARIES} == {**answer.headers, **VARIES}, fields
    for method in ("GET", "HEAD"):
        answer = s.do(method, "/photos/k", headers={"range": "bytes=4-"})
        assert answer.error == (416, "InvalidRange" if method == "GET" else None)
        assert answer.headers["content-range"] == "bytes */4"
    answer = s.do("DELETE", "/photos/k")
    assert answer.status == 204 and "content-length" not in answer.headers


def test_answers_cannot_be_split(service):
    s = service
    s.put("k", b"body")
    answer = s.do("GET", "/photos/k", query=[
        ("response-content-type", "text/html\r\nX-Evil: 1"),
        ("response-cache-control", "no-store\r\n\r\n<html>")])
    assert answer.error == (400, "InvalidArgument") and "x-evil" not in answer.headers


def test_list_order(service):
    s = service
    for key in ("a", "b/1", "c", "d/1", "e"):
        s.put(key, b"x")
    query = [("delimiter", "/"), ("prefix", ""), ("encoding-type", "url"), ("max-keys", "4")]
    v1 = s.do("GET", "/photos", query=query).body.decode()
    v2 = s.do("GET", "/photos", query=query + [("list-type", "2"), ("start-after", "0")]).body.decode()

    def order(text):
        return [n for n in re.findall(r"<(\w+)[ >]", text[text.index("<ListBucketResult"):])
                if n not in ("Key", "ETag", "Size", "LastModified", "StorageClass", "Owner", "ID",
                             "DisplayName")]

    entries = ["Contents", "Contents", "CommonPrefixes", "Prefix", "CommonPrefixes", "Prefix"]
    assert order(v1) == ["ListBucketResult", "Name", "Prefix", "Marker", "NextMarker", "Delimiter",
                         "MaxKeys", "IsTruncated", "EncodingType"] + entries
    assert order(v2) == ["ListBucketResult", "Name", "Prefix", "Delimiter", "MaxKeys", "KeyCount",
                         "IsTruncated", "NextContinuationToken", "StartAfter",
                         "EncodingType"] + entries
    for query in ([("max-keys", "-1")], [("max-keys", "x")], [("encoding-type", "x")],
                  [("list-type", "2"), ("continuation-token", "x")], [("prefix", "a\0")]):
        assert s.do("GET", "/photos", query=query).error == (400, "InvalidArgument"), query


OBJECT_SUBRESOURCES = [
    "cors", "encryption", "legal-hold", "object-lock", "policy", "restore",
    "retention", "select", "torrent", "versions"]
BUCKET_SUBRESOURCES = ["analytics", "intelligent-tiering", "inventory", "metrics"]


def test_subresources_are_refused_by_name(service):
    s = service
    s.put("k", b"untouched")
    for path, names, kind in (("/photos/k", OBJECT_SUBRESOURCES, "object"),
                              ("/photos", BUCKET_SUBRESOURCES, "bucket")):
        with s.wire() as w:
            for name in names:
                for method in ("PUT", "GET", "DELETE", "POST"):
                    for value in ("", "1"):
                        w.send(s.sign.request(method, path, query=[(name, value)]))
                        answer = w.answer()
                        assert answer.error == (501, "NotImplemented"), (method, path, name)
                        assert f"{kind} subresource &quot;{name}&quot;" in answer.body.decode()
    for method in ("PUT", "DELETE"):
        assert s.do(method, "/photos/k", query=[("partNumber", "1")]).error == (501, "NotImplemented")
    for name in ("accelerate", "logging", "notification", "object-lock", "policy", "replication",
                 "requestPayment", "website"):
        for method in ("PUT", "DELETE", "POST"):
            answer = s.do(method, "/photos", query=[(name, "")])
            assert answer.error == (501, "NotImplemented"), (method, name)
    # Two at once are not one of them.
    for method in ("GET", "PUT", "DELETE"):
        assert s.do(method, "/photos", query=[("tagging", ""), ("cors", "")]).error == (
            501, "NotImplemented")
    assert s.do("GET", "/photos/k", query=[("versionId", "null")]).body == b"untouched"
    assert s.do("GET", "/photos/k", query=[("versionId", "1")]).error == (400, "InvalidArgument")
    assert s.do("GET", "/photos/k", query=[("versionId", "0" * 26)]).error == (404, "NoSuchVersion")
    assert s.do("GET", "/photos/k", query=[("x-id", "GetObject")]).body == b"untouched"
    for path in ("/photos/k", "/photos"):
        answer = s.do("OPTIONS", path)
        assert answer.error == (400, "BadRequest")
        for method in ("POST", "PATCH", "BREW"):
            answer = s.do(method, path)
            assert answer.error == (405, "MethodNotAllowed") and "allow" in answer.headers
    for name, value in (("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
                        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
                        ("x-amz-object-lock-mode", "GOVERNANCE")):
        assert s.do("PUT", "/photos/k", b"x", headers={name: value}).error == (
            501, "NotImplemented"), name
    assert s.stored("k") == b"untouched"


def test_conditional_delete(service):
    s = service
    etag = s.put("k", b"1").headers["etag"]
    answer = s.do("DELETE", "/photos/k", headers={"if-match": '"other"'})
    assert answer.error == (412, "PreconditionFailed")
    for name in ("x-amz-if-match-size", "x-amz-if-match-last-modified-time"):
        assert s.do("DELETE", "/photos/k", headers={name: "1"}).error == (501, "NotImplemented")
    assert s.stored("k") == b"1"
    assert s.do("DELETE", "/photos/k", headers={"if-match": etag}).status == 204
    assert s.stored("k") is None
    assert s.do("DELETE", "/photos/k", headers={"if-match": etag}).error == (404, "NoSuchKey")
    s.put("k", b"2")
    assert s.do("DELETE", "/photos/k", headers={"if-match": "*"}).status == 204

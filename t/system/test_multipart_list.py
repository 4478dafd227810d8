"""What is told about uploads, their parts, and objects made of them."""
from harness.uploads import ByHand, Upload, elements
from test_multipart import error_of

PART = 5 * 1024 * 1024


def test_list_parts(service):
    s3 = service.o.s3()
    u = Upload(s3, "k ü&")
    for number in (9, 1, 5, 10_000):
        u.part(number, b"x" * number)
    numbers = (1, 5, 9, 10_000)
    listed = s3.list_parts(**u.where)
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed["Parts"]] == [
        (n, n, u.tags[n]) for n in numbers]
    assert (listed["Bucket"], listed["Key"], listed["UploadId"]) == ("photos", "k ü&", u.id)
    assert not listed["IsTruncated"] and listed["MaxParts"] == 1000
    assert listed["StorageClass"] == "STANDARD" and listed["Owner"] == listed["Initiator"]
    found, marker = [], 0
    for _ in numbers:
        page = s3.list_parts(**u.where, MaxParts=1, PartNumberMarker=marker)
        found += [p["PartNumber"] for p in page["Parts"]]
        marker = page["NextPartNumberMarker"]
        assert page["IsTruncated"] == (marker != 10_000)
    assert found == list(numbers)
    assert "Parts" not in s3.list_parts(**u.where, PartNumberMarker=10_000)
    empty = s3.list_parts(**u.where, MaxParts=0)
    assert "Parts" not in empty and not empty["IsTruncated"]
    assert s3.list_parts(**u.where, MaxParts=5000)["MaxParts"] == 1000
    encoded = service.do("GET", "/photos/k%20%C3%BC%26", query=[("uploadId", u.id), ("encoding-type", "url")])
    assert elements(encoded.body, "Key") == ["k%20%C3%BC%26"]
    for name, value in (("max-parts", "x"), ("max-parts", "-1"), ("part-number-marker", "-1"),
                        ("part-number-marker", "99999999999"), ("encoding-type", "x")):
        answer = service.do("GET", "/photos/k%20%C3%BC%26", query=[("uploadId", u.id), (name, value)])
        assert answer.error == (400, "InvalidArgument"), (name, value)
    u.abort()


def pages(s3, **arguments):
    """All pages: entries and common prefixes in order, and how many pages there were."""
    found, n, more = [], 0, {}
    while True:
        page = s3.list_multipart_uploads(Bucket="photos", **arguments, **more)
        n += 1
        found += [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
        found += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        if not page["IsTruncated"]:
            return found, n
        more = {"KeyMarker": page["NextKeyMarker"],
                "UploadIdMarker": page.get("NextUploadIdMarker", "")}
        assert len(found) <= 100


def test_list_uploads(service):
    s3 = service.o.s3()
    keys = ["b", "a", "d/1", "d/2", "a", "d/1", "e/x", "a", "f"]
    uploads = [(key, Upload(s3, key).id) for key in keys]
    in_order = sorted(uploads)
    plain = [u for u in in_order if "/" not in u[0]]
    grouped = plain[:4] + ["d/", "e/"] + plain[4:]
    for size in (1, 2, 3, 4, 8, 9, 1000):
        found, n = pages(s3, MaxUploads=size)
        assert found == in_order and n == -(-9 // size), size
        found, n = pages(s3, MaxUploads=size, Delimiter="/")
        assert sorted(found, key=str) == sorted(grouped, key=str) and n == -(-7 // size), size
    assert pages(s3, Prefix="d/")[0] == in_order[4:7]
    assert pages(s3, Prefix="d/", MaxUploads=1, Delimiter="/")[0] == in_order[4:7]
    assert pages(s3, Prefix="x")[0] == []
    # Uploads of the marker's key are behind it only when one of them is named.
    assert pages(s3, KeyMarker="a")[0] == in_order[3:]
    assert pages(s3, KeyMarker="a", UploadIdMarker=in_order[0][1])[0] == in_order[1:]
    assert pages(s3, UploadIdMarker=in_order[0][1])[0] == in_order
    assert pages(s3, KeyMarker="d/1", Delimiter="/")[0] == [in_order[8]] + ["e/"]
    assert pages(s3, KeyMarker="a", UploadIdMarker="0", Prefix="b")[0] == [in_order[3]]

    page = s3.list_multipart_uploads(Bucket="photos", MaxUploads=1)
    assert page["MaxUploads"] == 1 and page["Uploads"][0]["StorageClass"] == "STANDARD"
    assert "Uploads" not in service.o.s3("documents").list_multipart_uploads(Bucket="documents")
    odd = ByHand(service, "z%20%C3%BC")
    raw = service.do("GET", "/photos", query=[("uploads", ""), ("prefix", "z "), ("encoding-type", "url")])
    assert elements(raw.body, "Key") == ["z%20%C3%BC"] and elements(raw.body, "Prefix") == ["z%20"]
    assert odd.do("DELETE").status == 204
    for name, value in (("max-uploads", "x"), ("max-uploads", "-1"), ("encoding-type", "x"),
                        ("key-marker", "a\0"), ("upload-id-marker", "a\0"), ("prefix", "\0")):
        answer = service.do("GET", "/photos", query=[("uploads", ""), (name, value)])
        assert answer.error == (400, "InvalidArgument"), name
    for key, upload in uploads:
        s3.abort_multipart_upload(Bucket="photos", Key=key, UploadId=upload)
    assert pages(s3)[0] == []


ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


def test_attributes(service):
    s3 = service.o.s3()
    where = {"Bucket": "photos", "Key": "k"}
    put = s3.put_object(**where, Body=b"body", ChecksumAlgorithm="SHA1")
    got = s3.get_object_attributes(**where, ObjectAttributes=ALL)
    assert got["ETag"] == put["ETag"].strip('"') and got["ObjectSize"] == 4
    assert got["Checksum"]["ChecksumSHA1"] == put["ChecksumSHA1"]
    assert "ObjectParts" not in got and got["StorageClass"] == "STANDARD"
    assert got["LastModified"] == s3.head_object(**where)["LastModified"]
    for name in ALL:
        some = s3.get_object_attributes(**where, ObjectAttributes=[name])
        assert {n for n in some if n in ALL} == ({name} & got.keys())

    u = Upload(s3, ChecksumAlgorithm="SHA256")
    sums = [u.part(n, b)["ChecksumSHA256"] for n, b in ((2, b"x" * PART), (4, b"y" * PART), (7, b"z"))]
    u.complete()
    got = s3.get_object_attributes(**where, ObjectAttributes=ALL)
    parts = got["ObjectParts"]
    assert parts["TotalPartsCount"] == 3 and not parts["IsTruncated"]
    assert [(p["PartNumber"], p["Size"], p["ChecksumSHA256"]) for p in parts["Parts"]] == list(
        zip((2, 4, 7), (PART, PART, 1), sums))
    assert got["ObjectSize"] == 2 * PART + 1 and got["ETag"].endswith("-3")
    one = s3.get_object_attributes(**where, ObjectAttributes=ALL, MaxParts=1, PartNumberMarker=2)
    assert [p["PartNumber"] for p in one["ObjectParts"]["Parts"]] == [4]
    assert one["ObjectParts"]["IsTruncated"] and one["ObjectParts"]["NextPartNumberMarker"] == 4
    assert one["ObjectParts"]["TotalPartsCount"] == 3

    assert error_of(s3.get_object_attributes, Bucket="photos", Key="none",
                    ObjectAttributes=ALL) == (404, "NoSuchKey")
    query = [("attributes", "")]
    for headers in ({}, {"x-amz-object-attributes": ""}, {"x-amz-object-attributes": "ETag,Size"},
                    {"x-amz-object-attributes": "ETag", "x-amz-max-parts": "x"},
                    {"x-amz-object-attributes": "ETag", "x-amz-part-number-marker": "x"}):
        answer = service.do("GET", "/photos/k", query=query, headers=headers)
        assert answer.error == (400, "InvalidArgument"), headers
    for method in ("PUT", "POST", "DELETE", "HEAD"):
        assert service.do(method, "/photos/k", query=query).status == 501, method

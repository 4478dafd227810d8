"""Uploads in parts, with boto3 and with requests that can be wrong."""
import hashlib
import re


class Upload:
    """One upload with boto3."""

    def __init__(self, s3, key="k", bucket="photos", **arguments):
        self.s3, self.where = s3, {"Bucket": bucket, "Key": key}
        created = s3.create_multipart_upload(**self.where, **arguments)
        self.id = created["UploadId"]
        self.where["UploadId"] = self.id
        self.tags = {}

    def part(self, number, body, **arguments):
        answer = self.s3.upload_part(**self.where, PartNumber=number, Body=body, **arguments)
        self.tags[number] = answer["ETag"]
        return answer

    def list(self):
        return {"Parts": [{"PartNumber": n, "ETag": t} for n, t in sorted(self.tags.items())]}

    def complete(self, **arguments):
        return self.s3.complete_multipart_upload(**self.where, MultipartUpload=self.list(),
                                                 **arguments)

    def abort(self):
        self.s3.abort_multipart_upload(**self.where)


def tag_of(*parts):
    return f'"{hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest()}-{len(parts)}"'


def message_of(answer):
    return re.search("<Message>(.*?)</Message>", answer.body.decode()).group(1)


def document(parts):
    return ("<CompleteMultipartUpload>" + "".join(
        f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag>{more}</Part>"
        for n, tag, more in ((*p, "")[:3] for p in parts)) + "</CompleteMultipartUpload>").encode()


class ByHand:
    """The same with requests that can be wrong."""

    def __init__(self, service, key="k", **headers):
        self.s, self.path = service, f"/photos/{key}"
        answer = service.do("POST", self.path, query=[("uploads", "")],
                            headers={n.replace("_", "-"): v for n, v in headers.items()})
        assert answer.status == 200, answer
        self.created = answer
        self.id = re.search("<UploadId>(.*?)</UploadId>", answer.body.decode()).group(1)
        self.tags = {}

    def do(self, method, body=b"", query=(), path=None, **more):
        return self.s.do(method, path or self.path, body, query=[("uploadId", self.id), *query], **more)

    def part(self, number, body, **headers):
        answer = self.do("PUT", body, [("partNumber", str(number))],
                         headers={n.replace("_", "-"): v for n, v in headers.items()})
        if answer.status == 200:
            self.tags[number] = answer.headers["etag"]
        return answer

    def complete(self, parts=None, **headers):
        return self.do("POST", document(self.tags.items() if parts is None else parts),
                       headers={n.replace("_", "-"): v for n, v in headers.items()})


def elements(body, name):
    return re.findall(f"<{name}>(.*?)</{name}>", body.decode())

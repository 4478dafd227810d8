"""Many writers and readers of one key: a reader gets one writer's whole body,
with its entity tag, and in the end one segment is left. Of writers with a condition one
wins."""
import hashlib
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.memory_s3 import MemoryS3
from harness.service import Service
from harness.uploads import ByHand, Upload, document
from harness.wait import until

PROCESSES = 2  # of the systems launched here: requests meet across children


def test_64_clients_overwrite_one_key(orchestrator):
    o = orchestrator
    s3 = o.s3()
    bodies = [os.urandom(1000 + 4096 * i) for i in range(64)]
    by_etag = {f'"{hashlib.md5(b).hexdigest()}"': b for b in bodies}
    s3.put_object(Bucket="photos", Key="hot", Body=bodies[0])
    ended = threading.Event()
    reads = []

    def read():
        client = o.s3()
        while not ended.is_set():
            got = client.get_object(Bucket="photos", Key="hot")
            body = got["Body"].read()
            assert by_etag[got["ETag"]] == body
            reads.append(got["ETag"])

    def write(body):
        client = o.s3()
        for _ in range(5):
            client.put_object(Bucket="photos", Key="hot", Body=body)

    with ThreadPoolExecutor(72) as pool:
        readers = [pool.submit(read) for _ in range(8)]
        writers = [pool.submit(write, body) for body in bodies]
        try:
            for w in writers:
                w.result()
        finally:
            ended.set()
        for r in readers:
            r.result()
    assert len(set(reads)) > 1
    o.wait_clean()
    assert sum(b.count() for b in o.backends) == 1
    assert o.sql("SELECT count(*) FROM segments")[0][0] == 1


class Overtaking(MemoryS3):
    """Whenever it is asked for an object, that is replaced first: `times` times."""

    def __init__(self, name):
        super().__init__(name)
        self.times = 0
        self.replace = None

    def get(self, path):
        if self.times > 0:
            self.times -= 1
            self.replace()
            del self.stored[path]
        return super().get(path)


def test_a_reader_that_is_overtaken(launch):
    """The object is there all the time: never is the answer that it is not."""
    backend = Overtaking("fast")
    o = launch([backend], workerd=False)
    writer, reader = o.s3(), o.s3(retries={"max_attempts": 0})
    written = []

    def replace():
        written.append(b"body %d" % len(written))
        writer.put_object(Bucket="photos", Key="k", Body=written[-1])

    backend.replace = replace
    replace()
    backend.times = 20
    assert reader.get_object(Bucket="photos", Key="k")["Body"].read() == written[-1]
    assert len(written) == 21
    backend.times = 1000
    with pytest.raises(reader.exceptions.ClientError) as caught:
        reader.get_object(Bucket="photos", Key="k")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    backend.times = 0
    assert reader.get_object(Bucket="photos", Key="k")["Body"].read() == written[-1]
    # Bytes that are gone while the catalogue names them are another matter.
    backend.stored.clear()
    with pytest.raises(reader.exceptions.NoSuchKey):
        reader.get_object(Bucket="photos", Key="k")
    writer.delete_object(Bucket="photos", Key="k")
    o.start_workerd()


class Slow(MemoryS3):
    """Asked for an object, it lets nothing be heard for as long as the test wants."""

    def __init__(self, name):
        super().__init__(name)
        self.asked, self.go = threading.Event(), threading.Event()

    def get(self, path):
        self.asked.set()
        self.go.wait(60)
        return super().get(path)


def test_a_reader_that_waits_for_the_first_byte(launch):
    """While the first part is being opened the others stay, too."""
    backend = Slow("slow")
    o = launch([backend])
    u, parts = Upload(o.s3()), [os.urandom(5 << 20), b"the rest"]
    for number, body in enumerate(parts, 1):
        u.part(number, body)
    u.complete()
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(lambda: o.s3().get_object(Bucket="photos", Key="k")["Body"].read())
        assert backend.asked.wait(20)
        o.s3().put_object(Bucket="photos", Key="k", Body=b"new")
        try:
            until(o.keeps_for_readers, 14, "its deletion is put off")
        finally:
            backend.go.set()
        assert reading.result() == b"".join(parts)


# --- conditional writes ---

class Writers:
    """Requests that write one key of the bucket photos; what they need is there before the
    race. Each goes to one of the hosts, and no body was there before: it would bring back
    the entity tag of an earlier one."""

    def __init__(self, hosts):
        self.hosts, self.numbers = hosts, itertools.count()

    def body(self):
        return b"body %d" % next(self.numbers)

    def put(self, s, key, condition):
        body = self.body()
        return s.sign.request("PUT", f"/photos/{key}", body=body, headers=condition) + body, body

    def copy(self, s, key, condition):
        body = self.body()
        source = f"photos/from-{body.split()[1].decode()}"
        assert s.do("PUT", f"/{source}", body).status == 200
        return s.sign.request("PUT", f"/photos/{key}", headers={"x-amz-copy-source": source,
                                                                **condition}), body

    def complete(self, s, key, condition):
        body, upload = self.body(), ByHand(s, key)
        upload.part(1, body)
        parts = document(upload.tags.items())
        return s.sign.request("POST", f"/photos/{key}", query=[("uploadId", upload.id)], body=parts,
                              headers=condition) + parts, body

    def race(self, key, kinds, n, condition):
        """Status of each of n requests, and the body of the one that won."""
        hosts = [self.hosts[i % len(self.hosts)] for i in range(n)]
        with ThreadPoolExecutor(6) as pool:
            writes = list(pool.map(lambda i: getattr(self, kinds[i % len(kinds)])(
                hosts[i], key, condition), range(n)))
        wires = [s.wire() for s in hosts]
        for wire, (request, _) in zip(wires, writes):
            wire.send(request)
        results = [status_of(wire) for wire in wires]
        for wire in wires:
            wire.s.close()
        assert results.count(200) == 1 and set(results) <= {200, 412}, (key, results)
        return writes[results.index(200)][1]


def status_of(wire):
    """Of a copy that took long the document tells."""
    answer = wire.answer()
    while "transfer-encoding" in answer.headers and not wire.buffer.endswith(b"0\r\n\r\n"):
        wire._more()
    return 412 if b"<Code>PreconditionFailed<" in wire.buffer else answer.status


def test_one_of_many_conditional_writes_wins(launch, directories):
    """Whatever they are, and on whichever host they arrive."""
    o = launch(directories(2))
    hosts = [Service(o), Service(launch(o.backends, workerd=False, check=False, database=o.database))]
    writers, s = Writers(hosts), hosts[0]
    contests = {"put": ["put"], "copy": ["copy"], "complete": ["complete"],
                "mixed": ["put", "complete", "copy"]}
    for key, kinds in contests.items():
        winner = writers.race(key, kinds, 100, {"if-none-match": "*"})
        assert s.stored(key) == winner
    for key, kinds in contests.items():
        for _ in range(2):
            etag = s.do("HEAD", f"/photos/{key}").headers["etag"]
            winner = writers.race(key, kinds, 12, {"if-match": etag})
            assert s.stored(key) == winner
    left = o.s3().list_multipart_uploads(Bucket="photos")["Uploads"]
    assert len(left) > 99 + 2 * 11  # those that lost can be repeated, or given up
    for upload in left:
        o.s3().abort_multipart_upload(Bucket="photos", Key=upload["Key"], UploadId=upload["UploadId"])
    o.wait_clean()
    objects = o.sql("SELECT count(*) FROM object_versions")[0][0]
    assert o.sql("SELECT count(*) FROM segments")[0][0] == objects
    assert sum(b.count() for b in o.backends) == objects


def test_an_upload_is_completed_once_by_many(orchestrator):
    """Whose answer is lost repeats the request, and it is no condition that it was not done."""
    s = Service(orchestrator)
    upload = ByHand(s, "k")
    upload.part(1, b"body")
    parts = document(upload.tags.items())
    request = s.sign.request("POST", "/photos/k", query=[("uploadId", upload.id)], body=parts,
                             headers={"if-none-match": "*"}) + parts
    wires = [s.wire().send(request) for _ in range(50)]
    answers = [wire.answer() for wire in wires]
    for wire in wires:
        wire.s.close()
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1 and s.stored("k") == b"body"

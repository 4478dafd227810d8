"""Many writers and readers of one key: a reader gets one writer's whole body,
with its entity tag, and in the end one segment is left."""
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.memory_s3 import MemoryS3


def test_64_clients_overwrite_one_key(launch, directories):
    o = launch(directories(2), processes=2)
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


def test_one_winner_of_if_none_match(launch, directories):
    o = launch(directories(2))

    def attempt(i):
        client = o.s3()
        client.meta.events.register(
            "before-sign.s3.PutObject",
            lambda request, **_: request.headers.add_header("If-None-Match", "*"))
        try:
            client.put_object(Bucket="photos", Key="once", Body=b"%d" % i)
            return 200
        except client.exceptions.ClientError as e:
            return e.response["ResponseMetadata"]["HTTPStatusCode"]

    with ThreadPoolExecutor(100) as pool:
        results = list(pool.map(attempt, range(100)))
    assert results.count(200) == 1
    winner = results.index(200)
    assert o.s3().get_object(Bucket="photos", Key="once")["Body"].read() == b"%d" % winner
    assert set(results) == {200, 412}

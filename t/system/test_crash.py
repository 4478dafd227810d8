"""kill -9 of everything, at random moments, under load: nothing acknowledged is
lost or changed, and in the end no byte lies on a backend that the catalogue does
not know."""
import itertools
import os
import random
import signal
import threading
import time
from contextlib import ExitStack

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from harness.orchestrator import BUCKETS
from harness.signing import Signer
from harness.wait import until
from harness.wire import Wire

SANITIZED = True
PROCESSES = 2  # of the systems launched here: children are killed, or share limits

# Intents of killed writers are given up soon, so that a test can wait for it.
KEY_ID, SECRET = BUCKETS["photos"]
EXTRA = {"write_path": {"pending_pattern": {"min_age": "5s", "reaper_tick": "1s"}},
         "cleanup_queue": {"claim_grace_period": "2s"},
         "buckets": [{"name": "photos", "credentials": [
             {"access_key_id": KEY_ID, "secret_access_key": SECRET, "create_buckets": True}]}]}


class Writer(threading.Thread):
    """Puts, overwrites and deletes keys of its own, some of them many at once. For
    each key it knows which bodies may be there: the last acknowledged one, or a later
    one whose outcome nobody told. None stands for no object."""

    def __init__(self, orchestrator, n):
        super().__init__()
        self.orchestrator, self.n = orchestrator, n
        self.possible = {}
        self.ended = threading.Event()
        self.acknowledged = 0
        self.wrong = []

    def run(self):
        rng = random.Random(self.n)
        s3 = self.orchestrator.s3(connect_timeout=2, read_timeout=20)
        while not self.ended.is_set():
            keys = [f"w{self.n}-{rng.randrange(20)}"]
            body = None if rng.random() < 0.2 else rng.randbytes(rng.choice((0, 100, 5000, 300_000)))
            if body is None and rng.random() < 0.5:
                keys = sorted({*keys, *rng.sample([f"w{self.n}-{i}" for i in range(20)], 5)})
            for key in keys:
                self.possible[key] = [*self.possible.get(key, [None]), body]
            try:
                if body is not None:
                    s3.put_object(Bucket="photos", Key=keys[0], Body=body)
                elif len(keys) == 1:
                    s3.delete_object(Bucket="photos", Key=keys[0])
                else:
                    answer = s3.delete_objects(Bucket="photos", Delete={"Objects": [
                        {"Key": key} for key in keys]})
                    keys = [deleted["Key"] for deleted in answer["Deleted"]]
                for key in keys:
                    self.possible[key] = [body]
                self.acknowledged += 1
                if rng.random() < 0.3:
                    self.look(s3, keys[0])
            except (ClientError, BotoCoreError):
                time.sleep(0.05)

    def look(self, s3, key):
        try:
            body = s3.get_object(Bucket="photos", Key=key)["Body"].read()
        except ClientError as e:
            if e.response["Error"]["Code"] != "NoSuchKey":
                raise
            body = None
        if body not in self.possible[key]:
            self.wrong.append((key, body and len(body), [b and len(b) for b in self.possible[key]]))

    def check(self, s3):
        for key in self.possible:
            self.look(s3, key)


class Landlord(threading.Thread):
    """Creates a bucket with settings, gives it a lifecycle rule, and removes it, over
    and over. Each step is repeated until it is acknowledged: a bucket that a killed
    step left without its settings would then be refused as another one."""
    BUCKET = {"Bucket": "lands"}
    RULE = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    NONE, CREATED, RULED = None, {"grants": 2, "rules": 0}, {"grants": 2, "rules": 1}

    def __init__(self, orchestrator):
        super().__init__()
        self.orchestrator = orchestrator
        self.possible = [self.NONE]
        self.ended = threading.Event()
        self.acknowledged = 0
        self.wrong = []

    def run(self):
        s3 = self.orchestrator.s3(connect_timeout=2, read_timeout=20)
        steps = itertools.cycle((
            (self.CREATED, lambda: s3.create_bucket(**self.BUCKET, ACL="public-read",
                                                    ObjectOwnership="ObjectWriter")),
            (self.RULED, lambda: s3.put_bucket_lifecycle_configuration(
                **self.BUCKET, LifecycleConfiguration={"Rules": [self.RULE]})),
            (self.NONE, lambda: s3.delete_bucket(**self.BUCKET))))
        after, step = next(steps)
        while not self.ended.is_set():
            self.possible = [self.possible[0], after]
            try:
                step()
            except (ClientError, BotoCoreError) as e:
                if not (after is self.NONE and "NoSuchBucket" in str(e)):  # not done by the try before
                    self.refused(e)
                    time.sleep(0.05)
                    continue
            self.possible = [after]
            self.acknowledged += 1
            after, step = next(steps)

    def refused(self, error):
        """Only a server that is away is a reason."""
        if isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
            self.wrong.append((str(error), self.possible))

    def check(self, s3):
        try:
            state = {"grants": len(s3.get_bucket_acl(**self.BUCKET)["Grants"]), "rules": 0}
            state["rules"] = len(s3.get_bucket_lifecycle_configuration(**self.BUCKET)["Rules"])
        except ClientError as e:
            if e.response["Error"]["Code"] == "NoSuchBucket":
                state = self.NONE
            elif e.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
                raise
        if state not in self.possible:
            self.wrong.append((state, self.possible))


def settle(o, writers):
    """Ends the load, lets the system tidy up, and checks everything."""
    until(lambda: all(w.acknowledged > 2 for w in writers), 60, "everybody got something done")
    for w in writers:
        w.ended.set()
    for w in writers:
        w.join(60)
        assert not w.is_alive()
    s3 = o.s3(retries={"max_attempts": 5})
    until(lambda: o.s3().head_bucket(Bucket="photos"), what="the system answers")
    for w in writers:
        w.check(s3)
        assert not w.wrong
    o.tidy_up()
    o.check()


def load(o, n=6):
    writers = [Landlord(o), *(Writer(o, i) for i in range(n))]
    for w in writers:
        w.start()
    return writers


def test_children_are_killed(launch, directories):
    o = launch(directories(2), EXTRA, processes=3)
    writers = load(o)
    rng = random.Random(1)
    for _ in range(25):
        time.sleep(rng.uniform(0.05, 0.5))
        try:
            os.kill(rng.choice(o.children()), signal.SIGKILL)
        except (ProcessLookupError, IndexError):
            pass
    settle(o, writers)
    assert o.status()["proxyd"]["child_restarts"] >= 10


def test_a_hung_child_is_replaced(launch, directories):
    o = launch(directories(1), processes=2)
    victim = o.children()[0]
    os.kill(victim, signal.SIGSTOP)
    until(lambda: victim not in o.children(), 30, "the hung child is gone")
    until(lambda: len(o.children()) == 2, 30, "a new child runs")
    for i in range(10):
        o.s3().put_object(Bucket="photos", Key=f"k{i}", Body=b"x")


def test_the_supervisor_is_killed(launch, directories):
    o = launch(directories(2), EXTRA)
    writers = load(o)
    rng = random.Random(2)
    for _ in range(4):
        time.sleep(rng.uniform(0.5, 1.5))
        children = o.children()
        o.kill("proxyd")
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 30,
              "orphaned children have left")
        o.start_proxyd()
    settle(o, writers)


def test_workerd_is_killed(launch, directories):
    o = launch(directories(2), EXTRA)
    writers = load(o)
    rng = random.Random(3)
    for _ in range(8):
        time.sleep(rng.uniform(0.1, 1))
        o.kill("workerd")
        o.start_workerd()
    settle(o, writers)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_postgresql_goes_away_and_comes_back(own_postgres, launch, directories, how):
    o = launch(directories(2), {**EXTRA, "circuit_breaker": {"open_timeout": "1s"}},
               postgres=own_postgres)
    writers = load(o)
    rng = random.Random(4)
    for _ in range(4):
        time.sleep(rng.uniform(0.5, 1.5))
        getattr(own_postgres, how)()
        time.sleep(rng.uniform(0, 1))
        own_postgres.start()
    settle(o, writers)


def test_everything_at_once(own_postgres, launch, directories):
    o = launch(directories(3), {**EXTRA, "circuit_breaker": {"open_timeout": "1s"},
                                "routing_strategy": "spread"}, postgres=own_postgres, processes=3)
    writers = load(o, 8)
    rng = random.Random(5)

    def child():
        children = o.children()
        if children:
            os.kill(rng.choice(children), signal.SIGKILL)

    def supervisor():
        o.kill("proxyd")
        o.start_proxyd()

    def worker():
        o.kill("workerd")
        o.start_workerd()

    def database():
        own_postgres.kill()
        own_postgres.start()

    for _ in range(20):
        time.sleep(rng.uniform(0, 0.7))
        try:
            rng.choice((child, child, child, supervisor, worker, database))()
        except ProcessLookupError:
            pass
    settle(o, writers)


def sockets_of(pid):
    """Inode numbers of the sockets that a process has open."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def server_end(wire):
    """Inode number of the other end of a connection to this machine."""
    ends = [f"0100007F:{end[1]:04X}" for end in (wire.s.getpeername(), wire.s.getsockname())]
    with open("/proc/net/tcp") as f:
        found, = [inode for _, here, there, *_, inode in
                  (line.split()[:10] for line in f.readlines()[1:])
                  if [here, there] == ends and inode != "0"]
    return found


def test_a_killed_child_costs_only_its_requests(launch, directories):
    """Connections to the other children live on, and new ones are served."""
    o = launch(directories(1), processes=2)
    sign = Signer(f"127.0.0.1:{o.port}")
    for _ in range(5):
        victim, survivor = until(lambda: len(o.children()) == 2 and o.children())
        with ExitStack() as stack:
            wires = [stack.enter_context(Wire(o.port)) for _ in range(30)]

            def ask(wire):
                return wire.send(sign.request("GET", "/photos")).answer().status
            assert {ask(w) for w in wires} == {200}
            of_survivor = [w for w in wires if server_end(w) in sockets_of(survivor)]
            of_victim = [w for w in wires if server_end(w) in sockets_of(victim)]
            assert len(of_survivor) + len(of_victim) == 30 and of_survivor and of_victim
            os.kill(victim, signal.SIGKILL)
            assert all(w.is_closed() for w in of_victim)
            assert {ask(w) for w in of_survivor} == {200}
        o.s3().list_objects_v2(Bucket="photos")
        until(lambda: victim not in o.children())
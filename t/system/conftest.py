"""Fixtures of the system tests. A test asks for `orchestrator` and gets running
programs on fresh backends, or for `launch` to choose them itself. After each
test the catalogue is compared with the backends, and the programs must end
cleanly, without a word from the sanitizers."""
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness.clients import MIB, make_file, make_tree  # noqa: E402
from harness.endpoint import Endpoint  # noqa: E402
from harness.orchestrator import BUCKETS, Orchestrator  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.service import TOKEN, Service  # noqa: E402
from harness.storage import Directory, S3Server  # noqa: E402


@pytest.fixture(scope="session")
def postgres():
    cluster = Postgres()
    yield cluster
    cluster.remove()


@pytest.fixture
def own_postgres():
    """A cluster that a test may stop and kill. To be named before `launch`, so
    that it outlives the programs."""
    cluster = Postgres()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def s3_state():
    state = tempfile.mkdtemp(prefix="s3o-backends-", dir="/tmp")
    yield state
    shutil.rmtree(state, ignore_errors=True)


def _server(kind, state):
    server = S3Server(kind, state)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def radosgw(s3_state):
    yield from _server("radosgw", s3_state)


@pytest.fixture(scope="session")
def swift(s3_state):
    yield from _server("swift-s3", s3_state)


@pytest.fixture
def workdir():
    """A folder on disk, removed at the end of the test."""
    path = tempfile.mkdtemp(prefix="s3o-test-", dir=os.environ.get("S3O_TEST_DIR", "/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def directories(workdir):
    """directories(3, quota="1GB") makes backends disk1 to disk3."""
    def make(n=3, quota="10GB"):
        return [Directory(f"{workdir}/disk{i}", f"disk{i}", quota) for i in range(1, n + 1)]
    return make


@pytest.fixture
def launch(postgres, workdir, directories, request):
    """launch(backends, extra) starts an Orchestrator; all are stopped and
    checked at the end of the test."""
    started = []

    def start(backends=None, extra=None, workerd=True, postgres=postgres, check=True, **options):
        o = Orchestrator(f"{workdir}/o{len(started)}", postgres, backends or directories(), extra,
                         **options)
        o.checked = check
        started.append(o)
        return o.start(workerd=workerd)

    yield start
    failed = getattr(request.node, "call_failed", False)
    for o in started:
        if failed:
            print(o.logs())
            o.kill_everything()
            continue
        try:
            if o.checked:
                if not o.workerd:
                    o.start_workerd()
                o.wait_clean()
                o.check()
            o.stop()
        finally:
            o.kill_everything()


@pytest.fixture
def orchestrator(launch):
    return launch()


@pytest.fixture
def endpoint(request):
    """For the tests of clients: the programs under test on two directories and a Ceph
    gateway, or what S3O_TEST_ENDPOINT names (harness/endpoint.py)."""
    straight = os.environ.get("S3O_TEST_ENDPOINT")
    if straight == "radosgw":
        env = request.getfixturevalue("radosgw").env
        return Endpoint.of_server(env["ENDPOINT"], env["ACCESS_KEY"], env["SECRET_KEY"])
    if straight:
        return Endpoint.of_server(straight, os.environ["S3O_TEST_ACCESS_KEY"],
                                  os.environ["S3O_TEST_SECRET_KEY"])
    launch, directories, radosgw = map(request.getfixturevalue,
                                       ("launch", "directories", "radosgw"))
    (key, secret), other = BUCKETS["photos"], BUCKETS["documents"]
    return Endpoint.of_orchestrator(launch([*directories(2), radosgw.backend("ceph")], {
        "routing_strategy": "spread",
        "buckets": [{"name": "photos", "credentials": [
            {"access_key_id": key, "secret_access_key": secret, "create_buckets": True}]},
            {"name": "documents", "credentials": [
                {"access_key_id": other[0], "secret_access_key": other[1]}]}]}))


@pytest.fixture(scope="session")
def _originals():
    folder = tempfile.mkdtemp(prefix="s3o-files-", dir="/tmp")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def files(_originals):
    """Files of each kind of size, not to be changed: {name: path}."""
    sizes = {"empty": 0, "one": 1, "five": 5 * MIB, "sixty-four": 64 * MIB}
    os.makedirs(f"{_originals}/sizes")
    return {name: make_file(f"{_originals}/sizes/{name}", size) for name, size in sizes.items()}


@pytest.fixture
def tree(workdir):
    """A folder with subfolders and names that need care, to be changed at will."""
    return make_tree(f"{workdir}/tree")


@pytest.fixture
def service(launch):
    """Both kinds of credentials; its children must survive the test."""
    keys = {name: {"access_key_id": pair[0], "secret_access_key": pair[1]}
            for name, pair in BUCKETS.items()}
    o = launch(extra={
        "server": {"max_object_size": "64MiB"},
        "buckets": [{"name": "photos", "credentials": [keys["photos"], {"token": TOKEN}]},
                    {"name": "documents", "credentials": [keys["documents"]]}]})
    before = sorted(o.children())
    yield Service(o)
    assert sorted(o.children()) == before


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        item.call_failed = True

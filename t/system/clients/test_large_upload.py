"""An object that no backend has room for (t/bench/large_upload), small here: by hand it
is 20 GiB."""
from harness.clients import run
from harness.orchestrator import SHIPPED
from harness.storage import ROOT


def test_an_upload_over_three_backends(workdir):
    out = run(f"{ROOT}/t/bench/large_upload", "--size", "128MiB", "--copy", "--dir", workdir,
              env={"S3O_BUILD": SHIPPED})
    assert out.splitlines()[-1] == "ok"

"""duplicity: a full backup, an incremental one, and both restored."""
import time

import pytest

from harness.clients import assert_same_tree, change_tree, run


@pytest.fixture
def duplicity(endpoint, workdir):
    env = {"AWS_ACCESS_KEY_ID": endpoint.key, "AWS_SECRET_ACCESS_KEY": endpoint.secret,
           "HOME": workdir, "PASSPHRASE": ""}

    def start(*args):
        return run("duplicity", *args, "--no-encryption", "--archive-dir", f"{workdir}/archive",
                   "--s3-endpoint-url", endpoint.url, "--s3-region-name", "us-east-1",
                   "--volsize", "10", "--no-print-statistics", env=env)
    return start


def test_backups(endpoint, duplicity, tree, workdir):
    url = f"boto3+s3://{endpoint.bucket}/backups"
    duplicity("full", tree, url)
    taken = int(time.time())
    run("cp", "-a", tree, f"{workdir}/first")
    duplicity("verify", "--compare-data", url, tree)
    change_tree(tree)
    while time.time() < taken + 2:  # backups are told apart by the second
        time.sleep(0.1)
    duplicity("incremental", tree, url)
    assert len([key for key in endpoint.keys() if ".vol" in key]) >= 3  # of 10 MB
    duplicity("verify", "--compare-data", url, tree)
    run("rm", "-r", f"{workdir}/archive")  # as on another machine: everything is read anew
    duplicity("restore", url, f"{workdir}/newest")
    assert_same_tree(tree, f"{workdir}/newest")
    duplicity("restore", "--time", str(taken), url, f"{workdir}/old")
    assert_same_tree(f"{workdir}/first", f"{workdir}/old")
    duplicity("remove-all-but-n-full", "1", "--force", url)

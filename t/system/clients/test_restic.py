"""restic: back up twice, check every byte, restore, forget."""
import pytest

from harness.clients import assert_same_tree, change_tree, run


@pytest.fixture
def restic(endpoint, workdir):
    env = {"AWS_ACCESS_KEY_ID": endpoint.key, "AWS_SECRET_ACCESS_KEY": endpoint.secret,
           "RESTIC_PASSWORD": "secret", "RESTIC_CACHE_DIR": f"{workdir}/cache",
           "RESTIC_REPOSITORY": f"s3:{endpoint.url}/{endpoint.bucket}/backups"}

    def start(*args, **options):
        return run("restic", *args, env=env, **options)
    return start


def test_backups(endpoint, restic, tree, workdir):
    restic("init")
    first = restic("backup", ".", cwd=tree)
    run("cp", "-a", tree, f"{workdir}/first")
    change_tree(tree)
    second = restic("backup", ".", cwd=tree)
    assert "3 new" in second or "2 new" in second, first + second
    restic("check", "--read-data")
    snapshots = [line.split()[0] for line in restic("snapshots", "--compact").splitlines()
                 if line[:8].strip().isalnum() and len(line.split()[0]) == 8]
    assert len(snapshots) == 2
    for snapshot, wanted in zip(snapshots, (f"{workdir}/first", tree)):
        restic("restore", snapshot, "--target", f"{workdir}/{snapshot}")
        assert_same_tree(wanted, f"{workdir}/{snapshot}")
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", f"{workdir}/last")
    assert_same_tree(tree, f"{workdir}/last")
    assert not [key for key in endpoint.keys() if key.startswith("backups/locks/")]

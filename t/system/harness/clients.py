"""S3 clients: boto3 as a library, the others as programs, and files for them to move."""
import os
import random
import subprocess

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config

KIB = 1024
MIB = 1024 * KIB

ODD_NAMES = ["with space", "plus+sign", "percent%2Fslash", "uni-ü-日本", "a&b=c;d?e#f", "'quotes\""]
ODD_KEYS = ["double//slash", "x" * 1000]  # and what cannot be the name of a file

# What boto3 knows about S3 is several megabytes of JSON: a tenth of a second for
# each client, if every one reads them anew.
LOADER = botocore.loaders.create_loader()


def client(url, key, secret, **options):
    # Without repeats: what fails is to be seen.
    settings = {"signature_version": "s3v4", "s3": {"addressing_style": "path"},
                "retries": {"max_attempts": 0}, "connect_timeout": 5, "read_timeout": 60,
                "max_pool_connections": 100}
    settings.update(options)
    # A session of its own: the default one is not for several threads.
    session = botocore.session.Session()
    session.register_component("data_loader", LOADER)
    return boto3.session.Session(botocore_session=session).client(
        "s3", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret,
        region_name="us-east-1", config=Config(**settings))


def without_aws():
    """The environment. What the shell of the tester has set for AWS is none of the
    clients' business."""
    return {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}


def run(*command, env=None, status=0, **options):
    """Runs a program to its end and returns what it says."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**without_aws(), **(env or {})}, **options)
    assert done.returncode == status, f"{command} ended with {done.returncode}\n{done.stdout}"
    return done.stdout


def make_file(path, size, seed=0):
    """Pseudorandom; a large one repeats 8 MiB, each time shifted by a byte, so that no
    two parts of an upload are the same."""
    block = random.Random(f"{seed} {size}").randbytes(min(size, 8 * MIB))
    with open(path, "wb") as f:
        for n in range(-(-size // (8 * MIB))):
            f.write((block[n:] + block[:n])[:size - n * 8 * MIB])
    return path


def make_tree(folder):
    """Folders and files of many sizes, with names that need care. The largest is a
    multipart upload for every client."""
    sizes = {"empty": 0, "one": 1, "a/small": 4000, "a/b/c/deep": 100_000, "a/b/same": 70_000,
             "large": 20 * MIB + 1}
    sizes.update({f"odd/{name}": 10 + n for n, name in enumerate(ODD_NAMES)})
    sizes.update({f"many/{n:02}": n * 1000 for n in range(20)})
    for name, size in sizes.items():
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        make_file(f"{folder}/{name}", size, seed=name)
    return folder


def change_tree(folder):
    """What an incremental run must notice: new, longer, other and missing files."""
    os.unlink(f"{folder}/many/03")
    make_file(f"{folder}/a/new", 5000, seed="new")
    make_file(f"{folder}/a/small", 4001, seed="longer")
    make_file(f"{folder}/one", 1, seed="other")
    os.utime(f"{folder}/one", (2_000_000_000, 2_000_000_000))  # not the same second by chance
    make_file(f"{folder}/many/21", 21_000)


def files_of(folder):
    """{path below the folder: size}"""
    return {os.path.relpath(f"{at}/{name}", folder): os.path.getsize(f"{at}/{name}")
            for at, _, names in os.walk(folder) for name in names}


def assert_same(path, other):
    run("cmp", path, other)


def assert_same_tree(folder, other):
    run("diff", "-r", folder, other)

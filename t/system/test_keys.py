# SPDX-License-Identifier: MIT
"""Access keys: drawing them, and refusing one at once, everywhere."""
import json
import os
import re
import signal

import pytest
import requests
from botocore.exceptions import ClientError

from harness.clients import client
from harness.orchestrator import BUCKETS
from harness.wait import until

TOKEN = "an-old-token"
EXTRA = {"buckets": [
    {"name": "photos", "credentials": [
        {"access_key_id": "photoskey", "secret_access_key": "photossecret", "token": TOKEN,
         "create_buckets": True},
        {"access_key_id": "second-key", "secret_access_key": "secondsecret"}]},
    {"name": "documents", "credentials": [
        {"access_key_id": "docskey", "secret_access_key": "docssecret"}]}]}


def told(o, *args):
    return json.loads(o.adminctl(*args, "--json").stdout)


def answers(o, key="photoskey", secret="photossecret", bucket="photos", n=8):
    """What n requests are answered, each on a connection of its own, so by any child."""
    found = set()
    for _ in range(n):
        try:
            client(o.endpoint, key, secret).head_object(Bucket=bucket, Key="k")
            found.add(200)
        except ClientError as e:
            found.add(e.response["ResponseMetadata"]["HTTPStatusCode"])
    return found


def keys(o):
    return {k["access_key_id"]: k["disabled"] for k in told(o, "key", "list")["keys"]}


def test_a_disabled_key_is_refused_at_once(launch):
    o = launch(extra=EXTRA)
    o.s3().put_object(Bucket="photos", Key="k", Body=b"x")
    url = o.s3().generate_presigned_url("get_object", {"Bucket": "photos", "Key": "k"})
    with_token = dict(headers={"X-Proxy-Token": TOKEN}, timeout=10)
    assert requests.get(url, timeout=10).ok and requests.get(f"{o.endpoint}/photos/k", **with_token).ok
    assert answers(o) == {200}
    listed = told(o, "key", "list")["keys"]
    assert listed[0] == {"access_key_id": "photoskey", "bucket": "photos", "create_buckets": True,
                         "disabled": False, "disabled_at": None}
    assert keys(o) == {"photoskey": False, "second-key": False, "docskey": False}
    assert "secret" not in o.adminctl("key", "list").stdout

    assert told(o, "key", "disable", "photoskey") == {"status": "disabled",
                                                      "access_key_id": "photoskey"}
    until(lambda: answers(o) == {403}, 3, "all children know")
    with pytest.raises(ClientError) as e:
        o.s3().get_object(Bucket="photos", Key="k")
    assert e.value.response["Error"]["Code"] == "InvalidAccessKeyId"
    assert requests.get(url, timeout=10).status_code == 403
    assert requests.get(f"{o.endpoint}/photos/k", **with_token).status_code == 403
    assert answers(o, "second-key", "secondsecret", n=1) == {200}
    assert o.adminctl("key", "disable", "photoskey").stdout == "photoskey: disabled\n"
    assert keys(o)["photoskey"] is True

    o.adminctl("reload")
    assert answers(o) == {403}
    o.proxyd.terminate()
    o.proxyd.wait(40)
    o.start_proxyd()
    assert answers(o) == {403}
    o.kill("workerd")  # either daemon can do it
    assert o.adminctl("key", "enable", "photoskey").stdout == "photoskey: enabled\n"
    until(lambda: answers(o) == {200}, 3, "all children know")
    o.adminctl("key", "disable", "second-key")
    until(lambda: answers(o, "second-key", "secondsecret") == {403}, 3)
    o.start_workerd()

    # One that has left the configuration is still told, and can be let go.
    o.config["buckets"][0]["credentials"].pop()
    o.write_config()
    o.adminctl("reload")
    assert told(o, "key", "list")["keys"][-1]["bucket"] is None
    o.adminctl("key", "enable", "second-key")
    assert keys(o) == {"photoskey": False, "docskey": False}
    for args, error in ((("disable", "nobody"), "no such access key in the configuration"),
                        (("enable", "photoskey"), "the key is not disabled")):
        wrong = o.adminctl("key", *args, check=False)
        assert wrong.returncode == 1 and error in wrong.stderr
    for args in ["list", "x"], ["disable"], ["drop", "x"], ["enable"]:
        assert o.adminctl("key", *args, check=False).returncode == 2


def test_when_nobody_notifies(own_postgres, launch):
    """A lost notification costs some seconds; a lost database changes nothing."""
    o = launch(extra=EXTRA, postgres=own_postgres, check=False)
    o.s3().put_object(Bucket="photos", Key="k", Body=b"x")
    o.sql("INSERT INTO disabled_keys (access_key_id) VALUES ('photoskey')")
    until(lambda: answers(o) == {403}, 20, "all children have looked")
    own_postgres.stop()
    until(lambda: answers(o, "docskey", "docssecret", "documents") == {503}, 30, "it is away")
    assert answers(o) == {403}
    # A new child, which has never heard of it, answers nobody.
    child, = o.children()
    os.kill(child, signal.SIGKILL)
    until(lambda: o.children() not in ([], [child]), 30, "there is another")
    until(lambda: answers(o) == {503}, 30, "it serves")
    own_postgres.start()
    assert until(lambda: answers(o) - {503}, 60, "it is back") == {403}
    until(lambda: answers(o, "docskey", "docssecret", "documents") == {404}, 60)
    # workerd may need longer to notice, and says so
    until(lambda: o.adminctl("key", "enable", "photoskey", check=False).returncode == 0, 60)
    until(lambda: answers(o) == {200}, 20)


def test_a_new_key(launch):
    o = launch()
    first, second = (told(o, "key", "create", "photos") for _ in range(2))
    assert first["access_key_id"] != second["access_key_id"]
    assert first["secret_access_key"] != second["secret_access_key"]
    lines = o.adminctl("key", "create", "photos").stdout
    key, secret = re.findall(r'_key(?:_id)?: "(\w+)"', lines)
    assert re.fullmatch("S3OK[0-9A-F]{16}", key) and re.fullmatch("[0-9a-f]{40}", secret)
    # What is printed is what the configuration takes.
    with open(f"{o.dir}/new.yaml", "w") as f:
        f.write(lines + "".join(f"{name}: {json.dumps(value)}\n"
                                for name, value in o.config.items() if name != "buckets"))
    checked = o.adminctl("validate", "-config", f"{o.dir}/new.yaml")
    assert ": valid" in checked.stdout and "  buckets:  1" in checked.stdout
    o.config["buckets"][0]["credentials"].append(
        {"access_key_id": key, "secret_access_key": secret})
    o.write_config()
    o.adminctl("reload")
    assert keys(o)[key] is False
    client(o.endpoint, key, secret).put_object(Bucket="photos", Key="k", Body=b"x")
    assert answers(o, *BUCKETS["photos"], n=1) == {200}
    assert "name: BUCKET\n" in o.adminctl("key", "create").stdout

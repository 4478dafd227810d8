"""The AWS SDK for JavaScript, in its default settings (js/sdk.mjs)."""
from harness.node import node


def test_javascript_sdk(endpoint, files):
    out = node("sdk.mjs", endpoint.url, endpoint.bucket, endpoint.key, endpoint.secret,
               str(endpoint.ours).lower(), *files.values())
    assert out.count("ok ") == 6

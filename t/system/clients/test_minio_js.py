"""The minio client for JavaScript (js/minio.mjs)."""
from harness.node import node


def test_minio_client(endpoint, files, workdir):
    out = node("minio.mjs", endpoint.url, endpoint.bucket, endpoint.key, endpoint.secret,
               str(endpoint.ours).lower(), workdir, *files.values())
    assert out.count("ok ") == 6 and endpoint.keys() == [] and endpoint.uploads() == []

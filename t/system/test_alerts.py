# SPDX-License-Identifier: MIT
"""The alerts that are shipped ask for metrics that there are."""
import re

import requests
import yaml

from harness.storage import ROOT

SELECTOR = re.compile(r"(s3o_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def read_page(port):
    """(families, samples): names with their types, {name: its labels, each a dictionary}"""
    families, samples = {}, {}
    for line in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            families[name] = kind
        elif line.startswith("s3o_"):
            name, labels = SELECTOR.match(line).groups()
            samples.setdefault(name, []).append(
                {label: value for label, _, value in MATCHER.findall(labels or "")})
    return families, samples


def rules():
    with open(f"{ROOT}/etc/alerts.yml") as f:
        (group,), = yaml.safe_load(f).values()
    return group["rules"]


def test_alerts(orchestrator):
    proxyd, workerd = read_page(orchestrator.port), read_page(orchestrator.worker_port)
    families = {**proxyd[0], **workerd[0]}
    samples = {name: proxyd[1].get(name, []) + workerd[1].get(name, []) for name in families}
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 20
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
        for name, labels in SELECTOR.findall(rule["expr"]):
            assert name in families, rule
            # A counter is asked for what it grows by, a gauge for what it is.
            grows = re.search(rf"(rate|increase)\({name}", rule["expr"]) is not None
            assert grows == (families[name] == "counter"), rule
            for label, how, value in MATCHER.findall(labels):
                known = {s.get(label) for s in samples[name]}
                assert not known or how != "=" or value in known, (rule, known)


def test_each_service_has_an_alert(orchestrator):
    """Those that are on by default."""
    text = "".join(rule["expr"] for rule in rules())
    failures = read_page(orchestrator.worker_port)[1]["s3o_worker_consecutive_failures"]
    watched = set(re.findall(r'last_success_timestamp_seconds\{service="(\w+)"\}', text))
    assert watched == {s["service"] for s in failures} - {"rebalance", "reconcile"}


def test_alerts_that_are_promised():
    of = {rule["alert"]: (rule["expr"], rule["annotations"]["description"]) for rule in rules()}
    for name, expression, says in (
            ("DrainRaceAborts", "rate(s3o_drain_race_aborted_total[5m]) > 0", ""),
            ("DrainStuck", "s3o_drain_active > 0", ""),  # there may be several
            ("OrphanNotQueued", 's3o_cleanup_enqueue_failures_total{stage="enqueue"}[5m]) > 0',
             "POST /admin/api/reconcile"),
            ("StaleClaims", "rate(s3o_cleanup_queue_stale_claims_recovered_total[5m]) > 0", ""),
            ("StreamingRejected", "rate(s3o_auth_streaming_rejections_total[5m]) > 0", ""),
            ("CleanupDLQ", "s3o_cleanup_dlq_depth > 0", ""),
            ("CleanupExhausted", 'status="exhausted"', "success_absent"),
            ("WorkerFailing", "s3o_worker_consecutive_failures", "")):
        assert expression in of[name][0] and says in of[name][1]

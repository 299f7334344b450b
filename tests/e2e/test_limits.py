# SPDX-License-Identifier: Apache-2.0
"""What a tenant's limits do at the edge, and that they are read again while it
runs."""

import json
import re
import time
import uuid

import pytest
import requests
from harness.process import ROOT
from harness.wait import wait_until

METRIC = "/api/v1/metrics/ingest"
BATCH = "/api/v1/metrics/ingest/batch"
TELEMETRY = "/api/v1/telemetry"


@pytest.fixture(scope="module")
def edge(stack):
    stack.edge = stack.start("ingest", PULSE_INGEST_KEYS_REFRESH="200ms",
                             PULSE_INGEST_FAILURES="0")
    return stack


@pytest.fixture
def tenant(edge):
    """A fresh one: its name and its key."""
    name = "t" + uuid.uuid4().hex[:10]
    key = edge.key(name)
    wait_until(lambda: edge.post(METRIC, metric(), key).status_code == 202, 5,
               "the key is read")
    return name, key


def metric(**more):
    return {"name": "m", "value": 1, **more}


def limit(stack, name, **limits):
    """Sets them, and comes back when every snapshot has them."""
    stack.db.execute("UPDATE tenants SET limits = %s WHERE tenant_id = %s",
                     (json.dumps(limits), name))
    marker = stack.key(name)
    wait_until(lambda: stack.post("/api/v1/events", {"message": "m"}, marker)
               .status_code != 401, 5, "the limits are read")


def code(answer):
    body = answer.json()["error"]
    assert f"### {body['code']}\n" in (ROOT / "docs/errors.md").read_text()
    return answer.status_code, body["code"]


@pytest.mark.parametrize("limits, good, bad, why", [
    ({"labels": 2}, metric(labels={"a": "1", "b": "2"}),
     metric(labels={"a": "1", "b": "2", "c": "3"}), "too_many_labels"),
    ({"name_bytes": 3}, metric(name="abc"), metric(name="abcd"),
     "text_too_long"),
    ({"label_name_bytes": 3}, metric(labels={"abc": "1"}),
     metric(labels={"abcd": "1"}), "text_too_long"),
    ({"label_value_bytes": 3}, metric(labels={"a": "123"}),
     metric(labels={"a": "1234"}), "text_too_long"),
    ({"label_value_bytes": 3}, metric(source="123"), metric(source="1234"),
     "text_too_long"),
])
def test_of_a_record(edge, tenant, limits, good, bad, why):
    name, key = tenant
    assert edge.post(METRIC, bad, key).status_code == 202
    limit(edge, name, **limits)
    assert edge.post(METRIC, good, key).status_code == 202
    assert code(edge.post(METRIC, bad, key)) == (400, why)
    limit(edge, name)
    assert edge.post(METRIC, bad, key).status_code == 202


def test_of_telemetry(edge, tenant):
    name, key = tenant
    two = {"device_id": "d", "metrics": {"abc": 1, "b": 2}}
    assert edge.post(TELEMETRY, two, key).status_code == 202
    limit(edge, name, fields=1)
    assert code(edge.post(TELEMETRY, two, key)) == (400, "too_many_fields")
    limit(edge, name, name_bytes=2)
    assert code(edge.post(TELEMETRY, two, key)) == (400, "text_too_long")


def test_of_time(edge, tenant):
    name, key = tenant

    def post(age):
        return edge.post(METRIC, metric(timestamp=time.time() - age), key)
    assert post(3600).status_code == post(-300).status_code == 202
    limit(edge, name, time_past_seconds=60, time_future_seconds=0)
    assert post(30).status_code == 202
    assert code(post(3600)) == (400, "time_too_old")
    assert code(post(-300)) == (400, "time_too_new")
    # Wider than the setting, but never wider than the store's.
    limit(edge, name, time_past_seconds=30 * 86400)
    assert post(7.5 * 86400).status_code == 202
    assert code(post(8.5 * 86400)) == (400, "time_too_old")


def test_of_a_request(edge, tenant):
    name, key = tenant
    limit(edge, name, records_per_request=3, body_bytes=1000)
    assert edge.post(BATCH, [metric()] * 3, key).status_code == 202
    answer = edge.post(BATCH, [metric()] * 4, key)
    assert code(answer) == (413, "too_many_records")
    assert "records_per_request" in answer.text and "3" in answer.text
    long = metric(pad="x" * 900)
    assert edge.post(METRIC, long, key).status_code == 202
    long["pad"] += "x" * 100
    for body in (json.dumps(long).encode(), iter([json.dumps(long).encode()])):
        answer = requests.post(
            f"http://127.0.0.1:{edge.ingest_port}{METRIC}", data=body,
            headers={"X-API-Key": key, "Content-Type": "application/json"},
            timeout=20)  # with its length, and in chunks
        assert code(answer) == (413, "body_too_large")
        assert "1000 bytes: body_bytes" in answer.text
    # More than the process takes is no more than it takes.
    limit(edge, name, records_per_request=1000000)
    assert edge.post(BATCH, [metric()] * 10001, key).status_code == 413


def test_of_records_per_second(edge, tenant):
    name, key = tenant
    before = edge.edge.metric("pulse_ingest_limited_total",
                              limit="records_per_second")
    limit(edge, name, records_per_second=10, records_burst=20)
    assert edge.post(BATCH, [metric()] * 60, key).status_code == 202
    answer = edge.post(METRIC, metric(), key)
    assert code(answer) == (429, "rate_limited")
    said = re.fullmatch(r"records_per_second: (\d+)/s seen, 10/s allowed",
                        answer.json()["error"]["message"])
    assert said and int(said[1]) > 10, answer.text
    wait = int(answer.headers["Retry-After"])
    assert 2 <= wait <= 5  # some 40 on credit
    assert edge.edge.metric("pulse_ingest_limited_total",
                            limit="records_per_second") == before + 1
    assert edge.edge.log_count(f"event=tenant_limited tenant={name} "
                               "limit=records_per_second") == 1
    time.sleep(wait)
    assert edge.post(METRIC, metric(), key).status_code == 202


def test_of_bytes_per_second(edge, tenant):
    name, key = tenant
    limit(edge, name, bytes_per_second=100, bytes_burst=100)
    assert edge.post(METRIC, metric(pad="x" * 1000), key).status_code == 202
    answer = edge.post(METRIC, metric(), key)
    assert code(answer) == (429, "rate_limited")
    assert "bytes_per_second" in answer.text
    assert 8 <= int(answer.headers["Retry-After"]) <= 11


@pytest.mark.parametrize("path, sent, answered, says", [
    ("/api/v2/write", "text/plain", "application/json", '"code":"'),
    ("/write", "text/plain", "application/json", '"error":"'),
    ("/v1/metrics", "application/json", "application/json", '"message":"'),
    ("/v1/metrics", "application/x-protobuf", "application/x-protobuf", ""),
    ("/api/v1/write", "application/x-protobuf", "text/plain", ""),
])
def test_each_protocol_says_it_in_its_words(edge, tenant, path, sent, answered,
                                            says):
    name, key = tenant
    limit(edge, name, records_per_second=1, records_burst=1)
    assert edge.post(BATCH, [metric()] * 30, key).status_code == 202
    answer = edge.post(path, b"m value=1", key, Content_Type=sent)
    # InfluxDB 1 knew no 429: its clients send again after a 503 only.
    assert answer.status_code == (503 if path == "/write" else 429)
    assert 25 <= int(answer.headers["Retry-After"]) <= 31
    assert answer.headers["Content-Type"].startswith(answered)
    assert "records_per_second: " in answer.text and says in answer.text


def test_a_reload_forgives_no_debt_but_a_limit_taken_away_does(edge, tenant):
    name, key = tenant
    limit(edge, name, records_per_second=10, records_burst=10)
    assert edge.post(BATCH, [metric()] * 600, key).status_code == 202
    time.sleep(1)  # several snapshots
    assert edge.post(METRIC, metric(), key).status_code == 429
    limit(edge, name, records_per_second=10, records_burst=11)
    assert edge.post(METRIC, metric(), key).status_code == 429
    limit(edge, name)
    assert edge.post(METRIC, metric(), key).status_code == 202


def test_redrive_goes_by_the_tenants_limits(edge, tenant):
    """Refused by a limit that was raised since: now it is sent; refused by
    one that was set since: not."""
    name, key = tenant
    edge.start("writer")
    limit(edge, name, labels=1)
    bad = metric(name="redriven", labels={"a": "1", "b": "2"})
    assert code(edge.post(METRIC, bad, key)) == (400, "too_many_labels")
    ident = wait_until(lambda: [row[0] for row in edge.db.rows(
        "SELECT id FROM dead_letters WHERE tenant_id = %s", (name,))], 20,
        "the letter")[0]
    done = edge.run("deadletter", "redrive", ident)
    assert done.returncode == 1 and "too_many_labels" in done.stdout + \
        done.stderr
    limit(edge, name, labels=2)
    done = edge.run("deadletter", "redrive", ident, PULSE_INGEST_LABELS=1)
    assert done.returncode == 0, done.stdout + done.stderr

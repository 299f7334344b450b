# SPDX-License-Identifier: Apache-2.0
"""The edge: what it takes, what it refuses, and what it keeps of the latter."""

import io
import json
import socket
import time
import uuid

import fastavro
import pytest
from harness.process import ROOT
from harness.wait import wait_until

METRIC = "/api/v1/metrics/ingest"
BATCH = "/api/v1/metrics/ingest/batch"
TELEMETRY = "/api/v1/telemetry"
EVENTS = "/api/v1/events"
TOPIC = {METRIC: "pulse.metrics", BATCH: "pulse.metrics",
         TELEMETRY: "pulse.telemetry", EVENTS: "pulse.events"}
SCHEMA = {"pulse.metrics": "Metric", "pulse.telemetry": "Telemetry",
          "pulse.events": "Event", "pulse.deadletter": "DeadLetter"}


@pytest.fixture(scope="module")
def edge(stack):
    """The running edge with three tenants' keys."""
    stack.acme = stack.key("acme")
    stack.beta = stack.key("beta")
    stack.bound = stack.key("acme", device="d-bound")
    stack.reader = stack.key("acme", scopes=("read",))
    stack.edge = stack.start("ingest", PULSE_INGEST_BODY_BYTES="4m",
                             PULSE_INGEST_FAILURES="0")
    return stack


def records(stack, topic):
    """Every record of a topic, decoded by fastavro, an Avro nobody here
    wrote; the fingerprint is skipped, the schema known."""
    name = SCHEMA[topic]
    schema = fastavro.parse_schema(json.loads(
        (ROOT / f"schemas/{name}.v1.avsc").read_text()))
    found = []
    for message in stack.kafka.read_all(topic):
        assert message.value()[:2] == b"\xc3\x01"
        body = io.BytesIO(message.value()[10:])
        record = fastavro.schemaless_reader(body, schema)
        assert body.read() == b""
        found.append({**record, "key": message.key().decode()})
    return found


def name():
    """A metric name, device or event id that no other test uses."""
    return "t" + uuid.uuid4().hex[:12]


def good(path, ident, **more):
    """A good record of the path's kind that can be told by ident."""
    if path in (METRIC, BATCH):
        return {"name": ident, "value": 1.5, **more}
    if path == TELEMETRY:
        return {"device_id": ident, "metrics": {"t": 1}, **more}
    return {"id": ident, "message": "m", **more}


def stored(stack, path, ident):
    field = {METRIC: "name", BATCH: "name", TELEMETRY: "device_id",
             EVENTS: "id"}[path]
    return [r for r in records(stack, TOPIC[path]) if r[field] == ident]


def wrapped(path, items):
    return {"metrics": items} if path == BATCH else items


def letters(stack, reason, holding):
    """Dead letters with this reason whose payload holds these bytes."""
    return [r for r in records(stack, "pulse.deadletter")
            if r["reason"] == reason and holding in r["payload"]]


def error(answer):
    body = answer.json()["error"]
    assert body["doc"] == f"docs/errors.md#{body['code']}"
    assert f"### {body['code']}\n" in (ROOT / "docs/errors.md").read_text()
    return answer.status_code, body["code"]


# --- what is taken ---------------------------------------------------------

def test_metric_comes_out_as_it_went_in(edge):
    ident, now = name(), time.time_ns() // 1000
    answer = edge.post(METRIC, {
        "name": ident, "value": 0.1, "labels": {"z": "ü", "a": "1"},
        "source": "agent", "timestamp": now - 5}, edge.acme)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (record,) = stored(edge, METRIC, ident)
    assert record["tenant_id"] == "acme"
    assert record["value"] == 0.1
    assert record["labels"] == {"z": "ü", "a": "1", "source": "agent"}
    assert int(record["time"].timestamp() * 1e6 + 0.5) == now - 5
    assert record["key"].startswith("acme:")


def test_telemetry_numbers_stay_exact(edge):
    ident = name()
    answer = edge.post(TELEMETRY, {
        "device_id": ident, "site_id": "s", "seq": 2**53 + 1,
        "time": "2026-01-31T12:00:00Z",
        "metrics": {"i": 2**63 - 1, "r": 0.1, "b": True, "s": "on"}},
        edge.acme)
    assert answer.status_code == 400  # the time is not within the window
    assert error(answer)[1] in ("time_too_old", "time_too_new")
    answer = edge.post(TELEMETRY, {
        "device_id": ident, "site_id": "s", "seq": 2**53 + 1,
        "metrics": {"i": 2**63 - 1, "r": 0.1, "b": True, "s": "on"}},
        edge.acme)
    assert (answer.status_code, answer.json()) == \
        (202, {"accepted": 1, "rejected": []})
    (record,) = stored(edge, TELEMETRY, ident)
    assert record["seq"] == 2**53 + 1
    assert record["metrics"] == {"i": 2**63 - 1, "r": 0.1, "b": True,
                                 "s": "on"}
    assert record["key"] == f"acme:{ident}"


def test_event_keeps_what_it_does_not_know(edge):
    ident = name()
    answer = edge.post(EVENTS, {
        "id": ident, "level": "ERROR", "service": "pay", "code": 7,
        "attributes": {"deep": [1, {"a": None}]}}, edge.acme)
    assert answer.status_code == 202
    (record,) = stored(edge, EVENTS, ident)
    assert (record["kind"], record["level"]) == ("log", "error")
    assert json.loads(record["attributes"]) == \
        {"code": 7, "deep": [1, {"a": None}]}
    assert record["key"] == "acme:pay"


def test_records_without_a_time_get_different_ones(edge):
    """1 us apart within one key, or the store would take them for repeats."""
    ident = name()
    for _ in range(3):
        assert edge.post(TELEMETRY, [good(TELEMETRY, ident)] * 100,
                         edge.acme).status_code == 202
    times = [r["time"] for r in stored(edge, TELEMETRY, ident)]
    assert len(times) == len(set(times)) == 300


def test_same_device_under_two_tenants_stays_two(edge):
    ident = name()
    for key in (edge.acme, edge.beta):
        assert edge.post(TELEMETRY, good(TELEMETRY, ident),
                         key).status_code == 202
    assert sorted(r["key"] for r in stored(edge, TELEMETRY, ident)) == \
        [f"acme:{ident}", f"beta:{ident}"]


@pytest.mark.parametrize("header", ["Authorization: Bearer {}",
                                    "authorization: token {}",
                                    "X-API-Key: {}"])
def test_ways_to_send_the_key(edge, header):
    field, value = header.format(edge.acme).split(": ")
    answer = edge.post(METRIC, good(METRIC, name()), **{field: value})
    assert answer.status_code == 202


# --- bad records beside good ones ------------------------------------------

# What is wrong with a record, per kind: the record's JSON text, with IDENT
# for its mark, and the code.
BAD = {
    BATCH: [
        ('{"name":"IDENT"}', "missing_field"),
        ('{"name":"IDENT","value":"1"}', "wrong_type"),
        ('{"name":"IDENT","value":"NaN"}', "wrong_type"),
        ('{"name":"IDENT\\u0000","value":1}', "nul_character"),
        ('{"name":"IDENT","value":1,"value":2}', "duplicate_key"),
        ('{"name":"IDENT","value":1,"labels":{"a":1}}', "wrong_type"),
        ('{"name":"IDENT","value":1,"timestamp":"soon"}', "invalid_time"),
        ('{"name":"IDENT","value":1,"timestamp":1}', "time_too_old"),
        ('{"name":"IDENT","value":1,"timestamp":9999999999}', "time_too_new"),
        ('["IDENT"]', "wrong_type"),
    ],
    TELEMETRY: [
        ('{"metrics":{"IDENT":1}}', "missing_field"),
        ('{"device_id":"IDENT"}', "missing_field"),
        ('{"device_id":["IDENT"],"metrics":{}}', "wrong_type"),
        ('{"device_id":"IDENT","metrics":{"a":null}}', "wrong_type"),
        ('{"device_id":"IDENT","metrics":{"a":"\\u0000"}}', "nul_character"),
        ('{"device_id":"IDENT","metrics":{"a":1,"a":2}}', "duplicate_key"),
        ('{"device_id":"IDENT","seq":0.5,"metrics":{}}', "wrong_type"),
        ('{"device_id":"IDENT","time":-1,"metrics":{}}', "invalid_time"),
    ],
    EVENTS: [
        ('{"id":"IDENT","kind":"x"}', "unknown_kind"),
        ('{"id":"IDENT","level":1}', "wrong_type"),
        ('{"id":"IDENT","message":"\\u0000"}', "nul_character"),
        ('{"id":"IDENT","deep":[{"a":"\\u0000"}]}', "nul_character"),
        ('{"id":"IDENT","deep":[{"a":1,"a":1}]}', "duplicate_key"),
        ('{"id":"IDENT","time":true}', "invalid_time"),
        ('"IDENT"', "wrong_type"),
    ],
}


@pytest.mark.parametrize("path", BAD)
def test_bad_records_do_not_spoil_their_neighbours(edge, path):
    ident, marks = name(), [name() for _ in BAD[path]]
    items, codes = [], {}
    for mark, (text, code) in zip(marks, BAD[path]):
        items.append(json.dumps(good(path, ident)))
        codes[len(items)] = code
        items.append(text.replace("IDENT", mark))
    body = "[" + ",".join(items) + "]"
    if path == BATCH:
        body = '{"metrics":' + body + "}"
    answer = edge.post(path, body.encode(), edge.acme)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == len(BAD[path])
    assert {r["index"]: r["code"] for r in answer.json()["rejected"]} == codes
    assert len(stored(edge, path, ident)) == len(BAD[path])
    kept = records(edge, "pulse.deadletter")
    for mark, (_, code) in zip(marks, BAD[path]):
        (letter,) = [k for k in kept if mark.encode() in k["payload"]]
        assert letter["reason"] == code
        assert letter["tenant_id"] == "acme"
        assert letter["stage"] == "ingest"
        assert letter["endpoint"] == path
        assert letter["detail"]


@pytest.mark.parametrize("path", [BATCH, TELEMETRY, EVENTS])
def test_bad_lines_do_not_spoil_their_neighbours(edge, path):
    """What is no JSON or no UTF-8 spoils its line only."""
    ident, nan, utf8 = name(), name(), name()
    line = json.dumps(good(path, ident)).encode()
    body = b"\n".join([
        line, b'{"%s":NaN}' % nan.encode(), line,
        b'{"%s":"\xff"}' % utf8.encode(), line])
    answer = edge.post(path, body, edge.acme,
                       Content_Type="application/x-ndjson")
    assert answer.status_code == 202
    assert [(r["index"], r["code"]) for r in answer.json()["rejected"]] == \
        [(1, "malformed_json"), (3, "invalid_utf8")]
    assert len(stored(edge, path, ident)) == 3
    assert letters(edge, "malformed_json", nan.encode())
    (letter,) = letters(edge, "invalid_utf8", utf8.encode())
    assert letter["payload"] == b'{"%s":"\xff"}' % utf8.encode()


@pytest.mark.parametrize("path", [METRIC, BATCH, TELEMETRY, EVENTS])
@pytest.mark.parametrize("text,code", [
    (b"IDENT", "malformed_json"), (b'{"IDENT":', "malformed_json"),
    (b'{"name":"IDENT","value":NaN}', "malformed_json"),
    (b'"IDENT\x00"', "malformed_json"),
    (b'{"IDENT":"\xc3"}', "invalid_utf8"), (b'"IDENT"', "wrong_type"),
])
def test_unreadable_body(edge, path, text, code):
    mark = name().encode()
    answer = edge.post(path, text.replace(b"IDENT", mark), edge.acme)
    assert error(answer) == (400, code)
    (letter,) = letters(edge, code, mark)
    assert letter["payload"] == text.replace(b"IDENT", mark)


def test_long_unreadable_body_is_kept_by_its_beginning_and_hash(edge):
    mark = name().encode()
    answer = edge.post(TELEMETRY, mark + b"x" * 100_000, edge.beta)
    assert error(answer) == (400, "malformed_json")
    (letter,) = letters(edge, "malformed_json", mark)
    assert len(letter["payload"]) == 256
    assert "SHA-256" in letter["detail"]


def test_all_bad_is_400_with_the_list(edge):
    answer = edge.post(EVENTS, [{"kind": "x"}, {"level": 1}], edge.acme)
    assert error(answer) == (400, "no_record_accepted")
    assert [r["code"] for r in answer.json()["error"]["rejected"]] == \
        ["unknown_kind", "wrong_type"]


def test_one_bad_record_gives_its_own_code(edge):
    answer = edge.post(METRIC, {"name": "a"}, edge.acme)
    assert error(answer) == (400, "missing_field")
    assert answer.json()["error"]["rejected"][0]["field"] == "value"


def test_strict_takes_all_or_nothing(edge):
    ident = name()
    body = [good(TELEMETRY, ident), {"device_id": ident}]
    answer = edge.post(TELEMETRY + "?strict=1", body, edge.acme)
    assert error(answer) == (400, "strict_rejected")
    assert stored(edge, TELEMETRY, ident) == []
    answer = edge.post(TELEMETRY + "?strict=1", body[:1], edge.acme)
    assert answer.status_code == 202


@pytest.mark.parametrize("path,record,ok", [
    (BATCH, {"name": "IDENT", "value": 1,
             "labels": {"device_id": "other"}}, False),
    (BATCH, {"name": "IDENT", "value": 1,
             "labels": {"device_id": "d-bound"}}, True),
    (BATCH, {"name": "IDENT", "value": 1}, True),
    (TELEMETRY, {"device_id": "IDENT", "metrics": {}}, False),
    (TELEMETRY, {"metrics": {"IDENT": 1}}, True),
    (EVENTS, {"id": "IDENT", "device_id": "other"}, False),
    (EVENTS, {"id": "IDENT"}, True),
])
def test_device_bound_key_writes_its_device_only(edge, path, record, ok):
    mark = name()
    text = json.dumps([record]).replace("IDENT", mark)
    answer = edge.post(path, text.encode(), edge.bound)
    if not ok:
        assert error(answer) == (400, "device_mismatch")
        (letter,) = letters(edge, "device_mismatch", mark.encode())
        assert letter["key_id"] == edge.bound.split("_")[1]
        return
    assert answer.status_code == 202
    (record,) = [r for r in records(edge, TOPIC[path]) if mark in str(r)]
    assert "d-bound" in str(record)


# --- requests that are refused as a whole ----------------------------------

@pytest.mark.parametrize("path", [METRIC, BATCH, TELEMETRY, EVENTS])
def test_refused_by_the_gate(edge, path):
    body = wrapped(path, good(path, name()))
    wrong = edge.acme[:-1] + ("0" if edge.acme[-1] != "0" else "1")
    assert error(edge.post(path, body)) == (401, "no_key")
    assert error(edge.post(path, body, wrong)) == (401, "unknown_key")
    assert error(edge.post(path, body, "pulse_x")) == (401, "unknown_key")
    assert error(edge.post(path, body, edge.reader)) == (403, "scope_missing")
    assert error(edge.post(path, body, edge.acme,
                           Content_Type="application/x-www-form-urlencoded")
                 ) == (415, "unsupported_media_type")
    assert error(edge.post(path, body, edge.acme, Content_Encoding="br")
                 ) == (415, "unsupported_encoding")
    assert error(edge.post(path + "x", body, edge.acme)) == (404, "not_found")
    assert edge.post(path, b"[" + b" " * (5 << 20), edge.acme
                     ).status_code == 413


@pytest.mark.parametrize("path", [BATCH, TELEMETRY, EVENTS])
def test_too_many_records(edge, path):
    ident = name()
    body = wrapped(path, [good(path, ident)] * 10001)
    assert error(edge.post(path, body, edge.acme)) == (413, "too_many_records")
    assert stored(edge, path, ident) == []


def test_ndjson_where_one_record_is_wanted(edge):
    answer = edge.post(METRIC, good(METRIC, name()), edge.acme,
                       Content_Type="application/x-ndjson")
    assert error(answer) == (415, "unsupported_media_type")


def test_no_length_is_411(edge):
    with socket.create_connection(("127.0.0.1", edge.ingest_port)) as s:
        s.sendall(f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\n"
                  f"X-API-Key: {edge.acme}\r\n\r\n".encode())
        assert s.recv(4096).startswith(b"HTTP/1.1 411 ")


def test_revoked_key_is_refused_within_5_s(edge):
    key = edge.key("acme")
    body = good(METRIC, name())
    wait_until(lambda: edge.post(METRIC, body, key).status_code == 202, 5,
               "the new key works")
    edge.db.execute("UPDATE api_keys SET revoked_at = now() WHERE key_id = %s",
                    (key.split("_")[1],))
    wait_until(lambda: edge.post(METRIC, body, key).status_code == 401, 5,
               "the revoked key is refused")


@pytest.mark.parametrize("path", [BATCH, TELEMETRY, EVENTS])
def test_many_forms(edge, path):
    """An array, NDJSON, and as many records as one request may have."""
    one, two, many = name(), name(), name()
    body = wrapped(path, [good(path, one), good(path, one)])
    assert edge.post(path, body, edge.acme).json()["accepted"] == 2
    lines = "\n".join(json.dumps(good(path, two)) for _ in range(3)) + "\n"
    answer = edge.post(path, lines.encode(), edge.acme,
                       Content_Type="application/x-ndjson; charset=utf-8")
    assert answer.json() == {"accepted": 3, "rejected": []}
    body = wrapped(path, [good(path, many)] * 10000)
    assert edge.post(path, body, edge.acme).json()["accepted"] == 10000
    assert len(stored(edge, path, one)) == 2
    assert len(stored(edge, path, two)) == 3
    assert len(stored(edge, path, many)) == 10000


def test_what_was_counted(edge):
    """The metrics tell what the tests above did."""
    m = edge.edge.metric
    assert m("pulse_ingest_records_accepted_total", endpoint=BATCH) > 10000
    assert m("pulse_ingest_records_rejected_total", endpoint=EVENTS,
             code="unknown_kind") > 0
    assert m("pulse_ingest_inflight_records") == 0
    assert m("pulse_ingest_inflight_bytes") == 0
    assert 0 <= m("pulse_ingest_keys_age_seconds") < 10
    assert m("pulse_ingest_dead_letters_total", fate="kept") > 0


def test_the_stores_late_limit_bounds_the_window(edge):
    """Within PULSE_INGEST_TIME_PAST, but the store would not take it."""
    def post(age):
        answer = edge.post(METRIC, {"name": name(), "value": 1,
                                    "timestamp": time.time() - age}, edge.acme)
        return answer.status_code, answer.json()
    assert post(4 * 86400)[0] == 202
    try:
        edge.db.execute("UPDATE store.settings SET late_limit = '3 days'")
        status, body = wait_until(
            lambda: (found := post(4 * 86400))[0] == 400 and found, 20,
            "the edge knows the limit")
        assert body["error"]["code"] == "time_too_old"
        assert "259200 s" in body["error"]["message"]
        assert post(3 * 86400 - 60)[0] == 202
    finally:
        edge.db.execute("UPDATE store.settings SET late_limit = '8 days'")
    wait_until(lambda: post(4 * 86400)[0] == 202, 20, "and the next one")

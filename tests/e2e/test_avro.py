# SPDX-License-Identifier: Apache-2.0
"""What travels is Avro: fastavro, an implementation nobody here wrote, reads
what Pulse wrote from Kafka, and Pulse takes what fastavro wrote."""

import io
import json
import struct
from datetime import UTC, datetime, timedelta

import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from harness.process import ROOT
from harness.wait import wait_until

SCHEMA, HEADER, BY_FINGERPRINT = {}, {}, {}
for path in (ROOT / "schemas").glob("*.avsc"):
    # A reader needs nothing but the files: each message names its schema.
    raw = json.loads(path.read_text())
    parsed = fastavro.parse_schema(raw)
    crc = bytes.fromhex(
        fingerprint(to_parsing_canonical_form(raw), "CRC-64-AVRO"))
    BY_FINGERPRINT[crc] = parsed
    SCHEMA[raw["name"]], HEADER[raw["name"]] = parsed, b"\xc3\x01" + crc
NOW = datetime.now(UTC).replace(microsecond=123456)


def decode(message):
    value = message.value()
    assert value[:2] == b"\xc3\x01"
    body = io.BytesIO(value[10:])
    record = fastavro.schemaless_reader(body, BY_FINGERPRINT[value[2:10]])
    assert body.read() == b""
    return record


def encode(name, record):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA[name], record)
    return HEADER[name] + out.getvalue()


def murmur2(key):
    """As org.apache.kafka.common.utils.Utils does it."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(key)
    whole = len(key) // 4 * 4
    for (k,) in struct.iter_unpack("<I", key[:whole]):
        k = k * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if key[whole:]:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


@pytest.fixture(scope="module")
def pulse(stack):
    stack.acme = stack.key("acme")
    stack.start("ingest")
    stack.start("writer", PULSE_WRITER_SESSION_TIMEOUT="6s")
    return stack


def read(pulse, topic, keep):
    """The one record of a topic that keep says yes to, and its message."""
    found = [(m, r) for m, r in
             ((m, decode(m)) for m in pulse.kafka.read_all(topic)) if keep(r)]
    assert len(found) == 1, found
    return found[0]


def recent(moment):
    return abs(datetime.now(UTC) - moment) < timedelta(minutes=2)


def iso(moment):
    return moment.isoformat().replace("+00:00", "Z")


# --- Pulse writes, fastavro reads ------------------------------------------

def test_a_metric_is_read_by_fastavro(pulse):
    answer = pulse.post("/api/v1/metrics/ingest", {
        "name": "grüße", "value": -0.1, "source": "agent",
        "labels": {"zone": "b", "host": "h1"}, "timestamp": iso(NOW)},
        key=pulse.acme)
    assert answer.status_code == 202, answer.text
    message, record = read(pulse, "pulse.metrics",
                           lambda r: r["name"] == "grüße")
    assert recent(record.pop("received_at"))
    labels = record.pop("labels")
    source = record.pop("source")
    assert {**({"source": source} if source else {}), **labels} == {
        "zone": "b", "host": "h1", "source": "agent"}
    assert record == {"tenant_id": "acme", "name": "grüße", "value": -0.1,
                      "time": NOW}
    tenant, _, digest = message.key().decode().partition(":")
    assert tenant == "acme" and len(digest) == 16 and int(digest, 16) >= 0
    assert message.partition() == (murmur2(message.key()) & 0x7FFFFFFF) % 6


def test_telemetry_is_read_by_fastavro(pulse):
    metrics = {"temp": 21.5, "count": -3, "big": 2**53 + 1, "on": True,
               "mode": "äuto", "empty": ""}
    answer = pulse.post("/api/v1/telemetry", {
        "device_id": "d-1", "site_id": "s-1", "msg_type": "status",
        "seq": 42, "time": iso(NOW), "metrics": metrics}, key=pulse.acme)
    assert answer.status_code == 202, answer.text
    message, record = read(pulse, "pulse.telemetry",
                           lambda r: r["device_id"] == "d-1")
    assert recent(record.pop("received_at"))
    assert record == {
        "tenant_id": "acme", "device_id": "d-1", "site_id": "s-1",
        "msg_type": "status", "seq": 42, "time": NOW, "metrics": metrics}
    assert type(record["metrics"]["on"]) is bool
    assert type(record["metrics"]["count"]) is int
    assert message.key() == b"acme:d-1"
    assert message.partition() == (murmur2(b"acme:d-1") & 0x7FFFFFFF) % 6


def test_an_event_is_read_by_fastavro(pulse):
    answer = pulse.post("/api/v1/events", {
        "id": "e-1", "kind": "log", "level": "error", "service": "shop",
        "message": "out of stock", "time": iso(NOW),
        "attributes": {"sku": 7}}, key=pulse.acme)
    assert answer.status_code == 202, answer.text
    message, record = read(pulse, "pulse.events", lambda r: r["id"] == "e-1")
    assert recent(record.pop("received_at"))
    assert json.loads(record.pop("attributes")) == {"sku": 7}
    assert record == {
        "tenant_id": "acme", "id": "e-1", "kind": "log", "level": "error",
        "service": "shop", "message": "out of stock", "time": NOW}
    assert message.key() == b"acme:shop"


def test_a_dead_letter_is_read_by_fastavro(pulse):
    answer = pulse.post("/api/v1/metrics/ingest",
                        b'{"name":"broken\xff","value":1}', key=pulse.acme)
    assert answer.status_code == 400, answer.text
    message, record = read(pulse, "pulse.deadletter",
                           lambda r: b"broken\xff" in r["payload"])
    assert recent(record["received_at"]) and recent(record["failed_at"])
    assert record["stage"] == "ingest"
    assert record["tenant_id"] == "acme"
    assert record["endpoint"] == "/api/v1/metrics/ingest"
    assert record["reason"] and record["detail"]
    assert pulse.acme.split("_")[1] == record["key_id"]
    assert record["topic"] is record["partition"] is record["offset"] is None
    assert message.key() == b"acme"


# --- fastavro writes, Pulse reads ------------------------------------------

def metric(name, **more):
    return {"tenant_id": "acme", "name": name, "labels": {}, "value": 1.0,
            "time": NOW, "received_at": NOW, "source": None, **more}


def samples(pulse, name):
    return pulse.db.rows(
        "SELECT s.labels, time, value FROM store.samples"
        " JOIN store.series s USING (series_id)"
        " WHERE tenant_id = 'acme' AND name = %s ORDER BY time", (name,))


def wait_samples(pulse, name, expected):
    wait_until(lambda: samples(pulse, name) == expected, 30,
               f"{name} is stored")


def test_a_metric_of_fastavro_is_stored(pulse):
    pulse.kafka.produce("pulse.metrics", encode("Metric", metric(
        "fast", value=0.1, source="lab", labels={"z": "ä", "a": ""})))
    wait_samples(pulse, "fast",
                 [({"a": "", "z": "ä", "source": "lab"}, NOW, 0.1)])


def test_telemetry_of_fastavro_is_stored(pulse):
    metrics = {"t": 1.25, "n": ("long", -2**62), "on": False, "s": "x\n"}
    pulse.kafka.produce("pulse.telemetry", encode("Telemetry", {
        "tenant_id": "acme", "device_id": "fast", "site_id": None,
        "msg_type": "m", "seq": 2**40, "time": NOW, "received_at": NOW,
        "metrics": metrics}))
    rows = wait_until(lambda: pulse.db.rows(
        "SELECT time, site_id, msg_type, seq, metrics FROM store.telemetry"
        " WHERE tenant_id = 'acme' AND device_id = 'fast'"), 30, "stored")
    assert rows == [(NOW, None, "m", 2**40,
                     {"t": 1.25, "n": -2**62, "on": False, "s": "x\n"})]


def test_an_event_of_fastavro_is_stored(pulse):
    pulse.kafka.produce("pulse.events", encode("Event", {
        "tenant_id": "acme", "id": "fast", "kind": "event", "level": "warn",
        "service": None, "message": None, "attributes": '{"k": [1, "ü"]}',
        "time": NOW, "received_at": NOW}))
    rows = wait_until(lambda: pulse.db.rows(
        "SELECT time, topic, data->>'level' FROM store.raw_events"
        " WHERE tenant_id = 'acme' AND id = 'fast'"), 30, "stored")
    assert rows == [(NOW, "pulse.events", "warn")]


def test_a_dead_letter_of_fastavro_is_stored(pulse):
    pulse.kafka.produce("pulse.deadletter", encode("DeadLetter", {
        "tenant_id": None, "stage": "writer", "endpoint": None,
        "key_id": None, "device_id": "d", "reason": "fast", "detail": "why",
        "content_type": "x/y", "payload": b"\x00\xff", "topic": "pulse.events",
        "partition": 5, "offset": 2**33, "received_at": NOW,
        "failed_at": NOW}))
    rows = wait_until(lambda: pulse.db.rows(
        "SELECT tenant_id, device_id, detail, payload, topic, part, off,"
        " failed_at FROM dead_letters WHERE reason = 'fast'"), 30, "stored")
    assert rows == [(None, "d", "why", b"\x00\xff", "pulse.events", 5, 2**33,
                     NOW)]


def long(n):
    """Avro's variable-length zig-zag."""
    n = n << 1 ^ n >> 63
    out = b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def text(s):
    return long(len(s)) + s.encode()


@pytest.mark.parametrize("name, labels", [
    ("blocks", long(1) + text("b") + text("2") + long(1) + text("a")
     + text("1") + long(0)),
    ("sized", long(-2) + long(8) + text("b") + text("2") + text("a")
     + text("1") + long(0)),
])
def test_other_legal_encodings_of_a_map(pulse, name, labels):
    """Blocks as other writers may make them; fastavro itself reads them."""
    us = (int(NOW.timestamp()) * 10**6 + NOW.microsecond)
    body = (text("acme") + text(name) + labels + struct.pack("<d", 7.5)
            + long(us) + long(us) + long(0))
    assert fastavro.schemaless_reader(
        io.BytesIO(body), SCHEMA["Metric"])["labels"] == {
            "a": "1", "b": "2"}
    pulse.kafka.produce("pulse.metrics", HEADER["Metric"] + body)
    wait_samples(pulse, name, [({"a": "1", "b": "2"}, NOW, 7.5)])


@pytest.mark.parametrize("what, value", [
    ("not Avro", b'{"name":"x"}'),
    ("of an unknown schema", b"\xc3\x01" + b"\0" * 8 + b"x"),
    ("cut off", encode("Metric", metric("cut"))[:-9]),
    ("too long", encode("Metric", metric("long")) + b"\0"),
    ("with a count that lies",
     HEADER["Metric"] + text("acme") + text("x") + long(2**40)),
    ("with a value that is no number",
     encode("Metric", metric("nan", value=float("nan")))),
])
def test_what_cannot_be_a_record_is_a_dead_letter(pulse, what, value):
    partition, offset = pulse.kafka.produce("pulse.metrics", value)
    rows = wait_until(lambda: pulse.db.rows(
        "SELECT stage, payload, reason, detail FROM dead_letters"
        " WHERE topic = 'pulse.metrics' AND part = %s AND off = %s",
        (partition, offset)), 30, f"{what}: a dead letter")
    assert len(rows) == 1
    assert rows[0][:2] == ("writer", value) and rows[0][2] and rows[0][3]

# SPDX-License-Identifier: Apache-2.0
"""Pulse's records as an independent producer writes them: fastavro and
confluent_kafka, straight into the topics."""

import io
import json
import time

import fastavro
from confluent_kafka import Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from harness.process import ROOT

TOPIC = {"Metric": "pulse.metrics", "Telemetry": "pulse.telemetry",
         "Event": "pulse.events", "DeadLetter": "pulse.deadletter"}


def _schema(name):
    raw = json.loads((ROOT / f"schemas/{name}.v1.avsc").read_text())
    prefix = bytes.fromhex(fingerprint(to_parsing_canonical_form(raw),
                                       "CRC-64-AVRO"))
    return fastavro.parse_schema(raw), b"\xc3\x01" + prefix


SCHEMAS = {name: _schema(name) for name in TOPIC}


def encode(name, record):
    """A message in Avro single-object encoding."""
    schema, prefix = SCHEMAS[name]
    out = io.BytesIO()
    out.write(prefix)
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def now_us():
    return time.time_ns() // 1000


def metric(name, value, time_us, tenant="acme", **labels):
    return {"tenant_id": tenant, "name": name, "labels": labels,
            "value": value, "time": time_us, "received_at": now_us(),
            "source": None}


def telemetry(device, time_us, tenant="acme", site=None, seq=0, **metrics):
    return {"tenant_id": tenant, "device_id": device, "site_id": site,
            "msg_type": "telemetry", "seq": seq, "time": time_us,
            "received_at": now_us(), "metrics": metrics}


def event(ident, time_us, tenant="acme", level="info", service="web",
          message="hello", attributes="{}"):
    return {"tenant_id": tenant, "id": ident, "kind": "log", "level": level,
            "service": service, "message": message, "attributes": attributes,
            "time": time_us, "received_at": now_us()}


class Injector:
    """Sends records and waits until all are acknowledged."""

    def __init__(self, brokers):
        self.producer = Producer({
            "bootstrap.servers": brokers, "linger.ms": 5,
            "enable.idempotence": True, "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 200000})
        self.failed = []

    def send(self, name, *records, key=None, partition=None):
        for record in records:
            self.send_bytes(TOPIC[name], encode(name, record),
                            key or self._key(name, record), partition)

    def send_bytes(self, topic, value, key=None, partition=None):
        where = {} if partition is None else {"partition": partition}
        self.producer.produce(topic, value=value, key=key,
                              on_delivery=self._report, **where)
        self.producer.poll(0)

    def flush(self):
        assert self.producer.flush(60) == 0, "not acknowledged"
        assert not self.failed, self.failed[:3]

    def _report(self, error, _message):
        if error is not None:
            self.failed.append(error)

    @staticmethod
    def _key(name, r):
        """One series or device stays in one partition."""
        if name == "Metric":
            return f"{r['tenant_id']}:{r['name']}{sorted(r['labels'].items())}"
        if name == "Telemetry":
            return f"{r['tenant_id']}:{r['device_id']}"
        if name == "Event":
            return f"{r['tenant_id']}:{r['service']}"
        return r["tenant_id"]

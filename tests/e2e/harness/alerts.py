# SPDX-License-Identifier: Apache-2.0
"""Rules, channels and readings for the tests of alerting."""

import io
import json
import time
from datetime import UTC, datetime

import fastavro

from harness.process import ROOT

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND = 1_000_000


def now_us():
    return time.time_ns() // 1000


def moment(us):
    return datetime.fromtimestamp(us / 1e6, UTC)


class Alerts:
    def __init__(self, stack):
        self.stack, self.db = stack, stack.db
        self.schemas = {}

    def tenant(self, tenant):
        self.db.execute("INSERT INTO tenants (tenant_id, name)"
                        " VALUES (%s, %s) ON CONFLICT DO NOTHING",
                        (tenant, tenant))

    def channel(self, tenant, name, url, secrets=(SECRET,), kind="webhook"):
        self.tenant(tenant)
        self.db.execute(
            "INSERT INTO notification_channels"
            " (tenant_id, name, kind, url, secrets) VALUES (%s,%s,%s,%s,%s)",
            (tenant, name, kind, url, list(secrets)))

    def rule(self, tenant, name, metric, threshold, channels=(), **condition):
        """Returns its id. The evaluator sees it within moments."""
        self.tenant(tenant)
        condition = {k.rstrip("_"): v for k, v in condition.items()}
        return str(self.db.value(
            "INSERT INTO alert_rules (tenant_id, name, metric_type, threshold,"
            " condition, channels) VALUES (%s,%s,%s,%s,%s,%s) RETURNING id",
            (tenant, name, metric, threshold, json.dumps(condition),
             list(channels))))

    def encode(self, name, record):
        """Avro single-object encoding by fastavro."""
        if name not in self.schemas:
            raw = json.loads((ROOT / f"schemas/{name}.v1.avsc").read_text())
            canonical = fastavro.schema.to_parsing_canonical_form(raw)
            mark = bytes.fromhex(
                fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
            self.schemas[name] = fastavro.parse_schema(raw), mark
        schema, mark = self.schemas[name]
        out = io.BytesIO(b"\xc3\x01" + mark)
        out.seek(0, io.SEEK_END)
        fastavro.schemaless_writer(out, schema, record)
        return out.getvalue()

    def telemetry(self, tenant, device, time_us, received_us=None, site="s1",
                  partition=None, **fields):
        """One message straight into Kafka; returns (partition, offset)."""
        received_us = received_us or time_us + SECOND // 10
        value = self.encode("Telemetry", {
            "tenant_id": tenant, "device_id": device, "site_id": site,
            "msg_type": "telemetry", "seq": 0, "time": moment(time_us),
            "received_at": moment(received_us), "metrics": fields})
        return self.stack.kafka.produce(
            "pulse.telemetry", value, f"{tenant}:{device}".encode(), partition)

    def metric(self, tenant, name, value, time_us, received_us=None,
               **labels):
        received_us = received_us or time_us + SECOND // 10
        record = self.encode("Metric", {
            "tenant_id": tenant, "name": name, "labels": labels,
            "value": float(value), "time": moment(time_us),
            "received_at": moment(received_us), "source": None})
        key = f"{tenant}:{name}{sorted(labels.items())}".encode()
        return self.stack.kafka.produce("pulse.metrics", record, key)

    def caught_up(self):
        """The evaluator has committed everything there is."""
        for topic in ("pulse.metrics", "pulse.telemetry"):
            ends = self.stack.kafka.ends(topic)
            have = dict(self.db.rows(
                "SELECT part, next_off FROM store.consumer_offset"
                " WHERE consumer = 'pulse-evaluator' AND topic = %s",
                (topic,)))
            if have != ends:
                return False
        return True

    def incidents(self, tenant, **where):
        """Dicts, the oldest first."""
        with self.db.connect() as c:
            cursor = c.execute(
                "SELECT id::text, title, severity, status, rule_id::text,"
                " rule_version, fingerprint, metadata, started_at,"
                " resolved_at FROM incidents WHERE tenant_id = %s"
                " ORDER BY started_at, id", (tenant,))
            names = [d.name for d in cursor.description]
            found = [dict(zip(names, row, strict=True)) for row in cursor]
        return [i for i in found
                if all(i["metadata"].get(k) == v for k, v in where.items())]

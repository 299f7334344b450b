# SPDX-License-Identifier: Apache-2.0
"""S9: messages nobody can store. Each becomes a dead letter with its bytes
and a reason, its neighbours are stored, and every partition goes on."""

import json

from harness.records import TOPIC, encode, event, metric, now_us, telemetry

LONG = 900_000  # bytes; a broker takes a megabyte


def nested(depth):
    return '{"a":' * depth + "1" + "}" * depth


class Poison:
    """Makes one of each kind; keys never meet."""

    def __init__(self, world):
        self.chance, self.tenant = world.chance, world.tenant
        self.time = now_us()

    def _metric(self, **other):
        self.time += 1
        return {**metric("poison", 1.0, self.time, self.tenant), **other}

    def _event(self, **other):
        self.time += 1
        return {**event(f"poison{self.time}", self.time, self.tenant), **other}

    def _telemetry(self, **other):
        self.time += 1
        return {**telemetry("poison", self.time, self.tenant, x=1.0), **other}

    def _letter(self, **other):
        self.time += 1
        return encode("DeadLetter", {
            "tenant_id": self.tenant, "stage": "ingest", "endpoint": None,
            "key_id": None, "device_id": None, "reason": "poison",
            "detail": "", "content_type": "", "payload": b"", "topic": None,
            "partition": None, "offset": None, "received_at": self.time,
            "failed_at": self.time, **other})

    def spoilt(self, kind, record, what, to):
        """Encoded, and then the text is another one of the same length."""
        good = encode(kind, record)
        assert what in good
        return good.replace(what, to, 1)

    def all(self):
        """(topic, bytes, reasons)"""
        good = encode("Metric", self._metric())
        m, t, e = (TOPIC[k] for k in ("Metric", "Telemetry", "Event"))
        undecodable, unstorable = ("undecodable",), ("unstorable",)
        yield m, b"", undecodable
        yield m, None, undecodable
        yield m, b"{}", undecodable
        yield m, good[:-3], undecodable
        yield m, good + b"\0", undecodable
        yield m, good[:10], undecodable
        yield m, b"\xc3\x01" + bytes(8) + good[10:], undecodable
        yield m, b"\0\0\0\0\x2a" + good[10:], undecodable  # Confluent's frame
        yield m, b"\xc3\x02" + good[2:], undecodable
        yield m, self.chance.randbytes(LONG), undecodable
        # A map that claims 2^40 entries, a text that claims 2^50 bytes.
        yield m, good[:10] + b"\x80\x80\x80\x80\x80\x40", undecodable
        yield m, good[:10] + b"\x80\x80\x80\x80\x80\x80\x80\x04x", undecodable
        yield t, good, ("wrong_record",)
        yield m, encode("Event", self._event()), ("wrong_record",)
        for bad in (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80"[:2], b"a\0"):
            yield m, self.spoilt("Metric", self._metric(name="ZZ"), b"ZZ",
                                 bad), undecodable
            yield t, self.spoilt("Telemetry", self._telemetry(device_id="ZZ"),
                                 b"ZZ", bad), undecodable
            yield e, self.spoilt("Event", self._event(message="ZZ"), b"ZZ",
                                 bad), undecodable
        yield m, encode("Metric", self._metric(name="")), undecodable
        yield m, encode("Metric", self._metric(time=-5)), ("time_out_of_range",)
        yield m, encode("Metric", self._metric(time=2**62)), (
            "time_out_of_range",)
        # Times PostgreSQL has not, in the fields of a letter itself.
        for odd in (-3 * 10**17, 2**63 - 1, -2**63):
            yield m, encode("Metric", self._metric(
                time=-5, received_at=odd)), ("time_out_of_range",)
            yield TOPIC["DeadLetter"], self._letter(
                received_at=odd, failed_at=odd), ("time_out_of_range",)
            yield TOPIC["DeadLetter"], self._letter(
                received_at=odd, stage="kitchen"), ("invalid_stage",)
        for attributes, reasons in (
                ("{", ("invalid_attributes",)), ("[]", ("invalid_attributes",)),
                ('{"a":"\\u0000"}', unstorable),
                (nested(50_000), ("invalid_attributes", "unstorable"))):
            yield e, encode("Event", self._event(attributes=attributes)), reasons
        # Longer than an entry of an index may be, and hard to compress.
        long = self.chance.randbytes(6000).hex()
        yield e, encode("Event", self._event(id=long)), unstorable
        yield t, encode("Telemetry", self._telemetry(device_id=long)), unstorable
        yield m, encode("Metric", self._metric(tenant_id=long)), (
            "identity_too_long",)
        yield TOPIC["DeadLetter"], good, ("wrong_record",)

    def good(self, traffic):
        """Large, deep and odd, but good."""
        traffic.send("Event", self._event(attributes=json.dumps(
            {"text": "ä" * (LONG // 4)}, ensure_ascii=False)))
        traffic.send("Event", self._event(attributes=nested(20)))
        traffic.send("Event", self._event(message="\u2028\U0001f600\x7f\x01"))
        traffic.send("Telemetry", self._telemetry(
            metrics={f"f{i}": float(i) for i in range(300)}))
        traffic.send("Telemetry", self._telemetry(metrics={}))


def test_each_kind_among_good_ones(world):
    world.writer(ready=False)
    poison = Poison(world)
    rounds = 10 if world.long else 2
    for _ in range(rounds):
        batch = list(poison.all())
        world.chance.shuffle(batch)
        for topic, payload, reasons in batch:
            world.traffic.send_bytes(topic, payload, reasons)
            world.traffic._one(None)
        poison.good(world.traffic)
        world.traffic.flush()
    world.finish()
    assert len(world.journal) > 60 * rounds


def test_a_flood_of_poison_alone(world):
    """Whole batches without one good row, in every partition."""
    writer = world.writer(ready=False, PULSE_WRITER_BATCH_ROWS="500")
    for topic, parts in (("pulse.metrics", 6), ("pulse.events", 6),
                         ("pulse.deadletter", 3)):
        for n in range(3000 if world.long else 600):
            world.traffic.send_bytes(
                topic, world.chance.randbytes(world.chance.randrange(100)),
                ("undecodable",), partition=n % parts)
    world.traffic.flush()
    world.finish()
    assert writer.running()


def test_poison_and_a_writer_that_dies(world):
    """Dead letters are written with the offsets: neither lost nor doubled."""
    poison = Poison(world)
    for _ in range(10 if world.long else 2):
        writer = world.writer()
        for topic, payload, reasons in poison.all():
            world.traffic.send_bytes(topic, payload, reasons)
        world.traffic.flush()
        writer.kill()
    world.writer(ready=False)
    world.finish()


def test_a_body_of_ten_megabytes(world):
    """The edge refuses it unread, and goes on."""
    stack = world.stack
    world.devices()
    answer = stack.post("/api/v1/telemetry", b"[" + b" " * (10 << 20) + b"]",
                        stack.key(world.tenant))
    assert answer.status_code in (401, 413), answer.text
    world.writer().wait_metric("pulse_writer_messages_total", 50)
    world.finish()

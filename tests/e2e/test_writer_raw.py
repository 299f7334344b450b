# SPDX-License-Identifier: Apache-2.0
"""Topics of others, archived as they are (PULSE_RAW_TOPICS)."""

import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from harness.accounts import consumed, letters, sums
from harness.wait import wait_until

TOPICS = ("audit", "clicks.eu")
RAW = {"PULSE_RAW_TOPICS": ",".join(TOPICS), "PULSE_RAW_TENANT": "ops",
       "PULSE_WRITER_SESSION_TIMEOUT": "6s"}


@pytest.fixture(scope="module")
def topics(stack):
    admin = stack.kafka.admin()
    for future in admin.create_topics(
            [NewTopic(t, 2, 1) for t in TOPICS]).values():
        future.result(20)
    yield
    for future in admin.delete_topics(list(TOPICS)).values():
        future.result(20)


@pytest.fixture(scope="module")
def writer(stack, topics):
    process = stack.start("writer", **RAW)
    wait_until(lambda: len(stack.db.rows(
        "SELECT FROM store.consumer_offset")) == 25, 30, "all claimed")
    return process


@pytest.fixture(scope="module")
def produce(stack, writer):
    producer = Producer({"bootstrap.servers": stack.kafka.brokers})

    def send(topic, *values, part=0, stamp_ms=None):
        before, base = consumed(stack), sums(stack, topic)
        for value in values:
            more = {} if stamp_ms is None else {"timestamp": stamp_ms}
            producer.produce(topic, value=value, partition=part, **more)
        assert producer.flush(20) == 0
        wait_until(lambda: consumed(stack) >= before + len(values), 20,
                   "all are consumed")
        return tuple(a - b for a, b in zip(sums(stack, topic), base))
    return send


def rows(stack, topic):
    return stack.db.rows(
        "SELECT id, tenant_id, part, off, data,"
        " (extract(epoch FROM time) * 1000)::int8"
        " FROM store.raw_events WHERE topic = %s ORDER BY part, off", (topic,))


def test_messages_of_any_kind_are_archived(stack, produce):
    stamp = time.time_ns() // 1_000_000 - 3_600_000
    assert produce("audit", b'{"level": "warn", "n": 1}', b"plain \xc3\xbc",
                   b"\xff\x00", None, b'{"a": "\\u0000"}', stamp_ms=stamp,
                   ) == (5, 0, 0, 0)
    assert rows(stack, "audit") == [
        ("audit/0/0", "ops", 0, 0, {"level": "warn", "n": 1}, stamp),
        ("audit/0/1", "ops", 0, 1, {"text": "plain ü"}, stamp),
        ("audit/0/2", "ops", 0, 2, {"base64": "/wA="}, stamp),
        ("audit/0/3", "ops", 0, 3, {"text": None}, stamp),
        ("audit/0/4", "ops", 0, 4, {"text": '{"a": "\\u0000"}'}, stamp)]


def test_times_that_no_archive_can_have(stack, produce):
    now = time.time_ns() // 1_000_000
    assert produce("clicks.eu", b"{}", part=1, stamp_ms=now - 9 * 86_400_000
                   ) == (0, 0, 1, 0)
    assert produce("clicks.eu", b"[1]", part=1, stamp_ms=now + 3_000_000
                   ) == (1, 0, 0, 0)
    (_, _, part, off, data, stored), = rows(stack, "clicks.eu")
    assert (part, off, data) == (1, 1, {"text": "[1]"})
    assert now <= stored < now + 60_000
    (tenant, stage, _, topic, part, off, payload), = letters(stack, "too_late")
    assert (tenant, stage, topic, part, off, bytes(payload)) == (
        "ops", "writer", "clicks.eu", 1, 0, b"{}")


def test_each_once_over_restarts(stack, produce, writer):
    for _ in range(3):
        assert produce("audit", *[b"%d" % n for n in range(50)], part=1
                       ) == (50, 0, 0, 0)
        assert writer.stop() == 0
        writer.start()
    found = [r[3] for r in rows(stack, "audit") if r[2] == 1]
    assert found == list(range(150))


def test_the_ledger_proves_them_too(stack, writer):
    done = stack.run("ledger")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [[*line[:4], *line[6:9]] for line in lines if line[0] in TOPICS] == [
        ["audit", "0", "5", "5", "0", "5", "0"],
        ["audit", "1", "150", "150", "0", "150", "0"],
        ["clicks.eu", "0", "0", "0", "0", "0", "0"],
        ["clicks.eu", "1", "2", "1", "0", "2", "0"]]
    assert "audit" not in stack.run("status").stdout


@pytest.mark.parametrize("wrong", [
    {"PULSE_RAW_TOPICS": "a b"}, {"PULSE_RAW_TOPICS": "pulse.events"},
    {"PULSE_RAW_TENANT": ""}])
def test_wrong_settings(stack, wrong):
    done = stack.run("-n", program="pulse-writer", **{**RAW, **wrong})
    assert done.returncode == 2 and next(iter(wrong)) in done.stderr

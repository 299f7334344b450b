# SPDX-License-Identifier: Apache-2.0
"""One writer, healthy servers: what becomes of every kind of message."""

import random

import pytest
from confluent_kafka import Producer
from harness.accounts import Delta, consumed, letters, samples, sums
from harness.process import ROOT
from harness.records import Injector, encode, event, metric, now_us, telemetry
from harness.wait import wait_until


@pytest.fixture(scope="module")
def writer(stack):
    return stack.start("writer", PULSE_WRITER_SESSION_TIMEOUT="6s")


@pytest.fixture(scope="module")
def inject(stack):
    return Injector(stack.kafka.brokers)


@pytest.fixture(scope="module")
def send(stack, writer, inject):
    wait_until(lambda: len(stack.db.rows(
        "SELECT FROM store.consumer_offset")) == 21, 30, "all claimed")
    return Delta(stack, inject)


def test_a_metric_is_stored_once(stack, send):
    t = now_us()
    assert send("Metric", metric("cpu", 1.5, t, host="a")) == (1, 0, 0, 0)
    assert samples(stack, "cpu") == [({"host": "a"}, t, 1.5)]
    assert send("Metric", metric("cpu", 1.5, t, host="a")) == (0, 1, 0, 0)
    assert len(samples(stack, "cpu")) == 1


def test_another_value_at_the_same_time_is_a_conflict(stack, send):
    t = now_us()
    assert send("Metric", metric("load", 1, t)) == (1, 0, 0, 0)
    other = metric("load", 2, t)
    assert send("Metric", other) == (0, 0, 1, 0)
    assert samples(stack, "load") == [({}, t, 1.0)]
    found = letters(stack, "conflict")[-1]
    assert found[:2] == ("acme", "writer") and found[3] == "pulse.metrics"
    assert bytes(found[6]) == encode("Metric", other)


def test_repeats_inside_a_batch(stack, send):
    """Sent in one go, they meet in one batch; the first stays."""
    t = now_us()
    records = [metric("rep", 1, t), metric("rep", 1, t), metric("rep", 2, t),
               metric("rep", 3, t + 1), metric("rep", 1, t)]
    assert send("Metric", *records) == (2, 2, 1, 0)
    assert samples(stack, "rep") == [({}, t, 1.0), ({}, t + 1, 3.0)]
    device = [telemetry("rep", t, x=1.0, y="a"),
              telemetry("rep", t, y="a", x=1.0),
              telemetry("rep", t, y="b", x=1.0, z=4.0)]
    assert send("Telemetry", *device) == (1, 1, 1, 0)
    # Of a message that is a dead letter nothing is stored.
    assert samples(stack, "z") == []


def test_out_of_order_and_many(stack, send, writer):
    t, count = now_us(), 3000
    order = [(i * 7919) % count for i in range(count)]
    assert send("Metric", *[metric("many", float(i), t + i) for i in order]
                ) == (count, 0, 0, 0)
    assert [v for _, _, v in samples(stack, "many")] == [
        float(i) for i in range(count)]
    # All of it again, and once more behind it: nothing new but the last.
    again = [metric("many", float(i), t + i) for i in range(count + 1)]
    assert send("Metric", *again) == (1, count, 0, 0)


def test_newer_rows_go_directly(stack, send, writer):
    """Once a series is known, only what may be there already is staged."""
    t = now_us()
    send("Metric", metric("known", 0.0, t))
    staged = writer.metric("pulse_writer_staged_rows_total", table="samples")
    assert send("Metric", *[metric("known", 1.0, t + i)
                            for i in range(1, 500)]) == (499, 0, 0, 0)
    assert writer.metric("pulse_writer_staged_rows_total",
                         table="samples") == staged
    assert send("Metric", metric("known", 0.0, t)) == (0, 1, 0, 0)
    assert writer.metric("pulse_writer_staged_rows_total",
                         table="samples") == staged + 1


def test_a_row_the_writer_did_not_know_of(stack, send, writer):
    """Somebody else stored a newer row: the COPY fails on it, and the batch is
    written again through staging; good neighbours stay good."""
    t = now_us()
    send("Metric", metric("blind", 0.0, t), metric("near", 0.0, t))
    stack.db.execute(
        "INSERT INTO store.samples SELECT to_timestamp(0) + %s * interval"
        " '1 microsecond', series_id, 7 FROM store.series WHERE name = 'blind'",
        (t + 5,))
    redone = writer.metric("pulse_writer_batches_redone_total")
    assert send("Metric", metric("near", 1.0, t + 5),
                metric("blind", 7.0, t + 5), metric("near", 2.0, t + 6),
                ) == (2, 1, 0, 0)
    assert writer.metric("pulse_writer_batches_redone_total") > redone
    assert samples(stack, "blind") == [({}, t, 0.0), ({}, t + 5, 7.0)]
    assert len(samples(stack, "near")) == 3


def test_telemetry_and_its_numbers(stack, send):
    t = now_us()
    assert send("Telemetry", telemetry(
        "d1", t, site="s1", seq=9, temp=21.5, count=2**53, door=True,
        mode="a\"b\\")) == (1, 0, 0, 0)
    assert stack.db.rows(
        "SELECT tenant_id, device_id, site_id, msg_type, seq, metrics"
        " FROM store.telemetry WHERE device_id = 'd1'") == [
        ("acme", "d1", "s1", "telemetry", 9, {
            "temp": 21.5, "count": 2**53, "door": True, "mode": 'a"b\\'})]
    labels = {"device_id": "d1", "site_id": "s1"}
    assert samples(stack, "temp") == [(labels, t, 21.5)]
    assert samples(stack, "count") == [(labels, t, float(2**53))]
    assert samples(stack, "door") == samples(stack, "mode") == []


def test_the_same_device_id_of_two_tenants_is_two_devices(stack, send):
    t = now_us()
    assert send("Telemetry", telemetry("twin", t, v=1.0),
                telemetry("twin", t, tenant="other", v=2.0)) == (2, 0, 0, 0)
    assert samples(stack, "v") == [({"device_id": "twin"}, t, 1.0)]
    assert samples(stack, "v", "other") == [({"device_id": "twin"}, t, 2.0)]


def test_events_are_archived_once(stack, send):
    t = now_us()
    first = event("e1", t, level="error", attributes='{"code": 7}')
    assert send("Event", first, first, event("e2", t)) == (2, 1, 0, 0)
    assert send("Event", first) == (0, 1, 0, 0)
    rows = stack.db.rows("SELECT data, topic, off FROM store.raw_events"
                         " WHERE id = 'e1'")
    assert len(rows) == 1 and rows[0][1] == "pulse.events"
    assert rows[0][0] == {"kind": "log", "level": "error", "service": "web",
                          "msg": "hello", "attributes": {"code": 7}}


def test_bad_bytes_are_dead_letters_and_neighbours_are_not(stack, send):
    t = now_us()
    good = encode("Metric", metric("between", 1.0, t))
    bad = [b"", b"rubbish", b"\xc3\x01" + bytes(20), good[:-1], good + b"x",
           encode("Telemetry", telemetry("d", t))]
    assert send("pulse.metrics", bad[0], bad[1], good, *bad[2:],
                partition=2) == (1, 0, len(bad), 0)
    kept = letters(stack, "undecodable") + letters(stack, "wrong_record")
    assert {bytes(k[6]) for k in kept} == set(bad)
    assert all(k[3:5] == ("pulse.metrics", 2) for k in kept)


def test_a_row_the_database_refuses_is_found(stack, send):
    """jsonb takes no \\u0000: bisected out of its batch."""
    t = now_us()
    batch = [event(f"n{i}", t) for i in range(200)]
    bad = [17, 18, 150]
    for i in bad:
        batch[i]["attributes"] = '{"a": "\\u0000"}'
    assert send("Event", *batch) == (197, 0, 3, 0)
    assert [bytes(p[6]) for p in letters(stack, "unstorable")] == [
        encode("Event", batch[i]) for i in bad]
    assert stack.db.value("SELECT count(*) FROM store.raw_events"
                          " WHERE id LIKE 'n%%'", ()) == 197


def test_the_series_limit_of_a_tenant(stack, send):
    """Over it: metrics are dead letters, telemetry keeps its row."""
    stack.db.execute("INSERT INTO tenants (tenant_id, name, limits) VALUES"
                     " ('small', 'Small', '{\"series\": 2}')")
    t = now_us()
    assert send("Metric", *[metric("m", 1.0, t, tenant="small", n=str(i))
                            for i in range(5)]) == (2, 0, 3, 0)
    assert len(letters(stack, "series_limit")) == 3
    assert send("Telemetry", telemetry("d", t, tenant="small", x=1.0)
                ) == (1, 0, 0, 0)
    assert samples(stack, "x", "small") == []
    # Neither does sending it again make a sample, nor is it a dead letter:
    # docs/writer.md has the remedy.
    stack.db.execute("UPDATE tenants SET limits = '{}'"
                     " WHERE tenant_id = 'small';"
                     "SELECT pg_terminate_backend(pid, 5000)"
                     " FROM pg_stat_activity"
                     " WHERE application_name = 'pulse-writer'")
    assert send("Telemetry", telemetry("d", t, tenant="small", x=1.0),
                telemetry("d", t + 1, tenant="small", site="s", x=2.0),
                telemetry("d", t + 2, tenant="small", x=3.0, on=True)
                ) == (2, 1, 0, 0)
    assert [v for _, _, v in samples(stack, "x", "small")] == [2.0, 3.0]
    text = (ROOT / "docs/writer.md").read_text()
    fill = text.split("```sql\n")[1].split("```")[0].replace("demo", "small")
    assert len(stack.db.rows(fill)) == 1
    assert [v for _, _, v in samples(stack, "x", "small")] == [1.0, 2.0, 3.0]
    assert stack.db.rows(fill) == []


def test_what_no_index_can_hold_is_found(stack, send):
    """An entry of an index has at most 2.7 kB; the edge's limits are smaller,
    other producers have none."""
    t, long = now_us(), random.Random(1).randbytes(4000).hex()
    assert send("Telemetry", telemetry("short", t), telemetry(long, t)
                ) == (1, 0, 1, 0)
    assert send("Event", event("short", t), event(long, t)) == (1, 0, 1, 0)
    assert send("Event", event("x", t, level=long)) == (0, 0, 1, 0)
    assert send("Metric", metric("short", 1.0, t),
                metric("long", 1.0, t, host=long)) == (1, 0, 1, 0)
    assert send("Metric", metric("m", 1.0, t, tenant=long)) == (0, 0, 1, 0)
    letter = {"tenant_id": "acme", "stage": "ingest", "endpoint": None,
              "key_id": None, "device_id": None, "reason": long, "detail": "",
              "content_type": "", "payload": b"", "topic": None,
              "partition": None, "offset": None, "received_at": t,
              "failed_at": t}
    assert send("DeadLetter", letter) == (0, 0, 1, 0)


def test_dead_letters_of_the_edge_are_kept(stack, send):
    t = now_us()
    letter = {"tenant_id": "acme", "stage": "ingest", "endpoint": "/x",
              "key_id": "k", "device_id": None, "reason": "invalid_utf8",
              "detail": "field name", "content_type": "application/json",
              "payload": b"\x00\xff", "topic": None, "partition": None,
              "offset": None, "received_at": t, "failed_at": t}
    assert send("DeadLetter", letter) == (1, 0, 0, 0)
    assert send("DeadLetter", {**letter, "stage": "kitchen"}) == (0, 0, 1, 0)
    found = letters(stack, "invalid_utf8")
    assert found == [("acme", "ingest", None, None, None, None, b"\x00\xff")]


def test_tombstones_and_what_is_no_message(stack, send, inject):
    """A null payload is a dead letter. Marks of transactions, and messages of
    one that was aborted, take offsets too: they count as gap."""
    t = now_us()
    assert send("pulse.metrics", None, partition=3) == (0, 0, 1, 0)
    producer = Producer({"bootstrap.servers": stack.kafka.brokers,
                         "transactional.id": "t"})
    producer.init_transactions(30)
    before = sums(stack, "pulse.metrics")
    start = stack.kafka.ends("pulse.metrics")[3]
    for n, end in enumerate((producer.commit_transaction,
                             producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce("pulse.metrics", partition=3,
                         value=encode("Metric", metric("tx", 1.0, t + n)))
        producer.flush(30)
        end(30)
    # The marks come after the answer, and must stand before what follows.
    wait_until(lambda: stack.kafka.ends("pulse.metrics")[3] == start + 4, 20,
               "both marks are in the log")
    inject.send("Metric", metric("tx", 1.0, t + 9), partition=3)
    inject.flush()
    wait_until(lambda: len(samples(stack, "tx")) == 2, 20, "both are stored")
    after = sums(stack, "pulse.metrics")
    assert tuple(a - b for a, b in zip(after, before)) == (2, 0, 0, 3)
    consumed(stack)


def test_impossible_times(stack, send):
    assert send("Metric", metric("when", 1.0, -1),
                metric("when", 1.0, 2**63 - 1)) == (0, 0, 2, 0)
    assert len(letters(stack, "time_out_of_range")) == 2


LETTER = {"tenant_id": "acme", "stage": "ingest", "endpoint": "/x",
          "key_id": "k", "device_id": None, "reason": "odd", "detail": "",
          "content_type": "application/json", "payload": b"{}", "topic": None,
          "partition": None, "offset": None}


@pytest.mark.parametrize("time", [-3 * 10**17, 2**63 - 1, -2**63, -1])
def test_a_received_at_out_of_range_halts_nothing(stack, send, time):
    """A dead letter with it would be refused, and its batch, for ever."""
    t = now_us()
    letter = {**LETTER, "reason": f"odd{time}"}
    assert send("DeadLetter", {**letter, "received_at": time, "failed_at": t},
                {**letter, "received_at": t, "failed_at": time}) == (1, 0, 1, 0)
    assert stack.db.rows(
        "SELECT received_at FROM dead_letters WHERE reason = %s",
        (letter["reason"],)) == [(None,)]
    assert send("Metric", {**metric("odd", 1.0, t), "received_at": time},
                {**metric("odd", 2.0, t), "received_at": time},
                {**metric("odd", 1.0, -1), "received_at": time},
                {**metric("odd", 1.0, t - 10**13), "received_at": time},
                metric("odd", 1.0, t + 1)) == (2, 0, 3, 0)


def test_a_letter_the_database_refuses_is_kept_without_its_claims(
        stack, send, writer):
    """Whatever the database may not like: the bytes stay, its neighbours are
    stored as they are, the partition goes on."""
    stack.db.execute(
        "CREATE FUNCTION public.curse() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN IF NEW.device_id = 'cursed' THEN RAISE 'no' USING"
        " ERRCODE = '22008'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER curse BEFORE INSERT ON dead_letters"
        " FOR EACH ROW EXECUTE FUNCTION public.curse()")
    try:
        t = now_us()
        good = {**LETTER, "reason": "neighbour", "received_at": t,
                "failed_at": t}
        bad = {**good, "device_id": "cursed", "reason": "bad"}
        assert send("DeadLetter", *[good] * 5, bad, *[good] * 3, bad, good,
                    partition=1) == (9, 0, 2, 0)
        assert send("Telemetry", telemetry("cursed", -1, a=1.0)
                    ) == (0, 0, 1, 0)
    finally:
        stack.db.execute("DROP FUNCTION public.curse CASCADE")
    assert len(letters(stack, "neighbour")) == 9
    assert not letters(stack, "bad")
    found = [r for r in letters(stack, "unstorable")
             if r[3] == "pulse.deadletter"]
    payload = encode("DeadLetter", bad)
    assert [(r[0], r[2], r[4], r[6]) for r in found] == [
        (None, None, 1, payload)] * 2
    assert encode("Telemetry", telemetry("cursed", -1, a=1.0))[:10] in [
        r[6][:10] for r in letters(stack, "time_out_of_range")
        if r[:3] == (None, "writer", None)]


def test_lag_and_batches_are_measured(writer, send):
    assert writer.metric("pulse_writer_lag_seconds_count") > 0
    assert writer.metric("pulse_writer_batches_total") > 0
    assert writer.metric("pulse_writer_rows_total", table="samples",
                         verdict="stored") > 3000
    assert writer.metric("pulse_writer_dead_letters_total",
                         reason="conflict") >= 2
    assert writer.metric("pulse_writer_partitions", state="held") == 21

# SPDX-License-Identifier: Apache-2.0
"""S8: duplicates, another order, late data, clocks that are wrong, numbers
that are none, counters that begin anew. Nothing else is at fault."""

import math

import requests
from harness.records import TOPIC, encode, metric, now_us, telemetry
from harness.wait import wait_until
from journal import Entry
from traffic import HOUR

DAY = 24 * HOUR


def test_everything_sent_three_times(world):
    """In another order each time: the first is stored, all others repeats."""
    world.writer(ready=False)
    world.traffic.burst(400 if not world.long else 4000)
    for _ in range(2):
        again = list(world.traffic.sent)
        world.chance.shuffle(again)
        for kind, record in again:
            world.traffic.send(kind, record)
        world.traffic.flush()
    world.finish()


def test_repeats_to_a_writer_that_knows_nothing(world):
    """The cache of last times is empty after a restart, and says nothing of
    what another writer stored."""
    writer = world.writer()
    world.traffic.burst(300)
    world.caught_up()
    for _ in range(3):
        writer.stop() if world.chance.random() < 0.5 else writer.kill()
        writer = world.writer(ready=False)
        for kind, record in world.chance.sample(world.traffic.sent, 100):
            world.traffic.send(kind, record)
        world.traffic.burst(100)
    world.finish()


def test_wrong_clocks(world):
    """A day ahead, a day behind, seven days late, jumping to and fro."""
    world.writer(ready=False)
    now, traffic = now_us(), world.traffic
    for n, shift in enumerate((DAY, -DAY, -7 * DAY, 0)):
        for i in range(100):
            t = now + shift + i * 1000
            traffic.send("Telemetry", telemetry(
                f"clock{n}", t, world.tenant, seq=i, temp=float(i)))
            traffic.send("Metric", metric(
                "clock", float(i), t, world.tenant, host=f"h{n}"))
    for i in range(200):  # one device that cannot make up its mind
        t = now + world.chance.choice((-7 * DAY, -DAY, 0, DAY)) + i
        traffic.send("Telemetry", telemetry("mad", t, world.tenant, seq=i))
    world.finish()


def test_beyond_the_late_limit(world):
    """Eight days: what is older is a dead letter that says so, and spoils
    nothing. The good ones keep away from the limit by more than a run takes."""
    world.writer(ready=False)
    limit = world.stack.db.value(
        "SELECT (extract(epoch FROM store.late_limit()) * 1000000)::int8")
    now, minute = now_us(), HOUR // 60
    for i in range(60):
        # A minute beyond and thirty years; ten minutes on this side.
        for shift, reasons in ((limit + minute, ("too_late",)),
                               (limit - 10 * minute, ()),
                               (30 * 365 * DAY, ("too_late",)), (0, ())):
            host = f"h{world.chance.randrange(4)}"
            world.traffic.send("Metric", metric(
                "late", float(i), now - shift + i, world.tenant, host=host),
                reasons)
            world.traffic.send("Telemetry", telemetry(
                host, now - shift + i, world.tenant, seq=i, temp=1.0), reasons)
    world.finish()


def test_sequence_numbers_wrap(world):
    """seq is the device's own affair: order and repeats go by time."""
    world.writer(ready=False)
    now = now_us()
    for i, seq in enumerate((2**63 - 2, 2**63 - 1, -2**63, -1, 0, 0, 1)):
        world.traffic.send("Telemetry", telemetry(
            "wrap", now + i, world.tenant, seq=seq, temp=1.0))
    world.finish()


def test_numbers_that_are_none(world):
    """NaN and infinities are refused, in metrics and fields, and their good
    neighbours are not. What is nearly one is stored as it is."""
    world.writer(ready=False)
    now = now_us()
    for i, value in enumerate((math.nan, math.inf, -math.inf)):
        m = metric("odd", value, now + i, world.tenant)
        world.traffic.send("Metric", m, ("undecodable",))
        t = telemetry("odd", now + i, world.tenant, good=1.0, bad=value)
        world.traffic.send("Telemetry", t, ("undecodable",))
    for i, value in enumerate((5e-324, -0.0, 1.7976931348623157e308, 0.1,
                               2.0**53 + 2)):
        world.traffic.send("Metric", metric("even", value, now + i,
                                            world.tenant))
        world.traffic.send("Telemetry", telemetry(
            "even", now + i, world.tenant, value=value, whole=2**63 - 1 - i))
    world.finish()


def test_the_edge_stores_what_it_accepts(world):
    """Over HTTP: repeats are accepted and stored once; a clock a day ahead and
    numbers that are none are refused, and leave a dead letter."""
    stack, now = world.stack, now_us()
    key = stack.key(world.tenant)
    stack.start("ingest")
    world.writer(ready=False)

    def post(values):
        records = [{"name": "edge", "value": v, "timestamp": now + shift}
                   for v, shift in values]
        done = stack.post("/api/v1/metrics/ingest/batch",
                          {"metrics": records}, key)
        assert isinstance(done, requests.Response)
        return done
    good = [(float(i), -i * HOUR) for i in range(160)]  # 6.7 days
    for _ in range(2):
        answer = post(good)
        assert answer.status_code == 202, answer.text
        assert answer.json()["accepted"] == len(good)
    for repeat in range(2):
        for value, shift in good:
            world.journal.add(Entry(
                "Metric", metric("edge", value, now + shift, world.tenant),
                b"", topic=TOPIC["Metric"], acknowledged=repeat == 0))
    before = letters(world)
    answer = post([(1.0, DAY), (2.0, -9 * DAY), (3.0, 1)])
    assert answer.json()["accepted"] == 1
    world.journal.add(Entry("Metric", metric("edge", 3.0, now + 1,
                                             world.tenant), b"",
                            topic=TOPIC["Metric"], acknowledged=True))
    for value in ("NaN", "Infinity", "1e999"):
        body = b'{"name":"edge","value":%s}' % value.encode()
        assert stack.post("/api/v1/metrics/ingest", body,
                          key).status_code == 400
    wait_until(lambda: letters(world) == before + 5, 20, "five dead letters")
    world.caught_up()
    wrong = [w for w in world.judge() if "the ledger of" not in w]
    assert not wrong, wrong
    # The repeats have no place in the journal; the ledger knows them.
    sums = stack.db.rows("SELECT sum(stored)::int8, sum(duplicate)::int8 FROM"
                         " store.ingest_ledger WHERE topic = 'pulse.metrics'")
    had = world.books.sums.get(TOPIC["Metric"], {})
    assert sums[0] == (had.get("stored", 0) + 161, had.get("duplicate", 0) + 160)


def letters(world):
    return world.stack.db.value(
        "SELECT count(*) FROM dead_letters WHERE tenant_id = %s AND stage ="
        " 'ingest'", (world.tenant,))


def test_one_key_in_two_partitions(world):
    """A producer that knows nothing of keys: the first to come is stored."""
    world.writer(ready=False)
    now = now_us()
    record = metric("twice", 1.0, now, world.tenant)
    entries = [world.traffic.send_bytes(
        TOPIC["Metric"], encode("Metric", record), (), partition=p)
        for p in range(6)]
    world.traffic.flush()
    # Whoever is stored, the judge is told of one and of five repeats.
    for e in entries:
        e.kind, e.record = "Metric", record
    world.finish()

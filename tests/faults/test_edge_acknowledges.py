# SPDX-License-Identifier: Apache-2.0
"""S1: the edge dies at any moment. S5: Kafka is down, slow, or refuses. S6: the
edge's producer breaks for good. Devices send again what was not acknowledged;
nothing acknowledged is lost, nothing is stored that was not sent."""

import io
import time
from datetime import UTC, datetime, timedelta

import checker
import fastavro
import pytest
from harness.records import SCHEMAS
from harness.wait import stays, wait_until
from mock_kafka import (
    CLUSTER_AUTHORIZATION_FAILED,
    INIT_PRODUCER_ID,
    NOT_ENOUGH_REPLICAS,
    OUT_OF_ORDER,
    REQUEST_TIMED_OUT,
    MockKafka,
)

LONG = pytest.mark.long
TOPIC = "pulse.telemetry"
EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND = timedelta(microseconds=1)
# Of an answer: the deadline of PULSE_INGEST_MESSAGE_TIMEOUT, and two seconds
# for librdkafka to see that it has passed. Sanitizers and a busy machine: one.
LATE_S = 3.0


def fleets(world, count, **how):
    return [world.devices(fleet=f"fleet{n}-", **how) for n in range(count)]


def accepted(loads):
    return sum(load.accepted for load in loads)


def goes_on(loads, more=100, timeout=30):
    """The edge acknowledges (again)."""
    for load in loads:
        assert load.problem is None, load.problem
    before = accepted(loads)
    wait_until(lambda: accepted(loads) >= before + more, timeout,
               "devices are acknowledged")


def in_time(loads, timeout_s):
    assert max(load.slowest for load in loads) < timeout_s + LATE_S


# --- S1 ----------------------------------------------------------------------


def test_edge_killed_at_random(world):
    world.writer(ready=False)
    loads = fleets(world, 3, rate=40, rough=True)
    edge = next(p for p in world.stack.processes if p.name == "ingest")
    goes_on(loads)
    for _ in range(200 if world.long else 6):
        edge.kill()
        edge.start(ready=False)
        # At times before it acknowledges anything, mostly after.
        if world.chance.random() < 0.8:
            goes_on(loads, more=20)
        time.sleep(world.chance.uniform(0, 0.5))
    edge.wait_ready()
    goes_on(loads)
    assert sum(load.unanswered for load in loads) > 0
    world.finish(timeout=120)


# --- S5: a real broker -------------------------------------------------------


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_kafka_away(world, how):
    """503 and Retry-After in time, not one 202, and then all of it."""
    kafka = world.stack.kafka
    world.writer(ready=False)
    loads = fleets(world, 3)
    goes_on(loads)
    kafka.kill() if how == "killed" else kafka.process.pause()
    try:
        time.sleep(0.5)  # what was answered just before is through
        before, refused = accepted(loads), sum(x.refused for x in loads)
        # Longer than the requests that were under way may wait.
        stays(lambda: accepted(loads) == before, 600 if world.long else 11,
              "nothing is acknowledged")
        assert sum(x.refused for x in loads) > refused
    finally:
        kafka.start() if how == "killed" else kafka.process.resume()
    goes_on(loads, timeout=60)
    in_time(loads, 8)
    for load in loads:
        assert set(load.codes) <= {"kafka_unavailable", "overloaded"}
    world.finish(timeout=120)


# --- a broker that misbehaves ------------------------------------------------


@pytest.fixture
def mock():
    made = MockKafka()
    yield made
    made.close()


def edge_on(world, mock, timeout="2s"):
    """An edge that knows only this Kafka."""
    return world.edge(PULSE_KAFKA_BROKERS=mock.brokers,
                      PULSE_INGEST_MESSAGE_TIMEOUT=timeout)


def decode(value):
    schema, prefix = SCHEMAS["Telemetry"]
    assert value[:len(prefix)] == prefix
    record = fastavro.schemaless_reader(io.BytesIO(value[len(prefix):]), schema)
    return {**record, "time": (record["time"] - EPOCH) // MICROSECOND}


def judge(world, mock, loads):
    """What the brokers hold against what was acknowledged and what was sent."""
    for load in loads:
        load.finish()
    held = {}
    for message in mock.read_all(TOPIC):
        key, content = checker.row_of("Telemetry", decode(message.value()))
        held.setdefault(key, content)
        assert held[key] == content
    sent = {}
    for e in world.journal.entries:
        key, content = checker.row_of("Telemetry", e.record)
        sent[key] = content
        if e.acknowledged:
            assert held.get(key) == content, f"lost: {key}"
    for key, content in held.items():
        assert sent.get(key) == content, f"nobody sent: {key}"
    assert world.journal.acknowledged() > 0


@pytest.mark.parametrize("rtt, acknowledges", [(1000, True), (20000, False)],
                         ids=["late", "silent"])
def test_slow(world, mock, rtt, acknowledges):
    """Slow is waited for; too slow is 503, though the broker stores it."""
    edge_on(world, mock)
    loads = fleets(world, 3)
    goes_on(loads)
    mock.rtt(rtt)
    if acknowledges:
        goes_on(loads)
    else:
        wait_until(lambda: min(x.refused for x in loads) > 0, 20, "refused")
    time.sleep(60 if world.long else 1)
    mock.rtt(0)
    goes_on(loads)
    in_time(loads, 2)
    judge(world, mock, loads)


@pytest.mark.parametrize("code", [NOT_ENOUGH_REPLICAS, REQUEST_TIMED_OUT],
                         ids=["replicas", "timeout"])
def test_refuses(world, mock, code):
    """Again and again, until the deadline; one fleet, see mock_kafka.py."""
    edge_on(world, mock)
    loads = fleets(world, 1)
    goes_on(loads)
    mock.errors(code, 10000)
    before = accepted(loads)
    wait_until(lambda: loads[0].refused > (10 if world.long else 1), 120,
               "refused")
    # One may have come through between the two lines above.
    assert accepted(loads) <= before + loads[0].each
    assert set(loads[0].codes) == {"kafka_unavailable"}
    mock.no_errors()
    goes_on(loads)
    in_time(loads, 2)
    judge(world, mock, loads)


def test_leaders_move_and_brokers_restart(world, mock):
    edge = edge_on(world, mock, timeout="8s")
    loads = fleets(world, 3)
    for _ in range(20 if world.long else 4):
        for part in range(6):
            mock.lead(TOPIC, part, world.chance.choice(mock.BROKERS))
        goes_on(loads, more=50)
        broker = world.chance.choice(mock.BROKERS)
        mock.down(broker)
        time.sleep(world.chance.uniform(0, 0.5))
        mock.up(broker)
        goes_on(loads, more=50)
    assert edge.ready()
    in_time(loads, 8)
    judge(world, mock, loads)


# --- S6 ----------------------------------------------------------------------


def test_producer_breaks(world, mock):
    """The brokers forget the producer: a fatal error. A new one within 5 s,
    the service goes on, and every request has had a true answer."""
    edge = edge_on(world, mock)
    loads = fleets(world, 3, rate=40)
    goes_on(loads)
    slowest = 0.0
    for n in range(20 if world.long else 4):
        mock.errors(OUT_OF_ORDER, 1)
        start = time.monotonic()
        edge.wait_metric("pulse_ingest_producer_rebuilds_total", n + 1, 5)
        wait_until(edge.ready, 5, "ready again")
        goes_on(loads, more=1, timeout=5)
        slowest = max(slowest, time.monotonic() - start)
    assert slowest < 5
    assert edge.log_count("event=kafka_producer_rebuilt .*OUT_OF_ORDER") > 0
    goes_on(loads)
    in_time(loads, 2)
    judge(world, mock, loads)
    print(f"rebuilt and acknowledging again within {slowest:.2f} s")


def test_producer_not_allowed(world, mock):
    """Each new one breaks, too: not ready in between, and when it is allowed
    the edge notices soon."""
    mock.errors(CLUSTER_AUTHORIZATION_FAILED, 1000, INIT_PRODUCER_ID)
    assert world.key
    edge = world.stack.service("ingest", PULSE_KAFKA_BROKERS=mock.brokers)
    edge.start(ready=False)
    edge.wait_metric("pulse_ingest_producer_rebuilds_total", 2, 15)
    ready = edge.log_count("event=ready")
    body = {"name": "a", "value": 1}
    wait_until(lambda: world.stack.post(
        "/api/v1/metrics/ingest", body, world.key).json()["error"]["code"]
               == "kafka_not_authorised", 10, "it says so")
    edge.wait_metric("pulse_ingest_producer_rebuilds_total", 5, 30)
    assert edge.log_count("event=ready") == ready
    assert edge.log_count("event=kafka_producer_rebuilt") >= 5
    mock.no_errors(INIT_PRODUCER_ID)
    start = time.monotonic()
    edge.wait_ready()
    assert time.monotonic() - start < 5
    assert world.stack.post("/api/v1/metrics/ingest", body,
                            world.key).status_code == 202

# SPDX-License-Identifier: Apache-2.0
"""The collector: what it measures, where it writes it, who leads."""

import http.server
import io
import itertools
import json
import socket
import subprocess
import threading
import time

import fastavro
import pytest
from harness.ports import free_port
from harness.process import ROOT
from harness.stack import BIN
from harness.wait import wait_until

EVERY = {"PULSE_COLLECTOR_INTERVAL": "1s", "PULSE_COLLECTOR_TIMEOUT": "1s"}


@pytest.fixture
def target():
    """A service whose /metrics a test writes."""
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.server.text if self.path == "/metrics" else "no\n"
            self.send_response(200 if self.path == "/metrics" else 503)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.text = ""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.address = f"127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def forget(stack):
    stack.db.execute("DELETE FROM system_metrics")


def latest(stack, name, service):
    """{tags as JSON: value} of the newest round that has the metric."""
    rows = stack.db.rows(
        "SELECT tags::text, value FROM system_metrics WHERE metric_name = %s"
        " AND service IS NOT DISTINCT FROM %s AND time = (SELECT max(time) FROM"
        " system_metrics WHERE metric_name = %s)", (name, service, name))
    return {json.dumps(json.loads(tags)): value for tags, value in rows}


def one(stack, name, service, timeout=15):
    def only():
        found = latest(stack, name, service)
        assert len(found) == 1, found
        return [next(iter(found.values()))]
    return wait_until(only, timeout, f"{name} of {service}")[0]


def test_what_is_measured(stack, target):
    target.text = ('# TYPE things_total counter\nthings_total{topic="a"} 7\n'
                   'wait_seconds_bucket{le="0.1"} 3\nwait_seconds_sum 1.5\n'
                   'wait_seconds_count 4\nbroken{ 1\nnothing NaN\n')
    dead = f"127.0.0.1:{free_port()}"
    forget(stack)
    collector = stack.start("collector", **EVERY, PULSE_TARGETS=(
        f"writer={target.address},ingest={dead}"))
    host = json.dumps({"host": target.address})
    assert wait_until(lambda: latest(stack, "up", "writer"), 15, "up") == {
        host: 1}
    assert latest(stack, "ready", "writer") == {host: 0}
    assert latest(stack, "up", "ingest") == {json.dumps({"host": dead}): 0}
    assert latest(stack, "things_total", "writer") == {
        json.dumps({"host": target.address, "topic": "a"}): 7}
    assert one(stack, "wait_seconds_sum", "writer") == 1.5
    assert one(stack, "wait_seconds_count", "writer") == 4
    assert latest(stack, "wait_seconds_bucket", "writer") == {}
    assert latest(stack, "nothing", "writer") == {}
    # the machine, PostgreSQL, Kafka
    assert 0 <= one(stack, "host_cpu_percent", None) <= 100
    assert 0 < one(stack, "host_memory_used_bytes", None) < one(
        stack, "host_memory_total_bytes", None)
    assert one(stack, "host_disk_total_bytes", None) > 0
    assert one(stack, "postgres_connections", "postgres") >= 1
    assert one(stack, "postgres_connections_max", "postgres") > 1
    assert one(stack, "postgres_database_bytes", "postgres") > 1e6
    assert latest(stack, "timescaledb_chunks", "postgres")
    sizes = latest(stack, "timescaledb_hypertable_bytes", "postgres")
    assert sizes[json.dumps({"hypertable": "public.system_metrics"})] > 0
    assert json.dumps({"hypertable": "store.metrics_daily"}) in sizes
    assert not latest(stack, "timescaledb_compression_ratio", "postgres")
    assert one(stack, "offset_gaps_open", "postgres") == 0
    assert one(stack, "up", "kafka") == 1
    assert collector.metric("pulse_collector_leader") == 1
    assert collector.metric("pulse_collector_samples_dropped_total") > 0
    assert collector.stop() == 0


def test_lag_in_messages_and_seconds(stack):
    topic = "pulse.events"
    for n in range(6):
        stack.kafka.produce(topic, b"x", partition=n % 2)
    stack.db.execute(
        "INSERT INTO store.consumer_offset (consumer, topic, part, topic_id,"
        " first_off, next_off, replay_from) VALUES"
        " ('pulse-writer', %s, 0, 'i', 0, 3, 3),"
        " ('pulse-writer', %s, 1, 'i', 0, 1, 1)", (topic, topic))
    forget(stack)
    collector = stack.start("collector", **EVERY, PULSE_TARGETS="",
                            PULSE_COLLECTOR_PUBLISH="off")

    def lag(what, consumer):
        tags = json.dumps({"topic": topic, "consumer": consumer})
        return latest(stack, f"consumer_lag_{what}", "kafka").get(tags)
    wait_until(lambda: lag("messages", "pulse-writer") == 2, 15, "lag is 2")
    # the evaluator never claimed it: all six messages lie before it
    assert lag("messages", "pulse-evaluator") == 6
    wait_until(lambda: lag("seconds", "pulse-writer") >= 2, 15, "lag ages")
    stack.db.execute("UPDATE store.consumer_offset SET next_off = 3")
    wait_until(lambda: lag("messages", "pulse-writer") == 0, 15, "lag is gone")
    assert lag("seconds", "pulse-writer") == 0
    assert lag("messages", "pulse-evaluator") == 6
    assert collector.stop() == 0
    stack.db.execute("DELETE FROM store.consumer_offset")


def test_the_same_readings_travel_through_kafka(stack, target):
    target.text = 'things_total{topic="a",service="inner"} 7\n'
    before = stack.kafka.ends("pulse.metrics")
    forget(stack)
    collector = stack.start("collector", **EVERY, PULSE_TARGETS=(
        f"writer={target.address}"))
    wait_until(lambda: collector.metric("pulse_collector_published_total",
                                        outcome="acked") > 10, 20, "published")
    assert collector.stop() == 0  # flushes
    form = fastavro.schema.load_schema(_schema("Metric"))
    rows = set(stack.db.rows(
        "SELECT metric_name, service, (extract(epoch FROM time) * 1000000)"
        "::bigint, value FROM system_metrics"))
    found = set()
    for m in stack.kafka.read_all("pulse.metrics"):
        if m.offset() < before[m.partition()]:
            continue
        record = fastavro.schemaless_reader(io.BytesIO(m.value()[10:]), form)
        assert record["tenant_id"] == "pulse"
        when = record["time"]
        if not isinstance(when, int):
            when = round(when.timestamp() * 1e6)
        found.add((record["name"], record["labels"].get("service"), when,
                   record["value"]))
        if record["name"] == "things_total":
            assert record["labels"] == {
                "host": target.address, "topic": "a", "service": "writer",
                "exported_service": "inner"}
    assert found == rows and len(rows) > 10


def _schema(name):
    for path in (ROOT / "schemas").glob("*.avsc"):
        if json.loads(path.read_text())["name"] == name:
            return str(path)
    raise AssertionError(name)


def test_a_target_cannot_flood(stack, target):
    target.text = "".join(f"x{{n=\"{n}\"}} {n}\n" for n in range(1000))
    forget(stack)
    collector = stack.start("collector", **EVERY, PULSE_TARGETS=(
        f"writer={target.address}"), PULSE_COLLECTOR_SERIES_MAX=50)
    wait_until(lambda: len(latest(stack, "x", "writer")) == 50, 15, "50 series")
    assert collector.metric("pulse_collector_samples_dropped_total") >= 950
    assert one(stack, "up", "writer") == 1
    # more than a megabyte is no answer at all
    target.text = "x 1\n" * 400000
    wait_until(lambda: one(stack, "up", "writer") == 0, 15, "up is 0")
    assert collector.stop() == 0


def test_two_collectors_do_not_double_and_the_second_takes_over(stack):
    forget(stack)
    first = stack.start("collector", copy="1", **EVERY, PULSE_TARGETS="")
    wait_until(lambda: first.metric("pulse_collector_leader") == 1, 15, "leads")
    second = stack.start("collector", copy="2", **EVERY, PULSE_TARGETS="")
    start = stack.db.value("SELECT now()")

    def rounds():
        return stack.db.rows(
            "SELECT time, count(*) FROM system_metrics WHERE time > %s AND"
            " metric_name = 'postgres_database_bytes' GROUP BY 1 ORDER BY 1",
            (start,))
    wait_until(lambda: len(rounds()) >= 4, 20, "four rounds")
    seen = rounds()
    assert all(count == 1 for _, count in seen)
    gaps = [(b[0] - a[0]).total_seconds() for a, b in itertools.pairwise(seen)]
    assert all(gap > 0.7 for gap in gaps), gaps  # one writes, not two
    assert second.metric("pulse_collector_leader") == 0
    assert second.metric("pulse_collector_samples_total") == 0
    assert second.ready()
    first.kill()
    wait_until(lambda: second.metric("pulse_collector_leader") == 1, 20,
               "takes over")
    count = len(rounds())
    wait_until(lambda: len(rounds()) >= count + 2, 20, "goes on")
    assert second.stop() == 0


def test_postgres_away_and_back(stack):
    forget(stack)
    collector = stack.start("collector", **EVERY, PULSE_TARGETS="")
    stack.postgres.kill()

    def named():
        status, text = collector._get("/readyz")
        return status == 503 and "postgres" in text
    wait_until(named, 15, "readyz names postgres")
    assert collector.alive()
    stack.postgres.start()
    collector.wait_ready()
    before = stack.db.value("SELECT coalesce(max(time), now()) FROM"
                            " system_metrics")
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM system_metrics WHERE time > %s", (before,)), 15,
        "rows again")
    assert collector.stop() == 0


def test_kafka_away_is_told_and_the_rest_is_written(stack):
    forget(stack)
    collector = stack.service("collector", **EVERY, PULSE_TARGETS="",
                              PULSE_KAFKA_BROKERS="127.0.0.1:1")
    collector.start(ready=False)
    wait_until(lambda: one(stack, "up", "kafka") == 0, 20, "up is 0")
    assert one(stack, "postgres_connections", "postgres") >= 1
    status, text = collector._get("/readyz")
    assert status == 503 and "kafka" in text
    # it says so once a round, and still ends cleanly
    assert collector.stop() == 0


def test_a_target_that_hangs_does_not_hold_the_round(stack):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        forget(stack)
        collector = stack.start("collector", **EVERY, PULSE_TARGETS=(
            f"api=127.0.0.1:{mute.getsockname()[1]}"))
        wait_until(lambda: one(stack, "up", "api") == 0, 15, "up is 0")
        begun = time.monotonic()
        assert collector.stop() == 0
        assert time.monotonic() - begun < 10


def test_the_latest_view_has_it(stack):
    forget(stack)
    collector = stack.start("collector", **EVERY, PULSE_TARGETS="")
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM system_metrics_latest WHERE"
        " metric_name = 'postgres_database_bytes'") == 1, 15, "the view")
    assert collector.stop() == 0


@pytest.mark.parametrize("setting, value", [
    ("PULSE_COLLECTOR_INTERVAL", "soon"),
    ("PULSE_COLLECTOR_SERIES_MAX", "0"),
    ("PULSE_TARGETS", "nonsense"),
])
def test_a_wrong_setting_is_one_line_and_exit_2(setting, value):
    good = subprocess.run([BIN / "pulse-collector", "-n"],
                          capture_output=True, text=True, check=False)
    assert good.returncode == 0
    done = subprocess.run([BIN / "pulse-collector", "-n"], env={setting: value},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert setting in done.stderr and value in done.stderr
    assert len(done.stderr.splitlines()) == 1

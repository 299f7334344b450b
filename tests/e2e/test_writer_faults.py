# SPDX-License-Identifier: Apache-2.0
"""Writers that stop, freeze and die; databases and logs that go away."""

import itertools
import os
import signal
import threading
import time

import pytest
from harness.records import Injector, metric, now_us, telemetry
from harness.wait import wait_until

MESSAGES = "pulse_writer_messages_total"
SETTINGS = {"PULSE_WRITER_SESSION_TIMEOUT": "6s"}


NUMBERS = itertools.count(1)


def start(stack, ready=True, **settings):
    """A writer with a log of its own."""
    return stack.service("writer", f"-{next(NUMBERS)}", **SETTINGS, **settings
                         ).start(ready=ready)


@pytest.fixture
def inject(stack):
    return Injector(stack.kafka.brokers)


@pytest.fixture(autouse=True)
def clean(stack):
    """Each test begins with no writer, and servers that run."""
    yield
    for process in stack.processes:
        if process.running():
            process.stop()
    for server in (stack.kafka, stack.postgres):
        if not server.process.running():
            server.start()


def balance(stack):
    """Messages accounted for; the ledger must balance at every moment."""
    found = stack.db.rows(
        "SELECT coalesce(sum(consumed), 0)::int8,"
        " coalesce(sum(abs(unaccounted)), 0)::int8 FROM store.ledger")[0]
    assert found[1] == 0, "the ledger does not balance"
    return found[0]


def in_log(stack):
    return sum(sum(stack.kafka.ends(t).values()) for t in (
        "pulse.metrics", "pulse.telemetry", "pulse.events", "pulse.deadletter"))


def caught_up(stack, timeout=60):
    """Everything in the log is accounted for."""
    total = in_log(stack)
    wait_until(lambda: balance(stack) == total, timeout,
               f"{total} messages are accounted for", interval=0.2)


def stored(stack, device):
    """(rows, different times, samples, different series and times)"""
    return stack.db.rows(
        "SELECT (SELECT count(*) FROM store.telemetry WHERE device_id = %s),"
        " (SELECT count(DISTINCT time) FROM store.telemetry"
        "  WHERE device_id = %s), count(*), count(DISTINCT (series_id, time))"
        " FROM store.samples JOIN store.series USING (series_id)"
        " WHERE labels->>'device_id' = %s", (device,) * 3)[0]



class Load(threading.Thread):
    """Telemetry of a few devices in the background, each message counted."""

    def __init__(self, inject, name, rate=500):
        super().__init__(daemon=True)
        self.inject, self.name_, self.rate = inject, name, rate
        self.sent = 0
        self.ending = threading.Event()

    def run(self):
        start, base = time.monotonic(), now_us()
        while not self.ending.is_set():
            due = int((time.monotonic() - start) * self.rate)
            for i in range(self.sent, due):
                self.inject.send("Telemetry", telemetry(
                    self.name_, base + i, seq=i, a=float(i), b=i))
            self.sent = max(self.sent, due)
            time.sleep(0.02)

    def finish(self):
        self.ending.set()
        self.join()
        self.inject.flush()
        return self.sent


@pytest.fixture
def load(request, inject):
    thread = Load(inject, request.node.name)
    thread.start()
    yield thread
    thread.ending.set()


def all_once(stack, load):
    """What load sent is there, each message exactly once."""
    count = load.finish()
    assert count > 500
    caught_up(stack)
    assert stored(stack, load.name_) == (count, count, 2 * count, 2 * count)


def test_sigterm_under_load_loses_nothing(stack, load):
    for _ in range(3):
        writer = start(stack)
        writer.wait_metric(MESSAGES, 300)
        assert writer.stop() == 0
    start(stack)
    all_once(stack, load)







@pytest.mark.timeout(240)
def test_sigterm_while_postgres_hangs(stack, inject):
    """The loop waits in a call that does not return; it ends nevertheless."""
    writer = start(stack, PULSE_DRAIN_TIMEOUT="2s")
    backends = stack.db.rows("SELECT pid FROM pg_stat_activity"
                             " WHERE application_name = 'pulse-writer'")
    for (pid,) in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        inject.send("Metric", metric("hang", 1.0, now_us()), partition=1)
        inject.flush()
        time.sleep(1)
        writer.signal(signal.SIGTERM)
        assert writer.wait(10) == 1
    finally:
        for (pid,) in backends:
            os.kill(pid, signal.SIGCONT)
    start(stack)
    caught_up(stack)





def test_without_a_database_it_leaves_the_group_and_returns(stack, load):
    writer = start(stack, PULSE_WRITER_MAX_POLL_INTERVAL="6s")
    stack.postgres.stop()
    writer.wait_log("event=leaving", 20)
    assert writer.alive()
    stack.postgres.start()
    writer.wait_ready(60)
    assert writer.log_count("event=joining") == 2
    all_once(stack, load)


def test_it_starts_before_its_servers(stack, inject):
    stack.postgres.stop()
    writer = start(stack, ready=False)
    writer.wait_log("event=database_away", 20)
    assert writer.alive() and not writer.ready()
    stack.postgres.start()
    writer.wait_ready()
    t = now_us()
    inject.send("Metric", metric("early", 1.0, t))
    inject.flush()
    caught_up(stack)


def test_a_broker_restart(stack, load):
    writer = start(stack)
    writer.wait_metric(MESSAGES, 300)
    stack.kafka.kill()
    wait_until(lambda: not writer.ready(), 20, "the writer is not ready")
    stack.kafka.start()
    writer.wait_ready(60)
    all_once(stack, load)


def test_what_the_log_lost_is_counted(stack, inject):
    """Retention passed the writer: a gap in the ledger, never silence."""
    t = now_us()
    inject.send("Metric", *[metric("gap", float(i), t + i)
                            for i in range(50)], partition=4)
    inject.flush()
    start(stack)
    caught_up(stack)
    stack.processes[-1].stop()
    base = stack.db.value("SELECT next_off FROM store.consumer_offset WHERE"
                          " topic = 'pulse.metrics' AND part = 4")
    inject.send("Metric", *[metric("gap", float(i), t + 100 + i)
                            for i in range(50)], partition=4)
    inject.flush()
    stack.kafka.delete_before("pulse.metrics", 4, base + 20)
    writer = start(stack)
    caught_up(stack)
    assert stack.db.value("SELECT sum(gap)::int8 FROM store.ledger WHERE"
                          " topic = 'pulse.metrics' AND part = 4") == 20
    assert writer.log_count("event=log_gap .*messages=20") == 1


def test_the_log_loses_its_start_under_a_running_writer(stack, inject):
    writer = start(stack)
    t = now_us()
    inject.send("Metric", metric("run", 0.0, t), partition=5)
    inject.flush()
    caught_up(stack)
    ends = stack.kafka.ends("pulse.metrics")
    writer.pause()
    time.sleep(0.5)  # longer than a fetch waits: none is under way
    inject.send("Metric", *[metric("run", 1.0, t + 1 + i)
                            for i in range(30)], partition=5)
    inject.flush()
    stack.kafka.delete_before("pulse.metrics", 5, ends[5] + 10)
    writer.resume()
    caught_up(stack)
    assert writer.log_count("event=position_outside_log") == 1
    assert stack.db.value("SELECT sum(gap)::int8 FROM store.ledger WHERE"
                          " topic = 'pulse.metrics' AND part = 5") == 10
    inject.send("Metric", metric("run", 2.0, t + 100), partition=5)
    inject.flush()
    caught_up(stack)


def test_a_topic_made_anew_is_read_from_its_start(stack, inject):
    """Offsets alone would not show it: the new log is longer than the old."""
    t = now_us()
    inject.send("Metric", metric("first", 1.0, t), partition=0)
    inject.flush()
    start(stack)
    caught_up(stack)
    stack.processes[-1].stop()
    stack.kafka.fresh_topics()
    again = Injector(stack.kafka.brokers)
    again.send("Metric", *[metric("second", 1.0, t + i) for i in range(500)],
               partition=0)
    again.flush()
    writer = start(stack)
    caught_up(stack)
    assert stack.db.value(
        "SELECT count(*) FROM store.samples JOIN store.series"
        " USING (series_id) WHERE name = 'second'") == 500
    assert writer.log_count("event=topic_recreated") > 0


def test_a_topic_made_anew_under_a_running_writer(stack, inject):
    """Frozen meanwhile, it sees neither an error nor an offset out of range:
    only the topic's id tells."""
    t = now_us()
    inject.send("Metric", *[metric("old", 1.0, t + i) for i in range(20)],
                partition=0)
    inject.flush()
    writer = start(stack)
    caught_up(stack)
    writer.pause()
    stack.kafka.fresh_topics()
    again = Injector(stack.kafka.brokers)
    again.send("Metric", *[metric("new", 1.0, t + i) for i in range(50)],
               partition=0)
    again.flush()
    writer.resume()
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM store.samples JOIN store.series"
        " USING (series_id) WHERE name = 'new'") == 50, 30, "all are stored")
    balance(stack)


@pytest.mark.parametrize("name, value", [
    ("PULSE_WRITER_BATCH_ROWS", "many"), ("PULSE_WRITER_BATCH_AGE", "0s"),
    ("PULSE_TELEMETRY_SERIES", "perhaps"),
    ("PULSE_WRITER_SESSION_TIMEOUT", "5h")])
def test_a_wrong_setting_is_one_line_and_exit_2(stack, name, value):
    done = stack.run("-n", program="pulse-writer", **{name: value})
    assert done.returncode == 2
    assert name in done.stderr and len(done.stderr.splitlines()) == 1
    assert stack.run("-n", program="pulse-writer").returncode == 0


def test_telemetry_series_may_be_off(stack, inject):
    start(stack, PULSE_TELEMETRY_SERIES="off")
    inject.send("Telemetry", telemetry("rows-only", now_us(), a=1.0))
    inject.flush()
    caught_up(stack)
    assert stored(stack, "rows-only") == (1, 1, 0, 0)



# SPDX-License-Identifier: Apache-2.0
"""Writers that stop, freeze and die; databases and logs that go away."""

import itertools
import os
import signal
import threading
import time

import pytest
from harness.records import Injector, metric, now_us, telemetry
from harness.wait import stays, wait_until

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


def claim_owners(stack):
    return dict(stack.db.rows(
        "SELECT owner, count(*) FROM store.consumer_offset GROUP BY owner"))


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


def test_a_frozen_writer_inside_a_copy_changes_nothing(stack, load, inject):
    """SIGSTOP between the first bytes of a COPY and its end, past the session
    timeout. The other writer ends the frozen one's backend and takes over; the
    batch of the zombie is gone, each of its messages is stored once."""
    zombie = start(stack, PULSE_WRITER_OWNER="zombie")
    zombie.wait_metric(MESSAGES, 100)
    backend = freeze_inside_copy(stack, zombie)
    heir = start(stack, ready=False, PULSE_WRITER_OWNER="heir")
    wait_until(lambda: claim_owners(stack).get("heir") == 21, 60,
               "the heir has all partitions")
    assert heir.log_count("its backend was ended") >= 1
    assert not stack.db.rows("SELECT FROM pg_stat_activity WHERE pid = %s",
                             (backend,))
    heir.wait_ready()
    zombie.resume()
    # It learns that it is out, and joins again as one of two.
    wait_until(lambda: set(claim_owners(stack)) == {"heir", "zombie"}, 60,
               "both share the partitions")
    all_once(stack, load)
    assert zombie.running()


def freeze_inside_copy(stack, writer):
    """SIGSTOPs the writer while its backend waits, inside a COPY, for bytes
    that now never come; returns the backend's pid. A lock holds the COPY up
    until the writer has stopped in it."""
    for _ in range(20):
        with stack.db.connect() as c, c.transaction():
            c.execute("LOCK TABLE store.samples IN ACCESS EXCLUSIVE MODE")
            backend = wait_until(lambda: copying(stack, "Lock"), 20,
                                 "a COPY waits for the lock")
            writer.pause()
        try:
            wait_until(lambda: copying(stack, "Client"), 3,
                       "the COPY waits for its client")
        except AssertionError:
            writer.resume()
        else:
            return backend
    raise AssertionError("the writer was never frozen inside a COPY")


def copying(stack, waiting_for):
    """Backend that waits so in a COPY of samples; None: there is none."""
    found = stack.db.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name ="
        " 'pulse-writer' AND wait_event_type = %s AND query LIKE"
        " 'COPY store.samples%%'", (waiting_for,))
    return found[0][0] if found else None


def test_a_frozen_writer_with_all_of_its_batch_sent(stack, inject):
    """Frozen while nothing is open: its claims are stale when it wakes."""
    zombie = start(stack, PULSE_WRITER_OWNER="zombie")
    wait_until(lambda: claim_owners(stack).get("zombie") == 21, 30, "claimed")
    zombie.pause()
    start(stack, PULSE_WRITER_OWNER="heir")
    wait_until(lambda: claim_owners(stack).get("heir") == 21, 60,
               "the heir has all partitions")
    t = now_us()
    inject.send("Metric", *[metric("stale", 1.0, t + i) for i in range(100)])
    inject.flush()
    zombie.resume()
    caught_up(stack)
    assert stack.db.value(
        "SELECT count(*) FROM store.samples JOIN store.series"
        " USING (series_id) WHERE name = 'stale'") == 100


def test_two_writers_share_and_inherit(stack, load):
    first = start(stack, PULSE_WRITER_OWNER="one")
    second = start(stack, PULSE_WRITER_OWNER="two")
    wait_until(lambda: set(claim_owners(stack)) == {"one", "two"}, 60,
               "both have partitions")
    assert first.stop() == 0
    wait_until(lambda: claim_owners(stack) == {"two": 21}, 30,
               "the second inherits all")
    assert second.running()
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


def test_postgres_down_for_30_seconds(stack, load):
    writer = start(stack)
    writer.wait_metric(MESSAGES, 300)
    stack.postgres.stop()
    wait_until(lambda: not writer.ready(), 10, "the writer is not ready")
    stays(lambda: writer.running() and writer.alive(), 30,
          "the writer waits", interval=1)
    stack.postgres.start()
    writer.wait_ready()
    all_once(stack, load)


def test_postgres_crashes_again_and_again(stack, load):
    """Whatever the moment, a COMMIT of unknown outcome among them."""
    writer = start(stack, PULSE_WRITER_BATCH_AGE="5ms")
    for _ in range(5):
        writer.wait_metric(MESSAGES, writer.metric(MESSAGES) + 200)
        stack.postgres.kill()
        stack.postgres.start()
    all_once(stack, load)


def test_backends_ended_in_mid_batch(stack, load):
    writer = start(stack, PULSE_WRITER_BATCH_AGE="5ms")
    for _ in range(15):
        writer.wait_metric(MESSAGES, writer.metric(MESSAGES) + 1)
        stack.db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pulse-writer'")
    all_once(stack, load)


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



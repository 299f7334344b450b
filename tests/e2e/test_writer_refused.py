# SPDX-License-Identifier: Apache-2.0
"""A database that refuses a batch for reasons that pass: it is written again,
and no row becomes a dead letter."""

import os
import signal

import pytest
from harness.accounts import Delta, samples
from harness.records import Injector, metric, now_us
from harness.wait import stays, wait_until

FAILED = "pulse_writer_batches_failed_total"

# A sequence is not rolled back: the first tries fail, later ones do not.
REFUSE = """
CREATE SEQUENCE public.tries;
GRANT USAGE ON SEQUENCE public.tries TO pulse_writer;
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.value = 7 AND nextval('public.tries') <= 2 THEN
        RAISE EXCEPTION 'not now' USING ERRCODE = '{}';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON store.samples
    FOR EACH ROW EXECUTE FUNCTION public.refuse();
"""


@pytest.fixture(scope="module")
def writer(stack):
    return stack.start("writer", PULSE_WRITER_SESSION_TIMEOUT="6s",
                       PULSE_WRITER_STATEMENT_TIMEOUT="2s")


@pytest.fixture(scope="module")
def send(stack, writer):
    wait_until(lambda: len(stack.db.rows(
        "SELECT FROM store.consumer_offset")) == 21, 30, "all claimed")
    return Delta(stack, Injector(stack.kafka.brokers))


@pytest.fixture
def refuse(stack):
    yield lambda sqlstate: stack.db.execute(REFUSE.format(sqlstate))
    stack.db.execute("DROP FUNCTION public.refuse CASCADE;"
                     "DROP SEQUENCE public.tries")


@pytest.mark.parametrize("sqlstate, kind", [
    ("40001", "conflict"), ("40P01", "deadlock"), ("53100", "disk_full"),
    ("53200", "resources"), ("55P03", "lock_timeout"), ("57014", "timeout"),
    ("57P01", "shutdown"), ("25006", "read_only"), ("42501", "schema"),
    ("58030", "other")])
def test_what_passes_is_tried_again(stack, send, writer, refuse, sqlstate,
                                    kind):
    refuse(sqlstate)
    before = writer.metric(FAILED, **{"class": kind})
    t, name = now_us(), f"pass{sqlstate}"
    assert send("Metric", *[metric(name, float(i), t + i)
                            for i in range(20)]) == (20, 0, 0, 0)
    assert len(samples(stack, name)) == 20
    assert writer.metric(FAILED, **{"class": kind}) == before + 2
    assert stack.db.value("SELECT count(*) FROM dead_letters") == 0


def backends(stack):
    return [pid for pid, in stack.db.rows(
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'pulse-writer'")]


def test_a_frozen_session_is_left_behind(stack, send, writer):
    """It answers nothing, not even that its time is over; the writer's loop
    waits no longer than the statement's time and a little more."""
    frozen = backends(stack)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        t = now_us()
        assert send("Metric", metric("frozen", 1.0, t)) == (1, 0, 0, 0)
        assert writer.log_count("event=database_lost .*given up") == 1
        assert set(backends(stack)) > set(frozen)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert len(samples(stack, "frozen")) == 1


def test_a_frozen_server_leaves_the_writer_alive(stack, send, writer):
    """All its processes: nobody can be connected to either. The loop turns,
    and the rest waits in Kafka."""
    inject = Injector(stack.kafka.brokers)
    frozen = [stack.postgres.process.pid]
    try:
        os.kill(frozen[0], signal.SIGSTOP)
        # The parent first: it makes no new ones. A stopped parent does not
        # bury its dead either, so the numbers stay theirs.
        frozen += map(int, os.popen(f"pgrep -P {frozen[0]}").read().split())
        for pid in frozen[1:]:
            os.kill(pid, signal.SIGSTOP)
        inject.send("Metric", metric("thaw", 1.0, now_us()))
        inject.flush()
        wait_until(lambda: not writer.ready(), 20, "it is not ready")
        stays(lambda: writer.alive(), 8, "it is alive", interval=0.5)
    finally:
        for pid in reversed(frozen):  # who buries them is the last
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: len(samples(stack, "thaw")) == 1, 30, "stored")
    writer.wait_ready()


def test_a_batch_too_slow_gets_smaller(stack, writer, send):
    """Half as many rows at a time, until a statement has time enough."""
    stack.db.execute(
        "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN IF NEW.value = 1 THEN PERFORM pg_sleep(0.004); END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER slow BEFORE INSERT ON store.samples"
        " FOR EACH ROW EXECUTE FUNCTION public.slow()")
    try:
        t = now_us()
        inject = Injector(stack.kafka.brokers)
        writer.pause()
        inject.send("Metric", *[metric("slow", 1.0, t + i)
                                for i in range(2000)])
        inject.flush()
        writer.resume()
        wait_until(lambda: len(samples(stack, "slow")) == 2000, 60,
                   "all are stored", interval=0.5)
        assert writer.metric(FAILED, **{"class": "timeout"}) >= 3
    finally:
        stack.db.execute("DROP FUNCTION public.slow CASCADE")


def test_topics_have_their_lag(writer, send):
    send("Metric", metric("lag", 1.0, now_us()))
    assert writer.metric("pulse_writer_lag_seconds_count",
                         topic="pulse.metrics") > 0
    assert writer.metric("pulse_writer_message_bytes_total",
                         topic="pulse.metrics") > 0
    wait_until(lambda: writer.metric("pulse_writer_lag_messages") == 0, 20,
               "nothing is left to be read")

# SPDX-License-Identifier: Apache-2.0
"""Rows that come late, and those for chunks that are compressed."""

import pytest
from harness.accounts import Delta, letters, samples
from harness.records import Injector, event, metric, now_us, telemetry
from harness.wait import wait_until

DAY = 86_400_000_000
MINUTE = 60_000_000


@pytest.fixture(scope="module")
def writer(stack):
    return stack.start("writer", PULSE_WRITER_SESSION_TIMEOUT="6s")


@pytest.fixture(scope="module")
def send(stack, writer):
    wait_until(lambda: len(stack.db.rows(
        "SELECT FROM store.consumer_offset")) == 21, 30, "all claimed")
    return Delta(stack, Injector(stack.kafka.brokers))


def new_session(stack):
    """The writer asks for the store's settings when it connects."""
    stack.db.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'pulse-writer'")


def test_beyond_the_late_limit(stack, send, writer):
    now = now_us()
    late = now - 8 * DAY - MINUTE
    assert send("Metric", metric("old", 1.0, late, host="a"),
                metric("old", 2.0, late + 2 * MINUTE, host="a"),
                ) == (1, 0, 1, 0)
    assert [v for _, _, v in samples(stack, "old")] == [2.0]
    # The whole message is its letter, and none of its numbers is stored.
    assert send("Telemetry", telemetry("late", late, old_temp=1.0),
                telemetry("late", now, old_temp=2.0)) == (1, 0, 1, 0)
    assert [v for _, _, v in samples(stack, "old_temp")] == [2.0]
    # Nor does it make a series, and the series may come later.
    assert send("Metric", metric("only_late", 1.0, late)) == (0, 0, 1, 0)
    assert not stack.db.rows("SELECT FROM store.series"
                             " WHERE name = 'only_late'")
    assert send("Metric", metric("only_late", 1.0, now)) == (1, 0, 0, 0)
    assert stack.db.value("SELECT count(*) FROM store.telemetry"
                          " WHERE device_id = 'late'") == 1
    assert send("Event", event("late", late)) == (0, 0, 1, 0)
    assert [(k[0], k[2], k[3]) for k in letters(stack, "too_late")] == [
        ("acme", None, "pulse.metrics"), ("acme", "late", "pulse.telemetry"),
        ("acme", None, "pulse.metrics"), ("acme", None, "pulse.events")]
    detail = stack.db.rows("SELECT detail FROM dead_letters"
                           " WHERE reason = 'too_late'")[0][0]
    assert "older than the late limit" in detail
    assert writer.metric("pulse_writer_dead_letters_total",
                         reason="too_late") == 4
    assert [writer.metric("pulse_writer_rows_total", table=t,
                          verdict="too_late")
            for t in ("samples", "telemetry", "raw_events")] == [2, 1, 1]


def test_the_late_limit_is_a_setting(stack, send):
    stack.db.execute("UPDATE store.settings SET late_limit = '3 days'")
    new_session(stack)
    t = now_us() - 4 * DAY
    assert send("Metric", metric("limit", 1.0, t)) == (0, 0, 1, 0)
    stack.db.execute("UPDATE store.settings SET late_limit = '8 days'")
    new_session(stack)
    assert send("Metric", metric("limit", 1.0, t)) == (1, 0, 0, 0)


def test_numbers_of_a_database_that_lost_its_last_series(stack, send):
    """As after a failover to a standby that lagged, or a restore: the number
    may be another's by now, whoever remembers it must ask again."""
    t = now_us()
    assert send("Metric", metric("lost", 1.0, t)) == (1, 0, 0, 0)
    assert send("Telemetry", telemetry("lost", t, lost_temp=1.0)
                ) == (1, 0, 0, 0)
    before = dict(stack.db.rows("SELECT name, series_id FROM store.series"
                                " WHERE name LIKE 'lost%'"))
    assert len(before) == 2
    stack.db.execute(
        "DELETE FROM store.samples USING store.series s"
        " WHERE s.series_id = samples.series_id AND s.name LIKE 'lost%';"
        "DELETE FROM store.series WHERE name LIKE 'lost%'")
    new_session(stack)
    assert send("Metric", metric("lost", 2.0, t + 1)) == (1, 0, 0, 0)
    assert send("Telemetry", telemetry("lost", t + 1, lost_temp=2.0)
                ) == (1, 0, 0, 0)
    for name, number in before.items():
        assert [v for _, _, v in samples(stack, name)] == [2.0]
        assert not stack.db.rows(
            "SELECT FROM store.samples WHERE series_id = %s", (number,))


# ---- rollups ----

def marks(stack, name):
    """Minutes of the metric's marks, µs."""
    return [m for m, in stack.db.rows(
        "SELECT (extract(epoch FROM bucket) * 1000000)::int8"
        " FROM store.rollup_marks JOIN store.series USING (series_id)"
        " WHERE level = '1min' AND name = %s ORDER BY 1", (name,))]


def rolled_up(stack):
    """Runs the rollup job; where it is then, µs."""
    with stack.db.connect() as c:
        c.execute("SELECT store.rollup_advance()")
        c.execute("SELECT store.rollup_fill()")
    return stack.db.value(
        "SELECT (extract(epoch FROM upto) * 1000000)::int8"
        " FROM store.rollup_watermark WHERE level = '1min'")


def test_only_rows_behind_the_rollups_are_marked(stack, send, writer):
    upto = rolled_up(stack)
    first, second = upto - 20 * MINUTE, upto - 10 * MINUTE
    before = writer.metric("pulse_writer_rollup_marks_total")
    # Staged (the series is new), and then directly: both are marked; a minute
    # once, and what is newer not at all.
    assert send("Metric", metric("mark", 1.0, first)) == (1, 0, 0, 0)
    staged = writer.metric("pulse_writer_staged_rows_total", table="samples")
    assert send("Metric", metric("mark", 2.0, second),
                metric("mark", 3.0, second + 1_000_000),
                metric("mark", 4.0, upto), metric("mark", 5.0, now_us()),
                ) == (4, 0, 0, 0)
    assert writer.metric("pulse_writer_staged_rows_total",
                         table="samples") == staged
    assert marks(stack, "mark") == [first, second]
    assert writer.metric("pulse_writer_rollup_marks_total") == before + 2
    assert writer.metric("pulse_writer_late_rows_total") >= 3


def test_what_was_there_already_is_not_marked(stack, send):
    t = rolled_up(stack) - 30 * MINUTE
    assert send("Metric", metric("again", 1.0, t)) == (1, 0, 0, 0)
    assert marks(stack, "again") == [t]
    rolled_up(stack)
    assert marks(stack, "again") == []
    assert send("Metric", metric("again", 1.0, t), metric("again", 2.0, t),
                ) == (0, 1, 1, 0)
    assert marks(stack, "again") == []


def test_late_rows_reach_the_rollups(stack, send):
    t = rolled_up(stack) - 40 * MINUTE
    send("Metric", metric("rolled", 1.0, t))
    rolled_up(stack)
    send("Metric", metric("rolled", 3.0, t + 1))
    rolled_up(stack)
    assert stack.db.rows(
        "SELECT count, sum FROM store.metrics_1min JOIN store.series"
        " USING (series_id) WHERE name = 'rolled'") == [(2, 4.0)]


# ---- compressed chunks ----

TOO_MUCH = """
CREATE FUNCTION public.piece_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM set_config('test.rows', '0', false); RETURN NULL; END $$;
CREATE FUNCTION public.piece_grows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE n int := current_setting('test.rows')::int + 1;
BEGIN
    IF NEW.time < now() - interval '7 days' THEN
        PERFORM set_config('test.rows', n::text, false);
        IF n > {most} THEN
            RAISE EXCEPTION 'tuple decompression limit exceeded by operation'
                USING ERRCODE = '53400';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER begins BEFORE INSERT ON store.samples
    FOR EACH STATEMENT EXECUTE FUNCTION public.piece_begins();
CREATE TRIGGER grows BEFORE INSERT ON store.samples
    FOR EACH ROW EXECUTE FUNCTION public.piece_grows();
"""


@pytest.fixture
def limit(stack):
    """A server that inserts no more old rows than this in one statement."""
    def set_limit(most):
        stack.db.execute(TOO_MUCH.format(most=most))
    yield set_limit
    stack.db.execute("DROP FUNCTION IF EXISTS public.piece_begins CASCADE")
    stack.db.execute("DROP FUNCTION IF EXISTS public.piece_grows CASCADE")


@pytest.fixture
def compressing(stack):
    """As the timescale edition answers it: chunks of over 7 days may be
    compressed."""
    def answer(edition):
        stack.db.execute(
            "CREATE OR REPLACE FUNCTION store.writer_horizons("
            " OUT late_before timestamptz, OUT compressed_before timestamptz)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog"
            " AS $$ SELECT now() - s.late_limit, CASE WHEN '" + edition +
            "' = 'timescale' THEN now() - s.compress_after ELSE '-infinity'"
            " END FROM store.settings s $$")
        new_session(stack)
    answer("timescale")
    yield
    answer("apache")


def aged(writer):
    return writer.metric("pulse_writer_aged_rows_total", table="samples")


def test_old_rows_go_in_small_pieces(stack, send, writer, compressing, limit):
    limit(1000)
    t, count = now_us() - 7 * DAY - 120 * MINUTE, 2500
    before = aged(writer)
    redone = writer.metric("pulse_writer_batches_redone_total")
    old = [metric("aged", float(i), t + i) for i in range(count)]
    new = [metric("aged", float(i), now_us() + i) for i in range(10)]
    assert send("Metric", *old, *new) == (count + 10, 0, 0, 0)
    assert aged(writer) == before + count
    assert writer.metric("pulse_writer_batches_redone_total") == redone
    assert len(samples(stack, "aged")) == count + 10
    # The same again, one of another content and one more.
    again = [*old, metric("aged", -1.0, t), metric("aged", 1.0, t + count)]
    assert send("Metric", *again) == (1, count, 1, 0)


def test_what_is_too_much_is_split(stack, send, writer, limit):
    """Chunks compressed by hand, or a limit that is smaller than ours."""
    limit(20)
    t, count = now_us() - 7 * DAY - 60 * MINUTE, 300
    assert send("Metric", *[metric("split", float(i), t + i)
                            for i in range(count)]) == (count, 0, 0, 0)
    assert len(samples(stack, "split")) == count
    assert writer.log_count("event=batch_redone .*53400") >= 2
    assert letters(stack, "unstorable") == []


def test_poison_among_what_is_too_much(stack, send, limit):
    """Bisecting goes on where a statement is too large, and finds the row."""
    stack.db.execute("ALTER TABLE store.samples ADD CONSTRAINT no_424242"
                     " CHECK (value <> 424242)")
    try:
        limit(20)
        t, count = now_us() - 7 * DAY - 30 * MINUTE, 100
        batch = [metric("both", float(i), t + i) for i in range(count)]
        batch[70]["value"] = 424242.0
        assert send("Metric", *batch) == (count - 1, 0, 1, 0)
        assert len(letters(stack, "unstorable")) == 1
    finally:
        stack.db.execute("ALTER TABLE store.samples DROP CONSTRAINT"
                         " no_424242")

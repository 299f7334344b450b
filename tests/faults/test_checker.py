# SPDX-License-Identifier: Apache-2.0
"""The judge judged: on a good run it is content; whatever is then changed in
the database or in the journal, it sees."""

from collections import Counter
from dataclasses import replace

import checker
import psycopg
import pytest
from journal import Journal


@pytest.fixture(scope="module")
def run(home):
    """A run without faults, all of it stored: (world, connection)."""
    world = home.world("checker", 1)
    stack = world.stack
    world.writer()
    world.traffic.burst(300)
    world.finish()
    world.close()
    with psycopg.connect(stack.postgres.admin_url(stack.db.name)) as c:
        yield world, c
        c.rollback()


def complaints(run, *doctoring):
    """What the judge says of the doctored database; it is cured again."""
    world, c = run
    for sql in doctoring:
        done = c.execute(sql)
        assert done.rowcount != 0, f"changes nothing: {sql}"
    stored = checker.Stored.read(c, world.tenants, world.books)
    wrong = checker.judge(world.journal, stored, world.books, world.ends())
    c.rollback()
    return wrong


def test_content_with_a_good_run(run):
    assert complaints(run) == []
    kinds = {kind for (kind, *_), _ in checker.expect(run[0].journal).rows.items()}
    assert kinds == {"Telemetry", "Sample", "Event"}


ONE = ("(tableoid, ctid) = (SELECT tableoid, ctid FROM {t}"
       " ORDER BY tableoid, ctid LIMIT 1)")


@pytest.mark.parametrize("doctoring, says", [
    ("DELETE FROM store.telemetry WHERE {one:store.telemetry}", "lost"),
    ("DELETE FROM store.samples WHERE {one:store.samples}", "lost"),
    ("DELETE FROM store.raw_events WHERE {one:store.raw_events}", "lost"),
    ("UPDATE store.samples SET value = value + 1 WHERE {one:store.samples}",
     "another value"),
    ("UPDATE store.telemetry SET seq = seq + 1 WHERE {one:store.telemetry}",
     "another value"),
    ("UPDATE store.telemetry SET metrics = metrics - 'mode'"
     " WHERE {one:store.telemetry}", "another value"),
    ("UPDATE store.raw_events SET data = '{{}}' WHERE {one:store.raw_events}",
     "another value"),
    ("INSERT INTO store.samples SELECT now(), series_id, 1 FROM store.samples"
     " LIMIT 1", "nobody sent"),
    ("INSERT INTO store.telemetry (time, tenant_id, device_id, metrics)"
     " VALUES (now(), 't-checker', 'ghost', '{{}}')", "nobody sent"),
    ("DELETE FROM dead_letters WHERE id = (SELECT max(id) FROM dead_letters)",
     "no dead letter"),
    ("UPDATE dead_letters SET reason = 'whim' WHERE id ="
     " (SELECT max(id) FROM dead_letters)", "says whim"),
    ("UPDATE dead_letters SET payload = 'x' WHERE id ="
     " (SELECT max(id) FROM dead_letters)", "other bytes"),
    ("INSERT INTO dead_letters (stage, reason, payload, topic, part, off,"
     " failed_at) SELECT stage, reason, payload, topic, part, off, failed_at"
     " FROM dead_letters ORDER BY id DESC LIMIT 1", "2 dead letters"),
    ("INSERT INTO dead_letters (stage, reason, payload, topic, part, off,"
     " failed_at) VALUES ('writer', 'whim', '', 'pulse.metrics', 0, 1000000,"
     " now())", "of the good"),
    ("UPDATE store.ingest_ledger SET stored = stored + 1"
     " WHERE {one:store.ingest_ledger}", "unaccounted for"),
    ("UPDATE store.ingest_ledger SET stored = stored - 1, duplicate ="
     " duplicate + 1 WHERE topic = 'pulse.metrics' AND stored > 0",
     "the ledger of pulse.metrics has"),
    ("UPDATE store.consumer_offset SET next_off = next_off + 1 WHERE part = 1"
     " AND topic = 'pulse.metrics'", "the log ends at"),
])
def test_sees_what_was_doctored(run, doctoring, says):
    for table in ("telemetry", "samples", "raw_events", "ingest_ledger"):
        name = f"store.{table}"
        doctoring = doctoring.replace(f"{{one:{name}}}", ONE.format(t=name))
    wrong = complaints(run, doctoring.replace("{{}}", "{}"))
    assert any(says in w for w in wrong), wrong


def test_sees_a_row_that_is_there_twice(run):
    """No unique index would stop it."""
    for table, key in (("telemetry", "telemetry_pkey"),):
        wrong = complaints(
            run, f"ALTER TABLE store.{table} DROP CONSTRAINT {key}",
            f"INSERT INTO store.{table} SELECT * FROM store.{table} WHERE"
            " tenant_id = 't-checker' LIMIT 1")
        assert any("stored 2 times" in w for w in wrong), wrong


def judged(run, journal):
    world, c = run
    stored = checker.Stored.read(c, world.tenants, world.books)
    return checker.judge(journal, stored, world.books, world.ends())


def good(entries):
    """A message whose key nobody else has."""
    keys = Counter(checker.row_of(e.kind, e.record)[0] for e in entries
                   if not e.reasons)
    return next(e for e in entries if e.kind == "Telemetry" and
                keys[checker.row_of(e.kind, e.record)[0]] == 1)


def test_sees_a_message_that_is_not_in_the_journal(run):
    entries = list(run[0].journal.entries)
    gone = good(entries)
    wrong = judged(run, Journal([e for e in entries if e is not gone]))
    assert any("nobody sent" in w for w in wrong)


def test_sees_a_message_that_was_never_stored(run):
    entries = list(run[0].journal.entries)
    record = dict(good(entries).record, device_id="forgotten")
    lost = replace(good(entries), record=record, off=10**9)
    wrong = judged(run, Journal([*entries, lost]))
    assert any("lost" in w and "forgotten" in w for w in wrong)


def test_sees_over_http_too(run):
    """No place in the log is known: acknowledged must be there, else may."""
    entries = list(run[0].journal.entries)
    one = good(entries)
    http, rest = replace(one, off=None), [e for e in entries if e is not one]
    unsure = replace(http, acknowledged=False)
    assert judged(run, Journal([*rest, http])) == []
    assert judged(run, Journal([*rest, unsure])) == []
    lost = replace(one, off=None, record=dict(one.record, device_id="lost"))
    wrong = judged(run, Journal([*entries, lost]))
    assert any("lost" in w for w in wrong)
    assert judged(run, Journal([*entries, replace(lost, acknowledged=False)])
                  ) == []


def test_a_saved_journal_is_the_same(run, tmp_path):
    journal = run[0].journal
    journal.save(tmp_path / "j.jsonl")
    again = Journal.load(tmp_path / "j.jsonl")
    assert [vars(e) for e in again.entries] == [vars(e) for e in journal.entries]


def test_equal_numbers_are_equal_and_words_are_not():
    assert checker.plain({"a": 1, "b": [2]}) == checker.plain({"b": [2.0], "a": 1.0})
    assert checker.plain({"a": 1}) != checker.plain({"a": True})
    assert checker.plain("1") != checker.plain(1)


def test_sees_more_repeats_than_were_sent(run):
    """Of what was sent twice over HTTP, the second may be a duplicate."""
    world, c = run
    one = good(world.journal.entries)
    rest = [e for e in world.journal.entries if e is not one]
    c.execute("UPDATE store.ingest_ledger SET stored = stored - 1,"
              " duplicate = duplicate + 1 WHERE topic = 'pulse.telemetry'"
              f" AND {ONE.format(t='store.ingest_ledger')}".replace(
                  "FROM store.ingest_ledger",
                  "FROM store.ingest_ledger WHERE topic = 'pulse.telemetry'"
                  " AND stored > 0"))
    stored = checker.Stored.read(c, world.tenants, world.books)
    c.rollback()

    def judge(again):
        entry = replace(one, off=None, acknowledged=False, again=again)
        return checker.judge(Journal([*rest, entry]), stored, world.books,
                             world.ends())
    assert judge(1) == []
    assert any("duplicate, should have" in w for w in judge(0))

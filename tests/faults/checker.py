# SPDX-License-Identifier: Apache-2.0
"""The judge: what was sent and acknowledged against what is stored. It runs
when all is over and knows nothing of the faults in between.

    python3 checker.py JOURNAL POSTGRES_URL   judges a saved run again

I1  every acknowledged message is stored exactly once, with its values, or has
    a dead letter with its bytes and a reason that fits;
I2  no row and no dead letter without a message;
I3  the ledger balances: what became of the messages is what the ledger says,
    and everything in the log is accounted for.

Which of two messages with one key is stored follows from their order in the
log: the first; the same again is a duplicate, another content a conflict.
"""

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

STORED, DUPLICATE, DEAD, GAP = "stored", "duplicate", "dead", "gap"
AT_ONCE = 20  # complaints of one kind that are shown


# --- what a record is in the tables ------------------------------------------


def plain(value):
    """JSON values that are equal in PostgreSQL are equal here: 1 and 1.0 are,
    1 and true are not."""
    if isinstance(value, dict):
        return tuple(sorted((k, plain(v)) for k, v in value.items()))
    if isinstance(value, list):
        return "list", tuple(plain(v) for v in value)
    if isinstance(value, bool) or value is None:
        return "word", value
    if isinstance(value, int) and abs(value) >= 2**63:
        value = float(value)  # a great double, written out by jsonb
    return ("text" if isinstance(value, str) else "number"), value


def row_of(kind, r):
    """(key, content) of the row that a message of this kind becomes."""
    if kind == "Telemetry":
        return ((kind, r["tenant_id"], r["device_id"], r["time"]),
                (r["site_id"], r["msg_type"], r["seq"], plain(r["metrics"])))
    if kind == "Metric":
        labels = dict(r["labels"])
        if r.get("source") is not None:
            labels.setdefault("source", r["source"])
        return sample(r["tenant_id"], r["name"], labels, r["time"], r["value"])
    data = {"kind": r["kind"], "attributes": json.loads(r["attributes"])}
    for name, column in (("level", "level"), ("service", "service"),
                         ("message", "msg")):
        if r[name] is not None:
            data[column] = r[name]
    return (kind, r["tenant_id"], r["id"], r["time"]), plain(data)


def sample(tenant, name, labels, time, value):
    return (("Sample", tenant, name, plain(labels), time), float(value))


def rows_of(kind, record):
    """All rows of a stored message; the first one decides over it."""
    rows = [row_of(kind, record)]
    if kind == "Telemetry":
        labels = {"device_id": record["device_id"]}
        if record["site_id"] is not None:
            labels["site_id"] = record["site_id"]
        rows += [sample(record["tenant_id"], name, labels, record["time"], v)
                 for name, v in record["metrics"].items()
                 if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return rows


# --- what must be there ------------------------------------------------------


@dataclass
class Expected:
    rows: dict = field(default_factory=dict)  # key: content; must be there
    maybe: dict = field(default_factory=dict)  # may be there
    letters: dict = field(default_factory=dict)  # where: (payload, reasons)
    verdicts: dict = field(default_factory=dict)  # topic: Counter, at least
    unsure: Counter = field(default_factory=Counter)  # topic: more, at most
    again: Counter = field(default_factory=Counter)  # topic: duplicates, too


def expect(journal):
    """Messages with a place in the log are taken in the log's order; those
    that came over HTTP have none, and keys that nobody else has; of one that
    was sent again each may have come through."""
    wanted = Expected()
    placed = sorted((e for e in journal.entries if e.where is not None),
                    key=lambda e: e.where)
    for e in placed:
        count = wanted.verdicts.setdefault(e.topic, Counter())
        count[_verdict(e, wanted)] += 1
    for e in journal.entries:
        if e.where is not None:
            continue
        wanted.again[e.topic] += e.again
        rows = wanted.rows if e.acknowledged else wanted.maybe
        rows.update(rows_of(e.kind, e.record))
        if e.acknowledged:
            count = wanted.verdicts.setdefault(e.topic, Counter())
            count[STORED] += 1
        else:
            wanted.unsure[e.topic] += 1
    return wanted


def _verdict(e, wanted):
    if e.reasons:
        wanted.letters[e.where] = (e.payload or b"", e.reasons)
        return DEAD
    rows = rows_of(e.kind, e.record)
    key, content = rows[0]
    if key not in wanted.rows:
        wanted.rows.update(rows)
        return STORED
    if wanted.rows[key] == content:
        return DUPLICATE
    wanted.letters[e.where] = (e.payload, ("conflict",))
    return DEAD


# --- what is there -----------------------------------------------------------


@dataclass
class Books:
    """The ledger's sums by topic, and the last dead letter, at one moment."""
    sums: dict
    last_letter: int

    @classmethod
    def read(cls, c):
        sums = {topic: Counter(dict(zip((STORED, DUPLICATE, DEAD, GAP), found)))
                for topic, *found in c.execute(
                    "SELECT topic, sum(stored)::int8, sum(duplicate)::int8,"
                    " sum(dead)::int8, sum(gap)::int8"
                    " FROM store.ingest_ledger GROUP BY topic")}
        last = c.execute("SELECT coalesce(max(id), 0) FROM dead_letters")
        return cls(sums, last.fetchone()[0])


@dataclass
class Stored:
    rows: list  # (key, content)
    letters: list  # (where, payload, reason)
    books: Books
    unaccounted: list  # (topic, part, messages) where it is not 0
    positions: dict  # (topic, part): next offset

    @classmethod
    def read(cls, c, tenants, since):
        """All of the tenants', and the writer's letters since those books."""
        tenants = list(tenants)
        micros = "(extract(epoch FROM time) * 1000000)::int8"
        rows = [(("Telemetry", t, d, us), (site, kind, seq, plain(m)))
                for t, d, us, site, kind, seq, m in c.execute(
                    f"SELECT tenant_id, device_id, {micros}, site_id, msg_type,"
                    " seq, metrics FROM store.telemetry"
                    " WHERE tenant_id = ANY (%s)", (tenants,))]
        rows += [sample(*found) for found in c.execute(
            f"SELECT tenant_id, name, labels, {micros}, value"
            " FROM store.samples JOIN store.series USING (series_id)"
            " WHERE tenant_id = ANY (%s)", (tenants,))]
        rows += [(("Event", t, i, us), plain(data)) for t, i, us, data in
                 c.execute(f"SELECT tenant_id, id, {micros}, data"
                           " FROM store.raw_events"
                           " WHERE tenant_id = ANY (%s)", (tenants,))]
        letters = [((topic, part, off), bytes(payload), reason)
                   for topic, part, off, payload, reason in c.execute(
                       "SELECT topic, part, off, payload, reason"
                       " FROM dead_letters WHERE id > %s AND stage = 'writer'",
                       (since.last_letter,))]
        return cls(
            rows, letters, Books.read(c),
            c.execute("SELECT topic, part, unaccounted FROM store.ledger"
                      " WHERE unaccounted <> 0").fetchall(),
            {(t, p): n for t, p, n in c.execute(
                "SELECT topic, part, next_off FROM store.consumer_offset"
                " WHERE consumer = 'pulse-writer'")})


# --- the judgement -----------------------------------------------------------


def judge(journal, stored, since, ends):
    """Everything that is wrong, as sentences; nothing: all is well. since:
    the books before; ends: (topic, part) → end of the log."""
    wanted = expect(journal)
    wrong = _rows(wanted, stored)
    wrong += _letters(wanted, stored)
    wrong += _ledger(wanted, stored, since)
    wrong += [f"{t}/{p}: {n} messages unaccounted for"
              for t, p, n in stored.unaccounted]
    wrong += [f"{t}/{p}: the log ends at {end}, the writer is at"
              f" {stored.positions.get((t, p), 0)}"
              for (t, p), end in ends.items()
              if stored.positions.get((t, p), 0) != end]
    return wrong


def _rows(wanted, stored):
    lost, wrong = dict(wanted.rows), []
    times = Counter(key for key, _ in stored.rows)
    wrong += [f"stored {n} times: {key}" for key, n in times.items() if n > 1]
    for key, content in stored.rows:
        should = wanted.rows.get(key, wanted.maybe.get(key))
        lost.pop(key, None)
        if should is None:
            wrong.append(f"nobody sent: {key} = {content}")
        elif should != content:
            wrong.append(f"another value: {key} = {content}, sent {should}")
    return _few(wrong) + _few([f"lost: {key}" for key in lost])


def _letters(wanted, stored):
    wrong, missing = [], dict(wanted.letters)
    times = Counter(where for where, _, _ in stored.letters)
    wrong += [f"{n} dead letters of {w}" for w, n in times.items() if n > 1]
    for where, payload, reason in stored.letters:
        should = wanted.letters.get(where)
        missing.pop(where, None)
        if should is None:
            wrong.append(f"a dead letter ({reason}) of the good {where}")
            continue
        if payload != should[0]:
            wrong.append(f"the dead letter of {where} has other bytes")
        if reason not in should[1]:
            wrong.append(f"the dead letter of {where} says {reason}, not"
                         f" {' or '.join(should[1])}")
    return _few(wrong) + _few([f"no dead letter of {where}: {should[1]}"
                               for where, should in missing.items()])


def _ledger(wanted, stored, since):
    wrong = []
    for topic in set(wanted.verdicts) | set(stored.books.sums):
        have = Counter(stored.books.sums.get(topic, Counter()))
        have.subtract(since.sums.get(topic, Counter()))
        want = wanted.verdicts.get(topic, Counter())
        for verdict in (STORED, DUPLICATE, DEAD, GAP):
            spare = {STORED: wanted.unsure, DUPLICATE: wanted.again}.get(
                verdict, Counter())[topic]
            if not 0 <= have[verdict] - want[verdict] <= spare:
                wrong.append(f"the ledger of {topic} has {have[verdict]}"
                             f" {verdict}, should have {want[verdict]}")
    return wrong


def _few(wrong):
    more = len(wrong) - AT_ONCE
    return wrong[:AT_ONCE] + ([f"... and {more} more"] if more > 0 else [])


# --- on its own --------------------------------------------------------------


def main(path, url):
    import psycopg
    from journal import Journal

    journal = Journal.load(Path(path))
    extra = json.loads(Path(path).with_suffix(".json").read_text())
    since = Books({t: Counter(s) for t, s in extra["sums"].items()},
                  extra["last_letter"])
    with psycopg.connect(url) as c:
        stored = Stored.read(c, extra["tenants"], since)
    wrong = judge(journal, stored, since, {})
    print("\n".join(wrong) or f"{len(journal)} messages, all is well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

# SPDX-License-Identifier: Apache-2.0
"""Messages the log no longer has: noted, in sight until accepted, and behind
which nothing is read where the operator wants it so."""

import itertools
import json
import time

import pytest
from harness.records import Injector, metric, now_us
from harness.wait import stays, wait_until

NUMBERS = itertools.count(1)
PART = 2
OPEN = "SELECT count(*) FROM store.offset_gaps WHERE accepted_at IS NULL"


@pytest.fixture(autouse=True)
def clean(stack):
    """Each test begins with no service, and no gap that waits."""
    yield
    for process in stack.processes:
        if process.running():
            process.resume()
            assert process.stop() == 0
    stack.db.execute("UPDATE store.offset_gaps SET accepted_at = now(),"
                     " accepted_by = 'test' WHERE accepted_at IS NULL")


def start(stack, mode, service="writer"):
    return stack.service(
        service, f"-{next(NUMBERS)}", PULSE_WRITER_ON_GAP=mode,
        PULSE_WRITER_SESSION_TIMEOUT="6s").start()


def send(stack, name, count):
    """New readings into one partition, by an injector that knows no topic
    from before."""
    inject, t = Injector(stack.kafka.brokers), now_us()
    inject.send("Metric", *[metric(name, float(i), t + i)
                            for i in range(count)], partition=PART)
    inject.flush()


def next_off(stack, consumer="pulse-writer"):
    return stack.db.value(
        "SELECT next_off FROM store.consumer_offset WHERE consumer = %s"
        " AND topic = 'pulse.metrics' AND part = %s", (consumer, PART))


def stored(stack, name):
    return stack.db.value("SELECT count(*) FROM store.samples JOIN store.series"
                          " USING (series_id) WHERE name = %s", (name,))


def balanced(stack):
    return stack.db.value("SELECT coalesce(sum(abs(unaccounted)), 0)::int8"
                          " FROM store.ledger") == 0


def freeze(process):
    """Longer than a fetch waits, so that none is under way; and so long that
    it looks at the topics before anything else."""
    process.pause()
    time.sleep(4)


def expire(stack, name):
    """20 of 30 new readings go before they are read; the gap's ends."""
    base = next_off(stack)
    send(stack, name, 30)
    stack.kafka.delete_before("pulse.metrics", PART, base + 20)
    return base, base + 20, 20


def recreate(stack, name):
    """Another topic of the same name, with new readings up to the position
    and beyond it, so that no offset is out of range."""
    base = next_off(stack)
    stack.kafka.fresh_topics()
    send(stack, name, base + 10)
    return base, 0, None


KINDS = {"expired": (expire, 10), "recreated": (recreate, None)}


def gaps(stack, *options):
    done = stack.run("offsets", "gaps", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def here(stack, *options):
    """The writer's gaps in the partition used here."""
    return [g for g in gaps(stack, *options) if g["consumer"] == "pulse-writer"
            and (g["topic"], g["part"]) == ("pulse.metrics", PART)]


def begin(stack, mode, name):
    """A writer that has read something, so that it has a position."""
    writer = start(stack, mode)
    send(stack, f"{name}-before", 5)
    wait_until(lambda: stored(stack, f"{name}-before") == 5, 30, "it reads")
    return writer


def bereave(stack, mode, kind, running):
    """A writer whose log has lost something, while it ran or did not; what the
    gap must be, and how many messages it is to store then."""
    lose, left = KINDS[kind]
    name = f"{mode}-{kind}-{running}"
    writer = begin(stack, mode, name)
    if running:
        freeze(writer)
    else:
        assert writer.stop() == 0
    lost_from, lost_to, messages = lose(stack, name)
    if running:
        writer.resume()
    else:
        writer = start(stack, mode)
    return (writer, name, (kind, lost_from, lost_to, messages),
            left or lost_from + 10)


def brief(gap):
    return gap["kind"], gap["from"], gap["to"], gap["messages"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("running", [True, False])
def test_hold_reads_nothing_before_it_is_accepted(stack, kind, running):
    writer, name, gap, then = bereave(stack, "hold", kind, running)
    found = wait_until(lambda: here(stack), 30, "the gap is noted")
    assert [brief(g) for g in found] == [gap]
    wait_until(lambda: writer.log_count("event=partition_on_hold"), 20,
               "it says so")
    stays(lambda: stored(stack, name) == 0, 5, "nothing is read")
    writer.wait_metric("pulse_writer_partitions", 1, state="on_hold")
    # its neighbours are read meanwhile, and the process is ready
    writer.wait_ready(20)
    assert len(here(stack)) == 1, "noted once, however often it looks"

    # a re-created topic has a gap in each partition that had a position
    done = stack.run("offsets", "accept", *[g["id"] for g in gaps(stack)],
                     "--note", "known", "--by", "ann")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: stored(stack, name) == then, 30,
               "it goes on without a restart")
    wait_until(lambda: balanced(stack), 10, "the ledger balances")
    assert gaps(stack) == []
    (accepted,) = [g for g in here(stack, "--all") if g["id"] ==
                   found[0]["id"]]
    assert (accepted["accepted_by"], accepted["note"]) == ("ann", "known")
    wait_until(lambda: writer.metric("pulse_writer_partitions",
                                     state="on_hold") == 0, 10, "none is held")
    assert writer.metric("pulse_writer_gaps_total", kind=kind) > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("running", [True, False])
def test_count_goes_on_loudly(stack, kind, running):
    writer, name, gap, then = bereave(stack, "count", kind, running)
    wait_until(lambda: stored(stack, name) == then, 30,
               "what is left is stored")
    wait_until(lambda: balanced(stack), 10, "the ledger balances")
    (found,) = here(stack)
    assert brief(found) == gap
    assert found["accepted_at"] is None
    assert writer.metric("pulse_writer_gaps_total", kind=kind) > 0
    status = stack.run("status")
    assert "not accepted: see pulse offsets gaps" in status.stdout
    assert json.loads(stack.run("status", "--json").stdout)[
        "offset_gaps_open"] == len(gaps(stack))


def test_a_gap_grows_until_it_is_accepted_and_the_rest_is_another(stack):
    writer = begin(stack, "hold", "grow")
    base = next_off(stack)
    assert writer.stop() == 0
    send(stack, "grow", 40)
    stack.kafka.delete_before("pulse.metrics", PART, base + 10)
    writer = start(stack, "hold")
    wait_until(lambda: here(stack), 30, "the gap is noted")
    stack.kafka.delete_before("pulse.metrics", PART, base + 15)
    wait_until(lambda: [g["to"] for g in here(stack)] == [base + 15], 20,
               "it grew")
    freeze(writer)
    (first,) = here(stack)
    assert stack.run("offsets", "accept", first["id"]).returncode == 0
    stack.kafka.delete_before("pulse.metrics", PART, base + 25)
    writer.resume()
    wait_until(lambda: here(stack), 30, "another is noted")
    (second,) = here(stack)
    assert (second["from"], second["to"]) == (base + 15, base + 25)
    assert stored(stack, "grow") == 0
    assert stack.run("offsets", "accept", second["id"]).returncode == 0
    wait_until(lambda: stored(stack, "grow") == 15, 30, "it goes on")
    wait_until(lambda: balanced(stack), 10, "the ledger balances")


def test_the_evaluator_notes_its_own(stack):
    evaluator = start(stack, "count", "evaluator")
    send(stack, "eval-before", 5)
    ends = stack.kafka.ends("pulse.metrics")
    wait_until(lambda: next_off(stack, "pulse-evaluator") == ends[PART], 30,
               "it reads")
    freeze(evaluator)
    base = ends[PART]
    send(stack, "eval", 30)
    stack.kafka.delete_before("pulse.metrics", PART, base + 20)
    evaluator.resume()
    wait_until(lambda: next_off(stack, "pulse-evaluator") == base + 30, 30,
               "it goes on")
    (gap,) = [g for g in gaps(stack) if g["consumer"] == "pulse-evaluator"]
    assert (gap["kind"], gap["from"], gap["to"]) == ("expired", base,
                                                     base + 20)
    assert evaluator.metric("pulse_evaluator_gaps_total", kind="expired") == 1

    # and the same while it is away
    assert evaluator.stop() == 0
    send(stack, "eval", 30)
    stack.kafka.delete_before("pulse.metrics", PART, base + 50)
    evaluator = start(stack, "count", "evaluator")
    wait_until(lambda: next_off(stack, "pulse-evaluator") == base + 60, 30,
               "it goes on")
    found = [(g["from"], g["to"]) for g in gaps(stack)
             if g["consumer"] == "pulse-evaluator"]
    assert found == [(base, base + 20), (base + 30, base + 50)]


def test_offsets_show_where_everybody_is(stack):
    begin(stack, "count", "list")
    for argv in (["offsets"], ["offsets", "list"]):
        rows = json.loads(stack.run(*argv, "--json").stdout)
        (row,) = [r for r in rows if (r["consumer"], r["topic"], r["part"]) ==
                  ("pulse-writer", "pulse.metrics", PART)]
        assert row["next"] == row["log_end"] == next_off(stack)
        assert (row["lag"], row["state"]) == (0, "caught up")
        assert row["owner"] and row["topic_id"]
    stack.processes[-1].stop()
    send(stack, "list", 7)
    text = stack.run("offsets").stdout
    assert any(line.split()[:3] == ["pulse-writer", "pulse.metrics", str(PART)]
               and " 7  reading" in line for line in text.splitlines()), text


@pytest.mark.parametrize("argv, status, says", [
    (["accept"], 2, "needs ID"),
    (["accept", "one"], 2, "no number of a gap"),
    (["accept", "999999"], 1, "no gap 999999 that waits"),
    (["accept", "1", "999999"], 1, "no gap"),
    (["nonsense"], 2, "one word too many"),
])
def test_wrong_calls_change_nothing(stack, argv, status, says):
    before = stack.db.value(OPEN)
    done = stack.run("offsets", *argv)
    assert (done.returncode, says in done.stderr) == (status, True), done
    assert stack.db.value(OPEN) == before

# SPDX-License-Identifier: Apache-2.0
"""S2: the writer dies, or loses its connection, at every step of a batch's
transaction."""

import pytest
from harness.wait import wait_until
from proxy import AFTER, BEFORE, SENT

ADVANCE = r"^query WITH v AS .* UPDATE store.consumer_offset"
LEDGER = r"^query INSERT INTO store.ingest_ledger"
COMMIT = {"step": "^query COMMIT$", "within": ["INSERT INTO store.ingest_ledger"]}
STEPS = {
    "before-offsets": (BEFORE, {"step": ADVANCE}),
    "after-offsets": (AFTER, {"step": ADVANCE}),
    "copy-begun": (AFTER, {"step": "^query COPY store.samples"}),
    "inside-copy": (SENT, {"step": "^data COPY store.telemetry"}),
    "copy-not-ended": (BEFORE, {"step": "^done COPY store.samples"}),
    "after-copy": (AFTER, {"step": "^done COPY store.samples"}),
    "inside-staging": (SENT, {"step": "^data COPY pg_temp.stage_samples"}),
    "after-staged": (AFTER, {"step": r"^query WITH made AS .* store.samples"}),
    "after-comparing": (AFTER, {"step": "^query SELECT s.n, .* store.samples"}),
    "after-events": (AFTER, {"step": r"^query WITH made AS .* store.raw_ev"}),
    "after-letters": (AFTER, {"step": "^query INSERT INTO public.dead_letters"}),
    "before-ledger": (BEFORE, {"step": LEDGER}),
    "after-ledger": (AFTER, {"step": LEDGER}),
    "before-commit": (BEFORE, COMMIT),
    "commit-under-way": (SENT, COMMIT),
    "commit-unanswered": (AFTER, COMMIT),
}


def test_killed_at_every_step(world):
    """kill -9, and another writer goes on where the offsets say. The short
    version takes some of the steps: it waits for each dead one's session."""
    proxy = world.proxy()
    steps = world.chance.sample(list(STEPS.items()),
                                len(STEPS) if world.long else 4)
    for name, (when, where) in steps:
        writer = warm(world, proxy)

        def die(link, writer=writer):
            writer.kill()
            link.cut()
        trap = proxy.trap(action=die, when=when, **where)
        send_until(world, trap, name)
        assert not writer.running()
    world.writer(proxy)
    world.finish()


def test_connection_lost_at_every_step(world):
    """The same writer connects again, and asks what became of its batch. The
    short version takes half of the steps; tests/prop has them all."""
    proxy = world.proxy()
    steps = world.chance.sample(list(STEPS.items()) * 4,
                                4 * len(STEPS) if world.long else 8)
    writer = warm(world, proxy)
    for name, (when, where) in steps:
        trap = proxy.trap(action=lambda link: link.cut(), when=when, **where)
        send_until(world, trap, name)
        world.caught_up()
    assert writer.running()
    world.finish()


def warm(world, proxy):
    """A writer that knows the series' last times: only then it COPYs."""
    writer = world.writer(proxy)
    world.traffic.burst(100)
    world.caught_up()
    return writer


def send_until(world, trap, name):
    """More messages, until one of their batches comes to the step: a series
    goes by direct COPY only when its last time is known again."""
    for _ in range(20):
        world.traffic.burst(60)
        if trap.sprung.wait(2):
            break
    try:
        trap.wait(1)
    except AssertionError as problem:
        raise AssertionError(f"{name}: {problem}") from None


def test_the_network_keeps_a_dead_writers_transaction(world):
    """The machine of the writer is gone; its transaction, and the lock on its
    offsets, stay until the heir ends that backend. A COMMIT that arrives
    later finds nobody."""
    proxy = world.proxy()
    writer = warm(world, proxy)
    kept = []

    def vanish(link):
        kept.append(link)
        link.keep_server = True
        writer.kill()
        link.cut()
    trap = proxy.trap(action=vanish, when=BEFORE, **COMMIT)
    send_until(world, trap, "COMMIT")
    backend = world.backends()
    assert len(backend) == 1
    heir = world.writer(ready=False)
    world.caught_up()
    assert heir.log_count("its backend was ended") >= 1
    wait_until(lambda: backend[0] not in world.backends(), 5, "it is gone")
    for link in kept:
        link.cut_server()
    world.finish()


@pytest.mark.long
def test_forty_kills_at_any_moment(world):
    load = world.load(800)
    devices = world.devices()
    for _ in range(40):
        writer = world.writer(ready=False, PULSE_WRITER_BATCH_ROWS="150",
                              PULSE_WRITER_SESSION_TIMEOUT="2s")
        before = world.journal.acknowledged()
        wait_until(lambda b=before: world.journal.acknowledged() > b, 20,
                   "load goes on")
        wait_until(lambda w=writer: w.metric("pulse_writer_messages_total") > 0,
                   60, "the writer writes")
        if world.chance.random() < 0.5:
            wait_until(lambda: world.chance.random() < 0.05, 5, "luck", 0.01)
        writer.kill()
    world.writer()
    assert load.is_alive() and devices.is_alive()
    world.finish(180)
    proof = world.stack.run("ledger")
    assert proof.returncode == 0, proof.stdout + proof.stderr

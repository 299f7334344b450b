# SPDX-License-Identifier: Apache-2.0
"""S7: writers join, leave, die and freeze; what a zombie wakes up to do
changes nothing."""

import time

import pytest
from harness.wait import wait_until
from proxy import AFTER
from server import locked
from test_steps import LEDGER

MESSAGES = "pulse_writer_messages_total"


def test_rebalance_storm(world):
    """Each of a few writers, at random: SIGTERM, kill -9, SIGSTOP for longer
    than its session, and back again. Half of the load comes over HTTP."""
    world.load(300)
    world.devices(rate=30)
    crowd = [world.writer() for _ in range(3)]
    deaths = dict.fromkeys(("left", "killed", "frozen", "nothing"), 0)
    end = time.monotonic() + (120 if world.long else 8)
    while time.monotonic() < end:
        writer = world.chance.choice(crowd)
        fate = world.chance.choice(list(deaths))
        deaths[fate] += 1
        if fate == "left":
            assert writer.stop() == 0
            writer.start(ready=False)
        elif fate == "killed":
            writer.kill()
            writer.start(ready=False)
        elif fate == "frozen":
            writer.pause()
            time.sleep(world.chance.uniform(0, 4))
            writer.resume()
        time.sleep(world.chance.uniform(0, 1))
    for writer in crowd:
        assert writer.running(), writer.tail()
    world.finish(90)


@pytest.mark.long
def test_writers_share_and_inherit(world):
    world.load(300)
    one, two = (world.writer(PULSE_WRITER_OWNER=o) for o in ("one", "two"))
    wait_until(lambda: world.owners() == {"one", "two"}, 30, "they share")
    assert one.stop() == 0
    wait_until(lambda: world.owners() == {"two"}, 30, "the other inherits")
    two.wait_metric(MESSAGES, two.metric(MESSAGES) + 100)
    world.finish()


def heir_of(world, zombie):
    """Another writer, which takes everything over from the frozen one."""
    heir = world.writer(ready=False, PULSE_WRITER_OWNER="heir")
    wait_until(lambda: world.owners() == {"heir"}, 60, "the heir has it all")
    heir.wait_ready()
    heir.wait_metric(MESSAGES, heir.metric(MESSAGES) + 10)
    zombie.resume()
    # It learns that it is out, and joins again as one of two.
    wait_until(lambda: world.owners() == {"heir", "zombie"}, 60, "both share")
    return heir


def test_zombie_with_an_open_transaction(world):
    """Frozen when all its rows are sent and only COMMIT is missing. It holds
    the lock on its offsets, so the heir ends its backend."""
    proxy = world.proxy()
    zombie = world.writer(proxy, PULSE_WRITER_OWNER="zombie")
    trap = proxy.trap(LEDGER, AFTER, lambda link: zombie.pause())
    world.load(300)
    trap.wait(30)
    heir = heir_of(world, zombie)
    assert heir.log_count("its backend was ended") >= 1
    assert zombie.running()
    world.finish()


def test_zombie_inside_a_copy(world):
    """Frozen between the first bytes of a COPY and its end: no timeout of
    PostgreSQL ends that."""
    zombie = world.writer(PULSE_WRITER_OWNER="zombie")
    world.load(500)
    zombie.wait_metric(MESSAGES, 100)
    backend = freeze_inside_copy(world, zombie)
    heir = heir_of(world, zombie)
    assert heir.log_count("its backend was ended") >= 1
    assert backend not in world.backends()
    world.finish()


def freeze_inside_copy(world, writer):
    """A lock holds the COPY up until the writer is stopped in it; returns the
    backend that waits for bytes which do not come."""
    for _ in range(20):
        with locked(world.stack, "store.samples"):
            wait_until(lambda: copying(world, "Lock"), 20, "a COPY waits")
            writer.pause()
        try:
            return wait_until(lambda: copying(world, "Client"), 3,
                              "the COPY waits for its client")
        except AssertionError:
            writer.resume()
    raise AssertionError("the writer was never frozen inside a COPY")


def copying(world, waiting_for):
    found = world.stack.db.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name ="
        " 'pulse-writer' AND wait_event_type = %s AND query LIKE"
        " 'COPY store.samples%%'", (waiting_for,))
    return found[0][0] if found else None


@pytest.mark.long
def test_zombie_with_nothing_open(world):
    """Frozen between batches: its claims are stale when it wakes."""
    zombie = world.writer(PULSE_WRITER_OWNER="zombie")
    wait_until(lambda: world.owners() == {"zombie"}, 30, "it has claimed")
    zombie.pause()
    world.load(300)
    heir_of(world, zombie)
    world.finish()

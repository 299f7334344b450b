# SPDX-License-Identifier: Apache-2.0
"""S3 and S4: PostgreSQL is killed, hangs, is locked, full, read-only, or ends
its clients."""

import time
from pathlib import Path

import pytest
from harness.wait import stays, wait_until
from proxy import AFTER, BEFORE, SENT
from server import SmallDisk, admin, frozen, kill_9, locked, setting
from test_steps import COMMIT, send_until, warm

MESSAGES = "pulse_writer_messages_total"
LONG = pytest.mark.long
FAILED = "pulse_writer_batches_failed_total"


def goes_on(world, writer, count=100):
    """The writer commits again."""
    writer.wait_metric(MESSAGES, writer.metric(MESSAGES) + count, 60)


def rss_bytes(process):
    text = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(text.split("VmRSS:")[1].split()[0])


# --- S3: killed --------------------------------------------------------------


def test_server_killed_under_load(world):
    """kill -9 of all its processes, and -m immediate, at any moment."""
    world.load(500)
    writer = world.writer(PULSE_WRITER_BATCH_AGE="5ms")
    goes_on(world, writer)
    for n in range(20 if world.long else 2):
        time.sleep(world.chance.uniform(0, 0.5))
        if n % 2:
            kill_9(world.stack.postgres)
        else:
            world.stack.postgres.kill()
        if world.chance.random() < 0.3:
            wait_until(lambda: not writer.ready(), 20, "the writer knows")
        world.stack.postgres.start()
        goes_on(world, writer)
    assert writer.running()
    world.finish()


@pytest.mark.parametrize("when", [
    AFTER, pytest.param(SENT, marks=LONG), pytest.param(BEFORE, marks=LONG)])
def test_server_killed_at_commit(world, when):
    """AFTER: committed, and nobody was told."""
    proxy = world.proxy()
    writer = warm(world, proxy)

    def die(link):
        kill_9(world.stack.postgres)
        link.cut()
    trap = proxy.trap(action=die, when=when, **COMMIT)
    send_until(world, trap, f"COMMIT {when}")
    world.stack.postgres.start()
    world.finish()
    assert writer.running()


@LONG
def test_server_down_for_30_seconds(world):
    load = world.load(1000)
    writer = world.writer()
    goes_on(world, writer)
    world.stack.postgres.stop()
    wait_until(lambda: not writer.ready(), 10, "the writer is not ready")
    stays(lambda: writer.running() and writer.alive(), 30,
          "the writer waits", interval=1)
    world.stack.postgres.start()
    writer.wait_ready()
    assert load.is_alive()
    world.finish()


# --- S4: hangs ---------------------------------------------------------------


def test_server_hangs(world):
    """SIGSTOP: the edge goes on acknowledging, the writer waits with bounded
    memory, and then catches up."""
    devices = world.devices()
    world.load(300)
    writer = world.writer(PULSE_WRITER_STATEMENT_TIMEOUT="3s")
    goes_on(world, writer)
    before = rss_bytes(writer)
    with frozen(world.stack.postgres):
        accepted = devices.accepted
        time.sleep(60 if world.long else 6)
        assert devices.accepted > accepted + 100
        assert devices.refused == 0
        assert rss_bytes(writer) < before + (96 << 20)
    goes_on(world, writer)
    world.finish()
    assert world.stack.db.value(
        "SELECT count(*) FROM dead_letters WHERE id > %s AND reason ="
        " 'unstorable'", (world.books.last_letter,)) == 0


@pytest.mark.parametrize("table", [
    "store.samples", pytest.param("store.consumer_offset", marks=LONG),
    pytest.param("store.ingest_ledger", marks=LONG)])
def test_table_locked(world, table):
    """Longer than a statement may take: tried again, and no dead letter."""
    writer = world.writer(PULSE_WRITER_STATEMENT_TIMEOUT="1s")
    load = world.load(300)
    goes_on(world, writer)
    with locked(world.stack, table):
        time.sleep(10 if world.long else 2.5)
        assert load.is_alive()
    goes_on(world, writer)
    assert writer.metric(FAILED) > 0
    world.finish()


@LONG
def test_lock_timeout(world):
    """55P03 in the middle of a batch."""
    with admin(world.stack) as c:
        c.execute("ALTER ROLE pulse_writer SET lock_timeout = '100ms'")
    try:
        writer = world.writer()
        world.load(300)
        goes_on(world, writer)
        with locked(world.stack, "store.samples"):
            wait_until(lambda: writer.metric(FAILED) >= 2, 20, "it fails")
        goes_on(world, writer)
        assert writer.log_count("55P03") > 0
        world.finish()
    finally:
        with admin(world.stack) as c:
            c.execute("ALTER ROLE pulse_writer RESET lock_timeout")


def test_disk_full(world):
    """53100 while rows are written: waits, and goes on when there is room."""
    writer = world.writer()
    world.load(600)
    goes_on(world, writer)
    with SmallDisk(world.stack, "store.samples") as disk:
        disk.fill()
        wait_until(lambda: writer.log_count("53100") > 0, 60, "the disk is full")
        stays(lambda: writer.running() and writer.alive(),
              20 if world.long else 2, "it waits")
        disk.free()
        goes_on(world, writer)
        world.finish()


def test_read_only_failover(world):
    """The server became a standby: every write is refused for a while."""
    writer = world.writer()
    world.load(300)
    goes_on(world, writer)
    with setting(world.stack, "default_transaction_read_only", "on"):
        wait_until(lambda: writer.log_count("25006") > 0, 20, "refused")
        with admin(world.stack) as c:  # as a failover does
            c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE application_name = 'pulse-writer'")
        stays(writer.alive, 10 if world.long else 2, "it waits")
    goes_on(world, writer)
    world.finish()


@LONG
def test_no_connection_left(world):
    """53300 when it comes back."""
    writer = world.writer()
    world.load(300)
    goes_on(world, writer)
    with admin(world.stack) as c:
        c.execute("ALTER ROLE pulse_writer CONNECTION LIMIT 0")
        c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'pulse-writer'")
        wait_until(lambda: not writer.ready(), 20, "it has none")
        time.sleep(1)
        c.execute("ALTER ROLE pulse_writer CONNECTION LIMIT -1")
    goes_on(world, writer)
    world.finish()


def test_backends_ended_inside_a_copy(world):
    """pg_terminate_backend while rows are under way."""
    proxy = world.proxy()
    writer = warm(world, proxy)

    def end(link):
        for pid in world.backends():
            world.stack.db.execute("SELECT pg_terminate_backend(%s, 2000)",
                                   (pid,))
    for _ in range(20 if world.long else 4):
        trap = proxy.trap("^(data|done) COPY", BEFORE, end,
                          nth=world.chance.randrange(1, 6))
        send_until(world, trap, "COPY")
        world.caught_up()
    assert writer.running()
    world.finish()


def test_commit_refused(world):
    """A COMMIT that fails, by a deferred check, as by a serialization failure:
    nothing of the batch is there, and it is written again."""
    writer = world.writer()
    world.traffic.burst(50)
    world.caught_up()
    with admin(world.stack) as c:
        c.execute("CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE"
                  " plpgsql AS $$ BEGIN RAISE 'refused' USING ERRCODE ="
                  " '40001'; END $$")
        c.execute("CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON"
                  " store.ingest_ledger DEFERRABLE INITIALLY DEFERRED"
                  " FOR EACH ROW EXECUTE FUNCTION public.refuse()")
        try:
            world.traffic.burst(100)
            wait_until(lambda: writer.log_count("40001") >= 2, 20, "refused")
        finally:
            c.execute("DROP TRIGGER refuse ON store.ingest_ledger")
            c.execute("DROP FUNCTION public.refuse()")
    world.finish()

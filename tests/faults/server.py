# SPDX-License-Identifier: Apache-2.0
"""What can happen to a PostgreSQL server and its machine."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness.wait import wait_until


def processes(postgres):
    """The server's own, the postmaster first."""
    parent = postgres.process.pid
    found = [parent]
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == parent:
                found.append(int(entry.name))
    return found


def signal_all(postgres, number):
    for pid in processes(postgres):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_9(postgres):
    """All of it at once, as the machine's OOM killer or a power cut does; the
    page cache lives."""
    signal_all(postgres, signal.SIGKILL)
    postgres.process.wait()


@contextlib.contextmanager
def frozen(postgres):
    """The server hangs: connections stay open, nothing is answered."""
    signal_all(postgres, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(postgres, signal.SIGCONT)


@contextlib.contextmanager
def setting(stack, name, value):
    """ALTER SYSTEM for a while, by an administrator."""
    with admin(stack) as c:
        c.execute(f"ALTER SYSTEM SET {name} = {value}")
        c.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        with admin(stack) as c:
            c.execute("SET default_transaction_read_only = off")
            c.execute(f"ALTER SYSTEM RESET {name}")
            c.execute("SELECT pg_reload_conf()")


@contextlib.contextmanager
def admin(stack):
    with stack.db.connect() as c:
        yield c


@contextlib.contextmanager
def locked(stack, table):
    """Somebody holds the table, as a careless migration does."""
    with stack.db.connect() as c, c.transaction():
        c.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield c


class SmallDisk:
    """A tablespace on a file system of a few megabytes, and the chunks of a
    hypertable on it."""

    def __init__(self, stack, table, megabytes=24):
        self.stack, self.table = stack, table
        self.folder = Path(stack.postgres.folder) / "small"
        self.folder.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700",
             "tmpfs", self.folder], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no file system of its own: {done.stderr.decode()}")

    def __enter__(self):
        shutil.chown(self.folder, "postgres", "postgres")
        self.stack.db.execute(
            f"CREATE TABLESPACE small LOCATION '{self.folder}'")
        self.stack.db.execute("GRANT CREATE ON TABLESPACE small TO pulse_owner")
        self._move("small")
        self.stack.db.execute(f"SELECT attach_tablespace('small', '{self.table}')")
        return self

    def fill(self):
        with open(self.folder / "filler", "wb") as out, \
                contextlib.suppress(OSError):
            while True:
                out.write(bytes(1 << 16))
                out.flush()

    def free(self):
        (self.folder / "filler").unlink(missing_ok=True)

    def __exit__(self, *_):
        self.free()
        self.stack.db.execute(f"SELECT detach_tablespace('small', '{self.table}')")
        self._move("pg_default")
        # The last files go at a checkpoint.
        self.stack.db.execute("CHECKPOINT")
        wait_until(self._dropped, 20, "the tablespace is empty")
        subprocess.run(["umount", "-l", self.folder], check=True)

    def _dropped(self):
        self.stack.db.execute("DROP TABLESPACE small")
        return True

    def _move(self, where):
        for (chunk,) in self.stack.db.rows(
                "SELECT show_chunks(%s)::text", (self.table,)):
            self.stack.db.execute(f"ALTER TABLE {chunk} SET TABLESPACE {where}")
            for (index,) in self.stack.db.rows(
                    "SELECT indexrelid::regclass::text FROM pg_index"
                    " WHERE indrelid = %s::regclass", (chunk,)):
                self.stack.db.execute(
                    f"ALTER INDEX {index} SET TABLESPACE {where}")

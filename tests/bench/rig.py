# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: servers of their own with data on disk, cores,
and Markdown."""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from harness.kafka import Kafka
from harness.postgres import Postgres
from harness.process import ROOT
from harness.stack import Stack

PROGRAMS = ROOT / "build/release/bench"


def say(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


def number(name, default):
    """A setting from the environment."""
    return int(os.environ.get(name) or default)


def table(rows):
    head, *rest = rows
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rest]
    return "\n".join(["| " + " | ".join(head) + " |",
                      "|" + "---|" * len(head), *lines])


@contextlib.contextmanager
def bench_folder():
    """On disk, and open to the user postgres; gone at the end."""
    base = "/var/lib/pulse" if os.access("/var/lib/pulse", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="bench.", dir=base))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def cores():
    """(of the program measured, of everything else), as taskset takes them;
    None where there is but one."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        return None
    return str(mine[0]), ",".join(map(str, mine[1:]))


class Rig(Stack):
    """A Kafka and a PostgreSQL, fsync as in production."""

    def __init__(self, folder, **options):
        self.folder = folder
        kafka = Kafka(folder / "kafka", folder / "kafka.log").start()
        kafka.fresh_topics()
        postgres = Postgres(folder / "pg", folder / "pg.log")
        options = {"track_commit_timestamp": "on",
                   "timescaledb.max_background_workers": "1", **options}
        postgres.process.argv = postgres.process.argv[:3] + [
            word for name, value in options.items()
            for word in ("-c", f"{name}={value}")]
        postgres.start()
        super().__init__(kafka, postgres, postgres.create_database("bench"),
                         folder)

    def down(self):
        self.close()
        self.kafka.process.kill()
        self.postgres.stop()

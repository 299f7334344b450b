# SPDX-License-Identifier: Apache-2.0
"""CPU and memory of running programs, from /proc."""

import os
import time
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def family(pid):
    """A process and what it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def _stat(pid):
    """(own CPU s, CPU s of children that ended)"""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return ((int(fields[11]) + int(fields[12])) * TICK_S,
            (int(fields[13]) + int(fields[14])) * TICK_S)


def cpu_seconds(pid):
    """Used by the family so far, ended children included."""
    total = 0
    for member in family(pid):
        try:
            total += sum(_stat(member))
        except OSError:  # it has just ended
            continue
    return total


def rss_mb(pid):
    """Resident memory; of a family its sum of private memory and, once, the
    largest shared part (PostgreSQL's buffers)."""
    private, shared = 0, 0
    for member in family(pid):
        try:
            text = Path(f"/proc/{member}/status").read_text()
        except OSError:
            continue
        kb = {k: int(v.split()[0]) for k, v in (
            line.split(":", 1) for line in text.splitlines()
            if line.startswith(("RssAnon", "RssFile", "RssShmem")))}
        private += kb.get("RssAnon", 0)
        shared = max(shared, kb.get("RssFile", 0) + kb.get("RssShmem", 0))
    return (private + shared) / 1024


class Meter:
    """CPU per second and peak memory of some programs between two moments."""

    def __init__(self, pids):
        self.pids = dict(pids)
        self.start = time.monotonic()
        self.cpu = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        self.rss = dict.fromkeys(self.pids, 0)

    def look(self):
        for name, pid in self.pids.items():
            self.rss[name] = max(self.rss[name], rss_mb(pid))

    def stop(self):
        """{name: (share of one core, CPU s, peak MB)}"""
        self.look()
        seconds = time.monotonic() - self.start
        found = {}
        for name, pid in self.pids.items():
            used = cpu_seconds(pid) - self.cpu[name]
            found[name] = (used / seconds, used, self.rss[name])
        return found

# SPDX-License-Identifier: Apache-2.0
"""A program under test or a server it needs: start, signals, log."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from harness.wait import wait_until

ROOT = Path(__file__).resolve().parents[3]
# The real one is tried where there is one; else what it sent once.
TELEGRAF = os.environ.get("PULSE_TELEGRAF") or shutil.which("telegraf")
SANITIZER = re.compile(
    r"ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|AddressSanitizer:")


class Process:
    """One program and all its incarnations; they append to one log."""

    def __init__(self, name, argv, env, log):
        self.name, self.argv, self.log = name, [str(a) for a in argv], Path(log)
        self.env = {
            "PATH": os.environ["PATH"], "HOME": os.environ["HOME"],
            "LANG": "C.UTF-8", "ASAN_OPTIONS": "detect_leaks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1", **env}
        self.child = None

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                self.argv, env=self.env, cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True)
        return self

    def running(self):
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self):
        return self.child.pid

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=30):
        """The exit code (negative: the signal that ended it)."""
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.name} still runs after {timeout} s\n{self.tail()}"
            ) from None

    def kill(self):
        """SIGKILL: no goodbye."""
        if self.running():
            self.child.kill()
        if self.child is not None:
            self.child.wait()

    def stop(self, timeout=30):
        """SIGTERM, and the exit code."""
        if self.running():
            self.signal(signal.SIGCONT)  # it may have been stopped
            self.signal(signal.SIGTERM)
        return self.wait(timeout) if self.child is not None else None

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=40):
        text = self.log_text().splitlines()[-lines:]
        return "\n".join([f"--- last lines of {self.log} ---", *text])

    def log_count(self, pattern):
        """Log lines that match a regular expression."""
        return len(re.findall(pattern, self.log_text(), re.MULTILINE))

    def wait_log(self, pattern, timeout=10):
        wait_until(lambda: re.search(pattern, self.log_text(), re.MULTILINE),
                   timeout, f"{self.name} logs {pattern!r}")

    def assert_clean(self):
        """No sanitizer found anything in any incarnation."""
        found = SANITIZER.search(self.log_text())
        assert not found, (
            f"{self.name}: {found.group(0)}\n"
            f"{self.log_text()[found.start():found.start() + 6000]}")

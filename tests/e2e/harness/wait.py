# SPDX-License-Identifier: Apache-2.0
"""Waiting for something to become true: the only way tests wait."""

import time


def wait_until(check, timeout, what, interval=0.05):
    """Returns check()'s first true value. An exception counts as not yet; the
    last one, or the last value, is in the failure."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            last = check()
            if last:
                return last
        except Exception as problem:  # noqa: BLE001 - reported below
            last = problem
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout} s: {what} (last: {last!r})")
        time.sleep(interval)


def stays(check, seconds, what, interval=0.05):
    """check() must hold all the time; for what must not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert check(), f"no longer true: {what}"
        time.sleep(interval)

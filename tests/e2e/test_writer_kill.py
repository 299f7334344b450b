# SPDX-License-Identifier: Apache-2.0
"""Devices post, the writer dies again and again: every acknowledged record is
in the tables exactly once."""

import random
import threading
import time

import requests
from harness.wait import wait_until

COUNT, PER_REQUEST, KILLS, DEVICES = 20_000, 50, 10, 40


class Sender(threading.Thread):
    """Posts COUNT records of its kind and notes those acknowledged."""

    def __init__(self, stack, key, path, wrap, record):
        super().__init__(daemon=True)
        self.url = f"http://127.0.0.1:{stack.ingest_port}{path}"
        self.headers = {"Authorization": f"Bearer {key}"}
        self.wrap, self.record = wrap, record
        self.acknowledged, self.problem = set(), None
        self.allowed = 0  # numbers below may go

    def run(self):
        try:
            with requests.Session() as session:
                for first in range(0, COUNT, PER_REQUEST):
                    while first >= self.allowed:
                        time.sleep(0.01)
                    self.post(session, range(first, first + PER_REQUEST))
        except Exception as problem:  # noqa: BLE001 - shown by the test
            self.problem = problem

    def fine(self):
        assert self.problem is None, self.problem
        return True

    def post(self, session, numbers):
        body = self.wrap([self.record(n) for n in numbers])
        answer = session.post(self.url, json=body, headers=self.headers,
                              timeout=30)
        assert answer.status_code == 202, answer.text
        assert answer.json()["accepted"] == PER_REQUEST, answer.text
        self.acknowledged.update(numbers)


def senders(stack):
    key, base = stack.key("acme"), time.time_ns() // 1000 - 3_600_000_000

    def stamp(n):
        """One second has COUNT of them at most: all times differ."""
        return base + n * 1000

    return (
        Sender(stack, key, "/api/v1/telemetry", lambda r: r, lambda n: {
            "device_id": f"d{n % DEVICES}", "time": stamp(n), "seq": n,
            "metrics": {"temp": n / 10, "n": n, "ok": True}}),
        Sender(stack, key, "/api/v1/metrics/ingest/batch",
               lambda r: {"metrics": r}, lambda n: {
                   "name": "load", "value": n, "timestamp": stamp(n),
                   "labels": {"host": f"h{n % DEVICES}"}}))


def ledger(stack):
    return stack.db.rows("SELECT sum(consumed)::int8, sum(stored)::int8,"
                         " sum(abs(unaccounted))::int8 FROM store.ledger")[0]


def stored_numbers(stack, name):
    return [int(v) for v, in stack.db.rows(
        "SELECT value FROM store.samples JOIN store.series USING (series_id)"
        " WHERE name = %s", (name,))]


def test_ten_kills_lose_and_double_nothing(stack):
    telemetry, metrics = senders(stack)
    stack.start("ingest")
    writer = stack.start("writer", PULSE_WRITER_SESSION_TIMEOUT="6s",
                         PULSE_WRITER_BATCH_ROWS="150")
    telemetry.start()
    metrics.start()
    chance = random.Random()
    for kill in range(KILLS):
        # A dead writer keeps its place in the group for 6 s: with everything
        # sent at once, nine of ten would die idle.
        telemetry.allowed = metrics.allowed = COUNT * (kill + 1) // KILLS
        before = ledger(stack)[0]
        wait_until(lambda b=before: ledger(stack)[0] > b, 60,
                   "the writer writes")
        assert telemetry.fine() and metrics.fine()
        time.sleep(chance.uniform(0, 0.2))  # at any moment of a batch
        writer.kill()
        writer.start(ready=False)
    for sender in (telemetry, metrics):
        sender.join(120)
        assert sender.fine() and not sender.is_alive()
        assert len(sender.acknowledged) == COUNT
    wait_until(lambda: ledger(stack)[0] == 2 * COUNT, 60, "all is consumed",
               interval=0.2)

    # Exactly once: each number is there, none twice.
    assert sorted(n for n, in stack.db.rows(
        "SELECT seq FROM store.telemetry")) == sorted(telemetry.acknowledged)
    for name, numbers in (("load", metrics.acknowledged),
                          ("n", telemetry.acknowledged)):
        assert sorted(stored_numbers(stack, name)) == sorted(numbers)
    assert len(stored_numbers(stack, "temp")) == COUNT
    assert ledger(stack)[1:] == (2 * COUNT, 0)
    proof = stack.run("ledger")
    assert proof.returncode == 0, proof.stdout + proof.stderr

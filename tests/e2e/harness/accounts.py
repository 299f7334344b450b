# SPDX-License-Identifier: Apache-2.0
"""What became of messages, from the database's point of view."""

from harness.wait import wait_until


def consumed(stack):
    """Messages accounted for, all topics; the ledger must always balance."""
    with stack.db.connect() as c:
        found = c.execute("SELECT coalesce(sum(consumed), 0)::int8,"
                          " coalesce(sum(abs(unaccounted)), 0)::int8"
                          " FROM store.ledger").fetchone()
    assert found[1] == 0, "the ledger does not balance"
    return found[0]


def sums(stack, topic):
    """(stored, duplicate, dead, gap) of a topic."""
    return stack.db.rows(
        "SELECT sum(stored)::int8, sum(duplicate)::int8, sum(dead)::int8,"
        " sum(gap)::int8 FROM store.ledger WHERE topic = %s", (topic,))[0]


class Delta:
    """Sends, waits until the writer is through, tells what was added."""

    def __init__(self, stack, inject):
        self.stack, self.inject = stack, inject

    def __call__(self, name, *records, **where):
        topic = {"Metric": "pulse.metrics", "Telemetry": "pulse.telemetry",
                 "Event": "pulse.events",
                 "DeadLetter": "pulse.deadletter"}.get(name, name)
        before, base = sums(self.stack, topic), consumed(self.stack)
        if name == topic:
            for value in records:
                self.inject.send_bytes(topic, value, **where)
        else:
            self.inject.send(name, *records, **where)
        self.inject.flush()
        wait_until(lambda: consumed(self.stack) >= base + len(records), 30,
                   f"{len(records)} messages are consumed")
        after = sums(self.stack, topic)
        return tuple(a - b for a, b in zip(after, before))


def letters(stack, reason):
    return stack.db.rows(
        "SELECT tenant_id, stage, device_id, topic, part, off, payload"
        " FROM dead_letters WHERE reason = %s ORDER BY id", (reason,))


def samples(stack, name, tenant="acme"):
    return stack.db.rows(
        "SELECT s.labels, (extract(epoch FROM time) * 1000000)::int8, value"
        " FROM store.samples JOIN store.series s USING (series_id)"
        " WHERE tenant_id = %s AND s.name = %s ORDER BY 2, 3", (tenant, name))

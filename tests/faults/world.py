# SPDX-License-Identifier: Apache-2.0
"""One scenario: its tenant, its dice, its writers, and the judgement."""

import functools
import json
import random

import checker
from confluent_kafka import Consumer, TopicPartition
from harness.kafka import TOPICS
from harness.wait import wait_until
from journal import Journal
from proxy import Proxy
from traffic import Devices, Load, Traffic

MESSAGES = "pulse_writer_messages_total"


class Log:
    """Asks for the ends of the log, often."""

    def __init__(self, brokers):
        self.consumer = Consumer({
            "bootstrap.servers": brokers, "group.id": "pulse-test",
            "enable.auto.commit": False, "log_level": 0})

    def ends(self):
        """{(topic, part): end}"""
        return {(topic, part): self.consumer.get_watermark_offsets(
            TopicPartition(topic, part), timeout=20)[1]
                for topic, parts in TOPICS.items() for part in range(parts)}


class World:
    """long: the durations of real life."""

    def __init__(self, stack, log, name, seed, long):
        self.stack, self.log, self.name = stack, log, name
        self.seed, self.long = seed, long
        self.chance = random.Random(f"{seed}:{name}")
        self.tenant = f"t-{name}"
        self.journal, self.tenants = Journal(), {self.tenant}
        self.writers, self.loads, self.proxies = [], [], []
        self.traffic = Traffic(stack.kafka.brokers, self.journal,
                               self.chance, self.tenant)
        with stack.db.connect() as c:
            self.books = checker.Books.read(c)

    # --- the players -------------------------------------------------------

    def proxy(self):
        made = Proxy(self.stack.postgres.port)
        self.proxies.append(made)
        return made

    def writer(self, proxy=None, ready=True, **settings):
        """A writer, started; through the proxy if one is given."""
        settings.setdefault("PULSE_WRITER_SESSION_TIMEOUT", "2500ms")
        if proxy is not None:
            settings["PULSE_POSTGRES_URL"] = proxy.url(
                self.stack.db.url("writer"))
        number = len(self.writers)
        settings.setdefault("PULSE_WRITER_OWNER", f"w{number}")
        made = self.stack.service("writer", f"-{number}", **settings)
        self.writers.append(made)
        return made.start(ready=ready)

    def load(self, rate=400):
        made = Load(self.traffic, rate)
        self.loads.append(made)
        made.start()
        return made

    @functools.cached_property
    def key(self):
        """For the edge; make it before the edge starts, which then has it."""
        return self.stack.key(self.tenant)

    def edge(self, **settings):
        assert self.key
        return self.stack.start("ingest", **settings)

    def devices(self, **how):
        """Over HTTP, through an edge of the scenario's own."""
        made = Devices(self.stack, self.journal, self.tenant, self.key, **how)
        if not any(p.name == "ingest" for p in self.stack.processes):
            self.edge()  # it knows the devices' key
        self.loads.append(made)
        made.start()
        return made

    # --- looking on --------------------------------------------------------

    def ends(self):
        return self.log.ends()

    def caught_up(self, timeout=60):
        """Everything in the log is accounted for."""
        ends = {at: end for at, end in self.ends().items() if end > 0}

        def there():
            have = {(t, p): n for t, p, n in self.stack.db.rows(
                "SELECT topic, part, next_off FROM store.consumer_offset"
                " WHERE consumer = 'pulse-writer'")}
            return all(have.get(at) == end for at, end in ends.items())
        wait_until(there, timeout, "the writer is through", interval=0.1)

    def owners(self):
        return {o for o, in self.stack.db.rows(
            "SELECT DISTINCT owner FROM store.consumer_offset"
            " WHERE consumer = 'pulse-writer'")}

    def backends(self, owner="pulse-writer"):
        return [p for p, in self.stack.db.rows(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s",
            (owner,))]

    # --- the end -----------------------------------------------------------

    def finish(self, timeout=60):
        """The load ends, everything is written: is it all right?"""
        for load in self.loads:
            load.finish()
        self.traffic.flush()
        self.caught_up(timeout)
        wrong = self.judge()
        assert not wrong, "\n".join([f"seed {self.seed}:", *wrong])
        assert self.journal.acknowledged() > 0

    def judge(self):
        with self.stack.db.connect() as c:
            stored = checker.Stored.read(c, self.tenants, self.books)
        return checker.judge(self.journal, stored, self.books, self.ends())

    def save(self):
        """For checker.py, and for people."""
        path = self.stack.logs / "journal.jsonl"
        self.journal.save(path)
        path.with_suffix(".json").write_text(json.dumps({
            "seed": self.seed, "tenants": sorted(self.tenants),
            "sums": self.books.sums, "last_letter": self.books.last_letter}))

    def close(self):
        for load in self.loads:
            load.ending.set()
            load.join(30)
        self.traffic.abandon()
        try:
            self.stack.close()
        finally:
            self.stack.processes.clear()
            for proxy in self.proxies:
                proxy.close()

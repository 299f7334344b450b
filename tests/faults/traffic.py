# SPDX-License-Identifier: Apache-2.0
"""A fleet as it is: readings of known devices, repeats, late ones, two that
contradict each other, bytes nobody can read. Everything goes into a journal."""

import threading
import time
from collections import Counter

import requests
from confluent_kafka import Producer
from harness.records import TOPIC, encode, event, metric, now_us, telemetry
from journal import Entry

HOUR = 3_600_000_000
UNREADABLE = ("undecodable", "unknown_schema")


def typed(record):
    """fastavro would send a whole number as the double it also is."""
    if "metrics" not in record:
        return record
    return {**record, "metrics": {
        name: ("long", v) if type(v) is int else v
        for name, v in record["metrics"].items()}}


class Traffic:
    """Straight into Kafka. Not for two threads at once."""

    def __init__(self, brokers, journal, chance, tenant, devices=8):
        self.journal, self.chance, self.tenant = journal, chance, tenant
        self.devices = devices
        self.producer = Producer({
            "bootstrap.servers": brokers, "linger.ms": 2, "log_level": 0,
            "enable.idempotence": True, "partitioner": "murmur2_random",
            "message.timeout.ms": 120000,
            "queue.buffering.max.messages": 500000})
        self.clock = now_us() - HOUR
        self.sent = []  # (kind, record) of good ones, to be repeated

    # --- one message -------------------------------------------------------

    def send(self, kind, record, reasons=(), partition=None):
        entry = Entry(kind, record, encode(kind, typed(record)),
                      tuple(reasons), TOPIC[kind])
        return self._produce(entry, self._key(kind, record), partition)

    def send_bytes(self, topic, payload, reasons=UNREADABLE, partition=None):
        return self._produce(Entry(None, None, payload, tuple(reasons), topic),
                             None, partition)

    def _produce(self, entry, key, partition):
        self.journal.add(entry)

        def report(error, message):
            if error is None:
                entry.part, entry.off = message.partition(), message.offset()
                entry.acknowledged = True
        where = {} if partition is None else {"partition": partition}
        self.producer.produce(entry.topic, value=entry.payload, key=key,
                              on_delivery=report, **where)
        self.producer.poll(0)
        return entry

    @staticmethod
    def _key(kind, r):
        """What has one key in the tables must have one in Kafka."""
        if kind == "Metric":
            return f"{r['tenant_id']}:{r['name']}{sorted(r['labels'].items())}"
        if kind == "Telemetry":
            return f"{r['tenant_id']}:{r['device_id']}"
        return f"{r['tenant_id']}:{r['service']}"

    def flush(self):
        assert self.producer.flush(120) == 0, "Kafka took not everything"

    def abandon(self):
        """Nothing more goes out: the topics may be made anew next."""
        self.producer.purge()
        self.producer.flush(30)

    # --- many --------------------------------------------------------------

    def tick(self):
        """Times of new readings are all different."""
        self.clock += self.chance.randrange(1, 5000)
        return self.clock

    def burst(self, count):
        """At least one of each kind of trouble in every burst."""
        for i in range(count):
            self._one(i if i < 5 else None)
        self.flush()

    def _one(self, trouble):
        dice = self.chance.random()
        if trouble == 0 or dice < 0.03:
            self._garbage()
        elif self.sent and (trouble == 1 or dice < 0.13):
            self.send(*self.chance.choice(self.sent[-200:]))
        elif self.sent and (trouble == 2 or dice < 0.16):
            self._contradict(*self.chance.choice(self.sent[-200:]))
        elif trouble == 3 or dice < 0.24:
            self._fresh("Event")
        elif trouble == 4 or dice < 0.62:
            self._fresh("Metric")
        else:
            self._fresh("Telemetry")

    def _fresh(self, kind):
        """Every tenth comes late: older than what its device sent last."""
        t = self.tick()
        if self.chance.random() < 0.1:
            t -= self.chance.randrange(HOUR)
        n = self.chance.randrange(self.devices)
        record = self._record(kind, n, t)
        if any(k == kind and self._same_key(kind, r, record)
               for k, r in self.sent[-5000:] if r["time"] == t):
            return  # by chance a late one met another: no surprises
        self.send(kind, record)
        self.sent.append((kind, record))

    @staticmethod
    def _same_key(kind, a, b):
        return Traffic._key(kind, a) == Traffic._key(kind, b)

    def _record(self, kind, n, t):
        c = self.chance
        if kind == "Telemetry":
            return telemetry(f"d{n}", t, self.tenant, site=f"s{n % 3}",
                             seq=c.randrange(1 << 40),
                             temp=c.uniform(-40, 60), count=c.randrange(1000),
                             door=c.random() < 0.5, mode=c.choice("abc"))
        if kind == "Metric":
            return metric(f"m{n % 5}", c.gauss(0, 1e6), t, self.tenant,
                          host=f"h{n}")
        return event(f"e{len(self.sent)}-{t}", t, self.tenant,
                     service=f"w{n}", attributes=f'{{"n": {n}}}')

    def _contradict(self, kind, record):
        other = dict(record)
        if kind == "Metric":
            other["value"] = record["value"] + 1
        elif kind == "Telemetry":
            other["seq"] = record["seq"] + 1
        else:
            other["level"] = "error"
        self.send(kind, other)

    def _garbage(self):
        good = encode("Metric", metric("g", 1.0, self.clock, self.tenant))
        self.send_bytes(self.chance.choice(sorted(set(TOPIC.values()))),
                        self.chance.choice([
                            self.chance.randbytes(self.chance.randrange(50)),
                            good[:-1], good + b"\0",
                            b"\xc3\x01" + self.chance.randbytes(20)]))


class Load(threading.Thread):
    """Traffic in the background, so many messages a second."""

    def __init__(self, traffic, rate):
        super().__init__(daemon=True)
        self.traffic, self.rate = traffic, rate
        self.ending, self.problem = threading.Event(), None

    def run(self):
        start, done = time.monotonic(), 0
        try:
            while not self.ending.is_set():
                due = int((time.monotonic() - start) * self.rate)
                for _ in range(done, due):
                    self.traffic._one(None)
                done = max(done, due)
                self.traffic.producer.poll(0)
                time.sleep(0.02)
            self.traffic.flush()
        except Exception as problem:  # noqa: BLE001 - shown by finish()
            self.problem = problem

    def finish(self):
        self.ending.set()
        self.join(150)
        assert self.problem is None, self.problem
        assert not self.is_alive()


class Devices(threading.Thread):
    """Devices that post to the edge, so many requests a second, and note what
    was acknowledged. What was not is sent again, with the same time; rough:
    also where there was no answer."""

    def __init__(self, stack, journal, tenant, key, rate=20, each=10,
                 fleet="http", port=None, timeout=60, rough=False):
        super().__init__(daemon=True)
        self.journal, self.tenant, self.fleet = journal, tenant, fleet
        self.rate, self.each = rate, each
        self.timeout, self.rough = timeout, rough
        self.url = (f"http://127.0.0.1:{port or stack.ingest_port}"
                    "/api/v1/telemetry")
        self.headers = {"Authorization": f"Bearer {key}"}
        self.clock, self.accepted = now_us() - HOUR, 0
        self.refused = self.unanswered = 0
        self.codes = Counter()  # of refusals
        self.ending, self.problem = threading.Event(), None
        self.slowest = 0.0  # seconds one answer took

    def run(self):
        try:
            session = requests.Session()
            while not self.ending.wait(1 / self.rate):
                session = self._deliver(session, [self._record()
                                                  for _ in range(self.each)])
            session.close()
        except Exception as problem:  # noqa: BLE001 - shown by finish()
            self.problem = problem

    def _record(self):
        self.clock += 1000
        n = self.clock % 7
        return telemetry(f"{self.fleet}{n}", self.clock, self.tenant,
                         seq=self.accepted, temp=self.clock / 7, ok=n > 3)

    def _deliver(self, session, records):
        """Returns the session to go on with."""
        entries = [self.journal.add(Entry("Telemetry", r, b"",
                                          topic="pulse.telemetry"))
                   for r in records]
        body = [{k: r[k] for k in ("device_id", "time", "seq", "metrics")}
                for r in records]
        while not self.ending.is_set():
            start = time.monotonic()
            try:
                answer = session.post(self.url, json=body, timeout=self.timeout,
                                      headers=self.headers)
            except requests.RequestException:
                if not self.rough:
                    raise
                self.unanswered += 1
                session.close()
                session = requests.Session()
                self._again(entries, 0.05)
                continue
            self.slowest = max(self.slowest, time.monotonic() - start)
            if answer.status_code == 202:
                assert answer.json()["accepted"] == len(records), answer.text
                for entry in entries:
                    entry.acknowledged = True
                self.accepted += len(records)
                break
            assert answer.status_code in (408, 503), answer.text
            if answer.status_code == 503:
                assert int(answer.headers["Retry-After"]) > 0
            self.codes[answer.json()["error"]["code"]] += 1
            self.refused += 1
            self._again(entries, 0.2)
        return session

    def _again(self, entries, pause):
        if not self.ending.wait(pause):
            for entry in entries:
                entry.again += 1

    def finish(self):
        self.ending.set()
        self.join(90)
        assert self.problem is None, self.problem
        assert not self.is_alive()

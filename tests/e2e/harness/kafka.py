# SPDX-License-Identifier: Apache-2.0
"""A Kafka broker of the session's own, and what tests ask of it."""

import shutil
import socket
import struct

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness.ports import free_port
from harness.process import ROOT, Process
from harness.wait import wait_until

SCRIPT = ROOT / "deploy/kafka/kafka"
# As common/pulse/topology.c: name to partitions on one machine.
TOPICS = {"pulse.metrics": 6, "pulse.telemetry": 6, "pulse.events": 6,
          "pulse.deadletter": 3}


class Kafka:
    def __init__(self, folder, log):
        self.folder, self.port = folder, free_port()
        self.brokers = f"127.0.0.1:{self.port}"
        self.process = Process("kafka", [SCRIPT, "run", folder],
                               {"KAFKA_HEAP": "384m"}, log)
        self.producer = None
        shutil.rmtree(folder, ignore_errors=True)
        setup = Process("kafka-format",
                        [SCRIPT, "format", folder, self.port, free_port()],
                        {}, log).start()
        assert setup.wait(120) == 0, setup.tail()

    def start(self):
        self.process.start()
        wait_until(self._answers, 60, f"Kafka answers: {self.process.tail(5)}")
        return self

    def _answers(self):
        assert self.process.running(), self.process.tail()
        return self.admin().list_topics(timeout=1).brokers

    def stop(self):
        self.process.stop(60)

    def kill(self):
        self.process.kill()

    def admin(self):
        return AdminClient({"bootstrap.servers": self.brokers,
                            "log_level": 0})

    def fresh_topics(self):
        """Deletes and makes Pulse's topics. Only while no service runs."""
        admin = self.admin()
        there = [t for t in admin.list_topics(timeout=10).topics
                 if t in TOPICS]
        if there:
            for done in admin.delete_topics(there).values():
                done.result(30)
        self.make_topics(TOPICS)

    def make_topics(self, names):
        admin, wanted = self.admin(), {n: TOPICS[n] for n in names}

        def make():
            """A topic just deleted may still be known for a moment."""
            for name, done in admin.create_topics(
                    [NewTopic(n, p, 1) for n, p in wanted.items()]).items():
                if done.exception(10) is None:
                    del wanted[name]
            return not wanted
        wait_until(make, 30, "topics are made")
        for topic in names:
            self.ends(topic)

    def ends(self, topic):
        """End offset of each partition of a topic."""
        consumer = self._consumer()

        def end(partition):
            """A new partition may not have its leader yet."""
            return wait_until(
                lambda: consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=10),
                30, f"{topic} {partition} has a leader")[1]
        try:
            return {p: end(p) for p in range(TOPICS[topic])}
        finally:
            consumer.close()

    def read_all(self, topic):
        """Every message of a topic up to its present end."""
        ends = {p: end for p, end in self.ends(topic).items() if end > 0}
        if not ends:
            return []
        consumer = self._consumer()
        found = []
        try:
            consumer.assign([TopicPartition(topic, p, 0) for p in ends])

            def drain():
                for m in consumer.consume(1000, timeout=0.5):
                    assert m.error() is None, m.error()
                    found.append(m)
                    if m.offset() + 1 >= ends[m.partition()]:
                        ends[m.partition()] = 0
                return not any(ends.values())
            wait_until(drain, 30, f"all of {topic} is read", interval=0)
        finally:
            consumer.close()
        return found

    def produce(self, topic, value, key=None, partition=None):
        """One message, acknowledged; returns (partition, offset)."""
        result = []
        if self.producer is None:  # its first message takes a second
            self.producer = Producer({
                "bootstrap.servers": self.brokers, "log_level": 0})
        producer = self.producer
        where = {} if partition is None else {"partition": partition}
        producer.produce(topic, value=value, key=key, **where,
                         on_delivery=lambda e, m: result.append((e, m)))
        assert producer.flush(30) == 0, "not acknowledged"
        error, message = result[0]
        assert error is None, error
        return message.partition(), message.offset()

    def delete_before(self, topic, part, offset):
        """Kafka's DeleteRecords (version 0), which confluent_kafka 1.7
        lacks: the log begins at offset."""
        name = topic.encode()
        body = struct.pack(">hhih4s", 21, 0, 1, 4, b"test") + struct.pack(
            f">ih{len(name)}siiqi", 1, len(name), name, 1, part, offset,
            10000)
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.sendall(struct.pack(">i", len(body)) + body)
            reply = s.makefile("rb")
            answer = reply.read(struct.unpack(">i", reply.read(4))[0])
        first, error = struct.unpack(">qh", answer[-10:])
        assert (first, error) == (offset, 0)

    def _consumer(self):
        return Consumer({"bootstrap.servers": self.brokers,
                         "group.id": "pulse-test",
                         "enable.auto.commit": False,
                         "auto.offset.reset": "earliest"})

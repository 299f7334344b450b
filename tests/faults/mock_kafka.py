# SPDX-License-Identifier: Apache-2.0
"""librdkafka's mock cluster as a Kafka that misbehaves on demand. The edge
connects to it as to any broker; nothing in the edge knows of it.

It does not check sequence numbers: while it answers errors, nothing else may be
in flight to the partition, or librdkafka takes what it failed for stored."""

import ctypes

from harness.kafka import TOPICS, Kafka

PRODUCE, INIT_PRODUCER_ID = 0, 22  # requests' numbers in the protocol
# Error codes of the protocol.
REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS, OUT_OF_ORDER = 7, 19, 45
CLUSTER_AUTHORIZATION_FAILED = 31


def _library():
    lib = ctypes.CDLL("librdkafka.so.1")
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, *arguments in (
            ("conf_new", pointer),
            ("conf_set", ctypes.c_int, pointer, text, text, text,
             ctypes.c_size_t),
            ("new", pointer, ctypes.c_int, pointer, text, ctypes.c_size_t),
            ("destroy", None, pointer),
            ("mock_cluster_new", pointer, pointer, ctypes.c_int),
            ("mock_cluster_destroy", None, pointer),
            ("mock_cluster_bootstraps", text, pointer),
            ("mock_topic_create", ctypes.c_int, pointer, text, ctypes.c_int,
             ctypes.c_int),
            ("mock_push_request_errors_array", None, pointer, ctypes.c_int16,
             ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)),
            ("mock_clear_request_errors", None, pointer, ctypes.c_int16),
            ("mock_broker_set_rtt", ctypes.c_int, pointer, ctypes.c_int32,
             ctypes.c_int),
            ("mock_broker_set_down", ctypes.c_int, pointer, ctypes.c_int32),
            ("mock_broker_set_up", ctypes.c_int, pointer, ctypes.c_int32),
            ("mock_partition_set_leader", ctypes.c_int, pointer, text,
             ctypes.c_int32, ctypes.c_int32)):
        function = getattr(lib, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


class MockKafka(Kafka):
    """Three brokers, Pulse's topics. Reading is as with a real one."""

    BROKERS = (1, 2, 3)

    def __init__(self):  # no process, no folder
        self.lib, why = _library(), ctypes.create_string_buffer(256)
        conf = self.lib.rd_kafka_conf_new()
        for name, value in ((b"bootstrap.servers", b"127.0.0.1:1"),
                            (b"log_level", b"0")):
            self.lib.rd_kafka_conf_set(conf, name, value, why, len(why))
        self.client = self.lib.rd_kafka_new(0, conf, why, len(why))
        assert self.client, why.value
        self.cluster = self.lib.rd_kafka_mock_cluster_new(
            self.client, len(self.BROKERS))
        self.brokers = self.lib.rd_kafka_mock_cluster_bootstraps(
            self.cluster).decode()
        for name, parts in TOPICS.items():
            self.lib.rd_kafka_mock_topic_create(
                self.cluster, name.encode(), parts, len(self.BROKERS))

    def close(self):
        self.lib.rd_kafka_mock_cluster_destroy(self.cluster)
        self.lib.rd_kafka_destroy(self.client)

    def errors(self, code, count, request=PRODUCE):
        """The answers to the next count requests of a kind."""
        self.lib.rd_kafka_mock_push_request_errors_array(
            self.cluster, request, count, (ctypes.c_int * count)(
                *[code] * count))

    def no_errors(self, request=PRODUCE):
        self.lib.rd_kafka_mock_clear_request_errors(self.cluster, request)

    def rtt(self, ms):
        for broker in self.BROKERS:
            self.lib.rd_kafka_mock_broker_set_rtt(self.cluster, broker, ms)

    def down(self, broker):
        self.lib.rd_kafka_mock_broker_set_down(self.cluster, broker)

    def up(self, broker):
        self.lib.rd_kafka_mock_broker_set_up(self.cluster, broker)

    def lead(self, topic, part, broker):
        self.lib.rd_kafka_mock_partition_set_leader(
            self.cluster, topic.encode(), part, broker)

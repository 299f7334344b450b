# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's own SDK exports to the edge: what it sends stands in the
tables, and it understands what it is answered."""

import gzip
import json
import logging
import math
import threading
import time
import uuid

import pytest
import requests
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from harness.wait import wait_until
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter,
)
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource

PATH = "/v1/metrics"
PROTOBUF = "application/x-protobuf"
LONG = "x" * 1025  # for a label
EXPORT_EVERY_MS = 3600e3  # only when asked to


@pytest.fixture(scope="module")
def edge(stack):
    """A running edge and writer."""
    stack.acme = stack.key("acme")
    stack.bound = stack.key("acme", device="pump-7")
    stack.edge = stack.start("ingest", PULSE_INGEST_MESSAGE_TIMEOUT="2s")
    stack.writer = stack.start("writer")
    return stack


class Sender:
    """An application with an SDK; answers has what the edge said to it."""

    def __init__(self, stack, key, views=(), attributes=(), **options):
        self.answers = []
        session = requests.Session()
        session.hooks["response"].append(
            lambda answer, *_, **__: self.answers.append(answer))
        exporter = OTLPMetricExporter(
            endpoint=f"http://127.0.0.1:{stack.ingest_port}{PATH}",
            headers={"Authorization": f"Bearer {key}"}, session=session,
            **options)
        reader = PeriodicExportingMetricReader(
            exporter, export_interval_millis=EXPORT_EVERY_MS,
            export_timeout_millis=60e3)
        self.service = "s" + uuid.uuid4().hex[:12]
        self.provider = MeterProvider(
            [reader], views=views, resource=Resource.create(
                {"service.name": self.service, "service.instance.id": "1",
                 **dict(attributes)}))
        self.meter = self.provider.get_meter("shop", "1.2")

    def export(self):
        return self.provider.force_flush(60e3)


@pytest.fixture
def sender(edge):
    made = []

    def make(key=edge.acme, **options):
        made.append(Sender(edge, key, **options))
        return made[-1]
    yield make
    for one in made:
        one.provider.shutdown()


def rows(stack, service):
    """(name, labels without what all have) to value."""
    common = {"service.name", "service.instance.id", "otel_scope_name",
              "otel_scope_version", "source"}
    found = {}
    for name, labels, value in stack.db.rows(
            "SELECT s.name, s.labels, value FROM store.samples"
            " JOIN store.series s USING (series_id)"
            " WHERE s.labels ->> 'service.name' = %s", (service,)):
        rest = tuple(sorted((k, v) for k, v in labels.items()
                            if k not in common))
        assert (name, rest) not in found, "stored twice"
        found[name, rest] = value
    return found


def stored(stack, service, count):
    return wait_until(
        lambda: (found := rows(stack, service)) and len(found) >= count
        and found, 20, f"{count} rows")


def message(*points, name="m", kind="gauge", resource=None):
    """A request in JSON."""
    attributes = [{"key": k, "value": {"stringValue": v}}
                  for k, v in (resource or {}).items()]
    return {"resourceMetrics": [{
        "resource": {"attributes": attributes}, "scopeMetrics": [{
            "metrics": [{"name": name, kind: {"dataPoints": list(points)}}],
        }]}]}


def protobuf(request):
    """The same in protobuf."""
    out = ExportMetricsServiceRequest()
    (given,) = request["resourceMetrics"]
    resource = out.resource_metrics.add()
    for attribute in given["resource"]["attributes"]:
        one = resource.resource.attributes.add(key=attribute["key"])
        one.value.string_value = attribute["value"]["stringValue"]
    (metric,) = given["scopeMetrics"][0]["metrics"]
    put = resource.scope_metrics.add().metrics.add(name=metric["name"])
    for point in metric["gauge"]["dataPoints"]:
        put.gauge.data_points.add(
            as_double=float(point["asDouble"]),
            time_unix_nano=point.get("timeUnixNano", 0))
    return out.SerializeToString()


@pytest.mark.parametrize("compression", [Compression.NoCompression,
                                         Compression.Gzip, Compression.Deflate])
def test_every_kind_of_instrument(edge, sender, compression):
    s = sender(compression=compression, views=[
        View(instrument_name="wait",
             aggregation=ExplicitBucketHistogramAggregation((0.1, 1, 10))),
        View(instrument_name="size",
             aggregation=ExponentialBucketHistogramAggregation()),
        View(instrument_name="renamed.one", name="other.name")])
    s.meter.create_counter("sold", unit="1").add(3, {"what": "tea", "n": 5})
    s.meter.create_up_down_counter("queue.length").add(-2)
    s.meter.create_gauge("temperature").set(21.5, {"on": True})
    s.meter.create_observable_gauge(
        "watched", [lambda _: [Observation(7, {"list": ["a", "b"]})]])
    s.meter.create_counter("renamed.one").add(1)
    for value in (0.05, 0.5, 5, 50):
        s.meter.create_histogram("wait").record(value, {"a": "b"})
    for value in (1, 1, 4):
        s.meter.create_histogram("size").record(value)
    assert s.export()
    assert [a.status_code for a in s.answers] == [200]
    assert s.answers[0].headers["Content-Type"] == PROTOBUF
    answer = ExportMetricsServiceResponse.FromString(s.answers[0].content)
    assert not answer.HasField("partial_success")
    found = stored(edge, s.service, 22)
    size = {k: found.pop(k) for k in list(found) if k[0].startswith("size_")}
    b = ("a", "b")
    assert found == {
        ("sold", (("n", "5"), ("what", "tea"))): 3,
        ("queue.length", ()): -2,
        ("temperature", (("on", "true"),)): 21.5,
        ("watched", (("list", '["a","b"]'),)): 7,
        ("other.name", ()): 1,
        ("wait_bucket", (b, ("le", "0.1"))): 1,
        ("wait_bucket", (b, ("le", "1"))): 2,
        ("wait_bucket", (b, ("le", "10"))): 3,
        ("wait_bucket", (b, ("le", "+Inf"))): 4,
        ("wait_count", (b,)): 4,
        ("wait_sum", (b,)): 55.55,
        ("wait_min", (b,)): 0.05,
        ("wait_max", (b,)): 50,
    }
    buckets = {float(labels[0][1]): count for (name, labels), count
               in size.items() if name == "size_bucket"}
    assert buckets[math.inf] == 3
    # 1 is the upper bound of its bucket, 4 of its own, a quarter of a power
    # of two wide each.
    assert buckets[1] == 2 and buckets[2 ** -0.25] == 0
    assert buckets[4] == 3 and buckets[4 * 2 ** -0.25] == 2
    assert size["size_sum", ()] == 6 and size["size_max", ()] == 4


def test_labels_of_resource_and_scope(edge, sender):
    s = sender(attributes={"host.name": "h1", "os.type": "linux"}.items())
    s.meter.create_counter("scoped").add(1)
    assert s.export()
    stored(edge, s.service, 1)
    ((labels,),) = edge.db.rows(
        "SELECT labels FROM store.series WHERE labels ->> 'service.name' = %s",
        (s.service,))
    assert labels == {
        "service.name": s.service, "service.instance.id": "1",
        "host.name": "h1", "otel_scope_name": "shop",
        "otel_scope_version": "1.2"}


def test_delta_is_marked(edge, sender):
    s = sender(preferred_temporality={Counter: AggregationTemporality.DELTA})
    s.meter.create_counter("sold").add(3)
    assert s.export()
    assert stored(edge, s.service, 1) == {
        ("sold", (("temporality", "delta"),)): 3}


def test_partial_success_is_a_success_to_the_sdk(edge, sender):
    s = sender()
    s.meter.create_gauge("good").set(1)
    s.meter.create_gauge("bad").set(2, {"a": LONG})
    assert s.export()
    (answer,) = s.answers
    assert answer.status_code == 200
    partial = ExportMetricsServiceResponse.FromString(
        answer.content).partial_success
    assert partial.rejected_data_points == 1
    assert "text_too_long" in partial.error_message
    assert stored(edge, s.service, 1) == {("good", ()): 1}
    letter = wait_until(lambda: edge.db.rows(
        "SELECT payload, content_type FROM dead_letters WHERE reason ="
        " 'text_too_long' AND convert_from(payload, 'UTF8') LIKE %s",
        (f"%{s.service}%",)), 20, "the letter")
    kept = json.loads(bytes(letter[0][0]))
    assert letter[0][1] == "application/vnd.pulse.metric+json"
    assert kept["name"] == "bad" and kept["value"] == 2
    assert kept["labels"]["a"] == LONG
    assert kept["labels"]["service.name"] == s.service


def test_all_bad_is_told_to_the_sdk_and_not_sent_again(edge, sender, caplog):
    s = sender()
    s.meter.create_gauge("bad").set(2, {"a": LONG})
    with caplog.at_level(logging.ERROR):
        s.export()
    assert [a.status_code for a in s.answers] == [400]
    status = Status.FromString(s.answers[0].content)
    assert "text_too_long" in status.message
    details = BadRequest()
    assert status.details[0].Unpack(details)
    (violation,) = details.field_violations
    assert violation.field == "data_points[0].labels.a"
    assert "400" in caplog.text


def test_503_is_sent_again_and_stored_once(edge, sender):
    """Kafka stands still, is missed, and goes on."""
    s = sender(timeout=60)
    s.meter.create_counter("kept").add(1)
    edge.kafka.process.pause()
    thread = threading.Thread(target=s.export)
    try:
        thread.start()
        wait_until(lambda: s.answers, 20, "an answer")
        first = s.answers[0]
    finally:
        edge.kafka.process.resume()
    thread.join(60)
    assert first.status_code == 503
    assert int(first.headers["Retry-After"]) >= 1
    assert first.headers["Content-Type"] == PROTOBUF
    assert Status.FromString(first.content).message.startswith(
        "kafka_unavailable: ")
    assert s.answers[-1].status_code == 200
    assert stored(edge, s.service, 1) == {("kept", ()): 1}  # see rows


def test_json_and_protobuf_store_the_same(edge):
    now = time.time_ns()
    for kind, encode in (("json", lambda m: json.dumps(m).encode()),
                         ("protobuf", protobuf)):
        body = encode(message(
            {"asDouble": 0.1, "timeUnixNano": now},
            {"asDouble": 0.2, "timeUnixNano": now + 1000},
            resource={"service.name": f"twin-{kind}", "device.id": "d9"}))
        answer = edge.post(PATH, gzip.compress(body), edge.acme,
                           Content_Type="application/json"
                           if kind == "json" else PROTOBUF,
                           Content_Encoding="gzip")
        assert answer.status_code == 200
        assert answer.content == (b"{}\n" if kind == "json" else b"")

    def samples(kind):
        return edge.db.rows(
            "SELECT time, value, s.name, s.labels - 'service.name'"
            " FROM store.samples JOIN store.series s USING (series_id)"
            " WHERE s.labels ->> 'service.name' = %s ORDER BY time",
            (f"twin-{kind}",))
    wait_until(lambda: len(samples("json")) == 2 == len(samples("protobuf")),
               20, "both")
    assert samples("json") == samples("protobuf")
    assert samples("json")[0][3] == {"device_id": "d9"}


def test_json_answers(edge):
    partial = edge.post(PATH, message({"asInt": 1}, {"asDouble": "NaN"}),
                        edge.acme)
    assert partial.status_code == 200
    assert partial.headers["Content-Type"] == "application/json"
    said = partial.json()["partialSuccess"]
    assert said["rejectedDataPoints"] == "1"
    assert "data_points[1].value not_finite" in said["errorMessage"]
    strict = edge.post(PATH + "?strict=1",
                       message({"asInt": 1}, {"asDouble": "NaN"}), edge.acme)
    assert strict.status_code == 400
    assert strict.json()["code"] == 3
    assert strict.json()["details"][0]["fieldViolations"] == [
        {"field": "data_points[1].value",
         "description": "not_finite: must be a finite number"}]
    assert edge.post(PATH, b"{}", edge.acme).json() == {}


@pytest.mark.parametrize("headers, body, status, code", [
    ({"Content_Type": PROTOBUF}, b"\x0a\x05", 400, "malformed_protobuf"),
    ({}, b"{", 400, "malformed_json"),
    ({}, b'{"resourceMetrics":7}', 400, "wrong_type"),
    ({"Content_Type": PROTOBUF}, b"\x0a\x00" * 100000, 413,
     "unpacked_too_large"),
    ({"Content_Type": "text/plain"}, b"{}", 415, "unsupported_media_type"),
    ({"Content_Type": ""}, b"{}", 415, "unsupported_media_type"),
    ({"Content_Type": PROTOBUF, "Content_Encoding": "br"}, b"x", 415,
     "unsupported_encoding"),
])
def test_refusals(edge, headers, body, status, code):
    answer = edge.post(PATH, body, edge.acme, **headers)
    assert answer.status_code == status
    kind = headers.get("Content_Type")
    if kind == PROTOBUF:
        assert answer.headers["Content-Type"] == PROTOBUF
        message_text = Status.FromString(answer.content).message
    else:
        assert answer.headers["Content-Type"] == "application/json"
        message_text = answer.json()["message"]
    assert message_text.startswith(code + ": "), message_text


def test_no_key_is_a_status_too(edge):
    answer = edge.post(PATH, b"", None, Content_Type=PROTOBUF)
    assert answer.status_code == 401
    status = Status.FromString(answer.content)
    assert status.code == 16 and status.message.startswith("no_key: ")


def test_too_many_records(edge):
    points = [{"asInt": 1}] * 10001
    answer = edge.post(PATH, message(*points), edge.acme)
    assert answer.status_code == 413
    assert answer.json()["message"].startswith("too_many_records: ")


def test_shared_labels_do_not_make_a_large_request_of_a_small_one(edge):
    scope = {"attributes": [
        {"key": f"k{i}", "value": {"stringValue": "x" * 1000}}
        for i in range(20)]}
    body = message(*[{"asInt": 1}] * 5000)
    body["resourceMetrics"][0]["scopeMetrics"][0]["scope"] = scope
    answer = edge.post(PATH, body, edge.acme)
    assert answer.status_code == 413
    assert answer.json()["message"].startswith("too_many_bytes: ")


def test_an_undecodable_body_is_kept_as_it_came(edge):
    mark = uuid.uuid4().bytes
    edge.post(PATH, gzip.compress(b"\x0a\x7f" + mark), edge.acme,
              Content_Type=PROTOBUF, Content_Encoding="gzip")
    (letter,) = wait_until(lambda: edge.db.rows(
        "SELECT payload, content_type, endpoint FROM dead_letters"
        " WHERE reason = 'malformed_protobuf' AND payload = %s",
        (b"\x0a\x7f" + mark,)), 20, "the letter")
    assert letter[1:] == (PROTOBUF, PATH)


def test_a_bad_histogram_is_edited_and_redriven(edge):
    """Its metrics stand in the letter as Pulse's JSON, an array."""
    service = "s" + uuid.uuid4().hex[:12]
    now = time.time_ns()
    answer = edge.post(PATH, message(
        {"count": 3, "sum": "NaN", "bucketCounts": [1, 2],
         "explicitBounds": [5], "timeUnixNano": now},
        name="h", kind="histogram", resource={"service.name": service}),
        edge.acme)
    assert answer.status_code == 400
    ((ident, payload),) = wait_until(lambda: edge.db.rows(
        "SELECT id, payload FROM dead_letters WHERE"
        " reason = 'not_finite' AND convert_from(payload, 'UTF8') LIKE %s",
        (f"%{service}%",)), 20, "the letter")
    metrics = json.loads(bytes(payload))
    assert [m["name"] for m in metrics] == [
        "h_bucket", "h_bucket", "h_count", "h_sum"]
    metrics[3]["value"] = 9
    edge.db.execute("UPDATE dead_letters SET payload = %s WHERE id = %s",
                    (json.dumps(metrics).encode(), ident))
    done = edge.run("deadletter", "redrive", ident)
    assert done.returncode == 0, done.stdout + done.stderr
    assert stored(edge, service, 4) == {
        ("h_bucket", (("le", "5"),)): 1, ("h_bucket", (("le", "+Inf"),)): 3,
        ("h_count", ()): 3, ("h_sum", ()): 9}


def test_a_device_bound_key(edge, sender):
    s = sender(key=edge.bound)
    s.meter.create_gauge("level").set(1)
    assert s.export()
    assert stored(edge, s.service, 1) == {
        ("level", (("device_id", "pump-7"),)): 1}
    answer = edge.post(PATH, message({"asInt": 1},
                                     resource={"device.id": "other"}),
                       edge.bound)
    assert answer.status_code == 400
    assert "device_mismatch" in answer.json()["message"]

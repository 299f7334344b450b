#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Captures what OpenTelemetry's Python SDK sends: protobuf/NAME as it came,
json/NAME the same in OTLP's JSON, as Google's protobuf library says it.

    ./sandbox tests/corpus/otlp/capture.py

The unit test otlp_corpus then writes listing/NAME, what Pulse makes of it; see
that it is right:

    ./sandbox env PULSE_OTLP_LISTING=write make unit ARGS=otlp_corpus"""

import json
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter,
)
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
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

HERE = pathlib.Path(__file__).parent
RESOURCE = {
    "service.name": "shop", "service.namespace": "demo",
    "service.instance.id": "shop-1", "host.name": "web-1",
    "deployment.environment.name": "test", "process.pid": 4711}


class Taker(BaseHTTPRequestHandler):
    bodies = []

    def do_POST(self):
        self.bodies.append(
            self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def counters(meter):
    sold = meter.create_counter("shop.sold", unit="1", description="Sold")
    for what in ("tea", "coffee", "käse"):
        sold.add(2, {"what": what, "n": 5, "gift": False, "price": 0.25})
    meter.create_up_down_counter("shop.queue").add(-3)


def gauges(meter):
    meter.create_gauge("room.temperature", unit="Cel").set(
        21.5, {"room": "kitchen"})
    meter.create_observable_gauge("watched", [lambda _: [
        Observation(i, {"list": ["a", "b"], "empty": ""}) for i in range(3)]])


def histograms(meter):
    wait = meter.create_histogram("http.server.request.duration", unit="s")
    for value in (0.003, 0.02, 0.02, 1.5, 100):
        wait.record(value, {"http.route": "/buy"})
    few = meter.create_histogram("few")
    few.record(7)


def exponential(meter):
    size = meter.create_histogram("size")
    for value in (0, 1, 1.5, 3, 1000):
        size.record(value)


def many(meter):
    load = meter.create_gauge("load")
    for i in range(50):
        load.set(i / 8, {"cpu": str(i)})


CASES = {
    "counters": (counters, {}),
    "gauges": (gauges, {}),
    "histograms": (histograms, {"views": [View(
        instrument_name="few",
        aggregation=ExplicitBucketHistogramAggregation((1, 10)))]}),
    "exponential": (exponential, {"views": [View(
        instrument_name="size",
        aggregation=ExponentialBucketHistogramAggregation())]}),
    "delta": (lambda meter: (counters(meter), histograms(meter)),
              {"delta": True}),
    "many": (many, {}),
}


def export(port, fill, views=(), delta=False):
    kinds = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(
            endpoint=f"http://127.0.0.1:{port}/v1/metrics",
            preferred_temporality=kinds if delta else None),
        export_interval_millis=3600e3)
    provider = MeterProvider([reader], resource=Resource.create(RESOURCE),
                             views=views)
    fill(provider.get_meter("shop", "1.2", attributes={"team": "sales"}))
    provider.force_flush()


def main():
    server = HTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for kind in ("protobuf", "json"):
        (HERE / kind).mkdir(exist_ok=True)
    for name, (fill, options) in CASES.items():
        export(server.server_port, fill, **options)
        body = Taker.bodies[-1]
        (HERE / "protobuf" / name).write_bytes(body)
        request = ExportMetricsServiceRequest.FromString(body)
        (HERE / "json" / name).write_text(json.dumps(MessageToDict(
            request, use_integers_for_enums=True), indent=1) + "\n")
        Taker.bodies.clear()
    sys.stdout.flush()


if __name__ == "__main__":
    main()

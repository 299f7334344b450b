#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Captures what Debian's Prometheus, as an agent, sends by remote write:
NAME.snappy is a request's body as it came.

    ./sandbox tests/corpus/prometheus/capture.py

`scrape` is of an exporter with counters, a histogram, a summary, NaN and odd
labels; `metadata` what it says of their types; `stale` the end of all series
when the exporter has gone. tests/unit/prometheus_corpus_test.c reads them."""

import pathlib
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "e2e"))

from harness.prometheus import Prometheus, Target  # noqa: E402
from harness.wait import wait_until  # noqa: E402

LINES = [
    "# HELP demo_requests_total Requests.",
    "# TYPE demo_requests_total counter",
    'demo_requests_total{code="200",path="/a\\"b\\\\c"} 1027',
    'demo_requests_total{code="500",path="ü"} 3',
    "# TYPE demo_seconds histogram",
    'demo_seconds_bucket{le="0.1"} 2',
    'demo_seconds_bucket{le="+Inf"} 5',
    "demo_seconds_sum 1.7",
    "demo_seconds_count 5",
    "# TYPE demo_latency summary",
    'demo_latency{quantile="0.5"} NaN',
    'demo_latency{quantile="0.99"} NaN',
    "demo_latency_sum 0",
    "demo_latency_count 0",
    "demo_limit +Inf",
    'demo_empty{gone="",kept="x"} 1e-300',
]
STALE = bytes.fromhex("020000000000f07f")


def unpack(body):
    """One block of snappy."""
    at = next(i for i, byte in enumerate(body) if byte < 0x80) + 1
    out = bytearray()
    while at < len(body):
        tag, at = body[at], at + 1
        kind, size = tag & 3, tag >> 2
        if kind == 0:
            more = max(0, size - 59)
            if more:
                size = int.from_bytes(body[at:at + more], "little")
            at += more
            out += body[at:at + size + 1]
            at += size + 1
            continue
        if kind == 1:
            size, back, more = (size & 7) + 3, tag >> 5 << 8 | body[at], 1
        else:
            more = 2 if kind == 2 else 4
            back = int.from_bytes(body[at:at + more], "little")
        at += more
        for _ in range(size + 1):
            out.append(out[-back])
    return bytes(out)


class Taker(BaseHTTPRequestHandler):
    bodies = []

    def do_POST(self):
        assert self.headers["Content-Encoding"] == "snappy"
        assert self.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
        self.bodies.append(
            self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def having(mark):
    return next((b for b in list(Taker.bodies) if mark in unpack(b)), None)


def keep(name, body):
    (HERE / f"{name}.snappy").write_bytes(body)
    print(name, len(body))


def main():
    taker = HTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=taker.serve_forever, daemon=True).start()
    target = Target(LINES)
    with tempfile.TemporaryDirectory() as folder:
        agent = Prometheus(
            pathlib.Path(folder) / "agent", pathlib.Path(folder) / "log",
            f"http://127.0.0.1:{taker.server_port}/", "key",
            [target.port], metadata="500ms").start()
        try:
            keep("scrape", wait_until(
                lambda: having(b"demo_latency_count"), 30, "a scrape"))
            keep("metadata", wait_until(
                lambda: having(b"Requests."), 30, "the metadata"))
            target.close()
            keep("stale", wait_until(
                lambda: having(STALE), 30, "stale markers"))
        finally:
            agent.stop()


main()

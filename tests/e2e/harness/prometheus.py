# SPDX-License-Identifier: Apache-2.0
"""Debian's Prometheus as an agent that writes to Pulse, and what it scrapes."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from harness.pack import snappy, varint
from harness.ports import free_port
from harness.process import Process
from harness.service import SAMPLE
from harness.wait import wait_until


class Target:
    """An exporter: lines, after a counter of how often it was asked."""

    def __init__(self, lines):
        self.lines, self.scrapes = lines, 0
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                target.scrapes += 1
                text = f"demo_scrapes_total {target.scrapes}\n" + "".join(
                    line + "\n" for line in target.lines)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Prometheus(Process):
    """The agent; config and WAL live in folder."""

    def __init__(self, folder, log, url, key, targets, metadata="1m"):
        folder.mkdir(parents=True)
        self.port = free_port()
        config = {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [{
                "job_name": "demo",
                "static_configs": [{"targets": [
                    f"127.0.0.1:{port}" for port in targets]}]}],
            "remote_write": [{
                "url": url,
                "authorization": {"credentials": key},
                "metadata_config": {"send_interval": metadata},
                "queue_config": {
                    "batch_send_deadline": "100ms", "min_backoff": "50ms",
                    "max_backoff": "500ms"}}]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        super().__init__("prometheus", [
            "prometheus", "--enable-feature=agent",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.agent.path={folder}/wal",
            f"--web.listen-address=127.0.0.1:{self.port}"],
            {"GOMAXPROCS": "1"}, log)

    def start(self):
        super().start()
        wait_until(lambda: self._get("/-/ready").status_code == 200, 30,
                   "Prometheus is ready")
        return self

    def _get(self, path):
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)

    def metric(self, name):
        """Sum of what it says of itself."""
        return sum(float(s[3]) for s in map(SAMPLE.match, self._get(
            "/metrics").text.splitlines()) if s and s[1] == name)


# --- requests by hand ------------------------------------------------------

def _field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def series(labels, *samples, more=b""):
    """A TimeSeries; samples are (value as 8 bytes, time in ms)."""
    return _field(1, b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in labels.items()) + b"".join(
        _field(2, b"\x09" + value + b"\x10" + varint(ms))
        for value, ms in samples) + more)


def write(*parts):
    """A body of remote write."""
    return snappy(b"".join(parts))

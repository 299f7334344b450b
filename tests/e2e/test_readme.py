# SPDX-License-Identifier: Apache-2.0
"""The README's snippets for senders, run as they stand there; only the port
is another."""

import base64
import gzip
import os
import re
import subprocess
import time
import tomllib

import pytest
import requests
from harness.accounts import samples
from harness.process import ROOT, TELEGRAF
from harness.wait import wait_until

README = (ROOT / "README.md").read_text()


def snippet(heading, language):
    section = README.split(f"\n### {heading}\n")[1].split("\n## ")[0]
    section = section.split("\n### ")[0]
    return re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]


@pytest.fixture(scope="module")
def pulse(stack):
    stack.env_key = stack.key("acme")
    stack.start("ingest")
    stack.start("writer")
    return stack


@pytest.fixture
def here(pulse):
    """The snippet, for this edge."""
    def text(heading, language):
        found = snippet(heading, language)
        assert "127.0.0.1:8080" in found
        return found.replace("127.0.0.1:8080",
                             f"127.0.0.1:{pulse.ingest_port}")
    return text


def run(pulse, argv, cwd):
    done = subprocess.run(
        argv, cwd=cwd, text=True, capture_output=True, timeout=60, check=False,
        env={**os.environ, "PULSE_KEY": pulse.env_key})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stored(pulse, name, expected):
    """The values of the metric, some labels with each."""
    def there():
        rows = [(labels, value) for labels, _, value in samples(pulse, name)]
        return all(any(part.items() <= labels.items() and value == v
                       for labels, v in rows) for part, value in expected)
    wait_until(there, 30, f"{name} is stored")


def test_curl(pulse, here, tmp_path):
    out = run(pulse, ["bash", "-c", here("curl", "sh")], tmp_path)
    assert '{"accepted":2,"rejected":[]}' in out
    stored(pulse, "temperature", [({"device_id": "pump-7"}, 21.5),
                                  ({"device_id": "pump-8"}, 19)])


def test_python(pulse, here, tmp_path):
    run(pulse, ["python3", "-c", here("Python", "python")], tmp_path)
    stored(pulse, "temperature", [({"device_id": "pump-9"}, 20.5)])


def test_opentelemetry(pulse, here, tmp_path):
    run(pulse, ["python3", "-c", here("OpenTelemetry", "python")], tmp_path)
    stored(pulse, "orders", [({"country": "at"}, 1)])


def test_prometheus(pulse, here, tmp_path):
    (tmp_path / "pulse.key").write_text(pulse.env_key)
    (tmp_path / "prometheus.yml").write_text(
        here("Prometheus", "yaml") +
        "scrape_configs:\n- job_name: itself\n  scrape_interval: 1s\n"
        "  static_configs: [{targets: [127.0.0.1:9]}]\n")
    prometheus = pulse.program(
        "prometheus", ["prometheus", "--enable-feature=agent",
                       f"--config.file={tmp_path}/prometheus.yml",
                       f"--storage.agent.path={tmp_path}/data",
                       "--web.listen-address=127.0.0.1:0"])
    prometheus.start()
    stored(pulse, "up", [({"job": "itself", "instance": "127.0.0.1:9"}, 0)])
    prometheus.stop()


# --- Telegraf ----------------------------------------------------------------

class Captured:
    """A request of a real client, from tests/corpus; its times are now's."""

    def __init__(self, path):
        head, _, body = (ROOT / "tests/corpus" / path).read_bytes().partition(
            b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.headers = dict(f.split(": ", 1) for f in fields)
        if self.headers.pop("Transfer-Encoding", "") == "chunked":
            body = b"".join(self.chunks(body))
        del self.headers["Host"]
        assert self.headers["Content-Encoding"] == "gzip"
        self.lines = re.sub(rb"\d{19}(?=\n)", str(time.time_ns()).encode(),
                            gzip.decompress(body))

    @staticmethod
    def chunks(body):
        while body:
            size, _, body = body.partition(b"\r\n")
            yield body[:int(size, 16)]
            body = body[int(size, 16) + 2:]

    def send(self, url, authorization):
        return requests.request(
            self.method, url + self.target, timeout=20,
            data=iter([gzip.compress(self.lines)]),  # chunked, as it came
            headers={**self.headers, "Authorization": authorization})


def test_telegraf(pulse, here):
    """What Telegraf sends with this configuration; tests/corpus has it."""
    config = tomllib.loads(here("Telegraf", "toml"))
    output = config["outputs"]["influxdb_v2"][0]
    captured = Captured("telegraf/influxdb_v2.http")
    assert captured.target == (f"/api/v2/write?bucket={output['bucket']}"
                               f"&org={output['organization']}")
    assert output["token"] == "$PULSE_KEY"
    answer = captured.send(output["urls"][0], f"Token {pulse.env_key}")
    assert answer.status_code == 204, answer.text
    for metric in ("mem_used_percent", "cpu_usage_idle", "system_load1"):
        wait_until(lambda name=metric: samples(pulse, name), 30,
                   f"{metric} is stored")


def test_telegraf_version_1(pulse):
    captured = Captured("telegraf/influxdb.http")
    basic = base64.b64encode(f"telegraf:{pulse.env_key}".encode()).decode()
    answer = captured.send(f"http://127.0.0.1:{pulse.ingest_port}",
                           f"Basic {basic}")
    assert answer.status_code == 204, answer.text


@pytest.mark.skipif(not TELEGRAF, reason="no telegraf; PULSE_TELEGRAF=its path")
def test_telegraf_itself(pulse, here, tmp_path):
    (tmp_path / "telegraf.conf").write_text(
        '[agent]\ninterval = "1s"\nflush_interval = "1s"\nhostname = "t1"\n'
        "[[inputs.mem]]\n" + here("Telegraf", "toml"))
    telegraf = pulse.program(
        "telegraf", [TELEGRAF, "--config", tmp_path / "telegraf.conf"],
        PULSE_KEY=pulse.env_key)
    telegraf.start()
    def stored_of():
        return [1 for labels, *_ in samples(pulse, "mem_used_percent")
                if labels["host"] == "t1"]
    wait_until(lambda: len(stored_of()) >= 2, 30, "its readings are stored")
    telegraf.stop()

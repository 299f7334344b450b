# SPDX-License-Identifier: Apache-2.0
"""The README's snippets for senders, run as they stand there; only the port
is another."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest
import requests
from harness.accounts import samples
from harness.process import ROOT
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

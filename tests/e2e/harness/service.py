# SPDX-License-Identifier: Apache-2.0
"""A Pulse service: a process with an admin port."""

import re
import time

import requests

from harness.process import Process
from harness.wait import wait_until

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Service(Process):
    def __init__(self, name, argv, env, log, admin):
        super().__init__(name, argv, env, log)
        self.admin = f"http://{admin}"

    def start(self, ready=True, timeout=30):
        """Starts it and, unless told otherwise, waits for /readyz."""
        super().start()
        if ready:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=30):
        deadline = time.monotonic() + timeout
        while not self.ready():
            assert self.running(), (
                f"{self.name} ended with {self.child.returncode} before it "
                f"was ready\n{self.tail()}")
            assert time.monotonic() < deadline, (
                f"{self.name} not ready after {timeout} s: "
                f"{self._get('/readyz')}\n{self.tail()}")
            time.sleep(0.05)

    def _get(self, path):
        try:
            answer = requests.get(self.admin + path, timeout=5)
        except requests.RequestException as problem:
            return 0, str(problem)
        return answer.status_code, answer.text

    def ready(self):
        return self._get("/readyz")[0] == 200

    def alive(self):
        return self._get("/healthz")[0] == 200

    def metrics(self):
        """{(name, frozenset of label pairs): value}"""
        status, text = self._get("/metrics")
        assert status == 200, f"{self.name} /metrics: {status} {text}"
        found = {}
        for line in text.splitlines():
            sample = SAMPLE.match(line)
            if sample:
                labels = frozenset(LABEL.findall(sample[2] or ""))
                found[sample[1], labels] = float(sample[3])
        return found

    def metric(self, name, **labels):
        """Sum of the metric's samples that carry these labels; 0 if none."""
        wanted = set(labels.items())
        return sum(value for (n, have), value in self.metrics().items()
                   if n == name and wanted <= have)

    def wait_metric(self, name, at_least, timeout=30, **labels):
        wait_until(lambda: self.metric(name, **labels) >= at_least, timeout,
                   f"{self.name}: {name}{labels} reaches {at_least}")

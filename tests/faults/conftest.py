# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one Kafka, one PostgreSQL and one database for all scenarios; a
tenant, a seed and a judge for each."""

import os
import random
import shutil

import pytest
from harness.process import ROOT
from harness.stack import Stack
from world import Log, World

pytest_plugins = ["harness.servers"]
LOGS = ROOT / "build/faults"  # of the last run; journals of what failed
LONG = os.environ.get("PULSE_FAULTS") == "long"
SEED = int(os.environ.get("PULSE_SEED") or random.randrange(1 << 31))
SEEDS = [SEED + i for i in range(int(os.environ.get("PULSE_SEEDS") or 1))]


def pytest_collection_modifyitems(items):
    # The judge is judged first: it doctors the first row there is, and other
    # scenarios leave rows of theirs.
    items.sort(key=lambda item: item.module.__name__ != "test_checker")
    if not LONG:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip("long: make faults"))


def pytest_report_header():
    return (f"seed {SEED}, {len(SEEDS)} of them"
            f" ({'long' if LONG else 'short'} version);"
            f" again: make faults SEED={SEED}")


def pytest_generate_tests(metafunc):
    if "world" in metafunc.fixturenames:
        metafunc.parametrize("seed", SEEDS, ids=lambda s: f"seed{s}")


@pytest.fixture(scope="session")
def logs():
    return LOGS


class Home:
    """The stack that scenarios share, until one of them spoils it."""

    def __init__(self, kafka, postgres):
        self.kafka, self.postgres = kafka, postgres
        self.stack, self.log, self.number = None, None, 0

    def open(self):
        for server in (self.kafka, self.postgres):
            if not server.process.running():
                server.start()
        if self.stack is None:
            self.number += 1
            self.kafka.fresh_topics()
            self.stack = Stack(
                self.kafka, self.postgres,
                self.postgres.create_database(f"faults{self.number}"), LOGS)
            self.log = Log(self.kafka.brokers)
        return self.stack

    def world(self, label, seed):
        stack = self.open()
        stack.logs = LOGS / label
        return World(stack, self.log, label, seed, LONG)


@pytest.fixture(scope="session")
def home(kafka, postgres):
    return Home(kafka, postgres)


@pytest.fixture
def world(request, home, seed):
    name = request.node.originalname.removeprefix("test_")
    case = request.node.callspec.id.replace(f"seed{seed}", "").strip("-")
    label = "-".join(filter(None, [name, case, str(seed)]))
    made = home.world(label, seed)
    yield made
    try:
        made.close()
    finally:
        if request.node.failed:
            made.save()
            home.stack = None
        else:
            shutil.rmtree(made.stack.logs, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed scenario shows the last lines of its programs' logs."""
    report = (yield).get_result()
    item.failed = getattr(item, "failed", False) or report.failed
    made = getattr(item, "funcargs", {}).get("world")
    if report.failed and made is not None:
        report.sections.append(("logs", made.stack.tails()))


def pytest_terminal_summary(terminalreporter):
    """The line that .ci/run adds up."""
    count = {k: len(v) for k, v in terminalreporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0)
    terminalreporter.write_line(
        f"faults: {count.get('passed', 0)} passed, {failed} failed")

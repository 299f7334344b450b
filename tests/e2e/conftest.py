# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one Kafka and one PostgreSQL a session, one Pulse a module."""

import pytest
from harness.process import ROOT
from harness.stack import Stack

pytest_plugins = ["harness.servers"]
LOGS = ROOT / "build/e2e"  # they outlive the run


@pytest.fixture(scope="session")
def logs():
    return LOGS


@pytest.fixture(scope="module")
def stack(request, kafka, postgres):
    """An empty Pulse: nothing started, fresh topics, migrated database."""
    name = request.module.__name__
    for server in (kafka, postgres):  # a test may have left one down
        if not server.process.running():
            server.start()
    kafka.fresh_topics()
    pulse = Stack(kafka, postgres, postgres.create_database(name),
                  LOGS / name)
    yield pulse
    pulse.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the last lines of its programs' logs."""
    report = (yield).get_result()
    pulse = getattr(item, "funcargs", {}).get("stack")
    if report.failed and pulse is not None:
        report.sections.append(("logs", pulse.tails()))


def pytest_terminal_summary(terminalreporter):
    """The line that .ci/run adds up."""
    count = {k: len(v) for k, v in terminalreporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0)
    terminalreporter.write_line(
        f"e2e: {count.get('passed', 0)} passed, {failed} failed")

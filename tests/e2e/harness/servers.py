# SPDX-License-Identifier: Apache-2.0
"""Fixtures of every suite: one Kafka and one PostgreSQL a session. The suite
says where logs go by a fixture of its own, "logs"."""

import shutil

import pytest

from harness.kafka import Kafka
from harness.postgres import Postgres


@pytest.fixture(scope="session")
def folder(tmp_path_factory, logs):
    """For data; short, since a socket's path is limited to about 100 bytes,
    and open to the user postgres."""
    base = tmp_path_factory.getbasetemp()
    for part in (base, base.parent):
        part.chmod(0o755)
    shutil.rmtree(logs, ignore_errors=True)
    return base


@pytest.fixture(scope="session")
def kafka(folder, logs):
    server = Kafka(folder / "kafka", logs / "kafka.log").start()
    yield server
    server.process.kill()


@pytest.fixture(scope="session")
def postgres(folder, logs):
    server = Postgres(folder / "postgres", logs / "postgres.log").start()
    yield server
    if server.process.running():
        server.kill()

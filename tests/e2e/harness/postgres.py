# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of the session's own, and one database in it."""

import shutil

import psycopg

from harness.ports import free_port
from harness.process import ROOT, Process
from harness.wait import wait_until

SCRIPT = ROOT / "deploy/local/postgres"
ROLES = ("ingest", "writer", "evaluator", "collector", "api", "admin")
PASSWORD = "e2e"
# Tests lose nothing by a crash of the machine; a crash of the server is safe
# without fsync too. The schedulers of many databases would only fill the log.
OPTIONS = ("-c", "fsync=off", "-c", "timescaledb.max_background_workers=1")


class Postgres:
    def __init__(self, folder, log):
        self.folder, self.port, self.log = folder, free_port(), log
        shutil.rmtree(folder, ignore_errors=True)
        setup = Process("postgres-init", [SCRIPT, "init", folder, self.port],
                        {"PULSE_PG_MEMORY": "512"}, log).start()
        assert setup.wait(60) == 0, setup.tail()
        self.process = Process(
            "postgres", [SCRIPT, "run", folder, *OPTIONS], {}, log)

    def start(self):
        self.process.start()
        wait_until(self._answers, 60, "PostgreSQL answers")
        return self

    def _answers(self):
        assert self.process.running(), self.process.tail()
        with psycopg.connect(self.admin_url("postgres"), connect_timeout=2):
            return True

    def stop(self):
        """SIGINT: fast shutdown, sessions are ended."""
        self.process.signal(2)
        self.process.wait(60)

    def kill(self):
        """SIGQUIT: as after a crash; the next start recovers."""
        self.process.signal(3)
        self.process.wait(60)

    def admin_url(self, database):
        return (f"postgresql://postgres@/{database}"
                f"?host={self.folder}&port={self.port}")

    def create_database(self, name):
        """A new, migrated database."""
        with psycopg.connect(self.admin_url("postgres"),
                             autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            admin.execute(f'CREATE DATABASE "{name}"')
        migrate = Process("migrate", [ROOT / "db/migrate.sh"],
                          {"POSTGRES_URL": self.admin_url(name)}, self.log)
        assert migrate.start().wait(60) == 0, migrate.tail()
        database = Database(self, name)
        for role in ROLES:
            database.execute(
                f"ALTER ROLE pulse_{role} PASSWORD '{PASSWORD}'")
        return database


class Database:
    def __init__(self, server, name):
        self.server, self.name = server, name

    def url(self, role):
        """As a service logs in: role is ingest, writer, ..."""
        return (f"postgresql://pulse_{role}:{PASSWORD}"
                f"@127.0.0.1:{self.server.port}/{self.name}")

    def connect(self, role=None):
        """An autocommit connection; the superuser's without a role."""
        return psycopg.connect(
            self.url(role) if role else self.server.admin_url(self.name),
            autocommit=True)

    def execute(self, sql, params=None):
        with self.connect() as c:
            c.execute(sql, params)

    def rows(self, sql, params=None):
        with self.connect() as c:
            return c.execute(sql, params).fetchall()

    def value(self, sql, params=None):
        """The first column of the only row."""
        found = self.rows(sql, params)
        assert len(found) == 1, f"{len(found)} rows of {sql}"
        return found[0][0]

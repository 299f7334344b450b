# SPDX-License-Identifier: Apache-2.0
"""A Pulse of a test module's own: database, topics, services, tenants."""

import hashlib
import json
import os
import secrets
import subprocess

import requests

from harness.ports import free_port
from harness.process import ROOT, Process
from harness.service import Service

BIN = (ROOT / os.environ.get("PULSE_BIN", "build/asan/bin")).resolve()


class Stack:
    def __init__(self, kafka, postgres, database, logs):
        self.kafka, self.postgres, self.db = kafka, postgres, database
        self.logs = logs
        self.processes = []
        self.ingest_port, self.api_port = free_port(), free_port()

    # --- programs ----------------------------------------------------------

    def env(self, role, **settings):
        return {
            "PULSE_KAFKA_BROKERS": self.kafka.brokers,
            "PULSE_POSTGRES_URL": self.db.url(role),
            "PULSE_LOG_LEVEL": "debug",
            **{k: str(v) for k, v in settings.items()}}

    def service(self, name, copy="", **settings):
        """The service, not started. copy tells two of one kind apart;
        settings are environment variables."""
        port = free_port()
        env = self.env(name, **{
            f"PULSE_{name.upper()}_ADMIN_LISTEN": f"127.0.0.1:{port}",
            "PULSE_INGEST_LISTEN": f"127.0.0.1:{self.ingest_port}",
            "PULSE_API_LISTEN": f"127.0.0.1:{self.api_port}",
            **settings})
        service = Service(
            name + copy, [BIN / f"pulse-{name}"], env,
            self.logs / f"{name}{copy}.log", f"127.0.0.1:{port}")
        self.processes.append(service)
        return service

    def start(self, name, copy="", **settings):
        """The service, started and ready."""
        return self.service(name, copy, **settings).start()

    def program(self, name, argv, **settings):
        """Another long-running program, not started."""
        process = Process(name, argv, self.env("admin", **settings),
                          self.logs / f"{name}.log")
        self.processes.append(process)
        return process

    def run(self, *argv, program="pulse", timeout=60, **settings):
        """Runs a tool to its end: CompletedProcess with text output."""
        done = subprocess.run(
            [BIN / program, *map(str, argv)], timeout=timeout, text=True,
            env={**Process("", [], {}, "").env,
                 **self.env("admin", **settings)},
            capture_output=True, stdin=subprocess.DEVNULL, check=False)
        assert "Sanitizer" not in done.stderr, done.stderr
        assert "runtime error:" not in done.stderr, done.stderr
        return done

    # --- tenants and keys --------------------------------------------------

    def key(self, tenant, device=None, scopes=("write", "read")):
        """An API key; makes the tenant if there is none."""
        self.db.execute(
            "INSERT INTO tenants (tenant_id, name) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING", (tenant, tenant))
        key_id, secret = secrets.token_hex(6), secrets.token_hex(20)
        self.db.execute(
            "INSERT INTO api_keys (key_id, tenant_id, device_id, scopes,"
            " secret_hash) VALUES (%s, %s, %s, %s, %s)",
            (key_id, tenant, device, list(scopes),
             hashlib.sha256(secret.encode()).digest()))
        return f"pulse_{key_id}_{secret}"

    # --- HTTP --------------------------------------------------------------

    def post(self, path, body, key=None, timeout=20, **headers):
        """POST to ingest. body: bytes as they are, anything else as JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"Content-Type": "application/json",
                   **{k.replace("_", "-"): v for k, v in headers.items()}}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return requests.post(
            f"http://127.0.0.1:{self.ingest_port}{path}", data=body,
            headers=headers, timeout=timeout)

    def get(self, path, key=None, timeout=20, **params):
        """GET from the api."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return requests.get(f"http://127.0.0.1:{self.api_port}{path}",
                            params=params, headers=headers, timeout=timeout)

    # --- the end -----------------------------------------------------------

    def close(self):
        """Ends what still runs, then looks for sanitizer reports."""
        stubborn = []
        for process in self.processes:
            if process.running():
                process.signal(18)  # SIGCONT: it may have been stopped
                process.signal(15)
        for process in self.processes:
            try:
                if process.child is not None:
                    process.wait(30)
            except AssertionError as problem:
                stubborn.append(str(problem))
                process.kill()
        for process in self.processes:
            process.assert_clean()
        assert not stubborn, "\n".join(stubborn)

    def tails(self):
        seen = {str(p.log): p for p in self.processes}
        return "\n".join(p.tail() for p in seen.values())

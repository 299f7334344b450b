# SPDX-License-Identifier: Apache-2.0
"""The command pulse beside the real services."""

import json
import time

from harness.wait import wait_until


def test_from_a_key_to_a_balanced_ledger(stack):
    services = [stack.start(name) for name in ("ingest", "writer")]
    services.append(stack.start("api"))
    targets = ",".join(f"{s.name}={s.admin.removeprefix('http://')}"
                       for s in services)
    services.append(stack.start("collector", PULSE_TARGETS=targets,
                                PULSE_COLLECTOR_INTERVAL="1s"))
    key = stack.run("key", "create", "--tenant", "demo", "--create-tenant",
                    "--scope", "write,read").stdout.strip()
    now = time.time()

    def batch():
        return stack.post("/api/v1/metrics/ingest/batch", {"metrics": [
            {"name": "room", "value": n, "labels": {"host": f"h{n % 7}"},
             "timestamp": now - 1 - n / 1000} for n in range(500)]}, key)
    wait_until(lambda: batch().status_code == 202, 10,
               "the edge knows the new key")
    assert batch().status_code == 202  # every record again: duplicates
    sent = stack.post("/api/v1/telemetry", [
        {"device_id": f"d{n % 5}", "time": now - n, "metrics": {"t": n}}
        for n in range(100)], key)
    assert sent.status_code == 202
    partly = stack.post("/api/v1/telemetry", [
        {"device_id": "d9", "metrics": {"t": 1}}, {"device_id": 9}], key)
    assert len(partly.json()["rejected"]) == 1

    services.pop().stop()  # the collector's own readings end
    done = stack.run("ledger", "--wait", "60", "--json", timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    ledger = json.loads(done.stdout)
    assert ledger["equal"] is True and ledger["lag"] == 0

    def total(topic, what):
        return sum(p[what] for p in ledger["partitions"]
                   if p["topic"] == topic)
    own = stack.db.value("SELECT count(*) FROM store.samples JOIN store.series"
                         " USING (series_id) WHERE tenant_id = 'pulse'")
    assert own > 0
    assert total("pulse.metrics", "stored") == 500 + own
    assert total("pulse.metrics", "duplicate") == 500
    assert total("pulse.telemetry", "stored") == 101
    assert total("pulse.deadletter", "stored") == 1
    assert all(p["claimed"] for p in ledger["partitions"])

    shown = stack.run("tail", "pulse.telemetry", "--from", "begin",
                      "--until-end", "--tenant", "demo")
    devices = [json.loads(line)["record"]["device_id"]
               for line in shown.stdout.splitlines()]
    assert len(devices) == 101 and set(devices) == {
        "d0", "d1", "d2", "d3", "d4", "d9"}

    chart = stack.get("/api/metrics/room", key, host="h3", start="1m").json()
    assert chart["points_returned"] == len(range(3, 500, 7))
    latest = stack.get("/api/metrics/t/latest", key, host="d0").json()
    assert latest["value"] == 0

    status = stack.run("status", "--json", PULSE_TARGETS=targets)
    assert status.returncode == 0, status.stdout
    found = json.loads(status.stdout)
    assert found["dead_letters_new_last_day"] == 1
    assert {s["service"]: s["ready"] for s in found["services"]} == {
        "ingest": True, "writer": True, "api": True}
    assert all(t["writer_lag"] == 0 for t in found["topics"])
    for service in services:
        assert service.stop() == 0

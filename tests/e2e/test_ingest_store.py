# SPDX-License-Identifier: Apache-2.0
"""From the edge into the tables: good neighbours stored, bad ones kept in
dead_letters with their reason, tenants apart."""

import json

from harness.wait import wait_until

GOOD = {
    "/api/v1/metrics/ingest/batch":
        {"name": "store_good", "value": 1.25, "labels": {"host": "h"}},
    "/api/v1/telemetry": {"device_id": "store-good", "metrics": {"t": 7}},
    "/api/v1/events": {"id": "store-good", "level": "info", "message": "m"},
}
BAD = {
    "/api/v1/metrics/ingest/batch":
        [({"name": "store_bad"}, "missing_field"),
         ({"name": "store_bad", "value": "x"}, "wrong_type"),
         ({"name": "store_bad", "value": 1,
           "labels": {"device_id": "other"}}, "device_mismatch")],
    "/api/v1/telemetry":
        [({"device_id": "other", "metrics": {"t": 1}}, "device_mismatch"),
         ({"metrics": {"t": None}}, "wrong_type"),
         ({"metrics": {"t": "\0"}}, "nul_character")],
    "/api/v1/events":
        [({"kind": "x"}, "unknown_kind"), ({"time": "now"}, "invalid_time"),
         ({"device_id": "other"}, "device_mismatch")],
}


def test_good_rows_and_dead_letters(stack):
    bound = stack.key("acme", device="store-good")
    stack.start("ingest")
    stack.start("writer")
    wanted = []
    for path, good in GOOD.items():
        items = [good] + [bad for bad, _ in BAD[path]]
        answer = stack.post(path, items, bound)
        assert answer.status_code == 202
        assert answer.json()["accepted"] == 1
        assert [r["code"] for r in answer.json()["rejected"]] == \
            [code for _, code in BAD[path]]
        wanted += [(path, code, bad) for bad, code in BAD[path]]
        answer = stack.post(path, b"{not json " + path.encode(), bound)
        assert answer.status_code == 400
        wanted.append((path, "malformed_json", None))

    def letters():
        return stack.db.rows(
            "SELECT endpoint, reason, payload, tenant_id, key_id, stage,"
            " device_id FROM dead_letters ORDER BY id")
    wait_until(lambda: len(letters()) >= len(wanted), 20, "the letters")
    found = letters()
    assert len(found) == len(wanted)
    for path, code, bad in wanted:
        (letter,) = [row for row in found if row[:2] == (path, code)]
        if bad is None:
            assert bytes(letter[2]) == b"{not json " + path.encode()
        else:
            assert json.loads(bytes(letter[2])) == bad
        assert letter[3:6] == ("acme", bound.split("_")[1], "ingest")
        assert letter[6] == (bad or {}).get("device_id", "store-good")

    samples = "SELECT count(*) FROM store.samples NATURAL JOIN store.series" \
        " WHERE name = %s"
    wait_until(lambda: stack.db.value(samples, ("store_good",)) == 1, 10,
               "the sample")
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM store.telemetry WHERE device_id = 'store-good'"
    ) == 1, 10, "the message")
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM store.raw_events WHERE id = 'store-good'"
    ) == 1, 10, "the event")
    assert stack.db.value(samples, ("store_bad",)) == 0
    assert stack.db.value(
        "SELECT count(*) FROM store.telemetry WHERE device_id = 'other'") == 0


def test_same_device_under_two_tenants_stays_two(stack):
    keys = {tenant: stack.key(tenant) for tenant in ("acme", "beta")}
    message = {"device_id": "twin", "time": stack.db.value(
        "SELECT to_char(now() AT TIME ZONE 'UTC',"
        " 'YYYY-MM-DD\"T\"HH24:MI:SS.USZ')")}
    for value, (tenant, key) in enumerate(keys.items()):
        wait_until(lambda k=key, v=value: stack.post(
            "/api/v1/telemetry", {**message, "metrics": {"t": v}},
            k).status_code == 202, 10, f"{tenant}'s key is read")
    wait_until(lambda: stack.db.rows(
        "SELECT tenant_id, metrics FROM store.telemetry"
        " WHERE device_id = 'twin' ORDER BY tenant_id")
        == [("acme", {"t": 0}), ("beta", {"t": 1})], 20, "both are stored")
    assert stack.db.value(
        "SELECT count(*) FROM store.series WHERE labels->>'device_id' ="
        " 'twin'") == 2
    done = stack.run("ledger")
    assert done.returncode == 0, done.stdout

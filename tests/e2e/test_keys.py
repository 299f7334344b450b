# SPDX-License-Identifier: Apache-2.0
"""Keys at the edge: how they are sent, how long they live, what is noted of
them, and what becomes of them while PostgreSQL is away."""

import base64
import time

import pytest
import requests
from harness.ports import free_port
from harness.wait import wait_until

METRIC = "/api/v1/metrics/ingest"
BODY = {"name": "keys", "value": 1}


@pytest.fixture(scope="module")
def edge(stack):
    stack.edge = stack.start("ingest", PULSE_INGEST_KEYS_USED="500ms",
                             PULSE_INGEST_FAILURES="0")
    return stack


def status(stack, key, **headers):
    return stack.post(METRIC, BODY, key, **headers).status_code


def read_key(stack, tenant="acme", **options):
    """A key that the edge knows."""
    key = stack.key(tenant, **options)
    wait_until(lambda: status(stack, key) == 202, 5, "the key is read")
    return key


def key_id(key):
    return key.split("_")[1]


def set_key(stack, key, what):
    stack.db.execute(f"UPDATE api_keys SET {what} WHERE key_id = %s",
                     (key_id(key),))


# --- how they are sent -------------------------------------------------------


def test_a_key_travels_in_any_of_four_headers(edge):
    key = read_key(edge)

    def basic(text):
        return "Basic " + base64.b64encode(text.encode()).decode()
    for headers in ({"Authorization": f"Bearer {key}"},
                    {"Authorization": f"Token {key}"},
                    {"Authorization": basic(f"anybody:{key}")},
                    {"Authorization": basic(f":{key}")},
                    {"X_API_Key": key}):
        assert status(edge, None, **headers) == 202, headers
    for headers in ({"Authorization": basic(key)},
                    {"Authorization": "Basic " + key},
                    {"Authorization": basic(f"{key}:password")}):
        assert status(edge, None, **headers) == 401, headers


# --- how long they live ------------------------------------------------------


def test_a_revoked_key_is_refused_within_five_seconds(edge):
    key = read_key(edge)
    set_key(edge, key, "revoked_at = now()")
    wait_until(lambda: status(edge, key) == 401, 5, "it is refused")


def test_a_rotation_leaves_no_gap(edge):
    """The old key and the new one work together until the old one ends."""
    old = read_key(edge, device="pump-1")
    new = read_key(edge, device="pump-1")
    assert status(edge, old) == 202
    set_key(edge, old, "expires_at = now()")
    wait_until(lambda: status(edge, old) == 401, 5, "the old one is refused")
    assert status(edge, new) == 202


def test_an_end_in_the_future_comes_without_postgresql(edge):
    """Expiry and a revocation set for later are known before."""
    expires, revoked, stays = (read_key(edge) for _ in range(3))
    set_key(edge, expires, "expires_at = now() + interval '8 s'")
    set_key(edge, revoked, "revoked_at = now() + interval '8 s'")
    wait_until(lambda: edge.edge.metric("pulse_ingest_keys_age_seconds") < 1, 5,
               "a fresh snapshot")
    time.sleep(2.5)  # and one more: the keys' ends are in it
    edge.postgres.stop()
    try:
        assert status(edge, expires) == status(edge, revoked) == 202
        wait_until(lambda: status(edge, expires) == status(edge, revoked)
                   == 401, 15, "both have ended")
        assert status(edge, stays) == 202
        assert edge.edge.metric("pulse_ingest_keys_age_seconds") > 2
    finally:
        edge.postgres.start()


# --- last use ----------------------------------------------------------------


def test_last_use_is_noted(edge):
    used, unused = read_key(edge), edge.key("acme")

    def last(key):
        return edge.db.value("SELECT last_used_at FROM api_keys WHERE"
                             " key_id = %s", (key_id(key),))
    wait_until(lambda: last(used), 10, "the use is written")
    first = last(used)
    assert status(edge, used) == 202
    wait_until(lambda: last(used) > first, 10, "and the next one")
    assert edge.db.value("SELECT now() - last_used_at < '30 s' FROM api_keys"
                         " WHERE key_id = %s", (key_id(used),))
    assert last(unused) is None


def test_a_wrong_secret_is_no_use(edge):
    key = edge.key("acme")
    read_key(edge)
    assert status(edge, key[:-1] + "x") == 401
    time.sleep(3.5)  # the uses would have been written twice
    assert edge.db.value("SELECT last_used_at FROM api_keys WHERE key_id = %s",
                         (key_id(key),)) is None


# --- a key of a device -------------------------------------------------------


@pytest.mark.parametrize("path, own, other", [
    (METRIC, {**BODY, "labels": {"device_id": "d1"}},
     {**BODY, "labels": {"device_id": "d2"}}),
    ("/api/v1/telemetry", {"device_id": "d1", "metrics": {"t": 1}},
     {"device_id": "d2", "metrics": {"t": 1}}),
    ("/api/v1/events", {"device_id": "d1", "message": "m"},
     {"device_id": "d2", "message": "m"})])
def test_a_devices_key_writes_for_its_device_only(edge, path, own, other):
    bound, gateway = read_key(edge, device="d1"), read_key(edge)
    assert edge.post(path, own, bound).status_code == 202
    answer = edge.post(path, other, bound)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "device_mismatch"
    for body in (own, other):
        assert edge.post(path, body, gateway).status_code == 202


# --- guessing ----------------------------------------------------------------


def another(stack, copy, ready=True, **settings):
    """An edge on a port of its own, and how to post to it."""
    port = free_port()
    edge = stack.service("ingest", copy=copy, **settings,
                         PULSE_INGEST_LISTEN=f"127.0.0.1:{port}")
    edge.start(ready=ready)

    def post(key):
        return requests.post(f"http://127.0.0.1:{port}{METRIC}", json=BODY,
                             headers={"X-API-Key": key} if key else {},
                             timeout=20)
    return edge, post


def test_guessing_is_answered_429_but_good_keys_pass(stack):
    good = stack.key("acme")
    edge, post = another(stack, "-guessed", PULSE_INGEST_FAILURES=5)
    wrong = good[:-1] + ("x" if good[-1] != "x" else "y")
    answers = [post(wrong) for _ in range(4)] + \
        [post("pulse_nobody_s") for _ in range(3)]
    assert [a.status_code for a in answers] == [401] * 5 + [429] * 2
    assert answers[-1].json()["error"]["code"] == "too_many_failures"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert post(good).status_code == 202
    for code, count in (("too_many_failures", 2), ("unknown_key", 5)):
        assert edge.metric("pulse_ingest_wrong_keys_total",
                           code=code) == count
    assert post(None).status_code == 401  # no key is no guess
    edge.stop()


# --- PostgreSQL is away at start ---------------------------------------------


def age(edge):
    return edge.metric("pulse_ingest_keys_age_seconds")


def test_a_start_without_postgresql(stack, tmp_path):
    """The snapshot on disk serves; its real age is known; a damaged one is
    said to be so and not believed."""
    key, path = stack.key("acme"), tmp_path / "keys"
    edge, post = another(stack, "-kept", PULSE_INGEST_SNAPSHOT=path)
    assert post(key).status_code == 202
    wait_until(path.exists, 5, "the snapshot is written")
    assert path.stat().st_mode & 0o777 == 0o600
    assert key.split("_")[2].encode() not in path.read_bytes()
    later = stack.key("acme")  # a change is on disk as soon as it is read
    wait_until(lambda: post(later).status_code == 202, 5, "a new key")
    written = time.time()
    edge.stop()

    stack.postgres.stop()
    try:
        time.sleep(2)
        edge, post = another(stack, "-away", PULSE_INGEST_SNAPSHOT=path)
        edge.wait_log(r"event=keys_from_disk age=\d+ keys=\d+")
        real = time.time() - written
        assert real - 1 < age(edge) < real + 4
        assert post(key).status_code == post(later).status_code == 202
        assert post("pulse_nobody_s").status_code == 401
        stack.postgres.start()
        wait_until(lambda: age(edge) < 2, 10, "a fresh snapshot")
        assert post(key).status_code == 202
        edge.stop()
    finally:
        if not stack.postgres.process.running():
            stack.postgres.start()


def test_a_start_while_postgresql_hangs(stack, tmp_path):
    key, path = stack.key("acme"), tmp_path / "keys"
    edge, post = another(stack, "-before", PULSE_INGEST_SNAPSHOT=path)
    wait_until(lambda: post(key).status_code == 202, 5, "the key is read")
    edge.stop()
    stack.postgres.process.pause()
    try:
        began = time.monotonic()
        edge, post = another(stack, "-hangs", PULSE_INGEST_SNAPSHOT=path)
        assert time.monotonic() - began < 5
        assert post(key).status_code == 202
    finally:
        stack.postgres.process.resume()
    edge.stop()


@pytest.mark.parametrize("kind, damage, says", [
    ("-short", lambda b: b[:-1], "damaged"),
    ("-empty", lambda b: b"", "cut off"),
    ("-bit", lambda b: b[:50] + bytes([b[50] ^ 1]) + b[51:], "damaged"),
    ("-other", lambda b: b"something else" * 9, "no snapshot"),
    ("-none", None, "No such file")])
def test_a_damaged_snapshot_is_not_believed(stack, tmp_path, kind, damage,
                                            says):
    key, path = stack.key("acme"), tmp_path / "keys"
    if damage:
        edge, post = another(stack, "-whole", PULSE_INGEST_SNAPSHOT=path)
        wait_until(path.exists, 5, "the snapshot is written")
        edge.stop()
        path.write_bytes(damage(path.read_bytes()))
    broken = "postgresql://pulse_ingest@127.0.0.1:1/pulse"
    edge, post = another(stack, kind, ready=False,
                         PULSE_INGEST_SNAPSHOT=path,
                         PULSE_POSTGRES_URL=broken)
    edge.wait_log(f"event=keys_not_on_disk .*{says}")
    assert not edge.ready() and age(edge) == -1
    assert post(key).status_code == 503
    edge.stop()


def test_a_snapshot_that_cannot_be_written_stops_nothing(stack, tmp_path):
    key = stack.key("acme")
    edge, post = another(stack, "-nowhere",
                         PULSE_INGEST_SNAPSHOT=tmp_path / "no" / "keys",
                         PULSE_INGEST_KEYS_REFRESH="100ms")
    edge.wait_log("event=keys_not_kept .*No such file")
    for _ in range(3):  # rounds, and nothing is said twice
        later = stack.key("acme")
        wait_until(lambda k=later: post(k).status_code == 202, 5, "a new key")
    assert post(key).status_code == 202
    assert edge.log_count("event=keys_not_kept") == 1
    edge.stop()

# SPDX-License-Identifier: Apache-2.0
"""The api: what it answers, to whom, and what it does when it cannot."""

import datetime
import socket
import subprocess
import threading
import time
import uuid

import psycopg
import pytest
import requests
from harness.ports import free_port
from harness.stack import BIN
from harness.wait import wait_until

UTC = datetime.UTC


@pytest.fixture(scope="module")
def keys(stack):
    """Two tenants with readings of the last hour; a key for each."""
    found = {t: stack.key(t) for t in ("a", "b")}
    stack.db.execute("""
        CREATE FUNCTION pg_temp.put(tenant text, name text, labels jsonb,
                                    times timestamptz[], vals float8[])
        RETURNS void LANGUAGE sql AS $$
            INSERT INTO store.samples
            SELECT t, s.series_id, v FROM unnest(times, vals) u (t, v),
                store.series_ids(ARRAY[tenant], ARRAY[name], ARRAY[labels]) s
        $$;
        SELECT pg_temp.put('a', 'temperature', '{"host": "h1"}',
            array_agg(now() - i * interval '1 s'), array_agg(i))
            FROM generate_series(1, 3000) i;
        SELECT pg_temp.put('a', 'temperature', '{"device_id": "d2"}',
            array_agg(now() - i * interval '10 s'), array_agg(100000))
            FROM generate_series(1, 60) i;
        SELECT pg_temp.put('a', 'load', '{"host": "h1", "cpu": "0"}',
            ARRAY[now() - interval '1 min'], ARRAY[0.5]);
        SELECT pg_temp.put('a', 'unhosted', '{}',
            ARRAY[now() - interval '1 min', now() - interval '2 days'],
            ARRAY[1.0, 2.0]);
        SELECT pg_temp.put('a', 'naïve name/with slash', '{"host": "h 3"}',
            ARRAY[now() - interval '1 min'], ARRAY[-1e300]);
        SELECT pg_temp.put('b', 'temperature', '{"host": "secret"}',
            ARRAY[now() - interval '1 min'], ARRAY[666.0]);
        """)
    return found


@pytest.fixture(scope="module")
def api(stack, keys):
    return stack.start("api", PULSE_API_ANONYMOUS_TENANT="b")


def when(text):
    assert text.endswith("Z")
    return datetime.datetime.fromisoformat(text)


def refused(answer, status, code):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code and error["message"] and error["doc"]
    return error["message"]


# --- what it answers ---------------------------------------------------------


def test_metrics_and_hosts(stack, keys, api):
    found = stack.get("/api/metrics", keys["a"]).json()
    assert [(m["name"], m["hosts"], m["series"]) for m in found["metrics"]] == [
        ("load", 1, 1), ("naïve name/with slash", 1, 1), ("temperature", 2, 2),
        ("unhosted", 0, 1)]
    age = datetime.datetime.now(UTC) - when(found["metrics"][0]["last_time"])
    assert 59 < age.total_seconds() < 600
    assert found["next"] is None
    hosts = stack.get("/api/hosts", keys["a"]).json()["hosts"]
    assert [(h["host"], h["metrics"], h["series"]) for h in hosts] == [
        ("d2", 1, 1), ("h 3", 1, 1), ("h1", 2, 2)]


def test_lists_are_paged(stack, keys, api):
    names, after = [], {}
    while True:
        page = stack.get("/api/metrics", keys["a"], limit=1, **after).json()
        names += [m["name"] for m in page["metrics"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert names == ["load", "naïve name/with slash", "temperature", "unhosted"]


def test_latest(stack, keys, api):
    one = stack.get("/api/metrics/temperature/latest", keys["a"],
                    host="h1").json()
    assert (one["metric_name"], one["host"], one["value"], one["series"]) == (
        "temperature", "h1", 1, 1)
    assert one["data"] == [{"host": "h1", "labels": {"host": "h1"},
                            "time": one["time"], "value": 1}]
    both = stack.get("/api/metrics/temperature/latest", keys["a"]).json()
    assert both["series"] == 2 and both["host"] == "h1"
    assert {d["host"]: d["value"] for d in both["data"]} == {"h1": 1,
                                                             "d2": 100000}
    assert stack.get("/api/metrics/unhosted/latest",
                     keys["a"]).json()["host"] is None
    odd = stack.get("/api/metrics/na%C3%AFve%20name%2Fwith%20slash/latest",
                    keys["a"], host="h 3")
    assert odd.json()["value"] == -1e300


def test_a_chart_of_few_points_is_the_readings(stack, keys, api):
    chart = stack.get("/api/metrics/temperature", keys["a"], start="10m",
                      host="d2").json()
    points = chart.pop("data")
    begin, end = when(chart.pop("start")), when(chart.pop("end"))
    assert (end - begin).total_seconds() == 600
    assert chart == {"metric_name": "temperature", "host": "d2",
                     "points_requested": 800, "points_returned": len(points),
                     "data_source": "metrics", "reduced": "none", "series": 1}
    assert 50 < len(points) <= 60
    times = [when(p["time"]) for p in points]
    assert times == sorted(times) and begin <= times[0] < times[-1] < end
    assert all(p["value"] == 100000 for p in points)


def test_a_chart_of_many_points_is_reduced(stack, keys, api):
    chart = stack.get("/api/metrics/temperature", keys["a"], host="h1",
                      points=100).json()
    points = chart["data"]
    assert chart["reduced"] == "lttb" and chart["series"] == 1
    assert chart["points_returned"] == len(points) == 100
    everything = stack.get("/api/metrics/temperature", keys["a"], host="h1",
                           points=5000).json()["data"]
    assert len(everything) > 2500
    assert points[0] == everything[0] and points[-1] == everything[-1]
    known = {(p["time"], p["value"]) for p in everything}
    assert all((p["time"], p["value"]) in known for p in points)


def test_a_chart_of_several_series_is_their_mean(stack, keys, api):
    chart = stack.get("/api/metrics/temperature", keys["a"], start="9m",
                      end="1m", points=8).json()
    assert chart["reduced"] == "average" and chart["series"] == 2
    assert chart["host"] is None
    assert 7 <= chart["points_returned"] <= 8
    # mean of means: h1's 60 readings a minute weigh no more than d2's 6
    for point in chart["data"]:
        assert 50000 < point["value"] < 50300


def test_series_are_not_shown_in_turns(stack, keys, api):
    """With more points asked than there are readings, a point would hold now
    the one series, now the other."""
    stack.db.execute(
        "INSERT INTO store.samples SELECT '2026-01-01Z'::timestamptz"
        " + i * interval '10 s' + s.n * interval '5 s', s.series_id, s.n"
        " FROM generate_series(1, 90) i, (SELECT series_id,"
        " row_number() OVER (ORDER BY series_id) - 1 AS n FROM store.series"
        " WHERE name = 'temperature' AND tenant_id = 'a') s")
    chart = stack.get("/api/metrics/temperature", keys["a"], points=1000,
                      start="2026-01-01T00:00:10Z",
                      end="2026-01-01T00:15:10Z").json()
    assert 85 <= chart["points_returned"] <= 91
    assert {p["value"] for p in chart["data"]} == {0.5}


def test_a_chart_over_a_past_range(stack, keys, api):
    day = 86400
    now = time.time()
    for start, end in (("3d", "1d"), (now - 3 * day, now - day),
                       (int((now - 3 * day) * 1000), int((now - day) * 1000)),
                       (_rfc(now - 3 * day), _rfc(now - day))):
        chart = stack.get("/api/metrics/unhosted", keys["a"], start=start,
                          end=end).json()
        assert [p["value"] for p in chart["data"]] == [2]
    empty = stack.get("/api/metrics/unhosted", keys["a"], start="20d",
                      end="10d").json()
    assert empty["data"] == [] and empty["points_returned"] == 0


def _rfc(seconds):
    return datetime.datetime.fromtimestamp(seconds, UTC).isoformat()


def test_incidents(stack, keys, api):
    ids = [str(uuid.uuid4()) for _ in range(5)]
    for n, identity in enumerate(ids):
        stack.db.execute(
            "INSERT INTO incidents (id, tenant_id, title, severity, status,"
            " source, started_at, metadata) VALUES (%s, 'a', %s, 'high', %s,"
            " 'threshold', '2026-01-01Z'::timestamptz + %s * interval '1 h',"
            " '{\"metric\": \"temperature\"}')",
            (identity, f"number {n}", "open" if n < 3 else "closed", n // 2))
    stack.db.execute(
        "INSERT INTO incidents (tenant_id, title, severity, source, started_at)"
        " VALUES ('b', 'not yours', 'low', 'threshold', now())")

    def titles(**params):
        found, before = [], {}
        while True:
            page = stack.get("/api/v1/incidents", keys["a"], **params,
                             **before).json()
            found += [i["title"] for i in page["incidents"]]
            if page["next"] is None:
                return found
            before = {"before": page["next"]}
    everything = titles()
    assert everything[0] == "number 4"
    assert set(everything[1:3]) == {"number 2", "number 3"}
    assert set(everything[3:]) == {"number 0", "number 1"}
    assert titles(limit=1) == everything  # equal times are not lost
    assert titles(limit=2, status="open") == [
        t for t in everything if t < "number 3"]
    assert len(titles(status="open,closed")) == 5
    assert titles(status="resolved") == []
    one = stack.get("/api/v1/incidents", keys["a"], limit=1).json()
    assert one["incidents"][0] == {
        "id": ids[4], "title": "number 4", "description": "",
        "severity": "high", "status": "closed", "source": "threshold",
        "rule_id": None, "rule_version": None, "fingerprint": None,
        "metadata": {"metric": "temperature"},
        "started_at": "2026-01-01T02:00:00.000000Z",
        "created_at": one["incidents"][0]["created_at"],
        "updated_at": one["incidents"][0]["updated_at"],
        "acknowledged_at": None, "resolved_at": None, "assignee": None}


def test_an_incident_with_its_story(stack, keys, api):
    identity, delivery = str(uuid.uuid4()), str(uuid.uuid4())
    evidence = ('{"samples": [{"topic": "pulse.metrics", "partition": 1,'
                ' "offset": 5, "value": 81.5}], "threshold": 80}')
    with stack.db.connect() as c:
        c.execute("INSERT INTO incidents (id, tenant_id, title, severity,"
                  " source, started_at) VALUES (%s, 'a', 'hot', 'critical',"
                  " 'threshold', now())", (identity,))
        c.execute("INSERT INTO incident_events (incident_id, tenant_id,"
                  " transition, actor, event_time, evidence) VALUES"
                  " (%s, 'a', 'opened', 'evaluator', '2026-01-01Z', %s),"
                  " (%s, 'a', 'notified', 'evaluator', '2026-01-01Z', '{}')",
                  (identity, evidence, identity))
        c.execute("INSERT INTO alert_notifications (id, tenant_id,"
                  " incident_id, channel, kind, status, attempts, last_status)"
                  " VALUES (%s, 'a', %s, 'oncall', 'firing', 'delivered', 2,"
                  " 200)", (delivery, identity))
        c.execute("INSERT INTO notification_attempts (notification_id, attempt,"
                  " tenant_id, started_at, duration_ms, status, error) VALUES"
                  " (%s, 1, 'a', now(), 15, 500, 'status 500'),"
                  " (%s, 2, 'a', now(), 9, 200, NULL)", (delivery, delivery))
    found = stack.get(f"/api/v1/incidents/{identity}", keys["a"]).json()
    assert found["incident"]["title"] == "hot"
    assert [e["transition"] for e in found["timeline"]] == ["opened",
                                                            "notified"]
    assert found["timeline"][0]["evidence"]["samples"][0]["offset"] == 5
    assert found["timeline"][0]["event_time"] == "2026-01-01T00:00:00.000000Z"
    sent = found["deliveries"]
    assert [(d["id"], d["channel"], d["kind"], d["status"], d["last_status"],
             d["attempt_count"]) for d in sent] == [
        (delivery, "oncall", "firing", "delivered", 200, 2)]
    assert [(t["attempt"], t["status"], t["error"])
            for t in sent[0]["attempts"]] == [(1, 500, "status 500"),
                                              (2, 200, None)]
    assert all(when(t["started_at"]) for t in sent[0]["attempts"])
    # another tenant's is not there
    refused(stack.get(f"/api/v1/incidents/{identity}", keys["b"]), 404,
            "unknown_incident")


# --- who asks ----------------------------------------------------------------


def test_tenants_see_their_own(stack, keys, api):
    mine = stack.get("/api/metrics/temperature/latest", keys["b"]).json()
    assert [(d["host"], d["value"]) for d in mine["data"]] == [("secret", 666)]
    hosts = stack.get("/api/hosts", keys["a"]).text
    assert "secret" not in hosts
    refused(stack.get("/api/metrics/load/latest", keys["b"]), 404,
            "unknown_metric")
    refused(stack.get("/api/metrics/temperature", keys["a"], host="secret"),
            404, "unknown_host")


def test_without_a_key_the_anonymous_tenant(stack, keys, api):
    assert [h["host"] for h in stack.get("/api/hosts").json()["hosts"]] == [
        "secret"]


def test_without_an_anonymous_tenant_401(stack, keys):
    closed = stack.service("api", copy="closed")
    port = _port_of(closed)
    closed.start()
    answer = requests.get(f"http://127.0.0.1:{port}/api/hosts", timeout=10)
    refused(answer, 401, "no_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert closed.stop() == 0


def _port_of(service):
    port = free_port()
    service.env["PULSE_API_LISTEN"] = f"127.0.0.1:{port}"
    return port


def test_keys(stack, keys, api):
    def ask(**headers):
        return requests.get(f"http://127.0.0.1:{stack.api_port}/api/hosts",
                            headers=headers, timeout=10)
    good = keys["a"]
    for headers in ({"Authorization": f"Bearer {good}"},
                    {"Authorization": f"Token {good}"}, {"X-API-Key": good}):
        assert "h1" in ask(**headers).text
    _, key_id, secret = good.split("_", 2)
    for bad in (f"pulse_{key_id}_{secret[:-1]}x", f"pulse_nosuch_{secret}",
                f"pulse_{key_id}_", f"pulse__{secret}", "pulse", "x" * 4000,
                f"pulse_{'i' * 100}_{secret}", f"pulse_'; --_{secret}",
                f"pulse_{key_id}"):
        # a key that is wrong is never taken for no key
        refused(ask(Authorization=f"Bearer {bad}"), 401, "unknown_key")
    writer = stack.key("a", scopes=("write",))
    refused(ask(Authorization=f"Bearer {writer}"), 403, "scope_missing")
    stack.db.execute("UPDATE api_keys SET expires_at = now() - interval '1 s'"
                     " WHERE key_id = %s", (writer.split("_")[1],))
    refused(ask(Authorization=f"Bearer {writer}"), 401, "unknown_key")


# --- what it refuses ---------------------------------------------------------


@pytest.mark.parametrize("path, params, status, code, says", [
    ("/api/metrics/nosuch", {}, 404, "unknown_metric", "nosuch"),
    ("/api/metrics/nosuch/latest", {}, 404, "unknown_metric", "nosuch"),
    ("/api/metrics/load", {"host": "zz"}, 404, "unknown_host", "zz"),
    ("/api/metrics/load/latest", {"host": "zz"}, 404, "unknown_host", "zz"),
    ("/api/metrics/load", {"start": "soon"}, 400, "invalid_parameter", "start"),
    ("/api/metrics/load", {"end": "x"}, 400, "invalid_parameter", "end"),
    ("/api/metrics/load", {"start": "1h", "end": "2h"}, 400,
     "invalid_parameter", "before end"),
    ("/api/metrics/load", {"points": "1"}, 400, "invalid_parameter", "points"),
    ("/api/metrics/load", {"points": "5001"}, 400, "invalid_parameter",
     "points"),
    ("/api/metrics", {"limit": "0"}, 400, "invalid_parameter", "limit"),
    ("/api/v1/incidents", {"status": "odd"}, 400, "invalid_parameter",
     "status"),
    ("/api/v1/incidents", {"before": "1_2"}, 400, "invalid_parameter",
     "before"),
    ("/api/v1/incidents/nosuch", {}, 404, "unknown_incident", ""),
    ("/api/v1/incidents/00000000-0000-0000-0000-000000000000", {}, 404,
     "unknown_incident", ""),
    ("/nosuch", {}, 404, "not_found", ""),
])
def test_bad_requests(stack, keys, api, path, params, status, code, says):
    assert says in refused(stack.get(path, keys["a"], **params), status, code)


@pytest.mark.parametrize("path", [
    "/api/metrics/%FF%FE", "/api/metrics/a%00b", "/api/metrics/load?host=%FF",
    "/api/metrics/load?host=%00", "/api/metrics?after=%FF",
    "/api/v1/incidents?before=%FF_x", "/api/metrics/%C3%28/latest"])
def test_bytes_that_are_no_text(stack, keys, api, path):
    answer = stack.get(path, keys["a"])
    assert answer.status_code in (400, 404), answer.text
    answer.json()


def test_post_is_refused(stack, api):
    answer = requests.post(f"http://127.0.0.1:{stack.api_port}/api/metrics",
                           timeout=10)
    refused(answer, 405, "method_not_allowed")


def test_too_many_series(stack, keys):
    small = stack.service("api", copy="small", PULSE_API_SERIES_MAX=1)
    port = _port_of(small)
    small.start()
    answer = requests.get(f"http://127.0.0.1:{port}/api/metrics/temperature",
                          headers={"X-API-Key": keys["a"]}, timeout=10)
    refused(answer, 400, "too_many_series")
    assert small.stop() == 0


def test_a_long_range_is_averaged_by_the_database(stack, keys):
    small = stack.service("api", copy="rows", PULSE_API_ROWS_MAX=100)
    port = _port_of(small)
    small.start()
    chart = requests.get(
        f"http://127.0.0.1:{port}/api/metrics/temperature?host=h1&points=10",
        headers={"X-API-Key": keys["a"]}, timeout=10).json()
    assert chart["reduced"] == "average" and chart["series"] == 1
    assert 8 <= chart["points_returned"] <= 10
    assert small.stop() == 0


# --- when it cannot ----------------------------------------------------------


class Held:
    """Nobody reads series while this is open."""

    def __init__(self, stack):
        self.stack = stack

    def __enter__(self):
        self.connection = psycopg.connect(
            self.stack.postgres.admin_url(self.stack.db.name))
        self.connection.execute(
            "LOCK TABLE store.series IN ACCESS EXCLUSIVE MODE")
        return self

    def waiting(self):
        return self.stack.db.value(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type ="
            " 'Lock' AND application_name = 'pulse-api' AND datname = %s",
            (self.stack.db.name,))

    def __exit__(self, *_):
        self.connection.close()


def test_a_client_that_goes_away_ends_its_query(stack, keys, api):
    before = api.metric("pulse_api_queries_cancelled_total")
    with Held(stack) as held:
        with socket.create_connection(("127.0.0.1", stack.api_port)) as client:
            client.sendall(b"GET /api/hosts HTTP/1.1\r\nHost: x\r\n"
                           b"X-API-Key: " + keys["a"].encode() + b"\r\n\r\n")
            wait_until(lambda: held.waiting() == 1, 10, "the query waits")
        wait_until(lambda: held.waiting() == 0, 5, "the query has ended")
    assert api.metric("pulse_api_queries_cancelled_total") == before + 1
    assert stack.get("/api/hosts", keys["a"]).status_code == 200


def test_a_slow_query_and_a_full_queue(stack, keys):
    small = stack.service("api", copy="slow", PULSE_API_WORKERS=1,
                          PULSE_API_QUEUE_MAX=1,
                          PULSE_API_STATEMENT_TIMEOUT="3s")
    port = _port_of(small)
    small.start()
    answers = []

    def ask():
        answers.append(requests.get(
            f"http://127.0.0.1:{port}/api/hosts", timeout=30,
            headers={"X-API-Key": keys["a"]}))
    with Held(stack) as held:
        threads = [threading.Thread(target=ask) for _ in range(2)]
        threads[0].start()
        wait_until(lambda: held.waiting() == 1, 10, "one is answered")
        threads[1].start()
        wait_until(lambda: small.metric("pulse_api_queue_requests") == 1, 10,
                   "one waits")
        full = requests.get(f"http://127.0.0.1:{port}/api/hosts", timeout=10)
        refused(full, 503, "queue_full")
        assert full.headers["Retry-After"]
        threads[0].join()
        refused(answers[0], 504, "query_timeout")
    threads[1].join()
    assert answers[1].status_code == 200
    assert small.stop() == 0


def test_postgres_away_and_back(stack, keys, api):
    assert stack.get("/api/hosts", keys["a"]).status_code == 200
    stack.postgres.kill()

    def named():
        status, text = api._get("/readyz")
        return status == 503 and "postgres" in text
    wait_until(named, 15, "readyz names postgres")
    answer = stack.get("/api/hosts", keys["a"])
    refused(answer, 503, "database_unavailable")
    assert answer.headers["Retry-After"]
    assert api.alive()
    stack.postgres.start()
    api.wait_ready()
    # the workers' old connections are dead: nobody sees that
    for _ in range(20):
        assert stack.get("/api/hosts", keys["a"]).status_code == 200


def test_sigterm_under_load_answers_everything(stack, keys):
    busy = stack.service("api", copy="busy", PULSE_API_WORKERS=2)
    port = _port_of(busy)
    busy.start()
    stop, wrong, good = threading.Event(), [], []

    def ask():
        with requests.Session() as session:
            session.headers["X-API-Key"] = keys["a"]
            while not stop.is_set():
                try:
                    answer = session.get(
                        f"http://127.0.0.1:{port}/api/metrics/temperature"
                        "?host=h1", timeout=10)
                except requests.ConnectionError:
                    return  # refused, or closed between two requests
                if answer.status_code == 200:
                    good.append(len(answer.json()["data"]))
                elif answer.status_code != 503:
                    wrong.append(answer.text)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(good) > 50, 20, "under load")
    code = busy.stop()
    stop.set()
    for thread in threads:
        thread.join()
    assert code == 0
    assert wrong == [] and set(good) == {800}


@pytest.mark.parametrize("setting, value", [
    ("PULSE_API_WORKERS", "0"),
    ("PULSE_API_STATEMENT_TIMEOUT", "long"),
    ("PULSE_LOG_LEVEL", "loud"),
])
def test_a_wrong_setting_is_one_line_and_exit_2(setting, value):
    good = subprocess.run([BIN / "pulse-api", "-n"], capture_output=True,
                          text=True, check=False)
    assert good.returncode == 0
    done = subprocess.run([BIN / "pulse-api", "-n"], env={setting: value},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert setting in done.stderr and value in done.stderr
    assert len(done.stderr.splitlines()) == 1

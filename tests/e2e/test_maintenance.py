# SPDX-License-Identifier: Apache-2.0
"""The collector's maintenance: rollups, retention, old notifications; who
leads, what fails, how it ends."""

import contextlib
import json
import time

import pytest
from harness.wait import wait_until

QUICK = {"PULSE_TARGETS": "", "PULSE_COLLECTOR_PUBLISH": "off",
         "PULSE_COLLECTOR_INTERVAL": "1s",
         "PULSE_COLLECTOR_ROLLUP_INTERVAL": "1s",
         "PULSE_COLLECTOR_RETENTION_INTERVAL": "1s"}


@pytest.fixture(autouse=True)
def ended(stack):
    """One that fails leaves nobody who leads."""
    yield
    for process in stack.processes:
        if process.running():
            process.kill()


def collector(stack, copy="", **settings):
    return stack.start("collector", copy, **{**QUICK, **settings})


def job(stack, name):
    """(outcome, failures, detail) of a job's last run; None: it never ran."""
    found = stack.db.rows("SELECT outcome, failures, detail FROM"
                          " store.maintenance_jobs WHERE job = %s", (name,))
    return found[0] if found else None


def forget(stack):
    stack.db.execute("DELETE FROM store.maintenance_jobs")


def runs(service, name, outcome="done"):
    return service.metric("pulse_maintenance_runs_total", job=name,
                          outcome=outcome)


def wait_runs(service, name, more=2, outcome="done"):
    before = runs(service, name, outcome)
    wait_until(lambda: runs(service, name, outcome) >= before + more, 20,
               f"{more} more runs of {name}: {outcome}")


def minutes(stack, name):
    """{bucket: (count, sum)} of a metric in the table itself."""
    return {bucket: (count, total) for bucket, count, total in stack.db.rows(
        "SELECT bucket, count, sum FROM store.metrics_1min JOIN store.series"
        " USING (series_id) WHERE name = %s", (name,))}


@contextlib.contextmanager
def replaced(stack, function, body):
    """The function does something else meanwhile."""
    found = stack.db.value("SELECT pg_get_functiondef(%s::regprocedure)",
                           (function,))
    head = found[:found.index("AS $function$")]
    stack.db.execute(f"{head.replace('LANGUAGE sql', 'LANGUAGE plpgsql')}"
                     f" AS $function${body}$function$")
    yield
    stack.db.execute(found)


def test_posted_readings_become_rollups_and_a_late_one_repairs(stack):
    # As after two quiet days: what comes now needs no mark.
    stack.db.execute(
        "TRUNCATE store.metrics_1min, store.metrics_1hour, store.metrics_daily;"
        "UPDATE store.rollup_watermark w SET (upto, filled) = (SELECT t, t FROM"
        " store.rollup_levels l, time_bucket(l.width, now() - interval '2 d') t"
        " WHERE l.level = w.level)")
    services = [stack.start("ingest"), stack.start("writer")]
    key = stack.key("rolled")
    begin = time.time() // 60 * 60 - 10800
    sent = [{"name": "rolled", "value": n, "timestamp": begin - 20 * n}
            for n in range(30)]  # ten minutes of three
    wait_until(lambda: stack.post("/api/v1/metrics/ingest/batch",
                                  {"metrics": sent}, key).status_code == 202,
               10, "the edge knows the key")
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM store.samples JOIN store.series USING"
        " (series_id) WHERE name = 'rolled'") == 30, 30, "stored")
    watch = collector(stack)
    wait_until(lambda: sum(n for n, _ in minutes(stack, "rolled").values())
               == 30, 30, "rolled up")
    wanted = {}
    for reading in sent:
        bucket = reading["timestamp"] // 60 * 60
        n, total = wanted.get(bucket, (0, 0))
        wanted[bucket] = (n + 1, total + reading["value"])
    assert {k.timestamp(): v
            for k, v in minutes(stack, "rolled").items()} == wanted
    wait_runs(watch, "rollups")
    assert job(stack, "rollups")[:2] in [("done", 0), ("running", 0)]

    # One more into a bucket that stands: only that one changes.
    before = minutes(stack, "rolled")
    assert watch.metric("pulse_maintenance_rows_total", job="rollups") > 0
    late = {"name": "rolled", "value": 1000, "timestamp": begin - 401}
    assert stack.post("/api/v1/metrics/ingest", late, key).status_code == 202
    wait_until(lambda: minutes(stack, "rolled") != before, 20, "repaired")
    after = minutes(stack, "rolled")
    assert len(set(after.items()) - set(before.items())) == 1
    assert sum(n for n, _ in after.values()) == 31
    assert sum(total for _, total in after.values()) == 1000 + sum(range(30))
    wait_until(lambda: stack.db.value(
        "SELECT sum(sum) FROM store.metrics_1hour JOIN store.series USING"
        " (series_id) WHERE name = 'rolled'") == 1000 + sum(range(30)), 20,
        "so does its hour")
    for service in (*services, watch):
        assert service.stop() == 0


def test_its_state_is_told(stack):
    forget(stack)
    stack.db.execute("DELETE FROM system_metrics")
    watch = collector(stack)
    for name in ("rollups", "retention", "outbox"):
        wait_runs(watch, name)
    assert watch.metric("pulse_maintenance_leader") == 1
    assert watch.metric("pulse_maintenance_late_seconds") < 2
    assert {name for name, in stack.db.rows(
        "SELECT job FROM store.maintenance_jobs WHERE outcome <> 'failed'"
        " AND succeeded_at > now() - interval '1 min' AND duration_ms >= 0"
        " AND every = interval '1 s'")} == {"rollups", "retention", "outbox"}

    def told(name, tag):
        return {tags[tag] for tags, in stack.db.rows(
            "SELECT tags FROM system_metrics WHERE metric_name = %s"
            " AND service = 'postgres' AND value < 600", (name,))}
    wait_until(lambda: told("maintenance_late_seconds", "job") == {
        "rollups", "retention", "outbox"}, 15, "in system_metrics")
    wait_until(lambda: "1min" in told("rollup_behind_seconds", "level"), 15,
               "rollups too")

    status = json.loads(stack.run("status", "--json",
                                  PULSE_TARGETS="").stdout)
    assert {j["name"]: j["failures"] for j in status["maintenance"]} == {
        "rollups": 0, "retention": 0, "outbox": 0}
    assert status["compression"] == "unavailable (apache edition)"
    shown = stack.run("status", PULSE_TARGETS="").stdout
    assert [line for line in shown.splitlines() if "ompression" in line] == [
        "Compression         unavailable (apache edition)"]
    assert "Maintenance         all 3 on time\n" in shown
    assert watch.stop() == 0


def test_what_is_too_old_goes(stack):
    stack.key("aged")
    stack.db.execute(
        "INSERT INTO store.samples SELECT now() - g * interval '1 day', i"
        ".series_id, g FROM store.series_ids('{aged}', '{aged}', '{\"{}\"}') i,"
        " generate_series(20, 44, 12) g;"
        "SELECT store.rollup_mark(array_agg(series_id), array_agg(time)) FROM"
        " store.samples JOIN store.series USING (series_id) WHERE name = 'aged'"
        ";INSERT INTO alert_notifications (tenant_id, channel, kind, status,"
        " created_at) SELECT 'aged', 'c', 'test', 'delivered', now() - g *"
        " interval '1 day' FROM generate_series(0, 200, 50) g")
    watch = collector(stack, PULSE_COLLECTOR_OUTBOX_RETENTION="120d")

    def left():
        return stack.db.value(
            "SELECT count(*) FROM store.samples JOIN store.series USING"
            " (series_id) WHERE name = 'aged'")
    wait_until(lambda: left() == 1, 60, "samples of 44 and 32 days are gone")
    wait_until(lambda: stack.db.value(
        "SELECT sum(count) FROM store.metrics_daily JOIN store.series USING"
        " (series_id) WHERE name = 'aged'") == 3, 30,
        "their rollups were made before and stay")
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM alert_notifications") == 3, 15,
        "notifications of 150 and 200 days are gone")
    assert watch.metric("pulse_maintenance_rows_total", job="outbox") == 2
    assert watch.stop() == 0


def test_of_two_one_leads_and_the_other_takes_over(stack):
    first = collector(stack, "1")
    wait_runs(first, "rollups", 1)
    second = collector(stack, "2")
    wait_runs(first, "rollups", 3)
    assert second.metric("pulse_maintenance_leader") == 0
    assert second.metric("pulse_maintenance_runs_total") == 0
    first.kill()
    wait_until(lambda: second.metric("pulse_maintenance_leader") == 1, 20,
               "takes over")
    wait_runs(second, "rollups")
    # The leader's session is cut: whoever is quicker leads, and only one.
    third = collector(stack, "3")
    stack.db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                     " WHERE application_name = 'pulse-maintenance' AND"
                     " datname = current_database()")

    def leaders():
        return [c for c in (second, third)
                if c.metric("pulse_maintenance_leader") == 1]
    wait_until(lambda: len(leaders()) == 1, 20, "one leads")
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND"
        " classid = 20517 AND objid = 4 AND granted") == 1, 20, "one lock")
    total = runs(second, "rollups") + runs(third, "rollups")
    wait_until(lambda: runs(second, "rollups") + runs(third, "rollups")
               >= total + 3, 20, "the work goes on")
    assert second.stop() == 0 and third.stop() == 0


def test_a_job_that_fails_is_retried_and_others_go_on(stack):
    forget(stack)
    with replaced(stack, "store.retention_run()",
                  "BEGIN RAISE 'the disk is full'; END"):
        watch = collector(stack)
        wait_until(lambda: (job(stack, "retention") or [0, 0])[1] >= 2, 20,
                   "two failures")
        outcome, _, detail = job(stack, "retention")
        assert outcome in ("failed", "running")
        assert "the disk is full" in detail
        assert "event=job_failed job=retention" in watch.tail(100)
        for name in ("rollups", "outbox"):
            wait_runs(watch, name)
        wait_until(lambda: watch.metric("pulse_maintenance_late_seconds",
                                        job="retention") > 1, 20, "it is late")
        shown = stack.run("status", PULSE_TARGETS="").stdout
        assert "2 of 3 on time\n" in shown
        assert "retention: failed" in shown and "the disk is full" in shown
    wait_until(lambda: job(stack, "retention")[:2] == ("done", 0), 60,
               "done again")
    assert watch.stop() == 0


def test_writers_in_the_way_put_rollups_off(stack):
    forget(stack)
    watch = collector(stack)
    wait_runs(watch, "rollups", 1)
    with stack.db.connect("writer") as c, c.transaction():
        c.execute("SELECT store.rollup_enter()")
        wait_until(lambda: watch.metric("pulse_maintenance_postponed_total",
                                        job="rollups") >= 2, 20, "put off")
        wait_runs(watch, "outbox")
    wait_runs(watch, "rollups")
    assert runs(watch, "rollups", "failed") == 0
    assert watch.stop() == 0


@pytest.mark.parametrize("end", ["stop", "away"])
def test_a_long_job_is_broken_off(stack, end):
    with replaced(stack, "store.outbox_prune(interval, integer)",
                  "BEGIN PERFORM pg_sleep(120); RETURN 0; END"):
        forget(stack)
        watch = collector(stack)
        asleep = ("SELECT count(*) FROM pg_stat_activity WHERE wait_event ="
                  " 'PgSleep' AND application_name = 'pulse-maintenance'")
        wait_until(lambda: stack.db.value(asleep) == 1, 20, "it sleeps")
        if end == "stop":
            begun = time.monotonic()
            assert watch.stop() == 0
            assert time.monotonic() - begun < 10
            wait_until(lambda: stack.db.value(asleep) == 0, 10, "cancelled")
            assert job(stack, "outbox")[0] == "running"
    if end == "away":
        # The database goes under it; it leads again and goes on.
        stack.postgres.kill()
        stack.postgres.start()
        wait_runs(watch, "outbox")
        assert watch.metric("pulse_maintenance_leader") == 1
        assert watch.stop() == 0


def test_a_statement_without_end_is_given_up(stack):
    with replaced(stack, "store.outbox_prune(interval, integer)",
                  "BEGIN PERFORM pg_sleep(120); RETURN 0; END"):
        forget(stack)
        watch = collector(stack, PULSE_COLLECTOR_JOB_TIMEOUT="1s")
        wait_until(lambda: (job(stack, "outbox") or [0, 0])[1] >= 1, 20,
                   "a failure")
        assert "statement timeout" in job(stack, "outbox")[2]
        wait_runs(watch, "rollups")
    wait_until(lambda: job(stack, "outbox")[:2] == ("done", 0), 30, "done")
    assert watch.stop() == 0


def test_switched_off(stack):
    forget(stack)
    watch = collector(stack, PULSE_COLLECTOR_MAINTENANCE="off")
    wait_until(lambda: watch.metric("pulse_collector_samples_total") > 0, 20,
               "it measures")
    assert stack.db.value("SELECT count(*) FROM pg_stat_activity WHERE"
                          " application_name = 'pulse-maintenance'") == 0
    assert job(stack, "rollups") is None
    shown = stack.run("status", PULSE_TARGETS="").stdout
    assert "Maintenance         no job has run yet" in shown
    assert watch.stop() == 0

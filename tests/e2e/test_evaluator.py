# SPDX-License-Identifier: Apache-2.0
"""Rules on readings become incidents: once, in event time, over crashes."""

import random
import time

import pytest
from harness.alerts import SECOND, SECRET, Alerts, moment, now_us
from harness.receiver import Receiver
from harness.wait import stays, wait_until

SETTINGS = {"PULSE_WEBHOOK_ALLOW": "127.0.0.0/8",
            "PULSE_WEBHOOK_SCHEDULE": "0s,200ms,200ms,1s",
            "PULSE_EVALUATOR_SESSION_TIMEOUT": "6s"}


@pytest.fixture(scope="module")
def alerts(stack):
    stack.hot_key = stack.key("hot")
    stack.start("ingest")
    stack.evaluator = stack.start("evaluator", **SETTINGS)
    return Alerts(stack)


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def loaded(alerts, rules=1):
    """Rules are looked at on NOTIFY; waits until the evaluator has so many
    more than before, counted by activations of the newest."""
    newest = alerts.db.value(
        "SELECT id FROM alert_rules ORDER BY created_at DESC LIMIT 1")
    wait_until(lambda: alerts.db.value(
        "SELECT count(*) FROM store.rule_activations WHERE rule_id = %s",
        (newest,)) == 12, 20, "the rule is active in all partitions")


def post(alerts, key, device, time_us, **fields):
    answer = alerts.stack.post("/api/v1/telemetry", {
        "device_id": device, "site_id": "s1",
        "time": moment(time_us).isoformat(), "metrics": fields}, key)
    assert answer.status_code == 202, answer.text


def test_overheating_device(alerts, receiver):
    """Exactly one incident, one firing webhook, one resolve; the evaluator is
    killed in the middle of each part."""
    key = alerts.stack.hot_key
    alerts.channel("hot", "oncall", receiver.url)
    rule = alerts.rule("hot", "Overheating", "temperature", 80, ["oncall"],
                       for_="10s", clear="10s")
    loaded(alerts)
    evaluator = alerts.stack.evaluator
    start = now_us() - 100 * SECOND
    for n in range(60):
        heat = 95.5 if 20 <= n < 40 else 60
        post(alerts, key, "d1", start + n * SECOND, temperature=heat,
             humidity=40)
        post(alerts, key, "d2", start + n * SECOND, temperature=79)
        if n in (25, 45):  # pending; clearing
            wait_until(alerts.caught_up, 60, "all is evaluated")
            evaluator.kill()
            evaluator.start(ready=False)
        if n == 39:  # resolved before it was sent, nobody would be told
            wait_until(lambda: receiver.ids("firing"), 60, "it fires")
    wait_until(lambda: receiver.ids("resolved"), 60, "the resolve arrives")
    wait_until(alerts.caught_up, 30, "all is evaluated")
    stays(lambda: len(receiver.ids("firing")) == 1, 1, "no second firing")

    (incident,) = alerts.incidents("hot")
    assert incident["status"] == "resolved"
    assert incident["rule_id"] == rule
    assert incident["started_at"] == moment(start + 20 * SECOND)
    assert incident["resolved_at"] == moment(start + 50 * SECOND)
    assert "Overheating" in incident["title"] and "d1" in incident["title"]
    assert incident["metadata"]["device_id"] == "d1"

    assert receiver.deliveries[0].type == "incident.firing"
    assert len(receiver.ids("firing")) == len(receiver.ids("resolved")) == 1
    assert all(d.signed_by(SECRET) for d in receiver.deliveries)
    firing = receiver.deliveries[0].data["data"]
    assert firing["incident"]["id"] == incident["id"]
    assert firing["incident"]["status"] == "open"
    assert firing["rule"]["id"] == rule
    assert firing["rule"]["threshold"] == 80
    assert firing["series"] == {
        "tenant_id": "hot", "name": "temperature",
        "labels": {"device_id": "d1", "site_id": "s1"},
        "fingerprint": incident["fingerprint"]}
    assert firing["value"] == 95.5
    last = receiver.deliveries[-1].data
    assert last["data"]["incident"]["status"] == "resolved"
    assert last["data"]["incident"]["started_at"] == \
        firing["incident"]["started_at"]

    events = alerts.db.rows(
        "SELECT transition, actor, event_time, evidence FROM incident_events"
        " WHERE incident_id = %s ORDER BY id", (incident["id"],))
    assert [(e[0], e[1], e[2]) for e in events] == [
        ("opened", "evaluator", moment(start + 30 * SECOND)),
        ("resolved", "evaluator", moment(start + 50 * SECOND))]
    for _, _, _, evidence in events:
        assert evidence["rule_version"] == 1
        assert evidence["threshold"] == 80
        assert evidence["samples"], evidence
        decided = evidence["decided_by"]
        message = next(
            m for m in alerts.stack.kafka.read_all(decided["topic"])
            if (m.partition(), m.offset()) ==
            (decided["partition"], decided["offset"]))
        assert message.key() == b"hot:d1"
        assert decided in evidence["samples"]


def test_the_fingerprint_is_the_series_key(alerts):
    """An incident joins to its series."""
    for incident in alerts.incidents("hot"):
        assert incident["fingerprint"] == alerts.db.value(
            "SELECT encode(store.series_key('hot', 'temperature',"
            " '{\"site_id\": \"s1\", \"device_id\": \"d1\"}'), 'hex')")


def test_every_device_once_over_kills(alerts):
    """Fifty devices, two rules, three kills: what fires, and when, is what the
    event times say."""
    alerts.rule("many", "High", "load", 0.9, operator=">=", for_="5s",
                clear="5s")
    alerts.rule("many", "Low battery", "battery", 10, operator="<",
                labels={"site_id": "s1"})
    loaded(alerts)
    dice = random.Random(7)
    start = now_us() - 120 * SECOND
    begin = {f"d{n}": dice.randrange(10, 40) for n in range(0, 50, 2)}
    evaluator = alerts.stack.evaluator
    for second in range(60):
        for n in range(50):
            device = f"d{n}"
            hot = device in begin and second >= begin[device]
            alerts.telemetry(
                "many", device, start + second * SECOND + n,
                load=1.0 if hot else 0.5,
                battery=5 if second == 50 and n == 3 else 50)
            if second in (15, 30, 45) and n == 25:
                evaluator.kill()
                evaluator.start(ready=False)
        if second in (14, 29, 44):  # there is something to forget
            wait_until(alerts.caught_up, 60, "all is evaluated")
    wait_until(alerts.caught_up, 60, "all is evaluated")
    high = alerts.incidents("many", metric="load")
    assert {i["metadata"]["device_id"]: i["started_at"] for i in high} == {
        d: moment(start + s * SECOND + int(d[1:])) for d, s in begin.items()}
    assert len(high) == len(begin)
    assert {i["status"] for i in high} == {"open"}
    (low,) = alerts.incidents("many", metric="battery")
    assert low["metadata"]["device_id"] == "d3"
    assert low["status"] == "resolved"
    events = alerts.db.rows(
        "SELECT transition, count(*) FROM incident_events"
        " WHERE tenant_id = 'many' GROUP BY 1 ORDER BY 1")
    assert events == [("opened", len(begin) + 1), ("resolved", 1)]


def test_a_fast_clock_touches_nobody_else(alerts):
    """A tenant's device nine minutes ahead all the time: the others' alerts
    are neither early nor late nor missing, and its own one comes too."""
    for tenant in ("fast", "good"):
        alerts.rule(tenant, "Hot", "temperature", 80, for_="10s", clear="10s")
    loaded(alerts)
    start = now_us() - 60 * SECOND
    ahead = 540 * SECOND
    for second in range(40):
        received = start + second * SECOND
        hot = 10 <= second < 25
        for fast in range(3):
            alerts.telemetry("fast", f"f{fast}", received + ahead + fast,
                             received, temperature=99 if hot else 20)
        for n in range(3):
            alerts.telemetry("good", f"g{n}", received, received + 1000,
                             temperature=90 if hot and n < 2 else 20)
    wait_until(alerts.caught_up, 30, "all is evaluated")
    good = alerts.incidents("good")
    assert {i["metadata"]["device_id"] for i in good} == {"g0", "g1"}
    assert len(good) == 2
    for incident in good:
        assert incident["started_at"] == moment(start + 10 * SECOND)
        assert incident["resolved_at"] == moment(start + 35 * SECOND)
    fast = alerts.incidents("fast")
    assert len(fast) == 3
    for incident in fast:  # by the edge's clock and 5 s
        assert incident["started_at"] == moment(start + 15 * SECOND)
        assert incident["resolved_at"] == moment(start + 40 * SECOND)
    decided = {tenant: alerts.db.value(
        "SELECT min(event_time) FROM incident_events WHERE tenant_id = %s"
        " AND transition = 'opened'", (tenant,)) for tenant in ("good",)}
    assert decided["good"] == moment(start + 20 * SECOND)


def test_late_and_stale_samples_do_not_page(alerts):
    alerts.rule("late", "Hot", "temperature", 80)
    loaded(alerts)
    evaluator = alerts.stack.evaluator
    late = evaluator.metric("pulse_evaluator_samples_total", fate="late")
    now = now_us()
    alerts.telemetry("late", "a", now - 60 * SECOND, temperature=20)
    alerts.telemetry("late", "a", now - 100 * SECOND, now, temperature=99)
    # An hour old on arrival and over again: no page.
    alerts.telemetry("late", "b", now - 3600 * SECOND, now, temperature=99)
    alerts.telemetry("late", "b", now - 10 * SECOND, now, temperature=20)
    # An hour old and it still holds when the device has caught up: one page.
    alerts.telemetry("late", "c", now - 3600 * SECOND, now, temperature=99)
    alerts.telemetry("late", "c", now - 10 * SECOND, now, temperature=98)
    wait_until(alerts.caught_up, 20, "all is evaluated")
    (incident,) = alerts.incidents("late")
    assert incident["metadata"]["device_id"] == "c"
    assert incident["started_at"] == moment(now - 3600 * SECOND)
    assert evaluator.metric("pulse_evaluator_samples_total",
                            fate="late") == late + 1


def test_a_rule_it_cannot_evaluate_is_refused(alerts):
    rule = alerts.rule("refused", "Average", "load", 1, aggregation="avg",
                       window="5m")
    evaluator = alerts.stack.evaluator
    evaluator.wait_metric("pulse_evaluator_rules_refused", 1)
    evaluator.wait_log(f"event=rule_refused .*rule={rule}.*aggregation")
    alerts.telemetry("refused", "d", now_us(), load=5)
    wait_until(alerts.caught_up, 20, "all is evaluated")
    assert alerts.incidents("refused") == []
    alerts.db.execute("DELETE FROM alert_rules WHERE id = %s", (rule,))
    wait_until(lambda: evaluator.metric(
        "pulse_evaluator_rules_refused") == 0, 10, "it is gone")


def test_a_changed_rule_begins_anew(alerts):
    """A pending state is forgotten, an open incident stays; a disabled rule
    resolves what it opened."""
    rule = alerts.rule("change", "Hot", "temperature", 80, for_="10s")
    loaded(alerts)
    now = now_us() - 100 * SECOND
    alerts.telemetry("change", "open", now, temperature=99)
    alerts.telemetry("change", "open", now + 20 * SECOND, temperature=99)
    alerts.telemetry("change", "pending", now + 15 * SECOND, temperature=99)
    wait_until(lambda: alerts.incidents("change"), 10, "one opens")
    wait_until(alerts.caught_up, 20, "all is evaluated")
    alerts.db.execute("UPDATE alert_rules SET threshold = 90 WHERE id = %s",
                      (rule,))
    wait_until(lambda: alerts.db.value(
        "SELECT count(*) FROM store.rule_activations WHERE rule_id = %s"
        " AND version = 2", (rule,)) == 12, 20, "version 2 is active")
    alerts.telemetry("change", "pending", now + 26 * SECOND, temperature=99)
    wait_until(alerts.caught_up, 20, "all is evaluated")
    (incident,) = alerts.incidents("change")
    assert (incident["metadata"]["device_id"], incident["status"]) == \
        ("open", "open")
    alerts.telemetry("change", "pending", now + 36 * SECOND, temperature=99)
    wait_until(lambda: len(alerts.incidents("change")) == 2, 10,
               "the second opens ten seconds later")
    assert alerts.incidents("change")[1]["started_at"] == \
        moment(now + 26 * SECOND)

    alerts.db.execute("UPDATE alert_rules SET enabled = false WHERE id = %s",
                      (rule,))
    wait_until(lambda: {i["status"] for i in alerts.incidents("change")} ==
               {"resolved"}, 20, "both are resolved")
    assert alerts.db.value(
        "SELECT count(*) FROM store.rule_state WHERE rule_id = %s",
        (rule,)) == 0
    reasons = alerts.db.rows(
        "SELECT evidence ->> 'reason' FROM incident_events"
        " WHERE tenant_id = 'change' AND transition = 'resolved'")
    assert len(reasons) == 2 and all("disabled" in r[0] for r in reasons)


def test_resolved_by_hand_is_quiet_until_clear(alerts, receiver):
    alerts.channel("hand", "oncall", receiver.url)
    alerts.rule("hand", "Hot", "temperature", 80, ["oncall"])
    loaded(alerts)
    now = now_us() - 100 * SECOND
    alerts.telemetry("hand", "d", now, temperature=99)
    wait_until(lambda: receiver.ids("firing"), 10, "it fires")
    alerts.db.execute("UPDATE incidents SET status = 'resolved'"
                      " WHERE tenant_id = 'hand'")
    alerts.telemetry("hand", "d", now + SECOND, temperature=99)
    alerts.telemetry("hand", "d", now + 2 * SECOND, temperature=20)
    wait_until(alerts.caught_up, 20, "all is evaluated")
    assert len(alerts.incidents("hand")) == 1
    alerts.telemetry("hand", "d", now + 3 * SECOND, temperature=99)
    wait_until(lambda: len(alerts.incidents("hand")) == 2, 10, "a new one")
    wait_until(lambda: len(receiver.ids("firing")) == 2, 10, "it is told")


def test_a_long_queue_of_one_channel_hides_no_other(alerts, receiver):
    """A storm to a receiver that hangs; another tenant's page goes at once."""
    slow = Receiver(lambda delivery: time.sleep(5) or 204)
    alerts.channel("storm", "oncall", slow.url)
    alerts.channel("calm", "oncall", receiver.url)
    put = ("INSERT INTO alert_notifications (tenant_id, channel, kind, payload)"
           " SELECT %s, 'oncall', 'test', '{\"type\": \"incident.test\"}'"
           " FROM generate_series(1, %s)")
    alerts.db.execute(put, ("storm", 1500))
    wait_until(lambda: len(slow.deliveries) == 4, 10, "the storm begins")
    alerts.db.execute(put, ("calm", 1))
    wait_until(lambda: receiver.ids("test"), 4, "the other is delivered")
    alerts.db.execute("UPDATE alert_notifications SET status = 'suppressed'"
                      " WHERE tenant_id = 'storm' AND status = 'pending'")
    slow.close()


def test_a_zombie_changes_nothing(alerts):
    """An evaluator stopped past its session has lost its partitions; when it
    goes on, what it still holds in memory reaches no table."""
    alerts.rule("zombie", "Hot", "temperature", 80, for_="5s", clear="5s")
    loaded(alerts)
    first = alerts.stack.evaluator
    start = now_us() - 100 * SECOND
    for second in range(10):
        alerts.telemetry("zombie", "d", start + second * SECOND,
                         temperature=99 if second > 5 else 20)
    wait_until(alerts.caught_up, 20, "all is evaluated")
    first.pause()
    second_one = alerts.stack.service("evaluator", "2", **SETTINGS).start()
    for second in range(10, 20):
        alerts.telemetry("zombie", "d", start + second * SECOND,
                         temperature=99)
    wait_until(alerts.caught_up, 60, "the second one took over")
    assert len(alerts.incidents("zombie")) == 1
    first.resume()
    for second in range(20, 40):
        alerts.telemetry("zombie", "d", start + second * SECOND,
                         temperature=20)
        time.sleep(0.05)
    wait_until(alerts.caught_up, 60, "all is evaluated")
    (incident,) = alerts.incidents("zombie")
    assert incident["status"] == "resolved"
    assert incident["started_at"] == moment(start + 6 * SECOND)
    assert incident["resolved_at"] == moment(start + 25 * SECOND)
    events = alerts.db.rows("SELECT transition FROM incident_events"
                            " WHERE tenant_id = 'zombie' ORDER BY id")
    assert events == [("opened",), ("resolved",)]
    assert second_one.stop() == 0


def test_the_database_goes_away(alerts):
    """What was read before, during and after is decided once."""
    alerts.rule("away", "Hot", "temperature", 80, for_="5s", clear="5s")
    loaded(alerts)
    start = now_us() - 100 * SECOND
    evaluator = alerts.stack.evaluator

    def send(seconds, heat):
        for second in seconds:
            alerts.telemetry("away", "d", start + second * SECOND,
                             temperature=heat)
    send(range(8), 99)
    alerts.stack.postgres.kill()
    send(range(8, 12), 99)
    wait_until(lambda: not evaluator.ready(), 20, "it says so")
    assert evaluator.alive()
    send(range(12, 20), 20)
    alerts.stack.postgres.start()
    evaluator.wait_ready(30)
    wait_until(alerts.caught_up, 30, "all is evaluated")
    (incident,) = alerts.incidents("away")
    assert incident["started_at"] == moment(start)
    assert incident["resolved_at"] == moment(start + 17 * SECOND)


def test_the_log_begins_later(alerts):
    """What had to be read again is gone from the log: it says so, begins
    where the log does, and the phases are still known."""
    alerts.rule("short", "Hot", "temperature", 80, for_="5s", clear="5s")
    loaded(alerts)
    evaluator = alerts.stack.evaluator
    start = now_us() - 100 * SECOND
    for second in range(8):
        alerts.telemetry("short", "open", start + second * SECOND,
                         temperature=99)
        alerts.telemetry("short", "pending", start + second * SECOND,
                         temperature=99 if second > 5 else 20)
    wait_until(alerts.caught_up, 30, "all is evaluated")
    assert evaluator.stop() == 0
    kafka = alerts.stack.kafka
    for part, end in kafka.ends("pulse.telemetry").items():
        kafka.delete_before("pulse.telemetry", part, end)
    evaluator.start()
    for second in range(8, 15):
        alerts.telemetry("short", "open", start + second * SECOND,
                         temperature=20)
        alerts.telemetry("short", "pending", start + second * SECOND,
                         temperature=99)
    wait_until(alerts.caught_up, 30, "all is evaluated")
    found = {i["metadata"]["device_id"]: i for i in alerts.incidents("short")}
    assert found["open"]["started_at"] == moment(start)
    assert found["open"]["resolved_at"] == moment(start + 13 * SECOND)
    assert found["pending"]["started_at"] == moment(start + 6 * SECOND)
    evaluator.wait_log("event=position_outside_log")


def test_a_record_in_the_wrong_topic_pages_nobody(alerts):
    """The writer stores no such message; a good one beside it opens one."""
    alerts.rule("stray", "Hot", "temperature", 80)
    loaded(alerts)
    start = now_us() - 100 * SECOND
    stray = alerts.encode("Metric", {
        "tenant_id": "stray", "name": "temperature", "labels": {"host": "x"},
        "value": 99.0, "time": moment(start), "received_at": moment(start)})
    alerts.stack.kafka.produce("pulse.telemetry", stray, b"stray:x", 0)
    alerts.telemetry("stray", "good", start, partition=0, temperature=99)
    wait_until(alerts.caught_up, 30, "all is evaluated")
    found = alerts.incidents("stray")
    assert [i["metadata"]["device_id"] for i in found] == ["good"]


def test_sigterm_under_load(alerts):
    """Exit 0, and nothing decided is lost."""
    alerts.rule("term", "Hot", "temperature", 80)
    loaded(alerts)
    evaluator = alerts.stack.evaluator
    start = now_us() - 100 * SECOND
    for n in range(300):
        alerts.telemetry("term", f"d{n}", start + n, temperature=99)
        if n == 150:
            evaluator.signal(15)
    assert evaluator.wait() == 0
    evaluator.start()
    wait_until(alerts.caught_up, 30, "all is evaluated")
    assert len(alerts.incidents("term")) == 300


def test_a_topic_made_anew_is_read_from_its_start(alerts):
    """The evaluator is frozen meanwhile and sees neither an error nor an
    offset out of range: only the topic's id tells."""
    alerts.rule("anew", "Hot", "temperature", 80)
    loaded(alerts)
    evaluator, now = alerts.stack.evaluator, now_us() - 100 * SECOND
    for n in range(20):
        alerts.telemetry("anew", "old", now + n, partition=0, temperature=20)
    wait_until(alerts.caught_up, 20, "all is evaluated")
    end = alerts.stack.kafka.ends("pulse.telemetry")[0]
    evaluator.pause()
    alerts.stack.kafka.fresh_topics()
    alerts.telemetry("anew", "new", now, partition=0, temperature=99)
    for n in range(end + 10):
        alerts.telemetry("anew", "old", now + 100 + n, partition=0,
                         temperature=20)
    evaluator.resume()
    wait_until(lambda: alerts.incidents("anew", device_id="new"), 30,
               "the first message is evaluated")
    wait_until(alerts.caught_up, 20, "all is evaluated")


@pytest.mark.parametrize("name, value, says", [
    ("PULSE_WEBHOOK_ALLOW", "10.0.0.0/33", "PULSE_WEBHOOK_ALLOW"),
    ("PULSE_WEBHOOK_SCHEDULE", "0s,soon", "PULSE_WEBHOOK_SCHEDULE"),
    ("PULSE_EVALUATOR_REPLAY", "5s", "PULSE_ALERT_LATENESS"),
    ("PULSE_ALERT_STALENESS", "fast", "PULSE_ALERT_STALENESS"),
])
def test_a_wrong_setting_is_one_clear_line(stack, name, value, says):
    done = stack.run("-n", program="pulse-evaluator", **{name: value})
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.splitlines()) == 1

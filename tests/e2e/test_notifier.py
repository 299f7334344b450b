# SPDX-License-Identifier: Apache-2.0
"""Deliveries: signed, retried under one id, in order, recorded, guarded."""

import time
import uuid

import pytest
from harness.alerts import SECOND, SECRET, Alerts, now_us
from harness.receiver import Receiver
from harness.wait import stays, wait_until

OLD_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
SETTINGS = {"PULSE_WEBHOOK_ALLOW": "127.0.0.0/8",
            "PULSE_WEBHOOK_SCHEDULE": "0s,100ms,100ms,300ms",
            "PULSE_WEBHOOK_OPEN_GAP": "500ms",
            "PULSE_WEBHOOK_EXPIRY": "3s",
            "PULSE_WEBHOOK_TIMEOUT": "1s",
            "PULSE_WEBHOOK_CONNECT_TIMEOUT": "500ms"}


@pytest.fixture(scope="module")
def alerts(stack):
    stack.evaluator = stack.start("evaluator", **SETTINGS)
    return Alerts(stack)


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


class Case:
    """A tenant of its own with a rule on "temperature" that fires at once."""

    def __init__(self, alerts, urls, **more):
        self.alerts, self.tenant = alerts, "t" + uuid.uuid4().hex[:8]
        self.time = now_us() - 100 * SECOND
        for name, url in urls.items():
            alerts.channel(self.tenant, name, url, **more)
        rule = alerts.rule(self.tenant, "Hot", "temperature", 80, list(urls))
        wait_until(lambda: alerts.db.value(
            "SELECT count(*) FROM store.rule_activations WHERE rule_id = %s",
            (rule,)) == 12, 20, "the rule is active")

    def send(self, value):
        self.time += SECOND
        self.alerts.telemetry(self.tenant, "d", self.time, temperature=value)

    def notifications(self, channel="c"):
        return self.alerts.db.rows(
            "SELECT kind, status, attempts, last_status, last_error"
            " FROM alert_notifications WHERE tenant_id = %s AND channel = %s"
            " ORDER BY seq", (self.tenant, channel))

    def statuses(self, channel="c"):
        return [(n[0], n[1]) for n in self.notifications(channel)]

    def wait(self, *statuses, channel="c", timeout=15):
        wait_until(lambda: self.statuses(channel) == list(statuses), timeout,
                   f"{statuses}, is {self.statuses(channel)}")

    def attempts(self, kind="firing"):
        return self.alerts.db.rows(
            "SELECT a.attempt, a.status, a.error, a.response, a.duration_ms"
            " FROM notification_attempts a JOIN alert_notifications n"
            " ON n.id = a.notification_id WHERE n.tenant_id = %s"
            " AND n.kind = %s ORDER BY a.attempt", (self.tenant, kind))


def test_the_same_id_over_failures(alerts, receiver):
    """The receiver fails twice: three attempts, one id, all recorded."""
    receiver.answer = lambda d: 500 if len(receiver.deliveries) <= 2 else 200
    case = Case(alerts, {"c": receiver.url})
    case.send(99)
    case.wait(("firing", "delivered"))
    assert len(receiver.deliveries) == 3
    assert len(receiver.ids("firing")) == 1
    assert all(d.signed_by(SECRET) for d in receiver.deliveries)
    assert len({d.body for d in receiver.deliveries}) == 1
    assert [(a[0], a[1]) for a in case.attempts()] == [
        (1, 500), (2, 500), (3, 200)]
    assert case.attempts()[0][3] == "thanks"
    assert case.attempts()[0][2] == "the receiver answered 500"
    assert case.attempts()[2][2] is None
    assert all(a[4] is not None for a in case.attempts())


def test_both_secrets_sign_during_a_rotation(alerts, receiver):
    case = Case(alerts, {"c": receiver.url}, secrets=(SECRET, OLD_SECRET))
    case.send(99)
    case.wait(("firing", "delivered"))
    assert receiver.deliveries[0].signed_by(SECRET)
    assert receiver.deliveries[0].signed_by(OLD_SECRET)


def test_a_resolve_never_overtakes_its_firing(alerts, receiver):
    receiver.answer = lambda d: 503
    case = Case(alerts, {"c": receiver.url})
    case.send(99)
    wait_until(lambda: receiver.deliveries, 10, "an attempt")
    case.send(20)
    wait_until(lambda: len(case.statuses()) == 2, 10, "it is resolved")
    stays(lambda: not receiver.ids("resolved"), 1, "the resolve waits")
    receiver.answer = lambda d: 200
    case.wait(("firing", "delivered"), ("resolved", "delivered"))
    types = [d.type for d in receiver.deliveries]
    assert types[-2:] == ["incident.firing", "incident.resolved"]
    assert "incident.resolved" not in types[:-1]


def test_resolved_before_it_was_sent_tells_nobody(alerts, receiver):
    """Both transitions in one batch: nothing was sent, nothing has to be."""
    case = Case(alerts, {"c": receiver.url})
    evaluator = alerts.stack.evaluator
    assert evaluator.stop() == 0
    case.send(99)
    case.send(20)
    evaluator.start()
    case.wait(("firing", "superseded"), ("resolved", "superseded"))
    assert receiver.deliveries == []
    assert [i["status"] for i in alerts.incidents(case.tenant)] == ["resolved"]


def test_given_up_only_after_the_incident(alerts, receiver):
    """While it is open a firing is tried beyond its schedule; when it is over
    it expires, that is said in the timeline, and then the resolve goes."""
    receiver.answer = lambda d: (
        500 if d.type == "incident.firing" else 200)
    case = Case(alerts, {"c": receiver.url})
    case.send(99)
    wait_until(lambda: len(case.attempts()) >= 7, 20, "beyond the schedule")
    assert case.statuses() in ([("firing", "pending")],
                               [("firing", "sending")])
    case.send(20)
    case.wait(("firing", "dead"), ("resolved", "delivered"))
    notes = alerts.db.rows(
        "SELECT note FROM incident_events WHERE tenant_id = %s"
        " AND transition = 'notified'", (case.tenant,))
    assert len(notes) == 1 and "given up" in notes[0][0]
    assert receiver.deliveries[-1].type == "incident.resolved"


def test_gone_disables_the_channel(alerts, receiver):
    receiver.answer = lambda d: 410
    case = Case(alerts, {"c": receiver.url})
    case.send(99)
    case.wait(("firing", "failed"))
    assert alerts.db.rows(
        "SELECT enabled, disabled_reason FROM notification_channels"
        " WHERE tenant_id = %s", (case.tenant,)) == [
            (False, "the receiver answered 410 Gone")]
    case.send(20)
    wait_until(lambda: case.statuses()[1:] == [("resolved", "failed")], 10,
               "nothing more is sent")
    case.send(99)
    wait_until(lambda: len(case.statuses()) == 3, 10, "it fires again")
    assert case.statuses()[2] == ("firing", "suppressed")
    assert len(receiver.deliveries) == 1


def test_redirects_are_failures(alerts, receiver):
    trap = Receiver()
    receiver.answer = lambda d: (302, {"Location": trap.url}, b"")
    case = Case(alerts, {"c": receiver.url})
    case.send(99)
    wait_until(lambda: len(case.attempts()) >= 2, 10, "it is tried again")
    assert trap.connections == 0
    trap.close()
    assert case.attempts()[0][1] == 302
    receiver.answer = lambda d: 200
    case.wait(("firing", "delivered"))


def test_retry_after_is_honoured(alerts, receiver):
    receiver.answer = lambda d: (
        (429, {"Retry-After": "2"}, b"") if len(receiver.deliveries) == 1
        else 200)
    case = Case(alerts, {"c": receiver.url})
    case.send(99)
    case.wait(("firing", "delivered"))
    first, second = receiver.deliveries
    assert second.time - first.time >= 1.9


def test_a_slow_or_huge_answer(alerts, receiver):
    """A receiver that hangs is a failed attempt; one that talks without end
    has answered, and only the first KiB is kept."""
    def answer(delivery):
        if len(receiver.deliveries) == 1:
            time.sleep(1.5)
        return 200, {}, b"\xff\x00" + b"x" * 500_000
    receiver.answer = answer
    case = Case(alerts, {"c": receiver.url})
    case.send(99)
    case.wait(("firing", "delivered"))
    first, second = case.attempts()
    assert first[1] is None and "timed out" in first[2].lower()
    assert 900 <= first[4] < 1500
    assert second[1] == 200 and second[3].startswith("??xxx")
    assert len(second[3]) == 1024


def test_one_dead_receiver_delays_no_other(alerts, receiver):
    """Ten channels to a receiver that hangs, one that answers."""
    hanging = Receiver(lambda d: time.sleep(1.5) or 200)
    case = Case(alerts, {**{f"h{n}": hanging.url for n in range(10)},
                         "c": receiver.url})
    case.send(99)
    wait_until(lambda: receiver.deliveries, 2, "delivered at once")
    hanging.answer = lambda d: 200
    for n in range(10):
        case.wait(("firing", "delivered"), channel=f"h{n}")
    hanging.close()


def test_two_channels_are_told_apart(alerts, receiver):
    case = Case(alerts, {"a": receiver.url + "/a", "b": receiver.url + "/b"})
    case.send(99)
    wait_until(lambda: len(receiver.deliveries) == 2, 10, "both")
    assert {d.path for d in receiver.deliveries} == {"/hook/a", "/hook/b"}
    assert len(receiver.ids("firing")) == 2  # one id each


def test_killed_while_sending(alerts):
    """SIGKILL during an attempt: when the lease is over it is made again,
    under the same id."""
    receiver = Receiver(lambda d: time.sleep(0.8) or 200)
    case = Case(alerts, {"c": receiver.url})
    case.send(99)
    wait_until(lambda: receiver.deliveries, 10, "the attempt has begun")
    alerts.stack.evaluator.kill()
    alerts.stack.evaluator.start()
    receiver.answer = lambda d: 200
    case.wait(("firing", "delivered"), timeout=40)
    assert len(receiver.ids("firing")) == 1
    assert len(receiver.deliveries) == 2
    first, second = case.attempts()
    assert first[4] is None  # outcome unknown
    assert second[1] == 200
    receiver.close()


def test_two_notifiers_share_the_work(alerts, receiver):
    """Forty incidents, two processes: each message once."""
    second = alerts.stack.service("evaluator", "2", **SETTINGS).start()
    case = Case(alerts, {"c": receiver.url})
    for n in range(40):
        alerts.telemetry(case.tenant, f"d{n}", case.time, temperature=99)
    wait_until(lambda: case.statuses() == [("firing", "delivered")] * 40, 60,
               "all are delivered")
    assert len(receiver.ids("firing")) == len(receiver.deliveries) == 40
    assert second.stop() == 0


@pytest.mark.parametrize("kind, secrets, says", [
    ("slack", (SECRET,), "webhooks only"),
    ("webhook", (), "no secret"),
    ("webhook", ("hunter2",), "whsec_"),
])
def test_a_channel_that_cannot_work_says_why(alerts, receiver, kind, secrets,
                                             says):
    case = Case(alerts, {"c": receiver.url}, kind=kind, secrets=secrets)
    case.send(99)
    wait_until(lambda: says in (case.notifications()[0][4] or ""), 10, says)
    assert receiver.deliveries == []
    assert "hunter2" not in alerts.stack.evaluator.log_text()


def test_no_connection_inside_unless_allowed(alerts):
    """Without the allow list nothing reaches loopback, however it is
    written."""
    receiver = Receiver()
    forms = [f"http://127.0.0.1:{receiver.port}/",
             f"https://127.0.0.1:{receiver.port}/",
             f"https://localhost:{receiver.port}/",
             f"https://2130706433:{receiver.port}/",
             f"https://0x7f.1:{receiver.port}/",
             f"https://[::ffff:127.0.0.1]:{receiver.port}/",
             f"https://[::1]:{receiver.port}/",
             f"https://user@127.0.0.1:{receiver.port}/",
             f"http://[64:ff9b::7f00:1]:{receiver.port}/"]
    case = Case(alerts, {f"c{n}": url for n, url in enumerate(forms)})
    alerts.stack.evaluator.stop()
    guarded = alerts.stack.service(
        "evaluator", "-guarded", **{**SETTINGS, "PULSE_WEBHOOK_ALLOW": ""})
    guarded.start()
    case.send(99)

    def refused(n):
        return case.notifications(f"c{n}")[0][4] is not None
    for n in range(len(forms)):
        wait_until(lambda n=n: refused(n), 20, f"{forms[n]} is refused")
        error = case.notifications(f"c{n}")[0][4]
        assert "is not allowed" in error or "not connect" in error, error
    assert receiver.connections == 0
    assert guarded.stop() == 0
    receiver.close()
    alerts.stack.evaluator.start()

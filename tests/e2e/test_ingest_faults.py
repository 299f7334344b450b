# SPDX-License-Identifier: Apache-2.0
"""The edge while Kafka or PostgreSQL is away, and while it stops."""

import secrets
import signal
import subprocess
import threading
import time

import pytest
import requests
from confluent_kafka.admin import ConfigResource
from harness.ports import free_port
from harness.stack import BIN
from harness.wait import wait_until

METRIC = "/api/v1/metrics/ingest"
TELEMETRY = "/api/v1/telemetry"
EVENTS = "/api/v1/events"
DEADLINE_S = 10  # of a request, whatever Kafka does


@pytest.fixture
def edge(stack):
    """An edge of the test's own."""
    if not stack.kafka.process.running():
        stack.kafka.start()
    if not stack.postgres.process.running():
        stack.postgres.start()
    stack.acme = stack.key("acme")
    stack.edge = stack.start("ingest")
    yield stack
    assert stack.edge.stop() == 0


def sender(stack, *options):
    """pulse-sim devices, started; journal(stack) has what became of it."""
    return stack.program("sim", [
        BIN / "pulse-sim", "devices",
        "--url", f"http://127.0.0.1:{stack.ingest_port}", "--key", stack.acme,
        "--journal", stack.logs / "journal", "--resends", "0", "--gaps", "0",
        *options]).start()


def journal(stack):
    """(device, seq) to status, of every message sent."""
    lines = (stack.logs / "journal").read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    return {(f[0], int(f[1])): int(f[3]) for f in fields}


def in_kafka(stack, since):
    """(device) of every telemetry message after the given ends."""
    found = []
    for message in stack.kafka.read_all("pulse.telemetry"):
        if message.offset() >= since[message.partition()]:
            found.append((message.key(), message.value()))
    return found


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_kafka_down_is_503_never_202_and_up_again_resumes(edge, how):
    kafka = edge.kafka
    body = {"name": "a", "value": 1}
    assert edge.post(METRIC, body, edge.acme).status_code == 202
    kafka.kill() if how == "killed" else kafka.process.pause()
    try:
        answers = []
        lock = threading.Lock()

        def post():
            start = time.monotonic()
            answer = edge.post(METRIC, body, edge.acme)
            with lock:
                answers.append((answer, time.monotonic() - start))

        # The first must wait for Kafka in vain, later ones may be quicker.
        for _ in range(3):
            posts = [threading.Thread(target=post) for _ in range(8)]
            for thread in posts:
                thread.start()
            for thread in posts:
                thread.join()
    finally:
        kafka.start() if how == "killed" else kafka.process.resume()
    assert len(answers) == 24
    for answer, seconds in answers:
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "kafka_unavailable"
        assert int(answer.headers["Retry-After"]) > 0
        assert seconds < DEADLINE_S
    wait_until(lambda: edge.post(METRIC, body, edge.acme).status_code == 202,
               30, "the same process takes records again")
    wait_until(edge.edge.ready, 10, "it is ready again")


def test_started_while_kafka_is_down(stack):
    stack.acme = stack.key("acme")
    stack.kafka.kill()
    try:
        edge = stack.service("ingest").start(ready=False)
        wait_until(lambda: stack.post(METRIC, {"name": "a", "value": 1},
                                      stack.acme).json()["error"]["code"]
                   == "kafka_unavailable", 10, "it answers")
        assert not edge.ready()
        assert edge.alive()
    finally:
        stack.kafka.start()
    edge.wait_ready()
    assert stack.post(METRIC, {"name": "a", "value": 1},
                      stack.acme).status_code == 202
    assert edge.stop() == 0


def test_postgres_down_goes_on_with_the_last_keys(edge):
    body = {"name": "a", "value": 1}
    edge.postgres.kill()
    try:
        wait_until(lambda: edge.edge.metric(
            "pulse_ingest_keys_failures_total") > 0, 10, "it notices")
        assert edge.post(METRIC, body, edge.acme).status_code == 202
        assert edge.edge.ready()
        assert edge.post(METRIC, body, "pulse_a_b").status_code == 401
    finally:
        edge.postgres.start()
    key = edge.key("acme")
    wait_until(lambda: edge.post(METRIC, body, key).status_code == 202, 15,
               "a new key is read")


def test_started_while_postgres_is_down(stack):
    stack.acme = stack.key("acme")
    stack.postgres.kill()
    try:
        edge = stack.service("ingest").start(ready=False)
        wait_until(lambda: stack.post(METRIC, {"name": "a", "value": 1},
                                      stack.acme).json()["error"]["code"]
                   == "not_ready", 10, "it answers")
        assert not edge.ready()
    finally:
        stack.postgres.start()
    edge.wait_ready()
    assert edge.stop() == 0


def test_budget_refuses_all_or_nothing(stack):
    """While Kafka is frozen, requests wait; what does not fit is told so."""
    stack.acme = stack.key("acme")
    edge = stack.start("ingest", PULSE_INGEST_RECORDS=100,
                       PULSE_INGEST_INFLIGHT_RECORDS=150)
    since = stack.kafka.ends("pulse.telemetry")
    body = [{"device_id": "d", "metrics": {}}] * 100
    answers = []
    stack.kafka.process.pause()
    try:
        waiting = threading.Thread(target=lambda: answers.append(
            stack.post(TELEMETRY, body, stack.acme)))
        waiting.start()
        edge.wait_metric("pulse_ingest_inflight_records", 100)
        refused = stack.post(TELEMETRY, body, stack.acme)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "overloaded"
        assert "Retry-After" in refused.headers
    finally:
        stack.kafka.process.resume()
        waiting.join()
    assert answers[0].status_code == 202
    assert len(in_kafka(stack, since)) == 100
    assert edge.metric("pulse_ingest_inflight_records") == 0
    assert edge.stop() == 0


def test_topic_missing(stack):
    """Not made yet, and deleted under a running edge: 503 that says which
    trouble it is, and not ready."""
    stack.acme = stack.key("acme")
    admin = stack.kafka.admin()

    def delete():
        admin.delete_topics(["pulse.events"])["pulse.events"].result(30)

    def code():
        return stack.post(METRIC, {"name": "a", "value": 1},
                          stack.acme).json()["error"]["code"]
    delete()
    edge = stack.service("ingest", "-topic").start(ready=False)
    try:
        wait_until(lambda: code() == "topic_missing", 10, "it says so")
        assert not edge.ready()
        answer = stack.post(METRIC, {"name": "a", "value": 1}, stack.acme)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        stack.kafka.make_topics(["pulse.events"])
        edge.wait_ready()
        assert stack.post(METRIC, {"name": "a", "value": 1},
                          stack.acme).status_code == 202
        delete()
        wait_until(lambda: code() == "topic_missing", 10, "it notices")
        assert not edge.ready()
        edge.wait_log("event=kafka_away why=no_topic")
        assert edge.stop() == 0
    finally:
        stack.kafka.make_topics(["pulse.events"])


def test_the_longest_record_there_may_be(edge):
    """Up to the limit it is taken, one byte more and it is rejected; its
    letter, longer than any record may be, is taken all the same."""
    port, ident = free_port(), "e" + secrets.token_hex(4)
    small = edge.start("ingest", "-2k", PULSE_INGEST_MESSAGE_BYTES="2k",
                       PULSE_INGEST_LISTEN=f"127.0.0.1:{port}")

    def post(length):
        return requests.post(
            f"http://127.0.0.1:{port}{EVENTS}", timeout=20, json={
                "id": ident, "level": "info", "message": "m" * length},
            headers={"Authorization": f"Bearer {edge.acme}"})
    try:
        longest = 1500
        while post(longest + 1).status_code == 202:
            longest += 1
        assert 1800 < longest < 2048
        for length in (longest + 1, 60_000):
            answer = post(length)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["code"] == "record_too_large"
        assert small.metric("pulse_ingest_dead_letters_total", fate="kept") > 0
    finally:
        small.stop()


def test_topic_takes_less_than_the_edge(edge):
    """What the broker finds too large is 413, not an endless 503; and its
    smaller neighbours go on."""
    admin = edge.kafka.admin()

    def limit(**settings):
        topic = ConfigResource("topic", "pulse.events", set_config={
            k.replace("_", "."): v for k, v in settings.items()})
        for done in admin.alter_configs([topic]).values():
            done.result(30)
    text = secrets.token_hex(30000)
    small, large = [{"level": "info", "message": m} for m in ("x", text)]
    limit(max_message_bytes="4000")
    try:
        wait_until(lambda: edge.post(
            EVENTS, large, edge.acme).status_code == 413, 10, "it is refused")
        answer = edge.post(EVENTS, large, edge.acme)
        assert answer.json()["error"]["code"] == "message_too_large"
        assert edge.post(EVENTS, small, edge.acme).status_code == 202
        assert edge.edge.metric("pulse_ingest_records_failed_total",
                                verdict="too_large") == 2
        assert edge.edge.log_count(
            "event=kafka_not_delivered topic=pulse.events") <= 2
    finally:
        limit()
    wait_until(lambda: edge.post(EVENTS, large, edge.acme).ok, 10,
               "it is taken again")


def test_sigterm_under_load_loses_nothing(stack):
    """What was acknowledged before, while and after it stopped is in Kafka;
    the one that takes over on the same port gets the rest."""
    stack.acme = stack.key("acme")
    first = stack.start("ingest")
    since = stack.kafka.ends("pulse.telemetry")
    sim = sender(stack, "--rate", "2000", "--devices", "200",
                 "--duration", "6s", "--connections", "32")
    first.wait_metric("pulse_ingest_records_accepted_total", 2000)
    assert first.stop() == 0
    second = stack.start("ingest", "2")
    assert sim.wait(60) == 0
    sent = journal(stack)
    assert len(sent) == 12000
    assert set(sent.values()) == {202}
    # Every message once at least, and nothing that was not sent.
    found = in_kafka(stack, since)
    assert len({value for _, value in found}) >= 12000
    assert {key.decode() for key, _ in found} == \
        {f"acme:{device}" for device, _ in sent}
    assert second.stop() == 0


def test_sigkill_under_load_loses_nothing(stack):
    stack.acme = stack.key("acme")
    edge = stack.start("ingest")
    since = stack.kafka.ends("pulse.telemetry")
    sim = sender(stack, "--rate", "2000", "--devices", "200",
                 "--duration", "5s", "--connections", "32")
    for _ in range(2):
        edge.wait_metric("pulse_ingest_records_accepted_total", 1500)
        edge.kill()
        edge.start()
    assert sim.wait(60) == 0
    sent = journal(stack)
    assert set(sent.values()) == {202} and len(sent) == 10000
    assert len({value for _, value in in_kafka(stack, since)}) >= 10000
    assert edge.stop() == 0


def test_second_sigterm_ends_at_once(stack):
    """A drain that cannot end (Kafka is frozen) is cut by another signal."""
    stack.acme = stack.key("acme")
    edge = stack.start("ingest", "-twice")  # a log of its own
    stack.kafka.process.pause()
    try:
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(
            stack.post(METRIC, {"name": "a", "value": 1}, stack.acme)))
        waiting.start()
        edge.wait_metric("pulse_ingest_inflight_records", 1)
        edge.signal(signal.SIGTERM)
        edge.wait_log("event=draining")
        assert edge.running()
        edge.signal(signal.SIGTERM)
        assert edge.wait(15) == 1
        waiting.join()
        assert answers[0].status_code == 503
    finally:
        stack.kafka.process.resume()


@pytest.mark.parametrize("variable,value", [
    ("PULSE_INGEST_THREADS", "0"), ("PULSE_INGEST_LINGER", "5"),
    ("PULSE_INGEST_BODY_BYTES", "lots"), ("PULSE_DRAIN_TIMEOUT", "-1s"),
    ("PULSE_INGEST_INFLIGHT_RECORDS", "10"),
])
def test_wrong_setting_is_one_line_and_exit_2(stack, variable, value):
    done = stack.run("-n", program="pulse-ingest", **{variable: value})
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert variable in line and value in line


def test_n_checks_and_help_tells(stack):
    assert stack.run("-n", program="pulse-ingest").returncode == 0
    shown = stack.run("--help", program="pulse-ingest")
    assert shown.returncode == 0
    assert "PULSE_INGEST_LISTEN" in shown.stdout


def test_sim_host_survives_an_absent_edge(stack):
    """What could not be sent is kept and sent when the edge is there."""
    stack.acme = stack.key("acme")
    since = stack.kafka.ends("pulse.metrics")
    host = subprocess.Popen(
        [BIN / "pulse-sim", "host", "--every", "100ms", "--name", "h1",
         "--url", f"http://127.0.0.1:{stack.ingest_port}", "--key", stack.acme],
        stdout=subprocess.PIPE, text=True)
    edge = stack.start("ingest")

    def found():
        return [m for m in stack.kafka.read_all("pulse.metrics")
                if m.offset() >= since[m.partition()]]
    wait_until(lambda: len(found()) >= 20 * 5, 30, "20 readings of 5 metrics")
    host.send_signal(signal.SIGTERM)
    out, _ = host.communicate(timeout=10)
    assert host.returncode == 0, out
    assert "dropped 0, kept 0" in out
    names = {n for m in found() for n in (
        b"cpu_usage", b"memory_usage", b"disk_usage", b"network_receive",
        b"network_transmit") if n in m.value()}
    assert len(names) == 5
    assert edge.stop() == 0

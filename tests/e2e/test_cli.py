# SPDX-License-Identifier: Apache-2.0
"""The command pulse does what its help says."""

import io
import json
import re
import threading
import time
import uuid

import fastavro
import pytest
from confluent_kafka.admin import ConfigResource
from harness.kafka import TOPICS
from harness.process import ROOT
from harness.stack import BIN

COMMANDS = ["status", "ledger", "tail", "topics apply", "key create",
            "key list", "key rotate", "key revoke", "tenant create",
            "tenant list", "tenant limits", "rule create", "rule list",
            "channel create", "channel list", "deadletter list",
            "deadletter show", "deadletter edit", "deadletter redrive",
            "deadletter drop", "series top", "series limit"]


def schema(name):
    for path in (ROOT / "schemas").glob("*.avsc"):
        found = json.loads(path.read_text())
        if found["name"] == name:
            return found
    raise AssertionError(name)


def message(name, record):
    """Single-object encoding, by another implementation of Avro."""
    form = schema(name)
    parsed = fastavro.parse_schema(form)
    mark = fastavro.schema.fingerprint(
        fastavro.schema.to_parsing_canonical_form(form), "CRC-64-AVRO")
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, record)
    return b"\xc3\x01" + bytes.fromhex(mark) + out.getvalue()


def metric(tenant, value):
    now = time.time_ns() // 1000
    return message("Metric", {
        "tenant_id": tenant, "name": "room", "labels": {"host": "kitchen"},
        "value": value, "time": now, "received_at": now, "source": None})


def lines(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- usage -------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(stack, command):
    done = stack.run(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: pulse {command}")
    assert f"  pulse {command}" in done.stdout.split("Examples:")[1] or \
        f"$(pulse {command}" in done.stdout


def test_help_lists_all_commands(stack):
    done = stack.run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", done.stdout, re.MULTILINE), command


@pytest.mark.parametrize("argv, says", [
    ([], "Usage: pulse COMMAND"),
    (["frobnicate"], 'no command "frobnicate"'),
    (["key"], 'no command "key"'),
    (["tail"], "needs TOPIC"),
    (["tail", "a", "b"], '"b"'),
    (["tail", "pulse.metrics", "-n", "0"], "-n"),
    (["tail", "pulse.metrics", "--from", "middle"], "--from"),
    (["key", "create"], "needs --tenant"),
    (["key", "create", "--tenant"], "--tenant needs TENANT"),
    (["key", "create", "--tenant", "a", "--scope", "fly"], "--scope"),
    (["key", "create", "--tenant", "a", "--expires", "soon"], "--expires"),
    (["ledger", "--wait", "-1"], "--wait"),
    (["ledger", "--nope"], "--nope"),
    (["rule", "create", "--tenant", "a", "--name", "r", "--metric", "m"],
     "--above"),
    (["rule", "create", "--tenant", "a", "--name", "r", "--metric", "m",
      "--above", "hot"], "hot"),
    (["rule", "create", "--tenant", "a", "--name", "r", "--metric", "m",
      "--above", "1", "--for", "ages"], "condition.for"),
    (["channel", "create", "--tenant", "a", "--name", "c", "--url",
      "ftp://x"], "http"),
])
def test_wrong_usage_is_one_line_and_exit_2(stack, argv, says):
    done = stack.run(*argv)
    assert done.returncode == 2
    assert says in done.stderr and done.stdout == ""
    if argv:
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("argv", [
    ["ledger"], ["topics", "apply"], ["tail", "pulse.metrics"]])
def test_kafka_away_is_one_line_and_exit_1(stack, argv):
    done = stack.run(*argv, PULSE_KAFKA_BROKERS="127.0.0.1:1")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_postgres_away_is_one_line_and_exit_1(stack):
    done = stack.run("key", "list",
                     PULSE_POSTGRES_URL="postgresql://127.0.0.1:1/pulse")
    assert done.returncode == 1
    assert "PULSE_POSTGRES_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_bad_setting_is_one_line_and_exit_2(stack):
    done = stack.run("ledger", PULSE_TARGETS="nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr and len(done.stderr.splitlines()) == 1


# --- topics ------------------------------------------------------------------


def test_topics_apply_creates_configures_and_then_changes_nothing(stack):
    admin = stack.kafka.admin()
    first = stack.run("topics", "apply")
    assert first.returncode == 0, first.stderr
    again = stack.run("topics", "apply")
    assert again.returncode == 0, again.stderr
    for topic, partitions in TOPICS.items():
        assert re.search(rf"^{topic} +{partitions} partitions: as it should be",
                         again.stdout, re.MULTILINE), again.stdout
        found = admin.describe_configs(
            [ConfigResource(ConfigResource.Type.TOPIC, topic)])
        config = next(iter(found.values())).result(10)
        assert int(config["max.message.bytes"].value) == 1 << 20
        days = 14 if topic == "pulse.deadletter" else 3
        assert int(config["retention.ms"].value) == days * 86400000


def test_topics_apply_creates_what_is_missing(stack):
    admin = stack.kafka.admin()
    for done in admin.delete_topics(["pulse.events"]).values():
        done.result(30)
    done = stack.run("topics", "apply")
    for _ in range(50):  # a deleted topic is known a little longer
        if "pulse.events" in done.stdout and "created" in done.stdout:
            break
        done = stack.run("topics", "apply")
    assert re.search(r"^pulse.events .*created", done.stdout, re.MULTILINE), done.stdout
    assert stack.kafka.ends("pulse.events") == dict.fromkeys(range(6), 0)


# --- tail --------------------------------------------------------------------


def test_tail_shows_records_as_json_lines(stack):
    stack.kafka.produce("pulse.metrics", metric("a", 21.5), partition=0)
    stack.kafka.produce("pulse.metrics", metric("b", 22.5), partition=1)
    stack.kafka.produce("pulse.metrics", b"\x00no avro", partition=1)
    found = lines(stack.run("tail", "pulse.metrics", "--from", "begin",
                            "--until-end"))
    assert len(found) == 3
    good = {r["record"]["tenant_id"]: r for r in found if "record" in r}
    assert good["a"]["record"]["value"] == 21.5
    assert good["a"]["record"]["labels"] == {"host": "kitchen"}
    assert (good["b"]["topic"], good["b"]["part"], good["b"]["offset"]) == (
        "pulse.metrics", 1, 0)
    bad = next(r for r in found if "error" in r)
    assert bad["hex"] == b"\x00no avro".hex() and bad["bytes"] == 8
    assert bad["error"]


def test_tail_of_one_tenant(stack):
    found = lines(stack.run("tail", "pulse.metrics", "--from", "begin",
                            "--until-end", "--tenant", "b"))
    assert [r["record"]["value"] for r in found] == [22.5]


def test_tail_counts_and_starts_at_an_offset(stack):
    for n in range(5):
        stack.kafka.produce("pulse.metrics", metric("c", n), partition=2)

    def values(*argv):
        return [r["record"]["value"] for r in lines(stack.run(
            "tail", "pulse.metrics", "--tenant", "c", "--until-end", *argv))]
    assert values("--from", "begin", "-n", "2") == [0, 1]
    assert values("--from", "3") == [3, 4]
    assert values("--from", "-1") == [4]
    assert values() == []


def test_tail_follows_the_end_until_interrupted(stack):
    follower = stack.program("tail", [
        BIN / "pulse", "tail", "pulse.events"])
    follower.start()
    identity = str(uuid.uuid4())
    now = time.time_ns() // 1000
    event = message("Event", {
        "tenant_id": "a", "id": identity, "kind": "log", "level": "info",
        "service": "s", "message": "hello", "attributes": "{}", "time": now,
        "received_at": now})
    # It starts at the end: what came before it is not shown, so send until.
    for _ in range(100):
        stack.kafka.produce("pulse.events", event)
        try:
            follower.wait_log(identity, timeout=0.3)
            break
        except AssertionError:
            continue
    follower.wait_log(identity, timeout=5)
    assert follower.stop() == 0


def test_tail_of_a_topic_that_is_not_there(stack):
    done = stack.run("tail", "no.such.topic")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "no.such.topic" in done.stderr


# --- keys --------------------------------------------------------------------


def test_a_key_is_shown_once_and_only_its_hash_kept(stack):
    refused = stack.run("key", "create", "--tenant", "fresh")
    assert refused.returncode == 1 and '"fresh"' in refused.stderr
    made = stack.run("key", "create", "--tenant", "fresh", "--create-tenant",
                     "--scope", "write,read", "--device", "pump-7",
                     "--expires", "90d", "--name", "the pump")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    _, key_id, secret = key.split("_", 2)
    row = stack.db.rows(
        "SELECT tenant_id, device_id, scopes, secret_hash = sha256(%s),"
        " expires_at - now() BETWEEN '89 days' AND '91 days', description"
        " FROM api_keys WHERE key_id = %s", (secret.encode(), key_id))
    assert row == [("fresh", "pump-7", ["write", "read"], True, True,
                    "the pump")]
    everything = stack.db.value(
        "SELECT string_agg(k::text, ' ') FROM api_keys k")
    assert secret not in everything

    listed = stack.run("key", "list", "--tenant", "fresh")
    assert listed.returncode == 0
    assert secret not in listed.stdout
    assert re.search(rf"^{key_id} +fresh +pump-7 +write,read +live", listed.stdout,
                     re.MULTILINE), listed.stdout


def test_a_revoked_key_is_refused(stack):
    key = stack.run("key", "create", "--tenant", "fresh", "--scope",
                    "read").stdout.strip()
    api = stack.start("api")
    assert stack.get("/api/metrics", key).status_code == 200
    key_id = key.split("_")[1]
    assert stack.run("key", "revoke", key_id).returncode == 0
    assert stack.get("/api/metrics", key).status_code == 401
    assert re.search(rf"^{key_id} .* revoked", stack.run("key", "list").stdout,
                     re.MULTILINE)
    api.stop()
    unknown = stack.run("key", "revoke", "nosuchkey")
    assert unknown.returncode == 1 and "nosuchkey" in unknown.stderr


def test_a_wrong_tenant_name_says_what_is_allowed(stack):
    done = stack.run("key", "create", "--tenant", "No Good", "--create-tenant")
    assert done.returncode == 1
    assert "a-z" in done.stderr and len(done.stderr.splitlines()) == 1


# --- rules and channels ------------------------------------------------------


def test_a_channel_and_a_rule(stack):
    stack.key("demo")
    early = stack.run("rule", "create", "--tenant", "demo", "--name", "r0",
                      "--metric", "m", "--above", "1", "--channel", "oncall")
    assert early.returncode == 1 and "oncall" in early.stderr
    made = stack.run("channel", "create", "--tenant", "demo", "--name",
                     "oncall", "--kind", "webhook", "--url",
                     "http://127.0.0.1:8090/hook")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert stack.db.rows("SELECT kind, url, secrets, enabled"
                         " FROM notification_channels"
                         " WHERE (tenant_id, name) = ('demo', 'oncall')") == [
        ("webhook", "http://127.0.0.1:8090/hook", [secret], True)]
    rule = stack.run("rule", "create", "--tenant", "demo", "--name",
                     "overheating", "--metric", "temperature", "--above", "80",
                     "--for", "5s", "--clear", "5s", "--severity", "critical",
                     "--channel", "oncall", "--label", "site=north")
    assert rule.returncode == 0, rule.stderr
    assert stack.db.rows(
        "SELECT name, metric_type, threshold, condition, severity, channels,"
        " enabled, origin FROM alert_rules WHERE id = %s",
        (rule.stdout.strip(),)) == [
        ("overheating", "temperature", 80,
         {"aggregation": "last", "operator": ">", "for": "5s", "clear": "5s",
          "labels": {"site": "north"}},
         "critical", ["oncall"], True, "user")]
    for argv in (["rule", "create", "--tenant", "demo", "--name",
                  "overheating", "--metric", "m", "--below", "-3.5"],
                 ["channel", "create", "--tenant", "demo", "--name", "oncall",
                  "--url", "http://x/"]):
        twice = stack.run(*argv)
        assert twice.returncode == 1 and "already" in twice.stderr
    assert re.search(r"^demo +overheating +temperature +> 80 +5s +5s +critical",
                     stack.run("rule", "list").stdout, re.MULTILINE)
    listed = stack.run("channel", "list", "--tenant", "demo").stdout
    assert re.search(r"^demo +oncall +webhook +http://127", listed, re.MULTILINE)
    assert secret not in listed


# --- ledger ------------------------------------------------------------------


def put_ledger(stack, topic, part, first, nxt, stored, dup=0, dead=0, gap=0):
    stack.db.execute(
        "INSERT INTO store.consumer_offset (consumer, topic, part, topic_id,"
        " first_off, next_off, replay_from) VALUES"
        " ('pulse-writer', %s, %s, 'id-1', %s, %s, %s)",
        (topic, part, first, nxt, nxt))
    stack.db.execute(
        "INSERT INTO store.ingest_ledger (topic, topic_id, part, hour, stored,"
        " duplicate, dead, gap) VALUES (%s, 'id-1', %s,"
        " date_trunc('hour', now(), 'UTC'), %s, %s, %s, %s)",
        (topic, part, stored, dup, dead, gap))


def test_ledger_balances_and_shows_lag(stack):
    # two messages of tail's tests are in partition 1, one in partition 0
    put_ledger(stack, "pulse.metrics", 0, 0, 1, 1)
    done = stack.run("ledger", "--json")
    assert done.returncode == 0, done.stderr
    ledger = json.loads(done.stdout)
    assert ledger["equal"] is True
    parts = {(p["topic"], p["part"]): p for p in ledger["partitions"]}
    assert len(parts) == sum(TOPICS.values())
    here = parts["pulse.metrics", 0]
    assert (here["consumed"], here["stored"], here["end"], here["lag"]) == (
        1, 1, 1, 0)
    assert here["claimed"] is True
    never = parts["pulse.metrics", 1]
    assert never["claimed"] is False and never["lag"] == 2
    text = stack.run("ledger").stdout
    assert "consumed = stored + duplicate + dead + gap" in text


def test_ledger_waits_for_the_lag_in_vain(stack):
    done = stack.run("ledger", "--wait", "1")
    assert done.returncode == 1 and "behind" in done.stderr


def test_a_ledger_that_does_not_balance_is_exit_1(stack):
    put_ledger(stack, "pulse.telemetry", 3, 100, 120, 10, 4, 3, 2)
    done = stack.run("ledger")
    assert done.returncode == 1
    assert "does not balance" in done.stderr
    assert re.search(r"^pulse.telemetry +3 +20 +10 +4 +3 +2 .*NOT EQUAL",
                     done.stdout, re.MULTILINE), done.stdout
    stack.db.execute("UPDATE store.ingest_ledger SET stored = stored + 1"
                     " WHERE topic = 'pulse.telemetry'")
    assert stack.run("ledger").returncode == 0
    # the counts of a topic of the same name that was deleted do not belong
    stack.db.execute(
        "INSERT INTO store.ingest_ledger (topic, topic_id, part, hour, stored)"
        " VALUES ('pulse.telemetry', 'older', 3,"
        " date_trunc('hour', now(), 'UTC'), 55)")
    assert stack.run("ledger").returncode == 0
    stack.db.execute("DELETE FROM store.ingest_ledger")
    stack.db.execute("DELETE FROM store.consumer_offset")


# --- status ------------------------------------------------------------------


def test_status_names_what_is_down(stack):
    done = stack.run("status", PULSE_TARGETS="writer=127.0.0.1:1")
    assert done.returncode == 1
    assert re.search(r"^writer +DOWN: ", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^kafka +ready", done.stdout, re.MULTILINE)
    assert re.search(r"^postgres +ready", done.stdout, re.MULTILINE)
    away = stack.run("status", "--json", PULSE_TARGETS="",
                     PULSE_POSTGRES_URL="postgresql://127.0.0.1:1/pulse")
    assert away.returncode == 1
    found = json.loads(away.stdout)
    assert found["postgres"]["ready"] is False and found["postgres"]["detail"]
    assert found["kafka"]["ready"] is True


def test_status_counts_incidents_letters_and_webhooks(stack):
    stack.key("demo")
    incident = str(uuid.uuid4())
    stack.db.execute(
        "INSERT INTO incidents (id, tenant_id, title, severity, source,"
        " started_at) VALUES (%s, 'demo', 'pump 7 is hot', 'critical', 'test',"
        " now() - interval '90 s')", (incident,))
    stack.db.execute(
        "INSERT INTO alert_notifications (tenant_id, incident_id, channel,"
        " kind, status) VALUES ('demo', %s, 'oncall', 'firing', 'delivered')",
        (incident,))
    stack.db.execute(
        "INSERT INTO dead_letters (stage, reason, payload, failed_at) VALUES"
        " ('ingest', 'invalid_time', '', now()),"
        " ('ingest', 'invalid_time', '', now()),"
        " ('writer', 'conflict', '', now())")
    stack.db.execute(  # nobody has to look at these any more
        "INSERT INTO dead_letters (stage, reason, payload, failed_at, status,"
        " created_at) VALUES"
        " ('writer', 'conflict', '', now(), 'redriven', now()),"
        " ('writer', 'conflict', '', now(), 'dropped', now()),"
        " ('writer', 'conflict', '', now(), 'new', now() - interval '2 d')")
    api = stack.start("api")
    address = api.admin.removeprefix("http://")
    done = stack.run("status", PULSE_TARGETS=f"api={address}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^api +ready +{address}", done.stdout, re.MULTILINE)
    assert "Open incidents      1" in done.stdout
    assert "pump 7 is hot (critical)" in done.stdout
    assert "Dead letters (24 h) 3 new: invalid_time 2, conflict 1\n" in done.stdout
    assert re.search(r"^Webhooks .*delivered 1", done.stdout, re.MULTILINE)
    assert len(done.stdout.splitlines()) < 40
    found = json.loads(
        stack.run("status", "--json", PULSE_TARGETS=f"api={address}").stdout)
    assert found["good"] is True and found["incidents_open"] == 1
    assert found["dead_letters_by_reason"] == {"invalid_time": 2,
                                               "conflict": 1}
    assert found["dead_letters_new_last_day"] == 3
    assert found["webhooks_last_day"] == {"delivered": 1}
    assert [t["topic"] for t in found["topics"]] == list(TOPICS)
    assert api.stop() == 0


def test_status_shows_what_the_writer_stores(stack):
    """A ledger that grows while status looks."""
    put_ledger(stack, "pulse.events", 0, 0, 0, 0)
    done = threading.Event()

    def grow():
        with stack.db.connect() as c:
            while not done.wait(0.05):
                c.execute("UPDATE store.consumer_offset SET next_off ="
                          " next_off + 50 WHERE topic = 'pulse.events'")
                c.execute("UPDATE store.ingest_ledger SET stored = stored + 50"
                          " WHERE topic = 'pulse.events'")
    writer = threading.Thread(target=grow)
    writer.start()
    try:
        found = json.loads(
            stack.run("status", "--json", PULSE_TARGETS="").stdout)
    finally:
        done.set()
        writer.join()
    rates = {t["topic"]: t["stored_per_s"] for t in found["topics"]}
    assert 100 < rates["pulse.events"] <= 1100
    assert rates["pulse.metrics"] == 0

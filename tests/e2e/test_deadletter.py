# SPDX-License-Identifier: Apache-2.0
"""pulse deadletter: what the edge and the writer refused is listed, edited,
sent again and then stands in the tables."""

import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewTopic
from harness.records import Injector, encode, metric, now_us
from harness.stack import BIN
from harness.wait import wait_until

INGEST = "/api/v1/metrics/ingest"


@pytest.fixture(scope="module")
def keys(stack):
    return {"acme": stack.key("acme"), "beta": stack.key("beta"),
            "bound": stack.key("acme", device="d1")}


@pytest.fixture(scope="module")
def pulse(stack, keys):
    """A running edge and writer; returns the command's runner."""
    stack.start("ingest")
    stack.start("writer")

    def run(*argv, **env):
        return stack.run("deadletter", *argv, **env)
    return run


def letter_ids(stack, where, *values):
    return [row[0] for row in stack.db.rows(
        f"SELECT id FROM dead_letters WHERE {where} ORDER BY id", values)]


def new_letter(stack, where, *values):
    """The letter that comes to be."""
    return wait_until(lambda: letter_ids(stack, where, *values), 20,
                      f"a letter: {where} {values}")[-1]


def put_letter(stack, payload, received, tenant="acme", path=INGEST,
               reason="time_too_old", **columns):
    """A letter of the edge as it would have been made at received."""
    row = {"tenant_id": tenant, "stage": "ingest", "endpoint": path,
           "reason": reason, "content_type": "application/json",
           "payload": payload.encode(), "received_at": received,
           "failed_at": received, **columns}
    return stack.db.rows(
        f"INSERT INTO dead_letters ({', '.join(row)}) VALUES"
        f" ({', '.join(['%s'] * len(row))}) RETURNING id",
        tuple(row.values()))[0][0]


def row_of(stack, ident):
    names = ("status", "redrives", "last_error", "payload",
             "original_payload", "edited_by", "redriven_at", "edited_at")
    values = stack.db.rows(
        f"SELECT {', '.join(names)} FROM dead_letters WHERE id = %s",
        (ident,))[0]
    return dict(zip(names, values, strict=True))


def samples(stack, name, tenant="acme"):
    return stack.db.rows(
        "SELECT s.labels, (extract(epoch FROM time) * 1000000)::int8, value"
        " FROM store.samples JOIN store.series s USING (series_id)"
        " WHERE tenant_id = %s AND s.name = %s ORDER BY 2, 3", (tenant, name))


def balanced(stack):
    done = stack.run("ledger", "--wait", "30")
    assert done.returncode == 0, done.stdout + done.stderr


def text(when):
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def reading(name, value=1, when=None, **more):
    more.update({"timestamp": text(when)} if when else {})
    return json.dumps({"name": name, "value": value, **more})


def edit(pulse, tmp_path, ident, payload, *options):
    file = tmp_path / f"{ident}.json"
    file.write_text(payload)
    return pulse("edit", ident, "--payload", file, "--by", "ann", *options)


# --- letters of the edge -----------------------------------------------------


def test_an_edited_reject_reaches_its_tenants_table(stack, keys, pulse,
                                                    tmp_path):
    when = now_us()
    for tenant in ("acme", "beta"):
        answer = stack.post(INGEST, {"name": "", "value": 5,
                                     "timestamp": when}, keys[tenant])
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "empty_text"
    ident = new_letter(stack, "tenant_id = 'beta' AND reason = 'empty_text'")
    before = row_of(stack, ident)

    done = pulse("redrive", ident)  # nothing is better yet
    assert done.returncode == 1
    assert f"{ident}: empty_text: name: must not be empty" in done.stderr
    assert "1 letter: 0 redriven (0 records), 1 not" in done.stdout
    row = row_of(stack, ident)
    assert row["status"] == "new" and row["redrives"] == 0
    assert row["last_error"] == "empty_text: name: must not be empty"

    done = edit(pulse, tmp_path, ident, json.dumps(
        {"name": "edited", "value": 5, "timestamp": when}))
    assert done.returncode == 0, done.stderr
    assert "A redrive sends 1 record to pulse.metrics." in done.stdout
    row = row_of(stack, ident)
    assert row["original_payload"] == before["payload"]
    assert row["edited_by"] == "ann" and row["edited_at"]
    assert row["status"] == "new" and row["last_error"] is None

    done = pulse("redrive", ident)
    assert done.returncode == 0, done.stderr
    assert "1 letter: 1 redriven (1 records), 0 not" in done.stdout
    wait_until(lambda: samples(stack, "edited", "beta") == [({}, when, 5.0)],
               20, "it is stored")
    assert samples(stack, "edited", "acme") == []
    row = row_of(stack, ident)
    assert (row["status"], row["redrives"]) == ("redriven", 1)
    assert row["redriven_at"]
    balanced(stack)

    done = pulse("redrive", ident)
    assert done.returncode == 1 and "--force" in done.stderr
    assert row_of(stack, ident) == row
    done = edit(pulse, tmp_path, ident, "{}")
    assert done.returncode == 1 and "only new ones" in done.stderr

    done = pulse("redrive", ident, "--force")
    assert done.returncode == 0, done.stderr
    balanced(stack)
    assert samples(stack, "edited", "beta") == [({}, when, 5.0)]
    assert row_of(stack, ident)["redrives"] == 2
    assert stack.db.value("SELECT sum(duplicate)::int8 FROM store.ledger"
                          " WHERE topic = 'pulse.metrics'") == 1


def test_what_was_sent_but_not_marked_is_a_repeat(stack, pulse):
    """A crash between Kafka's acknowledgement and the mark, by hand; records
    without a time and events without an id too."""
    now = datetime.now(UTC)
    idents = [
        put_letter(stack, reading("untimed"), now),
        put_letter(stack, '{"level":"info","message":"untold"}', now,
                   path="/api/v1/events")]
    for _ in range(2):
        done = pulse("redrive", *idents)
        assert done.returncode == 0, done.stderr
        stack.db.execute("UPDATE dead_letters SET status = 'new'"
                         " WHERE id = ANY (%s)", (idents,))
    wait_until(lambda: samples(stack, "untimed"), 20, "the sample")
    balanced(stack)
    assert len(samples(stack, "untimed")) == 1
    assert stack.db.value("SELECT count(*) FROM store.raw_events"
                          " WHERE data->>'msg' = 'untold'") == 1


def test_the_window_is_that_of_the_time_it_came(stack, pulse):
    now = datetime.now(UTC)
    came = now - timedelta(days=2)
    fine = put_letter(stack, reading(
        "window", 1, now - timedelta(days=7, hours=12)), came)
    late = put_letter(stack, reading(
        "window", 2, now - timedelta(days=8, hours=12)), came)
    ahead = put_letter(stack, reading(
        "window", 3, came + timedelta(hours=1)), came)
    done = pulse("redrive", fine, late, ahead)
    assert done.returncode == 1
    assert f"{late}: too_late: " in done.stderr
    assert f"{ahead}: time_too_new: timestamp: " in done.stderr
    assert "3 letters: 1 redriven (1 records), 2 not" in done.stdout
    wait_until(lambda: len(samples(stack, "window")) == 1, 20, "it is stored")
    assert samples(stack, "window")[0][2] == 1
    assert [row_of(stack, i)["status"] for i in (fine, late, ahead)] == \
        ["redriven", "new", "new"]
    # The edge itself would not take it today.
    balanced(stack)


def test_a_key_bound_to_a_device_stays_bound(stack, keys, pulse, tmp_path):
    answer = stack.post("/api/v1/telemetry", {
        "device_id": "d2", "metrics": {"t": 1}}, keys["bound"])
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "device_mismatch"
    ident = new_letter(stack, "reason = 'device_mismatch'")
    done = pulse("redrive", ident)
    assert done.returncode == 1 and "device_mismatch" in done.stderr
    assert edit(pulse, tmp_path, ident, '{"metrics":{"t":1}}').returncode == 0
    assert pulse("redrive", ident).returncode == 0
    wait_until(lambda: stack.db.value(
        "SELECT count(*) FROM store.telemetry WHERE tenant_id = 'acme'"
        " AND device_id = 'd1'") == 1, 20, "it is stored for its own device")


def test_a_malformed_body_may_become_many_records(stack, keys, pulse,
                                                  tmp_path):
    body = b'{"metrics":[{"name":"body","value":1},'
    answer = stack.post(INGEST + "/batch", body, keys["acme"])
    assert answer.status_code == 400
    ident = new_letter(stack, "reason = 'malformed_json'")
    assert row_of(stack, ident)["payload"] == body
    done = edit(pulse, tmp_path, ident, json.dumps({"metrics": [
        {"name": "body", "value": 1}, {"name": "body"}]}))
    assert "is refused: missing_field: record 2: value" in done.stdout
    done = edit(pulse, tmp_path, ident, json.dumps({"metrics": [
        {"name": "body", "value": 1}, {"name": "body", "value": 2}]}))
    assert "sends 2 records to pulse.metrics" in done.stdout
    assert row_of(stack, ident)["original_payload"] == body
    assert pulse("redrive", ident).returncode == 0
    wait_until(lambda: [v for _, _, v in samples(stack, "body")] == [1, 2],
               20, "both are stored")


# --- letters of the writer ---------------------------------------------------


def test_a_series_limit_is_raised_and_all_is_stored(stack, pulse):
    stack.key("small")
    stack.db.execute("UPDATE tenants SET limits = '{\"series\": 1}'"
                     " WHERE tenant_id = 'small'")
    when, inject = now_us(), Injector(stack.kafka.brokers)
    inject.send("Metric", *[metric("many", i, when, "small", host=str(i))
                            for i in range(5)])
    inject.flush()
    wait_until(lambda: len(letter_ids(
        stack, "reason = 'series_limit' AND tenant_id = 'small'")) == 4, 30,
        "four letters")
    balanced(stack)

    select = ("--tenant", "small", "--reason", "series_limit")
    before = stack.db.rows("SELECT * FROM dead_letters ORDER BY id")
    ends = stack.kafka.ends("pulse.metrics")
    done = pulse("redrive", *select, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert ("4 letters: 4 would be redriven (4 records), 0 would not;"
            " nothing was changed") in done.stdout
    done = pulse("drop", *select, "--dry-run")
    assert done.returncode == 0 and "4 would be dropped" in done.stdout
    assert stack.db.rows("SELECT * FROM dead_letters ORDER BY id") == before
    assert stack.kafka.ends("pulse.metrics") == ends

    stack.db.execute("UPDATE tenants SET limits = '{\"series\": 100}'"
                     " WHERE tenant_id = 'small'")
    done = pulse("redrive", *select)
    assert done.returncode == 0, done.stderr
    assert "4 letters: 4 redriven (4 records), 0 not" in done.stdout

    # The writer remembers for some seconds which series it refused; what it
    # refuses again is a letter again.
    def all_stored():
        assert pulse("redrive", *select).returncode == 0
        return len(samples(stack, "many", "small")) == 5
    wait_until(all_stored, 60, "all are stored", interval=2)
    assert sorted(v for _, _, v in samples(stack, "many", "small")) == \
        [0, 1, 2, 3, 4]
    balanced(stack)
    done = pulse("redrive", *select)  # there are no new ones
    assert done.returncode == 0 and "0 letters: 0 redriven" in done.stdout


def test_a_record_of_the_writer_is_edited_as_json(stack, pulse, tmp_path):
    when, inject = now_us(), Injector(stack.kafka.brokers)
    inject.send("Metric", metric("twice", 1, when, host="a"))
    inject.send("Metric", metric("twice", 2, when, host="a"))
    inject.flush()
    ident = new_letter(stack, "reason = 'conflict'")
    shown = json.loads(pulse("show", ident, "--payload").stdout)
    assert shown["value"] == 2 and shown["labels"] == {"host": "a"}
    letter = json.loads(pulse("show", ident, "--json").stdout)
    assert letter["record"] == shown
    assert letter["redrive"] == {"topic": "pulse.metrics", "records": 1}

    for wrong, says in [("{", "not JSON"),
                        (json.dumps({**shown, "tenant_id": "beta"}),
                         "the letter is of acme"),
                        (json.dumps({**shown, "valeu": 1}), "valeu")]:
        done = edit(pulse, tmp_path, ident, wrong)
        assert done.returncode == 1 and says in done.stderr, done.stderr
    assert row_of(stack, ident)["original_payload"] is None

    shown["labels"]["host"] = "b"
    done = edit(pulse, tmp_path, ident, json.dumps(shown))
    assert done.returncode == 0, done.stderr
    done = pulse("redrive", ident)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: samples(stack, "twice") == [
        ({"host": "a"}, when, 1.0), ({"host": "b"}, when, 2.0)], 20,
        "the other series has it")
    assert row_of(stack, ident)["original_payload"] == encode("Metric", metric(
        "twice", 2, when, host="a") | {
            "received_at": parse_us(shown["received_at"])})
    balanced(stack)


def parse_us(when):
    parsed = datetime.strptime(when, "%Y-%m-%dT%H:%M:%S.%fZ")
    return (parsed.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) \
        // timedelta(microseconds=1)


def test_bytes_that_are_no_record(stack, pulse):
    """Redriven, they are refused again: a letter of their own."""
    inject = Injector(stack.kafka.brokers)
    inject.send_bytes("pulse.events", b"\x00\x80no avro\x1b[2J")
    inject.flush()
    ident = new_letter(stack, "topic = 'pulse.events'")
    letter = json.loads(pulse("show", ident, "--json").stdout)
    assert letter["payload"] == {"base64": "AIBubyBhdnJvG1sySg=="}
    shown = pulse("show", ident).stdout
    assert b"\x00\x80no avro\x1b[2J".hex() in shown and "\x1b" not in shown
    done = pulse("redrive", ident)
    assert done.returncode == 0, done.stderr
    again = wait_until(lambda: letter_ids(
        stack, "topic = 'pulse.events' AND id > %s", ident), 20, "its letter")
    assert row_of(stack, again[0])["status"] == "new"
    balanced(stack)


def test_a_letter_of_anothers_topic_goes_back_to_it(stack, pulse, tmp_path):
    admin = stack.kafka.admin()
    for done in admin.create_topics([NewTopic("raw.letters", 1, 1)]).values():
        done.result(30)
    ident = put_letter(stack, "no text", datetime.now(UTC), stage="writer",
                       endpoint=None, topic="raw.letters", part=0, off=7,
                       reason="unstorable")
    assert edit(pulse, tmp_path, ident, "better text").returncode == 0
    assert pulse("show", ident, "--payload").stdout == "better text"
    try:
        done = pulse("redrive", ident)
        assert done.returncode == 0, done.stderr
        assert f"{ident}: 1 record sent to raw.letters" in done.stdout
        found = Consumer({"bootstrap.servers": stack.kafka.brokers,
                          "group.id": "letters"})
        found.assign([TopicPartition("raw.letters", 0, 0)])
        message = wait_until(lambda: found.poll(1), 20, "the message")
        assert message.value() == b"better text"
        found.close()
    finally:
        for done in admin.delete_topics(["raw.letters"]).values():
            done.result(30)


# --- which letters -----------------------------------------------------------


def listed(pulse, *argv):
    done = pulse("list", "--json", *argv)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


def test_filters_and_pages(stack, pulse):
    now = datetime.now(UTC)
    old = [put_letter(stack, reading(f"f{i}"), now - timedelta(days=3),
                      tenant="filters", device_id=f"dev{i % 2}",
                      reason="wrong_type" if i < 3 else "empty_text")
           for i in range(6)]
    young = put_letter(stack, reading("f9"), now - timedelta(minutes=5),
                       tenant="filters")
    mine = ("--tenant", "filters")
    everything = [young, *reversed(old)]
    many = [put_letter(stack, reading("p"), now, tenant="pages")
            for _ in range(45)]
    assert listed(pulse, "--tenant", "pages") == many[::-1]
    assert listed(pulse, "--tenant", "pages", "-n", "41") == many[:3:-1]
    assert listed(pulse, *mine) == everything
    assert listed(pulse, *mine, "--reason", "wrong_type") == old[2::-1]
    assert listed(pulse, *mine, "--device", "dev1") == old[5::-2]
    assert listed(pulse, *mine, "--since", "1h") == [young]
    assert listed(pulse, *mine, "--until", "1h") == everything[1:]
    assert listed(pulse, *mine, "--since",
                  text(now - timedelta(days=4)), "--until",
                  text(now - timedelta(days=2))) == everything[1:]
    assert listed(pulse, *mine, "--stage", "writer") == []
    assert listed(pulse, *mine, "--stage", "ingest") == everything
    assert listed(pulse, *mine, "--status", "dropped") == []
    assert listed(pulse, *mine, "-n", "4") == everything[:4]
    assert listed(pulse, *mine, "--before", everything[3]) == everything[4:]
    assert listed(pulse, old[0], old[5]) == [old[5], old[0]]
    table = pulse("list", *mine, "-n", "2")
    assert table.stdout.split()[:2] == ["ID", "REFUSED"]
    assert len(table.stdout.splitlines()) == 3
    assert f"--before {everything[1]}" in table.stderr

    done = pulse("drop", *mine, "--reason", "wrong_type")
    assert done.returncode == 0, done.stderr
    assert "3 letters: 3 dropped, 0 not" in done.stdout
    assert listed(pulse, *mine, "--status", "dropped") == old[2::-1]
    done = pulse("drop", old[0], old[5])
    assert done.returncode == 1
    assert f"{old[0]}: was dropped already" in done.stderr
    assert "2 letters: 1 dropped, 1 not" in done.stdout
    done = pulse("redrive", old[0])
    assert done.returncode == 1 and "was dropped" in done.stderr
    done = pulse("redrive", *mine, "--limit", "1")  # new ones only
    assert f"{old[3]}: 1 record sent" in done.stdout
    assert "1 letter: 1 redriven" in done.stdout
    done = pulse("redrive", *mine)
    assert "2 letters: 2 redriven" in done.stdout
    done = pulse("redrive", *mine, "--status", "dropped", "--force")
    assert "4 letters: 4 redriven" in done.stdout
    done = pulse("drop", young)
    assert done.returncode == 1 and "was redriven already" in done.stderr


@pytest.mark.parametrize("command", ["redrive", "drop"])
def test_unknown_ids_are_told(pulse, command):
    done = pulse(command, "999999999")
    assert done.returncode == 1
    assert "999999999: there is no such letter" in done.stderr
    assert pulse("show", "999999999").returncode == 1


@pytest.mark.parametrize("argv, says", [
    (["redrive"], "which letters?"), (["drop"], "which letters?"),
    (["redrive", "x"], '"x"'), (["list", "--stage", "api"], "--stage"),
    (["list", "--status", "old"], "--status"),
    (["list", "--since", "yesterday"], "--since"),
    (["redrive", "1", "--limit", "0"], "--limit"), (["show"], "needs ID"),
    (["edit", "1"], "--payload")])
def test_wrong_usage(pulse, argv, says):
    done = pulse(*argv)
    assert done.returncode == 2 and says in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


# --- many, and trouble -------------------------------------------------------


def put_many(stack, tenant, count):
    stack.key(tenant)
    stack.db.execute(
        "INSERT INTO dead_letters (tenant_id, stage, endpoint, reason,"
        " content_type, payload, received_at, failed_at)"
        " SELECT %s, 'ingest', '/api/v1/metrics/ingest', 'x',"
        " 'application/json', convert_to(format("
        "'{\"name\":\"bulk\",\"value\":%%s}', n), 'UTF8'), now(), now()"
        " FROM generate_series(1, %s) n", (tenant, count))


def test_two_at_once_send_each_letter_once(stack, pulse):
    count = 3000
    put_many(stack, "bulk", count)
    argv = [BIN / "pulse", "deadletter", "redrive", "--tenant", "bulk"]
    env = stack.program("redrive", argv).env
    two = [subprocess.Popen(argv, env=env, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE) for _ in range(2)]
    ended = [(p.communicate(timeout=120), p.returncode) for p in two]
    assert stack.db.rows(
        "SELECT status, redrives, count(*) FROM dead_letters"
        " WHERE tenant_id = 'bulk' GROUP BY 1, 2") == \
        [("redriven", 1, count)], ended
    for (out, err), status in ended:
        assert "Sanitizer" not in err
        # Whoever came second to a page says so.
        assert (status == 1) == ("not_new" in err), (out, err)
    wait_until(lambda: len(samples(stack, "bulk", "bulk")) == count, 60,
               "all are stored")
    assert [v for _, _, v in samples(stack, "bulk", "bulk")] == \
        list(range(1, count + 1))
    balanced(stack)


def test_interrupted_it_ends_after_the_page(stack, pulse):
    put_many(stack, "stopped", 1200)
    first = letter_ids(stack, "tenant_id = 'stopped'")[0]
    redrive = stack.program("redrive-stopped", [
        BIN / "pulse", "deadletter", "redrive", "--tenant", "stopped"])
    with stack.db.connect() as c, c.transaction():
        c.execute("SELECT FROM dead_letters WHERE id = %s FOR UPDATE",
                  (first,))
        redrive.start()
        wait_until(lambda: stack.db.value(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name"
            " = 'pulse' AND wait_event_type = 'Lock'") == 1, 20,
            "it waits for the row")
        redrive.signal(15)
    assert redrive.wait(60) == 1
    assert "interrupted" in redrive.log_text()
    assert "500 letters: 500 redriven" in redrive.log_text()
    assert stack.db.rows(
        "SELECT status, count(*) FROM dead_letters WHERE tenant_id ="
        " 'stopped' GROUP BY 1 ORDER BY 1") == [("new", 700),
                                                ("redriven", 500)]


def test_kafka_away_changes_nothing(stack, pulse):
    put_many(stack, "away", 3)
    done = pulse("redrive", "--tenant", "away",
                 PULSE_KAFKA_BROKERS="127.0.0.1:1")
    assert done.returncode == 1
    assert "PULSE_KAFKA_BROKERS" in done.stderr
    assert stack.db.rows(
        "SELECT DISTINCT status, redrives, last_error FROM dead_letters"
        " WHERE tenant_id = 'away'") == [("new", 0, None)]


def test_killed_before_the_mark_it_is_sent_again(stack, pulse):
    """Kafka has acknowledged, the row is not marked: at least once sent, once
    stored."""
    ident = put_letter(stack, reading("killed"), datetime.now(UTC))
    redrive = stack.program("redrive-killed",
                            [BIN / "pulse", "deadletter", "redrive", ident])
    with stack.db.connect() as c, c.transaction():
        # Rows can be locked and read, but nothing can be marked.
        c.execute("LOCK TABLE dead_letters IN SHARE MODE")
        redrive.start()
        wait_until(lambda: len(samples(stack, "killed")) == 1, 30,
                   "its record is stored")
        assert redrive.running()
        redrive.kill()
    row = wait_until(lambda: row_of(stack, ident), 10, "the row")
    assert (row["status"], row["redrives"]) == ("new", 0)
    assert pulse("redrive", ident).returncode == 0
    row = row_of(stack, ident)
    assert (row["status"], row["redrives"]) == ("redriven", 1)
    balanced(stack)
    assert len(samples(stack, "killed")) == 1


def test_without_an_acknowledgement_it_stays_new(stack, pulse):
    """Kafka falls silent while a page is being sent."""
    idents = [put_letter(stack, reading(f"silent{i}"), datetime.now(UTC))
              for i in range(3)]
    redrive = stack.program("redrive-silent", [
        BIN / "pulse", "deadletter", "redrive", *idents])
    try:
        with stack.db.connect() as c, c.transaction():
            c.execute("SELECT FROM dead_letters WHERE id = %s FOR UPDATE",
                      (idents[0],))
            redrive.start()
            wait_until(lambda: stack.db.value(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name"
                " = 'pulse' AND wait_event_type = 'Lock'") == 1, 20,
                "it waits for the row")
            stack.kafka.process.pause()
        assert redrive.wait(60) == 1
    finally:
        stack.kafka.process.resume()
    assert "does not take them" in redrive.log_text()
    assert "3 letters: 0 redriven (0 records), 3 not" in redrive.log_text()
    for ident in idents:
        row = row_of(stack, ident)
        assert (row["status"], row["redrives"]) == ("new", 0)
        assert row["last_error"].startswith("not_delivered: ")

    def again():
        done = pulse("redrive", *idents)
        return done.returncode == 0
    wait_until(again, 60, "Kafka answers again")
    for i in range(3):
        wait_until(lambda n=i: len(samples(stack, f"silent{n}")) == 1, 30,
                   f"silent{i} is stored")
    balanced(stack)

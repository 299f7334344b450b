# SPDX-License-Identifier: Apache-2.0
"""The servers every other test stands on behave as the tests assume."""

from harness.kafka import TOPICS


def test_kafka_keeps_messages_over_a_restart(stack):
    stack.kafka.produce("pulse.metrics", b"one", partition=3)
    stack.kafka.kill()
    stack.kafka.start()
    stack.kafka.produce("pulse.metrics", b"two", partition=3)
    values = [m.value() for m in stack.kafka.read_all("pulse.metrics")]
    assert values == [b"one", b"two"]


def test_fresh_topics_are_empty(stack):
    stack.kafka.produce("pulse.events", b"old")
    stack.kafka.fresh_topics()
    for topic, partitions in TOPICS.items():
        assert stack.kafka.ends(topic) == dict.fromkeys(range(partitions), 0)


def test_postgres_recovers_from_a_crash(stack):
    stack.db.execute("CREATE TABLE kept (n int)")
    stack.db.execute("INSERT INTO kept VALUES (1)")
    stack.postgres.kill()
    stack.postgres.start()
    assert stack.db.value("SELECT n FROM kept") == 1


def test_services_log_in_but_not_the_owner(stack):
    assert stack.db.connect("writer").execute("SELECT 1").fetchone() == (1,)
    try:
        stack.db.connect("owner")
    except Exception as refusal:  # noqa: BLE001
        assert "pg_hba.conf rejects" in str(refusal)
    else:
        raise AssertionError("pulse_owner logged in")

# SPDX-License-Identifier: Apache-2.0
"""pulse series: what grows, and the limit that stops it."""

import json
import time

import pytest
from harness.accounts import Delta, letters
from harness.records import Injector, metric, now_us


def make(stack, tenant, name, labels):
    """Series as the writer makes them."""
    stack.db.execute("INSERT INTO tenants (tenant_id, name) VALUES (%s, 'x')"
                     " ON CONFLICT DO NOTHING", (tenant,))
    with stack.db.connect("writer") as c:
        c.execute("SELECT count(*) FROM store.series_ids(%s, %s, %s::jsonb[])",
                  ([tenant] * len(labels), [name] * len(labels),
                   [json.dumps(one) for one in labels]))


@pytest.fixture(scope="module")
def series(stack):
    make(stack, "busy", "old", [{"host": "a", "n": str(i)} for i in range(30)])
    stack.db.execute("UPDATE store.series SET created_at = now() - interval"
                     " '2 days'")
    make(stack, "busy", "new", [{"host": h, "request": f"{h}{i}"}
                                for h in "ab" for i in range(20)])
    make(stack, "calm", "new", [{"device_id": "d1"}])
    stack.key("empty")


def top(stack, *argv):
    done = stack.run("series", "top", "--json", *argv)
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line).values())
            for line in done.stdout.splitlines()]


def test_tenants_against_their_limits(stack, series):
    assert top(stack) == [("busy", 40, 70, 1_000_000, 0),
                          ("calm", 1, 1, 1_000_000, 0),
                          ("empty", 0, 0, 1_000_000, 0),
                          ("pulse", 0, 0, 1_000_000, 0)]
    assert stack.run("series", "limit", "busy", "140").returncode == 0
    assert top(stack, "-n", "1") == [("busy", 40, 70, 140, 50)]
    assert stack.run("series", "limit", "busy", "default").returncode == 0
    assert top(stack, "--tenant", "busy", "--by", "tenant", "--since", "3d"
               ) == [("busy", 70, 70, 1_000_000, 0)]


def test_by_name_host_and_label(stack, series):
    assert top(stack, "--by", "name") == [
        ("busy", "new", 40, 40), ("calm", "new", 1, 1),
        ("busy", "old", 0, 30)]
    assert top(stack, "--tenant", "busy") == [
        ("busy", "new", 40, 40), ("busy", "old", 0, 30)]
    assert top(stack, "--by", "host") == [
        ("busy", "a", 20, 50), ("busy", "b", 20, 20), ("calm", "d1", 1, 1)]
    assert top(stack, "--by", "label", "--tenant", "busy") == [
        ("busy", "request", 40, 40, 40), ("busy", "n", 0, 30, 30),
        ("busy", "host", 1, 2, 70)]


def test_as_a_table(stack, series):
    done = stack.run("series", "top", "--tenant", "calm")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["TENANT", "NAME", "NEW", "SERIES"], ["calm", "new", "1", "1"]]


@pytest.mark.parametrize("argv, says", [
    (("top", "--by", "colour"), "tenant, name, host or label"),
    (("top", "--since", "soon"), "--since"), (("top", "-n", "0"), "-n"),
    (("limit", "busy", "many"), "many"), (("limit", "busy", "-1"), "-1"),
    (("limit", "busy"), "needs TENANT NUMBER")])
def test_wrong_usage(stack, argv, says):
    done = stack.run("series", *argv)
    assert done.returncode == 2 and says in done.stderr


def test_an_unknown_tenant_has_no_limit_set(stack):
    done = stack.run("series", "limit", "nobody", "5")
    assert done.returncode == 1 and 'no tenant "nobody"' in done.stderr


def test_a_limit_holds_until_it_is_raised(stack):
    stack.key("small")
    done = stack.run("series", "limit", "small", "2")
    assert done.stdout.startswith("Tenant small may have 2 series and has 0")
    stack.start("writer", PULSE_WRITER_SESSION_TIMEOUT="6s")
    send = Delta(stack, Injector(stack.kafka.brokers))
    deadline = time.monotonic() + 30
    while len(stack.db.rows("SELECT FROM store.consumer_offset")) < 21:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    def five():
        t = now_us()
        return send("Metric", *[metric("m", 1.0, t, tenant="small", n=str(i))
                                for i in range(5)])
    assert five() == (2, 0, 3, 0)
    assert [k[0] for k in letters(stack, "series_limit")] == ["small"] * 3
    assert top(stack, "--tenant", "small", "--by", "tenant") == [
        ("small", 2, 2, 2, 100)]
    stack.run("series", "limit", "small", "4")
    # A refused series is asked for again after 10 s.
    while five() != (4, 0, 1, 0):
        assert time.monotonic() < deadline
        time.sleep(1)
    stack.run("series", "limit", "small", "default")
    while five() != (5, 0, 0, 0):
        assert time.monotonic() < deadline + 20
        time.sleep(1)

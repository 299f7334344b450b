# SPDX-License-Identifier: Apache-2.0
"""pulse tenant, pulse key rotate: who sends, how much, with which key."""

import json
import re

import pytest
from harness.wait import wait_until

METRIC = "/api/v1/metrics/ingest"


def limits(stack, tenant, *words, **settings):
    """{limit: (value, whether it is the tenant's own)}"""
    done = stack.run("tenant", "limits", tenant, *words, "--json", **settings)
    assert done.returncode == 0, done.stderr
    return {line["limit"]: (line["value"], line["own"])
            for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module", autouse=True)
def acme(stack):
    for _ in range(2):
        assert stack.run("tenant", "create", "acme").returncode == 0


def test_limits_are_set_and_unset(stack):
    assert limits(stack, "acme")["labels"] == (32, False)
    found = limits(stack, "acme", "labels=5", "records_per_second=100",
                   "series=7")
    assert found["labels"] == (5, True)
    assert found["records_per_second"] == (100, True)
    assert found["fields"] == (256, False)
    assert stack.db.value("SELECT limits FROM tenants WHERE tenant_id ="
                          " 'acme'") == {"labels": 5, "series": 7,
                                         "records_per_second": 100}
    found = limits(stack, "acme", "labels=default", "fields=9")
    assert found["labels"] == (32, False) and found["fields"] == (9, True)
    assert limits(stack, "acme", PULSE_INGEST_LABELS=40)["labels"] == \
        (40, False)
    text = stack.run("tenant", "limits", "acme").stdout
    assert re.search(r"^fields +9  tenant  ", text, re.MULTILINE), text
    assert re.search(r"^labels +32  default  ", text, re.MULTILINE), text


def test_a_name_unknown_to_this_version_is_kept(stack):
    stack.db.execute("UPDATE tenants SET limits = '{\"future\": \"x\"}' WHERE"
                     " tenant_id = 'acme'")
    limits(stack, "acme", "labels=5")
    assert stack.db.value("SELECT limits FROM tenants WHERE tenant_id ="
                          " 'acme'") == {"labels": 5, "future": "x"}


@pytest.mark.parametrize("word, says", [
    ("lables=5", "there are records_per_second,"), ("labels", "NAME=VALUE"),
    ("labels=0", "from 1 to 256"), ("labels=257", "from 1 to 256"),
    ("labels=5.5", "from 1 to 256"), ("labels=many", "from 1 to 256"),
    ("labels=", "from 1 to 256"), ("=5", '"" is no limit'),
    ("name_bytes=201", "from 1 to 200")])
def test_wrong_limits_are_one_line_and_exit_2(stack, word, says):
    done = stack.run("tenant", "limits", "acme", word)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.splitlines()) == 1


def test_twice_is_once_too_often(stack):
    done = stack.run("tenant", "limits", "acme", "labels=5", "labels=6")
    assert done.returncode == 2 and "twice" in done.stderr


def test_limits_of_nobody(stack):
    done = stack.run("tenant", "limits", "nobody", "labels=5")
    assert done.returncode == 1 and '"nobody"' in done.stderr


def test_the_database_knows_the_same_ranges(stack):
    done = stack.run("tenant", "limits", "acme", "--json")
    here = {(line["limit"], line["lowest"], line["highest"])
            for line in map(json.loads, done.stdout.splitlines())}
    there = set(stack.db.rows("SELECT name, lowest, highest FROM"
                              " store.limit_ranges()"))
    assert here == there


def test_tenants_are_listed(stack):
    stack.key("acme")
    old = stack.key("acme")
    stack.db.execute("UPDATE api_keys SET revoked_at = now() WHERE key_id ="
                     " %s", (old.split("_")[1],))
    limits(stack, "acme", "labels=5")
    text = stack.run("tenant", "list").stdout
    assert re.search(r'^acme +acme +1  .*"labels": 5', text, re.MULTILINE), \
        text


def test_a_rotation(stack):
    """The new key has the old one's rights; the old one ends later."""
    stack.start("ingest", PULSE_INGEST_FAILURES=0)

    def make(*argv):
        done = stack.run("key", *argv)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr
    old, _ = make("create", "--tenant", "acme", "--device", "pump-7",
                  "--scope", "write,read", "--expires", "90d", "--name", "p")
    new, said = make("rotate", old.split("_")[1], "--keep", "6s")
    assert old.split("_")[1] in said and new.split("_")[2] not in said
    rows = stack.db.rows(
        "SELECT tenant_id, device_id, scopes, description, expires_at - now()"
        " > '89 days' FROM api_keys WHERE device_id = 'pump-7' ORDER BY"
        " created_at")
    assert rows == [("acme", "pump-7", ["write", "read"], "p", False),
                    ("acme", "pump-7", ["write", "read"], "p", True)]

    def post(key):
        return stack.post(METRIC, {"name": "m", "value": 1}, key).status_code
    wait_until(lambda: post(new) == 202, 5, "the new key works")
    wait_until(lambda: post(old) == 401, 12, "the old key has ended")
    assert post(new) == 202
    again = stack.run("key", "rotate", old.split("_")[1])
    assert again.returncode == 1 and "no live key" in again.stderr
    assert stack.db.value("SELECT count(*) FROM api_keys WHERE device_id ="
                          " 'pump-7'") == 2

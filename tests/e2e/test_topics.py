# SPDX-License-Identifier: Apache-2.0
"""Topics that are there but not as they should be (kafka_admin against a real
broker; what is missing altogether: test_cli.py)."""

import re

from confluent_kafka.admin import NewTopic
from harness.wait import wait_until


def remake(stack, partitions):
    """pulse.events anew, with so many partitions."""
    admin = stack.kafka.admin()
    for done in admin.delete_topics(["pulse.events"]).values():
        done.result(30)

    def make():
        """A topic just deleted may still be known for a moment."""
        done = admin.create_topics([NewTopic("pulse.events", partitions, 1)])
        return done["pulse.events"].exception(10) is None
    wait_until(make, 30, "pulse.events is made")
    wait_until(lambda: count(stack) == partitions, 30, "it is known")


def count(stack):
    topics = stack.kafka.admin().list_topics(timeout=10).topics
    return len(topics["pulse.events"].partitions)


def test_too_few_partitions_are_added(stack):
    remake(stack, 2)
    done = stack.run("topics", "apply")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^pulse\.events .*partitions", done.stdout, re.M)
    wait_until(lambda: count(stack) == 6, 30, "six partitions")
    again = stack.run("topics", "apply")
    assert again.returncode == 0, again.stderr
    assert re.search(r"^pulse\.events .*as it should be", again.stdout, re.M)


def test_too_many_partitions_are_refused_and_kept(stack):
    remake(stack, 9)
    done = stack.run("topics", "apply")
    assert done.returncode != 0
    assert "9 partitions" in done.stderr and "shrink" in done.stderr
    assert count(stack) == 9

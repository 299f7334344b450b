# SPDX-License-Identifier: Apache-2.0
"""S7 for evaluators: they come and go while devices cross a threshold to and
fro; every transition is recorded once, in order, at the time it happened."""

import time

from harness.alerts import SECOND, Alerts, moment, now_us
from harness.records import telemetry
from harness.wait import wait_until

FOR, CLEAR, LIMIT = 2, 3, 80  # seconds, seconds, degrees


def transitions(samples):
    """What the rule says of (time, value)s: fires once the value was over the
    limit for FOR seconds, resolves once it was not for CLEAR."""
    found, firing, since = [], False, None
    for t, value in samples:
        if (value > LIMIT) == firing:
            since = None
            continue
        since = t if since is None else since
        if t - since >= (CLEAR if firing else FOR) * SECOND:
            firing, since = not firing, None
            found.append(("fires" if firing else "resolves", moment(t)))
    return found


def recorded(world, device):
    return [("resolves" if name == "resolved" else "fires", at)
            for name, at in world.stack.db.rows(
                "SELECT transition, event_time FROM incident_events e"
                " JOIN incidents i ON i.id = e.incident_id"
                " WHERE i.tenant_id = %s AND i.metadata->>'device_id' = %s"
                " AND transition IN ('opened', 'reopened', 'resolved')"
                " ORDER BY e.id", (world.tenant, device))]


def storm(world, crowd):
    """One of them, at random: SIGTERM, kill -9 or SIGSTOP for a while."""
    one = world.chance.choice(crowd)
    fate = world.chance.choice(("left", "killed", "frozen"))
    if fate == "left":
        assert one.stop() == 0
    elif fate == "killed":
        one.kill()
    else:
        one.pause()
        time.sleep(world.chance.uniform(0, 4))
        one.resume()
        return
    one.start(ready=False)


def test_transitions_once_in_a_storm(world):
    alerts = Alerts(world.stack)
    alerts.rule(world.tenant, "Hot", "temperature", LIMIT, operator=">",
                for_=f"{FOR}s", clear=f"{CLEAR}s")
    crowd = [world.stack.start("evaluator", f"-{n}",
                               PULSE_EVALUATOR_SESSION_TIMEOUT="2500ms")
             for n in range(2)]
    wait_until(lambda: world.stack.db.value(
        "SELECT count(*) FROM store.rule_activations a JOIN alert_rules r"
        " ON r.id = a.rule_id WHERE r.tenant_id = %s", (world.tenant,)) == 12,
        30, "the rule is active in all partitions")
    world.writer()
    sent = {f"d{n}": [] for n in range(12)}
    hot = dict.fromkeys(sent, False)
    start, end = now_us() - 200 * SECOND, 120 if world.long else 40
    for second in range(end):
        for device, samples in sent.items():
            if world.chance.random() < 0.15:
                hot[device] = not hot[device]
            t, value = start + second * SECOND, 99.0 if hot[device] else 20.0
            samples.append((t, value))
            world.traffic.send("Telemetry", {
                **telemetry(device, t, world.tenant, temperature=value),
                "received_at": t + SECOND // 10})
        world.traffic.flush()
        if second % 8 == 5:
            storm(world, crowd)
        time.sleep(0.1)
    wait_until(alerts.caught_up, 90, "all is evaluated", interval=0.5)
    expected = {device: transitions(s) for device, s in sent.items()}
    assert {d: recorded(world, d) for d in sent} == expected
    assert sum(map(len, expected.values())) > 20
    world.finish()

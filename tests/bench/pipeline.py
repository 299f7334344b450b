# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline under a steady load: what is acknowledged, how soon it
is seen, what it costs. Everything shares this machine: the generator, Kafka
and PostgreSQL too. Beside it the limit: libmicrohttpd that answers 202 to
nothing, under the same generator.

One JSON message per request over keep-alive connections, open loop; latencies
count from the time a message was meant to be sent. Visible is the commit time
of its row (track_commit_timestamp). Before it counts every device has sent a
few messages, so that its series are known, as in a fleet that runs."""

import argparse
import json
import subprocess
import time
from datetime import UTC, datetime

from harness.stack import BIN
from harness.wait import wait_until
from rig import PROGRAMS, Rig, bench_folder, number, say, table
from usage import Meter

SERVICES = ("ingest", "writer", "evaluator", "collector", "api")
DEVICES = 2000
CONNECTIONS = 128
LAG_EVERY_S = 5
VISIBLE = """
    SELECT count(*), percentile_disc(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (
        ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin) - time)
                 * 1000)
    FROM store.telemetry WHERE device_id LIKE 'dev-%%' AND time >= %s"""


class Bench(Rig):
    """A stack that keeps its data on disk, as deployed."""

    def __init__(self, folder):
        super().__init__(folder)
        self.acme = self.key("acme")
        self.running = {}

    def up(self):
        for name in SERVICES:
            if (BIN / f"pulse-{name}").exists():
                self.running[name] = self.start(name,
                                                PULSE_LOG_LEVEL="info")
        say("up:", *self.running)

    def pids(self):
        return {**{n: s.pid for n, s in self.running.items()},
                "kafka": self.kafka.process.pid,
                "postgres": self.postgres.process.pid}

    def lag(self):
        """Messages of telemetry the writer has not stored yet."""
        done = self.db.value(
            "SELECT coalesce(sum(next_off), 0) FROM store.consumer_offset"
            " WHERE topic = 'pulse.telemetry' AND consumer = 'pulse-writer'")
        return sum(self.kafka.ends("pulse.telemetry").values()) - int(done)


def sim(url, rate, seconds, *options):
    """The generator, started."""
    return subprocess.Popen(
        [BIN / "pulse-sim", "devices", "--url", url, "--rate", str(rate),
         "--duration", f"{seconds}s", "--devices", str(DEVICES),
         "--connections", str(CONNECTIONS), "--skew", "0", "--gaps", "0",
         "--resends", "0", "--json", "--quiet", *options],
        stdout=subprocess.PIPE, text=True)


def load_on(bench, rate, seconds):
    return sim(f"http://127.0.0.1:{bench.ingest_port}", rate, seconds,
               "--key", bench.acme, "--prefix", "dev")


def caught_up(bench):
    wait_until(lambda: bench.lag() == 0, 120, "the writer has caught up", 0.5)


def warm_up(bench):
    load_on(bench, DEVICES, 5).communicate()
    caught_up(bench)


def measure(bench, rate, seconds):
    say(f"{rate} messages/s for {seconds} s")
    start = datetime.now(UTC)
    load = load_on(bench, rate, seconds)
    meter = Meter({**bench.pids(), "generator": load.pid})
    lags, next_lag = [], time.monotonic() + LAG_EVERY_S
    while load.poll() is None:
        time.sleep(0.2)
        if time.monotonic() >= next_lag:
            meter.look()
            lags.append(bench.lag())
            next_lag += LAG_EVERY_S
    use = meter.stop()
    sent = json.loads(load.communicate()[0])
    used = sent["cpu_seconds"]
    use["generator"] = (used / sent["seconds"], used, meter.rss["generator"])
    caught_up(bench)
    rows, (p50, p99, worst) = bench.db.rows(VISIBLE, (start,))[0]
    return {"rate": rate, "sent": sent, "use": use, "lags": lags,
            "rows": rows, "visible": (float(p50), float(p99), float(worst))}


def measure_limit(rate, seconds):
    say(f"limit: {rate} requests/s for {seconds} s")
    limit = subprocess.Popen([PROGRAMS / "limit_http", "2"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
    port = int(limit.stdout.readline())
    meter = Meter({"limit": limit.pid})
    load = sim(f"http://127.0.0.1:{port}", rate, seconds)
    sent = json.loads(load.communicate()[0])
    use = meter.stop()["limit"]
    limit.stdin.close()
    limit.wait()
    return {"sent": sent, "use": use}


def ms(value):
    return f"{value:.1f}"


def report(results, limits, ledger):
    print("## Pipeline\n")
    rows = [("messages/s meant", "acknowledged/s", "ack p50 / p99 / max ms",
             "sent → row visible p50 / p99 / max ms", "lag max / end",
             "rows stored of acked")]
    for r in results:
        s, latency = r["sent"], r["sent"]["latency_ms"]
        rows.append((
            r["rate"], f"{s['acked_per_s']:.0f}",
            " / ".join(ms(latency[k]) for k in ("p50", "p99", "max")),
            " / ".join(map(ms, r["visible"])),
            f"{max(r['lags'], default=0)} / {(r['lags'] or [0])[-1]}",
            f"{r['rows']} of {s['acked']}"))
    print(table(rows))
    names = list(results[0]["use"])
    for title, show in (
            ("CPU, share of one core", lambda u: f"{u[0] * 100:.0f} %"),
            ("Resident memory, MB", lambda u: f"{u[2]:.0f}")):
        print(f"\n{title}\n")
        print(table([("messages/s", *names)] + [
            (r["rate"], *(show(r["use"][n]) for n in names))
            for r in results]))
    print("\nCPU per message, µs\n")
    print(table([("messages/s", "ingest", "libmicrohttpd alone", "ratio",
                  "libmicrohttpd ack p99 ms")] + [
        (r["rate"], f"{edge:.1f}", f"{bare:.1f}", f"{edge / bare:.2f}",
         ms(limit["sent"]["latency_ms"]["p99"]))
        for r, limit in zip(results, limits)
        for edge in [r["use"]["ingest"][1] / r["sent"]["acked"] * 1e6]
        for bare in [limit["use"][1] / limit["sent"]["acked"] * 1e6]]))
    print(f"\nLedger: {ledger}")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--duration", type=int,
                         default=number("DURATION", 60),
                         help="seconds per rate")
    options.add_argument("--rates", default="2000,5000,10000")
    options = options.parse_args()
    rates = [int(r) for r in options.rates.split(",")]
    limits = [measure_limit(r, max(options.duration // 4, 3)) for r in rates]
    with bench_folder() as folder:
        bench = Bench(folder)
        try:
            bench.up()
            warm_up(bench)
            results = [measure(bench, r, options.duration) for r in rates]
            done = bench.run("ledger")
            ledger = "balanced" if done.returncode == 0 else done.stdout
        finally:
            bench.down()
        report(results, limits, ledger)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""The writer, from Kafka bytes to commit, beside what PostgreSQL itself can
take: the same rows as ready binary COPY data, in batches of the same size,
into the same tables with the same indexes, in the same run, interleaved.

One ruler for all: the commit times of the rows in the table
(track_commit_timestamp). The rate is the rows after the first commit divided
by the time from the first commit to the last. A contender starts with empty
tables after a checkpoint. The writer runs all the time, as in production, and
is frozen (SIGSTOP) while others have their turn and while its backlog is made;
its series are known, as in a fleet that runs. Every figure needs the rows
stored to be the rows sent, and `pulse ledger` to balance; otherwise the run
ends with an error, without the figure."""

import argparse
import shutil
import signal
import statistics
import subprocess
import threading
import time

from harness.wait import wait_until
from rig import PROGRAMS, Rig, bench_folder, number, say, table
from usage import Meter, rss_mb

TOPIC = {"metric": "pulse.metrics", "telemetry": "pulse.telemetry"}
BATCH_ROWS = 50000  # PULSE_WRITER_BATCH_ROWS
STEP_US = 10_000_000  # between two readings of a series
FIELDS = 5  # numbers in a telemetry message
COMMITS = """
    SELECT rows, extract(epoch FROM pg_xact_commit_timestamp(x))::float8
    FROM (SELECT xmin AS x, count(*) AS rows FROM {} GROUP BY xmin) c
    ORDER BY 2"""


class Bench(Rig):
    """With memory for the tables, and no vacuum beside the run."""

    def __init__(self, folder):
        super().__init__(folder, shared_buffers="2GB", max_wal_size="16GB",
                         autovacuum="off")
        self.db.execute("CREATE TABLE bench_offset (part int PRIMARY KEY,"
                        " next bigint)")
        self.db.execute("GRANT ALL ON bench_offset TO pulse_writer")
        self.db.execute("INSERT INTO tenants (tenant_id, name, limits)"
                        " VALUES ('acme', 'acme', '{\"series\": 9000000}')")
        # The rollups are behind all rows, as they are for fresh ones: marks are
        # what late rows cost.
        self.db.execute("UPDATE store.rollup_watermark SET filled ="
                        " now() - interval '8 days', upto = now() - interval"
                        " '8 days'")
        # Rows of a run are of today, one after the other in time.
        self.clock_us = (time.time_ns() // 1000
                         - 6 * 86400 * 1_000_000) // 86400000000 * 86400000000
        self.db.execute("UPDATE store.rollup_watermark SET"
                        " upto = to_timestamp(%s), filled = to_timestamp(%s)",
                        (self.clock_us / 1e6, self.clock_us / 1e6))
        self.writer = None

    def up(self, **settings):
        self.writer = self.start("writer", PULSE_LOG_LEVEL="info",
                                 PULSE_WRITER_SESSION_TIMEOUT="5m",
                                 **settings)

    # --- backlogs ------------------------------------------------------------

    def ends(self, kind):
        return self.kafka.ends(TOPIC[kind])

    def fill(self, kind, rows, series, **more):
        """Messages put into the topic; returns where they begin."""
        begin = self.ends(kind)
        turns = -(-rows // series)
        options = {"rows": rows, "series": series, "start_us": self.clock_us,
                   "step_us": STEP_US, **more}
        self.clock_us += turns * STEP_US
        subprocess.run([PROGRAMS / "fill_topic", self.kafka.brokers, kind,
                        *(f"{k}={v}" for k, v in options.items())],
                       check=True, stdout=subprocess.DEVNULL)
        return ",".join(f"{p}:{o}" for p, o in begin.items())

    def behind(self, kind):
        done = self.db.value(
            "SELECT coalesce(sum(next_off), 0) FROM store.consumer_offset"
            " WHERE topic = %s AND consumer = 'pulse-writer'", (TOPIC[kind],))
        return sum(self.ends(kind).values()) - int(done)

    # --- the writer, running or frozen ---------------------------------------

    def freeze(self):
        self.writer.signal(signal.SIGSTOP)

    def thaw(self):
        self.writer.signal(signal.SIGCONT)

    def drained(self, kind, timeout=600):
        wait_until(lambda: self.behind(kind) == 0, timeout,
                   "the writer has caught up", 0.25)

    # --- measuring -----------------------------------------------------------

    def empty(self):
        self.db.execute("TRUNCATE store.samples, store.telemetry")
        self.db.execute("CHECKPOINT")

    def meter(self, **pids):
        return Meter({"postgres": self.postgres.process.pid,
                      "kafka": self.kafka.process.pid, **pids})

    def judge(self, use, samples, telemetry=0):
        """What is in the tables, when it was committed, what it cost."""
        commits = self.db.rows(COMMITS.format("store.samples"))
        have = sum(rows for rows, _ in commits)
        devices = self.db.value("SELECT count(*) FROM store.telemetry")
        if (have, devices) != (samples, telemetry):
            raise SystemExit(f"bench: {have} samples and {devices} telemetry"
                             f" rows stored, {samples} and {telemetry} sent")
        seconds = commits[-1][1] - commits[0][1]
        share = (have + devices) / have
        return {"rate": (have - commits[0][0]) * share / seconds,
                "batch": statistics.mean(r for r, _ in commits) * share,
                "cpu": {n: u[1] / (have + devices) * 1e6
                        for n, u in use.items()}}

    def run_writer(self, kind, samples, telemetry=0):
        """The backlog, drained by the frozen writer."""
        self.empty()
        meter = self.meter(writer=self.writer.pid)
        self.thaw()
        self.drained(kind)
        use = meter.stop()
        self.freeze()
        return self.judge(use, samples, telemetry)

    def run_limit(self, kind, begin, samples, telemetry=0, dump=None):
        """The same backlog as ready COPY data."""
        limit = subprocess.Popen(
            [PROGRAMS / "limit_copy", self.kafka.brokers,
             self.db.url("writer"), kind, str(BATCH_ROWS), begin,
             *([dump] if dump else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if limit.stdout.readline() != "ready\n":
            raise SystemExit("bench: limit_copy failed")
        self.empty()
        meter = self.meter(client=limit.pid)
        limit.stdin.write("go\n")
        limit.stdin.flush()
        limit.stdout.readline()
        use = meter.stop()
        limit.stdin.close()
        if limit.wait() != 0:
            raise SystemExit("bench: limit_copy failed")
        return self.judge(use, samples, telemetry)

    def run_peer(self, begin, messages):
        self.empty()
        self.db.execute("TRUNCATE bench_offset")
        meter = self.meter()
        subprocess.run([PROGRAMS / "peer_insert", self.kafka.brokers,
                        self.db.url("writer"), begin, str(messages)],
                       check=True, stdout=subprocess.DEVNULL)
        return self.judge(meter.stop(), messages)

    def run_psql(self, dump, samples):
        script = dump / "copy.sql"
        script.write_text("".join(
            f"\\copy store.samples (time, series_id, value) from '{f}'\n"
            for f in sorted(dump.glob("batch-*.txt"))))
        self.empty()
        meter = self.meter()
        subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", script,
                        self.db.url("writer")], check=True)
        use = meter.stop()
        shutil.rmtree(dump)
        return self.judge(use, samples)

    def check_ledger(self):
        self.thaw()
        done = self.run("ledger")
        if done.returncode != 0:
            raise SystemExit(f"bench: the ledger says\n{done.stdout}")
        self.freeze()


# --- figures ------------------------------------------------------------------

def warm(bench, kind, series):
    """One reading each: the writer knows its series and their last times."""
    bench.thaw()
    bench.fill(kind, series, series)
    bench.drained(kind)
    bench.freeze()


def figure_copy(bench, o):
    """Metrics: the writer, its limit, and two peers."""
    warm(bench, "metric", o.series)
    found = {"limit": [], "writer": [], "insert": [], "psql": []}
    for turn in range(o.rounds):
        say(f"metrics, round {turn + 1} of {o.rounds}")
        begin = bench.fill("metric", o.rows, o.series)
        dump = bench.folder / "dump"
        dump.mkdir()

        def limit(begin=begin, dump=dump):
            found["limit"].append(
                bench.run_limit("metric", begin, o.rows, dump=dump))

        def writer():
            found["writer"].append(bench.run_writer("metric", o.rows))
        for run in (limit, writer) if turn % 2 == 0 else (writer, limit):
            run()
        found["psql"].append(bench.run_psql(dump, o.rows))
        found["insert"].append(bench.run_peer(begin, o.rows // 5))
    bench.check_ledger()
    return "Metrics: one sample a message", found


def figure_telemetry(bench, o):
    """Telemetry: a row and five samples a message, one transaction."""
    devices = max(o.series // FIELDS, 1)
    messages = o.rows // (FIELDS + 1)
    warm(bench, "telemetry", devices)
    found = {"limit": [], "writer": []}
    for turn in range(o.rounds):
        say(f"telemetry, round {turn + 1} of {o.rounds}")
        begin = bench.fill("telemetry", messages, devices)

        def limit(begin=begin):
            found["limit"].append(bench.run_limit(
                "telemetry", begin, messages * FIELDS, messages))

        def writer():
            found["writer"].append(bench.run_writer(
                "telemetry", messages * FIELDS, messages))
        for run in (limit, writer) if turn % 2 == 0 else (writer, limit):
            run()
    bench.check_ledger()
    return "Telemetry: one row and five samples a message", found


def figure_repeats(bench, o):
    """One message in 1,000 sent again."""
    warm(bench, "metric", o.series)
    rows = max(o.rows, 400000)  # a repeat comes 200,000 messages later
    found = {"without": [], "1 in 1,000 again": []}
    for turn in range(o.rounds):
        say(f"repeats, round {turn + 1} of {o.rounds}")
        pairs = [("without", 0), ("1 in 1,000 again", 1000)]
        for name, repeat in pairs if turn % 2 == 0 else pairs[::-1]:
            bench.fill("metric", rows, o.series, repeat=repeat)
            found[name].append(bench.run_writer("metric", rows))
    bench.check_ledger()
    return "Repeats", found


def figure_series(bench, o):
    """Cost per row as series grow."""
    found = {}
    for series in (1000, 100000, 1000000):
        rows = max(o.rows, 2 * series)
        warm(bench, "metric", series)
        for turn in range(o.rounds if series < 1000000 else 2):
            say(f"{series} series, round {turn + 1}")
            begin = bench.fill("metric", rows, series)
            for name in (("limit", "writer") if turn % 2 == 0
                         else ("writer", "limit")):
                done = (bench.run_limit("metric", begin, rows)
                        if name == "limit"
                        else bench.run_writer("metric", rows))
                found.setdefault(f"{name}, {series:,} series", []).append(done)
    bench.check_ledger()
    return "Growing series", found


def figure_bytes(bench, o):
    """What a sample takes on disk, before compression."""
    warm(bench, "metric", o.series)
    rows = []
    for shape in ("counter", "walk", "noise"):
        bench.fill("metric", o.rows, o.series, shape=shape)
        bench.run_writer("metric", o.rows)
        total, index = bench.db.rows(
            "SELECT total_bytes, index_bytes"
            " FROM hypertable_detailed_size('store.samples')")[0]
        rows.append((shape, f"{total / o.rows:.1f}",
                     f"{(total - index) / o.rows:.1f}",
                     f"{index / o.rows:.1f}"))
    return table([("values", "bytes per sample", "heap", "indexes"), *rows])


def feed(bench, kind, series, rate, seconds):
    return subprocess.Popen(
        [PROGRAMS / "fill_topic", bench.kafka.brokers, kind,
         f"rows={rate * seconds}", f"series={series}",
         f"start_us={bench.clock_us}", f"step_us={STEP_US}", f"rate={rate}"],
        stdout=subprocess.DEVNULL)


def figure_catch_up(bench, o):
    """After an outage, with the feed of 20,000 messages/s going on."""
    rate, away, rows = 20000, o.outage, []
    for kind in ("metric", "telemetry"):
        series = o.series if kind == "metric" else o.series // FIELDS
        warm(bench, kind, series)
        bench.empty()
        bench.thaw()
        say(f"catch-up, {kind}: {away} s without PostgreSQL")
        live = feed(bench, kind, series, rate, away + 60)
        memory, stop = [], threading.Event()

        def watch(memory=memory, stop=stop):
            while not stop.wait(0.2):
                memory.append(rss_mb(bench.writer.pid))
        watcher = threading.Thread(target=watch)
        watcher.start()
        time.sleep(5)  # in step with the feed
        before = max(memory)
        bench.postgres.kill()
        time.sleep(away)
        bench.postgres.start()
        begin, behind = time.monotonic(), bench.behind(kind)
        wait_until(lambda k=kind: bench.behind(k) < rate, 300,
                   "less than a second behind", 0.1)
        seconds = time.monotonic() - begin
        live.terminate()
        live.wait()
        bench.drained(kind)
        stop.set()
        watcher.join()
        bench.freeze()
        bench.clock_us += (away + 60) * rate // series * STEP_US
        drained = (behind + rate * seconds) / seconds
        rows.append((kind, behind, f"{seconds:.1f}", f"{drained:,.0f}",
                     f"{drained / rate:.1f}", f"{before:.0f}",
                     f"{max(memory):.0f}"))
    bench.check_ledger()
    return table([("messages", "behind", "caught up after s", "messages/s",
                   "× the feed", "writer MB before", "at most"), *rows])


# --- report -------------------------------------------------------------------

def contest(title, found):
    """Median, spread, ratio to the first, CPU per row."""
    first = next(iter(found.values()))
    rows = []
    for name, runs in found.items():
        rates = [r["rate"] for r in runs]
        ratio = [a["rate"] / b["rate"]
                 for a, b in zip(runs, first, strict=False)]
        cpu = " ".join(
            f"{n} {statistics.median(r['cpu'][n] for r in runs):.2f}"
            for n in runs[0]["cpu"])
        rows.append((name, f"{statistics.median(rates):,.0f}",
                     f"{min(rates):,.0f} … {max(rates):,.0f}",
                     f"{statistics.median(ratio):.2f}",
                     f"{statistics.mean(r['batch'] for r in runs):,.0f}", cpu))
    return f"### {title}\n\n" + table(
        [("", "rows/s, median", "least … most", "ratio to the first, median",
          "rows a transaction", "CPU µs a row"), *rows])


FIGURES = {
    "copy": figure_copy, "telemetry": figure_telemetry,
    "repeats": figure_repeats, "series": figure_series,
    "bytes": figure_bytes, "catch-up": figure_catch_up}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=number("ROUNDS", 5))
    p.add_argument("--rows", type=int, default=number("ROWS", 1000000))
    p.add_argument("--series", type=int, default=number("SERIES", 10000))
    p.add_argument("--outage", type=int, default=20, help="seconds")
    p.add_argument("--only", default=",".join(FIGURES),
                   help="of " + ",".join(FIGURES))
    o = p.parse_args()
    with bench_folder() as folder:
        bench = Bench(folder)
        try:
            bench.up(PULSE_WRITER_SERIES_CACHE=2000000)
            bench.freeze()
            for name in o.only.split(","):
                done = FIGURES[name](bench, o)
                print(contest(*done) if isinstance(done, tuple)
                      else f"### {name}\n\n{done}", end="\n\n", flush=True)
            bench.check_ledger()
        finally:
            bench.down()
    print("Rows stored = rows sent in every run; the ledger balances.")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""The edge, from HTTP to Kafka's acknowledgement, beside what answering alone
costs: libmicrohttpd and nginx that read the body and answer 202 to nothing, in
the same run, under the same load, interleaved, each round in turned order.

The program measured has one thread for HTTP and a core of its own; Kafka, the
generator and PostgreSQL have the others. CPU is that of the whole process, all
threads (librdkafka's too), from /proc. The load is tests/bench/load.c: HTTP/1.1
over loopback, keep-alive, one request under way per connection.

Messages acknowledged must be messages in the topic after every turn, and every
answer a 202; otherwise the run ends with an error, without the figure."""

import argparse
import json
import os
import statistics
import subprocess

import requests
from harness.kafka import TOPICS
from harness.ports import free_port
from harness.process import Process
from harness.wait import wait_until
from rig import PROGRAMS, Rig, bench_folder, cores, number, say, table
from usage import Meter

TOPIC = "pulse.telemetry"
PEER_TOPIC = "bench.telegraf"
LIMIT, UNASKED = "libmicrohttpd", "pulse, answered unasked"
EQUAL = "libmicrohttpd at pulse's rate"
NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; uwsgi_temp_path uwsgi;
  fastcgi_temp_path fastcgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 202 '{{"accepted":1}}'; }}
  }}
}}
"""
TELEGRAF = """
[agent]
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 5000000
  omit_hostname = true
[[inputs.http_listener_v2]]
  service_address = "tcp://127.0.0.1:{port}"
  paths = ["/api/v1/telemetry"]
  data_format = "json"
  tag_keys = ["device_id"]
  json_time_key = "timestamp"
  json_time_format = "unix_us"
[[outputs.kafka]]
  brokers = ["{brokers}"]
  topic = "{topic}"
  required_acks = -1
  version = "3.6.0"
  data_format = "influx"
"""


def pinned(argv, core):
    return argv if core is None else ["taskset", "-c", core, *map(str, argv)]


# --- the programs -------------------------------------------------------------

class Contender:
    """Something that answers POSTs."""
    answers = 202
    topic = None  # where its messages must be
    unasked = False  # it answers before Kafka does
    refuses = set()  # what it may answer when its budget is full
    path = "/api/v1/telemetry"

    def __init__(self, name, process, port, key=None):
        self.name, self.process, self.port = name, process, port
        self.key = key

    def await_port(self):
        url = f"http://127.0.0.1:{self.port}/"
        wait_until(lambda: requests.get(url, timeout=2).status_code, 20,
                   f"{self.name} answers")
        return self

    @property
    def pid(self):
        return self.process.pid

    def close(self):
        self.process.stop()


class Null(Contender):
    """A server with nothing behind it, of one thread; it prints its port and
    ends with its standard input."""

    def __init__(self, name, program, core, path="/api/v1/telemetry"):
        child = subprocess.Popen(
            pinned([PROGRAMS / program, "1"], core),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        super().__init__(name, child, int(child.stdout.readline()))
        self.path = path

    def close(self):
        self.process.communicate("")


def nginx(folder, core):
    folder.mkdir()
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(port=port))
    process = Process("nginx", pinned(
        ["nginx", "-p", folder, "-c", folder / "nginx.conf"], core), {},
        folder / "log").start()
    return Contender("nginx", process, port).await_port()


class Edge(Contender):
    topic = TOPIC

    def __init__(self, rig, name, program="pulse-ingest", **settings):
        port = free_port()
        service = rig.service("ingest", copy=f"-{name}", **{
            "PULSE_LOG_LEVEL": "info", "PULSE_INGEST_THREADS": 1,
            "PULSE_INGEST_LISTEN": f"127.0.0.1:{port}", **settings})
        if program != "pulse-ingest":
            service.argv[0] = str(PROGRAMS / program)
        service.argv = pinned(service.argv, rig.core)
        super().__init__(name, service.start(), port, rig.acme)
        self.unasked = program != "pulse-ingest"
        if self.unasked:  # nobody waits, so nothing but this holds it back
            self.refuses = {"503"}


class Telegraf(Contender):
    """The peer, if PULSE_TELEGRAF names it. It answers before delivery."""
    answers, topic, unasked = 204, PEER_TOPIC, True

    def __init__(self, rig):
        port = free_port()
        conf = rig.folder / "telegraf.conf"
        conf.write_text(TELEGRAF.format(port=port, topic=PEER_TOPIC,
                                        brokers=rig.kafka.brokers))
        process = Process("telegraf", pinned(
            [os.environ["PULSE_TELEGRAF"], "--config", conf], rig.core),
            {"GOMAXPROCS": "1"} if rig.core else {},
            rig.folder / "telegraf.log").start()
        super().__init__("telegraf", process, port)
        self.await_port()


# --- measuring ----------------------------------------------------------------

class Bench(Rig):
    def __init__(self, folder, options):
        super().__init__(folder)
        self.core, self.rest = cores() or (None, None)
        if self.rest:
            self.pin(self.kafka.process.pid, self.rest)
        self.acme = self.key("acme")
        self.options = options
        self.shared = None

    @staticmethod
    def pin(pid, core):
        """All threads there are now; new ones inherit it."""
        subprocess.run(["taskset", "-apc", core, str(pid)], check=True,
                       stdout=subprocess.DEVNULL)

    def contenders(self):
        """Those of the closed loop, started once, all there all the time."""
        if self.shared is None:
            self.shared = [Null(LIMIT, "limit_http", self.core),
                           nginx(self.folder / "nginx", self.core),
                           Edge(self, "pulse"),
                           Edge(self, UNASKED, "ingest_forget")]
            if os.environ.get("PULSE_TELEGRAF"):
                self.shared.append(Telegraf(self))
        return self.shared

    def down(self):
        for contender in self.shared or ():
            contender.close()
        super().down()

    def held(self, contender):
        """Messages in its topic."""
        return sum(self.kafka.ends(contender.topic).values())

    def load(self, contender, **load):
        """One run of the generator, all answers looked at."""
        words = {"port": contender.port, "path": contender.path,
                 "seconds": self.options.seconds,
                 "connections": self.options.connections, **load}
        if contender.key:
            words["key"] = contender.key
        done = subprocess.run(
            pinned([PROGRAMS / "load", *(f"{k}={v}" for k, v in words.items())],
                   self.rest), stdout=subprocess.PIPE, text=True, check=False)
        sent = json.loads(done.stdout or "{}")
        if done.returncode != 0 or \
                set(sent["statuses"]) - contender.refuses != \
                {str(contender.answers)}:
            raise SystemExit(f"bench: {contender.name}: {done.stdout}")
        return sent

    def turn(self, contender, **load):
        """What it answered, what that cost."""
        before = self.held(contender) if contender.topic else 0
        meter = Meter({"it": contender.pid, "kafka": self.kafka.process.pid})
        sent = self.load(contender, **load)
        if contender.unasked:  # the delivery is part of its work
            self.delivered(contender, before + sent["messages"])
        use = meter.stop()
        if contender.topic:
            self.delivered(contender, before + sent["messages"])
        return {"rate": sent["requests_per_s"], "latency": sent["latency_ms"],
                "cpu": use["it"][1] / sent["messages"] * 1e6,
                "kafka": use["kafka"][1] / sent["messages"] * 1e6,
                "share": use["it"][1] / sent["seconds"],
                "messages": sent["messages"] / sent["ok"], "mb": use["it"][2]}

    def delivered(self, contender, wanted):
        wait_until(lambda: self.held(contender) >= wanted, 30,
                   f"{contender.name}: what it answered is in Kafka", 0.2)
        if self.held(contender) != wanted:
            raise SystemExit(f"bench: {contender.name}: {self.held(contender)}"
                             f" messages in Kafka, {wanted} acknowledged")

    def rounds(self, title, contenders, equal=False, **load):
        """{contender's name: its turns}, in turned order each round."""
        found = {c.name: [] for c in contenders}
        for c in contenders:
            self.turn(c, **{**load, "seconds": 1})  # to be warm
        for turn in range(self.options.rounds):
            say(f"{title}, round {turn + 1} of {self.options.rounds}")
            for c in contenders if turn % 2 == 0 else contenders[::-1]:
                found[c.name].append(self.turn(c, **load))
            if equal:  # the first again, at the rate that pulse had
                rate = max(int(found["pulse"][-1]["rate"]), 1)
                found.setdefault(EQUAL, []).append(
                    self.turn(contenders[0], **load, rate=rate))
        return found


# --- report -------------------------------------------------------------------

def middle(runs, *path):
    return statistics.median(pick(r, *path) for r in runs)


def pick(run, *path):
    for name in path:
        run = run[name]
    return run


def spread(runs, name, form):
    values = [r[name] for r in runs]
    return f"{min(values):{form}} … {max(values):{form}}"


def ratios(found, name, over, what):
    """Round by round."""
    return [a[what] / b[what]
            for a, b in zip(found[name], found[over], strict=True)]


def verdict(label, value, goal, good, form=".2f"):
    word = "met" if good else "MISSED"
    return f"{label}: {value:{form}} (goal {goal}): {word}"


def contest(found, unit):
    """One line a contender. unit: of the CPU column."""
    rows = []
    for name, runs in found.items():
        ratio = ratios(found, name, LIMIT, "cpu")
        rows.append((
            name, f"{middle(runs, 'rate'):,.0f}", spread(runs, "rate", ",.0f"),
            f"{middle(runs, 'cpu'):.2f}", spread(runs, "cpu", ".2f"),
            f"{statistics.median(ratio):.2f}",
            f"{middle(runs, 'kafka'):.2f}",
            f"{middle(runs, 'share') * 100:.0f} %",
            f"{middle(runs, 'latency', 'p50'):.2f} / "
            f"{middle(runs, 'latency', 'p99'):.2f}",
            f"{max(r['mb'] for r in runs):.0f}"))
    return table([
        ("", "requests/s, median", "least … most", f"CPU µs a {unit}, median",
         "least … most", "ratio to the first, median", f"Kafka µs a {unit}",
         "of its core", "p50 / p99 ms", "MB"), *rows])


def answered_unasked(found):
    """F5, or nothing."""
    value = statistics.median(ratios(found, "pulse", UNASKED, "rate"))
    return verdict("F5, acknowledged / answered unasked, requests/s", value,
                   "≥ 0.90", value >= 0.9)


def over_limit(found, limit, title):
    value = statistics.median(ratios(found, "pulse", limit, "cpu"))
    return verdict(f"F1, {title}", value, "≤ 1.40", value <= 1.4)


def figure_single(bench):
    """F1, F2, F5: one message a request."""
    found = bench.rounds("one message a request", bench.contenders(),
                         equal=True)
    rate = statistics.median(ratios(found, "pulse", "nginx", "rate"))
    return "\n".join([
        "### One message a request, closed loop, "
        f"{bench.options.connections} connections\n",
        contest(found, "message"), "",
        over_limit(found, EQUAL, "CPU of pulse / libmicrohttpd at that rate"),
        "",
        over_limit(found, LIMIT, "CPU of pulse / libmicrohttpd, each at its"
                                 " own rate"), "",
        f"F2, requests/s on one core, pulse / nginx: {rate:.2f}", "",
        answered_unasked(found)])


def figure_batch(bench):
    """F3: 100 messages a request."""
    found = bench.rounds("100 messages a request", bench.contenders(),
                         messages=100, connections=64)
    rate = 1e6 / middle(found["pulse"], "cpu")
    return "\n".join([
        "### 100 messages a request, closed loop, 64 connections\n",
        contest(found, "message"), "",
        verdict("F3, messages/s per core of the edge's CPU", rate,
                "≥ 300,000", rate >= 300000, ",.0f"),
        "", answered_unasked(found)])


def figure_latency(bench):
    """F4: acknowledged after, at 20,000 messages/s, by linger."""
    rate, rows = bench.options.rate, []
    edges = [Edge(bench, f"linger {ms} ms", PULSE_INGEST_LINGER=f"{ms}ms")
             for ms in bench.options.lingers]
    found = bench.rounds(f"{rate} messages/s", [bench.contenders()[0], *edges],
                         rate=rate, connections=256)
    for name, runs in found.items():
        rows.append((name, *(f"{middle(runs, 'latency', k):.2f}"
                             for k in ("p50", "p99", "p999", "max")),
                     spread([r["latency"] for r in runs], "p99", ".2f"),
                     f"{middle(runs, 'cpu'):.1f}",
                     f"{middle(runs, 'kafka'):.1f}"))
    for edge in edges:
        edge.close()
    return "\n".join([
        f"### {rate:,} messages/s, one a request, open loop, 256 connections\n",
        table([("", "p50 ms, median", "p99 ms", "p99.9 ms", "max ms",
                "p99 least … most", "CPU µs a message", "Kafka µs a message"),
               *rows])])


def figure_layers(bench):
    """What each layer adds, at one rate for all."""
    limit, _, pulse, unasked, *_ = bench.contenders()
    layers = [
        ("libmicrohttpd", limit),
        ("Pulse's HTTP server, the handler answers",
         Null("now", "http_null", bench.core, "/now")),
        ("another thread answers, the connection is suspended",
         Null("later", "http_null", bench.core, "/later")),
        ("the edge, the handler answers, Kafka has it later", unasked),
        ("the edge, answered when Kafka has it", pulse)]
    found = bench.rounds("layers", [c for _, c in layers],
                         rate=bench.options.rate)
    rows = [(title, f"{middle(found[c.name], 'cpu'):.1f}",
             spread(found[c.name], "cpu", ".1f"),
             f"{statistics.median(ratios(found, c.name, LIMIT, 'cpu')):.2f}")
            for title, c in layers]
    for _, c in layers[1:3]:
        c.close()
    return "\n".join([
        f"### Layer by layer, {bench.options.rate:,} requests/s each\n",
        table([("", "CPU µs a request, median", "least … most",
                "ratio to the first, median"), *rows])])


FIGURES = {"single": figure_single, "batch": figure_batch,
           "latency": figure_latency, "layers": figure_layers}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=number("ROUNDS", 5))
    p.add_argument("--seconds", type=int, default=number("DURATION", 4),
                   help="of a turn")
    p.add_argument("--connections", type=int, default=512)
    p.add_argument("--rate", type=int, default=20000,
                   help="messages/s of the open loop")
    p.add_argument("--lingers", type=lambda t: t.split(","),
                   default=["0", "1", "2", "5"], help="ms, comma between")
    p.add_argument("--only", default=",".join(FIGURES),
                   help="of " + ",".join(FIGURES))
    o = p.parse_args()
    if os.environ.get("PULSE_TELEGRAF"):
        TOPICS[PEER_TOPIC] = 6
    with bench_folder() as folder:
        bench = Bench(folder, o)
        try:
            for name in o.only.split(","):
                print(FIGURES[name](bench), end="\n\n", flush=True)
        finally:
            bench.down()
    if not os.environ.get("PULSE_TELEGRAF"):
        print("Telegraf: not run (PULSE_TELEGRAF names no program).\n")
    print("Messages acknowledged = messages in Kafka in every turn.")


if __name__ == "__main__":
    main()

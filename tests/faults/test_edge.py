# SPDX-License-Identifier: Apache-2.0
"""S9 to S11 at the edge: bodies nobody can read, networks that break, crowds
that do nothing but hold connections."""

import contextlib
import json
import random
import resource
import selectors
import socket
import statistics
import time

import pytest
import requests
from badnet import BadNet
from harness.wait import wait_until

MB = 1 << 20
KINDS = ("metrics/ingest", "metrics/ingest/batch", "telemetry", "events")


# ASan keeps freed memory for a while: little of it, where memory is looked at.
LITTLE = "detect_leaks=1:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"


def resident(pid):
    """Bytes of memory the process has."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


# --- S9: bodies nobody can read ----------------------------------------------


def monsters(chance):
    """(body, statuses that are right)"""
    deep = 10_000
    yield b"[" * deep + b"]" * deep, (400,)
    yield b'{"a":' * deep + b"1" + b"}" * deep, (400,)
    yield b'{"name":"' + b"\xff\xfe" * 9 + b'","value":1}', (400,)
    yield b'{"name":"a\\u0000b","value":1,"device_id":"\\u0000"}', (400, 202)
    yield b'{"name":"x","value":1e999}', (400, 202)
    yield b"1" * 100_000, (400,)
    yield b"[" + b"0," * 9_000 + b"0]", (400,)
    yield b"[" + b"0," * 20_000 + b"0]", (400, 413)
    yield chance.randbytes(100_000), (400,)
    yield b"\0" * MB, (400,)
    yield b'{"metrics":{"' + b"k" * MB + b'":1},"device_id":"d"}', (400, 202)
    yield json.dumps({f"k{i}": i for i in range(50_000)}).encode(), (400, 202)
    yield b" " * (10 * MB), (413,)


def test_monsters(world):
    """Each is refused as it should be, quickly, and memory stays flat."""
    edge = world.edge(PULSE_INGEST_BODY_BYTES="8m", ASAN_OPTIONS=LITTLE)
    url = f"http://127.0.0.1:{world.stack.ingest_port}/api/v1/"
    head = {"Authorization": f"Bearer {world.key}",
            "Content-Type": "application/json"}
    with requests.Session() as session:
        session.headers = head
        for turn in range(10 if world.long else 2):
            for body, right in monsters(world.chance):
                for kind in KINDS:
                    answer = session.post(url + kind, data=body, timeout=20)
                    assert answer.status_code in right, (
                        f"{kind} {body[:40]}: {answer.status_code}")
            if turn == 0:
                before = resident(edge.pid)
    assert resident(edge.pid) < before + 64 * MB
    world.writer()  # the letters; the next scenario counts from here
    world.caught_up()


# --- S10: a bad network ------------------------------------------------------


def test_bad_network(world):
    """Delays, resets in the middle of a body, peers that went mute: what was
    acknowledged is stored once, and no connection stays."""
    edge = world.edge(PULSE_INGEST_REQUEST_TIMEOUT="2s",
                      PULSE_INGEST_HEADER_TIMEOUT="2s",
                      PULSE_INGEST_IDLE_TIMEOUT="3s")
    world.writer()
    with contextlib.closing(BadNet(world.stack.ingest_port, random.Random(
            world.seed), delay=0.2 if world.long else 0.03)) as net:
        fleet = [world.devices(port=net.port, timeout=4, rough=True,
                               fleet=f"far{i}-") for i in range(6)]
        near = world.devices(fleet="near")
        time.sleep(120 if world.long else 8)
        world.finish()
        assert net.resets > 0 and net.mutes > 0
        assert sum(d.unanswered for d in fleet) > 0
        assert all(d.accepted > 0 for d in [*fleet, near])
        assert near.slowest < 5
        # Mute ones are still open on the network's side.
        wait_until(lambda: edge.metric("pulse_ingest_http_connections") == 0, 15,
                   "no connection is left")


# --- S11: crowds -------------------------------------------------------------


class Crowd:
    """Connections that misbehave, each in its way, from one address."""

    WAYS = ("silent", "header", "body", "reader")

    def __init__(self, port, key):
        self.port, self.key = port, key
        self.poll = selectors.DefaultSelector()
        self.opened = self.ended = 0

    def join(self, count):
        for i in range(count):
            way = self.WAYS[i % len(self.WAYS)]
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            try:
                s.connect(("127.0.0.1", self.port))
            except OSError:
                s.close()
                continue
            self.opened += 1
            self.poll.register(s, selectors.EVENT_READ, way)
            with contextlib.suppress(OSError):
                s.sendall(self.begin(way))

    def begin(self, way):
        head = (b"POST /api/v1/telemetry HTTP/1.1\r\nHost: x\r\n"
                b"Authorization: Bearer " + self.key.encode() + b"\r\n")
        if way == "silent":
            return b""
        if way == "header":
            return head[:20]
        if way == "body":
            return head + b"Content-Length: 1000000\r\n\r\n{"
        one = head + b"Content-Length: 2\r\n\r\n{}"
        return one * 50  # and never reads the answers

    def drip(self):
        """One byte more from each that sends; who was sent away is gone."""
        for key in list(self.poll.get_map().values()):
            s, way = key.fileobj, key.data
            try:
                if way in ("header", "body"):
                    s.send(b"a", socket.MSG_DONTWAIT)
                if way != "reader" and not s.recv(1000, socket.MSG_DONTWAIT):
                    raise OSError("closed")
            except BlockingIOError:
                pass
            except OSError:
                self.leave(s)

    def leave(self, s):
        self.poll.unregister(s)
        s.close()
        self.ended += 1

    def close(self):
        for key in list(self.poll.get_map().values()):
            self.leave(key.fileobj)
        self.poll.close()


def latencies(session, url, count):
    """Seconds of each of so many good requests; all must be taken."""
    found = []
    for _ in range(count):
        start = time.monotonic()
        answer = session.post(url, timeout=20, json={
            "device_id": "good", "metrics": {"x": 1}})
        found.append(time.monotonic() - start)
        assert answer.status_code == 202, answer.text
        time.sleep(0.005)
    return found


def p99(found):
    return statistics.quantiles(found, n=100)[98]


@pytest.mark.parametrize("size", [400, pytest.param(
    4000, marks=pytest.mark.long)])
def test_crowd(world, size):
    """Good clients go on while a crowd holds connections, and the crowd is
    sent away in time."""
    edge = world.edge(PULSE_INGEST_REQUEST_TIMEOUT="3s",
                      PULSE_INGEST_HEADER_TIMEOUT="2s",
                      PULSE_INGEST_IDLE_TIMEOUT="3s",
                      PULSE_INGEST_CONNECTIONS="8000", ASAN_OPTIONS=LITTLE)
    url = f"http://127.0.0.1:{world.stack.ingest_port}/api/v1/telemetry"
    crowd = Crowd(world.stack.ingest_port, world.key)
    with requests.Session() as session, contextlib.closing(crowd):
        session.headers["Authorization"] = f"Bearer {world.key}"
        alone = latencies(session, url, 200)
        before = resident(edge.pid)
        crowd.join(size)
        assert crowd.opened == size
        beside, until = [], time.monotonic() + (20 if world.long else 4)
        while time.monotonic() < until:
            crowd.drip()
            beside += latencies(session, url, 20)
        grown = resident(edge.pid) - before
        wait_until(lambda: crowd.drip() or crowd.ended > 0, 15,
                   "the first are sent away")
    assert grown < 32 * MB + size * 64 * 1024, f"{grown} bytes more"
    # Twice is the goal (performance); a shared machine is noisy.
    limit = 2 if world.long else 10
    assert p99(beside) < limit * p99(alone) + 0.05, (p99(alone), p99(beside))
    wait_until(lambda: edge.metric("pulse_ingest_http_connections") == 0, 15,
               "no connection is left")
    world.writer()
    world.caught_up()

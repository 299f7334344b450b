# SPDX-License-Identifier: Apache-2.0
"""The edge behind nginx: no bytes make the two see different requests, and
the client's address comes through."""

import itertools
import re
import socket

import pytest
import requests
from harness.ports import free_port
from harness.wait import wait_until

METRIC = "/api/v1/metrics/ingest"
CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
    scgi_temp_path {folder}/s;
    client_body_timeout 2s; client_header_timeout 2s;
    upstream edge {{ server 127.0.0.1:{edge}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://edge;
            proxy_http_version 1.1;
            proxy_request_buffering {buffering};
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


class Nginx:
    def __init__(self, stack, folder, buffering):
        self.folder, self.port = folder, free_port()
        (folder / "nginx.conf").write_text(CONFIG.format(
            folder=folder, edge=stack.ingest_port, port=self.port,
            buffering=buffering))
        self.process = stack.program(
            f"nginx-{buffering}", ["nginx", "-c", folder / "nginx.conf", "-e",
                                   folder / "error.log"])
        self.process.start()
        wait_until(self.listens, 10, "nginx listens")

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def seen(self):
        """Requests that it passed on and got an answer to."""
        text = (self.folder / "access.log").read_text()
        return len(re.findall(r'" (?!400 |408 |414 |499 )\d{3} ', text))

    def send(self, raw):
        """Sends, then reads until it closes or is silent."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            s.settimeout(0.4)
            s.sendall(raw)
            try:
                while piece := s.recv(65536):
                    got += piece
            except OSError:
                pass
        return got


@pytest.fixture(scope="module")
def edge(stack):
    stack.acme = stack.key("acme")
    stack.edge = stack.start("ingest", PULSE_INGEST_TRUSTED_PROXIES="127.0.0.1",
                             PULSE_INGEST_FAILURES="3")
    return stack


@pytest.fixture(scope="module", params=["on", "off"])
def nginx(request, edge, tmp_path_factory):
    made = Nginx(edge, tmp_path_factory.mktemp("nginx"), request.param)
    yield made
    made.process.stop()


def tricks(key):
    """Requests whose end two servers may see in different places; behind that
    end stands another one, that would be taken."""
    record = b'{"name":"smuggled","value":1}'
    inner = (b"POST " + METRIC.encode() + b" HTTP/1.1\r\nHost: x\r\n"
             b"Authorization: Bearer " + key.encode() + b"\r\nContent-Type: "
             b"application/json\r\nContent-Length: %d\r\n\r\n" % len(record) +
             record)
    codings = [
        b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding: identity, chunked", b"transfer-encoding: CHUNKED",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding:\r\n chunked", b"X: y\nTransfer-Encoding: chunked",
        b"Transfer_Encoding: chunked", b"Transfer-Encoding: 'chunked'"]
    lengths = [b"Content-Length: %d", b"Content-Length: 0",
               b"Content-Length: +%d", b"Content-Length: %d\r\nContent-Length: 0",
               b"Content-Length : %d", b"Content-Length: 0x%x", b"X: y"]
    for coding, length in itertools.product(codings, lengths):
        for body in (b"0\r\n\r\n" + inner, b"0\n\n" + inner,
                     b"%x\r\n" % len(inner) + inner + b"\r\n0\r\n\r\n"):
            stated = length % len(body) if b"%" in length else length
            yield (b"POST /ping HTTP/1.1\r\nHost: x\r\n" + coding + b"\r\n" +
                   stated + b"\r\n\r\n" + body)


def test_no_request_is_two(edge, nginx):
    """As many requests as nginx passed on, no more, came to the edge."""
    before = edge.edge.metric("pulse_ingest_http_requests_total")
    passed = nginx.seen()
    sent = 0
    for raw in tricks(edge.acme):
        sent += 1
        nginx.send(raw)
    assert sent > 200
    passed = nginx.seen() - passed
    came = edge.edge.metric("pulse_ingest_http_requests_total") - before
    assert 0 < came <= passed, f"{came} came, {passed} were passed on"


def test_records_come_through(edge, nginx):
    url = f"http://127.0.0.1:{nginx.port}{METRIC}"
    head = {"Authorization": f"Bearer {edge.acme}"}
    with requests.Session() as session:
        for n in (1, 100_000):
            answer = session.post(url, headers=head, timeout=20, json={
                "name": "proxied", "value": n, "more": "x" * n})
            assert answer.status_code == 202, answer.text


def test_guessing_is_held_against_the_client(edge, nginx):
    """Not against nginx, through which the good ones come."""
    url = f"http://127.0.0.1:{nginx.port}{METRIC}"
    record = {"name": "proxied", "value": 1}

    def guess(client):
        return requests.post(url, json=record, timeout=20, headers={
            "Authorization": "Bearer pulse_abcd_wrong",
            "X-Forwarded-For": f"{client}, 127.0.0.1"}).status_code
    address = f"198.51.100.{10 if nginx.folder.name.endswith('0') else 20}"
    assert [guess(address) for _ in range(6)][-1] == 429
    assert guess(f"203.0.113.{nginx.port % 200}") == 401

# SPDX-License-Identifier: Apache-2.0
"""The edge and bodies that come in a content coding."""

import gzip
import io
import json
import time
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor

import fastavro
import pytest
from harness.pack import PACK, zeros
from harness.process import ROOT

METRIC = "/api/v1/metrics/ingest"
BATCH = "/api/v1/metrics/ingest/batch"
CODINGS = ["gzip", "deflate", "zstd"]
UNPACKED_MAX = 4 << 20


@pytest.fixture(scope="module")
def edge(stack):
    stack.acme = stack.key("acme")
    stack.edge = stack.start("ingest", PULSE_INGEST_UNPACKED_BYTES="4m")
    return stack


def letters(edge):
    schema = fastavro.parse_schema(json.loads(
        (ROOT / "schemas/DeadLetter.v1.avsc").read_text()))
    return [fastavro.schemaless_reader(io.BytesIO(m.value()[10:]), schema)
            for m in edge.kafka.read_all("pulse.deadletter")]


def accepted(edge):
    return edge.edge.metric("pulse_ingest_records_accepted_total",
                            endpoint=BATCH)


def batch(count):
    now = time.time_ns() // 1000
    return json.dumps({"metrics": [
        {"name": "packed", "value": i, "labels": {"n": str(i)},
         "timestamp": now} for i in range(count)]}).encode()


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("count", [1, 5000])
def test_each_coding_is_taken(edge, coding, count):
    before, body = accepted(edge), batch(count)
    answer = edge.post(BATCH, PACK[coding](body), edge.acme,
                       Content_Encoding=coding)
    assert (answer.status_code, answer.json()) == \
        (202, {"accepted": count, "rejected": []})
    assert accepted(edge) == before + count
    assert edge.edge.metric("pulse_ingest_unpacked_bytes_total",
                            coding=coding) >= len(body)
    assert edge.edge.metric("pulse_ingest_packed_bytes_total",
                            coding=coding) > 0


def test_names_of_codings_and_bodies_of_several_members(edge):
    first, second = (b'{"metrics":', b'[{"name":"a","value":1}]}')
    body = gzip.compress(first) + gzip.compress(second)
    for coding in ("gzip", "GZIP", "x-gzip"):
        assert edge.post(BATCH, body, edge.acme, Content_Encoding=coding
                         ).status_code == 202
    raw = zlib.compressobj(wbits=-15)
    body = raw.compress(first + second) + raw.flush()
    assert edge.post(BATCH, body, edge.acme, Content_Encoding="deflate"
                     ).status_code == 202
    assert edge.post(BATCH, first + second, edge.acme,
                     Content_Encoding="identity").status_code == 202


@pytest.mark.parametrize("coding", ["snappy", "br", "gzip, gzip", "compress",
                                    "aws-chunked", "gzip,identity"])
def test_another_coding_is_refused_by_name(edge, coding):
    answer = edge.post(BATCH, gzip.compress(batch(1)), edge.acme,
                       Content_Encoding=coding)
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "unsupported_encoding"
    assert answer.headers["Accept-Encoding"] == "gzip, deflate, zstd"


@pytest.mark.parametrize("coding", CODINGS)
def test_a_broken_body_is_kept_as_it_came(edge, coding):
    mark = uuid.uuid4().hex
    whole = PACK[coding](json.dumps({"name": mark, "value": 1}).encode())
    for body in (whole[:-1], whole + b"x", mark.encode()):
        answer = edge.post(METRIC, body, edge.acme, Content_Encoding=coding)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "malformed_encoding"
        assert coding in answer.json()["error"]["message"]
        (letter,) = [r for r in letters(edge) if r["payload"] == body]
        assert letter["reason"] == "malformed_encoding"
        assert letter["content_type"] == "application/json"
        assert coding in letter["detail"]


def test_the_bound_is_of_the_unpacked_body(edge):
    def post(size):
        return edge.post(METRIC, gzip.compress(batch(1).ljust(size)),
                         edge.acme, Content_Encoding="gzip")
    assert post(UNPACKED_MAX).json()["error"]["code"] == "missing_field"
    answer = post(UNPACKED_MAX + 1)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"
    assert str(UNPACKED_MAX) in answer.json()["error"]["message"]


def peak_bytes(process):
    status = open(f"/proc/{process.child.pid}/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_is_refused_without_its_memory(edge, coding):
    bomb = zeros(coding, 512 << 20)
    assert len(bomb) < 1 << 20
    before = peak_bytes(edge.edge)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: edge.post(
            BATCH, bomb, edge.acme, Content_Encoding=coding), range(16)))
    assert [a.status_code for a in answers] == [413] * 16
    assert {a.json()["error"]["code"] for a in answers} == {"body_too_large"}
    # Less than one of them; ASan keeps 256 MiB of what was freed.
    assert peak_bytes(edge.edge) - before < 384 << 20
    assert edge.post(BATCH, batch(1), edge.acme).status_code == 202

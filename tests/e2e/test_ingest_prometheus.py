# SPDX-License-Identifier: Apache-2.0
"""Remote write: requests by hand, and Debian's Prometheus in agent mode."""

import json
import struct
import time
import uuid

import pytest
from harness.pack import zeros
from harness.process import ROOT
from harness.prometheus import Prometheus, Target, series, write
from harness.wait import stays, wait_until

WRITE = "/api/v1/write"
V1 = "application/x-protobuf"
LINES = ['demo_value{site="süd",unit="°C"} 42.5', "demo_nan NaN",
         "demo_inf +Inf", "demo_latency_bucket{le=\"+Inf\"} 3"]


@pytest.fixture(scope="module")
def edge(stack):
    stack.acme = stack.key("acme")
    stack.bound = stack.key("acme", device="d1")
    stack.edge = stack.start("ingest")
    stack.writer = stack.start("writer")
    return stack


@pytest.fixture
def target():
    found = Target(LINES)
    yield found
    found.close()


@pytest.fixture
def agent(edge, target, tmp_path):
    """Makes agents that scrape the target."""
    def make(key):
        found = Prometheus(
            tmp_path / "agent", edge.logs / f"{tmp_path.name}.log",
            f"http://127.0.0.1:{edge.ingest_port}{WRITE}", key, [target.port])
        edge.processes.append(found)
        return found.start()
    before = list(edge.processes)
    yield make
    for process in edge.processes:
        if process not in before:
            process.stop()


def post(edge, body, key=None, **headers):
    return edge.post(WRITE, body, key or edge.acme, **{
        "Content_Type": V1, "Content_Encoding": "snappy",
        "X_Prometheus_Remote_Write_Version": "0.1.0", **headers})


def double(value):
    return struct.pack("<d", value)


STALE = struct.pack("<Q", 0x7ff0000000000002)


def now_ms():
    return time.time_ns() // 1_000_000


def rows(edge, name, instance=None):
    """(value, labels) of a metric's samples, by time."""
    return [row for row in edge.db.rows(
        "SELECT value, labels FROM store.samples NATURAL JOIN store.series"
        " WHERE name = %s ORDER BY time", (name,))
        if instance is None or row[1]["instance"] == instance]


def skipped(edge, what):
    return edge.edge.metric("pulse_ingest_skipped_total", endpoint=WRITE,
                            what=what)


def letter(edge, mark):
    """The dead letter that holds mark: (reason, detail, type, payload)."""
    def find():
        return [row for row in edge.db.rows(
            "SELECT reason, detail, content_type, payload FROM dead_letters")
            if mark.encode() in bytes(row[3])]
    (found,) = wait_until(find, 20, "the dead letter")
    return found


# --- by hand ---------------------------------------------------------------

def test_samples_are_stored(edge):
    name, ms = "t" + uuid.uuid4().hex[:8], now_ms()
    answer = post(edge, write(
        series({"__name__": name, "b": "ü", "a": "1", "c": ""},
               (double(0.1), ms), (double(-2), ms - 1000))))
    assert (answer.status_code, answer.content) == (204, b"")
    found = wait_until(lambda: len(r := rows(edge, name)) == 2 and r, 20,
                       "both samples")
    assert found == [(-2, {"a": "1", "b": "ü"}), (0.1, {"a": "1", "b": "ü"})]


def test_a_device_bound_key_writes_its_device(edge):
    name, ms = "t" + uuid.uuid4().hex[:8], now_ms()
    assert post(edge, write(series({"__name__": name}, (double(1), ms))),
                edge.bound).status_code == 204
    found = wait_until(lambda: rows(edge, name), 20, "the sample")
    assert found == [(1, {"device_id": "d1"})]
    answer = post(edge, write(series(
        {"__name__": name, "device_id": "d2"}, (double(1), ms))), edge.bound)
    assert (answer.status_code, "device_mismatch" in answer.text) == (400, True)


def test_bad_samples_do_not_spoil_the_others(edge):
    mark, ms = "t" + uuid.uuid4().hex[:8], now_ms()
    answer = post(edge, write(
        series({"__name__": mark, "n": "good"}, (double(1), ms)),
        series({"__name__": mark, "n": "x" * 1025}, (double(2), ms)),
        series({"__name__": mark, "n": "old"}, (double(3), 1000))))
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/plain")
    (line,) = answer.text.splitlines()  # all that a sender logs
    assert line == (
        "2 of 3 samples are bad, the others are stored; the first: labels.n "
        "is 1025 bytes long, at most 1024 are allowed (text_too_long, "
        "docs/errors.md#text_too_long)")
    found = wait_until(lambda: rows(edge, mark), 20, "the good one")
    assert found == [(1, {"n": "good"})]
    reason, detail, kind, payload = letter(edge, "1970-01-01")
    assert (reason, kind) == (
        "time_too_old", "application/vnd.pulse.metric+json")
    assert "timestamp" in detail
    assert json.loads(bytes(payload)) == {
        "name": mark, "value": 3, "labels": {"n": "old"},
        "timestamp": "1970-01-01T00:00:01.000000Z"}


def test_strict_takes_all_or_nothing(edge):
    mark, ms = "t" + uuid.uuid4().hex[:8], now_ms()
    answer = edge.post(WRITE + "?strict=1", write(
        series({"__name__": mark}, (double(1), ms)),
        series({"n": mark}, (double(2), ms))), edge.acme, Content_Type=V1,
        Content_Encoding="snappy")
    assert answer.status_code == 400
    assert "none is stored" in answer.text
    assert "missing_field" in answer.text
    assert letter(edge, mark)[0] == "missing_field"
    assert rows(edge, mark) == []


def test_what_is_no_number_is_left_out(edge):
    name, ms = "t" + uuid.uuid4().hex[:8], now_ms()
    before = {what: skipped(edge, what)
              for what in ("stale", "not_finite", "exemplar", "metadata")}
    answer = post(edge, write(
        series({"__name__": name}, (STALE, ms), (double(float("nan")), ms),
               (double(float("inf")), ms), (double(7), ms + 1),
               more=b"\x1a\x00"), b"\x1a\x00"))
    assert answer.status_code == 204
    assert {what: skipped(edge, what) - n for what, n in before.items()} == {
        "stale": 1, "not_finite": 2, "exemplar": 1, "metadata": 1}
    found = wait_until(lambda: rows(edge, name), 20, "the number")
    assert [value for value, _ in found] == [7]


def test_native_histograms_are_refused_by_name(edge):
    mark = "t" + uuid.uuid4().hex[:8]
    answer = post(edge, write(series({"__name__": mark}, more=b"\x22\x00")))
    assert (answer.status_code, "native_histogram" in answer.text) == (400,
                                                                       True)
    assert letter(edge, mark)[0] == "native_histogram"


def test_a_request_without_samples_is_fine(edge):
    assert post(edge, write()).status_code == 204
    assert post(edge, write(b"\x1a\x03abc")).status_code == 204  # metadata


@pytest.mark.parametrize("headers,code", [
    ({"Content_Type": V1 + ";proto=io.prometheus.write.v2.Request",
      "X_Prometheus_Remote_Write_Version": "2.0.0"},
     "unsupported_media_type"),
    ({"Content_Type": "application/json"}, "unsupported_media_type"),
    ({"Content_Encoding": "gzip"}, "unsupported_encoding"),
    ({"Content_Encoding": "identity"}, "unsupported_encoding"),
])
def test_another_version_or_coding_is_415(edge, headers, code):
    answer = post(edge, write(), **headers)
    assert answer.status_code == 415
    assert code in answer.text
    assert f"### {code}\n" in (ROOT / "docs/errors.md").read_text()
    if code == "unsupported_encoding":
        assert answer.headers["Accept-Encoding"] == "snappy"


def test_broken_bodies_are_400_and_kept(edge):
    mark = uuid.uuid4().hex
    answer = post(edge, mark.encode())
    assert (answer.status_code, "malformed_encoding" in answer.text) == (400,
                                                                         True)
    assert letter(edge, mark)[0] == "malformed_encoding"
    mark = uuid.uuid4().hex
    answer = post(edge, write(mark.encode()))
    assert (answer.status_code, "malformed_protobuf" in answer.text) == (400,
                                                                         True)
    reason, _, kind, payload = letter(edge, mark)
    assert (reason, kind, bytes(payload)) == (
        "malformed_protobuf", V1, mark.encode())


def test_bombs_are_refused(edge):
    answer = post(edge, zeros("snappy", 64 << 20))
    assert (answer.status_code, "body_too_large" in answer.text) == (413, True)
    claims = b"\xff\xff\xff\x0f" + b"\0x"  # 32 MiB, of 6 bytes
    answer = post(edge, claims)
    assert (answer.status_code, "malformed_encoding" in answer.text) == (400,
                                                                         True)
    answer = post(edge, write(b"\x0a\x00" * (1 << 20)))  # empty series
    assert (answer.status_code, "unpacked_too_large" in answer.text) == (413,
                                                                         True)


def test_errors_are_a_line_of_text(edge):
    answer = edge.post(WRITE, b"", None, Content_Type=V1,
                       Content_Encoding="snappy")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "no_key" in answer.text


# --- the real one ----------------------------------------------------------

def test_prometheus_writes_and_nothing_is_lost(edge, target, agent):
    before = {what: skipped(edge, what) for what in ("not_finite", "stale")}
    instance = f"127.0.0.1:{target.port}"
    prometheus = agent(edge.acme)
    labels = {"job": "demo", "instance": instance}
    found = wait_until(lambda: rows(edge, "demo_value", instance), 30,
                       "a row of the target")
    assert found[0] == (42.5, {**labels, "site": "süd", "unit": "°C"})
    assert wait_until(lambda: rows(edge, "demo_latency_bucket", instance), 10,
                      "the bucket")[0][1]["le"] == "+Inf"
    wait_until(lambda: skipped(edge, "not_finite") > before["not_finite"], 10,
               "NaN and Inf are left out")

    # The edge goes and comes back: Prometheus sends again what was not taken.
    assert edge.edge.stop() == 0
    gone_at = target.scrapes
    wait_until(lambda: target.scrapes >= gone_at + 10, 30, "scrapes go on")
    edge.edge.start()
    back_at = target.scrapes

    def missing():
        have = {int(v) for v, _ in rows(edge, "demo_scrapes_total", instance)}
        return set(range(1, back_at + 1)) - have
    wait_until(lambda: not missing(), 60, "every scrape is stored")
    values = [v for v, _ in rows(edge, "demo_scrapes_total", instance)]
    assert values == sorted(set(values))  # once each, in order

    # The target goes: its series end without a last row.
    target.close()
    wait_until(lambda: skipped(edge, "stale") > before["stale"], 30,
               "stale markers come")
    wait_until(lambda: rows(edge, "up", instance)[-1][0] == 0, 20, "up is 0")
    values = [v for v, _ in rows(edge, "demo_scrapes_total", instance)]
    assert values[-1] <= target.scrapes and len(values) == len(set(values))
    assert prometheus.metric("prometheus_remote_storage_samples_failed_total"
                             ) == 0
    assert edge.edge.metric("pulse_ingest_records_rejected_total",
                            code="malformed_protobuf", endpoint=WRITE) <= 1


def test_a_bad_key_is_seen_by_prometheus(edge, target, agent):
    prometheus = agent(edge.acme[:-4] + "0000")
    wait_until(lambda: prometheus.metric(
        "prometheus_remote_storage_samples_failed_total") > 0, 30,
        "it counts what was refused")
    prometheus.wait_log(r"401 Unauthorized: The key is unknown")
    stays(lambda: not rows(edge, "demo_value", f"127.0.0.1:{target.port}"),
          1, "nothing is stored")

# SPDX-License-Identifier: Apache-2.0
"""Line protocol: a client library that nobody here wrote, curl, what stands in
the tables, and the answers that senders act on."""

import gzip
import subprocess
import time
import uuid

import pytest
import requests
from harness.ports import free_port
from harness.process import TELEGRAF
from harness.wait import wait_until
from influxdb_client import InfluxDBClient, Point, WriteOptions, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

V2, V1 = "/api/v2/write", "/write"


@pytest.fixture(scope="module")
def edge(stack):
    stack.acme = stack.key("acme")
    stack.bound = stack.key("acme", device="d-bound")
    stack.slow = stack.key("slow")
    stack.db.execute("UPDATE tenants SET limits = %s WHERE tenant_id = 'slow'",
                     ('{"records_per_second":1,"records_burst":1}',))
    stack.url = f"http://127.0.0.1:{stack.ingest_port}"
    stack.edge = stack.start("ingest")
    stack.start("writer")
    return stack


def name():
    """A measurement that no other test uses."""
    return "i" + uuid.uuid4().hex[:12]


def now_us():
    return time.time_ns() // 1000


def post(edge, lines, path=V2, key=None, headers=None, **params):
    body = lines if isinstance(lines, bytes) else lines.encode()
    return requests.post(
        edge.url + path, data=body, params=params, timeout=20,
        headers={"Authorization": f"Token {key or edge.acme}",
                 **(headers or {})})


def samples(edge, measurement):
    """(name, labels, µs, value) of all metrics made of the measurement."""
    return edge.db.rows(
        "SELECT s.name, s.labels, (extract(epoch FROM time) * 1000000)::int8,"
        " value FROM store.samples JOIN store.series s USING (series_id)"
        " WHERE s.name = %s OR s.name LIKE %s ORDER BY 1, 3",
        (measurement, measurement + r"\_%"))


def stored(edge, measurement, wanted):
    wait_until(lambda: samples(edge, measurement) == sorted(wanted), 20,
               f"{wanted}, not {samples(edge, measurement)}")


def letters(edge, holding):
    return edge.db.rows(
        "SELECT id, endpoint, reason, detail, content_type, payload,"
        " device_id FROM dead_letters WHERE position(%s::bytea in payload) > 0"
        " ORDER BY id", (holding.encode(),))


# --- clients -----------------------------------------------------------------


@pytest.mark.parametrize("precision,ns", [
    (WritePrecision.NS, 1), (WritePrecision.US, 1_000),
    (WritePrecision.MS, 1_000_000), (WritePrecision.S, 1_000_000_000)])
@pytest.mark.parametrize("packed", [False, True])
def test_python_client_one_by_one(edge, precision, ns, packed):
    m, when = name(), time.time_ns() // ns
    with InfluxDBClient(edge.url, token=edge.acme, org="any",
                        enable_gzip=packed) as client:
        assert client.ping()
        client.write_api(write_options=SYNCHRONOUS).write(
            bucket="any", write_precision=precision, record=Point(m)
            .tag("host", "a b,c=d").tag("zone", "ü")
            .field("value", 1.5).field("count", 7).field("up", True)
            .field("note", "left out").time(when, precision))
    labels = {"host": "a b,c=d", "zone": "ü"}
    us = when * ns // 1000
    stored(edge, m, [(m, labels, us, 1.5), (m + "_count", labels, us, 7.0),
                     (m + "_up", labels, us, 1.0)])


def test_python_client_in_batches(edge):
    m, start, count = name(), now_us(), 1000
    with InfluxDBClient(edge.url, token=edge.acme, org="any",
                        enable_gzip=True) as client:
        options = WriteOptions(batch_size=300, flush_interval=200)
        with client.write_api(write_options=options) as writing:
            for i in range(count):
                writing.write("any", record=f"{m} value={i}i {start + i}",
                              write_precision=WritePrecision.US)
    stored(edge, m, [(m, {}, start + i, float(i)) for i in range(count)])


def test_python_client_hears_which_line_is_bad(edge):
    m = name()
    with InfluxDBClient(edge.url, token=edge.acme, org="any") as client:
        writing = client.write_api(write_options=SYNCHRONOUS)
        with pytest.raises(ApiException) as refused:
            writing.write("any", record=f"{m} a=1\n{m} a=x\n{m} a=2")
    assert refused.value.status == 400
    assert refused.value.message == (
        "partial write: 1 of 3 lines rejected: line 2: column 17: the value "
        'is neither a number nor a boolean nor a "text" (malformed_line)')
    wait_until(lambda: len(samples(edge, m)) == 2, 20, "the good lines")


def test_python_client_asks_for_health(edge):
    with InfluxDBClient(edge.url, token="none", org="any") as client:
        assert client.ping()
        assert client.version().startswith("pulse-")
        assert client.health().status == "pass"
    answer = requests.head(edge.url + "/ping", timeout=20)
    assert answer.status_code == 204
    assert answer.headers["X-Influxdb-Version"].startswith("pulse-")


def test_curl_as_everybody_types_it(edge, tmp_path):
    m = name()
    file = tmp_path / "lines"
    file.write_text(f"# by hand\n\n{m},host=a value=1\r\n{m},host=b value=2\n")
    done = subprocess.run(
        ["curl", "-sS", "-w", "%{http_code}", "--data-binary", f"@{file}",
         "-H", f"Authorization: Token {edge.acme}",
         f"{edge.url}{V2}?org=o&bucket=b&precision=s"],
        capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "204"
    wait_until(lambda: [(row[1], row[3]) for row in samples(edge, m)] in
               ([({"host": "a"}, 1.0), ({"host": "b"}, 2.0)],
                [({"host": "b"}, 2.0), ({"host": "a"}, 1.0)]), 20, "both rows")


# --- version 1 ---------------------------------------------------------------


def test_version_1_key_in_the_url(edge):
    m, now = name(), int(time.time()) // 60
    answer = requests.post(
        edge.url + V1, timeout=20, data=f"{m} value=3 {now}",
        params={"db": "any", "rp": "any", "precision": "m", "u": "any",
                "p": edge.acme})
    assert (answer.status_code, answer.text) == (204, "")
    stored(edge, m, [(m, {}, now * 60_000_000, 3.0)])


def test_version_1_key_as_password(edge):
    m, when = name(), now_us()
    answer = requests.post(
        edge.url + V1, timeout=20, data=f"{m} value=3 {when}",
        params={"db": "any", "precision": "u"}, auth=("any", edge.acme))
    assert (answer.status_code, answer.text) == (204, "")
    stored(edge, m, [(m, {}, when, 3.0)])


def test_version_1_is_told_of_rates_by_503(edge):
    """Telegraf's output for version 1 drops what any 4xx answers."""
    def answers():
        return [post(edge, "m a=1\n" * 50, path, edge.slow)
                for path in (V1, V2)]
    assert answers()[0].status_code == 204  # on credit
    v1, v2 = answers()
    assert (v1.status_code, v2.status_code) == (503, 429)
    assert v1.json()["error"].startswith("rate_limited: records_per_second: ")
    assert v2.json()["code"] == "too many requests"
    assert int(v1.headers["Retry-After"]) > 0
    assert int(v2.headers["Retry-After"]) > 0


def test_version_1_words(edge):
    m = name()
    answer = post(edge, f"{m} a=1\n{m} a=", V1)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "partial write: 1 of 2 lines rejected: line 2: column 17: "
                 "the value is missing (malformed_line)"}
    answer = requests.post(edge.url + V1, data="m a=1", timeout=20)
    assert answer.status_code == 401
    assert answer.json()["error"].startswith("no_key: ")
    answer = post(edge, "m a=1", V1, precision="d")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid_parameter: precision")


@pytest.mark.parametrize("where", ["data", "params"])
def test_version_1_creates_its_database(edge, where):
    """As Telegraf does, in a form, and as Python's client does, in the URL."""
    answer = requests.post(edge.url + "/query", timeout=20,
                           **{where: {"q": 'CREATE DATABASE "telegraf"'}})
    assert answer.status_code == 200
    assert answer.json() == {"results": [{"statement_id": 0}]}
    answer = requests.post(edge.url + "/query", timeout=20,
                           **{where: {"q": "SHOW DATABASES"}})
    assert answer.status_code == 400
    assert "error" in answer.json()


# --- answers -----------------------------------------------------------------


def test_nothing_good_is_nothing_written(edge):
    m = name()
    answer = post(edge, "\n".join(f"{m} a=x{i}" for i in range(7)))
    assert answer.status_code == 400
    body = answer.json()
    assert (body["code"], body["line"]) == ("invalid", 1)
    assert body["message"].startswith(
        "nothing written: 7 of 7 lines rejected: line 1: column 17: ")
    assert body["message"].endswith("; and 2 more")
    assert samples(edge, m) == []


def test_a_line_is_taken_whole_or_not_at_all(edge):
    """Its third metric would be too long a message: the first two go too."""
    port, m = free_port(), name()
    edge.start("ingest", "-small", PULSE_INGEST_LISTEN=f"127.0.0.1:{port}",
               PULSE_INGEST_MESSAGE_BYTES="2k", PULSE_INGEST_DEADLETTER_RATE=0,
               PULSE_INGEST_DEADLETTER_BURST=0)
    tags = f"a={'x' * 920},b={'y' * 920}"
    answer = requests.post(
        f"http://127.0.0.1:{port}{V2}", timeout=20,
        headers={"Authorization": f"Token {edge.acme}"},
        data=f"{m} v=1\n{m},{tags} c=1,d=2,{'e' * 180}=3,f=4\n{m} w=2")
    assert answer.status_code == 400, answer.text
    assert "1 of 3 lines rejected: line 2: is " in answer.json()["message"]
    assert "(record_too_large)" in answer.json()["message"]
    wait_until(lambda: len(samples(edge, m)) == 2, 20, "the others")
    assert [row[0] for row in samples(edge, m)] == [m + "_v", m + "_w"]


def test_strict_is_all_or_nothing(edge):
    m = name()
    answer = post(edge, f'{m} a=1\n{m} a=1,s="text"', strict=1)
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "invalid", "line": 2,
        "message": "nothing written: 1 of 2 lines rejected: line 2: s is a "
                   "text, which no metric can be (wrong_type)"}
    assert post(edge, f'{m} b=1,s="text"', strict=0).status_code == 204
    wait_until(lambda: samples(edge, m), 20, "the other")
    assert [row[0] for row in samples(edge, m)] == [m + "_b"]


@pytest.mark.parametrize("body", ["", "\n\n", "# nothing\n", 'm s="text"'])
def test_nothing_to_write_is_fine(edge, body):
    assert post(edge, body).status_code == 204


@pytest.mark.parametrize("change,status,code,pulse", [
    ({"headers": {"Authorization": ""}}, 401, "unauthorized", "no_key"),
    ({"key": "pulse_nobody_x"}, 401, "unauthorized", "unknown_key"),
    ({"headers": {"Content-Encoding": "br"}}, 415, "unsupported media type",
     "unsupported_encoding"),
    ({"precision": "NS"}, 400, "invalid", "invalid_parameter"),
    ({"device_tag": "a b"}, 400, "invalid", "invalid_parameter"),
    ({"strict": "x"}, 400, "invalid", "invalid_parameter"),
    ({"lines": "m a=1\n" * 10001}, 413, "request too large",
     "too_many_records"),
    ({"lines": "m a=1\n" * 2_000_000}, 413, "request too large",
     "body_too_large"),
])
def test_refusals_speak_influx(edge, change, status, code, pulse):
    answer = post(edge, **{"lines": "m a=1", **change})
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["code"] == code
    assert body["message"].startswith(pulse + ": ")


def test_text_fields_are_counted(edge):
    m = name()
    before = edge.edge.metric("pulse_ingest_skipped_total", endpoint=V2,
                              what="text_field")
    answer = post(edge, f'{m} a=1,s="x",t="y"\n{m} s="z"')
    assert answer.status_code == 204
    assert edge.edge.metric("pulse_ingest_skipped_total", endpoint=V2,
                            what="text_field") == before + 3


def test_lines_come_packed_and_in_chunks(edge):
    """Telegraf does not know the length beforehand."""
    m, when = name(), now_us()
    packed = gzip.compress(f"{m} value=1 {when}\n".encode())
    answer = requests.post(
        edge.url + V2, data=iter([packed[:7], packed[7:]]), timeout=20,
        params={"precision": "us"},
        headers={"Authorization": f"Token {edge.acme}",
                 "Content-Type": "text/plain; charset=utf-8",
                 "Content-Encoding": "gzip"})
    assert answer.status_code == 204
    stored(edge, m, [(m, {}, when, 1.0)])


def test_a_body_that_cannot_be_unpacked(edge):
    packed = gzip.compress(b"m value=1\n" * 1000)[:-20]
    answer = post(edge, packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400
    message = answer.json()["message"]
    assert message.startswith("nothing written: body "), message
    assert message.endswith(" (malformed_encoding)"), message


# --- devices -----------------------------------------------------------------


def test_a_tag_makes_telemetry(edge):
    m, device, when = name(), name(), now_us()
    answer = post(edge, f"{m},dev={device},site_id=s1,room=r temp=21.5,n=3i,"
                        f'ok=t,note="wet" {when}\n{m} value=4 {when}',
                  precision="us", device_tag="dev")
    assert answer.status_code == 204

    def rows():
        return edge.db.rows(
            "SELECT site_id, msg_type, metrics FROM store.telemetry"
            " WHERE device_id = %s", (device,))
    wait_until(rows, 20, "the message")
    assert rows() == [("s1", m, {"temp": 21.5, "n": 3, "ok": True,
                                 "note": "wet", "room": "r"})]
    stored(edge, m, [(m, {}, when, 4.0)])


def test_a_setting_names_the_tag(edge):
    port, m, device = free_port(), name(), name()
    edge.start("ingest", "-devices", PULSE_INGEST_INFLUX_DEVICE_TAG="dev",
               PULSE_INGEST_LISTEN=f"127.0.0.1:{port}")
    for field, params in [("a", {}), ("b", {"device_tag": ""})]:
        answer = requests.post(
            f"http://127.0.0.1:{port}{V2}", params=params, timeout=20,
            headers={"Authorization": f"Token {edge.acme}"},
            data=f"{m},dev={device} {field}=1")
        assert answer.status_code == 204, answer.text
    wait_until(lambda: samples(edge, m), 20, "the metric")
    assert [row[:2] for row in samples(edge, m)] == [
        (m + "_b", {"dev": device})]
    wait_until(lambda: edge.db.rows(
        "SELECT metrics FROM store.telemetry WHERE device_id = %s",
        (device,)) == [({"a": 1.0},)], 20, "the message")
    done = edge.run(program="pulse-ingest",
                    PULSE_INGEST_INFLUX_DEVICE_TAG="a b")
    assert done.returncode != 0
    assert "PULSE_INGEST_INFLUX_DEVICE_TAG must be" in done.stderr


def test_a_bound_key_writes_for_its_device(edge):
    m, when = name(), now_us()
    answer = post(edge, f"{m} value=1 {when}\n{m},device_id=other value=2",
                  key=edge.bound, precision="us")
    assert answer.status_code == 400
    assert "line 2: labels.device_id the key may" in answer.json()["message"]
    stored(edge, m, [(m, {"device_id": "d-bound"}, when, 1.0)])
    wait_until(lambda: letters(edge, m), 20, "the letter")
    ((_, path, reason, _, kind, payload, device),) = letters(edge, m)
    assert (path, reason, device) == (V2, "device_mismatch", "other")
    assert kind == "text/plain; precision=us"
    assert bytes(payload).decode() == f"{m},device_id=other value=2"


# --- dead letters ------------------------------------------------------------


def test_a_letter_is_repaired_and_sent_again(edge, tmp_path):
    m, when = name(), int(time.time())
    answer = post(edge, f"{m},dev=d9 value=bad {when}\n{m} value=bad {when}",
                  V1, precision="s", device_tag="dev")
    assert answer.status_code == 400
    wait_until(lambda: len(letters(edge, m)) == 2, 20, "the letters")
    for ident, *_, payload, _ in letters(edge, m):
        done = edge.run("deadletter", "redrive", ident)
        assert done.returncode == 1
        assert "malformed_line: " in done.stderr
        file = tmp_path / f"{ident}.txt"
        file.write_bytes(bytes(payload).replace(b"bad", b"42"))
        done = edge.run("deadletter", "edit", ident, "--payload", file,
                        "--by", "ann")
        assert done.returncode == 0, done.stderr
        done = edge.run("deadletter", "redrive", ident)
        assert done.returncode == 0, done.stderr
    wait_until(lambda: (m, {}, when * 1_000_000, 42.0) in samples(edge, m), 20,
               "the metric")
    wait_until(lambda: edge.db.rows(
        "SELECT metrics, extract(epoch FROM time)::int8 FROM store.telemetry"
        " WHERE device_id = 'd9'") == [({"value": 42}, when)], 20,
        "the message")


# --- Telegraf ----------------------------------------------------------------

OUTPUTS = {
    "v2": """
[[outputs.influxdb_v2]]
  urls = ["{url}"]
  token = "{key}"
  organization = "any"
  bucket = "any"
""",
    "v1": """
[[outputs.influxdb]]
  urls = ["{url}"]
  username = "any"
  password = "{key}"
"""}
AGENT = """
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = 10
  hostname = "h"
[[inputs.file]]
  files = ["{file}"]
  data_format = "influx"
"""


@pytest.mark.skipif(not TELEGRAF, reason="no telegraf; PULSE_TELEGRAF=its path")
@pytest.mark.parametrize("version", ["v2", "v1"])
def test_telegraf_drops_bad_points_and_keeps_good_ones(edge, tmp_path,
                                                       version):
    """A bad line is answered 400 once; what comes later gets through, and
    what came while the edge was away too."""
    m, file = name(), tmp_path / "lines"
    file.write_text(f"{m} value=1,note=\"x\"\n{m},bad={'x' * 2000} value=2\n")
    config = tmp_path / "telegraf.conf"
    config.write_text(AGENT.format(file=file) + OUTPUTS[version].format(
        url=edge.url, key=edge.acme))
    telegraf = edge.program(f"telegraf-{version}",
                            [TELEGRAF, "--config", config])
    telegraf.start()
    wait_until(lambda: len(samples(edge, m)) >= 2, 30, "two rounds")
    edge.edge.stop()
    stop = len(samples(edge, m))
    telegraf.wait_log("(?i)connection refused", 30)
    edge.edge.start()
    wait_until(lambda: len(samples(edge, m)) >= stop + 3, 30, "three more")
    telegraf.signal(15)
    telegraf.wait(20)
    times = [row[2] for row in samples(edge, m)]
    assert {row[3] for row in samples(edge, m)} == {1.0}
    assert times[-1] - times[0] == (len(times) - 1) * 1_000_000, times
    assert "text_too_long" in telegraf.log_text()

# SPDX-License-Identifier: Apache-2.0
"""The edge with TLS: certificates of a test's own authority, replaced while
it runs."""

import shutil
import socket
import ssl
import subprocess
import warnings

import pytest
import requests
from harness.wait import wait_until

PATH = "/api/v1/metrics/ingest"


class Authority:
    """Signs certificates for localhost."""

    def __init__(self, folder):
        self.folder, self.number = folder, 0
        folder.mkdir()
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=Test authority", "-addext",
                     "keyUsage=critical,keyCertSign,cRLSign", "-keyout",
                     "ca.key", "-out", "ca.pem")

    def openssl(self, *argv):
        subprocess.run(["openssl", *argv], cwd=self.folder, check=True,
                       capture_output=True)

    def sign(self):
        """(certificate, key, serial number) of a new pair."""
        self.number += 1
        name = f"s{self.number}"
        (self.folder / "names").write_text(
            "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
            "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     "/CN=localhost", "-keyout", f"{name}.key", "-out",
                     f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem",
                     "-CAkey", "ca.key", "-set_serial", str(self.number),
                     "-days", "2", "-extfile", "names", "-out", f"{name}.pem")
        return (self.folder / f"{name}.pem", self.folder / f"{name}.key",
                self.number)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def edge(stack, authority):
    stack.files = [authority.folder / "live.pem", authority.folder / "live.key"]
    install(stack, authority.sign())
    stack.acme = stack.key("acme")
    stack.edge = stack.start("ingest", PULSE_INGEST_TLS_CERT=stack.files[0],
                             PULSE_INGEST_TLS_KEY=stack.files[1],
                             PULSE_INGEST_HEADER_TIMEOUT="2s")
    return stack


def install(stack, signed):
    """As an operator does: new files, moved into place."""
    for new, live in zip(signed, stack.files):
        shutil.copy(new, f"{live}.new")
        shutil.move(f"{live}.new", live)
    return signed[2]


def post(edge, authority):
    return requests.post(
        f"https://localhost:{edge.ingest_port}{PATH}", timeout=20,
        json={"name": "tls", "value": 1}, verify=authority.folder / "ca.pem",
        headers={"Authorization": f"Bearer {edge.acme}"})


def connect(edge, authority, **how):
    context = ssl.create_default_context(cafile=authority.folder / "ca.pem")
    for name, value in how.items():
        setattr(context, name, value)
    with socket.create_connection(("127.0.0.1", edge.ingest_port), 10) as s:
        return context.wrap_socket(s, server_hostname="localhost")


def serial(edge, authority):
    with connect(edge, authority) as s:
        return int(s.getpeercert()["serialNumber"], 16)


def test_a_record_is_taken(edge, authority):
    answer = post(edge, authority)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    left = edge.edge.metric("pulse_ingest_http_tls_certificate_expires_seconds")
    assert 86400 < left < 3 * 86400


def test_many_requests_of_one_session(edge, authority):
    with requests.Session() as session:
        session.verify = authority.folder / "ca.pem"
        session.headers["Authorization"] = f"Bearer {edge.acme}"
        for n in (1, 10, 10_000):
            answer = session.post(
                f"https://localhost:{edge.ingest_port}{PATH}/batch", json=[
                    {"name": "tls", "value": i} for i in range(n)], timeout=30)
            assert answer.json() == {"accepted": n, "rejected": []}


def test_clear_text_and_old_versions_get_nothing(edge, authority):
    with socket.create_connection(("127.0.0.1", edge.ingest_port), 10) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in s.recv(100)
    with warnings.catch_warnings(action="ignore"):  # that they are old
        with pytest.raises((ssl.SSLError, OSError)):
            connect(edge, authority, minimum_version=ssl.TLSVersion.TLSv1,
                    maximum_version=ssl.TLSVersion.TLSv1_1)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connect(edge, authority, maximum_version=version,
                     minimum_version=version) as s:
            assert s.version() == version.name.replace("_", ".")


def test_who_does_not_shake_hands_is_sent_away(edge):
    with socket.create_connection(("127.0.0.1", edge.ingest_port), 10) as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")  # the begin of a ClientHello
        s.settimeout(10)
        assert s.recv(100) == b""


def test_a_new_certificate_is_used_without_a_restart(edge, authority):
    with requests.Session() as session:  # one that lives through it
        session.verify = authority.folder / "ca.pem"
        session.headers["Authorization"] = f"Bearer {edge.acme}"
        url = f"https://localhost:{edge.ingest_port}{PATH}"
        record = {"name": "tls", "value": 2}
        assert session.post(url, json=record, timeout=20).status_code == 202
        number = install(edge, authority.sign())
        wait_until(lambda: serial(edge, authority) == number, 10,
                   "the new certificate is shown")
        assert session.post(url, json=record, timeout=20).status_code == 202


def test_a_bad_pair_is_refused_and_the_last_serves_on(edge, authority):
    before = serial(edge, authority)
    first, second = authority.sign(), authority.sign()
    install(edge, (first[0], second[1], first[2]))
    edge.edge.wait_log("tls_certificate_kept")
    assert serial(edge, authority) == before
    edge.files[0].write_text("no certificate\n")
    assert post(edge, authority).status_code == 202
    number = install(edge, first)
    wait_until(lambda: serial(edge, authority) == number, 10, "a good pair")


def test_it_does_not_start_without_its_files(edge, stack):
    for cert, key, says in (("/nowhere.pem", "/nowhere.key", "/nowhere.pem"),
                            (stack.files[0], "", "go together")):
        done = stack.run(program="pulse-ingest", PULSE_INGEST_TLS_CERT=cert,
                         PULSE_INGEST_TLS_KEY=key,
                         PULSE_INGEST_LISTEN="127.0.0.1:0",
                         PULSE_INGEST_ADMIN_LISTEN="127.0.0.1:0")
        assert done.returncode != 0
        assert says in done.stderr

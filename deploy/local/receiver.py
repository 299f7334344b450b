# SPDX-License-Identifier: Apache-2.0
"""Local webhook receiver: verifies Standard Webhooks signatures, prints what
it got, and shows the latest at GET /received.

usage: receiver.py PORT SECRET_FILE
SECRET_FILE holds the channel's secret, whsec_ and base64.
"""

import base64
import collections
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEPT = 1000  # deliveries shown at /received
TOLERANCE_S = 300  # older or newer timestamps are refused
BODY_MAX = 1 << 20


def verified(secret, headers, body):
    """True if a signature of Standard Webhooks fits; see
    https://www.standardwebhooks.com."""
    name, sent = headers.get("webhook-id"), headers.get("webhook-timestamp")
    if not name or not sent or not sent.isdigit():
        return False
    if abs(time.time() - int(sent)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{name}.{sent}.".encode() + body, hashlib.sha256)
    wanted = "v1," + base64.b64encode(mac.digest()).decode()
    return any(hmac.compare_digest(wanted, given)
               for given in headers.get("webhook-signature", "").split())


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # for a client that says nothing

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > BODY_MAX:
            self.answer(413, {"error": "too large"})
            self.close_connection = True
            return
        body = self.rfile.read(length)
        good = verified(self.server.secret_file.read_text().strip(), self.headers,
                        body)
        try:
            payload = json.loads(body)
        except ValueError:
            payload = None
        self.server.received.append({
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "id": self.headers.get("webhook-id"), "verified": good,
            "payload": payload})
        print(f"webhook id={self.headers.get('webhook-id')} "
              f"{'verified' if good else 'BAD SIGNATURE'} "
              f"{json.dumps(payload)}")
        self.answer(200 if good else 401, {"verified": good})

    def do_GET(self):
        if self.path == "/received":
            self.answer(200, list(self.server.received))
        else:
            self.answer(404, {"error": "only /received"})

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Deliveries are printed; requests need no line."""


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    server.secret_file = Path(sys.argv[2])
    server.received = collections.deque(maxlen=KEPT)
    print(f"waiting for webhooks on 127.0.0.1:{sys.argv[1]}")
    server.serve_forever()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""A webhook receiver: keeps what it got, answers what it is told to, checks
signatures as Standard Webhooks 1.0.0 says, by itself."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Delivery:
    def __init__(self, path, headers, body):
        self.path, self.body = path, body
        self.headers = {k.lower(): v for k, v in headers.items()}
        self.time = time.monotonic()
        self.id = self.headers.get("webhook-id")
        self.data = json.loads(body)
        self.type = self.data["type"]

    def signed_by(self, secret):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        text = b".".join([self.id.encode(),
                          self.headers["webhook-timestamp"].encode(),
                          self.body])
        digest = hmac.new(key, text, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(digest).decode()
        given = self.headers["webhook-signature"].split(" ")
        age = abs(time.time() - int(self.headers["webhook-timestamp"]))
        return wanted in given and age < 300


class Receiver:
    """answer(delivery) returns a status, or (status, headers, body)."""

    def __init__(self, answer=lambda delivery: 204):
        self.answer, self.deliveries, self.connections = answer, [], 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                receiver.connections += 1
                super().setup()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                delivery = Delivery(self.path, self.headers, body)
                receiver.deliveries.append(delivery)
                answer = receiver.answer(delivery)
                status, headers, text = (
                    answer if isinstance(answer, tuple)
                    else (answer, {}, b"thanks"))
                self.send_response(status)
                if status == 204:
                    text = b""
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                try:
                    self.wfile.write(text)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def ids(self, kind):
        """Distinct webhook-ids of one type, in the order they came."""
        return list(dict.fromkeys(
            d.id for d in self.deliveries if d.type == f"incident.{kind}"))

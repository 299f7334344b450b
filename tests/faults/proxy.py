# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy before PostgreSQL that knows where its messages begin and end
(protocol 3.0), so that a fault can be put at an exact step of a transaction:
before a message goes out, when it has gone, or when its answer is there and
the client has not seen it.

A step is the text "KIND WHAT":
    query SQL       a simple query, or the execution of a prepared statement
    data SQL        one CopyData message of that COPY
    done SQL        the CopyDone that ends it
White space in SQL is one blank.
"""

import re
import socket
import threading
from urllib.parse import urlsplit, urlunsplit

from harness.wait import wait_until

BEFORE, SENT, AFTER = "before", "sent", "after"


class Trap:
    """Waits for the nth step that matches, inside a transaction in which all
    of within have matched, then does action(link) once, in the proxy's
    thread: nothing of that connection moves meanwhile."""

    def __init__(self, step, when, action, within=(), nth=1):
        self.step, self.when, self.action = re.compile(step), when, action
        self.within = [re.compile(w) for w in within]
        self.left = nth
        self.sprung = threading.Event()
        self.problem = None

    def matches(self, step, transaction):
        if not self.step.search(step) or not all(
                any(w.search(s) for s in transaction) for w in self.within):
            return False
        self.left -= 1
        return self.left == 0

    def spring(self, link):
        try:
            self.action(link)
        except Exception as problem:  # noqa: BLE001 - shown by wait()
            self.problem = problem
            link.cut()
        self.sprung.set()

    def wait(self, timeout=60):
        wait_until(self.sprung.is_set, timeout, f"step {self.step.pattern}")
        assert self.problem is None, self.problem


class Proxy:
    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.lock = threading.Lock()
        self.traps, self.links = [], []
        self.steps = []  # all that were seen, for who writes a trap
        self.refusing = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, url):
        """The same database, through here and in clear text."""
        u = urlsplit(url)
        user = u.netloc.rpartition("@")[0]
        return urlunsplit(u._replace(
            netloc=f"{user}@127.0.0.1:{self.port}",
            query="sslmode=disable&gssencmode=disable"))

    def trap(self, step, when, action, **where):
        trap = Trap(step, when, action, **where)
        with self.lock:
            self.traps.append(trap)
        return trap

    def sprung(self, step, transaction):
        """The trap that this step springs, taken out; or None."""
        with self.lock:
            self.steps.append(step)
            for trap in self.traps:
                if trap.matches(step, transaction):
                    self.traps.remove(trap)
                    return trap
        return None

    def cut_all(self):
        for link in list(self.links):
            link.cut()

    def close(self):
        self.listener.close()
        self.cut_all()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.refusing:
                    raise OSError("refused")
                server = socket.create_connection(self.target, 10)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            self.links.append(Link(self, client, server))


class Link:
    """One client's connection through the proxy."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.prepared, self.transaction, self.copy = {}, [], ""
        self.awaited = None  # the trap that waits for this answer
        self.keep_server = False
        self.gone = threading.Event()
        for work in (self._forward, self._answer):
            threading.Thread(target=work, daemon=True).start()

    def cut(self):
        """Ends both sides, as a broken network does."""
        self.gone.set()
        for s in (self.client, self.server):
            if s is not self.server or not self.keep_server:
                _shut(s)

    def cut_server(self):
        self.keep_server = False
        self.cut()

    # --- client to server --------------------------------------------------

    def _forward(self):
        buffer, typed = b"", False
        try:
            while not self.gone.is_set():
                piece = self.client.recv(1 << 16)
                if not piece:
                    break
                buffer += piece
                buffer, typed = self._pass(buffer, typed)
        except OSError:
            pass
        self.cut()

    def _pass(self, buffer, typed):
        """Sends the whole messages in buffer on; returns what is left."""
        start = at = 0
        while True:
            head = 5 if typed else 4
            if len(buffer) - at < head:
                break
            size = int.from_bytes(buffer[at + head - 4:at + head])
            end = at + head - 4 + size
            if len(buffer) < end:
                break
            step = self._step(buffer[at:end]) if typed else None
            trap = step and self.proxy.sprung(step, self.transaction)
            if trap:
                self._spring(trap, buffer, start, at)
                start = at
            typed, at = True, end
        self.server.sendall(buffer[start:at])
        return buffer[at:], typed

    def _spring(self, trap, buffer, start, at):
        """Sends what comes before the message at; SENT, it too, and with it
        the Sync without which it would do nothing, and then cuts."""
        self.server.sendall(buffer[start:at])
        if trap.when == AFTER:
            self.awaited = trap
            return
        if trap.when == SENT:
            self.server.sendall(buffer[at:])
        trap.spring(self)
        if trap.when == SENT:
            self.cut()
        if self.gone.is_set():
            raise OSError("cut")

    def _step(self, message):
        kind, body = message[:1], message[5:]
        if kind == b"Q":
            return self._query(_text(body, 0)[0])
        if kind == b"P":
            name, at = _text(body, 0)
            self.prepared[name] = _text(body, at)[0]
        elif kind == b"B":
            return self._query(self.prepared.get(
                _text(body, _text(body, 0)[1])[0], "?"))
        elif kind in (b"d", b"c"):
            return f"{'data' if kind == b'd' else 'done'} {self.copy}"
        return None

    def _query(self, sql):
        sql = " ".join(sql.split())
        if sql.startswith("COPY"):
            self.copy = sql
        if sql == "BEGIN":
            self.transaction = []
        self.transaction.append(sql)
        return f"query {sql}"

    # --- server to client --------------------------------------------------

    def _answer(self):
        """Bytes pass as they come; only a trapped answer is looked into."""
        buffer = b""
        try:
            while True:
                piece = self.server.recv(1 << 16)
                if not piece:
                    break
                if self.awaited is not None:
                    buffer += piece
                    if not _complete(buffer):
                        continue
                    trap, self.awaited = self.awaited, None
                    trap.spring(self)
                    piece, buffer = buffer, b""
                self.client.sendall(piece)
        except OSError:
            pass
        self.keep_server = False
        self.cut()


def _text(body, at):
    end = body.index(b"\0", at)
    return body[at:end].decode(), end + 1


def _complete(buffer):
    """An answer ends with ReadyForQuery or CopyInResponse."""
    at = 0
    while len(buffer) - at >= 5:
        if buffer[at:at + 1] in (b"Z", b"G"):
            return True
        at += 1 + int.from_bytes(buffer[at + 1:at + 5])
    return False


def _shut(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()

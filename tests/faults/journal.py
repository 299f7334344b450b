# SPDX-License-Identifier: Apache-2.0
"""What a scenario sent, and what became of each message."""

import base64
import json
import threading
from dataclasses import dataclass, field


@dataclass
class Entry:
    """One message. record is what it says (None: nobody can read it); reasons
    are the codes its dead letter may have (none: it is to be stored). Where it
    was put in Kafka is known only to who put it there."""
    kind: str | None
    record: dict | None
    payload: bytes
    reasons: tuple = ()
    topic: str | None = None
    part: int | None = None
    off: int | None = None
    acknowledged: bool = False
    again: int = 0  # times it was sent after the first, over HTTP

    @property
    def where(self):
        return None if self.off is None else (self.topic, self.part, self.off)


@dataclass
class Journal:
    entries: list = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entry):
        with self.lock:
            self.entries.append(entry)
        return entry

    def __len__(self):
        return len(self.entries)

    def acknowledged(self):
        with self.lock:
            return sum(e.acknowledged for e in self.entries)

    def save(self, path):
        """One JSON object a line: for people, and for Journal.load."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            for e in self.entries:
                out.write(json.dumps({
                    **vars(e), "payload":
                    base64.b64encode(e.payload or b"").decode()}) + "\n")

    @classmethod
    def load(cls, path):
        found = cls()
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = json.loads(line)
            fields["payload"] = base64.b64decode(fields["payload"])
            fields["reasons"] = tuple(fields["reasons"])
            found.add(Entry(**fields))
        return found

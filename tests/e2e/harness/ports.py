# SPDX-License-Identifier: Apache-2.0
"""Free loopback ports. Below the range the kernel gives to clients, so that
nobody's outgoing connection takes one between choosing and listening."""

import random
import socket

_given = set()


def free_port():
    for _ in range(1000):
        port = random.randint(20000, 32000)
        if port in _given:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise AssertionError("no free port found")

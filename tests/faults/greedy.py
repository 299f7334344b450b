# SPDX-License-Identifier: Apache-2.0
"""A sender that cannot get enough, as a process of its own: posts a batch so
many times a second, over one connection, until it is told to end (its stdin
closes). Prints what it was answered: {status: count}, and the bodies of 429."""

import collections
import http.client
import json
import select
import sys
import time


def main(port, key, per_second, records):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    body = json.dumps([{"name": "greedy", "value": i}
                       for i in range(int(records))])
    head = {"Content-Type": "application/json",
            "Authorization": f"Bearer {key}"}
    answers, refused = collections.Counter(), {}
    due = time.monotonic()
    while True:
        due = max(due + 1 / float(per_second), time.monotonic() - 1)
        rest = max(0, due - time.monotonic())
        if select.select([sys.stdin], [], [], rest)[0]:
            break
        connection.request("POST", "/api/v1/metrics/ingest/batch", body, head)
        answer = connection.getresponse()
        text = answer.read().decode()
        answers[answer.status] += 1
        if answer.status == 429:
            refused = {"body": json.loads(text)["error"],
                       "retry_after": answer.headers["Retry-After"]}
    print(json.dumps({"answers": answers, "refused": refused}))


if __name__ == "__main__":
    main(*sys.argv[1:])

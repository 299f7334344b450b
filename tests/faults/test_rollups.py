# SPDX-License-Identifier: Apache-2.0
"""Rollups beside writers that die: each bucket is what its samples make it,
late ones included (apache edition, filled by a job)."""

import threading
import time

import psycopg
from harness.records import now_us
from proxy import AFTER, BEFORE
from test_steps import COMMIT

MARKS = r"^query SELECT .*rollup_enter"


class Job(threading.Thread):
    """What the collector does, as often as it can."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.stack, self.rounds, self.problem = stack, 0, None
        self.ending = threading.Event()

    def run(self):
        try:
            while not self.ending.wait(0.1):
                self.once()
        except Exception as problem:  # noqa: BLE001 - shown by the test
            self.problem = problem

    def once(self):
        with self.stack.db.connect("collector") as c:
            try:
                c.execute("SELECT store.rollup_advance()")
            except psycopg.errors.LockNotAvailable:
                pass  # a writer is between its marks and its COMMIT
            while c.execute("SELECT store.rollup_fill()").fetchone()[0] > 0:
                self.rounds += 1

    def finish(self):
        self.ending.set()
        self.join(60)
        assert self.problem is None, self.problem
        self.once()


def wrong_buckets(world, relation, level, width):
    """Buckets of the tenant, of those already filled, that differ from what
    the samples say; and how many there are."""
    with world.stack.db.connect() as c:
        return c.execute(f"""
            WITH s AS (SELECT x.* FROM store.samples x JOIN store.series
                           USING (series_id) WHERE tenant_id = %(tenant)s),
                 want AS (SELECT public.time_bucket(%(width)s, time) AS bucket,
                              series_id, count(*) AS n, sum(value) AS sum,
                              min(value) AS min, max(value) AS max,
                              public.first(value, time) AS first,
                              public.last(value, time) AS last
                          FROM s GROUP BY 1, 2),
                 have AS (SELECT r.* FROM store.{relation} r JOIN store.series
                              USING (series_id) WHERE tenant_id = %(tenant)s)
            SELECT count(*) FILTER (WHERE
                       (w.n, w.min, w.max, w.first, w.last)
                       IS DISTINCT FROM (h.count, h.min, h.max, h.first, h.last)
                       OR abs(w.sum - h.sum) > 1e-6 * (1 + abs(w.sum))),
                   count(*)
            FROM want w FULL JOIN have h USING (bucket, series_id)
            WHERE bucket < store.rollup_filled(%(level)s)""", {
                "tenant": world.tenant, "width": width, "level": level,
            }).fetchone()


def test_rollups_miss_nothing(world):
    """The job and the writer meet, and the writer's transaction ends in every
    way around its marks."""
    proxy = world.proxy()
    job = Job(world.stack)
    job.start()
    world.traffic.tick = now_us  # new ones are new, late ones are late
    world.load(500)
    writer = world.writer(proxy, PULSE_WRITER_BATCH_AGE="20ms")
    for _ in range(60 if world.long else 8):
        when, where = world.chance.choice((
            (BEFORE, {"step": MARKS}), (AFTER, {"step": MARKS}),
            (BEFORE, COMMIT), (AFTER, COMMIT)))

        def fate(link):
            time.sleep(world.chance.uniform(0, 0.5))  # the job comes by
            if world.chance.random() < 0.7:
                link.cut()
        trap = proxy.trap(action=fate, when=when, **where)
        trap.wait(30)
    assert writer.running()
    world.finish()
    job.finish()
    for relation, level, width in (("metrics_1min", "1min", "1 minute"),
                                   ("metrics_1hour", "1hour", "1 hour")):
        wrong, all_of_them = wrong_buckets(world, relation, level, width)
        assert wrong == 0, f"{wrong} of {all_of_them} in {relation}"
        assert all_of_them > 100 or level == "1hour", all_of_them
    # And it would be seen:
    world.stack.db.execute(
        "DELETE FROM store.metrics_1min WHERE (series_id, bucket) = (SELECT"
        " series_id, bucket FROM store.metrics_1min JOIN store.series"
        " USING (series_id) WHERE tenant_id = %s LIMIT 1)", (world.tenant,))
    assert wrong_buckets(world, "metrics_1min", "1min", "1 minute")[0] == 1

// SPDX-License-Identifier: Apache-2.0
// What the collector finds on the timescale edition: policies in the view of
// maintenance, no rollups to fill, the other jobs as everywhere.
import { Edition } from './edition.mjs';
import { done, is } from './tap.mjs';

const db = await Edition.migrated();
const as_collector = (query) => db.value(
    `SELECT tests.answer('pulse_collector', NULL, $$${query}$$)`);

is(await db.exec(`SELECT name FROM store.maintenance WHERE run_by = 'timescaledb'
                  AND outcome = 'waiting' AND late_seconds = 0 ORDER BY name COLLATE "C"`),
   ['policy_compression store.raw_events', 'policy_compression store.samples', 'policy_compression store.telemetry',
    'policy_refresh_continuous_aggregate store.metrics_1hour', 'policy_refresh_continuous_aggregate store.metrics_1min',
    'policy_refresh_continuous_aggregate store.metrics_daily', 'policy_retention public.system_metrics',
    'policy_retention store.metrics_1min', 'policy_retention store.raw_events', 'policy_retention store.samples',
    'policy_retention store.telemetry'].map((name) => ({ name })),
   'every policy is in the view, by the name people know');
is(await as_collector('SELECT EXISTS (SELECT FROM store.rollup_watermark)'), 'false', 'the collector sees that no job fills the rollups');
is(await as_collector('SELECT store.rollup_advance()'), '-infinity', 'where it is asked all the same: nothing');
is(await as_collector('SELECT store.rollup_fill()'), '0', 'nothing');
is(await as_collector('SELECT store.rollup_behind()'), 'false', 'and it is not behind');
is(await as_collector('SELECT count(*) FROM store.retention_run()'), '0', 'retention runs');
is(await as_collector(`SELECT store.outbox_prune('1 day')`), '0', 'the outbox too');
is(await as_collector('SELECT max(compression) FROM store.lifecycle'), 'available', 'compression is available');
done();

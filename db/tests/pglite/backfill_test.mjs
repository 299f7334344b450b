// SPDX-License-Identifier: Apache-2.0
// Back-fill by plain SQL where old chunks are compressed and the rollups are
// continuous aggregates.
import { Edition } from './edition.mjs';
import { done, is, ok } from './tap.mjs';

const db = await Edition.migrated();
await db.exec(`INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A'), ('b', 'B')`);
const as = (tenant) => db.exec(`SET SESSION AUTHORIZATION pulse_api; SET app.tenant_id = '${tenant}'`);
const operator = () => db.exec('SET SESSION AUTHORIZATION postgres');
const rows = `SELECT now() - g * interval '10 minutes' AS time, 'h' || g % 3 AS host, 'm' AS metric_name, g AS value
    FROM generate_series(1, 1140) g`;
const insert = `INSERT INTO metrics (time, host, metric_name, value) SELECT * FROM backfill`;
await db.exec(`CREATE TABLE public.backfill AS ${rows}; GRANT SELECT ON backfill TO pulse_api`);

await as('a');
is(await db.outcome(insert), '1140', 'eight days of rows');
is(await db.outcome(insert), '0', 'again: repeats are left out');
await as('b');
is(await db.value('SELECT count(*) FROM metrics'), '0', 'they are not seen by another tenant');
is(await db.outcome(insert), '1140', 'who may have the same');

// Again, when the oldest chunks are compressed and the rollups made.
await operator();
await db.exec(`SELECT compress_chunk(c) FROM show_chunks('store.samples', older_than => now() - interval '2 days') c`);
for (const level of ['metrics_1min', 'metrics_1hour', 'metrics_daily'])
    await db.exec(`CALL refresh_continuous_aggregate('store.${level}', NULL, now() - interval '1 hour')`);
is(await db.exec('SELECT view_name, bucket FROM tests.rollups_wrong() LIMIT 5'), [], 'the rollups are right');
await as('a');
is(await db.outcome(insert), '0', 'into compressed chunks: repeats are left out');
is(await db.outcome(insert.replace('SELECT *', 'SELECT time, host, metric_name, value + 1')), '23505', 'another value is refused');
is(await db.outcome(insert.replace('SELECT *', `SELECT time + interval '1 s', host, metric_name, value`)), '1140', 'new rows are taken');
is(await db.outcome(`INSERT INTO telemetry (time, device_id, metrics) SELECT time, 'd', jsonb_build_object('temp', value) FROM backfill`),
   '1140', 'telemetry and its samples');
is(await db.value(`SELECT count(*) FROM metrics WHERE name = 'temp'`), '1140', '(all there)');
is(await db.outcome(`INSERT INTO metrics (time, metric_name, value) VALUES (now() - interval '9 days', 'm', 1)`), '23514', 'beyond the late limit: refused');
await operator();
ok(await db.value('SELECT count(*) > 0 FROM tests.rollups_wrong()'), '(the rollups are behind)');
for (const level of ['metrics_1min', 'metrics_1hour', 'metrics_daily'])
    await db.exec(`CALL refresh_continuous_aggregate('store.${level}', NULL, now() - interval '1 hour')`);
is(await db.exec('SELECT view_name, bucket FROM tests.rollups_wrong() LIMIT 5'), [], 'a refresh finds what was back-filled');
done();

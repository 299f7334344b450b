// SPDX-License-Identifier: Apache-2.0
// Rollups as continuous aggregates: always what brute force says once their
// policies ran, late and repeated readings included, and nothing is lost when
// raw data goes.
import { Edition } from './edition.mjs';
import { done, is, ok } from './tap.mjs';

const db = await Edition.migrated();
const levels = ['metrics_1min', 'metrics_1hour', 'metrics_daily'];

// Runs the policy of each level, from the lowest.
async function refresh() {
    for (const level of levels) {
        const job = await db.value(`
            SELECT job_id FROM timescaledb_information.jobs
            WHERE hypertable_name = '${level}' AND proc_name = 'policy_refresh_continuous_aggregate'`);
        await db.exec(`CALL run_job(${job})`);
    }
}
async function wrong() {
    return db.exec('SELECT view_name, bucket, series FROM tests.rollups_wrong() LIMIT 5');
}
// Rows that stand in a level's own table.
async function made(level) {
    const table = await db.value(`
        SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
        FROM timescaledb_information.continuous_aggregates WHERE view_name = '${level}'`);
    return Number(await db.value(`SELECT count(*) FROM ${table}`));
}

is(await db.exec(`SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates
    WHERE view_schema = 'store' ORDER BY view_name`),
   levels.map((view_name) => ({ view_name, materialized_only: 'f' }))
       .sort((a, b) => a.view_name < b.view_name ? -1 : 1),
   'three aggregates, in real time');
is(await db.value('SELECT store.rollups_by_job()'), 'f', 'no job fills them');
is(await db.value('SELECT store.rollup_enter()'), '-infinity', 'so a writer marks nothing');

await db.exec(`INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A'), ('b', 'B'); SELECT setseed(0.4)`);
is(await wrong(), [], 'nothing of nothing');
await db.exec(`SELECT tests.write_samples(3000, '3 days')`);
ok(await db.value('SELECT count(*) < 3000 FROM store.samples'), '(there were repeats)');
is(await wrong(), [], 'before a refresh, all is computed');
await refresh();
is(await wrong(), [], 'after it, what is made and what is not');
for (const level of levels)
    ok(await made(level) > 5, `${level}: (there are made buckets)`);

await db.exec(`SELECT tests.write_samples(50, '3 days')`);
ok((await wrong()).length > 0, '(a late reading is not seen before the next refresh)');
await refresh();
is(await wrong(), [], 'late and repeated readings are in after it');
for (let round = 1; round <= 10; round++) {
    await db.exec(`SELECT tests.write_samples(1 + floor(random() * 300)::int, interval '7 days' * random())`);
    if (round % 3 === 0)
        await refresh();
}
await refresh();
is(await wrong(), [], 'over and over, at random');

// At the late limit, in a chunk that is compressed.
await db.exec(`INSERT INTO store.samples
    SELECT now() - interval '7 days 23 hours' - g * interval '1 s', series_id, g
    FROM store.series_ids('{a}', '{edge}', '{"{}"}'), generate_series(1, 100) g;
    SELECT compress_chunk(c) FROM show_chunks('store.samples', older_than => now() - interval '6 days') c`);
await refresh();
await db.exec(`INSERT INTO store.samples
    SELECT now() - interval '7 days 23 hours' - g * interval '1 s' + interval '0.5 s', series_id, -g
    FROM store.series_ids('{a}', '{edge}', '{"{}"}'), generate_series(1, 100) g ON CONFLICT DO NOTHING`);
ok((await wrong()).length > 0, '(late readings in a compressed chunk)');
await refresh();
is(await wrong(), [], 'as old as the late limit, in a compressed chunk: in after a refresh');

// Raw data goes, its rollups stay. Nothing ever asks for that time again.
await db.exec(`
    INSERT INTO store.samples
        SELECT now() - interval '35 days' + g * interval '7 minutes', series_id, g
        FROM store.series_ids('{a}', '{old}', '{"{}"}'), generate_series(1, 300) g;`);
for (const level of levels)
    await db.exec(`CALL refresh_continuous_aggregate('store.${level}', NULL, now() - interval '20 days')`);
const sums = () => db.exec(levels.map((level) =>
    `SELECT '${level}' AS level, count(*), sum(count) AS readings, sum(sum) FROM store.${level}
     WHERE bucket < now() - interval '30 days'`).join(' UNION ALL '));
const before = await sums();
is(before.map((r) => r.readings), ['300', '300', '300'], '(old readings are in all levels)');
await db.exec(`SELECT drop_chunks('store.samples', older_than => now() - interval '30 days')`);
is(await db.value(`SELECT count(*) FROM store.samples WHERE time < now() - interval '32 days'`), '0', '(their raw data is dropped)');
await db.exec(`SELECT tests.write_samples(100, '3 days')`);
await refresh();
is(await sums(), before, 'rollups outlive the raw data they were made from');

// Nor does a longer late limit ask for it.
const limit = (days) => db.outcome(`UPDATE store.settings SET raw_retention = '60 days', late_limit = '${days} days'`);
is(await limit(50), '23514', 'a late limit that reaches rollups without raw data is refused');
is(await limit(25), '1', 'one that does not reach them may be');
await db.exec(`SELECT tests.write_samples(100, '3 days')`);
await refresh();
is(await sums(), before, 'and they stay');
await db.exec(`INSERT INTO store.metric_retention VALUES ('a', 'gone', now() - interval '27 days')`);
is(await limit(27), '23514', 'nor may it reach what was deleted of a metric');
done();

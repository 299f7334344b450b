// SPDX-License-Identifier: Apache-2.0
// An upgrade of the timescale edition, as ../upgrade_test of the other: samples
// from before the rollups, older than the refresh policies reach and than raw
// data is kept, are in every level once rollup_history ran.
import { Edition, migration_names, read } from './edition.mjs';
import { done, is, ok } from './tap.mjs';

const names = migration_names().filter((name) => name < '900');
const db = await Edition.empty();
for (const name of names.filter((n) => n < '011'))
    await db.migrate(name);
await db.exec(`
    INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A');
    INSERT INTO metric_definitions (tenant_id, name, retention_days) VALUES ('a', 'hot', 9);
    INSERT INTO store.samples
        SELECT now() - days * interval '1 day' - g * interval '7 minutes', series_id, g
        FROM store.series_ids('{a,a}', '{hot,cold}', '{"{}","{}"}'),
             (SELECT generate_series(1, 20) UNION ALL SELECT 40) d (days), generate_series(1, 150) g`);
for (const name of names.filter((n) => n >= '011'))
    await db.migrate(name);
await db.exec('CREATE SCHEMA tests');
await db.exec(read('../shared.sql'));
await db.exec('SET search_path = tests, public');

async function job(kind, name) {
    return db.value(`SELECT job_id FROM timescaledb_information.jobs
        WHERE proc_name = '${kind}' AND coalesce(hypertable_name, '') = '${name}'`);
}
async function run(kind, name) {
    await db.exec(`CALL run_job(${await job(kind, name)})`);
}
async function refresh() {
    for (const level of ['metrics_1min', 'metrics_1hour', 'metrics_daily'])
        await run('policy_refresh_continuous_aggregate', level);
}
const wrong = () => db.exec('SELECT view_name, bucket, series FROM tests.rollups_wrong() LIMIT 5');
const scheduled = async (id) => db.value(`SELECT scheduled FROM timescaledb_information.jobs WHERE job_id = ${id}`);
const told = () => db.exec(`SELECT outcome FROM store.maintenance WHERE name = 'rollup_history'`);
const retain = () => db.exec('SELECT action, relation FROM store.retention_run()');

const history = await job('rollup_history', '');
is(await scheduled(history), 't', 'the upgrade makes a job');
is(await db.value(`SELECT owner FROM timescaledb_information.jobs WHERE job_id = ${history}`), 'pulse_owner', 'of the owner');
is(await told(), [{ outcome: 'waiting' }], 'operators see it');

// Policies may be quicker.
await refresh();
ok((await wrong()).length > 0, '(they do not reach all)');
is(await scheduled(await job('policy_retention', 'samples')), 'f', 'no sample is dropped before');
is(await db.outcome(`UPDATE store.settings SET compress_after = '6 days'`), '1', '(policies are made anew)');
is(await scheduled(await job('policy_retention', 'samples')), 'f', 'nor then');
is(await retain(), [], 'nor deleted');

await run('rollup_history', '');
await refresh();
is(await wrong(), [], 'every bucket of every level is what brute force says');
is(await db.value('SELECT sum(count) FROM store.metrics_daily'), await db.value('SELECT count(*) FROM store.samples'), 'of all samples');
is(await db.value('SELECT count(DISTINCT time_bucket(\'1 day\', time)) > 20 FROM store.samples'), 't', '(of more than 20 days)');
is(await scheduled(history), 'f', 'the job is done for good');
is(await told(), [], 'and not shown any more');

// What is old goes, its rollups stay.
const sums = () => db.exec(['1min', '1hour', 'daily'].map((level) =>
    `SELECT '${level}' AS level, count(*), sum(count) AS readings, sum(sum) FROM store.metrics_${level}`).join(' UNION ALL '));
const before = await sums();
const retention = await job('policy_retention', 'samples');
is(await scheduled(retention), 't', 'samples age from now on');
await run('policy_retention', 'samples');
is(await retain(), [{ action: 'delete', relation: 'store.samples' }], 'of a metric too');
is(await db.value(`SELECT count(*) FROM store.samples WHERE time < now() - interval '32 days'`), '0', '(they are gone)');
await refresh();
is(await sums(), before, 'rollups are what they were');
done();

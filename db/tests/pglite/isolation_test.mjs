// SPDX-License-Identifier: Apache-2.0
// The attacks of ../isolation_attacks.sql on the timescale edition: old chunks
// are compressed, the rollups are continuous aggregates.
import { Edition, read } from './edition.mjs';
import { done, is, ok } from './tap.mjs';

const db = await Edition.migrated();
await db.exec(read('../isolation_attacks.sql'));
await db.exec('BEGIN; SELECT tests.hostile_world(); COMMIT');

await db.exec(`SELECT compress_chunk(c)
    FROM unnest(ARRAY['store.samples', 'store.telemetry', 'store.raw_events']::regclass[]) h,
         show_chunks(h, older_than => now() - interval '5 days') c`);
is(await db.value(`SELECT string_agg(DISTINCT hypertable_name, ',' ORDER BY hypertable_name)
    FROM timescaledb_information.chunks WHERE is_compressed`),
   'raw_events,samples,telemetry', 'old chunks are compressed');
for (const level of ['metrics_1min', 'metrics_1hour', 'metrics_daily'])
    await db.exec(`CALL refresh_continuous_aggregate('store.${level}', NULL, now() - interval '2 days')`);
await db.exec('ANALYZE');
await db.exec('SELECT tests.list_attacks()');

is(await db.exec('SELECT * FROM tests.isolation_gaps()'), [], 'no gap');
ok(await db.value('SELECT count(*) > 500 FROM tests.attacks'), '(attacks were found)');
ok(await db.value(`SELECT bool_and(tests.shows_b(tests.observed('hostile_b', NULL, 'SELECT * FROM ' || view)))
    FROM unnest(ARRAY['metrics', 'metrics_latest', 'telemetry', 'raw_events', 'metrics_1min', 'metrics_1hour', 'metrics_daily']) view`),
   '(b sees its own)');
is(await db.value(`SELECT tests.observed('hostile_a', NULL, 'SELECT sum(count) FROM metrics_1hour')`),
   '(403)', '(a sees its own, in the rollups too)');

async function attack(how, reading) {
    for (const f of [`attack(${reading})`, 'guess()'])
        for (const r of await db.exec(`SELECT * FROM tests.${f}`)) {
            ok(r.good === 't', `${how}: ${r.what}`);
            if (r.good !== 't')
                console.log(r.seen.replace(/^/gm, '#   '));
        }
}
await attack('as planned', false);
await db.exec(`SET enable_indexscan = off; SET enable_indexonlyscan = off;
    SET enable_bitmapscan = off; SET enable_material = off`);
await attack('whole tables', true);
await db.exec(`RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan; RESET enable_material;
    SET enable_nestloop = off; SET enable_seqscan = off`);
await attack('merged and hashed', true);

// Conditions may also say what they see aloud.
is(db.notices.filter((n) => /canary|42424[.]25/.test(n)), [], 'no notice shows b');
done();

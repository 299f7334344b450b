// SPDX-License-Identifier: Apache-2.0
// The writer's own statements, read from its sources, on compressed chunks: the
// staging path stores what is new, tells repeats from conflicts, and stays
// below the limit of decompressed rows in pieces of the writer's size.
import fs from 'node:fs';
import path from 'node:path';
import { Edition } from './edition.mjs';
import { done, is, ok } from './tap.mjs';

const writer = path.join(import.meta.dirname, '../../../services/writer');
const source = (name) => fs.readFileSync(path.join(writer, name), 'utf8');
const literal = '((?:"(?:[^"\\\\]|\\\\.)*"\\s*)+)';
const unquoted = (text) => text.match(/"(?:[^"\\]|\\.)*"/g).map((s) => s.slice(1, -1)).join('');

// { samples: { create, empty, insert, compare }, … }
function tables() {
    const found = {};
    for (const [, name, body] of source('tables.c').matchAll(/struct table (\w+)_table = \{(.*?)\n\};/gs))
        found[name] = Object.fromEntries([...body.matchAll(new RegExp(`\\.(\\w+) =\\s*${literal},`, 'g'))]
            .map(([, field, text]) => [field, unquoted(text)]));
    return found;
}
const statements = tables();
const allow = unquoted(source('store.c').match(new RegExp(`allow_sql\\[\\] =\\s*${literal};`))[1]);
is(Object.keys(statements).sort(), ['events', 'samples', 'telemetry'], 'three tables');

const db = await Edition.migrated();
const at = `date_trunc('day', now(), 'UTC') - interval '7 days 12 hours'`;
await db.exec(`
    INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A');
    SELECT store.series_ids(array_fill('a'::text, ARRAY[40]), array_agg('m' || g), array_agg('{}'::jsonb)) FROM generate_series(1, 40) g;
    INSERT INTO store.samples SELECT ${at} + t * interval '1 s', s, t FROM generate_series(1, 40) s, generate_series(1, 1000) t;
    INSERT INTO store.telemetry (time, tenant_id, device_id, metrics)
        SELECT ${at} + t * interval '1 s', 'a', 'd' || d, '{"x": 1}' FROM generate_series(1, 10) d, generate_series(1, 300) t;
    INSERT INTO store.raw_events (id, tenant_id, topic, part, off, data, time)
        SELECT 'e' || t, 'a', 't', 0, t, '{"level": "info"}', ${at} + t * interval '1 s' FROM generate_series(1, 300) t`);
const compress = () => db.exec(`
    SELECT public.compress_chunk(format('%I.%I', chunk_schema, chunk_name)::regclass, if_not_compressed => true)
    FROM timescaledb_information.chunks WHERE hypertable_schema = 'store'
      AND hypertable_name IN ('samples', 'telemetry', 'raw_events')
      AND range_end < now() - interval '7 days'`);
await compress();

const as_writer = () => db.exec('SET SESSION AUTHORIZATION pulse_writer');
const as_admin = () => db.exec('SET SESSION AUTHORIZATION postgres');
await as_writer();
is(await db.exec(`SELECT late_before = now() - interval '8 days' AS late,
    compressed_before = now() - interval '7 days' AS compressed FROM store.writer_horizons()`),
   [{ late: 't', compressed: 't' }], 'the horizons of this edition');
is(await db.value('SELECT store.rollup_enter()'), '-infinity', 'no row needs a mark');
await db.exec(`SELECT store.rollup_mark('{1}', ARRAY[now()])`);
is(await db.value(allow), '1000000', 'the session may decompress more');
for (const t of Object.values(statements))
    await db.exec(t.create);

// One piece: staged rows in, { stored, same, other } out, counted by n.
async function piece(name, rows) {
    const t = statements[name];
    await db.exec('BEGIN');
    await db.exec(`INSERT INTO pg_temp.stage_${name} ${rows}`);
    const made = (await db.exec(t.insert)).map((r) => Number(Object.values(r)[0]));
    const all = (await db.exec(`SELECT n FROM pg_temp.stage_${name}`)).map((r) => Number(r.n));
    const left = all.filter((n) => !made.includes(n));
    const compared = (await db.db.query(t.compare, [`{${left.join()}}`])).rows;
    const same = compared.filter((r) => Object.values(r)[1] === 't').length;
    await db.exec(t.empty);
    await db.exec('COMMIT');
    return { stored: made.length, same, other: compared.length - same };
}

const samples = (offset, value, step) => `SELECT row_number() OVER (), ${at} + (t + ${offset}) * interval '1 s', s, t + ${value}
    FROM generate_series(1, 40) s, generate_series(1, 1000, ${step}) t`;
is(await piece('samples', samples(0, 0, 40)), { stored: 0, same: 1000, other: 0 }, 'samples: repeats');
is(await piece('samples', samples(0, 1, 40)), { stored: 0, same: 0, other: 1000 }, 'samples: conflicts');
is(await piece('samples', samples(0.5, 0, 40)), { stored: 1000, same: 0, other: 0 }, 'samples: new ones');
is(await piece('samples', `${samples(0.25, 0, 500)} UNION ALL SELECT 1000 + row_number() OVER (), ${at} + 1.25 * interval '1 s', s, 1
    FROM generate_series(1, 2) s`), { stored: 80, same: 2, other: 0 }, 'samples: twice in one piece');

const telemetry = (offset, x) => `SELECT row_number() OVER (), ${at} + (t + ${offset}) * interval '1 s', 'a', 'd' || d, NULL, 'telemetry', 0,
    jsonb_build_object('x', ${x}) FROM generate_series(1, 10) d, generate_series(1, 300, 3) t`;
is(await piece('telemetry', telemetry(0, 1)), { stored: 0, same: 1000, other: 0 }, 'telemetry: repeats');
is(await piece('telemetry', telemetry(0, 2)), { stored: 0, same: 0, other: 1000 }, 'telemetry: conflicts');
is(await piece('telemetry', telemetry(0.5, 1)), { stored: 1000, same: 0, other: 0 }, 'telemetry: new ones');

const events = (id, level) => `SELECT t, '${id}' || t, 'a', 't', 0, t, '{"level": "${level}"}', ${at} + t * interval '1 s'
    FROM generate_series(1, 300) t`;
is(await piece('events', events('e', 'info')), { stored: 0, same: 300, other: 0 }, 'events: repeats');
is(await piece('events', events('e', 'warn')), { stored: 0, same: 0, other: 300 }, 'events: conflicts');
is(await piece('events', events('f', 'info')), { stored: 300, same: 0, other: 0 }, 'events: new ones');

// Where rows are checked by decompressing (older versions, and this one told
// so), a piece of the writer's size stays below the session's limit.
await as_admin();
await compress();
await as_writer();
await db.exec('SET timescaledb.enable_dml_decompression_tuple_filtering = off');
is(await piece('samples', samples(0, 0, 40)), { stored: 0, same: 1000, other: 0 }, 'the largest piece, decompressing');
await as_admin();
await compress();
await as_writer();
await db.exec('SET timescaledb.max_tuples_decompressed_per_dml_transaction = 10000');
const refused = await piece('samples', samples(0, 0, 40)).catch((error) => error.code);
is(refused, '53400', 'a smaller limit refuses it: the writer makes the piece smaller');
is(await piece('samples', `SELECT * FROM (${samples(0, 0, 40)}) x ORDER BY 3, 2 LIMIT 125`), { stored: 0, same: 125, other: 0 }, 'and it goes in');
await as_admin();
ok(await db.value('SELECT count(*) = count(DISTINCT (series_id, time)) FROM store.samples') === 't', 'no row is there twice');
done();

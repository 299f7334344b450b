// SPDX-License-Identifier: Apache-2.0
// Bytes a sample takes on disk, indexes included, before and after compression
// with the schema's own settings (segments by series, batches of at most 1,000
// rows). A day per line: one chunk. Not a test.
import { Edition } from './edition.mjs';

const samples = 200000;
// Steps from one sample to the next of a series; r() is random, from 0 to 1.
const shapes = {
    'slow counter': 'sum(CASE WHEN random() < 0.1 THEN floor(random() * 5) ELSE 0 END) OVER s',
    'walk in steps of 0.01': 'round((20 + sum(round((random() - 0.5)::numeric * 0.06, 2)) OVER s)::numeric, 2)::float8',
    'noisy double': '50 + 10 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())',
};
const clocks = {
    'exact': '0',
    'jitter 1 ms': 'floor(random() * 1000) / 1e6',
};

const db = await Edition.migrated();
await db.exec(`INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A'); SELECT setseed(0.5)`);
console.log('| values | every | rows a series and day | clock | bytes, plain | bytes, compressed | ratio |');
console.log('|---|---|---|---|---|---|---|');

let day = 0;
for (const [shape, value] of Object.entries(shapes))
    for (const every of [10, 600])
        for (const [clock, jitter] of Object.entries(clocks)) {
            const rows = 86400 / every, series = Math.round(samples / rows);
            const start = `timestamptz '2026-01-01' + interval '${day++} days'`;
            // As they come: all series at one time, then the next.
            await db.exec(`INSERT INTO store.samples
                SELECT ${start} + (g * ${every} + ${jitter}) * interval '1 s', id, ${value}
                FROM generate_series(0, ${rows - 1}) g, generate_series(1, ${series}) id
                WINDOW s AS (PARTITION BY id ORDER BY g) ORDER BY g, id`);
            const chunk = await db.value(`SELECT compress_chunk(show_chunks('store.samples',
                newer_than => ${start}, older_than => ${start} + interval '1 day'))`);
            const [r] = await db.exec(`
                SELECT before_compression_total_bytes / ${rows * series}.0 AS plain,
                       after_compression_total_bytes / ${rows * series}.0 AS packed
                FROM chunk_compression_stats('store.samples')
                WHERE format('%I.%I', chunk_schema, chunk_name) = '${chunk}'`);
            console.log(`| ${shape} | ${every} s | ${rows} | ${clock} | ${Number(r.plain).toFixed(1)} | ${Number(r.packed).toFixed(2)} | ${(r.plain / r.packed).toFixed(1)} |`);
        }

// Whole messages, likewise: 40 devices with five readings, every 30 s; short
// lines of a log with ids of their own.
const messages = {
    telemetry: `INSERT INTO store.telemetry (time, tenant_id, device_id, site_id, seq, metrics)
        SELECT timestamptz '2026-01-01' + (g * 30 + d * 0.01) * interval '1 s', 'a', 'device-' || d, 'site-1', g,
               jsonb_build_object('temp', round((20 + random())::numeric, 2), 'hum', round((50 + random() * 10)::numeric, 1),
                                  'bat', 3.7, 'rssi', -60 - floor(random() * 5), 'door', false)
        FROM generate_series(1, 2000) g, generate_series(1, 40) d ORDER BY g, d`,
    raw_events: `INSERT INTO store.raw_events (id, tenant_id, topic, part, off, data, time)
        SELECT gen_random_uuid()::text, 'a', 'pulse.events', 0, g,
               jsonb_build_object('level', 'info', 'service', 'svc' || g % 10, 'msg', 'request ' || g || ' took ' || g % 1000 || ' ms'),
               timestamptz '2026-01-01' + g * interval '0.5 s'
        FROM generate_series(1, 80000) g`,
};
console.log('\n| rows of | bytes, plain | bytes, compressed | ratio |\n|---|---|---|---|');
for (const [name, insert] of Object.entries(messages)) {
    await db.exec(insert);
    await db.exec(`SELECT compress_chunk(c) FROM show_chunks('store.${name}') c`);
    const [r] = await db.exec(`SELECT sum(before_compression_total_bytes) / 80000.0 AS plain, sum(after_compression_total_bytes) / 80000.0 AS packed
        FROM chunk_compression_stats('store.${name}')`);
    console.log(`| ${name} | ${Number(r.plain).toFixed(1)} | ${Number(r.packed).toFixed(1)} | ${(r.plain / r.packed).toFixed(1)} |`);
}
process.exit(0);

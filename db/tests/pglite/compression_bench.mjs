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
process.exit(0);

// SPDX-License-Identifier: Apache-2.0
// tap.mjs - the Test Anything Protocol, as much of it as these tests need.
import { isDeepStrictEqual } from 'node:util';

let count = 0, failed = 0;

function point(good, name, note = '') {
    console.log(`${good ? 'ok' : 'not ok'} ${++count} - ${name}${note}`);
    if (!good)
        failed++;
}

export function ok(good, name) {
    point(Boolean(good), name);
}

export function is(got, wanted, name) {
    const good = isDeepStrictEqual(got, wanted);
    point(good, name);
    if (!good)
        console.log(`#   got ${show(got)}\n#   wanted ${show(wanted)}`);
}

// What this edition cannot do here, and why; the run shows these lines.
export function skip(name, why) {
    point(true, name, ` # SKIP ${why}`);
}

// The last call: a test that ends without it has not ended well.
export function done() {
    console.log(`1..${count}`);
    process.exit(failed === 0 && count > 0 ? 0 : 1);
}

function show(value) {
    return JSON.stringify(value, (key, v) => typeof v === 'bigint' ? `${v}` : v);
}

// PGlite's errors carry the whole statement and its own source.
process.on('uncaughtException', (error) => {
    console.log(`# ${error.stack?.split('\n').slice(0, 3).join('\n# ')}`);
    if (error.where)
        console.log(`# ${error.where.split('\n').join('\n# ')}`);
    process.exit(1);
});

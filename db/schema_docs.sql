-- SPDX-License-Identifier: Apache-2.0
-- docs/schema.md, from the comments of a migrated database: psql -XqAtf this.
-- Roles, then tables and views with all that hangs on them, then functions.
SET search_path = pg_catalog;

CREATE FUNCTION pg_temp.cell(t text) RETURNS text LANGUAGE sql AS $$
    SELECT replace(replace(coalesce(t, ''), E'\n', ' '), '|', '\|')
$$;
CREATE FUNCTION pg_temp.code(t text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN t <> '' THEN '`' || pg_temp.cell(t) || '`' ELSE '' END
$$;
CREATE FUNCTION pg_temp.role_name(r oid) RETURNS text LANGUAGE sql AS $$
    SELECT CASE r WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(r) END
$$;

-- What is ours: not the extensions' and not the chunks.
CREATE TEMP VIEW ours AS
SELECT c.oid, n.nspname, c.relname, n.nspname || '.' || c.relname AS name, c.relkind, c.relacl,
       c.relowner, c.relrowsecurity, c.reloptions, h.hypertable_name IS NOT NULL AS hyper,
       d.time_interval
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN timescaledb_information.hypertables h
    ON (h.hypertable_schema, h.hypertable_name) = (n.nspname, c.relname)
LEFT JOIN timescaledb_information.dimensions d
    ON (d.hypertable_schema, d.hypertable_name) = (n.nspname, c.relname)
WHERE n.nspname IN ('store', 'public') AND c.relkind IN ('r', 'v', 'm')
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass
                  AND e.objid = c.oid AND e.deptype = 'e');

-- role: SELECT, INSERT (some, columns); without the owner's own.
CREATE TEMP VIEW rights AS
SELECT oid, string_agg(who || ' ' || what, '; ' ORDER BY who COLLATE "C") AS text
FROM (
    SELECT oid, who, string_agg(command || columns, ', ' ORDER BY command COLLATE "C", columns) AS what
    FROM (
        SELECT o.oid, pg_temp.role_name(x.grantee) AS who, x.privilege_type AS command, '' AS columns
        FROM ours o, aclexplode(o.relacl) x WHERE x.grantee <> o.relowner
        UNION ALL
        SELECT o.oid, pg_temp.role_name(x.grantee), x.privilege_type,
               ' (' || string_agg(a.attname, ', ' ORDER BY a.attnum) || ')'
        FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid, aclexplode(a.attacl) x
        WHERE x.grantee <> o.relowner GROUP BY o.oid, x.grantee, x.privilege_type
    ) one GROUP BY oid, who
) each_role GROUP BY oid;

CREATE TEMP VIEW columns AS
SELECT o.oid, a.attnum,
       format('| %s | %s | %s | %s | %s |', pg_temp.code(a.attname),
              pg_temp.cell(format_type(a.atttypid, a.atttypmod)),
              CASE WHEN o.relkind = 'r' AND NOT a.attnotnull THEN 'yes' ELSE '' END,
              pg_temp.code(CASE
                  WHEN a.attidentity <> '' THEN 'identity'
                  WHEN a.attgenerated <> '' THEN 'generated: ' || pg_get_expr(d.adbin, d.adrelid)
                  ELSE pg_get_expr(d.adbin, d.adrelid) END),
              pg_temp.cell(col_description(o.oid, a.attnum))) AS text
FROM ours o
JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (o.oid, a.attnum);

CREATE TEMP VIEW parts AS
SELECT i.indrelid AS oid, 3 AS section, c.relname COLLATE "C" AS name,
       format('- index `%s`: %s`%s`%s', c.relname, CASE WHEN i.indisunique THEN 'unique ' ELSE '' END,
              regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING btree |^.* USING ', ''),
              ': ' || obj_description(c.oid, 'pg_class')) AS text
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
UNION ALL
SELECT k.conrelid, 4, k.conname COLLATE "C",
       format('- constraint `%s`: `%s`%s', k.conname, pg_get_constraintdef(k.oid),
              ': ' || obj_description(k.oid, 'pg_constraint'))
FROM pg_constraint k WHERE k.contype IN ('c', 'f', 'x') AND k.conrelid <> 0
UNION ALL
SELECT t.tgrelid, 5, t.tgname COLLATE "C",
       format('- trigger `%s`: %s %s, `%s()`%s', t.tgname,
              CASE WHEN t.tgtype & 64 <> 0 THEN 'instead of' WHEN t.tgtype & 2 <> 0 THEN 'before' ELSE 'after' END,
              concat_ws(' or ', CASE WHEN t.tgtype & 4 <> 0 THEN 'insert' END,
                        CASE WHEN t.tgtype & 16 <> 0 THEN 'update' END,
                        CASE WHEN t.tgtype & 8 <> 0 THEN 'delete' END),
              t.tgfoid::regproc, ': ' || obj_description(t.oid, 'pg_trigger'))
FROM pg_trigger t WHERE NOT t.tgisinternal;

CREATE TEMP VIEW heads AS
SELECT oid, format(E'### %s\n\n%s%s. %s', name,
    CASE WHEN hyper THEN 'Hypertable by time'
         WHEN relkind = 'v' THEN 'View' ELSE 'Table' END,
    CASE WHEN relrowsecurity THEN ' with row-level security'
         WHEN reloptions @> '{security_barrier=true}' THEN ' with a security barrier' ELSE '' END,
    obj_description(oid, 'pg_class')) AS text
FROM ours;

\echo '# The schema'
\echo
\echo 'Made by `make schema-docs` from the comments in the database, after all of db/migrations,'
\echo 'on the apache edition of TimescaleDB; `make db-test` fails where this is out of date.'
\echo 'On the timescale edition some tables are continuous aggregates with the same columns.'
\echo 'Rights leave out the owner, pulse_owner. A table with row-level security has a policy for'
\echo 'each right; members of pulse_app get rows of their own tenant only (see ADR 4).'
\echo
\echo '## Roles'
\echo
\echo '| role | logs in | member of | what for |'
\echo '|---|---|---|---|'
SELECT format('| %s | %s | %s | %s |', pg_temp.code(r.rolname), CASE WHEN r.rolcanlogin THEN 'yes' ELSE '' END,
              (SELECT string_agg(pg_get_userbyid(m.roleid), ', ' ORDER BY 1) FROM pg_auth_members m WHERE m.member = r.oid),
              pg_temp.cell(shobj_description(r.oid, 'pg_authid')))
FROM pg_roles r WHERE r.rolname LIKE 'pulse\_%' ORDER BY r.rolname COLLATE "C";
\echo
\echo '## Schemas'
\echo
SELECT format('- `%s`: %s', nspname, obj_description(oid, 'pg_namespace'))
FROM pg_namespace WHERE nspname = 'store';
\echo '- `public`: what people query: views of the store, and the ordinary tables'
\echo
\echo '## Tables and views'

SELECT text FROM (
    SELECT o.name, o.oid, 0 AS section, 0 AS place, '' COLLATE "C" AS part, E'\n' || h.text || E'\n' AS text
    FROM ours o JOIN heads h USING (oid)
    UNION ALL
    SELECT name, oid, 1, 0, '', E'| column | type | null | default | meaning |\n|---|---|---|---|---|' FROM ours
    UNION ALL
    SELECT o.name, o.oid, 2, c.attnum, '', c.text FROM ours o JOIN columns c USING (oid)
    UNION ALL
    SELECT DISTINCT o.name, o.oid, 2, 32767, '', '' FROM ours o
    UNION ALL
    SELECT o.name, o.oid, p.section, 0, p.name, p.text FROM ours o JOIN parts p USING (oid)
    UNION ALL
    SELECT o.name, o.oid, 6, 0, '', '- rights: ' || coalesce(r.text, 'the owner''s alone')
    FROM ours o LEFT JOIN rights r USING (oid)
) line ORDER BY name COLLATE "C", section, place, part;

\echo
\echo '## Functions'
\echo
\echo 'In short: what it returns; `definer`: it runs with the rights of pulse_owner; who may call it.'

SELECT format(E'\n### %s(%s)\n\n%s\n\nReturns %s. %s%s.%s', f.name, f.arguments, f.comment, f.result,
              initcap(f.volatility), CASE WHEN f.definer THEN ', definer' ELSE '' END,
              ' Called by: ' || f.callers || '.')
FROM (
    SELECT n.nspname || '.' || p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
           obj_description(p.oid, 'pg_proc') AS comment,
           CASE p.prokind WHEN 'p' THEN 'nothing (a procedure)' ELSE '`' || pg_get_function_result(p.oid) || '`' END AS result,
           CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
           p.prosecdef AS definer,
           (SELECT string_agg(pg_temp.role_name(x.grantee), ', ' ORDER BY pg_temp.role_name(x.grantee) COLLATE "C")
            FROM aclexplode(p.proacl) x WHERE x.grantee <> p.proowner) AS callers
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('store', 'public')
      AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass
                      AND e.objid = p.oid AND e.deptype = 'e')
) f ORDER BY f.name COLLATE "C", f.arguments COLLATE "C";

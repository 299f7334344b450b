-- SPDX-License-Identifier: Apache-2.0
-- What a dump of one database leaves out, as statements that may run again
-- (psql -At): the roles of Pulse and of tenants' logins without their
-- passwords, who is member of what, rights on and settings of the database.
SET search_path = pg_catalog;

CREATE TEMP VIEW wanted AS
SELECT r.* FROM pg_roles r
WHERE NOT r.rolsuper
  AND (r.rolname LIKE 'pulse\_%' OR r.rolname IN (SELECT login FROM store.tenant_logins));

SELECT format('DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %L) THEN CREATE ROLE %I; END IF; END $do$;',
              rolname, rolname)
    || format(E'\nALTER ROLE %I %s %s CONNECTION LIMIT %s;', rolname,
              CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
              CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, rolconnlimit)
    || coalesce(format(E'\nCOMMENT ON ROLE %I IS %L;', rolname, shobj_description(oid, 'pg_authid')), '')
FROM wanted ORDER BY rolname COLLATE "C";

SELECT format('GRANT %I TO %I;', pg_get_userbyid(m.roleid), w.rolname)
FROM pg_auth_members m JOIN wanted w ON w.oid = m.member
WHERE m.roleid IN (SELECT oid FROM wanted) OR pg_get_userbyid(m.roleid) LIKE 'pg\_%'
ORDER BY 1;

-- :"database" is the database restored to.
SELECT 'REVOKE ALL ON DATABASE :"database" FROM PUBLIC;';
SELECT format('GRANT %s ON DATABASE :"database" TO %s%s;', x.privilege_type,
              CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(w.rolname) END,
              CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database d
CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
LEFT JOIN wanted w ON w.oid = x.grantee
WHERE d.datname = current_database() AND (x.grantee = 0 OR w.oid IS NOT NULL)
ORDER BY 1;

-- Lists are kept as they are written, other values are quoted.
SELECT CASE WHEN s.setrole = 0 THEN 'ALTER DATABASE :"database"'
            ELSE format('ALTER ROLE %I IN DATABASE :"database"', w.rolname) END
    || format(' SET %s = %s;', split_part(one, '=', 1),
              CASE WHEN split_part(one, '=', 1) IN ('search_path', 'temp_tablespaces', 'local_preload_libraries',
                                                    'session_preload_libraries')
                   THEN substr(one, strpos(one, '=') + 1)
                   ELSE quote_literal(substr(one, strpos(one, '=') + 1)) END)
FROM pg_db_role_setting s
JOIN pg_database d ON d.oid = s.setdatabase
CROSS JOIN unnest(s.setconfig) one
LEFT JOIN wanted w ON w.oid = s.setrole
WHERE d.datname = current_database() AND (s.setrole = 0 OR w.oid IS NOT NULL)
  AND one NOT LIKE 'timescaledb.restoring=%'
ORDER BY 1;

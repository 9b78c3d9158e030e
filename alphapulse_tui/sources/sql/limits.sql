-- Limits of a role or database: "too many connections for role" is not max_connections, and needs another fix.
SELECT 'role ' || rolname AS subject, rolconnlimit::int AS "limit",
       (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid AND a.backend_type = 'client backend')::int AS used
  FROM pg_roles r WHERE rolconnlimit >= 0
UNION ALL
SELECT 'database ' || datname, datconnlimit::int,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.backend_type = 'client backend')::int
  FROM pg_database d WHERE datconnlimit >= 0
ORDER BY 1

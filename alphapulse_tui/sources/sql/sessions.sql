-- Sessions that a person could act on: blockers and what they block ($1) first, then active, then idle in a transaction, then idle.
SELECT a.pid, a.backend_start, coalesce(a.usename, '')::text AS usename, coalesce(a.datname, '')::text AS datname,
       coalesce(a.application_name, '') AS application, coalesce(host(a.client_addr), '') AS client, a.backend_type, a.state,
       a.wait_event_type, a.wait_event, extract(epoch FROM a.xact_start)::float8 AS xact_start,
       extract(epoch FROM a.query_start)::float8 AS query_start, extract(epoch FROM a.state_change)::float8 AS state_change,
       left(a.query, 500) AS query, a.leader_pid, coalesce(r.rolsuper, false) AS superuser, coalesce(r.rolreplication, false) AS replication
  FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
 WHERE a.pid <> pg_backend_pid()
   AND a.backend_type IN ('client backend', 'parallel worker', 'autovacuum worker', 'walsender', 'logical replication worker')
 ORDER BY a.pid = ANY($1::int[]) DESC, (a.state = 'active') DESC NULLS LAST, (a.state LIKE 'idle in transaction%') DESC NULLS LAST,
          coalesce(a.xact_start, a.state_change), a.pid
 LIMIT 1000

-- Sessions in one of the states $1, of application $2 (empty: any), among the pids $3 (empty: any), longest in their state first.
-- What protects a session is told, not filtered here: a person wants to know who is spared, and why.
SELECT a.pid, a.backend_start, coalesce(a.usename, '')::text AS usename, coalesce(a.datname, '')::text AS datname,
       coalesce(a.application_name, '') AS application,
       coalesce(host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'local' ELSE '' END) AS client, a.state,
       a.state_change, extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS seconds,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_seconds,
       coalesce(l.locks, 0)::int AS locks, left(a.query, 300) AS query,
       coalesce(r.rolsuper, false) AS superuser, coalesce(r.rolreplication, false) AS replication,
       coalesce(pg_has_role(current_user, a.usesysid, 'usage') OR pg_has_role(current_user, 'pg_signal_backend', 'usage'), false) AS may_signal
  FROM pg_stat_activity a
  LEFT JOIN pg_roles r ON r.oid = a.usesysid
  LEFT JOIN (SELECT pid, count(*) AS locks FROM pg_locks WHERE granted GROUP BY pid) l ON l.pid = a.pid
 WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' AND a.state = ANY($1::text[])
   AND ($2::text = '' OR a.application_name = $2::text)
   AND (cardinality($3::int[]) = 0 OR a.pid = ANY($3::int[]))
 ORDER BY a.state_change, a.pid

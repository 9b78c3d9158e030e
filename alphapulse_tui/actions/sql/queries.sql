-- Queries that could be cancelled: those that run, or the sessions $1 whatever they do, longest first. A parallel query is its leader's.
SELECT a.pid, a.backend_start, a.query_start, coalesce(a.usename, '')::text AS usename, coalesce(a.datname, '')::text AS datname,
       coalesce(a.application_name, '') AS application, coalesce(host(a.client_addr), 'local') AS client, a.backend_type,
       coalesce(a.state, '') AS state, a.leader_pid, coalesce(a.wait_event_type || ':' || a.wait_event, '') AS wait,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS seconds,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_seconds, a.backend_xid IS NOT NULL AS wrote,
       (SELECT count(*) FROM pg_stat_activity w WHERE w.leader_pid = a.pid)::int AS workers,
       (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.granted)::int AS locks, left(a.query, 300) AS query,
       coalesce(r.rolsuper, false) AS superuser, coalesce(r.rolreplication, false) AS replication,
       coalesce(pg_has_role(current_user, a.usesysid, 'usage') OR pg_has_role(current_user, 'pg_signal_backend', 'usage'), false) AS may_signal,
       EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.pid = a.pid AND p.command LIKE '%CONCURRENTLY') AS builds_index,
       current_user::text AS role, pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all
  FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
 WHERE a.pid <> pg_backend_pid()
   AND (a.pid = ANY($1::int[]) OR (cardinality($1::int[]) = 0 AND a.state = 'active' AND a.backend_type = 'client backend'))
 ORDER BY a.query_start, a.pid

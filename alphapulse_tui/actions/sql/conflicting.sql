-- Sessions of a replica that may keep its replay waiting: those that hold the lock it waits for
-- (pg_blocking_pids knows no startup process); during a snapshot conflict, whose blockers
-- the server does not name, the oldest snapshot.
WITH startup AS (
    SELECT pid, coalesce(wait_event_type || ':' || wait_event, '') AS wait,
           ARRAY(SELECT DISTINCT h.pid FROM pg_locks w JOIN pg_locks h ON h.granted AND h.pid <> w.pid AND h.locktype = w.locktype
                   AND (h.database, h.relation, h.classid, h.objid) IS NOT DISTINCT FROM (w.database, w.relation, w.classid, w.objid)
              WHERE w.pid = a.pid AND NOT w.granted) AS blocked_by
      FROM pg_stat_activity a WHERE backend_type = 'startup')
SELECT a.pid, a.backend_start, a.xact_start, coalesce(a.usename, '')::text AS usename, coalesce(a.datname, '')::text AS datname,
       coalesce(a.application_name, '') AS application, coalesce(host(a.client_addr), 'local') AS client, coalesce(a.state, '') AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds, left(a.query, 300) AS query,
       a.backend_xmin IS NOT NULL AS has_snapshot, coalesce(a.pid = ANY (s.blocked_by), false) AS named, coalesce(s.wait, '') AS replay_wait,
       coalesce(r.rolsuper, false) AS superuser, coalesce(r.rolreplication, false) AS replication,
       coalesce(pg_has_role(current_user, a.usesysid, 'usage') OR pg_has_role(current_user, 'pg_signal_backend', 'usage'), false) AS may_signal,
       current_user::text AS role
  FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid LEFT JOIN startup s ON true
 WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL
 ORDER BY age(a.backend_xmin) DESC NULLS LAST, a.xact_start, a.pid

-- The sessions $1 of a lock tree: what each waits for, holds and has written. A table's name can be told in our own database only.
SELECT a.pid, a.backend_start, coalesce(a.usename, '')::text AS usename, coalesce(a.application_name, '') AS application,
       a.backend_type, a.state, coalesce(a.wait_event_type || ':' || a.wait_event, '') AS wait, a.leader_pid,
       extract(epoch FROM a.xact_start)::float8 AS xact_start, extract(epoch FROM a.state_change)::float8 AS state_change,
       left(a.query, 2000) AS query, a.backend_xid IS NOT NULL AS wrote,
       coalesce(r.rolsuper, false) AS superuser, coalesce(r.rolreplication, false) AS replication,
       (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.granted)::int AS locks,
       coalesce((SELECT string_agg(DISTINCT l.locktype || coalesce(' ' || CASE WHEN l.relation IS NULL THEN coalesce(l.transactionid::text, l.virtualxid)
                                                                      WHEN d.datname IS NULL THEN l.relation::text
                                                                      ELSE l.relation::regclass::text END, '') || ' ' || l.mode, ', ')
                   FROM pg_locks l LEFT JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                  WHERE l.pid = a.pid AND NOT l.granted), '') AS waits_for,
       ARRAY(SELECT DISTINCT l.relation::regclass::text
               FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
               JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm')
              WHERE l.pid = a.pid AND l.granted AND l.mode <> 'AccessShareLock' ORDER BY 1 LIMIT 8) AS tables
  FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
 WHERE a.pid = ANY($1::int[])

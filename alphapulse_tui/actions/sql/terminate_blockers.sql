-- Terminates the sessions that are still in the very transaction that was shown ($1 pid, $2 backend_start, $3 xact_start; or, of a
-- session in no transaction, which holds an advisory lock, the state_change), still keep somebody waiting, and are not
-- protected ($4 application names). All of it is asked at the moment of the signal.
SELECT a.pid, pg_terminate_backend(a.pid) AS signalled
  FROM pg_stat_activity a
  JOIN unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS chosen (pid, backend_start, moment)
    ON chosen.pid = a.pid AND chosen.backend_start = a.backend_start AND chosen.moment = coalesce(a.xact_start, a.state_change)
 WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
   AND EXISTS (SELECT 1 FROM pg_stat_activity w WHERE w.wait_event_type = 'Lock' AND a.pid = ANY (pg_blocking_pids(w.pid)))
   AND NOT (coalesce(a.application_name, '') LIKE ANY ($4::text[]))
   AND NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = a.usesysid AND (r.rolsuper OR r.rolreplication))

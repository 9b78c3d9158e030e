-- Ends what keeps the replay waiting: the query of $1 pid, $2 backend_start is cancelled if it runs, its session terminated if it idles in the
-- transaction $3 (cancelling does nothing then); only while the replay still waits for somebody, and for no protected session ($4).
SELECT a.pid, CASE WHEN a.state = 'active' THEN pg_cancel_backend(a.pid) ELSE pg_terminate_backend(a.pid) END AS signalled
  FROM pg_stat_activity a
  JOIN unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS chosen (pid, backend_start, xact_start)
    ON chosen.pid = a.pid AND chosen.backend_start = a.backend_start AND chosen.xact_start = a.xact_start
 WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' AND pg_is_in_recovery()
   AND EXISTS (SELECT 1 FROM pg_stat_activity s
                WHERE s.backend_type = 'startup' AND (s.wait_event LIKE 'RecoveryConflict%' OR s.wait_event_type = 'Lock'))
   AND NOT (coalesce(a.application_name, '') LIKE ANY ($4::text[]))
   AND NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = a.usesysid AND (r.rolsuper OR r.rolreplication))

-- Terminates the backends that are still who they were ($1 pid, $2 backend_start), have done nothing since $6 (null: whatever they did), are
-- still in one of the states $3 for at least $4 seconds, and are not protected ($5 application names, patterns of LIKE). Everything is
-- decided at the moment of the signal: pids are reused, sessions wake up.
SELECT a.pid, pg_terminate_backend(a.pid) AS signalled
  FROM pg_stat_activity a
  JOIN unnest($1::int[], $2::timestamptz[], $6::timestamptz[]) AS chosen (pid, backend_start, since)
    ON chosen.pid = a.pid AND chosen.backend_start = a.backend_start AND (chosen.since IS NULL OR chosen.since = a.state_change)
  JOIN unnest($3::text[], $4::float8[]) AS allowed (state, seconds)
    ON allowed.state = a.state AND a.state_change <= clock_timestamp() - make_interval(secs => allowed.seconds)
 WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
   AND NOT (coalesce(a.application_name, '') LIKE ANY ($5::text[]))
   AND NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = a.usesysid AND (r.rolsuper OR r.rolreplication))

-- Cancels ($4 false) or terminates ($4 true) the backends that still run the very query that was shown ($1 pid, $2 backend_start,
-- $3 query_start) and are not protected ($5 application names): a pooled session may be at the next one's work by now.
SELECT a.pid, CASE WHEN $4::bool THEN pg_terminate_backend(a.pid) ELSE pg_cancel_backend(a.pid) END AS signalled
  FROM pg_stat_activity a
  JOIN unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS chosen (pid, backend_start, query_start)
    ON chosen.pid = a.pid AND chosen.backend_start = a.backend_start AND chosen.query_start = a.query_start
 WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' AND a.state = 'active'
   AND NOT (coalesce(a.application_name, '') LIKE ANY ($5::text[]))
   AND NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = a.usesysid AND (r.rolsuper OR r.rolreplication))

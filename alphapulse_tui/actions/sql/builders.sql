-- Sessions that run the statement marked $1 (a comment in it that names the plan): a build that waits for a lock has no progress yet.
SELECT pid, coalesce(wait_event_type || ':' || wait_event, '') AS wait, extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds
  FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND state = 'active' AND position($1::text IN query) > 0

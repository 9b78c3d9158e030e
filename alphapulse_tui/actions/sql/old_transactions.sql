-- Transactions that are open for more than $1 seconds: building an index concurrently waits for every one of them.
SELECT pid, coalesce(usename, '')::text AS usename, coalesce(application_name, '') AS application, coalesce(state, '') AS state,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
  FROM pg_stat_activity
 WHERE xact_start < clock_timestamp() - make_interval(secs => $1::float8) AND pid <> pg_backend_pid() AND backend_type <> 'walsender'
 ORDER BY xact_start
 LIMIT 5

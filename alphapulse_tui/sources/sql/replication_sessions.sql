-- Sessions of a replica that hold a snapshot or are in a transaction, the oldest first: one of them may keep the replay waiting.
SELECT pid, backend_start, coalesce(usename, '')::text AS usename, coalesce(application_name, '') AS application, coalesce(state, '') AS state,
       extract(epoch FROM xact_start)::float8 AS xact_start, left(query, 2000) AS query, backend_xmin IS NOT NULL AS has_snapshot
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
 ORDER BY age(backend_xmin) DESC NULLS LAST, xact_start, pid
 LIMIT 20

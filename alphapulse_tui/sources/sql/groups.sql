-- Who holds the connections: by user, database, application and state.
SELECT coalesce(usename, '?')::text AS usename, coalesce(datname, '?')::text AS datname, coalesce(application_name, '') AS application,
       coalesce(state, '') AS state, count(*)::int AS count
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
 GROUP BY 1, 2, 3, 4
 ORDER BY count(*) DESC, 1, 2, 3, 4
 LIMIT 50

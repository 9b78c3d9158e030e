-- A query to be explained: that of the sessions $1, or, where it is empty, the longest that runs in this database.
SELECT a.pid, a.backend_start, a.query_start, coalesce(a.usename, '')::text AS usename, coalesce(a.application_name, '') AS application,
       coalesce(a.state, '') AS state, a.backend_type, coalesce(a.datname, '')::text AS datname, current_database()::text AS here, a.query,
       octet_length(a.query) >= (SELECT setting::int - 1 FROM pg_settings WHERE name = 'track_activity_query_size') AS cut,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS seconds
  FROM pg_stat_activity a
 WHERE a.pid <> pg_backend_pid()
   AND (a.pid = ANY($1::int[])
        OR (cardinality($1::int[]) = 0 AND a.state = 'active' AND a.backend_type = 'client backend' AND a.datname = current_database()
            AND a.leader_pid IS NULL AND a.usename IS DISTINCT FROM current_user))
 ORDER BY a.query_start, a.pid
 LIMIT 1

-- What became of the queries $1 pid, $2 backend_start, $3 query_start: the sessions that are left, and whether that query still runs.
SELECT a.pid, coalesce(a.state, '') AS state, a.query_start = chosen.query_start AND a.state = 'active' AS runs
  FROM pg_stat_activity a
  JOIN unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS chosen (pid, backend_start, query_start)
    ON chosen.pid = a.pid AND chosen.backend_start = a.backend_start

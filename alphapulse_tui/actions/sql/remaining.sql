-- Which of the backends $1, $2 are still there, and what they do.
SELECT a.pid, coalesce(a.state, '') AS state
  FROM pg_stat_activity a
  JOIN unnest($1::int[], $2::timestamptz[]) AS chosen (pid, backend_start)
    ON chosen.pid = a.pid AND chosen.backend_start = a.backend_start

-- Who runs the statement marked $1 (a comment in it that names the plan), on which table, and how far it has come. The columns are those that
-- every version has.
SELECT a.pid, coalesce(a.wait_event_type || ':' || a.wait_event, '') AS wait, extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS seconds,
       coalesce(p.phase, '') AS phase, coalesce(p.relid::regclass::text, '') AS name, coalesce(p.heap_blks_total, 0)::int8 AS total,
       coalesce(p.heap_blks_scanned, 0)::int8 AS scanned, coalesce(p.heap_blks_vacuumed, 0)::int8 AS vacuumed,
       coalesce(p.index_vacuum_count, 0)::int8 AS rounds
  FROM pg_stat_activity a LEFT JOIN pg_stat_progress_vacuum p ON p.pid = a.pid
 WHERE a.pid <> pg_backend_pid() AND a.state = 'active' AND position($1::text IN a.query) > 0

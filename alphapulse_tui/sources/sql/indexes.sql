-- Indexes that ask for attention: invalid, or never used and of no other use; the largest first.
SELECT s.schemaname::text AS schema, s.relname::text AS "table", s.indexrelname::text AS name, i.indisvalid AND i.indisready AS valid,
       pg_get_indexdef(s.indexrelid) AS definition, s.idx_scan AS scans,
       (c.relpages::int8 * current_setting('block_size')::int8) AS size, i.indisunique AS "unique",
       p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total, p.lockers_done, p.lockers_total, p.current_locker_pid
  FROM pg_stat_user_indexes s
  JOIN pg_index i ON i.indexrelid = s.indexrelid
  JOIN pg_class c ON c.oid = s.indexrelid
  LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = s.indexrelid
 WHERE NOT (i.indisvalid AND i.indisready) OR p.pid IS NOT NULL OR (s.idx_scan = 0 AND NOT i.indisunique)
 ORDER BY i.indisvalid AND i.indisready, c.relpages DESC, s.indexrelid
 LIMIT 60

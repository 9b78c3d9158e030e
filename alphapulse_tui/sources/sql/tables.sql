-- Tables by what is wrong with them. No size function: it would wait for a table under ACCESS EXCLUSIVE (facts 8.2).
SELECT s.relid::int8 AS relid, s.schemaname::text AS schema, s.relname::text AS name, s.n_live_tup AS rows, s.n_dead_tup AS dead,
       s.n_mod_since_analyze AS modified, (c.relpages::int8 * current_setting('block_size')::int8) AS size,
       s.seq_scan AS seq_scans, s.seq_tup_read AS seq_rows, coalesce(s.idx_scan, 0) AS index_scans,
       extract(epoch FROM greatest(s.last_analyze, s.last_autoanalyze))::float8 AS last_analyze,
       extract(epoch FROM greatest(s.last_vacuum, s.last_autovacuum))::float8 AS last_vacuum,
       pg_get_userbyid(c.relowner)::text AS owner,
       (coalesce((SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_vacuum_threshold'),
                 current_setting('autovacuum_vacuum_threshold'))::float8
        + coalesce((SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_vacuum_scale_factor'),
                   current_setting('autovacuum_vacuum_scale_factor'))::float8 * greatest(c.reltuples, 0))::int8 AS dead_limit,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = s.relid AND a.attnum > 0 AND NOT a.attisdropped
              ORDER BY a.attnum LIMIT 100) AS columns,
       ARRAY(SELECT (SELECT string_agg(a.attname, ', ' ORDER BY k.place)
                       FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
               FROM pg_index i WHERE i.indrelid = s.relid AND i.indisvalid) AS indexes
  FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
 ORDER BY s.seq_tup_read + s.n_dead_tup DESC, s.relid
 LIMIT 200

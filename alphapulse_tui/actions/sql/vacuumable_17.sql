-- Tables with dead rows: $1 names, or, where it is empty, those that have more of them than autovacuum waits for (its threshold and scale factor,
-- the table's own where it has them). PostgreSQL 17 and later: MAINTAIN is enough.
-- A name is first the very one that the catalog has: the views show "Orders" without its quotes, and orders is another table.
SELECT c.oid::int8 AS oid, n.nspname || '.' || c.relname AS name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS quoted,
       s.n_dead_tup AS dead, s.n_live_tup AS rows, s.last_vacuum AS vacuumed, s.last_autovacuum AS autovacuumed,
       (c.relpages::int8 * current_setting('block_size')::int8) AS size,
       clock_timestamp() AS server_time, pg_is_in_recovery() AS in_recovery, current_user::text AS role,
       pg_get_userbyid(c.relowner)::text AS owner, pg_has_role(current_user, c.relowner, 'usage') OR has_table_privilege(c.oid, 'MAINTAIN') AS may,
       coalesce(nullif(current_setting('autovacuum_vacuum_cost_delay'), '-1'), current_setting('vacuum_cost_delay')) AS delay
  FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (SELECT coalesce((SELECT e.oid FROM pg_class e JOIN pg_namespace m ON m.oid = e.relnamespace
                                  WHERE m.nspname || '.' || e.relname = one ORDER BY e.oid LIMIT 1), to_regclass(one)) FROM unnest($1::text[]) AS one)
    OR (cardinality($1::text[]) = 0 AND s.n_dead_tup >
        coalesce((SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_vacuum_threshold'),
                 current_setting('autovacuum_vacuum_threshold'))::float8
        + coalesce((SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_vacuum_scale_factor'),
                   current_setting('autovacuum_vacuum_scale_factor'))::float8 * greatest(c.reltuples, 0))
 ORDER BY s.n_dead_tup DESC, c.oid
 LIMIT 50

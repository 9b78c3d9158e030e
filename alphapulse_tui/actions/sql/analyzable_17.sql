-- Tables whose statistics may be stale: $1 names, or, where it is empty, those of which more than $2 percent have changed since the last ANALYZE. PostgreSQL 17 and later: MAINTAIN is enough.
-- A name is first the very one that the catalog has: the views show "Orders" without its quotes, and orders is another table.
SELECT c.oid::int8 AS oid, n.nspname || '.' || c.relname AS name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS quoted,
       s.n_mod_since_analyze AS modified, s.n_live_tup AS rows, greatest(s.last_analyze, s.last_autoanalyze) AS analyzed,
       clock_timestamp() AS server_time, pg_is_in_recovery() AS in_recovery, current_user::text AS role,
       pg_get_userbyid(c.relowner)::text AS owner, pg_has_role(current_user, c.relowner, 'usage') OR has_table_privilege(c.oid, 'MAINTAIN') AS may
  FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (SELECT coalesce((SELECT e.oid FROM pg_class e JOIN pg_namespace m ON m.oid = e.relnamespace
                                  WHERE m.nspname || '.' || e.relname = one ORDER BY e.oid LIMIT 1), to_regclass(one)) FROM unnest($1::text[]) AS one)
    OR (cardinality($1::text[]) = 0 AND s.n_mod_since_analyze > greatest(50, $2::float8 / 100 * s.n_live_tup))
 ORDER BY s.n_mod_since_analyze DESC, c.oid
 LIMIT 50

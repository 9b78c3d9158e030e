-- The table $1 (schema.name or name) as CREATE INDEX must know it; no size function: it would wait for a locked table.
-- A name is first the very one that the catalog has: the views show "Orders" without its quotes, and orders is another table.
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS quoted,
       (c.relpages::int8 * current_setting('block_size')::int8) AS size, greatest(c.reltuples, 0)::int8 AS rows,
       pg_get_userbyid(c.relowner)::text AS owner, quote_ident(pg_get_userbyid(c.relowner)) AS quoted_owner,
       pg_has_role(current_user, c.relowner, 'usage') AS owns,
       pg_has_role(current_user, c.relowner, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS may_become,
       pg_is_in_recovery() AS in_recovery, current_user::text AS role, clock_timestamp() AS server_time,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = coalesce((SELECT e.oid FROM pg_class e JOIN pg_namespace m ON m.oid = e.relnamespace
                          WHERE m.nspname || '.' || e.relname = $1::text ORDER BY e.oid LIMIT 1), to_regclass($1::text))

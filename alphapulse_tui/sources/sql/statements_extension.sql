-- Where pg_stat_statements is in this database, and which of its columns there are: the view has the extension's version, not the server's.
SELECT quote_ident(n.nspname) AS schema, e.extversion AS version,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = to_regclass(quote_ident(n.nspname) || '.pg_stat_statements') AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       to_regclass(quote_ident(n.nspname) || '.pg_stat_statements_info') IS NOT NULL AS has_info,
       pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all, current_user::text AS role
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'

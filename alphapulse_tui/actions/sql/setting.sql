-- max_connections of this server, what it must stay above (reserved slots, connections in use), and what our
-- role may change. ALTER SYSTEM can be granted by parameter from PostgreSQL 15 on ($1).
SELECT setting::int AS value, boot_val::int AS boot, pending_restart, context,
       coalesce(sourcefile LIKE '%postgresql.auto.conf', false) AS by_alter_system, sourcefile IS NOT NULL AS file_visible,
       pg_is_in_recovery() AS in_recovery, pg_postmaster_start_time() AS started, current_user::text AS role,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR $1::bool AS may_alter,
       has_function_privilege('pg_reload_conf()', 'execute') AS may_reload,
       has_table_privilege('pg_file_settings', 'select') AND has_function_privilege('pg_show_all_file_settings()', 'execute') AS may_read_files,
       (to_regrole('rds_superuser') IS NOT NULL OR to_regrole('cloudsqlsuperuser') IS NOT NULL OR to_regrole('azure_pg_admin') IS NOT NULL) AS managed,
       pg_size_bytes(current_setting('work_mem'))::int8 AS work_mem, current_setting('server_version_num')::int AS version,
       current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
       (SELECT count(*) FROM pg_stat_activity
         WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL AND usesysid IS NOT NULL))::int AS clients
  FROM pg_settings WHERE name = 'max_connections'

-- What our role may change. ALTER SYSTEM is a superuser's only, and ANALYZE the owner's.
SELECT current_user::text AS role, pg_is_in_recovery() AS in_recovery,
       pg_has_role(current_user, 'pg_signal_backend', 'usage') AS signal,
       has_function_privilege('pg_wal_replay_resume()', 'execute') AS resume,
       has_function_privilege('pg_reload_conf()', 'execute') AS reload,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS alter_system,
       has_table_privilege('pg_file_settings', 'select') AS file_view, has_function_privilege('pg_show_all_file_settings()', 'execute') AS file_function,
       coalesce(current_setting('reserved_connections', true), '0')::int = 0
         OR coalesce(pg_has_role(current_user, to_regrole('pg_use_reserved_connections'), 'usage'), true) AS reserved,
       o.foreign_owners, o.foreign_owners AS unmaintained
  FROM (SELECT coalesce(array_agg(DISTINCT quote_ident(pg_get_userbyid(c.relowner))) FILTER (WHERE NOT pg_has_role(current_user, c.relowner, 'member')), '{}')
               AS foreign_owners
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_') o

-- Slots in use, and what our role may do. Without pg_monitor other people's rows have no backend_type and no state.
SELECT current_setting('server_version_num')::int AS server_version,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int AS superuser_reserved,
       coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
       count(*) FILTER (WHERE backend_type = 'client backend'
                        OR (backend_type IS NULL AND datid IS NOT NULL AND usesysid IS NOT NULL))::int AS clients,
       count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'idle')::int AS idle,
       count(*) FILTER (WHERE backend_type = 'client backend' AND state LIKE 'idle in transaction%')::int AS idle_in_transaction,
       current_user::text AS role,
       pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all
  FROM pg_stat_activity

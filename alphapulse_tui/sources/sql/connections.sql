-- Slots and states. A role without pg_monitor sees other people's rows without backend_type and state: those with a user and a database
-- are counted as clients all the same (walsenders have no database, workers no user).
SELECT current_setting('server_version_num')::int AS server_version,
       extract(epoch FROM clock_timestamp())::float8 AS server_time,
       pg_is_in_recovery() AS in_recovery,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int AS superuser_reserved,
       coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
       count(*) FILTER (WHERE backend_type = 'client backend'
                        OR (backend_type IS NULL AND datid IS NOT NULL AND usesysid IS NOT NULL))::int AS clients,
       count(*) FILTER (WHERE backend_type = 'walsender')::int AS walsenders,
       count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'active')::int AS active,
       count(*) FILTER (WHERE backend_type = 'client backend' AND state = 'idle')::int AS idle,
       count(*) FILTER (WHERE backend_type = 'client backend' AND state LIKE 'idle in transaction%')::int AS idle_in_transaction,
       count(*) FILTER (WHERE backend_type = 'client backend' AND wait_event_type = 'Lock')::int AS lock_waiting,
       current_user::text AS role,
       pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8 END AS written
  FROM pg_stat_activity

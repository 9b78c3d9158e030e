-- The primary's WAL position, and the settings that a standby must not have lower.
SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8 END AS written,
       pg_is_in_recovery() AS in_recovery,
       ARRAY(SELECT name || '=' || setting FROM pg_settings
              WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction')
              ORDER BY name) AS settings,
       current_user::text AS role, pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all

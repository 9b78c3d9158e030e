-- A replica's replay, PostgreSQL 14 and later; and what our role may do about it.
SELECT pg_is_in_recovery() AS in_recovery, pg_postmaster_start_time() AS started,
       CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() ELSE '' END AS pause_state,
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::int8 AS received, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::int8 AS replayed,
       pg_last_wal_replay_lsn()::text AS position,
       has_function_privilege('pg_wal_replay_resume()', 'execute') AS may_resume,
       ARRAY(SELECT name || '=' || setting FROM pg_settings
              WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction')
              ORDER BY name) AS settings,
       ARRAY(SELECT name || ' = ' || setting FROM pg_settings
              WHERE name IN ('recovery_target', 'recovery_target_lsn', 'recovery_target_name', 'recovery_target_time', 'recovery_target_xid')
                AND setting <> '' ORDER BY name) AS targets,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid())::int AS reading,
       current_user::text AS role

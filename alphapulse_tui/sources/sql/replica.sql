-- A replica as it sees itself. pg_get_wal_replay_pause_state came with PostgreSQL 14 and raises 55000 on a primary.
SELECT pg_is_in_recovery() AS in_recovery,
       CASE WHEN pg_is_in_recovery() THEN CASE WHEN pg_is_wal_replay_paused() THEN 'paused' ELSE 'not paused' END ELSE '' END AS pause_state,
       coalesce((SELECT coalesce(status, 'hidden') FROM pg_stat_wal_receiver), '') AS receiver,
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::int8 AS received,
       pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::int8 AS replayed,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS last_transaction_age,
       coalesce((SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'), '') AS startup_wait,
       current_user::text AS role, pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all

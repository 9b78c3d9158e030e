-- A replica as it sees itself, PostgreSQL 14 and later. Of primary_conninfo host and port only: it may hold a password.
-- pg_blocking_pids knows no startup process, so whom it waits for is read from the locks.
SELECT pg_is_in_recovery() AS in_recovery,
       CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() ELSE '' END AS pause_state,
       CASE WHEN w.pid IS NULL THEN '' ELSE coalesce(w.status, 'hidden') END AS receiver, coalesce(w.slot_name, current_setting('primary_slot_name', true), '')::text AS slot,
       extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time)::float8 AS last_message_age,
       coalesce(substring(current_setting('primary_conninfo', true) FROM 'host=''?([^'' ]+)'), '') || ':'
         || coalesce(substring(current_setting('primary_conninfo', true) FROM 'port=''?([0-9]+)'), '5432') AS sender,
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::int8 AS received,
       pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::int8 AS replayed,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS last_transaction_age,
       s.pid AS startup, coalesce(s.wait_event_type || ':' || s.wait_event, '') AS replay_wait,
       ARRAY(SELECT DISTINCT h.pid FROM pg_locks w JOIN pg_locks h ON h.granted AND h.pid <> w.pid AND h.locktype = w.locktype
                   AND (h.database, h.relation, h.classid, h.objid) IS NOT DISTINCT FROM (w.database, w.relation, w.classid, w.objid)
              WHERE w.pid = s.pid AND NOT w.granted) AS blocked_by,
       (SELECT coalesce(sum(confl_tablespace + confl_lock + confl_snapshot + confl_bufferpin + confl_deadlock), 0)
          FROM pg_stat_database_conflicts)::int8 AS conflicts,
       current_setting('max_standby_streaming_delay') AS max_delay, current_setting('hot_standby_feedback')::bool AS feedback,
       ARRAY(SELECT name || '=' || setting FROM pg_settings
              WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction')
              ORDER BY name) AS settings,
       current_user::text AS role, pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all
  FROM (SELECT 1) AS one
  LEFT JOIN pg_stat_wal_receiver w ON true
  LEFT JOIN pg_stat_activity s ON s.backend_type = 'startup'

-- What waits for a restart, the settings that the procedures speak of, and what roles and databases have of their own. What our own session
-- has set for itself says nothing of the server.
SELECT name::text, setting || CASE WHEN unit IS NULL THEN '' ELSE ' ' || unit END AS value, context, pending_restart,
       source || coalesce(' ' || substring(sourcefile FROM '[^/]+$') || ':' || sourceline::text, '') AS source
  FROM pg_settings
 WHERE pending_restart OR source <> 'client' AND name IN (
       'max_connections', 'superuser_reserved_connections', 'reserved_connections', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
       'transaction_timeout', 'statement_timeout', 'max_wal_senders', 'max_worker_processes', 'max_prepared_transactions',
       'max_locks_per_transaction', 'max_slot_wal_keep_size', 'max_standby_streaming_delay', 'hot_standby_feedback', 'work_mem', 'shared_buffers',
       'autovacuum', 'log_min_duration_statement', 'shared_preload_libraries')
UNION ALL
SELECT split_part(one, '=', 1), substring(one FROM position('=' IN one) + 1),
       concat_ws(', ', 'role ' || r.rolname, 'database ' || d.datname), false, 'ALTER ' || CASE WHEN r.rolname IS NULL THEN 'DATABASE' ELSE 'ROLE' END
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS one
 ORDER BY 4 DESC, 1, 3

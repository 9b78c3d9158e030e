-- Standbys as the primary sees them. Bytes, not replay_lag: that stays at its last small value while replay is paused.
SELECT coalesce(application_name, '') AS application, coalesce(host(client_addr), '') AS client, coalesce(state, '') AS state,
       coalesce(sync_state, '') AS sync_state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int8 AS total_lag
  FROM pg_stat_replication
 ORDER BY 1, 2

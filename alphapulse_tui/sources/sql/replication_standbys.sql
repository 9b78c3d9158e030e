-- Standbys as the primary sees them: bytes, stage by stage. replay_lag stays at its last small value while replay is paused.
SELECT pid, coalesce(application_name, '') AS application, coalesce(host(client_addr), 'local') AS client, coalesce(state, '') AS state,
       coalesce(sync_state, '') AS sync_state,
       pg_wal_lsn_diff(pg_current_wal_lsn(), sent_lsn)::int8 AS pending, pg_wal_lsn_diff(sent_lsn, write_lsn)::int8 AS write,
       pg_wal_lsn_diff(write_lsn, flush_lsn)::int8 AS flush, pg_wal_lsn_diff(flush_lsn, replay_lsn)::int8 AS replay,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::int8 AS total, extract(epoch FROM replay_lag)::float8 AS replay_lag
  FROM pg_stat_replication
 ORDER BY application_name, client_addr, pid

-- Replication slots: one that nobody reads fills the disk, one that is lost needs a new replica.
SELECT slot_name::text AS name, slot_type AS kind, active, coalesce(wal_status, '') AS wal_status,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::int8 AS retained,
       nullif((SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size')::int8, -1) * 1024 * 1024 AS retained_limit
  FROM pg_replication_slots
 ORDER BY 1

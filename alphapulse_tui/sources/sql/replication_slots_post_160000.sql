-- Replication slots, PostgreSQL 16: a logical slot may conflict.
SELECT slot_name::text AS name, slot_type AS kind, active, coalesce(wal_status, '') AS wal_status,
       pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8 AS retained,
       nullif((SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size')::int8, -1) * 1024 * 1024 AS "limit",
       coalesce(conflicting, false) AS conflicting, NULL::float8 AS inactive_since, '' AS invalidation_reason,
       safe_wal_size::int8 AS safe
  FROM pg_replication_slots
 ORDER BY 1

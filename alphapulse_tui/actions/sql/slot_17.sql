-- The slot $1 (no row of its own where it is gone), what all slots hold, and who of us may drop one; PostgreSQL 17 and later: for how long nobody has read it.
SELECT s.slot_name::text AS name, s.slot_type::text AS kind, s.temporary, s.active, s.active_pid, s.restart_lsn::text AS position,
       coalesce(s.wal_status, '') AS wal_status, s.safe_wal_size::int8 AS safe, extract(epoch FROM clock_timestamp() - s.inactive_since)::float8 AS inactive_seconds, r.*
  FROM (SELECT current_user::text AS role, pg_is_in_recovery() AS in_recovery,
               (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user) AS may,
               (SELECT quote_ident(rolname) FROM pg_roles WHERE rolreplication AND NOT rolsuper ORDER BY oid LIMIT 1) AS replicator,
               (SELECT quote_ident(o.rolname) FROM pg_roles o
                 WHERE o.rolreplication AND NOT o.rolsuper
                   AND CASE WHEN current_setting('server_version_num')::int >= 160000 THEN pg_has_role(current_user, o.oid, 'SET')
                            ELSE pg_has_role(current_user, o.oid, 'MEMBER') END
                 ORDER BY o.oid LIMIT 1) AS become,
               (SELECT count(*) FROM pg_replication_slots)::int AS slots,
               (SELECT max(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn))
                  FROM pg_replication_slots)::int8 AS most,
               (SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)
                  FROM pg_replication_slots WHERE slot_name::text = $1::text)::int8 AS retained) r
  LEFT JOIN pg_replication_slots s ON s.slot_name::text = $1::text

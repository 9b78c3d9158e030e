-- Physical slots that nobody reads, the one that holds most first.
SELECT slot_name::text AS name
  FROM pg_replication_slots
 WHERE slot_type = 'physical' AND NOT active AND NOT temporary
 ORDER BY restart_lsn NULLS LAST, slot_name

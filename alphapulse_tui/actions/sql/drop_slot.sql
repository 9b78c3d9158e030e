-- Drops the slot $1 if it is still what was shown: physical, read by nobody, and no younger than $2 (its restart_lsn; null when it had lost its
-- WAL already). One that is taken up between the condition and the drop makes the server refuse (55006).
SELECT slot_name::text AS name, pg_drop_replication_slot(slot_name)
  FROM pg_replication_slots
 WHERE slot_name::text = $1::text AND slot_type = 'physical' AND NOT temporary AND NOT active
   AND coalesce(restart_lsn, '0/0') <= coalesce($2::text::pg_lsn, '0/0')

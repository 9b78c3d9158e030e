-- Ends what keeps the replay waiting: the query of $1 pid, $2 backend_start is cancelled if it runs, its session terminated if it idles in the
-- transaction $3 (cancelling does nothing then), as it was shown ($5, whether it ran); only while it may keep the replay waiting: it holds
-- the lock that the replay waits for, or a snapshot during a conflict; and no protected session ($4).
SELECT a.pid, CASE WHEN a.state = 'active' THEN pg_cancel_backend(a.pid) ELSE pg_terminate_backend(a.pid) END AS signalled
  FROM pg_stat_activity a
  JOIN unnest($1::int[], $2::timestamptz[], $3::timestamptz[], $5::bool[]) AS chosen (pid, backend_start, xact_start, active)
    ON chosen.pid = a.pid AND chosen.backend_start = a.backend_start AND chosen.xact_start = a.xact_start
       AND chosen.active = (a.state = 'active')
 WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' AND pg_is_in_recovery()
   AND EXISTS (SELECT 1 FROM pg_stat_activity s
                WHERE s.backend_type = 'startup'
                  AND (s.wait_event LIKE 'RecoveryConflict%' AND a.backend_xmin IS NOT NULL
                       OR EXISTS (SELECT 1 FROM pg_locks w JOIN pg_locks h ON h.granted AND h.pid = a.pid AND h.locktype = w.locktype
                                     AND (h.database, h.relation, h.classid, h.objid) IS NOT DISTINCT FROM (w.database, w.relation, w.classid, w.objid)
                                   WHERE w.pid = s.pid AND NOT w.granted)))
   AND NOT (coalesce(a.application_name, '') LIKE ANY ($4::text[]))
   AND NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = a.usesysid AND (r.rolsuper OR r.rolreplication))

-- Who waits for whom. Asked for Lock waiters only: pg_blocking_pids takes the lock manager exclusively for a moment.
SELECT pid, pg_blocking_pids(pid) AS blocked_by
  FROM pg_stat_activity
 WHERE wait_event_type = 'Lock'
 LIMIT 200

-- Who waits for whom. Asked for Lock waiters only: pg_blocking_pids takes the lock manager exclusively for a moment. 0 is a prepared transaction.
SELECT pid, pg_blocking_pids(pid) AS blocked_by, extract(epoch FROM clock_timestamp())::float8 AS server_time
  FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND backend_type <> 'startup'
 LIMIT 500

-- What a replica's replaying process waits for; no row without pg_monitor.
SELECT coalesce(wait_event_type || ':' || wait_event, '') AS wait FROM pg_stat_activity WHERE backend_type = 'startup'

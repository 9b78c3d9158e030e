-- The on-call engineer: what a viewer sees, sessions may be ended, replay resumed, tables maintained; still no row of a tenant.
-- Run in alphapulse_prod as a superuser, after the first migration; running it again changes nothing.
DO $$
BEGIN
    IF to_regrole('oncall') IS NULL THEN CREATE ROLE oncall LOGIN; END IF;
END
$$;
ALTER ROLE oncall CONNECTION LIMIT 12;
GRANT CONNECT ON DATABASE alphapulse_prod TO oncall;
-- pg_use_reserved_connections: still in when every ordinary slot is taken. pg_signal_backend: cancel and terminate, superusers excepted.
GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO oncall;
GRANT SELECT ON alembic_version TO oncall;
-- Replay that a person paused can go on (runbook 2.1, replication lag); pausing it is not the on-call's business.
GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO oncall;
-- ANALYZE and VACUUM (runbook 2.1 and 3.4); PostgreSQL 17 and later, before that the owner's right only.
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN
        EXECUTE 'GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO oncall';
        EXECUTE 'ALTER DEFAULT PRIVILEGES FOR ROLE alphapulse IN SCHEMA public GRANT MAINTAIN ON TABLES TO oncall';
    END IF;
END
$$;
-- DDL (CREATE INDEX CONCURRENTLY, runbook 2.1) only after an explicit SET ROLE: nothing of the owner's is inherited, and the
-- server's log shows the step.
GRANT alphapulse TO oncall WITH INHERIT FALSE, SET TRUE;
-- Another max_connections (runbook 2.1): written now, in force at the next restart, which this role cannot do. PostgreSQL 15 and later;
-- before that a superuser's right only. No other setting.
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 150000 THEN
        EXECUTE 'GRANT ALTER SYSTEM ON PARAMETER max_connections TO oncall';
    END IF;
END
$$;
GRANT EXECUTE ON FUNCTION pg_reload_conf() TO oncall;
-- Which value waits for that restart: what is in force pg_monitor shows already, what is written only the files do.
GRANT SELECT ON pg_file_settings TO oncall;
GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO oncall;

-- What the platform's own programs may do: read and write trades, change tenants, delete nothing.
-- Run in alphapulse_prod as a superuser, after the first migration; running it again changes nothing.
DO $$
BEGIN
    IF to_regrole('alphapulse_app') IS NULL THEN CREATE ROLE alphapulse_app LOGIN; END IF;
    IF to_regrole('alphapulse_worker') IS NULL THEN CREATE ROLE alphapulse_worker LOGIN; END IF;
    IF to_regrole('pgbouncer') IS NULL THEN CREATE ROLE pgbouncer LOGIN; END IF;
    IF to_regrole('reporting') IS NULL THEN CREATE ROLE reporting LOGIN; END IF;
END
$$;
GRANT CONNECT ON DATABASE alphapulse_prod TO alphapulse_app, alphapulse_worker, pgbouncer, reporting;
-- A program that leaks must not take every slot of the server by itself.
ALTER ROLE alphapulse_app CONNECTION LIMIT 45;
ALTER ROLE alphapulse_worker CONNECTION LIMIT 30;
ALTER ROLE pgbouncer CONNECTION LIMIT 30;
ALTER ROLE reporting CONNECTION LIMIT 40;
GRANT SELECT, INSERT, UPDATE ON tenants, trades TO alphapulse_app, alphapulse_worker, pgbouncer;
GRANT INSERT ON trade_audit TO alphapulse_app, alphapulse_worker, pgbouncer;
GRANT SELECT ON tenants, trades TO reporting;
GRANT SELECT ON alembic_version TO alphapulse_app, alphapulse_worker;
-- Tables of later migrations. alembic_version is older than this line, so it stays read-only.
ALTER DEFAULT PRIVILEGES FOR ROLE alphapulse IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE ON TABLES TO alphapulse_app, alphapulse_worker, pgbouncer;
ALTER DEFAULT PRIVILEGES FOR ROLE alphapulse IN SCHEMA public GRANT SELECT ON TABLES TO reporting;

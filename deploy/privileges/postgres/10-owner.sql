-- The owner of the data, and who may become the owner: migrations and administrators.
-- Run in alphapulse_prod as a superuser, before the first migration; running it again changes nothing.
DO $$
BEGIN
    IF to_regrole('alphapulse') IS NULL THEN CREATE ROLE alphapulse NOLOGIN; END IF;
    IF to_regrole('migrator') IS NULL THEN CREATE ROLE migrator LOGIN; END IF;
    IF to_regrole('admin') IS NULL THEN CREATE ROLE admin LOGIN; END IF;
END
$$;
ALTER DATABASE alphapulse_prod OWNER TO alphapulse;
ALTER SCHEMA public OWNER TO alphapulse;
-- Who is not named in these files does not get in, and nobody but the owner makes objects.
REVOKE ALL ON DATABASE alphapulse_prod FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO PUBLIC;

-- Migrations (alembic) act as the owner from their first statement on, so that what they make is the owner's.
ALTER ROLE migrator CONNECTION LIMIT 4;
GRANT CONNECT ON DATABASE alphapulse_prod TO migrator;
GRANT alphapulse TO migrator WITH INHERIT FALSE, SET TRUE;
ALTER ROLE migrator IN DATABASE alphapulse_prod SET role = 'alphapulse';

-- Administrators: everything of the owner's, a new database beside the old one (a restore), and the on-call's means.
ALTER ROLE admin CREATEDB CONNECTION LIMIT 5;
GRANT CONNECT ON DATABASE alphapulse_prod TO admin;
GRANT alphapulse, pg_monitor, pg_signal_backend, pg_use_reserved_connections TO admin;
GRANT EXECUTE ON FUNCTION pg_wal_replay_pause(), pg_wal_replay_resume() TO admin;

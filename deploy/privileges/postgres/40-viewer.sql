-- A person who looks: every figure of the server, no row of a tenant, no change.
-- Run in alphapulse_prod as a superuser, after the first migration; running it again changes nothing.
DO $$
BEGIN
    IF to_regrole('viewer') IS NULL THEN CREATE ROLE viewer LOGIN; END IF;
END
$$;
ALTER ROLE viewer CONNECTION LIMIT 5;
ALTER ROLE viewer SET default_transaction_read_only = on;
GRANT CONNECT ON DATABASE alphapulse_prod TO viewer;
GRANT pg_monitor TO viewer;
GRANT SELECT ON alembic_version TO viewer;

-- Who copies the data away: streaming replicas and base backups (replicator), dumps (backup).
-- Run in alphapulse_prod as a superuser; running it again changes nothing. pg_hba.conf must let replicator in for replication.
DO $$
BEGIN
    IF to_regrole('replicator') IS NULL THEN CREATE ROLE replicator LOGIN REPLICATION; END IF;
    IF to_regrole('backup') IS NULL THEN CREATE ROLE backup LOGIN; END IF;
END
$$;
ALTER ROLE replicator CONNECTION LIMIT 10;
ALTER ROLE backup CONNECTION LIMIT 5;
GRANT CONNECT ON DATABASE alphapulse_prod TO backup;
GRANT pg_read_all_data TO backup;
-- A long dump is no reason to be cancelled, whatever the database's defaults say.
ALTER ROLE backup SET statement_timeout = 0;

-- Who may do what (runbook-facts 11.2). Passwords come as scram verifiers through ALTER ROLE, never in this file.
CREATE ROLE alphapulse NOLOGIN;
CREATE ROLE alphapulse_app LOGIN;
CREATE ROLE alphapulse_worker LOGIN;
CREATE ROLE pgbouncer LOGIN;
CREATE ROLE reporting LOGIN;
CREATE ROLE replicator LOGIN REPLICATION;
CREATE ROLE backup LOGIN;
GRANT pg_read_all_data TO backup;
CREATE ROLE viewer LOGIN;
GRANT pg_monitor TO viewer;
CREATE ROLE oncall LOGIN;
GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO oncall;
-- DDL only after an explicit SET ROLE: nothing of the owner's is inherited.
GRANT alphapulse TO oncall WITH INHERIT FALSE, SET TRUE;
CREATE DATABASE alphapulse_prod OWNER alphapulse;
REVOKE CONNECT ON DATABASE alphapulse_prod FROM PUBLIC;
GRANT CONNECT ON DATABASE alphapulse_prod TO alphapulse_app, alphapulse_worker, pgbouncer, reporting, backup, viewer, oncall;

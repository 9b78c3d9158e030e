-- alphapulse_prod: tenants, their trades and the migration history; the same rows in every lab (fixed seed).
CREATE EXTENSION pg_stat_statements;
SET ROLE alphapulse;
CREATE SCHEMA IF NOT EXISTS public;
CREATE TABLE tenants (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    plan text NOT NULL CHECK (plan IN ('free', 'team', 'enterprise')),
    created_at timestamptz NOT NULL
);
CREATE TABLE trades (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants (id),
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity numeric(18, 8) NOT NULL,
    price numeric(18, 4) NOT NULL,
    executed_at timestamptz NOT NULL
);
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('8c1f0e5a7d21');
SELECT setseed(0.42);
INSERT INTO tenants
SELECT n, 'tenant-' || lpad(n::text, 3, '0'), (ARRAY['free', 'team', 'enterprise'])[1 + n % 3], timestamptz '2025-01-01 00:00+00' + n * interval '31 hours'
FROM generate_series(1, 120) AS n;
INSERT INTO trades (tenant_id, symbol, side, quantity, price, executed_at)
SELECT 1 + floor(power(random(), 2) * 120)::int,
       (ARRAY['BTC-USD', 'ETH-USD', 'SOL-USD', 'AAPL', 'MSFT', 'NVDA', 'EUR-USD', 'GBP-USD'])[1 + floor(random() * 8)::int],
       CASE WHEN random() < 0.5 THEN 'buy' ELSE 'sell' END,
       round((0.01 + random() * 10)::numeric, 8),
       round((10 + random() * 60000)::numeric, 4),
       timestamptz '2025-10-01 00:00+00' + n * interval '65 seconds'
FROM generate_series(1, 40000) AS n;
CREATE INDEX idx_trades_executed_at ON trades (executed_at);
GRANT SELECT, INSERT, UPDATE ON tenants, trades TO alphapulse_app, alphapulse_worker, pgbouncer;
GRANT SELECT ON tenants, trades TO reporting;
GRANT SELECT ON alembic_version TO alphapulse_app, alphapulse_worker, viewer, oncall;
RESET ROLE;
ANALYZE;
-- The statements that set the passwords must not be read in pg_stat_statements.
SELECT pg_stat_statements_reset();

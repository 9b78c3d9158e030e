-- What `python -m alphapulse_tui.lab.migrations upgrade head --sql` prints: running alembic itself would cost a lab's start more than a
-- second. tests/lab/test_migrations.py holds this file against that command, and the schema against a real upgrade.
BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 8c1f0e5a7d21

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

CREATE INDEX idx_trades_executed_at ON trades (executed_at);

CREATE INDEX idx_trades_tenant_symbol ON trades (tenant_id, symbol);

INSERT INTO alembic_version (version_num) VALUES ('8c1f0e5a7d21') RETURNING alembic_version.version_num;

COMMIT;

BEGIN;

-- Running upgrade 8c1f0e5a7d21 -> b7e24c9d0f13

ALTER TABLE trades ADD COLUMN fee numeric(18, 4) NOT NULL DEFAULT 0;

CREATE TABLE trade_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_id bigint NOT NULL,
    note text NOT NULL,
    noted_at timestamptz NOT NULL
);

UPDATE alembic_version SET version_num='b7e24c9d0f13' WHERE alembic_version.version_num = '8c1f0e5a7d21';

COMMIT;


"""tenants and trades

The first revision. It cannot be taken back: there is nothing before it.
"""

from __future__ import annotations

from alembic import op

revision = "8c1f0e5a7d21"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables and the indexes that tenant-scoped queries need (runbook 2.1)."""
    op.execute("""
CREATE TABLE tenants (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    plan text NOT NULL CHECK (plan IN ('free', 'team', 'enterprise')),
    created_at timestamptz NOT NULL
)""")
    op.execute("""
CREATE TABLE trades (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants (id),
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity numeric(18, 8) NOT NULL,
    price numeric(18, 4) NOT NULL,
    executed_at timestamptz NOT NULL
)""")
    op.execute("CREATE INDEX idx_trades_executed_at ON trades (executed_at)")
    op.execute("CREATE INDEX idx_trades_tenant_symbol ON trades (tenant_id, symbol)")


def downgrade() -> None:
    """Refuse: every tenant would be lost."""
    raise RuntimeError("revision 8c1f0e5a7d21 made the tables: taking it back would drop every tenant")

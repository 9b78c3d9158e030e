"""settlement batches, by a revision that was only tried on an empty database

Its first step commits by itself (a concurrent index cannot be in a transaction), its second one fails where there are trades: the column
is NOT NULL without a default. What the first step made stays, and the version does not say so.
"""

from __future__ import annotations

from alembic import op

revision = "e9c06b4a12f5"
down_revision = "b7e24c9d0f13"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Commit half of it, then fail."""
    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE settlement_batches (id bigint PRIMARY KEY, closed_at timestamptz)")
        op.execute("CREATE INDEX CONCURRENTLY idx_trades_executed_tenant ON trades (executed_at, tenant_id)")
    op.execute("ALTER TABLE trades ADD COLUMN batch_id bigint NOT NULL")


def downgrade() -> None:
    """Undo all of it."""
    op.execute("ALTER TABLE trades DROP COLUMN batch_id")
    op.execute("DROP INDEX idx_trades_executed_tenant")
    op.execute("DROP TABLE settlement_batches")

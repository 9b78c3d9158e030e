"""fees of trades, and an audit of what was changed by hand

Reversible with loss: the fees and the audit are gone after a downgrade, and an upgrade does not bring them back.
"""

from __future__ import annotations

from alembic import op

revision = "b7e24c9d0f13"
down_revision = "8c1f0e5a7d21"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column with a constant default (no rewrite of the table) and the audit."""
    op.execute("ALTER TABLE trades ADD COLUMN fee numeric(18, 4) NOT NULL DEFAULT 0")
    op.execute("""
CREATE TABLE trade_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_id bigint NOT NULL,
    note text NOT NULL,
    noted_at timestamptz NOT NULL
)""")


def downgrade() -> None:
    """Drop both, with what is in them."""
    op.execute("DROP TABLE trade_audit")
    op.execute("ALTER TABLE trades DROP COLUMN fee")

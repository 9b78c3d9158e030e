"""settlements

Of the release after the one that runs: who has only the running release's image cannot take it back ("Can't locate revision").
"""

from __future__ import annotations

from alembic import op

revision = "d51f7a3c6e08"
down_revision = "b7e24c9d0f13"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.execute("""
CREATE TABLE settlements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants (id),
    due_at timestamptz NOT NULL
)""")


def downgrade() -> None:
    """Drop it, with what is in it."""
    op.execute("DROP TABLE settlements")

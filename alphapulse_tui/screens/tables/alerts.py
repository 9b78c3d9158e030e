"""Views of alerts."""

from __future__ import annotations

from alphapulse_tui.model.alerts import Alert
from alphapulse_tui.screens.tables.view import View, since
from alphapulse_tui.widgets.table import Column

ALERTS: tuple[Column[Alert], ...] = (
    Column(
        "SEV",
        3,
        lambda row: row.severity.value if row.severity else "--",
        lambda row: "critical" if row.state == "firing" else "dim",
    ),
    Column("ALERT", 22, lambda row: row.name),
    Column("STATE", 9, lambda row: row.state),
    Column("FOR", 4, lambda row: since(row.starts_at), right=True, sort=lambda row: row.starts_at),
    Column("SEEN BY", 24, lambda row: ", ".join(row.seen_by), wide_only=True),
    Column("PROCEDURE", 18, lambda row: row.procedure, wide_only=True),
    Column("SUMMARY", 0, lambda row: row.summary),
)


VIEWS = (
    View(
        "alerts",
        "alerts",
        ALERTS,
        lambda snapshot: snapshot.alerts,
        lambda row: row.key,
        procedure=lambda row: (row.procedure, {}),
    ),
)

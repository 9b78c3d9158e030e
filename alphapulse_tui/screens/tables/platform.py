"""Views of the platform."""

from __future__ import annotations

from alphapulse_tui.model.platform import Metric
from alphapulse_tui.model.words import figure
from alphapulse_tui.screens.tables.view import View
from alphapulse_tui.widgets.table import Column

METRICS: tuple[Column[Metric], ...] = (
    Column("METRIC", 18, lambda row: row.title),
    Column(
        "NOW",
        12,
        lambda row: figure(row.value, row.unit),
        lambda row: "unknown" if row.value is None else "strong",
        right=True,
    ),
    Column("QUERY", 0, lambda row: row.query, lambda row: "dim"),  # noqa: ARG005
)


VIEWS = (View("key metrics", "platform", METRICS, lambda snapshot: snapshot.metrics, lambda row: row.id),)

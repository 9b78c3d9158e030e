"""Every procedure: what it mends, how bad that is, whether a run is under way, when it was last finished."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from alphapulse_tui.model.words import age, utc
from alphapulse_tui.runbook.engine import project
from alphapulse_tui.screens.commands import EVERYWHERE, LIST, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.listing import ListScreen
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.widgets.table import Column, LiveTable


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the list."""

    id: str
    title: str
    section: str
    severity: str
    steps: int
    under_way: bool
    last: float | None
    typical: float
    """Seconds that its steps usually take together."""


COLUMNS: tuple[Column[Listed], ...] = (
    Column("PROCEDURE", 20, lambda row: row.id, lambda row: "strong"),  # noqa: ARG005
    Column("SEV", 3, lambda row: row.severity, lambda row: "critical" if row.severity in ("P0", "P1") else "warning"),
    Column("RUNBOOK", 7, lambda row: row.section),
    Column("STEPS", 5, lambda row: str(row.steps), right=True, sort=lambda row: row.steps),
    Column("TYPICAL", 7, lambda row: age(row.typical), right=True, sort=lambda row: row.typical, wide_only=True),
    Column(
        "STATE",
        20,
        lambda row: "under way" if row.under_way else f"finished {utc(row.last)}" if row.last else "not run yet",
    ),
    Column("TITLE", 0, lambda row: row.title),
)


class RunbookScreen(ListScreen):
    """The list; Enter opens one."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, LIST)

    name_of_list = "procedures"

    def compose(self) -> ComposeResult:
        """Top line, filter, table, footer."""
        yield TopLine(self.standing())
        yield Input(placeholder="procedures that contain ...", id="filter")
        yield LiveTable(COLUMNS, lambda row: row.id, id="procedures")
        yield FooterLine(footer_text(LIST, EVERYWHERE, keymap=self.session.profile.keys))

    def on_mount(self) -> None:
        """List them once; a run that ends while the list is open shows on the next visit."""
        table: LiveTable[Listed] = self.query_one(LiveTable)
        table.focus()
        self.set_interval(1.0, lambda: self.query_one(TopLine).show(self.standing(), time.time()))
        self.call_after_refresh(lambda: table.show(self._listed()))

    def on_screen_resume(self) -> None:
        """Back from a procedure: its state may have changed."""
        if self.is_mounted:
            self.query_one(LiveTable).show(self._listed())

    def _listed(self) -> list[Listed]:
        desk = self.session.desk
        runs = list(project(desk.events).values()) if desk is not None else []
        rows = []
        for procedure in self.cockpit.procedures.values():
            own = [run for run in runs if run.procedure == procedure.id]
            finished = [run.finished_at for run in own if run.finished_at is not None]
            rows.append(
                Listed(
                    procedure.id,
                    procedure.title,
                    procedure.section,
                    procedure.severity,
                    len(procedure.steps),
                    any(run.finished_at is None for run in own),
                    max(finished, default=None),
                    sum(step.typical_seconds for step in procedure.steps),
                )
            )
        return rows

    def on_live_table_opened(self, event: LiveTable.Opened) -> None:
        """Open the procedure."""
        self.open_procedure(event.key)

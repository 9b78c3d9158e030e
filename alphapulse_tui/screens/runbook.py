"""Every procedure: how bad it mends, whether I may run it, how long it takes, how often it was run and mended, how it stands now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from alphapulse_tui.model.reading import Reading
from alphapulse_tui.model.words import age, utc
from alphapulse_tui.runbook.engine import project
from alphapulse_tui.runbook.past import Past, past_of
from alphapulse_tui.runbook.rights import Lacking, lacking, surveys_of
from alphapulse_tui.screens.commands import EVERYWHERE, LIST, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.listing import FilterField, ListScreen
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
    past: Past
    lacking: Lacking
    mistake: str = ""
    """Set: it is a file of the team's own that was left out, and why."""

    @property
    def may(self) -> str:
        """May I run it: ``yes`` only when every right was verified."""
        if self.mistake:
            return "no"
        if self.lacking.missing:
            return f"lacks {len(self.lacking.missing)}"
        if self.lacking.verified:
            return "yes"
        return "..." if self.lacking.waiting else "unknown"

    @property
    def state(self) -> str:
        """How it stands now."""
        if self.mistake:
            return "left out, see Enter"
        if self.past.under_way:
            return "under way"
        return f"finished {utc(self.past.last)}" if self.past.last else "not run yet"


def _may_style(row: Listed) -> str:
    return "warning" if row.lacking.missing or row.mistake else "ok" if row.lacking.verified else "unknown"


COLUMNS: tuple[Column[Listed], ...] = (
    Column("PROCEDURE", 20, lambda row: row.id, lambda row: "strong"),  # noqa: ARG005
    Column("SEV", 3, lambda row: row.severity, lambda row: "critical" if row.severity in ("P0", "P1") else "warning"),
    Column("MAY I", 8, lambda row: row.may, _may_style),
    Column(
        "TAKES",
        5,
        lambda row: "" if row.mistake else ("" if row.past.measured else "~") + age(row.past.typical),
        right=True,
        sort=lambda row: row.past.typical,
    ),
    Column("DONE", 6, lambda row: f"{row.past.succeeded}/{row.past.runs}" if row.past.runs else "", right=True),
    Column("STATE", 19, lambda row: row.state),
    Column("RUNBOOK", 7, lambda row: row.section, wide_only=True),
    Column("STEPS", 5, lambda row: str(row.steps), right=True, sort=lambda row: row.steps, wide_only=True),
    Column("LACKS", 30, lambda row: "; ".join(grant for grant, _ in row.lacking.missing), wide_only=True),
    Column("TITLE", 0, lambda row: row.title),
)
"""``~`` before a time: nobody has run it here, it is what the file says; ``DONE``: runs that mended of all that were begun."""


class RunbookScreen(ListScreen):
    """The list; Enter opens one."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, LIST)

    name_of_list = "procedures"

    def compose(self) -> ComposeResult:
        """Top line, filter, table, footer."""
        yield TopLine(self.standing())
        yield FilterField("procedures that contain ...")
        yield LiveTable(COLUMNS, lambda row: row.id, id="procedures")
        yield FooterLine(footer_text(LIST, EVERYWHERE, keymap=self.session.profile.keys))

    def on_mount(self) -> None:
        """List them, and ask every system what we may; a run that ends while the list is open shows on the next visit."""
        table: LiveTable[Listed] = self.query_one(LiveTable)
        table.focus()
        every = dict.fromkeys(key for each in self.cockpit.procedures.values() for key in surveys_of(each))
        self._unsubscribe = self.session.board.subscribe(self._heard)
        self._leave_surveys = self.session.survey(*every)
        self.set_interval(1.0, lambda: self.query_one(TopLine).show(self.standing(), time.time()))
        self.call_after_refresh(lambda: table.show(self._listed()))

    def on_unmount(self) -> None:
        """Stop listening and asking."""
        self._unsubscribe()
        self._leave_surveys()

    def _heard(self, reading: Reading[Any], before: Reading[Any] | None) -> None:  # noqa: ARG002 - a Listener's signature
        if reading.target.endswith("-rights") and self.is_mounted:
            self.query_one(LiveTable).show(self._listed())

    def on_screen_resume(self) -> None:
        """Back from a procedure: its state may have changed."""
        if self.is_mounted:
            self.query_one(LiveTable).show(self._listed())

    def _listed(self) -> list[Listed]:
        desk = self.session.desk
        runs = list(project(desk.events).values()) if desk is not None else []
        readings, now = self.session.board.readings, self.session.now
        return [
            Listed(
                procedure.id,
                procedure.title,
                procedure.section,
                procedure.severity,
                len(procedure.steps),
                past_of(procedure, runs),
                lacking(procedure, readings, now),
            )
            for procedure in self.cockpit.procedures.values()
        ] + [
            Listed(one.file, one.sentence, "", "", 0, Past(), Lacking(), one.sentence)
            for one in self.cockpit.shelf.mistakes
        ]

    def on_live_table_opened(self, event: LiveTable.Opened) -> None:
        """Open the procedure, or say in full why it cannot be."""
        mistake = next((one.sentence for one in self.cockpit.shelf.mistakes if one.file == event.key), "")
        if mistake:
            self.app.notify(mistake, title="Left out", severity="error", markup=False, timeout=30)
        else:
            self.open_procedure(event.key)

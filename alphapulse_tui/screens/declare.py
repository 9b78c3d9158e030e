"""Declare an incident: the runbook's four severities with their examples, the suggested one chosen, in doubt the higher."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from alphapulse_tui.incident.severities import LEVELS, Suggestion, suggest
from alphapulse_tui.model.alerts import AlertsSnapshot
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.verdict import findings
from alphapulse_tui.model.words import age
from alphapulse_tui.screens.base import obey
from alphapulse_tui.screens.dialog import Dialog
from alphapulse_tui.widgets.lines import Line, line, wrap
from alphapulse_tui.widgets.panel import Panel


class DeclareScreen(Dialog[None]):
    """Severity first, then the title; Enter declares."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "cancel", id="declare.cancel")]

    DEFAULT_CSS = """
    DeclareScreen { align: center middle; }
    DeclareScreen Panel { width: 78; max-width: 100%; height: 18; max-height: 85%; background: $surface; }
    DeclareScreen Input { width: 78; max-width: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._suggested: Suggestion | None = None
        self._settled = False
        """True once the severity was confirmed: nothing changes under the hands of somebody who types."""

    def compose(self) -> ComposeResult:
        """The four severities over the title."""
        yield Panel(0, "Declare an incident", id="severities")
        yield Input(placeholder="what is wrong, in a few words", id="title", select_on_focus=False)

    def on_mount(self) -> None:
        """Choose what the platform suggests, and follow it while nobody has chosen otherwise."""
        self.query_one(Panel).focus()
        self._unsubscribe = self.session.board.subscribe(lambda reading, before: self._follow())  # noqa: ARG005
        self._follow()
        self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def _follow(self) -> None:
        """Take the board's newest suggestion where the last one still stands: not over a severity or a title of the person's own."""
        if self._settled:
            return
        before, suggestion = self._suggested, self._suggestion()
        if suggestion == before:
            return
        panel, title = self.query_one(Panel), self.query_one(Input)
        if before is None or panel.chosen == before.severity.value:
            panel.cursor_key = suggestion.severity.value
        if before is None or title.value == before.title:
            title.value = suggestion.title
        self._suggested = suggestion
        self._draw()

    def _draw(self) -> None:
        if self._suggested is not None:
            self.query_one(Panel).show(self._lines(self._suggested), line(("Enter: then the title", "dim")))

    def _suggestion(self) -> Suggestion:
        session = self.session
        reading = session.board.get("alerts")
        snapshot = reading.snapshot if reading is not None and reading.trusted(session.now) else None
        alerts = snapshot.firing if isinstance(snapshot, AlertsSnapshot) else ()
        return suggest(alerts, findings(session.board.readings.values(), session.now))

    def _lines(self, suggestion: Suggestion) -> list[Line]:
        width = self.query_one(Panel).inner_width
        lines = wrap(f"Suggested: {suggestion.severity.value}, because {suggestion.because}", width, "accent")
        for level in LEVELS:
            name = level.severity.value
            style = "critical" if level.severity.urgency >= 2 else "warning"
            lines += [
                Line(),
                line((f"{name} {level.word}", style), f"  {level.definition}", key=name),
                line((f"   answer within {age(level.response_seconds)}; {', '.join(level.examples)}", "dim")),
            ]
        return lines

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """The severity is chosen: on to the title."""
        event.stop()
        self._settled = True
        self.query_one(Panel).show(
            self.query_one(Panel).body, line((f"{event.key}: Enter declares, Esc cancels", "accent"))
        )
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Declare, once: a second Enter at one go comes when this dialog is left already."""
        if not self.is_active:
            return
        title = event.value.strip()
        if not title:
            self.query_one(Panel).show(self.query_one(Panel).body, line(("it needs a title", "warning")))
            return
        severity = Severity(self.query_one(Panel).chosen)
        session = self.session
        session.spawn(obey(self.cockpit, session.declare(title, severity)), "declare")
        self.dismiss()

"""The fixes menu (`f`): numbered, the one that the verdict suggests first. A number chooses; nothing is sent from here."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from alphapulse_tui.model.fixes.contract import Fix
from alphapulse_tui.model.fixes.menu import fixes_for
from alphapulse_tui.screens.commands import key_of
from alphapulse_tui.screens.dialog import Dialog
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.panel import Panel


class FixesScreen(Dialog[Fix | None]):
    """Lists the fixes for one panel and row; answers the chosen one, or none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "back", id="fixes.back"),
        *(
            Binding(str(number), f"choose({number})", f"fix {number}", show=False, id=f"fixes.{number}")
            for number in range(1, 10)
        ),
    ]

    DEFAULT_CSS = """
    FixesScreen { align: center middle; }
    FixesScreen Panel { width: 78; max-width: 100%; height: auto; max-height: 90%; background: $surface; }
    """

    def __init__(self, target: str, key: str) -> None:
        super().__init__()
        self._target = target
        self._key = key
        self._fixes: tuple[Fix, ...] = ()

    def compose(self) -> ComposeResult:
        """One panel, as high as its list."""
        session = self.session
        self._fixes = fixes_for(self._target, self._key, session.board.readings, session.now)
        panel = Panel(0, "Fixes", id="fixes")
        panel.body = self._lines()
        panel.badge = line(("number chooses, Esc closes", "dim"))
        panel.styles.height = len(panel.body) + 2
        yield panel

    def on_mount(self) -> None:
        """Take the keys."""
        self.query_one(Panel).focus()

    def _lines(self) -> list[Line]:
        if not self._fixes:
            session = self.session
            reading = session.board.get(self._target)
            if reading is not None and reading.snapshot is None:
                return [line((f"{self._target} has not answered yet: nothing to choose from.", "unknown"))]
            return [
                line(
                    (
                        f"There is no fix for this panel; Esc, then {key_of('runbook', session.profile.keys)} lists the procedures.",
                        "dim",
                    )
                )
            ]
        lines = []
        for fix in self._fixes:
            mark = ("suggested", "accent") if fix.suggested else ("", "plain")
            style = "dim" if fix.why_not else "strong"
            lines.append(
                line(
                    (f" {fix.number}  ", "focus"),
                    (f"{fix.title}  ", style),
                    mark,
                    (fix.why_not, "unknown"),
                    key=str(fix.number),
                )
            )
        return lines

    def action_choose(self, number: int) -> None:
        """Answer the fix of that number; one that is not possible says why and stays."""
        fix = next((fix for fix in self._fixes if fix.number == number), None)
        if fix is None:
            return
        if fix.why_not:
            self.app.notify(fix.why_not, title="Not possible now", severity="warning", markup=False)
            return
        self.dismiss(fix)

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter on a line chooses it."""
        if event.key:
            self.action_choose(int(event.key))

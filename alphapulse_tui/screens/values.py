"""The values that a procedure's steps use, numbered: a digit chooses the one to change."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from alphapulse_tui.runbook.engine import Engine
from alphapulse_tui.screens.dialog import Dialog
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.panel import Panel


class ValuesScreen(Dialog[str | None]):
    """Answers the name of the parameter to change, or none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "back", id="values.back"),
        *(
            Binding(str(number), f"choose({number})", f"value {number}", show=False, id=f"values.{number}")
            for number in range(1, 10)
        ),
    ]

    DEFAULT_CSS = """
    ValuesScreen { align: center middle; }
    ValuesScreen Panel { width: 78; max-width: 100%; height: auto; max-height: 90%; background: $surface; }
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def compose(self) -> ComposeResult:
        """One panel, as high as its list."""
        panel = Panel(0, "Values", id="values")
        panel.body = self._lines()
        panel.badge = line(("number chooses, Esc closes", "dim"))
        panel.styles.height = len(panel.body) + 2
        yield panel

    def on_mount(self) -> None:
        """Take the keys."""
        self.query_one(Panel).focus()

    def _lines(self) -> list[Line]:
        values = self._engine.values()
        return [
            line(
                (f" {number}  ", "focus"),
                (f"{values[parameter.name] or 'not set'}  ", "strong"),
                (parameter.title, "dim"),
                key=parameter.name,
            )
            for number, parameter in enumerate(self._engine.procedure.parameters, 1)
        ]

    def action_choose(self, number: int) -> None:
        """Answer the parameter of that number."""
        parameters = self._engine.procedure.parameters
        if number <= len(parameters):
            self.dismiss(parameters[number - 1].name)

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter on a line chooses it."""
        if event.key:
            self.dismiss(event.key)

"""A few things to choose from, numbered: a digit chooses, or Enter on a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from alphapulse_tui.screens.dialog import Dialog
from alphapulse_tui.widgets.lines import line
from alphapulse_tui.widgets.panel import Panel


class ChoiceScreen(Dialog[str | None]):
    """Answers the key of the choice, or none. ``choices`` are key, name and what it means."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "back", id="choice.back"),
        *(
            Binding(str(number), f"choose({number})", f"choice {number}", show=False, id=f"choice.{number}")
            for number in range(1, 10)
        ),
    ]

    DEFAULT_CSS = """
    ChoiceScreen { align: center middle; }
    ChoiceScreen Panel { width: 78; max-width: 100%; height: auto; max-height: 90%; background: $surface; }
    """

    def __init__(self, title: str, choices: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._title = title
        self._choices = choices

    def compose(self) -> ComposeResult:
        """One panel, as high as its list."""
        panel = Panel(0, self._title, id="choice")
        panel.body = [
            line((f" {number}  ", "focus"), (f"{name}  ", "strong"), (meaning, "dim"), key=key)
            for number, (key, name, meaning) in enumerate(self._choices, 1)
        ]
        panel.badge = line(("number chooses, Esc closes", "dim"))
        panel.styles.height = len(panel.body) + 2
        yield panel

    def on_mount(self) -> None:
        """Take the keys."""
        self.query_one(Panel).focus()

    def action_choose(self, number: int) -> None:
        """Answer the choice of that number."""
        if number <= len(self._choices):
            self.dismiss(self._choices[number - 1][0])

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter on a line chooses it."""
        event.stop()
        if event.key:
            self.dismiss(event.key)

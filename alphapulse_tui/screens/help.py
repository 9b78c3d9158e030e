"""Help: this screen's keys, from the very bindings that are active."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from alphapulse_tui.screens.commands import COMMANDS, shown
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.panel import Panel

LEGEND = (
    ("ok", "ok", "verified a moment ago"),
    ("WARN CRIT", "critical", "over a threshold of the runbook; the verdict line says which"),
    ("STALE 12s old", "warning", "no answer for two intervals: the numbers are dimmed, then taken away"),
    ("not verified", "unknown", "nobody knows: neither good nor bad"),
)


class HelpScreen(ModalScreen[None]):
    """Keys of the screen below, and how to read the panels."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "back", id="help.back")]

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen Panel { width: 76; max-width: 100%; height: 90%; background: $surface; }
    """

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._below = below

    def compose(self) -> ComposeResult:
        """One panel."""
        yield Panel(0, "Keys of this screen", id="help")

    def on_mount(self) -> None:
        """List the bindings once; they do not change while help is open."""
        panel = self.query_one(Panel)
        panel.focus()
        self.call_after_refresh(lambda: panel.show(self._lines(), line(("Esc closes", "dim"))))

    def _lines(self) -> list[Line]:
        commands = {command.id: command for command in COMMANDS}
        seen: set[str] = set()
        lines = []
        for active in self._below.active_bindings.values():
            binding = active.binding
            if binding.id in seen or not binding.description:
                continue
            seen.add(binding.id or binding.key)
            command = commands.get(binding.id or "")
            key = shown(command) if command and binding.key in command.keys else binding.key
            lines.append(
                line(
                    (f" {key:>9}  ", "focus"),
                    (f"{binding.description:<12}", "strong"),
                    (binding.tooltip or "", "plain"),
                )
            )
        lines += [Line(), line(("How to read the panels", "title"))]
        lines += [line((f" {word:<15}", style), meaning) for word, style, meaning in LEGEND]
        return lines

"""Help: this screen's keys, from the very bindings that are active."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.commands import COMMANDS, EVERYWHERE, key_name, shown
from alphapulse_tui.screens.leaving import LeftOnce
from alphapulse_tui.widgets.lines import Line, line, wrap
from alphapulse_tui.widgets.panel import Panel

LEGEND = (
    ("ok", "ok", "verified a moment ago"),
    ("WARN CRIT", "critical", "over a threshold of the runbook; the verdict line says which"),
    ("STALE 12s old", "warning", "no answer for two intervals: the numbers are dimmed, then taken away"),
    ("not verified", "unknown", "nobody knows: neither good nor bad"),
)


MOVING = ("panel", "table")
"""Beginnings of the ids of keys that move about in a widget; they are told in a line of their own."""


class HelpScreen(ModalScreen[None], LeftOnce[None]):
    """Keys of the screen below, and how to read the panels."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark", "dismiss", "back", id="help.back")]

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
        self.call_after_refresh(lambda: panel.show(self._lines(), line(("arrows scroll, Esc closes", "dim"))))

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter closes too."""
        event.stop()
        self.dismiss()

    def _lines(self) -> list[Line]:
        """This screen's own keys in the order of the table, then those of every screen; the toolkit's own mean nothing here and are left out."""
        width = self.query_one(Panel).inner_width
        commands = {command.id: command for command in COMMANDS}
        active = {each.binding.id or "": each.binding for each in self._below.active_bindings.values()}
        own = [binding for name, binding in active.items() if name and name.split(".")[0] not in MOVING]
        own.sort(key=lambda binding: _place(binding.id or ""))
        lines: list[Line] = []
        if any((binding.id or "").startswith("cockpit.panel-") for binding in own):
            lines += _entry("1-7", "panel", "Focus the panel of that number.", width)
        digits = self._below.digits if isinstance(self._below, CockpitScreen) else ()
        if len(digits) > 1:
            views = ", ".join(f"{number} {title}" for number, title in enumerate(digits, 1))
            lines += _entry(f"1-{len(digits)}", "view", f"{views}.", width)
        for binding in own:
            command = commands.get(binding.id or "")
            if (binding.id or "").startswith(("cockpit.panel-", "detail.view-")) or not binding.description:
                continue
            key = shown(command) if command and binding.key in command.keys.split(",") else key_name(binding.key)
            lines += _entry(key, binding.description, command.help if command else binding.tooltip, width)
        lines += _entry("arrows", "move", "Walk the lines, or scroll; also j and k, PgUp, PgDn, Home, End.", width)
        lines += _entry("Enter", "open", "Open, choose or do what the cursor stands on.", width)
        lines += _entry("Tab", "next", "The next panel.", width)
        lines += [Line(), line(("How to read the panels", "title"))]
        for word, style, meaning in LEGEND:
            first, *rest = wrap(meaning, max(20, width - 16))
            lines.append(Line(((f" {word:<15}", style), *first.spans)))
            lines += [Line(((" " * 16, "plain"), *one.spans)) for one in rest]
        ids = ", ".join(f"{name} {key_name(binding.key)}" for name, binding in active.items() if name in commands)
        lines += [Line(), line(("To change a key: its id in the profile's [keys], and its key now", "title"))]
        return lines + wrap(ids, max(20, width))


def _place(command_id: str) -> tuple[bool, int]:
    """What only this screen does comes first: it is what a person asks help for."""
    place = next((place for place, command in enumerate(COMMANDS) if command.id == command_id), -1)
    return (place >= 0 and COMMANDS[place].scope == EVERYWHERE, place)


def _entry(key: str, word: str, said: str, width: int) -> list[Line]:
    """Key, word and sentence, the sentence wrapped under itself."""
    first, *rest = wrap(said, max(20, width - 24)) or [Line()]
    head = Line(((f" {key:>8}  ", "focus"), (f"{word:<12} ", "strong"), *first.spans))
    return [head, *(Line(((" " * 24, "plain"), *one.spans)) for one in rest)]

"""All that is known of one row, as text: arrows scroll, `c` copies it. It is made anew every second while it is looked at.

It ages as a panel does (design 4, rule 1): dim once its reading is not live, and gone once nobody may trust it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from alphapulse_tui.model.reading import Link
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.commands import COMMANDS, EVERYWHERE, TEXT, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.listing import copy
from alphapulse_tui.screens.panels.truth import badge, truthful
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.widgets.lines import Line, line, wrap
from alphapulse_tui.widgets.panel import Panel

LIVE = line(("live", "dim"))

OF_ROW = ("detail.fix", "detail.procedure", "detail.logs")
"""Commands of a list of rows that its row's text has too."""

COPIED_CELLS = 1000
"""Width of a sentence that is copied: none is that long."""


class RowTextScreen(CockpitScreen):
    """``text`` gives the lines; long ones are wrapped here. ``reads``: the board's key of what they tell, empty for what never ages."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, TEXT)

    def __init__(self, title: str, text: Callable[[], Sequence[Line]], reads: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._reads = reads

    def compose(self) -> ComposeResult:
        """Top line, the text, footer."""
        yield TopLine(self.standing())
        yield Panel(0, self._title, id="text")
        yield FooterLine(self._keys())

    def _keys(self) -> list[tuple[str, str]]:
        """The footer's keys."""
        return footer_text(TEXT, EVERYWHERE, keymap=self.session.profile.keys)

    def on_mount(self) -> None:
        """Follow it."""
        self.query_one(Panel).focus()
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._tick)

    def on_screen_resume(self) -> None:
        """Back from another screen: what happened meanwhile."""
        if self.is_mounted:
            self.call_after_refresh(self._tick)

    def _tick(self) -> None:
        if not self.is_current:  # Covered, or being removed: the panel goes before the clock stops.
            return
        self.query_one(TopLine).show(self.standing(), time.time())
        panel = self.query_one(Panel)
        width = max(20, panel.inner_width)
        panel.show([part for one in self._lines(width) for part in _fitted(one, width)], self._badge())

    def _lines(self, width: int) -> Sequence[Line]:
        """The text as its age deserves; ``width`` is for the sentences that stand in for one that may not be trusted."""
        text = self._text()
        if not self._reads:
            return text
        reading, notice = self.session.board.get(self._reads), self.session.notice(self._reads)
        return truthful(reading, text, self.session.now, width, "not configured", notice)

    def _badge(self) -> Line:
        """Live, or since when not. Never a health: that of the whole target is not the row's."""
        if not self._reads:
            return Line()
        now, reading = self.session.now, self.session.board.get(self._reads)
        live = reading is not None and reading.link_at(now) is Link.LIVE
        return LIVE if live else badge(reading, now)

    def action_copy(self) -> None:
        """Copy it whole, unwrapped; what is not live goes with the word that says so."""
        head = self._badge()
        lines = [*(() if head in (Line(), LIVE) else (head,)), *self._lines(COPIED_CELLS)]
        text = "\n".join(one.text for one in lines)
        copy(self.app, text, f"{self.key('text.back')}, then {self.key('list.file')} writes the rows into a file.")


class RowOfTargetScreen(RowTextScreen):
    """The text of a target's row. What may be done about the row is on the keys that do it in its list, which is a screen away.

    ``does`` maps the ids of those commands to what they do.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(command.keys, f"row('{command.id}')", command.title, id=command.id, tooltip=command.help)
        for command in COMMANDS
        if command.id in OF_ROW
    ]

    def __init__(
        self, title: str, text: Callable[[], Sequence[Line]], reads: str, does: Mapping[str, Callable[[], None]]
    ) -> None:
        super().__init__(title, text, reads)
        self._does = does

    def _keys(self) -> list[tuple[str, str]]:
        own = [(self.key(command.id), command.title) for command in COMMANDS if command.id in self._does]
        return [*own, *super()._keys()]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that this row has no use for is not heard, nor told by help."""
        if action == "row":
            return parameters[0] in self._does
        return super().check_action(action, parameters)

    def action_row(self, command_id: str) -> None:
        """Do what the key does in the list, with this row."""
        self._does[command_id]()


def _fitted(one: Line, width: int) -> list[Line]:
    """A line that is too long is broken at its spaces, in the style of its end."""
    if one.cells <= width:
        return [one]
    return wrap(one.text, width, one.spans[-1][1])

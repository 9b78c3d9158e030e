"""The whole table behind a panel: every row, filtered by `/`, sorted by `s`, the cursor on its row whatever comes and goes.

Columns are data, one tuple a target in ``columns.py``; this screen knows none of them.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.screens.columns import TABLES
from alphapulse_tui.screens.commands import DETAIL, EVERYWHERE, LIST, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.listing import ListScreen
from alphapulse_tui.screens.panels.truth import badge
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.widgets.lines import Line, LineWidget, line, spread
from alphapulse_tui.widgets.table import LiveTable


class HeadLine(LineWidget):
    """Title on the left, freshness and count on the right."""

    DEFAULT_CSS = """
    HeadLine { height: 1; }
    """

    left: Line = Line()
    right: Line = Line()

    def lines(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - one line
        """Both ends."""
        return [spread(self.left, self.right, width)]


class DetailScreen(ListScreen):
    """One target, whole."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, LIST, DETAIL)

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target
        self.table = TABLES[target]
        self.name_of_list = target

    def compose(self) -> ComposeResult:
        """Top line, head, filter, table, footer."""
        yield TopLine(self.standing())
        yield HeadLine()
        yield Input(placeholder="rows that contain ...", id="filter")
        yield LiveTable(self.table.columns, self.table.key, id="rows")
        yield FooterLine(footer_text(LIST, DETAIL, EVERYWHERE, keymap=self.session.profile.keys), tall=True)

    def on_mount(self) -> None:
        """Follow the target."""
        self.query_one(LiveTable).focus()
        self._unsubscribe = self.session.board.subscribe(self._changed)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._tick)

    def on_unmount(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def _changed(self, reading: Reading[Any], before: Reading[Any] | None) -> None:  # noqa: ARG002 - a Listener's signature
        if reading.target == self.target:
            self._draw()

    def _tick(self) -> None:
        self.query_one(TopLine).show(self.standing(), time.time())
        self._draw()

    def _draw(self) -> None:
        """Rows while they may be trusted; an empty table and the reason when they may not."""
        now = self.session.now
        reading = self.session.board.get(self.target)
        trusted = reading is not None and reading.trusted(now)
        rows = self.table.rows(reading.snapshot) if reading is not None and trusted else ()
        table: LiveTable[Any] = self.query_one(LiveTable)
        table.show(rows)
        head = self.query_one(HeadLine)
        silent = reading.problem if reading is not None and reading.link_at(now) is not Link.LIVE else ""
        head.left = line((f" {self.table.title}  ", "title"), (silent, "unknown"))
        head.right = Line((*badge(reading, now).spans, (f"  {table.shown}/{len(rows)} rows ", "dim")))
        head.repaint()

    def action_fixes(self) -> None:
        """The numbered fixes of the row."""
        table: LiveTable[Any] = self.query_one(LiveTable)
        row = table.row
        self.open_fixes(self.target, table.key(row) if row is not None else "")

    def on_live_table_opened(self, event: LiveTable.Opened) -> None:
        """Enter on a row: its procedure, where its target has one, else its fixes."""
        row = self.query_one(LiveTable).row
        procedure = self.installed(getattr(row, "procedure", ""))
        if procedure:
            self.open_procedure(procedure)
        else:
            self.open_fixes(self.target, event.key)

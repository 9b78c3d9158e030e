"""One table for every large list: only the rows in view are formatted, and the cursor stays on its *row key*.

Textual's DataTable measures every cell of every row (2.4 s for 10,000 rows, 1.7 s of it in one piece) and resends the whole widget for one
changed cell. This one formats what is on the screen and repaints the cells that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message

from alphapulse_tui.widgets.lines import Line, LineWidget, line
from alphapulse_tui.widgets.panel import cells, fit, middle_cut, set_cells

Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """How one property of a row is shown, sorted and searched.

    ``width`` is in cells; the column with width 0 takes what is left. ``style`` names a line style, or is empty for plain.
    """

    title: str
    width: int
    text: Callable[[Row], str]
    style: Callable[[Row], str] = lambda row: "plain"  # noqa: ARG005
    right: bool = False
    sort: Callable[[Row], object] | None = None
    wide_only: bool = False
    """Shown from 120 cells on."""
    keep_end: bool = False
    """Cut in the middle, where it does not fit: names of pods differ in their last characters."""


WIDE = 120
"""Cells from which a table shows its wide columns (design 4: layout changes at 80, 120 and 200 columns)."""


class LiveTable(LineWidget, Generic[Row], can_focus=True):
    """Rows with a cursor, a filter and a sort. The owner calls :meth:`show` with new rows as often as it likes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False, id="table.up"),
        Binding("down,j", "move(1)", "down", show=False, id="table.down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="table.page-up"),
        Binding("pagedown", "page(1)", "page down", show=False, id="table.page-down"),
        Binding("home", "move(-1000000)", "first", show=False, id="table.first"),
        Binding("end", "move(1000000)", "last", show=False, id="table.last"),
        Binding("enter", "open", "open", show=False, id="table.open"),
        Binding("s", "sort", "sort", show=False, id="list.sort"),
    ]

    DEFAULT_CSS = """
    LiveTable { height: 1fr; }
    """

    class Opened(Message):
        """Enter was pressed on ``row``, which may have left the table by the time that this is heard."""

        def __init__(self, table: LiveTable[Any], row: Any) -> None:
            super().__init__()
            self.table = table
            self.row = row
            self.key: str = table.key(row)

    def __init__(self, columns: Sequence[Column[Row]], key: Callable[[Row], str], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.key = key
        self.needle = ""
        self.sorted_by: int | None = None
        """Index of the column that sorts, or none for the order in which rows were given."""
        self.dimmed = False
        """Whether what is shown is old: every cell is then drawn dim, whatever its style (design 4, rule 1)."""
        self._given: Sequence[Row] = ()
        self._rows: Sequence[Row] = ()
        self._cursor_key = ""
        self._cursor = 0
        self._top = 0

    def show(self, rows: Sequence[Row], *, dimmed: bool = False) -> None:
        """Take new rows; the cursor stays on its row, or on its place when the row has gone. ``dimmed``: they are old.

        The very sequence that was given last is not filtered and sorted again, so that ten thousand rows cost nothing while they are the
        same: whoever has others gives another sequence.
        """
        self.dimmed = dimmed
        if rows is not self._given:
            self._given = rows
            self._arrange()
        self.repaint()

    def filter(self, needle: str) -> None:
        """Keep rows of which any column contains ``needle``, whatever its case."""
        self.needle = needle
        self._arrange()
        self.repaint()

    @property
    def row(self) -> Row | None:
        """The row under the cursor, or none in an empty table."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def shown(self) -> int:
        """Rows that pass the filter."""
        return len(self._rows)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that pass the filter, as they are sorted."""
        return self._rows

    def text_of(self, row: Row) -> str:
        """A row's columns, all of them and uncut, one tab between two."""
        return "\t".join(column.text(row) for column in self.columns)

    def _arrange(self) -> None:
        rows = self._given
        if self.needle:
            needle = self.needle.casefold()
            rows = [row for row in rows if any(needle in column.text(row).casefold() for column in self.columns)]
        if self.sorted_by is not None:
            column = self.columns[self.sorted_by]
            by = column.sort or column.text
            rows = sorted(rows, key=lambda row: (by(row) is None, by(row)))
        self._rows = rows
        place = self._cursor
        if not (place < len(rows) and self.key(rows[place]) == self._cursor_key):
            place = next((index for index, row in enumerate(rows) if self.key(row) == self._cursor_key), self._cursor)
        self._stand_on(place)

    def _stand_on(self, place: int) -> None:
        self._cursor = max(0, min(place, len(self._rows) - 1))
        self._cursor_key = self.key(self._rows[self._cursor]) if self._rows else self._cursor_key

    def action_move(self, step: int) -> None:
        """Move the cursor by ``step`` rows."""
        self._stand_on(self._cursor + step)
        self.repaint()

    def action_page(self, pages: int) -> None:
        """Move by what is in view."""
        self.action_move(pages * max(1, self.size.height - 2))

    def action_open(self) -> None:
        """Tell the screen."""
        if self._rows:
            self.post_message(self.Opened(self, self._rows[self._cursor]))

    def action_sort(self) -> None:
        """Sort by the next column that is shown; after the last, the given order again."""
        after = -1 if self.sorted_by is None else self.sorted_by
        wide = self.size.width >= WIDE
        following = (place for place, column in enumerate(self.columns) if wide or not column.wide_only)
        self.sorted_by = next((place for place in following if place > after), None)
        self._arrange()
        self.repaint()

    def on_focus(self) -> None:
        """Show the cursor."""
        self.repaint()

    def on_blur(self) -> None:
        """Dim the cursor."""
        self.repaint()

    def on_click(self, event: Click) -> None:
        """Stand on the row that was clicked."""
        if event.y >= 1 and self._top + event.y - 1 < len(self._rows):
            self.action_move(self._top + event.y - 1 - self._cursor)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Walk down."""
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Walk up."""
        event.stop()
        self.action_move(-3)

    def lines(self, width: int, height: int) -> list[Line]:
        """The header and the rows in view."""
        columns = [column for column in self.columns if width >= WIDE or not column.wide_only]
        fixed = sum(column.width + 1 for column in columns if column.width)
        flexible = max(0, width - fixed - 1)
        widths = [column.width or flexible for column in columns]
        rows = max(0, height - 1)
        self._top = max(min(self._top, self._cursor), self._cursor - rows + 1, 0)
        by = self.columns[self.sorted_by] if self.sorted_by is not None else None
        head = [
            (cell(_title(column, size) if column is by else column.title, size, column.right), "title")
            for column, size in zip(columns, widths, strict=True)
        ]
        shown = [Line(fit(Line(tuple(head)), width))]
        if self._given and not self._rows and rows:
            shown.append(line((f"no row of {len(self._given)} contains {self.needle!r}", "dim")))
        for index in range(self._top, min(self._top + rows, len(self._rows))):
            row = self._rows[index]
            spans = tuple(
                (cell(_cut(column, row, size), size, column.right), "dim" if self.dimmed else column.style(row))
                for column, size in zip(columns, widths, strict=True)
            )
            spans = fit(Line(spans), width)
            if index == self._cursor:
                spans = tuple((text, f"{style}+cursor") for text, style in spans)
            shown.append(Line(spans, self.key(row)))
        return shown


def _title(column: Column[Any], width: int) -> str:
    """The title of the column that sorts: its sign stays, whatever of the title must go for it."""
    marked = f"{column.title} ^"
    return marked if cells(marked) <= width else f"{set_cells(column.title, width - 1)}^"


def _cut(column: Column[Any], row: Any, width: int) -> str:
    text = column.text(row)
    return middle_cut(text, width) if column.keep_end else text


def cell(text: str, width: int, right: bool = False) -> str:
    """``text`` cut (shown as ``~``) or filled to ``width`` cells and a space behind it."""
    filled = "".join(part for part, _ in fit(Line(((text, "plain"),)), width))
    return (filled.rstrip().rjust(width) if right else filled) + " "

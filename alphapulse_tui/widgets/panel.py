"""A framed panel of lines with a number, a title and a badge, whose lines can be walked with the cursor.

The frame is drawn by the panel itself, so that a ticking badge repaints a few cells and not the whole border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message

from alphapulse_tui.widgets.lines import Line, LineWidget, line

FRAME_ROWS = 2
"""Rows that the frame takes: one above, one below."""

FRAME_CELLS = 4
"""Cells that the frame takes: a bar and a space on either side."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The characters of a frame: corners, horizontal, vertical."""

    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    horizontal: str
    vertical: str


BOX = Frame("┌", "┐", "└", "┘", "─", "│")
ASCII = Frame("+", "+", "+", "+", "-", "|")


class Panel(LineWidget, can_focus=True):
    """Numbered (0 for none), titled, framed. The owner sets :attr:`title`, :attr:`badge` and :attr:`body`, then calls ``repaint``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", "up", show=False, id="panel.up"),
        Binding("down,j", "cursor(1)", "down", show=False, id="panel.down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="panel.page-up"),
        Binding("pagedown,space", "page(1)", "page down", show=False, id="panel.page-down"),
        Binding("home", "end(-1)", "to the top", show=False, id="panel.home"),
        Binding("end", "end(1)", "to the end", show=False, id="panel.end"),
        Binding("enter", "open", "open", show=False, id="panel.open"),
    ]

    DEFAULT_CSS = """
    Panel { height: 1fr; width: 1fr; }
    """

    frame: ClassVar[Frame] = BOX
    """Set once, at start, by ``--ascii``."""

    class Opened(Message):
        """Enter was pressed on the panel; ``key`` names the chosen line, or is empty."""

        def __init__(self, panel: Panel, key: str) -> None:
            super().__init__()
            self.panel = panel
            self.key = key

        @property
        def control(self) -> Panel:
            """The panel."""
            return self.panel

    def __init__(self, number: int, title: str, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self.number = number
        self.title = title
        self.badge: Line = Line()
        self.body: Sequence[Line] = ()
        self.tone = "frame"
        """Style of the frame: ``frame``, or a severity."""
        self.cursor_key = ""
        """Key of the chosen line; it stays with its object while lines come and go."""
        self._top = 0
        self._roams = False
        """True after paging: the view stays where it was paged to, until the cursor is moved again."""

    def show(self, body: Sequence[Line], badge: Line, tone: str = "frame") -> None:
        """Take new content and paint what changed."""
        self.body, self.badge, self.tone = body, badge, tone
        self.repaint()

    @property
    def inner_width(self) -> int:
        """Cells for a line of the body."""
        return max(0, self.size.width - FRAME_CELLS)

    @property
    def inner_height(self) -> int:
        """Rows for the body."""
        return max(0, self.size.height - FRAME_ROWS)

    @property
    def chosen(self) -> str:
        """Key of the line under the cursor; the first that can be chosen when the old one has gone; empty when none can."""
        keys = [one.key for one in self.body if one.key]
        if not keys:
            return ""
        return self.cursor_key if self.cursor_key in keys else keys[0]

    def action_cursor(self, step: int) -> None:
        """Move to the next line that can be chosen; where none can, scroll."""
        keys = [one.key for one in self.body if one.key]
        if not keys:
            self._stand_at(self._top + step)
            return
        self._roams = False
        place = keys.index(self.chosen) + step
        self.cursor_key = keys[max(0, min(len(keys) - 1, place))]
        self.repaint()

    def action_page(self, pages: int) -> None:
        """Scroll by what is in view, and leave the cursor on its line."""
        self._stand_at(self._top + pages * max(1, self.inner_height - 1))

    def action_end(self, way: int) -> None:
        """Scroll to the first line or the last."""
        self._stand_at(len(self.body) if way > 0 else 0)

    def _stand_at(self, top: int) -> None:
        self._roams = True
        self._top = max(0, min(top, len(self.body) - self.inner_height))
        self.repaint()

    def action_open(self) -> None:
        """Tell the screen that Enter was pressed here."""
        self.post_message(self.Opened(self, self.chosen))

    def on_focus(self) -> None:
        """Show the cursor."""
        self.repaint()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.repaint()

    def on_click(self, event: Click) -> None:
        """Choose the line that was clicked."""
        row = event.y - 1 + self._top
        if 0 <= row < len(self.body) and self.body[row].key:
            self.cursor_key = self.body[row].key
            self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        """The frame with the visible part of the body."""
        if width < FRAME_CELLS + 1 or height < FRAME_ROWS + 1:
            return []
        tone = "focus" if self.has_focus and self.tone == "frame" else self.tone
        rows = height - FRAME_ROWS
        self._scroll(rows)
        visible = self.body[self._top : self._top + rows]
        inner = width - FRAME_CELLS
        framed = [self._framed(one, inner, tone) for one in visible]
        framed.extend([self._framed(Line(), inner, tone)] * (rows - len(visible)))
        return [self._head(width, tone), *framed, self._foot(width, rows, tone)]

    def _scroll(self, rows: int) -> None:
        """Keep the chosen line in view."""
        top = min(self._top, max(0, len(self.body) - rows))
        if self.has_focus and not self._roams and (key := self.chosen):
            place = next(index for index, one in enumerate(self.body) if one.key == key)
            first = next(index for index, one in enumerate(self.body) if one.key)
            # What stands above the first line that can be chosen cannot be reached by the cursor: it is shown with that line.
            top = max(0 if place == first else min(top, place), place - rows + 1)
        self._top = top

    def _framed(self, one: Line, inner: int, tone: str) -> Line:
        spans = fit(one, inner)
        if one.key and self.has_focus and one.key == self.chosen:
            spans = tuple((text, f"{style}+cursor") for text, style in spans)
        bar = self.frame.vertical
        return Line(((f"{bar} ", tone), *spans, (f" {bar}", tone)))

    def _head(self, width: int, tone: str) -> Line:
        style = "focus" if self.has_focus else "title"
        badge = self.badge
        words = f"{self.number} {self.title}" if self.number else self.title
        most = width - 5 - (min(badge.cells, width // 2) + 3 if badge.cells else 0)
        if cells(words) > most:  # the badge says how it stands: the title gives way
            words = set_cells(words, max(0, most - 1)) + "~"
        # Brackets, because the focus must be seen without colour and on a panel whose frame has another tone.
        label = f"[{words}]" if self.has_focus else f" {words} "
        room = width - 3 - cells(label)
        if badge.cells and badge.cells + 3 > room:
            badge = Line(fit(badge, max(0, room - 3)))
        tail = badge.cells + 2 if badge.cells else 0
        rule = self.frame.horizontal * max(0, room - tail)
        spans: list[tuple[str, str]] = [
            (self.frame.top_left + self.frame.horizontal, tone),
            (label, style),
            (rule, tone),
        ]
        if badge.cells:
            spans += [(" ", tone), *badge.spans, (" ", tone)]
        return Line((*spans, (self.frame.top_right, tone)))

    def _foot(self, width: int, rows: int, tone: str) -> Line:
        below = len(self.body) - rows - self._top
        more = f" {below} more " if below > 0 else " end " if self._top else ""
        rule = self.frame.horizontal * max(0, width - 2 - len(more))
        return line((self.frame.bottom_left + rule, tone), (more, "dim"), (self.frame.bottom_right, tone))


def fit(one: Line, width: int) -> tuple[tuple[str, str], ...]:
    """The line's spans cut or filled to exactly ``width`` cells; a cut shows as ``~`` so that it is seen."""
    excess = one.cells - width
    if excess <= 0:
        return (*one.spans, (" " * -excess, "plain"))
    kept: list[tuple[str, str]] = []
    room = width - 1
    for text, style in one.spans:
        part = set_cells(text, room)
        kept.append((part, style))
        room -= cells(part)
        if part != text:
            break
    return (*kept, ("~" if width > 0 else "", "dim"), (" " * max(0, room), "plain"))


def middle_cut(text: str, width: int, end: int = 5) -> str:
    """``text`` in at most ``width`` cells with its last ``end`` characters kept: pods of one rollout differ only there.

    >>> middle_cut("agent-workers-dd8dd99c-8j7wr", 14)
    'agent-wo~8j7wr'
    """
    if cells(text) <= width or width <= end + 2:
        return set_cells(text, width)
    return f"{set_cells(text, width - end - 1)}~{text[-end:]}"


def cells(text: str) -> int:
    """Width of ``text`` in terminal cells."""
    return len(text) if text.isascii() else Line(((text, ""),)).cells


def set_cells(text: str, width: int) -> str:
    """The longest start of ``text`` that takes at most ``width`` cells."""
    if text.isascii():
        return text[: max(0, width)]
    kept = ""
    for character in text:
        if cells(kept + character) > width:
            break
        kept += character
    return kept

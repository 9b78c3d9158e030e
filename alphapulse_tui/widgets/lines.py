"""Lines of styled text, painted so that only the cells that changed are sent.

Textual resends every dirty region and does not compare with the last frame: five tables refreshed once a second cost 21 kB/s even when
nothing changed, one region of cells 34 B/s. So :class:`LineWidget` keeps the strips it has painted, builds the new ones, and refreshes
just the cells between the first and the last difference of each line.

Texts are given as spans of ``(text, name of an ink)``: never markup, so nothing from outside can become a link, an action or an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from alphapulse_tui.widgets.ink import write


@dataclass(frozen=True, slots=True)
class Line:
    """One line: spans of ``(text, style name)``, and the key of what it shows, if it can be chosen."""

    spans: tuple[tuple[str, str], ...] = ()
    key: str = ""

    @property
    def text(self) -> str:
        """The words alone."""
        return "".join(text for text, _ in self.spans)

    @property
    def cells(self) -> int:
        """Width in terminal cells."""
        return sum(cell_len(text) for text, _ in self.spans)


def line(*spans: tuple[str, str] | str, key: str = "") -> Line:
    """A line of spans; a bare string is plain.

    >>> line("172/200 ", ("86%", "critical")).text
    '172/200 86%'
    """
    return Line(tuple((span, "plain") if isinstance(span, str) else span for span in spans), key)


def spread(left: Line, right: Line, width: int) -> Line:
    """``left`` and ``right`` at the two ends of ``width`` cells; ``right`` goes first when both do not fit."""
    gap = width - left.cells - right.cells
    if gap < 1:
        return left
    return Line((*left.spans, (" " * gap, "plain"), *right.spans), left.key)


def wrap(text: str, width: int, style: str = "plain") -> list[Line]:
    """``text`` broken at spaces into lines of at most ``width`` cells; a longer word (an address, a path) is broken where the line ends.

    >>> [one.text for one in wrap("see https://long.example", 10)]
    ['see', 'https://lo', 'ng.example']
    """
    lines: list[str] = []
    current = ""
    for word in text.split():
        candidate = f"{current} {word}" if current else word
        if cell_len(candidate) <= width:
            current = candidate
            continue
        if current:
            lines.append(current)
        *full, current = _pieces(word, max(1, width))
        lines += full
    if current:
        lines.append(current)
    return [line((part, style)) for part in lines]


def _pieces(word: str, width: int) -> list[str]:
    if cell_len(word) <= width:
        return [word]
    pieces = [""]
    for character in word:
        if pieces[-1] and cell_len(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


class LineWidget(Widget):
    """A widget made of lines. A subclass gives :meth:`lines`; whoever changes its data calls :meth:`repaint`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []
        self._painted_size: tuple[int, int] = (0, 0)
        self._named: dict[str, Style] = {}

    def lines(self, width: int, height: int) -> Sequence[Line]:  # noqa: ARG002 - for those who override it
        """At most ``height`` lines for ``width`` cells. Called once a repaint: keep it cheap."""
        return ()

    def repaint(self) -> None:
        """Build the lines anew and refresh the cells that differ from those on the screen."""
        width, height = self.size
        if not self.is_attached or not width or not height:
            return
        before = self._strips
        if self._painted_size != (width, height):
            self._build()
            self.refresh()
            return
        self._build()
        dirty = [
            Region(first, y, last - first, 1)
            for y, (old, new) in enumerate(zip(before, self._strips, strict=True))
            if old is not new and (span := changed_cells(old, new)) is not None
            for first, last in (span,)
        ]
        if dirty:
            self.refresh(*dirty)

    def render_line(self, y: int) -> Strip:
        """One line for the compositor."""
        if self._painted_size != tuple(self.size):
            self._build()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    def notify_style_update(self) -> None:
        """The theme changed: forget resolved styles."""
        self._named.clear()
        self._painted_size = (0, 0)
        super().notify_style_update()

    def _build(self) -> None:
        width, height = self.size
        built = list(self.lines(width, height))[:height]
        built.extend([Line()] * (height - len(built)))
        self._strips = [self._strip(one, width) for one in built]
        self._painted_size = (width, height)

    def _strip(self, one: Line, width: int) -> Strip:
        base = self._style("plain")
        segments = [Segment(text, self._style(name)) for text, name in one.spans if text]
        return Strip(segments).adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        """The resolved style, kept until the theme or the widget's own style changes."""
        found = self._named.get(name)
        if found is None:
            found = self._named[name] = write(self, name)
        return found


def changed_cells(old: Strip, new: Strip) -> tuple[int, int] | None:
    """First and one-past-last cell in which the strips differ, or none when they are equal.

    Compares runs of equal segments from both ends, then characters of the first and last differing pair; wide characters fall back to the
    whole segment so that none is cut in half.
    """
    before, after = list(old), list(new)
    if before == after:
        return None
    start = 0
    first = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        first += before[start].cell_length
        start += 1
    end = 0
    last = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        last += before[-1 - end].cell_length
        end += 1
    if start < len(before) and start < len(after) and before[start].style == after[start].style:
        first += _common_prefix(before[start].text, after[start].text)
    return first, max(new.cell_length - last, first + 1)


def _common_prefix(old: str, new: str) -> int:
    """Cells that two texts share at their start; 0 when either is not plain ASCII."""
    if not (old.isascii() and new.isascii()):
        return 0
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count

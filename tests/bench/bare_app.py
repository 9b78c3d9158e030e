"""The least that Textual can do for a key: a list of 10,000 lines with a cursor. Measured beside the cockpit, to know the machine."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

LINES = 10_000
BAR = Style(reverse=True)


class Lines(ScrollView, can_focus=True):
    """Numbered lines; the cursor is a bar."""

    BINDINGS = [("down", "move(1)", ""), ("up", "move(-1)", "")]  # noqa: RUF012 - as Textual's own apps write it

    def __init__(self) -> None:
        super().__init__()
        self.virtual_size = Size(80, LINES)
        self.cursor = 0

    def render_line(self, y: int) -> Strip:
        """Line ``y`` of the window, as wide as the window."""
        number = y + self.scroll_offset.y
        text = f"line {number}".ljust(self.size.width)
        return Strip([Segment(text, BAR if number == self.cursor else None)], self.size.width)

    def action_move(self, by: int) -> None:
        """Move the cursor and paint the two lines that changed."""
        before, self.cursor = self.cursor, min(LINES - 1, max(0, self.cursor + by))
        width, top = self.size.width, self.scroll_offset.y
        self.refresh(Region(0, before - top, width, 1), Region(0, self.cursor - top, width, 1))


class BareApp(App[None]):
    """Nothing but the list."""

    def compose(self) -> ComposeResult:
        yield Lines()


if __name__ == "__main__":
    BareApp().run()

"""The bottom line: the keys of this screen, and what is under way."""

from __future__ import annotations

from collections.abc import Sequence

from alphapulse_tui.widgets.lines import Line, LineWidget


class FooterLine(LineWidget):
    """Keys with their words, made from the command table; ``news`` on the right, when there is any.

    On a terminal under 120 columns a screen with many keys of its own takes two rows (``tall``), so that none of them is a secret.
    """

    DEFAULT_CSS = """
    FooterLine { height: 1; background: $panel; }
    """

    def __init__(self, keys: Sequence[tuple[str, str]], *, tall: bool = False) -> None:
        super().__init__(classes="-tall" if tall else None)
        self._keys = keys
        self.news: Line = Line()

    def offer(self, keys: Sequence[tuple[str, str]]) -> None:
        """Name other keys."""
        if keys != self._keys:
            self._keys = keys
            self.repaint()

    def say(self, news: Line) -> None:
        """Show ``news`` at the right end."""
        if news != self.news:
            self.news = news
            self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        """As many keys as fit, in their order, beside the news."""
        rows: list[list[tuple[str, str]]] = [[] for _ in range(height)]
        left = [width] * (height - 1) + [width - self.news.cells - 1]
        place = 0
        for key, word in self._keys:
            part = len(key) + len(word) + 3
            while place < height and part > left[place]:
                place += 1
            if place == height:
                break
            rows[place] += [(f" {key}", "focus"), (f" {word} ", "dim")]
            left[place] -= part
        rows[-1] += [(" " * max(0, left[-1] + 1), "plain"), *self.news.spans]
        return [Line(tuple(row)) for row in rows]

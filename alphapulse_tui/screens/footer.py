"""The bottom line: the keys of this screen, and what is under way."""

from __future__ import annotations

from collections.abc import Sequence

from alphapulse_tui.widgets.lines import Line, LineWidget


class FooterLine(LineWidget):
    """Keys with their words, made from the command table; ``news`` on the right, when there is any."""

    DEFAULT_CSS = """
    FooterLine { height: 1; background: $panel; }
    """

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys
        self.news: Line = Line()

    def say(self, news: Line) -> None:
        """Show ``news`` at the right end."""
        self.news = news
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - one line, whatever the height
        """As many keys as fit beside the news."""
        room = width - self.news.cells - 1
        spans: list[tuple[str, str]] = []
        used = 0
        for key, word in self._keys:
            part = len(key) + len(word) + 3
            if used + part > room:
                break
            spans += [(f" {key}", "focus"), (f" {word} ", "dim")]
            used += part
        spans.append((" " * max(0, width - used - self.news.cells), "plain"))
        return [Line((*spans, *self.news.spans))]

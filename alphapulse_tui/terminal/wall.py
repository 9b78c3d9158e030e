"""The second wall: every line on its way to the screen passes here, whichever widget painted it.

Textual strips five control codes and lets ESC, all of C1 and every bidi character through from 36 of 39 places
(measured). With this filter nothing of that reaches the terminal, even if a source forgot ``text.clean``. It also takes
away links and ``@click`` actions: the cockpit makes none of its own in text, so any that arrive came from outside.
"""

from __future__ import annotations

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from alphapulse_tui.text import spell


class OutputWall(LineFilter):
    """Makes hidden characters visible and text inert, in lines that keep their width in cells."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """``segments`` made harmless; the same list when nothing was to do, which is nearly always."""
        for text, style, control in segments:
            if control or not text.isprintable() or (style is not None and _is_live(style)):
                return _harmless(segments)
        return segments


def _harmless(segments: list[Segment]) -> list[Segment]:
    """New segments of the same width: what grew by being spelled out pushes the end of the line out, not the layout."""
    width = sum(segment.cell_length for segment in segments)
    inert = [
        Segment(text if text.isprintable() else spell(text), _inert(style) if style is not None else None)
        for text, style, control in segments
        if not control
    ]
    return Segment.adjust_line_length(inert, width)


def _is_live(style: Style) -> bool:
    """Whether ``style`` carries a link or an action; looks at the pickled meta, as unpickling each would cost a frame."""
    meta = style._meta
    return style._link is not None or (meta is not None and b"@" in meta)


@lru_cache(1024)
def _inert(style: Style) -> Style:
    """``style`` without link and actions; what widgets keep in it for themselves (row, column, offset) stays."""
    if not _is_live(style):
        return style
    meta = {key: value for key, value in style.meta.items() if not key.startswith("@")}
    bare = style.clear_meta_and_links()
    return bare + Style.from_meta(meta) if meta else bare

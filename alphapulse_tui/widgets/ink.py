"""What the names of styles look like: colours of the theme, laid over the background that a widget stands on.

Not by Textual's component classes: each of them is a node of its own that the style sheet is applied to whenever a widget gains the focus
or a class, twelve for every panel, and the panel is then painted whole. Measured: a third of the time from mounting to the first paint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from textual.color import Color
from textual.widget import Widget


@dataclass(frozen=True, slots=True)
class Ink:
    """How one kind of text is written. Colours are named as the theme names them."""

    colour: str = ""
    """Empty: the widget's own."""
    strength: float = 1.0
    """How much of the colour there is, over the background."""
    paper: str = ""
    """A background of its own, laid over the widget's at :data:`PAPER_STRENGTH`; empty for none."""
    bold: bool = False
    italic: bool = False


PAPER_STRENGTH = 0.25

INKS: dict[str, Ink] = {
    "plain": Ink(),
    "dim": Ink("text-muted"),
    "strong": Ink(bold=True),
    "title": Ink("primary", bold=True),
    "accent": Ink("accent"),
    "ok": Ink("text-success"),
    "warning": Ink("text-warning", bold=True),
    "critical": Ink("text-error", bold=True),
    "unknown": Ink("text-muted", italic=True),
    "frame": Ink("foreground", strength=0.25),
    "focus": Ink("primary", bold=True),
    "cursor": Ink(paper="primary", bold=True),
}
"""By the name that spans use. What a state means is always said by a word or a shape too (design 4, rule 2)."""


def write(widget: Widget, names: str) -> Style:
    """The style of ``names`` on ``widget``; ``a+b`` lays b over a (the cursor over a severity).

    Raises:
        KeyError: there is no such ink.
    """
    themed = widget.app.theme_variables
    _, _, paper, colour = widget.colors
    shade = colour
    bold = italic = False
    for name in names.split("+"):
        ink = INKS[name]
        if ink.paper:
            paper = paper.blend(Color.parse(themed[ink.paper]), PAPER_STRENGTH)
        if ink.colour:
            shade = _colour(themed, ink.colour, paper).multiply_alpha(ink.strength)
        bold, italic = bold or ink.bold, italic or ink.italic
    return Style.from_color((paper + shade).rich_color, paper.rich_color) + Style(
        bold=bold or None, italic=italic or None
    )


def _colour(themed: Mapping[str, str], name: str, paper: Color) -> Color:
    """A colour of the theme; ``auto 60%`` is what can be read on ``paper``, at that strength."""
    base, _, strength = themed[name].partition(" ")
    alpha = float(strength.removesuffix("%")) / 100 if strength else 1.0
    return paper.get_contrast_text(alpha) if base == "auto" else Color.parse(base).multiply_alpha(alpha)

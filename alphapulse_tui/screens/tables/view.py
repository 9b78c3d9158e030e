"""What a view of a detail screen is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alphapulse_tui.model.reading import Reading
from alphapulse_tui.model.words import age
from alphapulse_tui.widgets.lines import Line
from alphapulse_tui.widgets.table import Column

Readings = Mapping[str, Reading[Any]]


@dataclass(frozen=True)
class View:
    """One table of a target's detail screen."""

    title: str
    """Two words for the line of views."""
    reads: str
    """The board's key of what it shows; a survey's is taken while the view is looked at."""
    columns: tuple[Column[Any], ...]
    rows: Callable[[Any], Sequence[Any]]
    """From the snapshot to its rows."""
    key: Callable[[Any], str]
    """A row's name, which the cursor follows."""
    fixes: str = ""
    """The fixes menu of its rows; empty for the target's own."""
    head: Callable[[Any], Line] | None = None
    """One line about the whole snapshot."""
    procedure: Callable[[Any], tuple[str, Mapping[str, str]]] | None = None
    """The procedure that mends a row, and the values that it is opened with; an empty id where the row is well."""
    text: Callable[[Any, Readings], Sequence[Line]] | None = None
    """All that is known of a row, for a screen of its own."""
    text_reads: tuple[str, ...] = ()
    """Surveys that ``text`` needs, taken while that screen is open."""
    name: Callable[[Any], str] | None = None
    """What a row is called, where its key is no name."""
    log: Callable[[Any], tuple[str, Sequence[str]]] | None = None
    """A row's pod and its containers, whose log `l` opens; an empty pod where there is none."""


def since(moment: float | None) -> str:
    """How long ago: on call one asks for how long, and never at what second. ``moment`` is in unix seconds."""
    return age(time.time() - moment) if moment else ""

"""Whether this terminal can show the cockpit. Called by the command line before it loads Textual.

A screen drawn on a terminal that does not understand it is worse than none: a dumb terminal shows escape codes, one
without UTF-8 shows 2,900 of ``\\u2502`` (measured). Both get the plain report of ``alphapulse status`` and one sentence.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final, TextIO

from alphapulse_tui.text import clean

_PLAIN: Final = "the plain report of `alphapulse status` follows instead"
_WITHOUT_CURSOR: Final = frozenset({"dumb", "unknown"})
"""Values of TERM that promise nothing but lines. An unset TERM is no such promise: containers often forget it."""


def unsuitable_terminal(environment: Mapping[str, str] | None = None) -> str | None:
    """One sentence that says why no screen can be drawn here and what to do, or ``None`` when it can.

    ``environment`` is ``os.environ`` unless given. A locale of C is fine: Python itself reads it as UTF-8, and our driver
    writes nothing else; only a locale that names another character set is believed.
    """
    variables = os.environ if environment is None else environment
    if not _is_terminal(sys.__stdin__):
        return f"Standard input is not a terminal, so the cockpit would hear no key; {_PLAIN}."
    if not _is_terminal(sys.__stderr__):
        return f"Standard error is not a terminal, and that is where the cockpit draws; {_PLAIN}."
    term = variables.get("TERM", "")
    if term.lower() in _WITHOUT_CURSOR:
        return f"TERM={clean(term, 64)} cannot place the cursor (try TERM=xterm-256color if it can); {_PLAIN}."
    charset = _other_character_set(variables)
    if charset:
        return f"The character set here is {clean(charset, 64)}, not UTF-8 (try LC_ALL=C.UTF-8); {_PLAIN}."
    return None


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether ``stream`` is open and a terminal; Python sets it to ``None`` when the descriptor was closed at start."""
    return stream is not None and not stream.closed and stream.isatty()


def _other_character_set(variables: Mapping[str, str]) -> str:
    """The character set if it is known not to be UTF-8, or the empty text.

    The locale's own word counts first: for a locale that is not installed Python falls back to C and then to UTF-8,
    while the terminal at the other end goes on speaking what the locale names.
    """
    locale_name = next((variables[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if variables.get(key)), "")
    _, _, named = locale_name.partition("@")[0].partition(".")
    encoding = (sys.__stderr__.encoding if sys.__stderr__ else "") or ""
    return next((charset for charset in (named, encoding) if charset and not _is_utf8(charset)), "")


def _is_utf8(charset: str) -> bool:
    return charset.lower().replace("-", "").replace("_", "") == "utf8"

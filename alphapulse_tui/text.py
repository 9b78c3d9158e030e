"""Make text that came from outside safe to show: the first of the two walls before the terminal.

Pod names, log lines, SQL, alert annotations and exception messages are hostile: a terminal obeys the control codes in
them, and *answers* some of them with key presses. Every source calls :func:`clean` (one line: a cell, a name, a
sentence) or :func:`clean_lines` (logs, SQL, stack traces) at its edge, so that nothing behind it ever holds a control
character. The second wall is the output filter in ``terminal.py``, which uses :func:`spell` for what slipped through.

Show, do not drop: ``bad\\rgood`` must not become ``badgood``. Here it becomes ``bad\\x0dgood``, as visible text.

Markup is another matter: clean text still holds ``[brackets]``; widgets get it as ``Content`` or ``Text``, never as a
bare string (``tests/test_markup_lint.py``).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

CELL_LIMIT: Final = 4 * 1024
"""UTF-8 bytes that one cell or sentence may have (design 7: 1 MB of tabs blocks a table for 4.6 s)."""

LINE_LIMIT: Final = 16 * 1024
"""UTF-8 bytes that one line of a log may have (design 7)."""

MARKS_LIMIT: Final = 4
"""Combining marks that one character may carry (design 7); more of them paint over the lines above and below."""

_SUFFIX_ROOM = 32
"""UTF-8 bytes kept free for the ``…(+1,234,567 B)`` of a cut text."""

_TAB_IN_LINES = "    "

# fmt: off
_HIDDEN_RANGES = (
    # C0, DEL, C1: the terminal's own language.
    (0x00, 0x1F), (0x7F, 0x9F),
    # Bidi and zero-width.
    (0xAD, 0xAD), (0x034F, 0x034F), (0x061C, 0x061C), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x206F), (0xFEFF, 0xFEFF),
    # Format characters of scripts.
    (0x0600, 0x0605), (0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2), (0x110BD, 0x110BD),
    (0x110CD, 0x110CD), (0x13430, 0x1345F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    # Letters that draw nothing.
    (0x115F, 0x1160), (0x17B4, 0x17B5), (0x3164, 0x3164), (0xFFA0, 0xFFA0),
    # Variation selectors (the two of emoji apart, see _LONE_SELECTOR), annotations, tags.
    (0xFE00, 0xFE0D), (0xFFF0, 0xFFFB), (0xE0000, 0xE0FFF),
    # Not characters at all.
    (0xFDD0, 0xFDEF), *((plane | 0xFFFE, plane | 0xFFFF) for plane in range(0, 0x110000, 0x10000)),
)
# fmt: on


def _name(code: int) -> str:
    """The visible form of a hidden character, as a Python or C programmer writes it."""
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_SPELLING: Final = {code: _name(code) for first, last in _HIDDEN_RANGES for code in range(first, last + 1)} | {
    ord("\n"): " ",
    ord("\t"): " ",
    0x2028: " ",
    0x2029: " ",
}
_SUSPECT: Final = re.compile(
    "[\ud800-\udfff\u2028\u2029\ufe0e\ufe0f" + "".join(f"{chr(a)}-{chr(b)}" for a, b in _HIDDEN_RANGES) + "]"
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LONE_SELECTOR: Final = re.compile(
    "(?<![\u203c\u2049\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]"
)
"""An emoji's presentation selector where there is no emoji: an invisible difference between two names."""
_CROWD: Final = re.compile(f"[\u0300-\U0010ffff]{{{MARKS_LIMIT + 1},}}")
"""Where too many combining marks can stand at all; Unicode is asked about each character only in these places."""


def clean(value: object, limit: int = CELL_LIMIT) -> str:
    """``value`` as one line of harmless text of at most ``limit`` UTF-8 bytes (at least 32).

    Control, bidi, zero-width and otherwise invisible characters become their visible names (``\\x1b``, ``\\u202e``);
    newlines, tabs and line separators become spaces; broken bytes and lone surrogates become U+FFFD; a fifth combining
    mark on one character becomes U+FFFD and the rest of the pile is left out. What is longer is cut, before any other
    work, and ends with how many bytes of the original are not shown. ``None`` is the empty text. Cleaning twice
    changes nothing.

    >>> clean("web\\x1b[2J-1")
    'web\\\\x1b[2J-1'
    >>> clean("x" * 100, limit=64)[-11:]
    'xxx…(+68 B)'
    """
    text = _text_of(value)
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return (
            text  # Nearly all names: two scans at the speed of C, 0.2 us a name where a regular expression takes 2 us.
        )
    if len(text) * 4 <= limit or _size(text) <= limit:
        if not _has_suspects(text):
            return text
        spelled = spell(text)
        if _size(spelled) <= limit:
            return spelled
    return _cut(text, limit)


def clean_lines(value: object, limit: int = LINE_LIMIT) -> list[str]:
    """``value`` as harmless lines of at most ``limit`` UTF-8 bytes each; a tab is four spaces, so indentation stays.

    Splits at newlines only (with or without a carriage return before them): a page feed or U+2028 does not forge a
    line. A final newline opens no empty line; the empty text has no lines.
    """
    text = _text_of(value).replace("\r\n", "\n")
    lines = text.removesuffix("\n").split("\n") if text else []
    return [clean(line if len(line) > limit else line.replace("\t", _TAB_IN_LINES), limit) for line in lines]


def spell(text: str) -> str:
    """``text`` with every hidden character made visible, at any length; sources call :func:`clean`: it cuts first."""
    text = text.replace("\r\n", "\n")
    text = _SURROGATE.sub("\ufffd", text)
    text = _LONE_SELECTOR.sub(lambda found: _name(ord(found.group())), text)
    text = _CROWD.sub(_thin_out, text)
    return text.translate(_SPELLING)


def _text_of(value: object) -> str:
    """Text, whatever the source handed over; bytes are read as UTF-8 with U+FFFD for what is not."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value)


def _has_suspects(text: str) -> bool:
    """Whether ``text`` may need spelling."""
    return _SUSPECT.search(text) is not None or (not text.isascii() and _CROWD.search(text) is not None)


def _size(text: str) -> int:
    """UTF-8 bytes of ``text``, surrogates counted as the three bytes of the U+FFFD that stands for each."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, limit: int) -> str:
    """The beginning of ``text``, spelled, with the count of what is missing, in at most ``limit`` bytes."""
    room = max(0, limit - _SUFFIX_ROOM)
    head = _SURROGATE.sub("\ufffd", text[:room])
    kept = head.encode()[:room].decode("utf-8", "ignore")
    shown = spell(kept)
    while (size := _size(shown)) > room:
        # Names are longer than what they name. Shrinking in proportion needs a round or two and never leaves the bound.
        kept = kept[: len(kept) * room // size]
        shown = spell(kept)
    missing = _size(text) - _size(kept)
    return f"{shown}…(+{missing:,} B)"


def _thin_out(crowd: re.Match[str]) -> str:
    """The characters of ``crowd`` with at most :data:`MARKS_LIMIT` combining marks in a row."""
    kept: list[str] = []
    marks = 0
    for char in crowd.group():
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if marks <= MARKS_LIMIT:
            kept.append(char)
        elif marks == MARKS_LIMIT + 1:
            kept.append("\ufffd")
    return "".join(kept)

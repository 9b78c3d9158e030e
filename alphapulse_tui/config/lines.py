"""Which line of a TOML file a key stands on.

``tomllib`` tells the line of a syntax error but forgets where the keys were; the libraries that keep positions parse the
file again in their own way. So this walks the text a second time and only notes keys. It is called with text that
``tomllib`` has accepted, which is why it checks nothing.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]
"""A place in the file: keys, and indexes where there is a list: ``("profiles", "lab", "redis", "nodes", 0, "port")``."""

_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_VALUE = re.compile(r"[^,\]}\r\n#]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map every key, table and list item of ``text`` (valid TOML) to the line, from 1, on which it first appears.

    >>> key_lines('a = 1\\n[b]\\nc = [\\n  { d = 2 },\\n]\\n')[("b", "c", 0, "d")]
    4
    """
    return _Walk(text).document()


def nearest_line(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of ``path``, or of the closest table around it; none if the file does not even hold that."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


class _Walk:
    """One pass over the text; ``_at`` is the place of the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[KeyPath, int] = {}
        self._list_lengths: dict[KeyPath, int] = {}
        """Items so far of every ``[[list of tables]]``."""

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            start = self._at
            if self._text.startswith("[[", start):
                table = self._list_header(start)
            elif self._text.startswith("[", start):
                self._at += 1
                table = self._inside(self._key())
                self._note(table, start)
                self._at += 1
            else:
                self._pair(table)
        return self._lines

    def _list_header(self, start: int) -> KeyPath:
        self._at += 2
        *outer, last = self._key()
        items = (*self._inside(outer), last)
        index = self._list_lengths.get(items, 0)
        self._list_lengths[items] = index + 1
        self._note((*items, index), start)
        self._at += 2
        return (*items, index)

    def _inside(self, parts: list[str]) -> KeyPath:
        """The path that a header means: a list of tables on the way stands for its last item."""
        path: KeyPath = ()
        for part in parts:
            path = (*path, part)
            if path in self._list_lengths:
                path = (*path, self._list_lengths[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        path = (*table, *self._key())
        self._note(path, start)
        self._at += 1  # the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SPACES)
        first = self._text[self._at]
        if first in "\"'":
            self._skip(_STRING)
        elif first == "[":
            self._items(path, "]")
        elif first == "{":
            self._items(path, "}")
        else:
            self._skip(_PLAIN_VALUE)

    def _items(self, path: KeyPath, end: str) -> None:
        """A list or an inline table, from its opening bracket to its closing one."""
        self._at += 1
        index = 0
        while self._text[self._skip(_BLANK)] != end:
            if end == "}":
                self._pair(path)
            else:
                self._note((*path, index), self._at)
                self._value((*path, index))
                index += 1
            if self._text[self._skip(_BLANK)] == ",":
                self._at += 1
        self._at += 1

    def _key(self) -> list[str]:
        """A dotted key; afterwards the place is behind it and the spaces that follow."""
        parts: list[str] = []
        while True:
            self._skip(_SPACES)
            start = self._at
            if self._text[start] in "\"'":
                self._skip(_STRING)
                parts.append(tomllib.loads("key = " + self._text[start : self._at])["key"])
            else:
                self._skip(_BARE_KEY)
                parts.append(self._text[start : self._at])
            self._skip(_SPACES)
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _note(self, path: KeyPath, place: int) -> None:
        line = bisect_right(self._line_starts, place)
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return self._at

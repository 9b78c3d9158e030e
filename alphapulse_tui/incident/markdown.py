r"""Put text that anybody may have typed into Markdown without letting it become Markdown: CommonMark with tables, as the forges have it.

Used by the postmortem alone. ``phrase`` is for a table's cell or a line, ``prose`` for a field in which a person may use lists and emphasis but
no headings, ``items`` for a field that is a list.

>>> phrase("a | b\nc [x](y) <script>")
'a \\| b c \\[x\\](y) &lt;script>'
"""

from __future__ import annotations

import re

_ACTIVE = re.compile(r"([\\`*\[\]|~])|(?<![^\W_])(_)|(_)(?![^\W_])")
"""What starts something inside a line; an underscore between letters starts nothing."""

_LINE_START = re.compile(r"^(\s*)(#{1,6}(?=\s|$)|>|[-+](?=\s|$)|\d{1,9}(?=[.)](?:\s|$)))")
"""What starts a block at the start of a line."""

_RULE = re.compile(r"^\s*(?:=+|-+|(?:\*\s*){3,}|(?:_\s*){3,}|(?:-\s*){3,}|`{3,}.*|~{3,}.*)\s*$")
"""A line that would make a heading of the one before it, a rule, or a fence."""

_ENTITY = re.compile(r"&(?=#?\w+;)")

_BULLET = re.compile(r"^\s*(?:[-*+]|\d{1,9}[.)])\s+")


def phrase(text: str) -> str:
    """``text`` as one line of inert words, safe in a table's cell."""
    one = " ".join(text.split())
    escaped = _ACTIVE.sub(lambda found: "\\" + found.group(), _entities(one))
    start = _LINE_START.match(escaped)
    if start is None:
        return escaped
    mark = start.group(2)
    place = start.end() if mark[0].isdigit() else start.start(2)
    return escaped[:place] + "\\" + escaped[place:]


def prose(text: str) -> str:
    """``text`` as paragraphs of its own: lists and emphasis stay, headings, rules, fences, tables and HTML do not."""
    lines = []
    for raw in text.strip().split("\n"):
        line = _entities(raw.rstrip()).replace("|", "\\|")
        if _RULE.match(line):
            line = re.sub(r"^(\s*)", r"\1\\", line, count=1)
        elif re.match(r"^\s*#{1,6}(?:\s|$)", line):
            line = line.replace("#", "\\#", 1)
        # Four spaces would make a code block of a paragraph; a list's own indentation is less.
        lines.append(re.sub(r"^ {4,}", "   ", line))
    return "\n".join(lines)


def items(text: str) -> list[str]:
    """The lines of ``text`` as items of a list, each one inert line; bullets that were typed are taken off."""
    return [phrase(_BULLET.sub("", line)) for line in text.split("\n") if line.strip()]


def code(text: str) -> str:
    """``text`` as code within a line, shown to the letter; not for a table, whose cells end at a pipe within code too."""
    one = " ".join(text.split())
    if not one:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", one)), default=0))
    pad = " " if one.startswith("`") or one.endswith("`") else ""
    return f"{fence}{pad}{one}{pad}{fence}"


def _entities(text: str) -> str:
    """``text`` without tags and without entities of its own."""
    return _ENTITY.sub("&amp;", text).replace("<", "&lt;")

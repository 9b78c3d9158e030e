"""The part of LogQL that selects lines: ``{label="value", other=~"regexp"} |= "text" != "text" |~ "regexp" !~ "regexp"``.

Parsers, formatters and metric queries are refused with a parse error, as Loki refuses what it does not know.
Documented: https://grafana.com/docs/loki/latest/query/log_queries/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_STRING = r'("(?:[^"\\]|\\.)*"|`[^`]*`)'
_MATCHER = re.compile(rf"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*{_STRING}\s*(,|\}})")
_FILTER = re.compile(rf"\s*(\|=|!=|\|~|!~)\s*{_STRING}")

Test = Callable[[str], bool]


class ParseError(ValueError):
    """The query is not one of ours; the text is what Loki would say."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was understood."""

    matchers: tuple[tuple[str, Test], ...]
    filters: tuple[Test, ...]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a stream with these labels is meant; a label that is not there is empty."""
        return all(test(labels.get(name, "")) for name, test in self.matchers)

    def passes(self, line: str) -> bool:
        """Whether a line of such a stream is meant."""
        return all(test(line) for test in self.filters)


def parse(text: str) -> Query:
    """Understand a query.

    Raises:
        ParseError: It cannot be understood, or would select everything.
    """
    at = len(text) - len(text.lstrip())
    if text[at : at + 1] != "{":
        raise _unexpected(text, at)
    at += 1
    matchers, narrow, end = [], False, ""
    while end != "}":
        found = _MATCHER.match(text, at)
        if found is None:
            raise _unexpected(text, at)
        name, operator, quoted, end = found.groups()
        test = _test(operator, _unquoted(quoted), whole=True)
        matchers.append((name, test))
        narrow = narrow or (operator in ("=", "=~") and not test(""))
        at = found.end()
    if not narrow:
        raise ParseError(
            "queries require at least one regexp or equality matcher that does not have an empty-compatible value. "
            'For instance, app=~".*" does not meet this requirement, but app=~".+" will'
        )
    filters = []
    while text[at:].strip():
        found = _FILTER.match(text, at)
        if found is None:
            raise _unexpected(text, at)
        filters.append(_test(found[1], _unquoted(found[2]), whole=False))
        at = found.end()
    return Query(tuple(matchers), tuple(filters))


def _test(operator: str, wanted: str, *, whole: bool) -> Test:
    """What an operator asks of a text; labels are matched as a whole, lines anywhere."""
    if operator in ("=", "|="):
        return (lambda text: text == wanted) if whole else (lambda text: wanted in text)
    if operator == "!=":
        return (lambda text: text != wanted) if whole else (lambda text: wanted not in text)
    try:
        pattern = re.compile(wanted)
    except re.error as error:
        raise ParseError(f"error parsing regexp: {error}: `{wanted}`") from None
    match = pattern.fullmatch if whole else pattern.search
    return (lambda text: match(text) is None) if operator == "!~" else (lambda text: match(text) is not None)


def _unquoted(quoted: str) -> str:
    if quoted.startswith("`"):
        return quoted[1:-1]
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise ParseError(f"parse error : literal not terminated or invalid escape: {quoted}") from None


def _unexpected(text: str, at: int) -> ParseError:
    rest = text[at:].split()
    what = rest[0] if rest else "$end"
    return ParseError(f"parse error at line 1, col {at + 1}: syntax error: unexpected {what}")

"""Which statements have a plan: what EXPLAIN takes without executing anything (runbook 2.1).

One decision for the action, which refuses the others, for the procedure, which does not pick them, and for the menu, which says why not.
"""

from __future__ import annotations

import re

from alphapulse_tui.text import clean

PLANNED = ("select", "insert", "update", "delete", "merge", "with", "values", "table")
"""First words of what has a plan; everything else (LOCK, COPY, VACUUM, COMMIT, CREATE ...) EXPLAIN refuses, or would have to execute."""

_LEADING = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
"""Space and comments before the first word."""


def no_plan(text: str) -> str:
    """Why this statement cannot be explained; empty when it can.

    >>> no_plan("/* page */ (SELECT 1) UNION SELECT 2")
    ''
    >>> no_plan("LOCK TABLE t")
    'LOCK has no plan: only SELECT, INSERT, UPDATE, DELETE, MERGE, WITH, VALUES, TABLE can be explained'
    """
    word = _first_word(text)
    if word in PLANNED:
        return ""
    return (
        f"{clean(word, 30).upper() or 'an empty text'} has no plan: only {', '.join(PLANNED).upper()} can be explained"
    )


def _first_word(text: str) -> str:
    """The statement's first word, without the comments before it and the brackets around it.

    >>> _first_word("-- x"), _first_word("( ( Values (1)))")
    ('', 'values')
    """
    rest = text
    while True:
        leading = _LEADING.match(rest)
        rest = rest[leading.end() if leading else 0 :]
        if not rest.startswith("("):
            break
        rest = rest[1:]
    word = re.match(r"[A-Za-z]+", rest)
    return word[0].lower() if word else ""

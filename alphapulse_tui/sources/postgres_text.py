"""SQL that somebody else wrote, made fit to be shown: no control characters, no password.

``ALTER ROLE app PASSWORD 'hunter2'`` stands in ``pg_stat_activity`` as it was typed, and goes from there to screens, plans, stdout and
exports. It is hidden here, where a text enters the model, so that nothing behind has to think of it. Used by PostgreSQL's sources, surveys and
actions.
"""

from __future__ import annotations

import re
from functools import lru_cache

from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean

_PLACE = re.compile(r"(=\s*\$\d+)")
"""``token = $1``: a place for a value is no value, and the search for missing indexes reads it (``model.postgres_hints``)."""


@lru_cache(maxsize=2048)
def sql_text(text: str, limit: int) -> str:
    """``text`` redacted, then cleaned and cut to ``limit`` bytes. A literal that the server has cut is closed first, so that its shape is known.

    Kept, because it takes 0.3 ms a text and most sessions show the same one every two seconds. A secret that is remembered only later is still
    hidden where a text leaves the process.

    >>> sql_text("ALTER ROLE app PASSWORD 'hunter2'", 300)
    'ALTER ROLE app PASSWORD (redacted)'
    >>> sql_text("ALTER ROLE app PASSWORD 'hunt", 300)
    'ALTER ROLE app PASSWORD (redacted)'
    >>> sql_text("SELECT 1 FROM keys WHERE token = $1 AND name = 'x", 300)
    "SELECT 1 FROM keys WHERE token = $1 AND name = 'x"
    """
    closing = "'" if text.count("'") % 2 else ""
    parts = _PLACE.split(text + closing)
    safe = "".join(part if _PLACE.fullmatch(part) else redact(part) for part in parts)
    return clean(safe.removesuffix(closing), limit)

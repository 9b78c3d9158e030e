"""SQL that somebody else wrote, made fit to be shown: no control characters, no password.

``ALTER ROLE app PASSWORD 'hunter2'`` stands in ``pg_stat_activity`` as it was typed, and goes from there to screens, plans, stdout and
exports. It is hidden here, where a text enters the model, so that nothing behind has to think of it. Used by PostgreSQL's sources, surveys and
actions.
"""

from __future__ import annotations

from functools import lru_cache

from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean


@lru_cache(maxsize=2048)
def sql_text(text: str, limit: int) -> str:
    """``text`` redacted whole, then cleaned and cut to ``limit`` bytes: a password that is cut first has no end to know it by.

    Kept, because it takes 0.3 ms a text and most sessions show the same one every two seconds. A secret that is remembered only later is still
    hidden where a text leaves the process.

    >>> sql_text("ALTER ROLE app PASSWORD 'hunter2'", 300)
    'ALTER ROLE app PASSWORD (redacted)'
    """
    return clean(redact(text), limit)

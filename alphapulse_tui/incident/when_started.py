"""Read a moment that a person typed: always UTC, with or without seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

FORM = "2026-11-23 14:02"
"""How a moment is typed."""

_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{1,2}:\d{2}(?::\d{2})?)\s*(?:Z|UTC)?", re.IGNORECASE)


def operators_start(text: str) -> float | None:
    """Unix seconds of a moment typed as ``2026-11-23 14:02`` or ``2026-11-23T14:02:11Z``; none for anything else.

    >>> operators_start("1970-01-01 00:01Z"), operators_start("noon")
    (60.0, None)
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    form = "%Y-%m-%d %H:%M:%S" if found.group(2).count(":") == 2 else "%Y-%m-%d %H:%M"
    try:
        return datetime.strptime(f"{found.group(1)} {found.group(2)}", form).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None

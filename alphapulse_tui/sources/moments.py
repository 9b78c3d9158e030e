"""Kubernetes' times as unix seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def unix(text: object) -> float | None:
    """The moment that RFC 3339 text names, or none.

    >>> unix("1970-01-01T00:01:00Z"), unix("1970-01-01T00:00:00.500000Z"), unix(None), unix("soon")
    (60.0, 0.5, None, None)
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

"""Sizes as an engineer types them, the way Redis reads its own configuration."""

from __future__ import annotations

import re

_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}
"""``redis.conf``: 1k is 1000 bytes and 1kb is 1024."""


def bytes_of(text: str) -> int:
    """Bytes of a size.

    Raises:
        ValueError: it is none.

    >>> bytes_of("2gb"), bytes_of("512 MB"), bytes_of("100")
    (2147483648, 536870912, 100)
    """
    found = re.fullmatch(r"(\d{1,15})\s*([kmg]?b?)", text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no size")
    return int(found[1]) * _UNITS[found[2]]

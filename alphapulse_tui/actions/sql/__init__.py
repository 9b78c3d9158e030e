"""The statements of the PostgreSQL actions, a file each. They run on PostgreSQL 13 to 18 unchanged; ``replay_13`` and
``analyzable_17`` stand in where a version needs another text."""

from __future__ import annotations

import functools
from importlib import resources


@functools.cache
def statement(name: str) -> str:
    """The text of ``NAME.sql``."""
    return (resources.files(__name__) / f"{name}.sql").read_text(encoding="utf-8")

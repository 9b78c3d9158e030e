"""The queries of the PostgreSQL source, a file each, by server version.

``NAME.sql`` runs on PostgreSQL 13 and later; ``NAME_post_140000.sql`` replaces it from that ``server_version_num`` on.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

OLDEST = 130000
"""``server_version_num`` of the oldest PostgreSQL that the queries know."""


@functools.cache
def query(name: str, server_version: int = OLDEST) -> str:
    """The text of query ``name`` for a server of ``server_version`` (``server_version_num``); ``KeyError`` when there is none."""
    found: dict[int, str] = {}
    for entry in resources.files(__name__).iterdir():
        if named := re.fullmatch(rf"{re.escape(name)}(?:_post_(\d+))?\.sql", entry.name):
            found[int(named[1] or 0)] = entry.read_text(encoding="utf-8")
    usable = [since for since in found if since <= server_version]
    if not usable:
        raise KeyError(f"no query {name} for server version {server_version}")
    return found[max(usable)]

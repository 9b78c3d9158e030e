"""Tables: how they are read, how dead they are, how fresh their statistics; and the indexes that ask for attention (facts 2.1.2, 3.4, 8.2).

No function that would wait for a locked table is asked. A survey.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.postgres_surveys import IndexFigures, TableFigures, TableSurvey
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.postgres_link import PostgresLink, Server
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean

Scans = dict[int, tuple[int, int]]
"""Sequential scans and the rows that they read, by the table's oid."""


class TableSource(Source[TableSurvey]):
    """Remembers the last reading's scans, so the next one knows what is scanned now."""

    target = "postgres-tables"
    interval = 5.0
    deadline = 5.0

    def __init__(self, primary: Server, clock: Callable[[], float] = time.monotonic) -> None:
        self._link = PostgresLink(primary)
        self._clock = clock
        self._before: tuple[float, Scans] | None = None

    async def read(self) -> TableSurvey:
        """Every table of the database that the profile names."""
        return await self._link.ask(self._read)

    def judge(self, snapshot: TableSurvey) -> tuple[Finding, ...]:  # noqa: ARG002
        """Nothing of its own: no table pages anybody."""
        return ()

    async def close(self) -> None:
        """Drop the connection."""
        await self._link.drop()

    async def _read(self, connection: asyncpg.Connection) -> TableSurvey:
        rows = await connection.fetch(query("tables"))
        indexes = await connection.fetch(query("indexes"))
        now, before = self._clock(), self._before
        self._before = (now, {row["relid"]: (row["seq_scans"], row["seq_rows"]) for row in rows})
        window = now - before[0] if before else 0.0
        return TableSurvey(
            tables=tuple(table(row, before[1].get(row["relid"]) if before else None, window) for row in rows),
            indexes=tuple(index(row) for row in indexes),
            window=round(window, 1),
        )


def table(row: Mapping[str, Any], before: tuple[int, int] | None, window: float) -> TableFigures:
    """One row of ``tables.sql``, held against the reading before."""
    scans, read = row["seq_scans"] or 0, row["seq_rows"] or 0
    rate, rows_a_scan = None, read / scans if scans else 0.0
    if before is not None and window > 0:
        new = max(0, scans - before[0])
        rate = round(new / window, 1)
        rows_a_scan = max(0, read - before[1]) / new if new else 0.0
    return TableFigures(
        schema=clean(row["schema"]),
        name=clean(row["name"]),
        rows=row["rows"] or 0,
        dead=row["dead"] or 0,
        dead_limit=row["dead_limit"],
        modified=row["modified"] or 0,
        size=row["size"] or 0,
        seq_scans=scans,
        seq_rows=read,
        index_scans=row["index_scans"],
        seq_scans_a_second=rate,
        rows_a_scan=rows_a_scan,
        last_analyze=row["last_analyze"],
        last_vacuum=row["last_vacuum"],
        owner=clean(row["owner"]),
        columns=tuple(clean(name) for name in row["columns"]),
        indexes=tuple(clean(columns) for columns in row["indexes"] if columns),
    )


def index(row: Mapping[str, Any]) -> IndexFigures:
    """One row of ``indexes.sql``."""
    return IndexFigures(
        schema=clean(row["schema"]),
        table=clean(row["table"]),
        name=clean(row["name"]),
        valid=row["valid"],
        definition=clean(row["definition"], 1024),
        scans=row["scans"] or 0,
        size=row["size"] or 0,
        unique=row["unique"],
        progress=progress(row),
    )


def progress(row: Mapping[str, Any]) -> str:
    """How far a build has come, in words; empty when nobody builds it.

    >>> progress({"phase": "building index: scanning table", "blocks_total": 200, "blocks_done": 86, "tuples_total": 0, "tuples_done": 0,
    ...           "lockers_total": 0, "lockers_done": 0, "current_locker_pid": 0})
    'building index: scanning table, 43 %'
    """
    if not row["phase"]:
        return ""
    if row["phase"].startswith("waiting for") and row["lockers_total"]:
        waits = f"{row['phase']}: {row['lockers_done']} of {row['lockers_total']} have ended"
        return f"{waits}, now pid {row['current_locker_pid']}" if row["current_locker_pid"] else waits
    for done, total in (("blocks_done", "blocks_total"), ("tuples_done", "tuples_total")):
        if row[total]:
            return f"{row['phase']}, {100 * row[done] // row[total]} %"
    return str(row["phase"])

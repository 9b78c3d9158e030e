"""Statements by the time that they take *now*: the difference of two samples of pg_stat_statements (facts 2.1.2 and 9).

``ORDER BY mean_exec_time`` since the last reset, as the runbook has it, surfaces one report of last month. The figures are read without the
texts (reading those loads the extension's whole file); the texts of what is shown are fetched once. What our own role runs is
left out: on a quiet server the cockpit would only see itself. A survey.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.postgres_surveys import Statement, StatementSurvey
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.postgres_link import PostgresLink, Server, grant
from alphapulse_tui.sources.postgres_text import sql_text
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean

WINDOW = 60.0
"""Seconds over which the difference is taken at most."""

SHOWN = 20
"""Statements that are shown."""

ABSENT = (
    "pg_stat_statements is not installed in database {database}: add it to shared_preload_libraries, restart, then "
    "CREATE EXTENSION pg_stat_statements"
)
NOT_LOADED = "pg_stat_statements is not loaded: add it to shared_preload_libraries and restart the server"

Key = tuple[int, int, int, bool]
"""userid, dbid, queryid, toplevel."""


class Counters(NamedTuple):
    """What one statement has used since the last reset."""

    calls: int
    total_ms: float
    rows: int
    blocks_read: int
    blocks_hit: int
    temp_written: int


class StatementSource(Source[StatementSurvey]):
    """Remembers its samples, so the second reading knows what the last seconds took."""

    target = "postgres-statements"
    interval = 5.0
    deadline = 5.0

    def __init__(self, primary: Server, clock: Callable[[], float] = time.monotonic) -> None:
        self._link = PostgresLink(primary)
        self._clock = clock
        self._samples: deque[tuple[float, dict[Key, Counters]]] = deque()
        self._texts: dict[Key, tuple[str, str, str]] = {}

    async def read(self) -> StatementSurvey:
        """The difference to the oldest sample of the window."""
        return await self._link.ask(self._read)

    def judge(self, snapshot: StatementSurvey) -> tuple[Finding, ...]:  # noqa: ARG002 - slow sessions are the panel's finding
        """Nothing of its own."""
        return ()

    async def close(self) -> None:
        """Drop the connection."""
        await self._link.drop()

    async def _read(self, connection: asyncpg.Connection) -> StatementSurvey:
        extension = await connection.fetchrow(query("statements_extension"))
        if extension is None:
            database = await connection.fetchval("SELECT current_database()")
            return StatementSurvey(missing=ABSENT.format(database=clean(database)))
        if not extension["sees_all"]:
            return StatementSurvey(missing_grants=(grant(extension["role"]),))
        try:
            rows = await connection.fetch(figures_query(extension["schema"], extension["columns"]))
        except asyncpg.ObjectNotInPrerequisiteStateError:
            return StatementSurvey(missing=NOT_LOADED)
        forgotten = 0
        if extension["has_info"]:
            forgotten = await connection.fetchval(f"SELECT dealloc FROM {extension['schema']}.pg_stat_statements_info")
        now, sample = self._clock(), sample_of(rows)
        base = self._note(now, sample)
        took = differences(sample, base[1] if base else {})
        shown = sorted(took, key=lambda key: (-took[key].total_ms, key))[:SHOWN]
        await self._fetch_texts(connection, extension["schema"], shown)
        return StatementSurvey(
            statements=tuple(self._statement(key, took[key], base[1].get(key) if base else None) for key in shown),
            window=round(now - base[0], 1) if base else 0.0,
            total_ms=sum(one.total_ms for one in took.values()),
            forgotten=forgotten or 0,
        )

    def _note(self, now: float, sample: dict[Key, Counters]) -> tuple[float, dict[Key, Counters]] | None:
        """The sample to compare with: the oldest of the window; none for the first, and after a reset."""
        if self._samples:
            last = self._samples[-1][1]
            if any(key in sample and sample[key].calls < one.calls for key, one in last.items()):
                self._samples.clear()  # pg_stat_statements_reset(), or another server.
        base = self._samples[0] if self._samples else None
        self._samples.append((now, sample))
        while len(self._samples) > 1 and self._samples[0][0] < now - WINDOW:
            self._samples.popleft()
        return base

    async def _fetch_texts(self, connection: asyncpg.Connection, schema: str, shown: Sequence[Key]) -> None:
        wanted = [key for key in shown if key not in self._texts]
        if not wanted:
            return
        sql = (
            f"SELECT s.userid::int8, s.dbid::int8, s.queryid, left(s.query, 4000) AS query, coalesce(r.rolname, '')::text AS \"user\", "
            f"coalesce(d.datname, '')::text AS database FROM {schema}.pg_stat_statements(true) s "
            "LEFT JOIN pg_roles r ON r.oid = s.userid LEFT JOIN pg_database d ON d.oid = s.dbid WHERE s.queryid = ANY($1::int8[])"
        )
        for row in await connection.fetch(sql, [key[2] for key in wanted]):
            for key in wanted:
                if key[:3] == (row["userid"], row["dbid"], row["queryid"]):
                    self._texts[key] = (sql_text(row["query"] or "", 4096), clean(row["user"]), clean(row["database"]))

    def _statement(self, key: Key, took: Counters, before: Counters | None) -> Statement:
        text, user, database = self._texts.get(key, ("(text not kept)", "", ""))
        return Statement(
            key="/".join(str(part) for part in key),
            user=user,
            database=database,
            query=text,
            calls=took.calls,
            total_ms=took.total_ms,
            rows=took.rows,
            blocks_read=took.blocks_read,
            blocks_hit=took.blocks_hit,
            temp_written=took.temp_written,
            mean_ms_before=before.total_ms / before.calls if before and before.calls else 0.0,
        )


def figures_query(schema: str, columns: Sequence[str]) -> str:
    """The counters without the texts, by the columns that this version of the *extension* has (facts 9).

    >>> "total_time AS total_ms" in figures_query("public", ["total_time", "calls"])
    True
    >>> "toplevel" in figures_query("public", ["total_exec_time", "toplevel"])
    True
    """
    total = "total_exec_time" if "total_exec_time" in columns else "total_time"
    toplevel = "toplevel" if "toplevel" in columns else "true AS toplevel"
    return (
        f"SELECT userid::int8, dbid::int8, queryid, {toplevel}, calls, {total} AS total_ms, rows, shared_blks_read, shared_blks_hit, "
        f"temp_blks_written FROM {schema}.pg_stat_statements(false) WHERE queryid IS NOT NULL "
        "AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)"
    )


def sample_of(rows: Sequence[Mapping[str, Any]]) -> dict[Key, Counters]:
    """Counters by statement."""
    return {
        (row["userid"], row["dbid"], row["queryid"], row["toplevel"]): Counters(
            row["calls"],
            row["total_ms"],
            row["rows"],
            row["shared_blks_read"],
            row["shared_blks_hit"],
            row["temp_blks_written"],
        )
        for row in rows
    }


def differences(sample: Mapping[Key, Counters], base: Mapping[Key, Counters]) -> dict[Key, Counters]:
    """What each statement took since ``base``; without one, since the last reset. What was not called is left out."""
    nothing = Counters(0, 0.0, 0, 0, 0, 0)
    took = {
        key: Counters._make(now - then for now, then in zip(one, base.get(key, nothing), strict=True))
        for key, one in sample.items()
    }
    return {key: one for key, one in took.items() if one.calls > 0}

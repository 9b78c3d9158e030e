"""PostgreSQL: slots, sessions, who blocks whom, replication.

Each server has one warm connection (``postgres_link``). Replicas are asked at the same time, each on its own
connection, and a hung one marks only itself. Queries: ``sources/sql``. Made by ``build``; read by the cockpit and the headless ``status``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import asyncpg

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.postgres import (
    ConnectionLimit,
    PostgresSnapshot,
    ReplicationSlot,
    ReplicaView,
    Session,
    SessionGroup,
    Standby,
)
from alphapulse_tui.model.rules import postgres as rules
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.sources.contract import Source, SourceProblem
from alphapulse_tui.sources.node import Node
from alphapulse_tui.sources.postgres_link import TARGET, PostgresLink, Server, grant
from alphapulse_tui.sources.postgres_text import sql_text
from alphapulse_tui.sources.replication import WalHistory
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean

__all__ = ["PostgresSource", "Server"]

QUERY_LIMIT = 2048
"""Bytes of a session's query that are kept."""

CLOCK_SLACK = 1.0
"""Seconds of difference between two readings of a clock that are the network's, not the clock's."""


class PostgresSource(Source[PostgresSnapshot]):
    """The primary and its replicas."""

    target = TARGET
    interval = 2.0
    deadline = 4.0
    patience = 1.2
    """Seconds that a replica may delay the primary's reading."""

    def __init__(
        self,
        primary: Server,
        replicas: Sequence[Server] = (),
        thresholds: Thresholds | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._thresholds = thresholds or Thresholds()
        self._clock = clock
        self._primary = PostgresLink(primary)
        self._replicas = [PostgresLink(replica) for replica in replicas]
        self._nodes = [
            Node(link.name, partial(link.ask, partial(_replica_row, link)), self.deadline, link.drop)
            for link in self._replicas
        ]
        self._history = WalHistory()
        self._offset = 0.0

    async def read(self) -> PostgresSnapshot:
        """The primary's reading and every replica's; raises when the primary cannot be read."""
        asking = asyncio.gather(*(node.ask(self.patience) for node in self._nodes), return_exceptions=True)
        try:
            rows = await self._primary.ask(_primary_rows)
        except BaseException:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            raise
        answers = await asking
        totals = rows["connections"][0]
        now = self._clock()
        self._note_clock(totals["server_time"] - now)
        if totals["written"] is not None:
            self._history.note(now, totals["written"])
        grants = set() if totals["sees_all"] else {grant(totals["role"])}
        grants |= {
            grant(answer["role"]) for answer in answers if isinstance(answer, asyncpg.Record) and not answer["sees_all"]
        }
        replicas = tuple(
            self._replica(node.name, answer, now, totals["written"])
            for node, answer in zip(self._nodes, answers, strict=True)
        )
        return self._snapshot(rows, replicas, tuple(sorted(grants)))

    def _snapshot(
        self, rows: Mapping[str, list[asyncpg.Record]], replicas: tuple[ReplicaView, ...], grants: tuple[str, ...]
    ) -> PostgresSnapshot:
        totals = rows["connections"][0]
        blocked = {row["pid"]: tuple(sorted(set(row["blocked_by"]))) for row in rows["blockers"]}
        return PostgresSnapshot(
            server_version=totals["server_version"],
            in_recovery=totals["in_recovery"],
            max_connections=totals["max_connections"],
            superuser_reserved=totals["superuser_reserved"],
            reserved=totals["reserved"],
            clients=totals["clients"],
            walsenders=totals["walsenders"],
            active=totals["active"],
            idle=totals["idle"],
            idle_in_transaction=totals["idle_in_transaction"],
            lock_waiting=totals["lock_waiting"],
            sessions=tuple(_session(row, blocked) for row in rows["sessions"]),
            groups=tuple(
                SessionGroup(
                    clean(row["usename"]),
                    clean(row["datname"]),
                    clean(row["application"]),
                    clean(row["state"]),
                    row["count"],
                )
                for row in rows["groups"]
            ),
            limits=tuple(ConnectionLimit(clean(row["subject"]), row["limit"], row["used"]) for row in rows["limits"]),
            standbys=tuple(
                Standby(
                    clean(row["application"]), clean(row["client"]), row["state"], row["sync_state"], row["total_lag"]
                )
                for row in rows["standbys"]
            ),
            replicas=replicas,
            slots=tuple(
                ReplicationSlot(
                    clean(row["name"]),
                    row["kind"],
                    row["active"],
                    row["wal_status"],
                    row["retained"],
                    row["retained_limit"],
                )
                for row in rows["slots"]
            ),
            clock_offset=self._offset,
            missing_grants=grants,
        )

    def judge(self, snapshot: PostgresSnapshot) -> tuple[Finding, ...]:
        """The rules, at the server's own time."""
        return rules.judge(snapshot, self._thresholds, self._clock() + snapshot.clock_offset)

    async def close(self) -> None:
        """Drop every connection; the server notices by itself."""
        for node in self._nodes:
            await node.close()
        for link in (self._primary, *self._replicas):
            await link.drop()

    def _note_clock(self, offset: float) -> None:
        if abs(offset - self._offset) > CLOCK_SLACK:
            self._offset = round(offset)

    def _replica(
        self, name: str, answer: asyncpg.Record | BaseException, now: float, written: int | None
    ) -> ReplicaView:
        if isinstance(answer, SourceProblem):
            return ReplicaView(name, False, "", "", None, problem=clean(answer))
        if isinstance(answer, BaseException):
            raise answer
        replayed = answer["replayed"]
        behind, lag = None, None
        if not answer["in_recovery"]:
            return ReplicaView(name, False, "", "", None, problem=f"{name} is not a replica: it takes writes itself")
        if replayed is not None and written is not None:
            behind = max(0, written - replayed)
            lag = self._history.behind(now, replayed, answer["last_transaction_age"])
        elif answer["receiver"] == "streaming" and answer["received"] == replayed:
            lag = 0.0
        else:
            lag = answer["last_transaction_age"]
        return ReplicaView(
            name=name,
            replaying=answer["pause_state"] == "not paused",
            pause_state=answer["pause_state"],
            receiver=answer["receiver"],
            lag_seconds=None if lag is None else round(lag, 1),
            lag_bytes=behind,
            startup_wait=clean(answer["startup_wait"]),
        )


async def _primary_rows(connection: asyncpg.Connection) -> dict[str, list[asyncpg.Record]]:
    """Rows of every query of the primary, by query name."""
    rows = {"connections": await connection.fetch(query("connections"))}
    totals = rows["connections"][0]
    rows["blockers"] = await connection.fetch(query("blockers")) if totals["lock_waiting"] else []
    chain = {row["pid"] for row in rows["blockers"]} | {pid for row in rows["blockers"] for pid in row["blocked_by"]}
    rows["sessions"] = await connection.fetch(query("sessions"), sorted(chain))
    # A standby refuses pg_current_wal_lsn (55000), and has no standbys worth a look.
    for name in ("groups", "limits", "slots") if totals["in_recovery"] else ("groups", "limits", "slots", "standbys"):
        rows[name] = await connection.fetch(query(name))
    rows.setdefault("standbys", [])
    return rows


async def _replica_row(link: PostgresLink, connection: asyncpg.Connection) -> asyncpg.Record:
    """The one row of ``replica.sql``."""
    return await connection.fetchrow(query("replica", link.version))


def _session(row: asyncpg.Record, blocked: Mapping[int, tuple[int, ...]]) -> Session:
    wait = f"{row['wait_event_type']}:{row['wait_event']}" if row["wait_event_type"] else ""
    return Session(
        pid=row["pid"],
        backend_start=row["backend_start"].isoformat(timespec="microseconds") if row["backend_start"] else "",
        user=clean(row["usename"]),
        database=clean(row["datname"]),
        application=clean(row["application"]),
        client=clean(row["client"]),
        backend_type=row["backend_type"] or "",
        state=row["state"] or "",
        wait=clean(wait),
        xact_start=row["xact_start"],
        query_start=row["query_start"],
        state_change=row["state_change"],
        query=sql_text(row["query"] or "", QUERY_LIMIT),
        leader_pid=row["leader_pid"],
        superuser=row["superuser"],
        replication=row["replication"],
        blocked_by=blocked.get(row["pid"], ()),
    )

"""Replication from both sides: what the primary has sent, what each replica has received, replayed, and why it does not (facts 2.1.3).

Bytes first, seconds by the history of the primary's WAL position: the usual formulas say 8 s on an idle primary and 0 with a dead receiver.
When the primary cannot be asked the replicas are still shown, with what they know themselves. A survey.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import asyncpg

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.postgres_surveys import (
    InTheWay,
    ReplicaFigures,
    ReplicationSurvey,
    SlotFigures,
    StandbyFigures,
)
from alphapulse_tui.sources.contract import Source, SourceProblem
from alphapulse_tui.sources.node import Node
from alphapulse_tui.sources.postgres_link import PostgresLink, Server, grant
from alphapulse_tui.sources.postgres_text import sql_text
from alphapulse_tui.sources.replication import WalHistory
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean

Rows = dict[str, list[asyncpg.Record]]


class ReplicationSource(Source[ReplicationSurvey]):
    """The primary and its replicas, asked at the same time, each on its own."""

    target = "postgres-replication"
    interval = 2.0
    deadline = 4.0
    patience = 1.5

    def __init__(
        self, primary: Server, replicas: Sequence[Server] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._links = [PostgresLink(server) for server in (primary, *replicas)]
        reads = (partial(_primary, self._links[0]), *(partial(_replica, link) for link in self._links[1:]))
        self._nodes = [
            Node(link.name, partial(link.ask, read), self.deadline, link.drop)
            for link, read in zip(self._links, reads, strict=True)
        ]
        self._history = WalHistory()

    async def read(self) -> ReplicationSurvey:
        """Whoever answers within the patience; raises when nobody does."""
        asked = (node.ask(self.patience) for node in self._nodes)
        primary, *replicas = await asyncio.gather(*asked, return_exceptions=True)
        for answer in (primary, *replicas):
            if isinstance(answer, BaseException) and not isinstance(answer, SourceProblem):
                raise answer
        if isinstance(primary, SourceProblem) and all(isinstance(one, SourceProblem) for one in replicas):
            raise primary
        head = None if isinstance(primary, BaseException) else primary["primary"][0]
        written = head["written"] if head is not None else None
        now = self._clock()
        if written is not None:
            self._history.note(now, written)
        grants = {grant(answer["primary"][0]["role"]) for answer in (primary, *replicas)
                  if not isinstance(answer, BaseException) and not answer["primary"][0]["sees_all"]}  # fmt: skip
        settings = tuple(head["settings"]) if head is not None else None
        return ReplicationSurvey(
            primary_problem=clean(primary) if isinstance(primary, BaseException) else "",
            standbys=() if isinstance(primary, BaseException) else tuple(map(standby, primary["standbys"])),
            slots=() if isinstance(primary, BaseException) else tuple(map(slot, primary["slots"])),
            replicas=tuple(
                ReplicaFigures(node.name, problem=clean(answer))
                if isinstance(answer, BaseException)
                else replica(node.name, answer, written, settings, partial(self._history.behind, now))
                for node, answer in zip(self._nodes[1:], replicas, strict=True)
            ),
            missing_grants=tuple(sorted(grants)),
        )

    def judge(self, snapshot: ReplicationSurvey) -> tuple[Finding, ...]:  # noqa: ARG002 - the panel's rules judge the replicas
        """Nothing of its own."""
        return ()

    async def close(self) -> None:
        """Drop every connection."""
        for node in self._nodes:
            await node.close()
        for link in self._links:
            await link.drop()


async def _primary(link: PostgresLink, connection: asyncpg.Connection) -> Rows:
    rows = {"primary": await connection.fetch(query("replication_primary")), "standbys": [], "slots": []}
    if not rows["primary"][0]["in_recovery"]:  # pg_current_wal_lsn is refused there (55000).
        rows["standbys"] = await connection.fetch(query("replication_standbys"))
        rows["slots"] = await connection.fetch(query("replication_slots", link.version))
    return rows


async def _replica(link: PostgresLink, connection: asyncpg.Connection) -> Rows:
    return {
        "primary": await connection.fetch(query("replication_replica", link.version)),
        "sessions": await connection.fetch(query("replication_sessions")),
    }


def standby(row: Mapping[str, Any]) -> StandbyFigures:
    """One row of ``replication_standbys.sql``."""
    return StandbyFigures(
        pid=row["pid"],
        application=clean(row["application"]),
        client=clean(row["client"]),
        state=row["state"],
        sync_state=row["sync_state"],
        pending=row["pending"],
        write=row["write"],
        flush=row["flush"],
        replay=row["replay"],
        total=row["total"],
        replay_lag=row["replay_lag"],
    )


def slot(row: Mapping[str, Any]) -> SlotFigures:
    """One row of ``replication_slots.sql``."""
    return SlotFigures(
        name=clean(row["name"]),
        kind=row["kind"],
        active=row["active"],
        wal_status=row["wal_status"],
        retained=row["retained"],
        limit=row["limit"],
        conflicting=row["conflicting"],
        inactive_since=row["inactive_since"],
        invalidation_reason=row["invalidation_reason"],
        safe=row["safe"],
    )


def replica(
    name: str,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    written: int | None,
    primary_settings: Sequence[str] | None,
    behind: Callable[[int, float | None], float | None],
) -> ReplicaFigures:
    """A replica's rows; ``written`` is the primary's WAL position, ``behind`` the history's seconds for a position."""
    row = rows["primary"][0]
    if not row["in_recovery"]:
        return ReplicaFigures(name, problem=f"{name} is not a replica: it takes writes itself", in_recovery=False)
    replayed, received, naive = row["replayed"], row["received"], row["last_transaction_age"]
    seconds = behind(replayed, naive) if written is not None and replayed is not None else None
    return ReplicaFigures(
        name=name,
        pause_state=row["pause_state"],
        receiver=row["receiver"],
        sender=clean(row["sender"]),
        slot=clean(row["slot"]),
        last_message_age=None if row["last_message_age"] is None else round(row["last_message_age"], 0),
        behind_bytes=None if written is None or replayed is None else max(0, written - replayed),
        received_not_replayed=None if received is None or replayed is None else max(0, received - replayed),
        behind_seconds=None if seconds is None else round(seconds, 1),
        naive_seconds=None if naive is None else round(naive, 0),
        replay_wait=clean(row["replay_wait"]),
        conflicts=row["conflicts"],
        max_delay=clean(row["max_delay"]),
        feedback=row["feedback"],
        too_small=() if primary_settings is None else smaller(row["settings"], primary_settings),
        compared=primary_settings is not None,
        in_the_way=in_the_way(rows["sessions"], row),
    )


def in_the_way(sessions: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> tuple[InTheWay, ...]:
    """Who may hold the replay up; during a snapshot conflict the server names nobody, so it is the oldest snapshot (facts 2.1.3)."""
    named = set(row["blocked_by"])
    oldest = next((one["pid"] for one in sessions if one["has_snapshot"]), None)
    if not named and "RecoveryConflict" in row["replay_wait"] and oldest is not None:
        named = {oldest}
    return tuple(
        InTheWay(
            pid=one["pid"],
            backend_start=one["backend_start"].isoformat(timespec="microseconds"),
            user=clean(one["usename"]),
            application=clean(one["application"]),
            state=one["state"],
            xact_start=one["xact_start"],
            query=sql_text(one["query"] or "", 2048),
            blocks_replay=one["pid"] in named,
        )
        for one in sessions
    )


def smaller(replica: Sequence[str], primary: Sequence[str]) -> tuple[str, ...]:
    """Settings of the replica below the primary's: with one of them it stops replaying, and resuming shuts it down.

    >>> smaller(["max_connections=60", "max_wal_senders=10"], ["max_connections=100", "max_wal_senders=10"])
    ('max_connections 60 < 100',)
    """
    wanted = dict(one.split("=", 1) for one in primary)
    have = dict(one.split("=", 1) for one in replica)
    return tuple(
        f"{name} {have[name]} < {value}"
        for name, value in sorted(wanted.items())
        if name in have and int(have[name]) < int(value)
    )

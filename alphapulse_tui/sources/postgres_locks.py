"""The lock tree of PostgreSQL with every blocker: sessions, parallel workers, autovacuum, prepared transactions (facts 2.1.2 and 8.2).

A survey: read only while somebody looks. Also read by the action that terminates root blockers, so that plan and screen see one tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.postgres_surveys import PREPARED, LockNode, LockSurvey
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.postgres_link import PostgresLink, Server
from alphapulse_tui.sources.postgres_text import sql_text
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean

MOST_NODES = 500
"""Lines of the tree; more are no tree that anybody reads."""


class LockSource(Source[LockSurvey]):
    """Who waits for whom, now."""

    target = "postgres-locks"
    interval = 3.0
    deadline = 5.0

    def __init__(self, primary: Server) -> None:
        self._link = PostgresLink(primary)

    async def read(self) -> LockSurvey:
        """One tree."""
        return await self._link.ask(read_locks)

    def judge(self, snapshot: LockSurvey) -> tuple[Finding, ...]:  # noqa: ARG002 - the panel's rules have judged the sessions already
        """Nothing of its own."""
        return ()

    async def close(self) -> None:
        """Drop the connection."""
        await self._link.drop()


async def read_locks(connection: asyncpg.Connection) -> LockSurvey:
    """The tree as the server has it now; three questions, the second and third only when somebody waits."""
    edges = await connection.fetch(query("lock_edges"))
    if not edges:
        return LockSurvey()
    pids = {row["pid"] for row in edges} | {pid for row in edges for pid in row["blocked_by"]} - {PREPARED}
    sessions = await connection.fetch(query("lock_sessions"), sorted(pids))
    prepared = []
    if any(PREPARED in row["blocked_by"] for row in edges):
        prepared = await connection.fetch(query("lock_prepared"))
    return tree(edges, sessions, prepared)


def tree(
    edges: Sequence[Mapping[str, Any]], sessions: Sequence[Mapping[str, Any]], prepared: Sequence[Mapping[str, Any]]
) -> LockSurvey:
    """Root after root, each followed by those who wait for it; a session with several blockers stands below the first and names them all."""
    blockers = {row["pid"]: tuple(sorted(set(row["blocked_by"]))) for row in edges}
    known = {row["pid"]: _session(row) for row in sessions}
    transactions = [_transaction(row) for row in prepared]
    waits_for_prepared = {pid for row in prepared for pid in row["blocks"]}
    nodes: list[LockNode] = []
    placed: set[int] = set()

    def place(node: LockNode, depth: int, children: Sequence[int]) -> None:
        nodes.append(replace(node, depth=depth, behind=_behind(node, children, blockers)))
        for pid in children:
            if pid not in placed and len(nodes) < MOST_NODES:
                placed.add(pid)
                child = replace(known.get(pid, LockNode(pid, 0)), blocked_by=blockers[pid])
                place(child, depth + 1, _waiters(pid, blockers))

    roots = sorted({pid for waits in blockers.values() for pid in waits if pid not in blockers and pid != PREPARED})
    placed.update(roots)
    for pid in roots:
        place(known.get(pid, LockNode(pid, 0)), 0, _waiters(pid, blockers))
    for row, transaction in zip(prepared, transactions, strict=True):
        place(transaction, 0, sorted(pid for pid in row["blocks"] if pid in blockers))
    if not transactions and (lost := _waiters(PREPARED, blockers)):
        # It ended between the questions, or its owner is another database's: say so rather than nothing.
        place(LockNode(PREPARED, 0, state="prepared", gid="(not visible)"), 0, lost)
    for pid in sorted(
        set(blockers) - placed - waits_for_prepared
    ):  # A cycle: a deadlock that the server breaks after a second.
        if pid not in placed:
            placed.add(pid)
            place(replace(known.get(pid, LockNode(pid, 0)), blocked_by=blockers[pid]), 1, _waiters(pid, blockers))
    return LockSurvey(tuple(nodes), taken=edges[0]["server_time"])


def _waiters(blocker: int, blockers: Mapping[int, tuple[int, ...]]) -> list[int]:
    return sorted(pid for pid, waits in blockers.items() if blocker in waits)


def _behind(node: LockNode, children: Sequence[int], blockers: Mapping[int, tuple[int, ...]]) -> int:
    """How many sessions wait for ``node``, directly or through others."""
    seen: set[int] = set()
    pending = list(children)
    while pending:
        pid = pending.pop()
        if pid not in seen and pid != node.pid:
            seen.add(pid)
            pending.extend(_waiters(pid, blockers))
    return len(seen)


def _session(row: Mapping[str, Any]) -> LockNode:
    protected = ""
    if row["superuser"]:
        protected = "a superuser's session is never ended from here"
    elif row["replication"]:
        protected = "a replication role's session is never ended from here"
    return LockNode(
        pid=row["pid"],
        depth=0,
        backend_start=row["backend_start"].isoformat(timespec="microseconds") if row["backend_start"] else "",
        backend_type=row["backend_type"] or "",
        user=clean(row["usename"]),
        application=clean(row["application"]),
        state=row["state"] or "",
        wait=clean(row["wait"]),
        xact_start=row["xact_start"],
        state_change=row["state_change"],
        query=sql_text(row["query"] or "", 2048),
        waits_for=clean(row["waits_for"]),
        locks=row["locks"],
        tables=tuple(clean(name) for name in row["tables"]),
        wrote=row["wrote"],
        leader_pid=row["leader_pid"],
        protected=protected,
    )


def _transaction(row: Mapping[str, Any]) -> LockNode:
    return LockNode(
        PREPARED,
        0,
        user=clean(row["owner"]),
        state="prepared",
        xact_start=row["prepared"],
        state_change=row["prepared"],
        locks=row["locks"],
        wrote=True,
        gid=clean(row["gid"]),
        blocks=tuple(sorted(row["blocks"])),
    )

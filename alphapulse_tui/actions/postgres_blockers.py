"""Terminate who keeps others waiting: the *roots* of the lock tree, all of them (runbook 2.1, facts 2.1.2).

The tree is the survey's own (``sources.postgres_locks``), read anew. A root is ended only while it is in the very transaction that was shown
and still keeps somebody waiting: both are asked in the statement that sends the signal. A prepared transaction is no session; it is rolled
back by its identifier, and that loses what was promised to a coordinator: destructive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.postgres_action import PostgresAction, chosen_sessions, listed
from alphapulse_tui.actions.postgres_connection import psql
from alphapulse_tui.actions.postgres_grants import grant_to_become
from alphapulse_tui.actions.postgres_victims import TOOLS, pid_of, protection, transactions
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.postgres_surveys import PREPARED, LockNode, LockSurvey
from alphapulse_tui.model.words import age
from alphapulse_tui.sources.postgres_locks import read_locks
from alphapulse_tui.text import clean

NOBODY = "nobody waits for a lock"


class _OfTheTree(PostgresAction):
    """What both have in common: the tree, and how much of it is left."""

    async def tree(self) -> LockSurvey:
        """The lock tree now."""
        return await self.on().reads(read_locks)

    @staticmethod
    def figures(tree: LockSurvey) -> dict[str, str]:
        """For before and after."""
        return {
            "sessions waiting for a lock": str(len(tree.waiting)),
            "root blockers": ", ".join(node.name for node in tree.roots) or "none",
        }


class TerminateRootBlockers(_OfTheTree):
    """End the sessions at the roots of the lock tree."""

    id = "pg.terminate-root-blockers"
    title = "terminate the root blockers"
    risk = Risk.DISRUPTIVE
    source = "runbook 2.1"
    no_undo = "none: a terminated session is gone; what its transaction wrote is rolled back and has to be done again"
    parameters = (Parameter("pids", "only these roots: pid or pid@backend_start, joined by commas"),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Who stands at the roots, who would go on, and what is lost."""
        wanted = chosen_sessions(params)
        tree = await self.tree()
        roots = [node for node in tree.roots if node.pid != PREPARED and (not wanted or node.pid in wanted)]
        rows = {row["pid"]: row for row in await self.on().rows(statement("queries"), [node.pid for node in roots])}
        left = [
            f"{node.name} is left alone: {why}" for node in roots if (why := _why_not(node, rows.get(node.pid), wanted))
        ]
        chosen = [node for node in roots if not _why_not(node, rows.get(node.pid), wanted)]
        now = tree.taken  # The server's clock, as the moments of its sessions are; ours may be minutes away.
        victims = [_victim(node, now) for node in chosen]
        prepared = [node.name for node in tree.roots if node.pid == PREPARED]
        server = self.on().server()
        freed = _freed(tree, {node.pid for node in chosen})
        return self.made(
            params,
            object=f"postgres/backend/{chosen[0].pid}" if len(chosen) == 1 else "postgres/backends",
            sentence=f"Terminates {len(chosen)} root {'blocker' if len(chosen) == 1 else 'blockers'}: {len(freed)} of "
            f"{len(tree.waiting)} waiting sessions go on ({'; '.join(victim.label for victim in victims[:4])})."
            if chosen
            else "Would terminate the sessions at the roots of the lock tree; there is none that may be.",
            call="SELECT pg_terminate_backend(pid) where pid, backend_start and xact_start (or state_change) are still those and somebody waits "
            f"({server.name or 'primary'})",
            shell=psql(server, _sql(chosen)),
            victims=victims,
            preconditions={
                "identity": "pid, backend_start and xact_start or state_change",
                "state": "somebody waits for it",
            },
            checks=(
                Check("root blockers gone", "no session that was shown is left"),
                Check("nobody waits for them", f"{len(freed)} sessions have got their locks"),
            ),
            warnings=(
                *left,
                *(f"{name} blocks too, and is no session: roll it back by itself" for name in prepared),
                *(_cost(node, now) for node in chosen),
            ),
            refusal=_refusal(tree, chosen, left, prepared, rows),
            verify_seconds=15.0,
        )

    async def execute(self, plan: Plan) -> Result:
        """One statement; identity, transaction and that somebody waits are asked in it."""
        moments = transactions(plan.victims)

        async def left() -> set[int]:
            return {row["pid"] for row in await self.on().rows(statement("remaining"), *moments[:2])}

        signalled = await self.signals(self.on(), plan, left, statement("terminate_blockers"), *moments, list(TOOLS))
        if isinstance(signalled, Result):
            return signalled
        details = {
            victim.key: "signalled"
            if pid_of(victim) in signalled
            else "left alone: it blocks nobody any more, or is at another transaction"
            for victim in plan.victims
        }
        outcome = Outcome.DONE if signalled else Outcome.REFUSED
        return Result(outcome, f"{len(signalled)} of {len(plan.victims)} root blockers signalled", details)

    async def verify(self, plan: Plan) -> Verification:
        """Whether they are gone, and who still waits."""
        pids, starts, _ = transactions(plan.victims)
        left = sorted(row["pid"] for row in await self.on().rows(statement("remaining"), pids, starts))
        tree = await self.tree()
        reading = self.figures(tree)
        still = [node.pid for node in tree.waiting if set(node.blocked_by) & set(left)]
        if left and not still:
            return Verification(
                Verdict.VERIFIED, f"pid {listed(left)} is still connected, but nobody waits for it any more", reading
            )
        if left:
            return Verification(
                Verdict.PENDING, f"pid {listed(left)} is still there, {len(still)} sessions wait for it", reading
            )
        rest = f"; {len(tree.waiting)} sessions wait for others" if tree.waiting else "; nobody waits for a lock"
        return Verification(
            Verdict.VERIFIED, f"{len(plan.victims)} of {len(plan.victims)} root blockers are gone{rest}", reading
        )


class RollBackPrepared(_OfTheTree):
    """Roll back a prepared transaction that somebody forgot and others wait for."""

    id = "pg.rollback-prepared"
    title = "roll back prepared transaction"
    risk = Risk.DESTRUCTIVE
    source = "facts 2.1.2"
    no_undo = (
        "none: what it had prepared is lost for good; ask the coordinator (the application's transaction manager) first"
    )
    parameters = (Parameter("gid", "its global identifier; empty: the one that others wait for"),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which one, how old, who waits for it."""
        rows = await self.on().rows(statement("prepared"), params.get("gid", ""))
        tree = await self.tree()
        blocking = {node.gid: node.behind for node in tree.roots if node.pid == PREPARED}
        wanted = [row for row in rows if params.get("gid") or clean(row["gid"]) in blocking]
        found = [row for row in wanted if row["here"]][:1]
        server = self.on().server()
        if not found:
            return self.made(
                params, object="postgres/prepared", sentence="Would roll back a prepared transaction.", call="ROLLBACK PREPARED",
                shell=psql(server, "SELECT * FROM pg_prepared_xacts"), checks=(),
                refusal=_elsewhere(wanted[0]) if wanted else "no prepared transaction of this database keeps anybody waiting",
            )  # fmt: skip
        row, gid = found[0], clean(found[0]["gid"])
        become = [] if row["role"] == row["owner"] else [f"SET ROLE {row['quoted_owner']}"]
        old = age(row["seconds"])
        return self.made(
            params,
            object=f"postgres/prepared/{gid}",
            sentence=f'Rolls back the prepared transaction "{gid}" of {clean(row["owner"])}, prepared {old} ago: '
            f"{len(_freed(tree, set(), gid))} of {blocking.get(gid, 0)} sessions that wait behind it go on.",
            call=f"{'; '.join([*become, 'ROLLBACK PREPARED ' + row['quoted_gid']])}",
            shell=psql(server, *become, f"ROLLBACK PREPARED {row['quoted_gid']}"),
            victims=[Victim(f"prepared {gid}", row["prepared"].isoformat(timespec="microseconds"), f'"{gid}", {old} old')],
            preconditions={"transaction": str(row["transaction"])},
            checks=(Check("gone", "pg_prepared_xacts does not list it any more"),),
            warnings=("a coordinator may still mean to commit it: ask whose it is before you type its name",),
            refusal="" if row["may"] else f"role {clean(row['role'])} may not become {clean(row['owner'])}: "
            f"{grant_to_become(row['quoted_owner'], clean(row['role']))}",
            confirm_word=gid,
        )  # fmt: skip

    async def execute(self, plan: Plan) -> Result:
        """As its owner. The identifier is asked for again right before: ROLLBACK PREPARED takes no condition."""
        gid = plan.victims[0].key.removeprefix("prepared ")
        rows = await self.on().rows(statement("prepared"), plan.params.get("gid", ""))
        row = next((row for row in rows if clean(row["gid"]) == gid), None)
        if row is None or str(row["transaction"]) != plan.preconditions["transaction"]:
            raise ActionProblem(f'"{gid}" is not the transaction that was shown: it ended')
        if row["role"] != row["owner"]:
            await self.send(self.on(), f"SET ROLE {row['quoted_owner']}")
        try:
            await self.send(self.on(), f"ROLLBACK PREPARED {row['quoted_gid']}")
        finally:
            self.on().drop()  # The role that it became goes with the connection.
        return Result(Outcome.DONE, f'"{gid}" is rolled back')

    async def verify(self, plan: Plan) -> Verification:
        """Whether it is listed."""
        gid = plan.victims[0].key.removeprefix("prepared ")
        rows = await self.on().rows(statement("prepared"), "")
        reading = self.figures(await self.tree())
        if any(str(row["transaction"]) == plan.preconditions["transaction"] for row in rows):
            return Verification(Verdict.PENDING, f'"{gid}" is still prepared', reading)
        return Verification(Verdict.VERIFIED, f'"{gid}" is gone', reading)


def _elsewhere(row: Mapping[str, Any]) -> str:
    """Why a prepared transaction of another database is not rolled back from here, and where it is."""
    gid, database = clean(row["gid"]), clean(row["database"])
    owner = clean(row["owner"])
    return f'"{gid}" was prepared in the database {database}, and is rolled back there only: connect to it as {owner}, ROLLBACK PREPARED'


def _why_not(node: LockNode, row: Mapping[str, Any] | None, wanted: Mapping[int, str]) -> str:
    if row is None:
        return "it ended while the tree was read"
    if wanted.get(node.pid, "") not in ("", node.backend_start):
        return "it is another session, which took over the pid"
    if node.kind:
        return f"it is {node.kind}"
    if node.xact_start is None and node.state_change is None:
        return f"what it does is hidden (track_activities is off, or GRANT pg_monitor TO {clean(row['role'])})"
    reason = protection(row, include_poolers=True)
    return f"a session {reason.rstrip(',')} is never ended from here" if reason else ""


def _refusal(
    tree: LockSurvey,
    chosen: Sequence[LockNode],
    left: Sequence[str],
    prepared: Sequence[str],
    rows: Mapping[int, Mapping[str, Any]],
) -> str:
    forbidden = [node for node in chosen if not rows[node.pid]["may_signal"]]
    if forbidden:
        role = clean(rows[forbidden[0].pid]["role"])
        return f"role {role} may not terminate {forbidden[0].name} of {forbidden[0].user}: GRANT pg_signal_backend TO {role}"
    if chosen:
        return ""
    if not tree.waiting:
        return NOBODY
    if prepared and not left:
        return f"only {', '.join(prepared)} blocks, and that is no session: roll it back instead"
    return "; ".join(left) or "no such session is at a root of the lock tree any more"


def _freed(tree: LockSurvey, ended: set[int], rolled_back: str = "") -> set[int]:
    """Who goes on by itself once ``ended`` and the prepared transaction ``rolled_back`` are gone: whose every blocker has ended or goes on."""
    held = {pid for node in tree.roots if node.pid == PREPARED and node.gid != rolled_back for pid in node.blocks}
    if rolled_back:
        ended = ended | {PREPARED}
    going: set[int] = set()
    grew = True
    while grew:
        ready = {node.pid for node in tree.waiting if set(node.blocked_by) <= ended | going and node.pid not in held}
        grew = bool(ready - going)
        going |= ready
    return going


def _cost(node: LockNode, now: float) -> str:
    """What ending it rolls back."""
    if node.xact_start is None:
        return f"{node.name} is in no transaction: its {node.locks} locks (advisory locks of its session) go, nothing is rolled back"
    open_for = age(now - node.xact_start)
    where = f" on {', '.join(node.tables)}" if node.tables else ""
    if not node.wrote:
        return (
            f"{node.name} has written nothing in its transaction of {open_for}: only its {node.locks} locks{where} go"
        )
    return f"{node.name} has written in its transaction of {open_for}: that is rolled back, its {node.locks} locks{where} go"


def _victim(node: LockNode, now: float) -> Victim:
    state = f"{node.state} for {age(now - node.state_change)}" if node.state_change else node.state
    return Victim(
        key=f"pid {node.pid}",
        identity=f"{node.backend_start} {_moment(node)}",
        label=f"pid {node.pid} {node.user} {node.application}: {state}, {node.behind} wait behind it",
        facts={
            "pid": str(node.pid),
            "user": node.user,
            "application": node.application,
            "state": state,
            "transaction": age(now - node.xact_start) if node.xact_start else "",
            "locks": str(node.locks),
            "tables": ", ".join(node.tables),
            "has written": "yes" if node.wrote else "no",
            "waiting behind it": str(node.behind),
            "last query": node.query[:300],
        },
    )


def _moment(node: LockNode) -> str:
    """Its transaction's start; of a session in no transaction (it holds an advisory lock) since when it is in its state."""
    return datetime.fromtimestamp(node.xact_start or node.state_change or 0.0, UTC).isoformat(timespec="microseconds")


def _sql(nodes: Sequence[LockNode]) -> str:
    shown = ", ".join(
        f"({node.pid}, '{node.backend_start}'::timestamptz, '{_moment(node)}'::timestamptz)" for node in nodes
    )
    where = f"(pid, backend_start, coalesce(xact_start, state_change)) IN ({shown})" if shown else "false"
    return f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {where}"

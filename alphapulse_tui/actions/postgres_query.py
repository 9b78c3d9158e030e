"""Cancel a running query, or terminate its session when it does not react (runbook 2.1, facts 2.1.2).

The very query is the victim: pid, backend_start *and* query_start, because a pooled session is at the next one's work a millisecond later.
Nobody follows the runbook's list here into a walsender: only client backends are offered. A query that waits for a lock is not cancelled by
itself: whoever holds the lock is the one to look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from alphapulse_tui.actions.contract import Parameter
from alphapulse_tui.actions.postgres_action import PostgresAction, chosen_sessions, listed, seconds
from alphapulse_tui.actions.postgres_connection import psql
from alphapulse_tui.actions.postgres_victims import TOOLS, pid_of, protection, transactions
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.words import age
from alphapulse_tui.sources.postgres_text import sql_text
from alphapulse_tui.text import clean


@dataclass(frozen=True, slots=True)
class _Found:
    """What a reading of the queries comes to."""

    victims: tuple[Victim, ...]
    left: tuple[str, ...]
    """Why others are left alone, a sentence each."""
    forbidden: int
    wrote: bool
    builds: bool


class CancelQuery(PostgresAction):
    """Stop one query; its session lives on and gets an error (57014)."""

    id = "pg.cancel-query"
    title = "cancel query"
    risk = Risk.SAFE
    source = "runbook 2.1"
    terminates: ClassVar[bool] = False
    no_undo = "none: the query is not started again; its client gets an error (57014) and decides"
    parameters = (
        Parameter("pids", "the session: pid or pid@backend_start; empty: the longest query of all"),
        Parameter("min_seconds", "seconds that it must have run when none is named; default 5 (facts 2.1.2)"),
        Parameter("index_builds", "also a CREATE INDEX CONCURRENTLY", default="no", choices=("no", "yes")),
    )

    def effective(self, params: Mapping[str, str]) -> dict[str, str]:
        """The time written out, where it decides: of a session that is named the query may be as young as it is."""
        given = super().effective(params)
        if given.get("pids"):
            return given
        return {**given, "min_seconds": f"{self._least(params):g}"}

    def _least(self, params: Mapping[str, str]) -> float:
        default = f"{self.profile.thresholds.postgres_slow_query_warning:g}"
        return seconds("min_seconds", params.get("min_seconds") or default)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """The query that is named, or the longest one."""
        wanted = chosen_sessions(params)
        least = self._least(params)
        rows = await self.on().rows(statement("queries"), list(wanted))
        found = _find(rows, wanted, 0.0 if wanted else least, params.get("index_builds") == "yes")
        victims, server = found.victims, self.on().server()
        verb, function = ("Terminates", "pg_terminate_backend") if self.terminates else ("Cancels", "pg_cancel_backend")
        return self.made(
            params,
            object=f"postgres/backend/{pid_of(victims[0])}" if len(victims) == 1 else "postgres/backends",
            sentence=f"{verb} {'; '.join(one.label for one in victims)}."
            if victims
            else f"{verb} the longest query; there is none.",
            call=f"SELECT {function}(pid) where pid, backend_start and query_start are still those ({server.name or 'primary'})",
            shell=psql(server, _sql(function, victims)),
            victims=victims,
            preconditions={"identity": "pid, backend_start and query_start", "state": "active"},
            checks=(Check("session gone" if self.terminates else "query gone", "no backend runs this query any more"),),
            warnings=(*found.left, *self._warnings(found)),
            refusal=_refusal(rows, found, wanted, least),
            verify_seconds=5.0,
        )

    def _warnings(self, found: _Found) -> list[str]:
        said = []
        if found.wrote:
            said.append(
                "its transaction has written: what it wrote is rolled back, which can take as long as writing it did"
            )
        if found.builds:
            said.append(
                "it builds an index concurrently: an INVALID index is left behind; its clean-up is offered then"
            )
        if self.terminates and found.victims:
            said.append("its client loses the connection (57P01) and must connect again")
        return said

    async def execute(self, plan: Plan) -> Result:
        """One statement, with the query's identity in it."""
        moments = transactions(plan.victims)

        async def left() -> set[int]:
            rows = await self.on().rows(statement("running"), *moments)
            return {row["pid"] for row in rows if row["runs"] or self.terminates}

        signalled = await self.signals(
            self.on(), plan, left, statement("signal_queries"), *moments, self.terminates, list(TOOLS)
        )
        if isinstance(signalled, Result):
            return signalled
        details = {
            victim.key: "signalled" if pid_of(victim) in signalled else "no longer at this query"
            for victim in plan.victims
        }
        if signalled:
            return Result(Outcome.DONE, f"{len(signalled)} of {len(plan.victims)} signalled", details)
        return Result(Outcome.DONE, "the query had ended by itself: nothing was signalled", details)

    async def verify(self, plan: Plan) -> Verification:
        """Whether the very query still runs."""
        rows = await self.on().rows(statement("running"), *transactions(plan.victims))
        slow = await self.on().rows(statement("queries"), [])
        longest = max((row["seconds"] or 0.0 for row in slow), default=0.0)
        reading = {"active queries": str(len(slow)), "longest": age(longest)}
        running = sorted(row["pid"] for row in rows if row["runs"])
        if self.terminates and rows:
            left = listed(sorted(row["pid"] for row in rows))
            return Verification(Verdict.PENDING, f"pid {left} is still connected", reading)
        if running:
            hint = "" if self.terminates else "; one that does not react to cancel can be terminated"
            return Verification(Verdict.PENDING, f"pid {listed(running)} still runs it{hint}", reading)
        states = ", ".join(f"pid {row['pid']} is {row['state'] or 'in an unknown state'}" for row in rows)
        return Verification(Verdict.VERIFIED, f"the query has ended: {states or 'its session is gone'}", reading)


class TerminateQuery(CancelQuery):
    """End the session of one query that does not react to being cancelled."""

    id = "pg.terminate-query"
    title = "terminate query"
    risk = Risk.DISRUPTIVE
    terminates = True
    no_undo = "none: the session is gone; its client connects again and has to repeat what was rolled back"


def _find(rows: Sequence[Mapping[str, Any]], wanted: Mapping[int, str], least: float, index_builds: bool) -> _Found:
    """The victims among ``rows``: those that are named, or the first (longest) that may be cancelled."""
    victims: list[Victim] = []
    left: list[str] = []
    forbidden, wrote, builds = 0, False, False
    for row in rows:
        reason = _why_not(row, wanted, index_builds)
        if not reason and (row["seconds"] or 0.0) < least:
            continue
        if reason:
            if wanted or (row["seconds"] or 0.0) >= least:
                left.append(f"pid {row['pid']} of {clean(row['usename'], 64)} is left alone: {reason}")
            continue
        victims.append(_victim(row))
        forbidden += not row["may_signal"]
        wrote, builds = wrote or row["wrote"], builds or row["builds_index"]
        if not wanted:
            break  # The longest only: what comes next is decided when it is seen.
    return _Found(tuple(victims), tuple(left[:6]), forbidden, wrote, builds)


def _why_not(row: Mapping[str, Any], wanted: Mapping[int, str], index_builds: bool) -> str:
    """Why this one is no victim; empty when it may be."""
    start = row["backend_start"].isoformat(timespec="microseconds") if row["backend_start"] else ""
    if wanted.get(row["pid"], "") not in ("", start):
        return "it is another session, which took over the pid"
    if row["backend_type"] == "walsender":
        return "it is a walsender: ending it breaks replication"
    if row["leader_pid"]:
        return f"it is a parallel worker: cancel its leader, pid {row['leader_pid']}"
    if "to prevent wraparound" in row["query"]:
        return "it is an autovacuum that prevents wraparound: let it finish"
    if row["backend_type"] != "client backend":
        return f"it is no client but a {row['backend_type'] or 'backend of an unknown kind'}"
    if protected := protection(row, include_poolers=True):
        return f"a session {protected.rstrip(',')} is never touched from here"
    if row["state"].startswith("idle in transaction"):
        return "it is idle in transaction: cancelling does nothing, terminate it instead"
    if row["state"] != "active":
        return f"it runs nothing, it is {row['state'] or 'in an unknown state'}"
    if row["builds_index"] and not index_builds:
        return "it builds an index concurrently, and would leave an INVALID one"
    if row["wait"].startswith("Lock:") and not wanted:
        return "it waits for a lock: look at who holds it"
    return ""


def _victim(row: Mapping[str, Any]) -> Victim:
    who = f"{clean(row['usename'], 64)} {clean(row['application'], 64)}".strip()
    workers = f" with {row['workers']} parallel workers" if row["workers"] else ""
    return Victim(
        key=f"pid {row['pid']}",
        identity=f"{row['backend_start'].isoformat(timespec='microseconds')} {row['query_start'].isoformat(timespec='microseconds')}",
        label=f"pid {row['pid']} {who}{workers}: runs for {age(row['seconds'])}",
        facts={
            "pid": str(row["pid"]),
            "user": clean(row["usename"], 64),
            "database": clean(row["datname"], 64),
            "application": clean(row["application"], 64),
            "client": clean(row["client"], 64),
            "runs for": age(row["seconds"]),
            "transaction": "" if row["transaction_seconds"] is None else age(row["transaction_seconds"]),
            "waits for": clean(row["wait"], 64),
            "locks": str(row["locks"]),
            "query": sql_text(row["query"] or "", 300),
        },
    )


def _refusal(rows: Sequence[Mapping[str, Any]], found: _Found, wanted: Mapping[int, str], least: float) -> str:
    role = clean(rows[0]["role"]) if rows else ""
    if rows and not rows[0]["sees_all"]:
        return f"role {role} does not see what other sessions do: GRANT pg_monitor TO {role}"
    if found.forbidden:
        return f"role {role} may not signal this session: GRANT pg_signal_backend TO {role}"
    if found.victims:
        return ""
    if wanted:
        return "; ".join(found.left) or f"no session of pid {listed(sorted(wanted))} is there: it ended"
    others = f"; {found.left[0]}" if found.left else ""
    return f"no query runs for longer than {age(least)}{others}"


def _sql(function: str, victims: Sequence[Victim]) -> str:
    triples = ", ".join(
        "({}, '{}'::timestamptz, '{}'::timestamptz)".format(pid_of(victim), *victim.identity.split(" "))
        for victim in victims
    )
    where = f"(pid, backend_start, query_start) IN ({triples}) AND state = 'active'" if triples else "false"
    return f"SELECT pid, {function}(pid) FROM pg_stat_activity WHERE {where}"

"""What is done on a replica that does not replay: resume a pause, end the query that stands in the way (runbook 2.1, facts 2.1.3).

A replay that paused itself because a setting is lower than the primary's must *not* be resumed: the server shuts down (facts 2.1.3). So the
settings of both servers are compared first, and resuming is refused when they could not be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.postgres_action import PostgresAction, chosen_sessions, listed
from alphapulse_tui.actions.postgres_connection import psql, replica_names
from alphapulse_tui.actions.postgres_victims import TOOLS, pid_of, protection, transactions
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.words import age, size
from alphapulse_tui.sources.postgres_replication import smaller
from alphapulse_tui.sources.postgres_text import sql_text
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean

REPLICA = Parameter("replica", "its name in the profile; empty: the first one that it applies to")

SEGMENT = 16 * 1024 * 1024
"""Bytes: after a restart of an idle standby received and replayed differ by up to a segment, and nothing is missing (facts 2.1.3)."""


class OnReplica(PostgresAction):
    """An action on one of the profile's replicas."""

    def named(self, params: Mapping[str, str]) -> tuple[str, ...]:
        """The replicas to look at: the one that is named, or all.

        Raises:
            ActionProblem: the profile has none.
        """
        if params.get("replica"):
            return (params["replica"],)
        names = replica_names(self.profile)
        if not names:
            raise ActionProblem(
                f'profile "{self.profile.name}" has no replica: set [profiles.{self.profile.name}.postgres] replicas'
            )
        return names

    async def replay(self, replica: str) -> Mapping[str, Any]:
        """The replica's replay now."""
        version = await self.on(replica).rows("SELECT current_setting('server_version_num')::int AS version")
        name = "replay" if version[0]["version"] >= 140000 else "replay_13"
        row: Mapping[str, Any] = (await self.on(replica).rows(statement(name)))[0]
        return row


class ResumeReplay(OnReplica):
    """Let a replica go on replaying after a person paused it."""

    id = "pg.resume-replay"
    title = "resume replay"
    risk = Risk.DISRUPTIVE
    source = "facts 2.1.3"
    no_undo = "none: pausing again (pg_wal_replay_pause) does not bring the former state back"
    parameters = (REPLICA,)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """How far it is behind, who may have paused it, and whether resuming would stop it."""
        replica, row = await self._paused(self.named(params))
        connection, server = self.on(replica), self.on(replica).server()
        waiting = (row["received"] or 0) - (row["replayed"] or 0)
        refusal, warning = await self._settings(replica, row)
        if not row["in_recovery"]:
            refusal = f"{replica} is not a replica: it takes writes itself"
        elif row["pause_state"] == "not paused":
            refusal = f"{replica} is not paused"
        elif row["targets"]:
            refusal = (
                f"{replica} recovers up to a target ({clean(', '.join(row['targets']), 200)}): resuming there ends the recovery and promotes it; "
                "take the target out of its configuration and restart it, or promote it on purpose"
            )
        elif not row["may_resume"]:
            refusal = refusal or (
                f"role {clean(row['role'])} may not resume: GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO {clean(row['role'])}"
            )
        return self.made(
            {**params, "replica": replica},
            title=f"resume replay on {replica}",
            object=f"postgres/replica/{replica}",
            sentence=f"Lets {replica} replay again, which is {row['pause_state'] or 'in an unknown state'} at {row['position']}: "
            f"{size(max(0, waiting))} that it has received come first.",
            call=f"SELECT pg_wal_replay_resume() where it is still paused at {row['position']} ({connection.name})",
            shell=psql(server, "SELECT pg_wal_replay_resume() WHERE pg_is_wal_replay_paused()"),
            victims=[
                Victim(
                    f"replica {replica}",
                    row["started"].isoformat(timespec="microseconds"),
                    f"{replica}: {row['pause_state']} at {row['position']}, {row['reading']} queries read from it",
                    {"state": clean(row["pause_state"]), "position": clean(row["position"]), "not replayed": size(max(0, waiting)),
                     "queries": str(row["reading"])},
                )
            ],
            preconditions={"position": clean(row["position"])},
            checks=(
                Check("replaying", "pg_get_wal_replay_pause_state() is not paused"),
                Check("caught up", "what it had received when this was planned is replayed"),
            ),
            warnings=(
                "somebody paused it, perhaps on purpose (a consistent read, a look before a restore goes on): ask before it moves on",
                warning,
                f"{row['reading']} queries read from it now; rows change under the next ones" if row["reading"] else "",
            ),
            refusal=refusal,
            verify_seconds=300.0,
        )  # fmt: skip

    async def _paused(self, names: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
        """The first replica that is paused, or else the first."""
        problems: list[str] = []
        found: list[tuple[str, Mapping[str, Any]]] = []
        for name in names:
            try:
                found.append((name, await self.replay(name)))
            except ActionProblem as problem:
                problems.append(str(problem))
        if not found:
            raise ActionProblem("; ".join(problems))
        return next((one for one in found if one[1]["pause_state"] not in ("", "not paused")), found[0])

    async def _settings(self, replica: str, row: Mapping[str, Any]) -> tuple[str, str]:
        """Refusal and warning that the comparison of both servers' settings gives."""
        try:
            primary = (await self.on().rows(query("replication_primary")))[0]
        except ActionProblem as problem:
            return (
                f"whether {replica} paused itself because of a lower setting is not known ({problem}); resuming would shut it down then: "
                "compare its log and settings by hand",
                "",
            )
        lower = smaller(row["settings"], primary["settings"])
        if lower:
            return (
                f"{replica} has lower settings than the primary ({', '.join(lower)}): resuming would shut it down; raise them there and restart it",
                "",
            )
        return "", ""

    async def execute(self, plan: Plan) -> Result:
        """One statement, with server, pause and position in it."""
        replica = plan.params["replica"]
        started = datetime.fromisoformat(plan.victims[0].identity)
        rows = await self.send(self.on(replica), statement("resume"), started, plan.preconditions["position"])
        if rows:
            return Result(Outcome.DONE, f"{replica} was told to resume")
        return Result(Outcome.REFUSED, f"{replica} is no longer paused there: somebody resumed or restarted it")

    async def verify(self, plan: Plan) -> Verification:
        """Not paused, and past what it had received."""
        replica = plan.params["replica"]
        row = await self.replay(replica)
        waiting = max(0, (row["received"] or 0) - (row["replayed"] or 0))
        reading = {
            "replay": row["pause_state"] or "no replica",
            "position": row["position"] or "",
            "not replayed": size(waiting),
        }
        if not row["in_recovery"]:
            return Verification(Verdict.CONTRADICTED, f"{replica} takes writes itself now: it was promoted", reading)
        if row["pause_state"] != "not paused":
            return Verification(Verdict.PENDING, f"{replica} is still {row['pause_state']}", reading)
        startup = await self.on(replica).rows(statement("replaying"))
        wait = clean(startup[0]["wait"]) if startup else ""
        reading["replay waits for"] = wait or "nothing"
        if waits_for_a_session(wait):
            # The pause is over, which is what was asked for; that it caught up would be untrue.
            said = f"{replica} is not paused any more, but its replay waits for a query ({wait}), {size(waiting)} to go: end that query next"
            return Verification(Verdict.VERIFIED, said, reading)
        if waiting >= SEGMENT:
            return Verification(Verdict.PENDING, f"{replica} replays; {size(waiting)} to go", reading)
        return Verification(Verdict.VERIFIED, f"{replica} replays and has caught up with what it received", reading)


class CancelConflicting(OnReplica):
    """End what keeps a replica's replay waiting: cancel the query, or terminate the session that idles in its transaction."""

    id = "pg.cancel-conflicting"
    title = "cancel the conflicting query"
    risk = Risk.DISRUPTIVE
    source = "facts 2.1.3"
    no_undo = "none: the reader has to ask again"
    parameters = (
        REPLICA,
        Parameter("pids", "the session on the replica: pid or pid@backend_start; empty: the one in the way"),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Who is in the way."""
        wanted = chosen_sessions(params)
        replica, rows = await self._conflict(self.named(params))
        connection, server = self.on(replica), self.on(replica).server()
        wait = clean(rows[0]["replay_wait"]) if rows else ""
        conflict, may_be = waits_for_a_session(wait), candidates(rows, wait)
        chosen = [row for row in rows if row["pid"] in wanted] if wanted else in_the_way(rows, wait)
        spared = {
            row["pid"]: _spared(row, wanted) or ("" if row in may_be else "it is not in the way") for row in chosen
        }
        left = [f"pid {pid} is left alone: {why}" for pid, why in spared.items() if why]
        victims = [_victim(row) for row in chosen if not spared[row["pid"]]]
        forbidden = next((row for row in chosen if not row["may_signal"]), None)
        if not conflict:
            refusal = f"the replay of {replica} waits for nobody" + (f" ({wait})" if wait else "")
        elif forbidden is not None:
            refusal = f"role {clean(forbidden['role'])} may not signal pid {forbidden['pid']}: GRANT pg_signal_backend TO {clean(forbidden['role'])}"
        else:
            refusal = (
                ""
                if victims
                else "; ".join(left) or _unnamed(may_be) or f"no session of {replica} is in the way any more"
            )
        return self.made(
            {**params, "replica": replica},
            title=f"cancel the conflicting query on {replica}",
            object=f"postgres/replica/{replica}",
            sentence=f"Ends {'; '.join(one.label for one in victims)}: the replay of {replica}, which waits ({wait}), goes on."
            if victims and conflict
            else f"Would end what keeps the replay of {replica} waiting.",
            call=f"SELECT pg_cancel_backend(pid) (pg_terminate_backend where it idles) while the replay waits ({connection.name})",
            shell=psql(server, _sql(victims)),
            victims=victims,
            preconditions={
                "identity": "pid, backend_start, xact_start, active or not",
                "state": "the replay waits for somebody",
            },
            checks=(Check("replaying", "the replaying process waits for no query"),),
            warnings=(
                *left,
                "by itself the server does it only after max_standby_streaming_delay, and never where that is -1"
                if victims
                else "",
            ),
            refusal=refusal,
            verify_seconds=20.0,
        )

    async def _conflict(self, names: Sequence[str]) -> tuple[str, list[Any]]:
        """The first replica whose replay waits for a session, or else the first; and its sessions."""
        problems: list[str] = []
        found: list[tuple[str, list[Any]]] = []
        for name in names:
            try:
                found.append((name, await self.on(name).rows(statement("conflicting"))))
            except ActionProblem as problem:
                problems.append(str(problem))
        if not found:
            raise ActionProblem("; ".join(problems))
        return next((one for one in found if one[1] and waits_for_a_session(one[1][0]["replay_wait"])), found[0])

    async def execute(self, plan: Plan) -> Result:
        """One statement; that the replay still waits, and for such a session, is asked in it."""
        connection = self.on(plan.params["replica"])

        async def left() -> set[int]:
            return set(_left(plan, await connection.rows(statement("conflicting"))))

        active = [one.facts["state"] == "active" for one in plan.victims]
        arguments = (*transactions(plan.victims), list(TOOLS), active)
        signalled = await self.signals(connection, plan, left, statement("signal_conflicting"), *arguments)
        if isinstance(signalled, Result):
            return signalled
        details = {
            one.key: "signalled"
            if pid_of(one) in signalled
            else "left alone: it ended or does something else, or nothing waits for it"
            for one in plan.victims
        }
        outcome = Outcome.DONE if signalled else Outcome.REFUSED
        return Result(outcome, f"{len(signalled)} of {len(plan.victims)} signalled", details)

    async def verify(self, plan: Plan) -> Verification:
        """Whether the replay still waits, and for whom."""
        replica = plan.params["replica"]
        row = await self.replay(replica)
        rows = await self.on(replica).rows(statement("conflicting"))
        startup = await self.on(replica).rows(statement("replaying"))
        wait = clean(startup[0]["wait"]) if startup else ""
        waiting = max(0, (row["received"] or 0) - (row["replayed"] or 0))
        reading = {
            "replay waits for": wait or "nothing",
            "not replayed": size(waiting),
            "sessions in a transaction": str(len(rows)),
        }
        if left := _left(plan, rows):
            return Verification(Verdict.PENDING, f"pid {listed(left)} is still in its transaction", reading)
        if in_the_way(rows, wait):
            said = f"what was in the way has ended; the replay waits for another one now ({wait})"
            return Verification(Verdict.VERIFIED, said, reading)
        if waits_for_a_session(wait):
            return Verification(
                Verdict.PENDING, "what was in the way has ended; the replay has not gone on yet", reading
            )
        return Verification(Verdict.VERIFIED, f"the replay of {replica} goes on, {size(waiting)} to go", reading)


def in_the_way(rows: Sequence[Mapping[str, Any]], wait: str) -> list[Mapping[str, Any]]:
    """Who keeps the replay waiting: those the server names, or during a snapshot conflict the oldest snapshot; nobody when it does not wait.

    Only snapshots of the same database conflict, and the server does not tell in which one it waits: of several databases nobody is chosen.
    """
    found = candidates(rows, wait)
    if any(row["named"] for row in found):
        return found
    return found[:1] if len({row["datname"] for row in found}) == 1 else []


def candidates(rows: Sequence[Mapping[str, Any]], wait: str) -> list[Mapping[str, Any]]:
    """Who may keep the replay waiting: those the server names, or during a snapshot conflict whoever holds a snapshot."""
    named = [row for row in rows if row["named"]]
    if named or "RecoveryConflict" not in wait:
        return named
    return [row for row in rows if row["has_snapshot"]]


def waits_for_a_session(wait: str) -> bool:
    """Whether the replay waits for a session, and not for WAL or a disk."""
    return "RecoveryConflict" in wait or wait.startswith("Lock:")


def _unnamed(found: Sequence[Mapping[str, Any]]) -> str:
    """Why nobody was chosen, though one of these is in the way."""
    oldest: dict[str, Mapping[str, Any]] = {}
    for row in found:
        oldest.setdefault(clean(row["datname"], 64), row)
    if len(oldest) < 2:
        return ""
    told = ", ".join(f"pid {row['pid']} of {name} ({age(row['seconds'])})" for name, row in sorted(oldest.items()))
    return f"the server does not tell in which database its replay waits; the oldest snapshots are {told}: name the session (pids)"


def _left(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Pids of the victims that may still be in the way: an aborted transaction stays open, but has neither snapshot nor locks any more."""
    shown = set(zip(*transactions(plan.victims), strict=True))
    return [
        row["pid"]
        for row in rows
        if (row["pid"], row["backend_start"], row["xact_start"]) in shown and (row["named"] or row["has_snapshot"])
    ]


def _spared(row: Mapping[str, Any], wanted: Mapping[int, str]) -> str:
    start = row["backend_start"].isoformat(timespec="microseconds")
    if wanted.get(row["pid"], "") not in ("", start):
        return "it is another session, which took over the pid"
    reason = protection(row, include_poolers=True)
    return f"a session {reason.rstrip(',')} is never touched from here" if reason else ""


def _victim(row: Mapping[str, Any]) -> Victim:
    who = f"{clean(row['usename'], 64)} {clean(row['application'], 64)}".strip()
    how = (
        "its query is cancelled"
        if row["state"] == "active"
        else "its session is terminated, because it idles in the transaction"
    )
    start, moment = (row[name].isoformat(timespec="microseconds") for name in ("backend_start", "xact_start"))
    return Victim(
        key=f"pid {row['pid']}",
        identity=f"{start} {moment}",
        label=f"pid {row['pid']} {who}, {age(row['seconds'])} in a transaction ({how})",
        facts={
            "pid": str(row["pid"]),
            "user": clean(row["usename"], 64),
            "application": clean(row["application"], 64),
            "client": clean(row["client"], 64),
            "state": row["state"],
            "transaction": age(row["seconds"]),
            "query": sql_text(row["query"] or "", 300),
        },
    )


def _sql(victims: Sequence[Victim]) -> str:
    shown = ", ".join(
        "({}, '{}'::timestamptz, '{}'::timestamptz, {})".format(
            pid_of(victim), *victim.identity.split(" "), "true" if victim.facts["state"] == "active" else "false"
        )
        for victim in victims
    )
    where = f"(pid, backend_start, xact_start, state = 'active') IN ({shown})" if shown else "false"
    ended = "CASE WHEN state = 'active' THEN pg_cancel_backend(pid) ELSE pg_terminate_backend(pid) END"
    return f"SELECT pid, {ended} FROM pg_stat_activity WHERE {where}"

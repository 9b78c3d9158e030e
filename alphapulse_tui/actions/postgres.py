"""Terminate PostgreSQL sessions: those idle in a transaction, those idle, or one (runbook 2.1, facts 2.1.1).

Each plan shows the victims and what is spared. Execution is one statement that joins on pid *and* backend_start and asks for state, age
and protection again at the moment of the signal, because pids are reused and sessions wake up. What the server says is never believed
alone: after an error the sessions are read again, since signals that were sent before it stay sent (measured on 15, 17 and 18).
Planned, executed and verified by the executor.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import asyncpg

from alphapulse_tui.actions.contract import Action, ActionProblem, Parameter, SentWithoutAnswer
from alphapulse_tui.actions.postgres_connection import BROKEN, Connection, psql, told
from alphapulse_tui.actions.postgres_grants import with_grant
from alphapulse_tui.actions.postgres_victims import TOOLS, Choice, choose, identities, pid_of
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification
from alphapulse_tui.model.words import age
from alphapulse_tui.text import clean

IDLE_IN_TRANSACTION = "idle in transaction"
ABORTED = "idle in transaction (aborted)"
SETTLE_SECONDS = 0.2
SETTLE_READS = 5
"""A signalled backend is gone within milliseconds; one that is still there after a second was not signalled or is stuck."""

SHELL_VICTIMS = 40
"""Sessions that are spelled out in the shell form; a longer line fits no terminal, and the same condition is given instead."""

_PIDS = Parameter("pids", "only these sessions: pid or pid@backend_start, joined by commas")
_APPLICATION = Parameter("application", "only sessions of this application")
_POOLERS = Parameter("poolers", "terminate the sessions of poolers too", default="no", choices=("no", "yes"))


class _Terminate(Action):
    """What the three have in common; a subclass says which sessions."""

    target = "postgres"
    risk = Risk.DISRUPTIVE
    source = "runbook 2.1"
    what: ClassVar[str]
    """``idle in a transaction``, as in *sessions that are ...*."""
    idles: ClassVar[bool] = True
    """Whether a victim is one because it does nothing: then it must have done nothing since the plan, too."""
    undo = "none: a terminated session is gone; its client connects again and has to repeat what was rolled back"

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._connection = Connection(profile)

    @abstractmethod
    def minimum_ages(self, params: Mapping[str, str]) -> dict[str, float]:
        """Seconds in its state from which on a session is a victim, by state."""

    def extra_warnings(self, choice: Choice) -> tuple[str, ...]:
        """What a person must know beside who is spared."""
        del choice
        return ()

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Who would be terminated now, and what that frees."""
        ages = self.minimum_ages(params)
        wanted = _wanted(params)
        usage = (await self._connection.rows(statement("usage")))[0]
        rows = await self._connection.rows(
            statement("victims"), list(ages), params.get("application", ""), list(wanted)
        )
        choice = choose(rows, ages, wanted, params.get("poolers") == "yes")
        before, after = usage["clients"], usage["clients"] - len(choice.victims)
        many = len(choice.victims)
        server = self._connection.server()
        where = f"{server.name or 'primary'}, role {usage['role']}"
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=self.title,
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"postgres/backend/{choice.victims[0].facts['pid']}" if many == 1 else "postgres/backends",
            risk=self.risk,
            sentence=(
                f"Terminates {many} {'session that is' if many == 1 else 'sessions that are'} {self.what}{_older(ages)} "
                f"({choice.applications}): frees {many} of {_usable(usage)} slots, usage {_percent(usage, before)} -> "
                f"{_percent(usage, after)}."
                if many
                else f"Would terminate sessions that are {self.what}{_older(ages)}; there is none."
            ),
            call=f"SELECT pg_terminate_backend(pid) for {many} pairs of pid and backend_start, state and age asked again ({where})",
            shell=_shell(server, choice, ages, params),
            params=dict(params),
            victims=choice.victims,
            preconditions={"identity": "pid and backend_start", "state": ", ".join(ages)},
            checks=(
                Check("sessions gone", f"none of the {many} pairs of pid and backend_start is left"),
                Check("slots used", f"at most {_percent(usage, after)}, unless clients connect again at once"),
            ),
            warnings=(*choice.spared, *(self.extra_warnings(choice) if many else ())),
            undo=self.undo,
            refusal=_refusal(usage, choice, self.what, wanted, ages),
            verify_seconds=15.0,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """One statement; what it did is read back, session by session."""
        if not plan.victims:
            return Result(Outcome.REFUSED, "no session is left to terminate")
        connection = await self._connection.open()
        ages = self.minimum_ages(plan.params)
        # A session that worked since the plan was shown is not what a person confirmed, though it may idle again.
        since = [datetime.fromisoformat(victim.facts["since"]) if self.idles else None for victim in plan.victims]
        pids, starts = identities(plan.victims)
        try:
            rows = await connection.fetch(
                statement("terminate"),
                pids,
                starts,
                list(ages),
                list(ages.values()),
                list(TOOLS),
                since,
            )
        except asyncpg.PostgresConnectionError as error:
            self._connection.drop()
            raise SentWithoutAnswer(told(self.target, error)) from None
        except asyncpg.PostgresError as error:
            return await self._after_error(plan, error)
        except BROKEN as error:
            self._connection.drop()
            raise SentWithoutAnswer(told(self.target, error)) from None
        return await self._outcome(plan, {row["pid"]: row["signalled"] for row in rows})

    async def verify(self, plan: Plan) -> Verification:
        """Whether every (pid, backend_start) is gone, and the slots that are used now."""
        remaining = await self._remaining(plan)
        usage = (await self._connection.rows(statement("usage")))[0]
        states = set(self.minimum_ages(plan.params))
        reading = {
            "slots used": _percent(usage, usage["clients"]),
            "client connections": f"{usage['clients']} of {_usable(usage)}",
            "idle in transaction": str(usage["idle_in_transaction"]),
            "idle": str(usage["idle"]),
        }
        total, left = len(plan.victims), len(remaining)
        waiting = sorted(pid for pid, state in remaining.items() if state in states)
        if not left:
            return Verification(Verdict.VERIFIED, f"{total} of {total} sessions are gone", reading)
        if waiting:
            return Verification(
                Verdict.PENDING, f"{left} of {total} sessions are still there: pid {_listed(waiting)}", reading
            )
        at_work = f"pid {_listed(sorted(remaining))} {'works' if left == 1 else 'work'} again and {'was' if left == 1 else 'were'} left alone"
        if left == total:
            return Verification(Verdict.CONTRADICTED, f"none of {total} sessions is gone: {at_work}", reading)
        return Verification(Verdict.VERIFIED, f"{total - left} of {total} sessions are gone; {at_work}", reading)

    async def close(self) -> None:
        """Cut the connection."""
        self._connection.drop()

    async def _remaining(self, plan: Plan) -> dict[int, str]:
        rows = await self._connection.rows(statement("remaining"), *identities(plan.victims))
        return {row["pid"]: row["state"] for row in rows}

    async def _after_sending(self, plan: Plan, reads: int = 1) -> dict[int, str]:
        """Who is still there; read again up to ``reads`` times, because a signalled backend takes a moment to go."""
        remaining: dict[int, str] = {}
        for attempt in range(reads):
            if attempt:
                await asyncio.sleep(SETTLE_SECONDS)
            try:
                remaining = await self._remaining(plan)
            except ActionProblem as problem:
                raise SentWithoutAnswer(f"the statement was sent, but its sessions cannot be read: {problem}") from None
            if not remaining:
                break
        return remaining

    async def _outcome(self, plan: Plan, signalled: Mapping[int, bool]) -> Result:
        """The victims that the statement did not return are told apart: gone by themselves, or awake."""
        missed = [victim for victim in plan.victims if not signalled.get(pid_of(victim))]
        remaining = await self._after_sending(plan) if missed else {}
        details = {victim.key: "signalled" for victim in plan.victims}
        for victim in missed:
            state = remaining.get(pid_of(victim))
            details[victim.key] = (
                "gone before the signal" if state is None else f"left alone: {state or 'in an unknown state'} now"
            )
        total, sent = len(plan.victims), len(plan.victims) - len(missed)
        if sent:
            return Result(Outcome.DONE, f"{sent} of {total} sessions signalled", details)
        if not remaining:
            return Result(Outcome.DONE, f"all {total} sessions had ended by themselves", details)
        return Result(Outcome.REFUSED, f"none of {total} sessions was signalled: they are at work again", details)

    async def _after_error(self, plan: Plan, error: asyncpg.PostgresError) -> Result:
        """The server stopped half way; signals that it had sent before stay sent, so the sessions themselves are asked."""
        sentence = with_grant(told(self.target, error), error, self._connection.server().user)
        remaining = await self._after_sending(plan, SETTLE_READS)
        details = {victim.key: "still there" if pid_of(victim) in remaining else "gone" for victim in plan.victims}
        gone = len(plan.victims) - len(remaining)
        return Result(
            Outcome.FAILED, f"{sentence}: {gone} of {len(plan.victims)} sessions are gone all the same", details
        )


class TerminateIdleInTransaction(_Terminate):
    """Terminate sessions that hold a transaction open and do nothing: they keep locks and hold vacuum back."""

    id = "pg.terminate-idle-in-transaction"
    title = "terminate idle in transaction"
    what = "idle in a transaction"
    parameters = (
        Parameter("min_seconds", "seconds idle in a transaction; default 300 (facts 2.1.1)"),
        Parameter("min_seconds_aborted", "seconds idle in a failed transaction; default 60 (facts 2.1.1)"),
        _APPLICATION,
        _PIDS,
        _POOLERS,
    )

    def effective(self, params: Mapping[str, str]) -> dict[str, str]:
        """Both ages written out."""
        ages = self.minimum_ages(params)
        written = {"min_seconds": f"{ages[IDLE_IN_TRANSACTION]:g}", "min_seconds_aborted": f"{ages[ABORTED]:g}"}
        return {**super().effective(params), **written}

    def minimum_ages(self, params: Mapping[str, str]) -> dict[str, float]:
        """From the parameters, else from the profile's thresholds."""
        limits = self.profile.thresholds
        chosen = params.get("min_seconds", "")
        aborted = params.get("min_seconds_aborted", "")
        ages = {
            IDLE_IN_TRANSACTION: _seconds("min_seconds", chosen or f"{limits.postgres_idle_in_transaction_critical:g}"),
            ABORTED: _seconds("min_seconds_aborted", aborted or f"{limits.postgres_idle_in_transaction_warning:g}"),
        }
        # Who asks for younger sessions means the failed ones too.
        return ages if aborted else {**ages, ABORTED: min(ages.values())}

    def extra_warnings(self, choice: Choice) -> tuple[str, ...]:
        """What is lost."""
        return (f"what these transactions have written is rolled back; they hold {choice.locks} locks",)


class TerminateIdle(_Terminate):
    """Terminate sessions that have done nothing for ten minutes (runbook 2.1), poolers' excepted."""

    id = "pg.terminate-idle"
    title = "terminate idle"
    what = "idle"
    parameters = (
        Parameter("min_seconds", "seconds idle; default 600 (runbook 2.1: 10 minutes)"),
        _APPLICATION,
        _PIDS,
        _POOLERS,
    )

    def effective(self, params: Mapping[str, str]) -> dict[str, str]:
        """The age written out."""
        return {**super().effective(params), "min_seconds": f"{self.minimum_ages(params)['idle']:g}"}

    def minimum_ages(self, params: Mapping[str, str]) -> dict[str, float]:
        """From the parameter, else from the profile's thresholds."""
        return {
            "idle": _seconds("min_seconds", params.get("min_seconds") or f"{self.profile.thresholds.postgres_idle:g}")
        }

    def extra_warnings(self, choice: Choice) -> tuple[str, ...]:
        """Pools inside applications look the same from here."""
        del choice
        return (
            "an application's own pool holds idle sessions on purpose: its clients meet a closed connection once, then connect again; "
            "if usage returns within a minute, mend the pool's size instead",
        )


class TerminateBackend(_Terminate):
    """Terminate one session, whatever it does."""

    id = "pg.terminate-backend"
    title = "terminate session"
    what = "chosen by hand"
    idles = False
    parameters = (Parameter("pids", "the session: pid or pid@backend_start", required=True), _POOLERS)

    def minimum_ages(self, params: Mapping[str, str]) -> dict[str, float]:
        """Every state, at any age; but only sessions that were picked."""
        if not params.get("pids"):
            raise ActionProblem('"pids" must name the session to terminate, as pid or pid@backend_start')
        return dict.fromkeys(
            ("active", "idle", IDLE_IN_TRANSACTION, ABORTED, "fastpath function call", "disabled"), 0.0
        )

    def extra_warnings(self, choice: Choice) -> tuple[str, ...]:
        """What is lost."""
        return (f"what its open transaction has written is rolled back; it holds {choice.locks} locks",)


def _refusal(
    usage: Mapping[str, Any], choice: Choice, what: str, wanted: Mapping[int, str], ages: Mapping[str, float]
) -> str:
    role = clean(usage["role"])
    if not usage["sees_all"]:
        return f"role {role} does not see what other sessions do: GRANT pg_monitor TO {role}"
    if choice.forbidden:
        return (
            f"role {role} may not terminate {choice.forbidden} of {len(choice.victims)} sessions: "
            f"GRANT pg_signal_backend TO {role}"
        )
    if choice.victims:
        return ""
    if wanted:
        gone = f"no session of pid {_listed(sorted(wanted))} may be terminated: it ended, changed or works"
        return f"{gone}{'; ' + '; '.join(choice.spared) if choice.spared else ''}"
    young = f"; {choice.too_young} are younger than that" if choice.too_young else ""
    return f"no session is {what}{_older(ages)}{young}"


def _older(ages: Mapping[str, float]) -> str:
    longest = max(ages.values())
    if not longest:
        return ""
    aborted = ages.get(ABORTED, longest)
    return f" for longer than {age(longest)}" + (f" ({age(aborted)} where it failed)" if aborted < longest else "")


def _shell(server: Any, choice: Choice, ages: Mapping[str, float], params: Mapping[str, str]) -> str:
    """The same with psql; its password comes from PGPASSFILE."""
    states = ", ".join(f"'{state}'" for state in ages)
    if len(choice.victims) > SHELL_VICTIMS:
        condition = (
            f"state IN ({states}) AND state_change <= now() - interval '{max(ages.values()):g} seconds' "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid() "
            "AND usesysid NOT IN (SELECT oid FROM pg_roles WHERE rolsuper OR rolreplication)"
        )
        if params.get("application"):
            condition += " AND application_name = " + _literal(params["application"])
    else:
        pairs = ", ".join(f"({victim.facts['pid']}, '{victim.identity}'::timestamptz)" for victim in choice.victims)
        condition = f"(pid, backend_start) IN ({pairs}) AND state IN ({states})" if pairs else "false"
    sql = f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {condition}"
    return psql(server, sql)


def _literal(text: str) -> str:
    return "'" + clean(text, 64).replace("'", "''") + "'"


def _usable(usage: Mapping[str, Any]) -> int:
    return int(max(1, usage["max_connections"] - usage["superuser_reserved"] - usage["reserved"]))


def _percent(usage: Mapping[str, Any], clients: int) -> str:
    return f"{100.0 * clients / _usable(usage):.0f} %"


def _listed(pids: list[int]) -> str:
    return ", ".join(map(str, pids[:5])) + (f" and {len(pids) - 5} more" if len(pids) > 5 else "")


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 10 * 365 * 86400:
        raise ActionProblem(f'"{name}" must be seconds, a number from 0 up, not "{clean(text, 40)}"')
    return value


def _wanted(params: Mapping[str, str]) -> dict[int, str]:
    """Hand-picked sessions: pid to backend_start, or to an empty text when any will do."""
    wanted: dict[int, str] = {}
    for part in filter(None, (part.strip() for part in params.get("pids", "").split(","))):
        pid, _, start = part.partition("@")
        if not (pid.isascii() and pid.isdigit() and 0 < int(pid) < 2**31):
            raise ActionProblem(f'"pids" holds "{clean(part, 60)}", which is no pid and no pid@backend_start')
        wanted[int(pid)] = start
    return wanted

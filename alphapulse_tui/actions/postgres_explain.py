"""EXPLAIN a statement of the statements view, or a query that runs (runbook 2.1, facts 2.1.2). It plans, and never executes.

The runbook's EXPLAIN ANALYZE executes: an INSERT really inserts. Here there is no ANALYZE, the transaction is read-only and rolled back, and the
text goes to the server as one prepared statement, so that a second one behind a semicolon is refused by the server itself. A statement
with placeholders, as pg_stat_statements keeps it, is prepared by PREPARE and its generic plan is asked for by EXPLAIN EXECUTE, in every version:
EXPLAIN (GENERIC_PLAN) through the client's protocol would plan for NULL in every place, ``One-Time Filter: false`` (measured on 17).

Planning takes the right to read the tables, which the on-call has not. Their owner has it: whoever chooses that, becomes the owner by SET ROLE for
this one statement. The text may hold secrets and is not kept: the plan names where it stands, and it is read again when it is explained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.postgres_action import PostgresAction, chosen_sessions
from alphapulse_tui.actions.postgres_connection import BROKEN, psql, told
from alphapulse_tui.actions.postgres_grants import grant_to_become, with_grant
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.model.plan import Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.postgres_explainable import no_plan
from alphapulse_tui.model.words import age
from alphapulse_tui.redact import redact
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean, clean_lines

EXPLAIN = "EXPLAIN (FORMAT TEXT) "
"""Always with options in brackets: ``EXPLAIN (ANALYZE) DELETE ...`` must not come out of a text that begins with its own."""

PREPARED = "alphapulse_explain"

SHOWN_CHARACTERS = 300
"""Of the text, in the plan; the same as in every list of queries."""

PLACEHOLDER = re.compile(r"\$\d{1,5}\b")

KEY = re.compile(r"(\d{1,10})/(\d{1,10})/(-?\d{1,20})/(True|False)")
"""A statement of the statements view: userid, dbid, queryid, toplevel (``sources.postgres_statements``)."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A text, and where it stands."""

    text: str
    label: str
    key: str
    identity: str
    problem: str = ""
    """Why it cannot be explained, as far as its place says."""


class Explain(PostgresAction):
    """Show how the server would run a statement; nothing is run."""

    id = "pg.explain"
    title = "explain"
    risk = Risk.SAFE
    changes = False
    source = "runbook 2.1"
    no_undo = "none is needed: it changes nothing"
    parameters = (
        Parameter("statement", "one of the statements view, by its key"),
        Parameter("pids", "the session whose query it is: pid or pid@backend_start; neither: the longest that runs"),
        Parameter("as_owner", "plan it as the owner of the tables (SET ROLE)", default="no", choices=("no", "yes")),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which statement, as whom, and why not."""
        about = (await self.on().rows(statement("planner")))[0]
        found = await self._find(params)
        owner = (about["owner"] or "") if params.get("as_owner") == "yes" else ""
        as_owner = f" as {owner}" if owner else ""
        server = self.on().server()
        shown = redact(clean(found.text, SHOWN_CHARACTERS))
        own = (
            {}
            if params.get("statement")
            else {"pids": f"{found.key.removeprefix('pid ')}@{found.identity.partition(' ')[0]}"}
        )
        plan = self.made(
            {**params, **own},
            title=f"explain {found.label}",
            object="postgres/explain",
            sentence=f"Has {self.on().name} plan {found.label}{as_owner}, and shows the plan; nothing is executed.",
            call=f"BEGIN READ ONLY; {_statements(found.text, '...')[-1]}; ROLLBACK{as_owner}",
            shell=psql(
                server, "BEGIN READ ONLY", *([f"SET LOCAL ROLE {owner}"] if owner else []),
                *_statements(found.text, redact(clean(found.text))), "ROLLBACK",
            ),
            victims=[Victim(found.key, found.identity, f"{found.label}: {shown}", {"statement": shown})],
            preconditions={"become": owner},
            checks=(),
            refusal=_refusal(found, about, params),
        )  # fmt: skip
        return msgspec.structs.replace(plan, changes=False)

    async def _find(self, params: Mapping[str, str]) -> _Found:
        if params.get("statement"):
            return await self._statement(params["statement"])
        wanted = chosen_sessions(params)
        rows = await self.on().rows(statement("explainable_query"), list(wanted))
        if not rows:
            raise ActionProblem(
                f"no session of pid {next(iter(wanted))} is there: it ended"
                if wanted
                else "no query runs now: choose a statement of the statements view"
            )
        row = rows[0]
        return _Found(
            row["query"] or "",
            f"the query of pid {row['pid']} {clean(row['application'] or row['usename'], 64)}, {age(row['seconds'] or 0.0)} old",
            f"pid {row['pid']}",
            " ".join(_moment(row[name]) for name in ("backend_start", "query_start")),
            _of_session(row, wanted),
        )

    async def _statement(self, key: str) -> _Found:
        match = KEY.fullmatch(key)
        if match is None:
            raise ActionProblem(f'"statement" holds "{clean(key, 80)}", which is no key of the statements view')
        extension = await self.on().rows(query("statements_extension"))
        if not extension:
            raise ActionProblem(
                "pg_stat_statements is not installed in this database: CREATE EXTENSION pg_stat_statements"
            )
        rows = await self.on().rows(
            "SELECT s.query, coalesce(d.datname, '')::text AS datname, current_database()::text AS here "
            f"FROM {extension[0]['schema']}.pg_stat_statements(true) s LEFT JOIN pg_database d ON d.oid = s.dbid "
            "WHERE s.userid = $1::int8::oid AND s.dbid = $2::int8::oid AND s.queryid = $3::int8 LIMIT 1",
            int(match[1]), int(match[2]), int(match[3]),
        )  # fmt: skip
        if not rows:
            raise ActionProblem(
                "pg_stat_statements does not have this statement any more: its table was full, or was reset"
            )
        row = rows[0]
        return _Found(row["query"] or "", f"statement {match[3]}", f"statement {match[3]}", key, _elsewhere(row))

    async def execute(self, plan: Plan) -> Result:
        """Read the text again, and have it planned in a read-only transaction that is rolled back."""
        found = await self._find(plan.params)
        if found.identity != plan.victims[0].identity:
            return Result(Outcome.REFUSED, "the session runs another query by now: explain that one")
        about = (await self.on().rows(statement("planner")))[0]
        opened = await self.on().connect({"plan_cache_mode": "force_generic_plan"})
        try:
            lines = await _planned(opened, plan.preconditions["become"], found.text)
        except asyncpg.InsufficientPrivilegeError as error:
            raise ActionProblem(_may_not(error, about, plan)) from None
        except asyncpg.PostgresError as error:
            raise ActionProblem(f"it cannot be explained: {redact(told(self.on().name, error))}") from None
        except BROKEN as error:
            raise ActionProblem(told(self.on().name, error)) from None
        finally:
            opened.terminate()  # A prepared statement outlives its transaction.
        return Result(
            Outcome.DONE, f"the plan of {found.label}", {"plan": redact("\n".join(clean_lines("\n".join(lines))))}
        )

    async def verify(self, plan: Plan) -> Verification:
        """Nothing was changed, so there is nothing to prove."""
        return Verification(Verdict.VERIFIED, f"{plan.title} changes nothing")


async def _planned(opened: asyncpg.Connection, become: str, text: str) -> list[str]:
    """The plan's lines. Every statement is sent by the extended protocol, which takes one statement and no second."""
    await opened.transaction(readonly=True).start()  # Never committed: the caller ends the connection.
    if become:
        await opened.execute(f"SET LOCAL ROLE {become}")
    explain = EXPLAIN + text
    if PLACEHOLDER.search(text):
        await opened.fetch(f"PREPARE {PREPARED} AS {text}")
        places = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = $1"
        explain = EXPLAIN + _executed(await opened.fetchval(places, PREPARED))
    rows = await opened.fetch(explain)
    return [str(row[0]) for row in rows]


def _executed(places: int) -> str:
    """The prepared statement's name, with nothing in its places: a generic plan does not look at them."""
    return f"EXECUTE {PREPARED}({', '.join(['NULL'] * places)})" if places else f"EXECUTE {PREPARED}"


def _statements(text: str, shown: str) -> list[str]:
    """What is sent, ``shown`` in the place of ``text``.

    >>> _statements("SELECT 1", "SELECT 1")
    ['EXPLAIN (FORMAT TEXT) SELECT 1']
    >>> _statements("SELECT $2, $1", "SELECT $2, $1")[-1]
    'EXPLAIN (FORMAT TEXT) EXECUTE alphapulse_explain(NULL, NULL)'
    """
    places = max((int(one[1:]) for one in PLACEHOLDER.findall(text)), default=0)
    if not places:
        return [EXPLAIN + shown]
    force = "SET plan_cache_mode = force_generic_plan"
    return [force, f"PREPARE {PREPARED} AS {shown}", EXPLAIN + _executed(places)]


def _of_session(row: Mapping[str, Any], wanted: Mapping[int, str]) -> str:
    if wanted.get(row["pid"], "") not in ("", _moment(row["backend_start"])):
        return f"pid {row['pid']} is another session, which took over the pid"
    if row["state"] != "active":
        return f"pid {row['pid']} runs nothing, it is {row['state'] or 'in an unknown state'}"
    if row["cut"]:
        return "its text is cut: raise track_activity_query_size, or choose it in the statements view, which keeps it whole"
    return _elsewhere(row)


def _elsewhere(row: Mapping[str, Any]) -> str:
    if row["datname"] == row["here"]:
        return ""
    return (
        f"it runs in database {clean(row['datname'], 63) or '(gone)'}, and this profile names {clean(row['here'], 63)}"
    )


def _refusal(found: _Found, about: Mapping[str, Any], params: Mapping[str, str]) -> str:
    role = clean(about["role"])
    if not about["sees_all"] or found.text == "<insufficient privilege>":
        return f"role {role} does not see what others run: GRANT pg_monitor TO {role}"
    if found.problem:
        return found.problem
    if without := no_plan(found.text):
        return without
    if params.get("as_owner") == "yes" and not about["owner"]:
        return f"role {role} may become no owner of a table: {grant_to_become('the owner', role)}"
    return ""


def _may_not(error: asyncpg.PostgresError, about: Mapping[str, Any], plan: Plan) -> str:
    said = f"it cannot be explained: {clean(error.message or error, 200)}"
    if plan.preconditions["become"]:
        return with_grant(said, error, about["role"])
    owner = about["owner"]
    return f"{said}. Planning takes the right to read; " + (
        f"explain it as the owner of the tables ({owner}), which {clean(about['role'])} may become"
        if owner
        else f"role {clean(about['role'])} has it not and may become no owner of a table"
    )


def _moment(value: Any) -> str:
    return value.isoformat(timespec="microseconds") if value is not None else ""

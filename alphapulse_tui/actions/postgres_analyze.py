"""ANALYZE chosen tables (runbook 2.1, facts 2.1.2).

The runbook's ``ANALYZE;`` goes over the whole database, skips in silence what is not ours (a warning that nobody sees) and still answers
``ANALYZE``. Here each table is a statement of its own, what we may not is named before, warnings are told, and the proof is ``last_analyze``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from alphapulse_tui.actions.contract import ActionProblem, Parameter, SentWithoutAnswer
from alphapulse_tui.actions.postgres_action import PostgresAction
from alphapulse_tui.actions.postgres_connection import BROKEN, psql, told
from alphapulse_tui.actions.postgres_grants import grant_of
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.text import clean

STALE_PERCENT = 10.0
"""Of the rows changed since the last ANALYZE (facts 2.1.2)."""

DEADLINE = 300.0
"""Seconds for all tables: a sample of each is read, never the whole."""


class Analyze(PostgresAction):
    """Renew the planner's statistics of some tables."""

    id = "pg.analyze"
    title = "analyze"
    risk = Risk.SAFE
    source = "runbook 2.1"
    no_undo = "none needed: statistics are renewed, nothing else changes"
    parameters = (
        Parameter("tables", "schema.table, joined by commas; empty: all of which over 10 % have changed (facts 2.1.2)"),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which tables, and which of them we may."""
        wanted = [part.strip() for part in params.get("tables", "").split(",") if part.strip()]
        rows = await self._tables(wanted)
        mine = [row for row in rows if row["may"]]
        not_mine = [row for row in rows if not row["may"]]
        server = self.on().server()
        names = ", ".join(clean(row["name"], 130) for row in mine[:6]) + (
            f" and {len(mine) - 6} more" if len(mine) > 6 else ""
        )
        return self.made(
            params,
            object="postgres/statistics",
            sentence=f"Renews the statistics of {names}."
            if mine
            else "Renews the statistics of tables; there is none to do.",
            call="; ".join(_sql(row["quoted"]) for row in mine) or "ANALYZE",
            shell=psql(server, *(_sql(row["quoted"]) for row in mine)) if mine else psql(server, "SELECT 1"),
            victims=[
                Victim(
                    f"table {clean(row['name'], 130)}",
                    str(row["oid"]),
                    f"{clean(row['name'], 130)}: {row['modified']:,} of {row['rows']:,} rows changed since the last ANALYZE",
                    {"quoted": row["quoted"], "planned at": row["server_time"].isoformat(timespec="microseconds")},
                )
                for row in mine
            ],
            checks=(Check("analyzed", "last_analyze of each is later than this plan"),),
            warnings=[_grant(row) for row in not_mine],
            refusal=_refusal(rows, mine, wanted),
            deadline=DEADLINE,
            verify_seconds=15.0,
        )

    async def _tables(self, wanted: Sequence[str]) -> list[Any]:
        version = (await self.on().rows("SELECT current_setting('server_version_num')::int AS version"))[0]["version"]
        name = "analyzable_17" if version >= 170000 else "analyzable"
        return await self.on().rows(statement(name), list(wanted), STALE_PERCENT)

    async def execute(self, plan: Plan) -> Result:
        """Table after table; a locked one is skipped and said."""
        opened = await self.on().connect({"statement_timeout": f"{DEADLINE * 1000:.0f}"})
        warnings: list[str] = []
        opened.add_log_listener(lambda _connection, message: warnings.append(clean(message.message, 200)))
        details: dict[str, str] = {}
        try:
            for victim in plan.victims:
                seen = len(warnings)
                await opened.execute(_sql(victim.facts["quoted"]), timeout=DEADLINE)
                details[victim.key] = "; ".join(warnings[seen:]) or "analyzed"
        except asyncpg.PostgresConnectionError as error:
            raise SentWithoutAnswer(told(self.on().name, error)) from None
        except asyncpg.PostgresError as error:
            if not details:
                raise ActionProblem(told(self.on().name, error)) from None
            sentence = f"{told(self.on().name, error)}: {len(details)} of {len(plan.victims)} tables were done before"
            return Result(Outcome.FAILED, sentence, details)
        except BROKEN as error:
            raise SentWithoutAnswer(told(self.on().name, error)) from None
        finally:
            opened.terminate()
        done = sum(1 for said in details.values() if said == "analyzed")
        said = f"{done} of {len(plan.victims)} tables analyzed"
        role = self.on().server().user
        grants = "; ".join(filter(None, (grant_of(warning, role) for warning in warnings)))
        if grants and not done:
            return Result(Outcome.FAILED, f"{said}: {grants}", details)
        return Result(Outcome.DONE, f"{said}; {grants}" if grants else said, details)

    async def verify(self, plan: Plan) -> Verification:
        """When each was analyzed last; the statistics arrive a moment after the command."""
        keys = {
            victim.key.removeprefix("table "): datetime.fromisoformat(victim.facts["planned at"])
            for victim in plan.victims
        }
        rows = {
            clean(row["name"], 130): row
            for row in await self._tables([victim.facts["quoted"] for victim in plan.victims])
        }
        done = [
            name
            for name, planned in keys.items()
            if name in rows and rows[name]["analyzed"] and rows[name]["analyzed"] > planned
        ]
        reading = {
            name: f"{rows[name]['modified']:,} rows changed since" if name in rows else "gone"
            for name in list(keys)[:6]
        }
        if len(done) == len(keys):
            return Verification(Verdict.VERIFIED, f"{len(done)} of {len(keys)} tables are analyzed", reading)
        left = ", ".join(name for name in keys if name not in done)
        return Verification(Verdict.PENDING, f"not analyzed yet: {clean(left, 200)}", reading)


def _sql(quoted: str) -> str:
    return f"ANALYZE (SKIP_LOCKED) {quoted}"


def _grant(row: Mapping[str, Any]) -> str:
    role, name = clean(row["role"]), clean(row["name"], 130)
    return f"{name} is left out: it belongs to {clean(row['owner'])}; GRANT MAINTAIN ON {name} TO {role} (PostgreSQL 17 and later)"


def _refusal(rows: Sequence[Mapping[str, Any]], mine: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> str:
    if rows and rows[0]["in_recovery"]:
        return "this server is a standby: statistics are made on the primary"
    if mine:
        return ""
    if rows:
        return _grant(rows[0])
    if wanted:
        return f"there is no table {clean(', '.join(wanted), 120)} in this database"
    return f"no table has changed by more than {STALE_PERCENT:g} % since its last ANALYZE"

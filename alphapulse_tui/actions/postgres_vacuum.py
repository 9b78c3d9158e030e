"""VACUUM (ANALYZE) chosen tables (runbook 3.4, facts 3.4), with progress, at the pace of autovacuum.

The runbook's ``VACUUM ANALYZE;`` goes over the whole database, skips in silence what is not ours (a warning that nobody sees), answers ``VACUUM``
all the same, and at the end takes an exclusive lock to cut the file, which cancels queries on the standbys. Here each table is a statement of
its own, without cutting (``TRUNCATE false``) and without waiting for a lock; what we may not is named before. The statement is begun and left to
the server (``postgres_build``); the proof is ``last_vacuum``, and ``n_dead_tup`` says what it was good for: rows that an old transaction still
sees stay. VACUUM FULL, which locks everybody out, is not offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alphapulse_tui.actions.contract import Parameter
from alphapulse_tui.actions.postgres_action import PostgresAction
from alphapulse_tui.actions.postgres_build import Build, mark
from alphapulse_tui.actions.postgres_connection import psql
from alphapulse_tui.actions.postgres_grants import grant_of
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.words import age, size
from alphapulse_tui.text import clean

OLD_SECONDS = 60.0
"""Transactions older than this are told: rows that died after they began stay (facts 2.1.2 has the same minute for index builds)."""

VACUUM_SECONDS = 6 * 3600.0
"""For as long its progress is watched."""

SKIPPED = "skipping"
"""How every warning about a table that is left out has it."""


class Vacuum(PostgresAction):
    """Remove the dead rows of some tables, and renew their statistics."""

    id = "pg.vacuum"
    title = "vacuum"
    risk = Risk.SAFE
    source = "runbook 3.4"
    no_undo = "none needed: rows that nobody can see any more are removed, nothing else changes"
    parameters = (
        Parameter("tables", "schema.table, joined by commas; empty: all with more dead rows than autovacuum waits for"),
    )

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._builds: dict[str, Build] = {}

    async def close(self) -> None:
        """Let go; what is under way is finished by the server."""
        for build in self._builds.values():
            build.leave()
        await super().close()

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which tables, which of them we may, and who still sees their dead rows."""
        wanted = [part.strip() for part in params.get("tables", "").split(",") if part.strip()]
        rows = await self._tables(wanted)
        mine = [row for row in rows if row["may"]]
        old = await self.on().rows(statement("old_transactions"), OLD_SECONDS)
        server = self.on().server()
        names = ", ".join(_name(row) for row in mine[:6]) + (f" and {len(mine) - 6} more" if len(mine) > 6 else "")
        dead = sum(row["dead"] for row in mine)
        delay = clean(mine[0]["delay"], 20) if mine else ""
        return self.made(
            {**params, "tables": ",".join(row["quoted"] for row in mine)},
            object="postgres/vacuum",
            sentence=f"Removes up to {dead:,} dead rows of {names} ({size(sum(row['size'] for row in mine))}) while reads and writes go on."
            if mine
            else "Removes dead rows; there is no table to do.",
            call="; ".join(_sql(row["quoted"]) for row in mine) + f" (no time-out, on a connection of its own, cost delay {delay} as autovacuum)"
            if mine
            else "VACUUM",
            shell=psql(server, f"SET vacuum_cost_delay = '{delay}'", *(_sql(row["quoted"]) for row in mine)) if mine else "",
            victims=[_victim(row) for row in mine],
            preconditions={"delay": delay},
            checks=(
                Check("vacuumed", "last_vacuum of each is later than this plan"),
                Check("dead rows", "n_dead_tup, read before and after"),
            ),
            warnings=(
                *(_grant(row) for row in rows if not row["may"]),
                *(_holds(row) for row in old),
                "ALTER TABLE and index builds on a table wait while it is vacuumed" if mine else "",
            ),
            refusal=_refusal(rows, mine, wanted),
            verify_seconds=VACUUM_SECONDS,
        )  # fmt: skip

    async def _tables(self, wanted: Sequence[str]) -> list[Any]:
        version = (await self.on().rows("SELECT current_setting('server_version_num')::int AS version"))[0]["version"]
        return await self.on().rows(statement("vacuumable_17" if version >= 170000 else "vacuumable"), list(wanted))

    async def execute(self, plan: Plan) -> Result:
        """Begin it, table after table, on a connection of its own."""
        build = self._builds[plan.id] = Build(self.on(), plan.id)
        statements = [_sql(victim.facts["quoted"]) for victim in plan.victims]
        ended = await build.begin("", statements, {"vacuum_cost_delay": plan.preconditions["delay"]})
        skipped, role = _skipped(build), self.on().server().user
        grants = [grant for one in skipped if (grant := grant_of(one, role))]
        if ended and len(grants) >= len(plan.victims):  # The answer is VACUUM all the same: it is only warned.
            return Result(Outcome.FAILED, f"nothing was vacuumed: {'; '.join([*skipped, *grants])}")
        if ended:
            return Result(Outcome.DONE, "; ".join(["done", *skipped]))
        return Result(Outcome.DONE, "begun; how far it has come is read below")

    async def verify(self, plan: Plan) -> Verification:
        """When each was vacuumed last and what is still dead, or how far it has come."""
        # Who is at work is asked first: one that ends between the two questions is then seen with its time.
        at_work = await self.on().rows(statement("vacuuming"), mark(plan.id))
        planned = {
            victim.key.removeprefix("table "): datetime.fromisoformat(victim.facts["planned at"])
            for victim in plan.victims
        }
        rows = {_name(row): row for row in await self._tables([victim.facts["quoted"] for victim in plan.victims])}
        reading = {
            f"dead rows of {name}": f"{rows[name]['dead']:,}" if name in rows else "gone" for name in list(planned)[:6]
        }
        done = [
            name
            for name, then in planned.items()
            if name in rows and rows[name]["vacuumed"] and rows[name]["vacuumed"] > then
        ]
        if at_work:
            return Verification(
                Verdict.PENDING, f"{_progress(at_work[0])}; {len(done)} of {len(planned)} tables are done", reading
            )
        if len(done) == len(planned):
            left = sum(rows[name]["dead"] for name in done)
            still = (
                f"; {left:,} dead rows are left: an older transaction, here or on a replica, still sees them, or they died since"
                if left
                else ""
            )
            return Verification(Verdict.VERIFIED, f"{len(done)} of {len(planned)} tables are vacuumed{still}", reading)
        build = self._builds.get(plan.id)
        why = "" if build is None else "; ".join(filter(None, [build.problem, *_skipped(build)]))
        names = clean(", ".join(name for name in planned if name not in done), 200)
        return Verification(
            Verdict.CONTRADICTED, f"not vacuumed, and nobody is at it: {names}{f' ({why})' if why else ''}", reading
        )


def _name(row: Mapping[str, Any]) -> str:
    return clean(row["name"], 130)


def _sql(quoted: str) -> str:
    return f"VACUUM (ANALYZE, SKIP_LOCKED, TRUNCATE false) {quoted}"


def _victim(row: Mapping[str, Any]) -> Victim:
    last = max(filter(None, (row["vacuumed"], row["autovacuumed"])), default=None)
    return Victim(
        f"table {_name(row)}",
        str(row["oid"]),
        f"{_name(row)}: {row['dead']:,} dead of {row['dead'] + row['rows']:,} rows, {size(row['size'])}",
        {
            "last vacuum": "never" if last is None else f"{age((row['server_time'] - last).total_seconds())} ago",
            "quoted": row["quoted"],
            "planned at": row["server_time"].isoformat(timespec="microseconds"),
        },
    )


def _progress(row: Mapping[str, Any]) -> str:
    """``pid 41 on trades for 12s: scanning heap, 43 %``."""
    head = f"pid {row['pid']}{' on ' + clean(row['name'], 130) if row['name'] else ''} for {age(row['seconds'])}"
    if row["wait"].startswith("Lock:"):
        return f"{head}: waits for {clean(row['wait'])}"
    if not row["phase"]:
        return f"{head}: between two tables, or at the statistics"
    done = row["vacuumed"] if row["phase"] == "vacuuming heap" else row["scanned"]
    percent = f", {100 * done // row['total']} %" if row["total"] else ""
    rounds = f", round {row['rounds'] + 1} over the indexes" if row["phase"] == "vacuuming indexes" else ""
    return f"{head}: {clean(row['phase'], 60)}{percent}{rounds}"


def _skipped(build: Build) -> list[str]:
    return [one for one in build.warnings if SKIPPED in one]


def _holds(row: Mapping[str, Any]) -> str:
    who = f"pid {row['pid']} {clean(row['usename'], 64)} {clean(row['application'], 64)}".rstrip()
    return f"{who} ({row['state'] or 'unknown state'}) has a transaction open for {age(row['seconds'])}: rows that died since then may stay"


def _grant(row: Mapping[str, Any]) -> str:
    role, name = clean(row["role"]), _name(row)
    return f"{name} is left out: it belongs to {clean(row['owner'])}; GRANT MAINTAIN ON {name} TO {role} (PostgreSQL 17 and later)"


def _refusal(rows: Sequence[Mapping[str, Any]], mine: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> str:
    if rows and rows[0]["in_recovery"]:
        return "this server is a standby: it gets what the primary's vacuum does"
    if mine:
        return ""
    if rows:
        return _grant(rows[0])
    if wanted:
        return f"there is no table {clean(', '.join(wanted), 120)} in this database"
    return "no table has more dead rows than autovacuum waits for"

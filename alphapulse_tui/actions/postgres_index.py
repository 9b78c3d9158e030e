"""CREATE INDEX CONCURRENTLY, mending an INVALID index, and DROP INDEX CONCURRENTLY (runbook 2.1, facts 2.1.2).

A cancelled concurrent build leaves an INVALID index that is kept up by every write and used by no query; running the same statement with
IF NOT EXISTS then answers success and leaves it so. Here an invalid index of the name is found, dropped and built anew, and the proof is
``indisvalid``, not the answer. Names come from the catalog and are quoted by the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.postgres_action import PostgresAction
from alphapulse_tui.actions.postgres_build import Build, mark
from alphapulse_tui.actions.postgres_connection import psql
from alphapulse_tui.actions.postgres_grants import grant_to_become
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.postgres_hints import index_name
from alphapulse_tui.model.words import age, size
from alphapulse_tui.sources.postgres_tables import progress
from alphapulse_tui.text import clean

OLD_SECONDS = 60.0
"""Transactions older than this are told before: the build waits for every one of them (facts 2.1.2: 1 min)."""

BUILD_SECONDS = 6 * 3600.0
"""For as long the build's progress is watched."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
"""An identifier as people type it; anything else is a slip."""


class _Build(PostgresAction):
    """What the three share: the role to become, the statement of its own, and reading the index until it is there."""

    risk = Risk.DISRUPTIVE
    source = "runbook 2.1"

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._builds: dict[str, Build] = {}

    async def close(self) -> None:
        """Let go; a build that is under way is finished by the server."""
        for build in self._builds.values():
            build.leave()
        await super().close()

    async def execute(self, plan: Plan) -> Result:
        """Begin it, on a connection of its own."""
        await self.unchanged(plan)
        build = self._builds[plan.id] = Build(self.on(), plan.id)
        ended = await build.begin(plan.preconditions.get("become", ""), plan.preconditions["statements"].split("\n"))
        return Result(Outcome.DONE, "done" if ended else "begun; how far it has come is read below")

    async def unchanged(self, plan: Plan) -> None:
        """Ask once more that the index is what was shown: CREATE and DROP INDEX take no condition."""
        rows = await self.index_of(plan)
        found = f"{rows['oid']} {'valid' if rows['valid'] else 'invalid'}" if rows else "none"
        if found != plan.preconditions["index"]:
            raise ActionProblem(
                f"index {plan.params['name']} was {plan.preconditions['index']} and is {found} now: plan again"
            )

    async def index_of(self, plan: Plan) -> Mapping[str, Any] | None:
        """The index of the plan's name, or none."""
        rows = await self.on().rows(statement("index"), None, plan.params["name"], plan.params["schema"])
        return rows[0] if rows else None

    async def running(self, plan: Plan) -> str:
        """Whether the statement is at work, in words; empty when it is not."""
        rows = await self.on().rows(statement("builders"), mark(plan.id))
        if not rows:
            return ""
        waits = f", waits for {clean(rows[0]['wait'])}" if rows[0]["wait"].startswith("Lock:") else ""
        return f"pid {rows[0]['pid']} is at it for {age(rows[0]['seconds'])}{waits}"

    def failed(self, plan: Plan) -> str:
        """Why it failed, where we were there to hear it."""
        build = self._builds.get(plan.id)
        return build.problem if build is not None else ""


class CreateIndex(_Build):
    """Build an index without blocking writes; an INVALID one of the name is dropped first."""

    id = "pg.create-index"
    title = "create index concurrently"
    parameters = (
        Parameter("table", "the table: trades, or public.trades", required=True),
        Parameter("columns", "its columns in order, joined by commas: tenant_id, symbol", required=True),
        Parameter("name", "the index's name; empty: idx_TABLE_COLUMNS"),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """What would be built, what is in the way, and what it waits for."""
        if not params.get("table"):
            raise ActionProblem("no table is named yet: which one is read whole is known with the next reading")
        rows = await self.on().rows(statement("table"), params["table"])
        if not rows:
            raise ActionProblem(f'there is no table "{clean(params.get("table", ""), 60)}" in this database')
        table = rows[0]
        columns = _columns(params.get("columns", ""), table)
        name = params.get("name") or index_name(table["name"], columns)
        if not NAME.fullmatch(name):
            raise ActionProblem(f'"name" holds "{clean(name, 60)}", which is no name of an index')
        indexes = await self.on().rows(statement("index"), table["oid"], name, table["schema"])
        same = next((row for row in indexes if row["name"] == name), None)
        old = await self.on().rows(statement("old_transactions"), OLD_SECONDS)
        quoted = ", ".join(quote(column) for column in columns)
        sql = f"CREATE INDEX CONCURRENTLY {quote(name)} ON {table['quoted']} ({quoted})"
        drop = [f"DROP INDEX CONCURRENTLY {same['quoted']}"] if same is not None and not same["valid"] else []
        become = "" if table["owns"] else table["quoted_owner"]
        as_owner = f" as {clean(table['owner'])}" if become else ""
        server = self.on().server()
        return self.made(
            {
                **params,
                "table": f"{table['schema']}.{table['name']}",
                "columns": ", ".join(columns),
                "name": name,
                "schema": table["schema"],
            },
            title=f"create index {name}",
            object=f"postgres/table/{table['schema']}.{table['name']}",
            sentence=f"{'Drops the INVALID index ' + name + ', then builds' if drop else 'Builds'} {name} on {table['schema']}.{table['name']} "
            f"({', '.join(columns)}) while reads and writes go on: {size(table['size'])}, {table['rows']:,} rows are read twice.",
            call=f"{'; '.join([*drop, sql])}{as_owner} (no time-out, on a connection of its own)",
            shell=psql(server, *([f"SET ROLE {become}"] if become else []), *drop, sql),
            preconditions={
                "table": str(table["oid"]),
                "index": f"{same['oid']} {'valid' if same['valid'] else 'invalid'}" if same is not None else "none",
                "become": become,
                "statements": "\n".join([*drop, sql]),
            },
            checks=(Check("valid", f"pg_index has {name} as valid and ready"),),
            warnings=(
                *_waits_for(old),
                "it costs I/O and CPU until it is done; a build that is cancelled leaves an INVALID index, whose clean-up is offered",
                f"becomes {clean(table['owner'])} by SET ROLE for this: the server's log shows it" if become else "",
                _another(same, columns) if drop else "",
            ),
            undo=f"drop the index {name} (concurrently)",
            undo_action="pg.drop-index",
            undo_params={"index": f"{table['schema']}.{name}"},
            refusal=_refusal(table, columns, name, same, indexes),
            verify_seconds=BUILD_SECONDS,
        )

    async def verify(self, plan: Plan) -> Verification:
        """Valid and ready, or how far it has come, or what was left."""
        # Who is at work is asked first: a build that ends between the two questions is then seen with its index.
        at_work = await self.running(plan)
        row, name = await self.index_of(plan), plan.params["name"]
        state = "not there" if row is None else "valid" if row["valid"] else "INVALID"
        reading = {"index": f"{name}: {state}", "scans of it": str(row["scans"]) if row else "0"}
        if row is not None and row["valid"] and not at_work:
            return Verification(Verdict.VERIFIED, f"{name} is valid and ready", reading)
        if at_work:
            done = progress(row) if row is not None else ""
            return Verification(Verdict.PENDING, done or at_work, reading)
        why = self.failed(plan)
        if row is None:
            return Verification(
                Verdict.CONTRADICTED,
                f"there is no index {name}, and nobody builds it" + (f": {why}" if why else ""),
                reading,
            )
        return Verification(
            Verdict.CONTRADICTED,
            f"{name} is INVALID and nobody builds it{f': {why}' if why else ''}; create it again, which drops it first",
            reading,
        )


class DropIndex(_Build):
    """Drop an index without blocking anybody: an INVALID one, or one that was just created."""

    id = "pg.drop-index"
    title = "drop index concurrently"
    parameters = (Parameter("index", "the index: public.idx_trades", required=True),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """What would be dropped, and whether anything uses it."""
        schema, _, name = params.get("index", "").rpartition(".")
        rows = await self.on().rows(statement("index"), None, name, schema or "public")
        if not rows:
            raise ActionProblem(f'there is no index "{clean(params.get("index", ""), 80)}" in this database')
        row = rows[0]
        become = "" if row["owns"] else row["quoted_owner"]
        as_owner = f" as {clean(row['owner'])}" if become else ""
        sql, server = f"DROP INDEX CONCURRENTLY {row['quoted']}", self.on().server()
        state = "valid" if row["valid"] else "invalid"
        # The undo is CreateIndex: only where that writes the very same definition (another method, INCLUDE or order is another index).
        again = bool(row["valid"] and row["same_again"] and NAME.fullmatch(name))
        return self.made(
            {**params, "schema": schema or "public", "name": name},
            title=f"drop index {clean(name, 63)}",
            object=f"postgres/table/{schema or 'public'}.{clean(row['table'])}",
            sentence=f"Drops the {'' if row['valid'] else 'INVALID '}index {clean(name, 63)} of {clean(row['table'])} ({size(row['size'])}, "
            f"used by {row['scans']} scans since the statistics were reset).",
            call=f"{sql}{as_owner} (no time-out, on a connection of its own)",
            shell=psql(server, *([f"SET ROLE {become}"] if become else []), sql),
            victims=[
                Victim(f"index {clean(name, 63)}", str(row["oid"]), clean(row["definition"], 300), {"state": state})
            ],
            preconditions={"index": f"{row['oid']} {state}", "become": become, "statements": sql},
            checks=(Check("gone", f"pg_index does not have {clean(name, 63)} any more"),),
            warnings=("queries that use it read the whole table from then on" if row["valid"] else "",),
            undo=f"create it again: {clean(row['definition'], 300)}",
            undo_action="pg.create-index" if again else "",
            undo_params={"table": f"{schema or 'public'}.{row['table']}", "columns": row["columns"], "name": name} if again else {},
            refusal=_drop_refusal(row),
            verify_seconds=BUILD_SECONDS,
        )  # fmt: skip

    async def verify(self, plan: Plan) -> Verification:
        """Gone, or who is at it."""
        at_work = await self.running(plan)
        row, name = await self.index_of(plan), plan.params["name"]
        same = row is not None and str(row["oid"]) == plan.victims[0].identity
        reading = {"index": f"{name}: {'there' if same else 'gone'}"}
        if not same:
            return Verification(Verdict.VERIFIED, f"{name} is gone", reading)
        if at_work:
            return Verification(Verdict.PENDING, at_work, reading)
        return Verification(
            Verdict.CONTRADICTED,
            f"{name} is still there, and nobody drops it: {self.failed(plan) or 'it ended'}",
            reading,
        )


def quote(name: str) -> str:
    """An identifier for SQL.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def _another(same: Mapping[str, Any] | None, columns: Sequence[str]) -> str:
    """What the INVALID index in whose place a plain one comes was meant to be, where that is not the same; else empty."""
    if same is None or (same["plain"] and not same["unique"] and same["columns"] == ", ".join(columns)):
        return ""
    return f"the INVALID one was meant to be another: {clean(same['definition'], 200)}"


def _columns(text: str, table: Mapping[str, Any]) -> list[str]:
    """The columns, as the table has them."""
    wanted = [part.strip().strip('"') for part in text.split(",") if part.strip()]
    if not wanted:
        raise ActionProblem('"columns" must name at least one column')
    unknown = [column for column in wanted if column not in table["columns"]]
    if unknown:
        raise ActionProblem(
            f'{table["name"]} has no column "{clean(unknown[0], 60)}"; it has: {clean(", ".join(table["columns"]), 200)}'
        )
    return wanted


def _waits_for(old: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"waits for pid {row['pid']} {clean(row['usename'], 64)} {clean(row['application'], 64)}, {row['state']}, whose transaction is open for "
        f"{age(row['seconds'])}"
        for row in old
    ]


def _refusal(
    table: Mapping[str, Any],
    columns: Sequence[str],
    name: str,
    same: Mapping[str, Any] | None,
    indexes: Sequence[Mapping[str, Any]],
) -> str:
    if table["in_recovery"]:
        return "this server is a standby: indexes are built on the primary"
    if table["kind"] == "p":
        return f"{table['name']} is partitioned: build it on each partition, then CREATE INDEX ON ONLY the parent and attach them"
    if table["kind"] not in ("r", "m"):
        return f"{table['name']} is no table"
    if same is not None and same["table_oid"] != table["oid"]:
        return f"the name {name} is taken by an index of {same['table']}: choose another one"
    if same is not None and same["builder"] is not None:
        return f"pid {same['builder']} builds {name} already: {progress(same)}"
    if same is not None and same["valid"]:
        return f"{name} is there and valid: {clean(same['definition'], 200)}"
    equal = next(
        (
            row
            for row in indexes
            if row["valid"]
            and row["plain"]
            and row["columns"] == ", ".join(columns)
            and row["table_oid"] == table["oid"]
        ),
        None,
    )
    if equal is not None:
        return f"{equal['name']} has the same columns already"
    if same is not None and not same["valid"] and same["constraint"]:
        return f"the invalid {name} belongs to a constraint: mend that by hand"
    return _owner_refusal(table)


def _drop_refusal(row: Mapping[str, Any]) -> str:
    if row["in_recovery"]:
        return "this server is a standby: indexes are dropped on the primary"
    if row["builder"] is not None:
        return f"pid {row['builder']} builds it: {progress(row)}; cancel that first"
    if row["constraint"] or (row["unique"] and row["valid"]):
        return "it keeps rows unique: dropping it would let wrong rows in"
    return _owner_refusal(row)


def _owner_refusal(row: Mapping[str, Any]) -> str:
    if row["owns"] or row["may_become"]:
        return ""
    role, owner = clean(row["role"]), clean(row["owner"])
    return f"only the owner may, and becoming it by SET ROLE takes {grant_to_become(owner, role)}"

"""Drop a replication slot that was left behind (facts 2.1.3): nobody reads it, and the primary keeps WAL for it until the disk is full.

What is dropped cannot be had again: a reader that comes back for it must be built anew. So it is refused for a slot that somebody reads, that a
replica of the profile owns, or of which that is not known because a replica does not answer. Dropping takes the REPLICATION attribute, with
which a role can also copy every table: nobody on call has it (``deploy/privileges/postgres``), and the refusal says what an administrator can do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from alphapulse_tui.actions.contract import ActionProblem, Parameter, SentWithoutAnswer
from alphapulse_tui.actions.postgres_action import PostgresAction
from alphapulse_tui.actions.postgres_connection import BROKEN, CUT, psql, replica_names, told
from alphapulse_tui.actions.postgres_grants import grant_to_become, with_grant
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.postgres_slots import belongs_to
from alphapulse_tui.model.words import age, size
from alphapulse_tui.text import clean

NAME = re.compile(r"[a-z0-9_]{1,63}")
"""What PostgreSQL allows as the name of a slot."""

OWN = "SELECT coalesce(current_setting('primary_slot_name', true), '') AS slot"
"""Asked of each replica: the slot that it reads, whether its receiver runs or not."""


class DropSlot(PostgresAction):
    """Drop one physical slot that nobody reads and nobody of the profile owns."""

    id = "pg.drop-slot"
    title = "drop replication slot"
    risk = Risk.DESTRUCTIVE
    source = "facts 2.1.3"
    no_undo = (
        "none: the next checkpoint removes the WAL that it held. A reader that comes back for it must be built anew (pg_basebackup); "
        "a new slot of the name begins with the WAL of that moment"
    )
    parameters = (Parameter("slot", "its name; empty: the unread one of no replica that holds most"),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which slot, since when nobody reads it, what it holds back, and whose it is."""
        name = params.get("slot", "") or await self._first()
        if not NAME.fullmatch(name):
            raise ActionProblem(f'"slot" holds "{clean(name, 80)}", which is no name of a replication slot')
        row = await self._slot(name)
        if row["name"] is None:
            raise ActionProblem(f'there is no replication slot "{name}" on {self.on().name}')
        become, server = row["become"] or "" if not row["may"] else "", self.on().server()
        unread = "" if row["inactive_seconds"] is None else f" for {age(row['inactive_seconds'])}"
        held = "an unknown amount of WAL" if row["retained"] is None else f"{size(row['retained'])} of WAL"
        sql = _sql(name, row["position"])
        return self.made(
            {**params, "slot": name},
            title=f"drop slot {name}",
            object=f"postgres/slot/{name}",
            sentence=f"Drops slot {name}, which nobody has read{unread}: {self.on().name} keeps {held} for it "
            f"({row['wal_status'] or 'in an unknown state'}).",
            call=f"SELECT pg_drop_replication_slot('{name}') where it is still unread and its restart_lsn no younger than {row['position']}"
            + (f", as {become}" if become else ""),
            shell=psql(server, *([f"SET ROLE {become}"] if become else []), sql),
            victims=[Victim(f"slot {name}", row["position"] or "", f"{name}: {row['wal_status']}, {held}", _facts(row))],
            preconditions={"position": row["position"] or "", "become": become},
            checks=(Check("gone", f"pg_replication_slots does not have {name} any more"),),
            warnings=(
                "who made it is recorded nowhere: ask whether a replica, pg_receivewal or a backup comes back for it; it would have to begin anew",
                "since when nobody reads it is not known before PostgreSQL 17" if row["inactive_seconds"] is None else "",
                f"becomes {become} by SET ROLE for this: the server's log shows it" if become else "",
            ),
            confirm_word=name,
            refusal=_refusal(row) or await self._owned(name) or _grant(row),
            verify_seconds=15.0,
        )  # fmt: skip

    async def _first(self) -> str:
        """The unread slot of no replica that holds most; asked only where none is named."""
        owned = []
        for replica in replica_names(self.profile):
            owned.append((replica, await self._reads(replica)))
        rows = await self.on().rows(statement("unread_slots"))
        names = [
            str(row["name"]) for row in rows if not any(belongs_to(row["name"], replica, own) for replica, own in owned)
        ]
        if not names:
            raise ActionProblem("no slot is left behind: each is read, or belongs to a replica of the profile")
        return names[0]

    async def _slot(self, name: str) -> Mapping[str, Any]:
        """The slot now; its columns are null when it is gone."""
        version = (await self.on().rows("SELECT current_setting('server_version_num')::int AS version"))[0]["version"]
        row: Mapping[str, Any] = (await self.on().rows(statement("slot_17" if version >= 170000 else "slot"), name))[0]
        return row

    async def _reads(self, replica: str) -> str:
        return str((await self.on(replica).rows(OWN))[0]["slot"])

    async def _owned(self, name: str) -> str:
        """Why it is a replica's, or may be one's; empty when every replica was asked and has another."""
        for replica in replica_names(self.profile):
            try:
                own = await self._reads(replica)
            except ActionProblem as problem:
                return (
                    f"whether it is the slot of {replica} is not known ({problem}): bring that replica back, or take it out of the profile "
                    "when it is gone for good"
                )
            if belongs_to(name, replica, own):
                return f"it is the slot of {replica}: without it that replica must be built anew; mend its receiver instead"
        return ""

    async def execute(self, plan: Plan) -> Result:
        """One statement, with name, idleness and age in its condition; as the replication role where that is needed."""
        name, connection, become = plan.params["slot"], self.on(), plan.preconditions["become"]
        opened = await connection.open()
        try:
            rows = await _dropped(opened, become, name, plan.preconditions["position"] or None)
        except (*BROKEN, *CUT) as error:
            connection.drop()
            raise SentWithoutAnswer(told(connection.name, error)) from None
        except asyncpg.PostgresError as error:
            raise ActionProblem(with_grant(told(connection.name, error), error, connection.server().user)) from None
        if rows:
            return Result(Outcome.DONE, f"slot {name} was dropped")
        return Result(
            Outcome.REFUSED,
            f"slot {name} is not what was shown: somebody reads it, made it anew or dropped it; plan again",
        )

    async def verify(self, plan: Plan) -> Verification:
        """Whether pg_replication_slots still has it."""
        name = plan.params["slot"]
        row = await self._slot(name)
        there = row["name"] is not None
        state = "gone" if not there else "read" if row["active"] else "not read"
        reading = {
            "slot": f"{name}: {state}",
            "slots": str(row["slots"]),
            "most WAL held by one": size(row["most"] or 0),
        }
        if not there:
            return Verification(Verdict.VERIFIED, f"slot {name} is gone", reading)
        if row["active"]:
            return Verification(
                Verdict.CONTRADICTED, f"slot {name} is there, and pid {row['active_pid']} reads it", reading
            )
        return Verification(Verdict.PENDING, f"slot {name} is still there", reading)


async def _dropped(
    opened: asyncpg.Connection, become: str, name: str, position: str | None
) -> Sequence[asyncpg.Record]:
    async with opened.transaction():
        if become:
            await opened.execute(f"SET LOCAL ROLE {become}")
        rows: list[asyncpg.Record] = await opened.fetch(statement("drop_slot"), name, position)
    return rows


def _facts(row: Mapping[str, Any]) -> dict[str, str]:
    seconds, safe = row["inactive_seconds"], row["safe"]
    return {
        "read by": f"pid {row['active_pid']}" if row["active"] else "nobody",
        "unread for": "not known" if seconds is None else age(seconds),
        "holds back": "not known" if row["retained"] is None else size(row["retained"]),
        "wal_status": clean(row["wal_status"]) or "unknown",
        "safe_wal_size": "no limit" if safe is None else size(max(0, safe)),
        "restart_lsn": row["position"] or "none: its WAL is lost",
    }


def _refusal(row: Mapping[str, Any]) -> str:
    """Why it must not be dropped, by what the primary says of it."""
    if row["in_recovery"]:
        return "this server is a standby: its primary's slots are dropped on the primary"
    if row["active"]:
        return f"it is in use: pid {row['active_pid']} reads it"
    if row["temporary"]:
        return "it is temporary: it goes with the session that made it"
    if row["kind"] != "physical":
        return (
            "it is a logical slot: its subscriber would miss every change since; DROP SUBSCRIPTION there drops it too"
        )
    return ""


def _grant(row: Mapping[str, Any]) -> str:
    if row["may"] or row["become"]:
        return ""
    role = clean(row["role"])
    way = (
        f"has {role} become the replication role for it: {grant_to_become(row['replicator'], role)}"
        if row["replicator"]
        else f"gives {role} a role with REPLICATION to become"
    )
    return (
        f"role {role} may not drop a slot: that takes REPLICATION, with which a role can also copy every table. An administrator drops it "
        f"(By hand), or {way}"
    )


def _sql(name: str, position: str | None) -> str:
    age_of_it = f"restart_lsn <= '{position}'" if position else "restart_lsn IS NULL"
    which = f"slot_name = '{name}' AND NOT active AND {age_of_it}"
    return f"SELECT slot_name, pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE {which}"

"""Reload the settings; plan another max_connections (runbook 2.1, facts 2.1.1).

The runbook's ``ALTER SYSTEM ...; SELECT pg_reload_conf();`` sent as one string fails (25001), and sent apart it changes nothing until the
server is restarted: ``pending_restart``. Raising the primary first stops its standbys. So the new value is written on the standbys first,
and nothing here restarts a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.postgres_action import PostgresAction
from alphapulse_tui.actions.postgres_connection import psql, replica_names
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.words import size
from alphapulse_tui.text import clean

SERVER = Parameter("server", "the primary, or a replica by its name in the profile", default="primary")
MOST = 10_000
"""Connections; more is a slip of the finger."""

LOADED = (
    "SELECT extract(epoch FROM pg_conf_load_time())::float8 AS loaded, current_user::text AS role, "
    "has_function_privilege('pg_reload_conf()', 'execute') AS may"
)


WRITTEN = "SELECT (SELECT setting FROM pg_file_settings WHERE name = 'max_connections' ORDER BY seqno DESC LIMIT 1)::int AS value"
"""What the files say; the last of them counts. Superusers may read them, others by a grant."""


class Reload(PostgresAction):
    """Have the server read its configuration files again."""

    id = "pg.reload"
    title = "reload settings"
    risk = Risk.DISRUPTIVE
    source = "runbook 2.1"
    no_undo = "put the former values back into the files, then reload again"
    parameters = (SERVER,)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """When it was last done, and whether we may."""
        server = _server(params)
        row = (await self.on(server).rows(LOADED))[0]
        role = clean(row["role"])
        return self.made(
            params,
            object=f"postgres/settings/{server or 'primary'}",
            sentence=f"Has {server or 'the primary'} read its configuration files again: whatever somebody wrote there takes effect now.",
            call=f"SELECT pg_reload_conf() ({self.on(server).name})",
            shell=psql(self.on(server).server(), "SELECT pg_reload_conf()"),
            preconditions={"loaded": f"{row['loaded']:.6f}"},
            checks=(Check("loaded", "pg_conf_load_time() is later than before"),),
            warnings=(
                "what needs a restart (max_connections) stays as it is: look for `waits for a restart` among the settings",
            ),
            refusal=""
            if row["may"]
            else f"role {role} may not reload: GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {role}",
            verify_seconds=10.0,
        )

    async def execute(self, plan: Plan) -> Result:
        """Once."""
        await self.send(self.on(_server(plan.params)), "SELECT pg_reload_conf()")
        return Result(Outcome.DONE, "the server was told to reload")

    async def verify(self, plan: Plan) -> Verification:
        """When the files were last loaded."""
        server = _server(plan.params)
        # Another connection: an open session takes the new values over only between two of its statements.
        row = (await self.on(server).rows(LOADED))[0]
        waiting = await self.on(server).rows("SELECT name::text FROM pg_settings WHERE pending_restart ORDER BY name")
        names = ", ".join(one["name"] for one in waiting) or "none"
        reading = {"loaded": f"{row['loaded']:.0f}", "waits for a restart": names}
        if row["loaded"] <= float(plan.preconditions["loaded"]):
            return Verification(Verdict.PENDING, "the files have not been read again yet", reading)
        return Verification(Verdict.VERIFIED, f"the files are read; waiting for a restart: {names}", reading)


class SetMaxConnections(PostgresAction):
    """Write another max_connections, for the next restart."""

    id = "pg.set-max-connections"
    title = "set max_connections"
    risk = Risk.DISRUPTIVE
    source = "runbook 2.1"
    parameters = (Parameter("value", "how many; the runbook's is 200", default="200"), SERVER)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """What is in force, what would wait for a restart, and in which order the servers go."""
        server, value = _server(params), _value(params.get("value") or "200")
        row = await self._setting(server)
        order, refusal = await self._order(row, value)
        name = server or "the primary"
        old, room = row["value"], value - row["reserved"]
        cuts = value < old and room < row["clients"]
        return self.made(
            {**params, "value": str(value), "server": server or "primary"},
            title=f"set max_connections {old} -> {value}",
            object=f"postgres/settings/{server or 'primary'}",
            sentence=f"Writes max_connections = {value} on {name} (now {old}). Nothing changes before its next restart, which is not done here.",
            call=f"ALTER SYSTEM SET max_connections = {value}, then SELECT pg_reload_conf(), each by itself ({self.on(server).name})",
            shell=psql(
                self.on(server).server(), f"ALTER SYSTEM SET max_connections = {value}", "SELECT pg_reload_conf()"
            ),
            victims=[
                Victim(
                    "max_connections",
                    row["started"].isoformat(timespec="microseconds"),
                    f"max_connections of {name}: {old} -> {value}",
                )
            ],
            preconditions={"value in force": str(old)},
            checks=(Check("written", "pg_settings says pending_restart, or the value is in force already"),),
            warnings=(
                *order,
                f"each connection may take work_mem ({size(row['work_mem'])}) several times over: {value} of them need the memory for it",
                "more connections make contention worse; a pool is the cure, this is room for a night",
                "a value that waits for a restart already is replaced" if row["pending_restart"] else "",
                f"{row['clients']} connections are in use now: after the restart {row['clients'] - room} of them find no slot"
                if cuts
                else "",
            ),
            undo=f"write {old} again before the restart",
            undo_action=self.id,
            undo_params={"value": str(old), "server": server or "primary"},
            refusal=refusal or _refusal(row, old, value),
            risk=Risk.DESTRUCTIVE if cuts else self.risk,
            confirm_word=self.on(server).name if cuts else "",
            verify_seconds=10.0,
        )

    async def _setting(self, server: str) -> Mapping[str, Any]:
        version = (await self.on(server).rows("SELECT current_setting('server_version_num')::int AS version"))[0][
            "version"
        ]
        granted = False
        if version >= 150000:
            asked = "SELECT has_parameter_privilege('max_connections', 'ALTER SYSTEM') AS may"
            granted = (await self.on(server).rows(asked))[0]["may"]
        row: Mapping[str, Any] = (await self.on(server).rows(statement("setting"), granted))[0]
        written = (await self.on(server).rows(WRITTEN))[0]["value"] if row["may_read_files"] else None
        return {**row, "written": written}

    async def _order(self, row: Mapping[str, Any], value: int) -> tuple[list[str], str]:
        """The order of the servers as warnings, and why it cannot be this one's turn."""
        if row["in_recovery"]:
            primary = await self._setting("")
            least = max(primary["value"], (primary["written"] or 0) if primary["pending_restart"] else 0)
            if value < least:
                return (
                    [],
                    f"a standby with less than the primary's {least} stops replaying: lower the primary first, and restart it",
                )
            return ["restart this standby before the primary"], ""
        said = []
        for name in replica_names(self.profile):
            try:
                standby = await self._setting(name)
            except ActionProblem as problem:
                said.append(
                    f"{name} must have at least {value} before the primary is restarted, and cannot be asked ({problem})"
                )
                continue
            waits = standby["pending_restart"]
            if waits and standby["written"] is None:
                said.append(
                    f"{name} waits for a restart with a value that we may not read: see that it is at least {value}"
                )
            has = standby["written"] if waits and standby["written"] is not None else standby["value"]
            if has < value and (not waits or standby["written"] is not None):
                after = " after its restart" if waits else ""
                return (
                    [],
                    f"{name} has {has}{after}: a standby with less than its primary stops, so set it there first",
                )
            if standby["value"] < value:
                said.append(f"{name} waits for a restart and must be restarted before the primary")
        return said, ""

    async def execute(self, plan: Plan) -> Result:
        """Two statements: ALTER SYSTEM may not share a string with anything. It takes no condition, so the value is asked right before."""
        server = _server(plan.params)
        row = await self._setting(server)
        if str(row["value"]) != plan.preconditions["value in force"]:
            raise ActionProblem(f"max_connections is {row['value']} now: the server was restarted since")
        connection = self.on(server)
        await self.send(connection, f"ALTER SYSTEM SET max_connections = {_value(plan.params['value'])}")
        try:
            await self.send(connection, "SELECT pg_reload_conf()")
        except ActionProblem as problem:
            return Result(
                Outcome.FAILED, f"written, but not reloaded: {problem}; it counts at the next restart all the same"
            )
        return Result(Outcome.DONE, f"max_connections = {plan.params['value']} is written")

    async def verify(self, plan: Plan) -> Verification:
        """Whether a restart is waited for, or the value is the one in force."""
        row, value = await self._setting(_server(plan.params)), int(plan.params["value"])
        written = row["written"]
        state = "waits for a restart" if row["pending_restart"] else "in force"
        reading = {"max_connections": f"{row['value']}, {state}"}
        if written is not None:
            reading["written"] = str(written)
            if written != value:
                return Verification(
                    Verdict.CONTRADICTED, f"the files say {written}, not {value}: somebody wrote it since", reading
                )
        if row["pending_restart"] and written is not None and row["value"] != value:
            return Verification(Verdict.VERIFIED, f"written; {row['value']} stays in force until the restart", reading)
        if row["pending_restart"] and written is None:
            role = clean(row["role"])
            why = f"GRANT SELECT ON pg_file_settings TO {role}; GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO {role}"
            return Verification(
                Verdict.UNKNOWN, f"a value waits for a restart; which one we may not read: {why}", reading
            )
        if row["value"] == value and not row["pending_restart"]:
            return Verification(Verdict.VERIFIED, f"{value} is in force, nothing waits for a restart", reading)
        return Verification(Verdict.PENDING, f"max_connections is {row['value']}, {state}", reading)


def _server(params: Mapping[str, str]) -> str:
    server = params.get("server") or "primary"
    return "" if server == "primary" else server


def _value(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST):
        raise ActionProblem(f'"value" must be a number from 1 to {MOST}, not "{clean(text, 40)}"')
    return int(text)


def _refusal(row: Mapping[str, Any], old: int, value: int) -> str:
    role = clean(row["role"])
    if row["managed"]:
        return (
            "this server is managed: change it in its parameter group (aws rds modify-db-parameter-group), then reboot"
        )
    if not row["may_alter"]:
        if row["version"] < 150000:
            return f"role {role} may not: before PostgreSQL 15 only a superuser changes settings"
        return f"role {role} may not: GRANT ALTER SYSTEM ON PARAMETER max_connections TO {role}"
    if not row["may_reload"]:
        return f"role {role} may not reload: GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {role}"
    if value <= row["reserved"]:
        return (
            f"the server would not start: {row['reserved']} slots are reserved (superuser_reserved_connections and reserved_connections), "
            f"so max_connections must be at least {row['reserved'] + 1}"
        )
    if value == old and not row["pending_restart"]:
        return f"max_connections is {value} already"
    return ""

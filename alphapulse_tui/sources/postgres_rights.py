"""Which changes our role may make on the primary and on the replicas. A survey, read when a procedure opens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import asyncpg

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.rights import (
    ALTER_SYSTEM,
    BECOME_OWNER,
    MAINTAIN,
    READ_FILES,
    RELOAD,
    RESERVED,
    RESUME_ON_REPLICA,
    SIGNAL,
    SIGNAL_ON_REPLICA,
    Right,
    RightsSurvey,
)
from alphapulse_tui.sources.contract import Source, SourceProblem
from alphapulse_tui.sources.postgres_link import PostgresLink, Server
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean

MAINTAIN_SINCE = 170000
"""``server_version_num`` from which MAINTAIN can be granted."""

PARAMETER_SINCE = 150000
"""From which ALTER SYSTEM can be granted by parameter."""

SET_SINCE = 160000
"""From which a membership can come without its rights being inherited."""

ON_REPLICA = (SIGNAL_ON_REPLICA, RESUME_ON_REPLICA)


class PostgresRightsSource(Source[RightsSurvey]):
    """The primary, then its replicas: their login may be another one."""

    target = "postgres-rights"
    interval = 300.0
    deadline = 5.0

    def __init__(self, primary: Server, replicas: Sequence[Server] = ()) -> None:
        self._primary = PostgresLink(primary)
        self._replicas = [PostgresLink(replica) for replica in replicas]

    async def read(self) -> RightsSurvey:
        """What is missing; a replica that cannot be asked leaves its rights unknown. Raises when the primary cannot be asked.

        No connection is kept until the next reading: in a storm the three reserved slots are the panel's, a survey's and the executor's.
        """
        try:
            answers = await asyncio.gather(
                *(link.ask(partial(_row, link)) for link in (self._primary, *self._replicas)), return_exceptions=True
            )
        finally:
            await self.close()
        first, *others = answers
        if isinstance(first, BaseException):
            raise first
        missing = lacking_on_primary(first, self._primary.version)
        unknown: list[tuple[Right, str]] = []
        for answer in others:
            if isinstance(answer, SourceProblem):
                unknown += [(right, clean(answer)) for right in ON_REPLICA]
            elif isinstance(answer, BaseException):
                raise answer
            else:
                missing += lacking_on_replica(answer)
        return RightsSurvey(tuple(dict.fromkeys(missing)), tuple(dict.fromkeys(unknown)))

    def judge(self, snapshot: RightsSurvey) -> tuple[Finding, ...]:  # noqa: ARG002 - a survey is looked at, it does not page
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Drop every connection."""
        for link in (self._primary, *self._replicas):
            await link.drop()


async def _row(link: PostgresLink, connection: asyncpg.Connection) -> asyncpg.Record:
    """The one row of ``rights.sql``."""
    return await connection.fetchrow(query("rights", link.version))


def lacking_on_primary(row: asyncpg.Record, version: int) -> list[tuple[Right, str]]:
    """The grants that the primary's role lacks, as a DBA writes them."""
    role = clean(row["role"], 64)
    found = []
    if not row["signal"]:
        found.append((SIGNAL, f"GRANT pg_signal_backend TO {role}"))
    if not row["reload"]:
        found.append((RELOAD, f"GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {role}"))
    if not row["alter_system"]:
        by_parameter = f"GRANT ALTER SYSTEM ON PARAMETER max_connections TO {role}"
        found.append((ALTER_SYSTEM, by_parameter if version >= PARAMETER_SINCE else f"ALTER ROLE {role} SUPERUSER"))
    if not row["file_view"]:
        found.append((READ_FILES, f"GRANT SELECT ON pg_file_settings TO {role}"))
    if not row["file_function"]:
        found.append((READ_FILES, f"GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO {role}"))
    if not row["reserved"]:
        found.append((RESERVED, f"GRANT pg_use_reserved_connections TO {role}"))
    become = " WITH INHERIT FALSE, SET TRUE" if version >= SET_SINCE else ""
    for owner in row["foreign_owners"]:
        found.append((BECOME_OWNER, f"GRANT {clean(owner, 64)} TO {role}{become}"))
    for name in row["unmaintained"]:
        maintain = f"GRANT MAINTAIN ON ALL TABLES IN SCHEMA {clean(name, 64)} TO {role}"
        found.append((MAINTAIN, maintain if version >= MAINTAIN_SINCE else f"GRANT {clean(name, 64)} TO {role}"))
    return found


def lacking_on_replica(row: asyncpg.Record) -> list[tuple[Right, str]]:
    """The same for what is done on a replica; grants reach it from the primary."""
    role = clean(row["role"], 64)
    found = []
    if not row["signal"]:
        found.append((SIGNAL_ON_REPLICA, f"GRANT pg_signal_backend TO {role}"))
    if not row["resume"]:
        found.append((RESUME_ON_REPLICA, f"GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO {role}"))
    return found

"""``failed-migration [half-way|unknown]``: a migration of the next release went wrong.

What breaks: alembic is really run, as the role ``migrator``, with a revision of another release. ``half-way``: its first step commits by
itself (a concurrent index), its second fails on the rows that are there; schema and ``alembic_version`` disagree, and running it again
fails at the first step. ``unknown``: it succeeded, and then the release was taken back: the database is at a revision that the running
release does not know.

How it shows: ``alembic upgrade`` fails with "already exists", or every alembic command with "Can't locate revision"; a table that no
revision of the running release has made.

What mends it: runbook 3.2: drop what was left by hand, or downgrade from the image that knows the revision.
``lab mend`` does the same.
"""

from __future__ import annotations

import sys

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.errors import CommandFailedError, LabError
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.migrations import HEAD, NEWER
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import ProcessSpec

LEFT_TABLE = "settlement_batches"
LEFT_INDEX = "idx_trades_executed_tenant"


class FailedMigration:
    """See the module."""

    name = "failed-migration"
    summary = "A migration of the next release stopped half way, or left a revision that this release does not know."
    mended_by = "what was left dropped by hand, or a downgrade (runbook 3.2)"
    parameters = ("half-way", "unknown")

    async def inject(self, lab: Lab, parameter: str) -> str:
        """Run alembic and see that it left what it should.

        Raises:
            LabError: The database is not at the running release's revision, or the migration ended otherwise than meant.
        """
        if (before := await _versions(lab)) != [HEAD]:
            raise LabError(f"The database is at {', '.join(before) or 'no revision'}, not at {HEAD}: mend that first.")
        if parameter == "unknown":
            await _alembic(lab, "newer", "upgrade", NEWER)
            return f"PostgreSQL: the database is at revision {NEWER}, which the running release does not know"
        try:
            await _alembic(lab, "broken", "upgrade", "heads")
        except CommandFailedError as failed:
            if not await _exists(lab, LEFT_TABLE):
                raise LabError(f"The migration failed before it left anything: {failed}") from failed
        else:
            raise LabError("The migration that must fail half way has succeeded: were all trades removed?")
        return (
            f"PostgreSQL: a migration failed half way; {LEFT_TABLE} and {LEFT_INDEX} are there, the version is {HEAD}"
        )

    async def mend(self, lab: Lab, parameter: str) -> None:
        """Take back what is still there."""
        if parameter == "unknown":
            if await _versions(lab) == [NEWER]:
                await _alembic(lab, "newer", "downgrade", HEAD)
            return
        async with superuser(lab) as connection:
            await connection.execute(f"DROP TABLE IF EXISTS {LEFT_TABLE}; DROP INDEX IF EXISTS {LEFT_INDEX}")


async def _alembic(lab: Lab, release: str, *words: str) -> None:
    """Run alembic with the revisions of another release too.

    Raises:
        CommandFailedError: It failed.
    """
    argv = (sys.executable, "-m", "alphapulse_tui.lab.migrations", "--with", release, *words)
    environment = postgres.psql_environment(lab, "migrator")
    await lab.supervisor.run(ProcessSpec("alembic", argv, lab.directory.root, lab.log("alembic"), environment))


async def _versions(lab: Lab) -> list[str]:
    async with superuser(lab) as connection:
        return [str(row[0]) for row in await connection.fetch("SELECT version_num FROM alembic_version ORDER BY 1")]


async def _exists(lab: Lab, table: str) -> bool:
    async with superuser(lab) as connection:
        return await connection.fetchval("SELECT to_regclass($1)", table) is not None


FAULT = FailedMigration()

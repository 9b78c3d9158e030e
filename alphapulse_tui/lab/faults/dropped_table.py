"""``dropped-table``: somebody dropped ``trades``.

What breaks: ``DROP TABLE trades``, by the owner, committed. The daily dump and the base backup in the bucket are older and have the table.

Cannot be injected while a statement at work holds the table (``slow-query`` first): it says so after 25 s.

How it shows: the API answers 503 (``relation "trades" does not exist``), the replica has lost the table too.

What mends it: a restore from the dump (runbook 3.3; what was written since is lost) or to the moment before the drop (runbook 5.1).
``lab mend`` restores the table from a dump that the fault made right before, unless there is a table of that name.
"""

from __future__ import annotations

from pathlib import Path

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.backups import wait_made
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import ProcessSpec

TABLE = "trades"
_BACKUP_SECONDS = 90.0


class DroppedTable:
    """See the module."""

    name = "dropped-table"
    summary = f"PostgreSQL's table {TABLE} was dropped."
    mended_by = "a restore from the dump (runbook 3.3), or to the moment before (runbook 5.1)"
    parameters = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """See that backups have the table, dump it for :meth:`mend`, and drop it.

        Raises:
            LabError: There is no such table, or no backup from which a person could restore it.
        """
        if not await _exists(lab):
            raise LabError(f"There is no table {TABLE} to drop: `alphapulse lab mend all` first.")
        await wait_made(lab, ("base", "dump"), _BACKUP_SECONDS)
        await _tool(lab, "pg_dump", "backup", "-Fc", "-Z", "1", "-t", TABLE, "-f", str(_kept(lab)))
        async with superuser(lab) as connection:
            await connection.execute(f"SET ROLE alphapulse; DROP TABLE {TABLE}")
        return f"PostgreSQL: {TABLE} is dropped"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Restore it, with key, indexes and grants, unless it is there."""
        if not await _exists(lab) and _kept(lab).exists():
            await _tool(
                lab, "pg_restore", "postgres", "--exit-on-error", "--single-transaction",
                "-d", postgres.DATABASE, str(_kept(lab)),
            )  # fmt: skip
        _kept(lab).unlink(missing_ok=True)


def _kept(lab: Lab) -> Path:
    return lab.directory.data("faults") / f"{TABLE}.dump"


async def _tool(lab: Lab, name: str, role: str, *arguments: str) -> None:
    argv = (str(postgres.binary(lab, name)), "--no-password", *arguments)
    environment = postgres.psql_environment(lab, role)
    await lab.supervisor.run(ProcessSpec(name, argv, lab.directory.root, lab.log("dropped-table"), environment))


async def _exists(lab: Lab) -> bool:
    async with superuser(lab) as connection:
        return await connection.fetchval("SELECT to_regclass($1)", f"public.{TABLE}") is not None


FAULT = DroppedTable()

"""What is in the lab's PostgreSQL: roles and rights, the schema at the migrations' head, the rows.

Rights come from ``deploy/privileges/postgres``, the files that a platform team would apply; the schema from ``sql/schema.sql``, which is
what the migrations print; the rows from ``sql/rows.sql``: 120 tenants and 210,000 trades. Schema and rows take 0.9 s of CPU (measured).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from alphapulse_tui.lab.privileges import privileges

if TYPE_CHECKING:
    import asyncpg

OWNER = "alphapulse"
Connect = Callable[[str], "Awaitable[asyncpg.Connection]"]
"""Opens a superuser's connection to the database of that name."""


def privilege_files() -> list[Path]:
    """PostgreSQL's, in the order in which they are applied; the first one comes before the schema."""
    return sorted(privileges("postgres").glob("*.sql"))


async def fill(connect: Connect, name: str, passwords: Mapping[str, str]) -> None:
    """Make the database ``name`` with roles, schema, rows and rights; the statements that held passwords are forgotten at the end.

    Args:
        connect: As the superuser.
        name: The database, which is not there yet.
        passwords: Of every role that logs in.
    """
    connection = await connect("postgres")
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    statements = resources.files("alphapulse_tui.lab") / "sql"
    owner, *others = privilege_files()
    connection = await connect(name)
    try:
        await connection.execute("CREATE EXTENSION pg_stat_statements")
        await connection.execute(owner.read_text(encoding="utf-8"))
        await connection.execute(f"SET ROLE {OWNER}")
        await connection.execute((statements / "schema.sql").read_text(encoding="utf-8"))
        await connection.execute("RESET ROLE")
        await connection.execute((statements / "rows.sql").read_text(encoding="utf-8"))
        for file in others:
            await connection.execute(file.read_text(encoding="utf-8"))
        for role, password in passwords.items():
            quoted = await connection.fetchval(
                "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)", role, password
            )
            await connection.execute(quoted)
        await connection.execute("ANALYZE")
        # The statements that set the passwords must not be read in pg_stat_statements.
        await connection.execute("SELECT pg_stat_statements_reset()")
    finally:
        await connection.close()

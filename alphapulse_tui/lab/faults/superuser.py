"""The superuser's connection that PostgreSQL's faults are injected and mended with; every way in which it fails is one sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab

if TYPE_CHECKING:
    import asyncpg

_LOCK_SECONDS = 25
"""Below the connection's command timeout of 30 s: the server's own words come first. A backup that reads the table may hold us up."""


@asynccontextmanager
async def superuser(lab: Lab, server: str = postgres.PRIMARY) -> AsyncIterator[asyncpg.Connection]:
    """A connection to ``alphapulse_prod`` on ``server``, closed at the end.

    Raises:
        LabError: It cannot be had, or a statement failed inside; carries the server's words.
    """
    import asyncpg

    try:
        connection = await postgres.connect(lab, "postgres", server=server)
        try:
            await connection.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
            yield connection
        finally:
            await connection.close(timeout=2.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        words = str(error) or "no answer in time"
        raise LabError(f"{server} cannot be changed now: {words} (see {lab.log(server)}).") from error

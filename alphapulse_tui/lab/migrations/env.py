"""alembic's environment: one connection by asyncpg (the driver that is there anyway), each migration in a transaction of its own.

``lock_timeout`` is short: a migration that waits for a lock makes everybody behind it wait too (runbook-facts, DB migration).
"""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_LOCK_TIMEOUT_MILLISECONDS = "5000"


def _run(connection: Connection | None) -> None:
    """Migrate, or with no connection write the SQL down."""
    if connection is None:
        context.configure(dialect_name="postgresql", transaction_per_migration=True)
    else:
        context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def _online() -> None:
    settings = {"lock_timeout": _LOCK_TIMEOUT_MILLISECONDS, "application_name": "alembic"}
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, connect_args={"server_settings": settings, "ssl": False}
    )
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


if context.is_offline_mode():
    _run(None)
else:
    asyncio.run(_online())

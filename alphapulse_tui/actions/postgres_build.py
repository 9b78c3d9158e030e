"""A statement that takes minutes, on a connection of its own: CREATE INDEX and DROP INDEX CONCURRENTLY, VACUUM.

Neither may be in a transaction, neither may run into a time-out (a time-out of *ours* cancels it too, and leaves an INVALID index: facts
2.1.2, 10.2). So the statement is begun, watched for a moment, and then left to itself: what became of it is read from the catalog, with its
progress, by whoever asks. A comment in it names the plan, so that it is found again by another process. When our process ends the server
finishes the statement all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.postgres_connection import BROKEN, Connection, told
from alphapulse_tui.actions.postgres_grants import with_grant
from alphapulse_tui.text import clean

WATCHED_SECONDS = 2.0
"""How long the answer is waited for: a small table's index is there by then, and most refusals."""


def mark(plan_id: str) -> str:
    """The comment that names the plan."""
    return f"/* alphapulse {plan_id} */"


class Build:
    """One such statement after the other, as the owner of the table."""

    def __init__(self, connection: Connection, plan_id: str) -> None:
        self._connection = connection
        self._mark = mark(plan_id)
        self._running: asyncio.Task[None] | None = None
        self.problem = ""
        """What the statement failed with, as a sentence; empty while it runs and when it ended well."""
        self.warnings: list[str] = []
        """What the server said meanwhile: ``skipping vacuum of "trades" --- lock not available``."""

    async def begin(self, become: str, statements: Sequence[str], settings: Mapping[str, str] | None = None) -> bool:
        """Begin; true when everything has ended well already, false while it is under way. ``settings`` are the session's.

        Raises:
            ActionProblem: refused at once, or it failed within the moment that it is watched.
            SentWithoutAnswer: the connection broke meanwhile.
        """
        opened = await self._connection.connect(
            {"statement_timeout": "0", "lock_timeout": "0", **(settings or {})}, endless=True
        )
        opened.add_log_listener(lambda _connection, message: self.warnings.append(clean(message.message, 200)))
        self._running = asyncio.create_task(self._run(opened, become, statements), name="index build")
        done, _ = await asyncio.wait({self._running}, timeout=WATCHED_SECONDS)
        if done:
            self._running.result()
        return bool(done)

    async def _run(self, opened: asyncpg.Connection, become: str, statements: Sequence[str]) -> None:
        name = self._connection.name
        try:
            if become:
                await opened.execute(f"SET ROLE {become}")
            for one in statements:
                await opened.execute(f"{one} {self._mark}")
        except asyncpg.PostgresConnectionError as error:
            self.problem = told(name, error)
            raise SentWithoutAnswer(self.problem) from None
        except asyncpg.PostgresError as error:
            self.problem = with_grant(_failed(name, error), error, self._connection.server().user)
            raise ActionProblem(self.problem) from None
        except BROKEN as error:
            self.problem = told(name, error)
            raise SentWithoutAnswer(self.problem) from None
        finally:
            opened.terminate()

    def leave(self) -> None:
        """Let go without cancelling it at the server."""
        if self._running is not None:
            self._running.add_done_callback(_forget)
            self._running = None


def _failed(name: str, error: asyncpg.PostgresError) -> str:
    """Why the build failed; each of these leaves an INVALID index once the build had begun (facts 2.1.2)."""
    message = clean(error.message or error, 300)
    if isinstance(error, asyncpg.UniqueViolationError):
        return f"{name}: the rows are not unique ({message}): no unique index is possible before they are"
    if isinstance(error, asyncpg.DeadlockDetectedError):
        return f"{name}: a deadlock with another session ended the build ({message}); drop what it left, then try again"
    if isinstance(error, asyncpg.QueryCanceledError):
        return f"{name}: somebody or a time-out cancelled it ({message}); what it left is INVALID"
    if isinstance(error, asyncpg.LockNotAvailableError):
        return f"{name}: it did not get its lock ({message}): lock_timeout ends concurrent builds too"
    if isinstance(error, asyncpg.DiskFullError):
        return f"{name}: the disk is full ({message}): make room, then drop what it left"
    return told(name, error)


def _forget(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()

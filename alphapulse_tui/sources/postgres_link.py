"""The connection that PostgreSQL's sources read over, and every way in which it fails as a sentence.

It is opened once and kept, so that we are already inside when the slots run out. It cannot write (``default_transaction_read_only``), cannot
wait long (statement and lock time-outs) and says who it is. Used by ``sources.postgres`` and its surveys.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.postgres_frames import connect
from alphapulse_tui.sources.contract import Denied, SourceProblem, Unreachable
from alphapulse_tui.text import clean

TARGET = "postgres"

T = TypeVar("T")

SERVER_SETTINGS = {
    "application_name": "alphapulse-tui",
    "statement_timeout": "4000",
    "lock_timeout": "500",
    "idle_in_transaction_session_timeout": "10000",
    "default_transaction_read_only": "on",
}
"""Milliseconds; the panels' session must never be the problem that it shows (facts 8.2)."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server: what it is called, and the arguments of ``asyncpg.connect``, made anew for every connection (a password may change)."""

    name: str
    arguments: Callable[[], Mapping[str, Any]]


class PostgresLink:
    """One server's warm connection, opened by the first question."""

    def __init__(self, server: Server) -> None:
        self.name = server.name
        self._server = server
        self._open: asyncpg.Connection | None = None
        self.version = 0
        """``server_version_num``, known once connected."""

    async def ask(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """``ask`` on the warm connection; every known way to fail becomes a sentence, and the connection is dropped if it may be broken."""
        try:
            return await ask(await self._connected())
        except asyncpg.InsufficientPrivilegeError as refusal:
            raise Denied(
                f"{self.name} refuses to show its activity ({clean(refusal.message)}): GRANT pg_monitor to the role"
            ) from None
        except asyncpg.PostgresError as error:
            if not isinstance(error, asyncpg.QueryCanceledError):
                await self.drop()
            raise told(self.name, error) from None
        except (asyncpg.InterfaceError, OSError, ssl.SSLError) as error:
            await self.drop()
            raise told(self.name, error) from None
        except (asyncpg.InternalClientError, AttributeError, ValueError) as error:  # What the client makes of garbage.
            await self.drop()
            said = f"{type(error).__name__}: {clean(error, 200)}"
            raise Unreachable(
                f"something answers in {self.name}'s place, but not as PostgreSQL does ({said})"
            ) from None
        except AlphaPulseError as error:
            raise Denied(error.sentence) from None
        except asyncio.CancelledError:
            await self.drop()  # Somewhere inside an answer: the next question needs a clean connection.
            raise

    async def _connected(self) -> asyncpg.Connection:
        if self._open is None or self._open.is_closed():
            self._open = await connect(
                **self._server.arguments(), server_settings=SERVER_SETTINGS, timeout=4.0, command_timeout=4.0
            )
            version = self._open.get_server_version()
            self.version = version.major * 10000 + version.minor
        return self._open

    async def drop(self) -> None:
        """Cut the connection without waiting for a server that may be hung."""
        if self._open is not None:
            self._open.terminate()
            self._open = None


def told(name: str, error: Exception) -> SourceProblem:
    """``error`` as a sentence for a person (messages: facts 2.1.1 and 10.2)."""
    message = clean(getattr(error, "message", None) or error, 300)
    if isinstance(error, asyncpg.TooManyConnectionsError):
        finding = Finding(
            TARGET,
            Health.CRITICAL,
            f"{name} has no connection slot left for us: {message}",
            name,
            "pg-connections",
            Severity.P1,
            "runbook 4.2",
        )
        return Unreachable(finding.sentence, (finding,))
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return Denied(f"{name} does not let us in: {message}; check user and password file of the profile")
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return Denied(f"{name}: {message}; check the database of the profile")
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" in message:
        return Denied(f"{name} is a pooler ({message}): name the server itself in the profile")
    if isinstance(error, asyncpg.CannotConnectNowError):
        return Unreachable(f"{name} is not ready: {message}")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{name} refuses connections: is the server running?")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{name} gave no answer in time")
    return Unreachable(f"{name} cannot be read: {message or type(error).__name__}")


def grant(role: str) -> str:
    """The statement that lets ``role`` see everybody's activity."""
    return f"GRANT pg_monitor TO {clean(role)}"

"""The connections that PostgreSQL actions use, and every way in which one fails as a sentence.

It is not the panels' connection: that one cannot write and gives up after a second. This one is opened when an action is planned and kept
until the action is closed, so that a plan made while a slot was free can still be executed when none is. Used by ``actions.postgres``.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import asyncpg

from alphapulse_tui.actions.contract import ActionProblem, TargetUnreachable
from alphapulse_tui.config.discover import postgres as discover
from alphapulse_tui.config.settings import PostgresServer, Profile
from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.postgres_frames import connect
from alphapulse_tui.text import clean

T = TypeVar("T")

APPLICATION = "alphapulse-tui"
"""Who we say we are; sessions of this name are never victims (facts 0.8)."""

CONNECT_SECONDS = 4.0
COMMAND_SECONDS = 6.0
"""Below a plan's deadline of 10 s: our own sentence comes before the executor's."""

SERVER_SETTINGS = {
    "application_name": APPLICATION,
    "statement_timeout": "5000",
    "lock_timeout": "500",
    "idle_in_transaction_session_timeout": "10000",
}
"""Milliseconds."""

BROKEN = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, OSError, ssl.SSLError, TimeoutError)
"""What a statement raises when its answer will not come: it may have run."""


CUT = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
)
"""The server ended the connection, at once and not after a silence: a read may be tried again on a new one; what was sent may have run."""


class Connection:
    """One server's connection for one action: the primary's, or that of the replica of this name."""

    def __init__(self, profile: Profile, replica: str = "") -> None:
        self._profile = profile
        self._replica = replica
        self._open: asyncpg.Connection | None = None

    def server(self) -> PostgresServer:
        """The server, completed as libpq would.

        Raises:
            ActionProblem: the profile names none, or its login cannot be worked out.
        """
        target = self._profile.postgres
        if target is None or target.primary is None:
            raise ActionProblem(
                f'profile "{self._profile.name}" has no PostgreSQL: set [profiles.{self._profile.name}.postgres] primary'
            )
        found = target.primary
        if self._replica:
            named = dict(zip(replica_names(self._profile), target.replicas, strict=True))
            if self._replica not in named:
                known = ", ".join(named) or "none"
                raise ActionProblem(f'the profile has no replica "{clean(self._replica, 60)}"; it has: {known}')
            found = named[self._replica]
        try:
            return discover.complete(found, is_primary=not self._replica)[0]
        except AlphaPulseError as error:
            raise ActionProblem(error.sentence) from None

    @property
    def name(self) -> str:
        """What the panels call the server."""
        return self._replica or _name(self.server())

    async def open(self) -> asyncpg.Connection:
        """The open connection.

        Raises:
            ActionProblem: it cannot be opened; nothing was sent.
        """
        if self._open is None or self._open.is_closed():
            self._open = await self.connect()
        return self._open

    async def connect(self, settings: Mapping[str, str] | None = None, *, endless: bool = False) -> asyncpg.Connection:
        """A connection beside the kept one, which the caller closes; ``settings`` go over ours.

        ``endless``: no statement of it is cut by us. The client takes ``timeout=None`` for the connection's own time-out, not for none.

        Raises:
            ActionProblem: it cannot be opened; nothing was sent.
        """
        server = self.server()
        try:
            return await connect(
                **self._login(server),
                server_settings={**SERVER_SETTINGS, **(settings or {})},
                timeout=CONNECT_SECONDS,
                command_timeout=None if endless else COMMAND_SECONDS,
                statement_cache_size=0,  # a pooler in transaction mode loses prepared statements (facts 10.2)
            )
        except (asyncpg.PostgresError, *BROKEN) as error:
            raise problem_of(self.name, error) from None

    async def rows(self, text: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of a statement that only reads.

        Raises:
            ActionProblem: the server could not be asked, or refused.
        """

        async def fetch(connection: asyncpg.Connection) -> list[asyncpg.Record]:
            found: list[asyncpg.Record] = await connection.fetch(text, *arguments)
            return found

        return await self.reads(fetch)

    async def reads(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """What ``ask`` reads over the connection; it may be asked twice.

        Raises:
            ActionProblem: the server could not be asked, or refused.
        """
        kept = self._open is not None
        try:
            return await self._ask(ask)
        except CUT:
            self.drop()
            if not kept:
                raise TargetUnreachable(f"{self.name} closed the connection") from None
        # The server was restarted since the connection was opened: that is no reason to refuse what can be read now.
        try:
            return await self._ask(ask)
        except CUT:
            self.drop()
            raise TargetUnreachable(f"{self.name} closes connections at once") from None

    async def _ask(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        connection = await self.open()
        try:
            return await ask(connection)
        except CUT:
            raise
        except (asyncpg.PostgresError, *BROKEN) as error:
            self.drop()
            raise problem_of(self.name, error) from None

    def drop(self) -> None:
        """Cut the connection without waiting for a server that may be hung."""
        if self._open is not None:
            self._open.terminate()
            self._open = None

    @staticmethod
    def _login(server: PostgresServer) -> dict[str, Any]:
        try:
            credential = discover.password(server)
            password = credential.load().reveal() if credential else None
        except AlphaPulseError as error:
            raise ActionProblem(error.sentence) from None
        return {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "database": server.database,
            "password": password,
            "ssl": server.sslmode,
        }


def replica_names(profile: Profile) -> tuple[str, ...]:
    """What the panels call the profile's replicas, in its order."""
    replicas = profile.postgres.replicas if profile.postgres is not None else ()
    return tuple(server.name or f"replica-{number}" for number, server in enumerate(replicas))


def psql(server: PostgresServer, *statements: str) -> str:
    """The command line of psql for ``statements``, each in a call of its own (a string of several is one transaction); no password in it."""
    quoted = (
        '"' + one.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`") + '"'
        for one in statements
    )
    return (
        f"psql -h {server.host} -p {server.port} -U {server.user} -d {server.database} -v ON_ERROR_STOP=1 "
        + " ".join(f"-c {one}" for one in quoted)
    )


def problem_of(name: str, error: Exception) -> ActionProblem:
    """``error`` as what an action raises: whether the server refused, or was not there to be asked."""
    silent = isinstance(error, (*BROKEN, asyncpg.CannotConnectNowError))
    return (TargetUnreachable if silent else ActionProblem)(told(name, error))


def told(name: str, error: Exception) -> str:
    """``error`` as one sentence: what, and what would help (messages: facts 2.1.1 and 10.2)."""
    message = clean(getattr(error, "message", None) or error, 300)
    if isinstance(error, asyncpg.TooManyConnectionsError):
        if message.startswith("too many connections for"):
            return f"{name}: {message}: this is a CONNECTION LIMIT of its own, not max_connections; ALTER ROLE or ALTER DATABASE raises it"
        return (
            f"{name} has no connection slot left for us ({message}): log in with a role that has pg_use_reserved_connections "
            "(PostgreSQL 16 and later, with reserved_connections above 0), or as a superuser"
        )
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return f"{name} does not let us in: {message}; check user and password file of the profile"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"{name}: {message}; check the database of the profile"
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" in message:
        return f"{name} is a pooler ({message}): name the server itself in the profile"
    if isinstance(error, asyncpg.CannotConnectNowError):
        return f"{name} is not ready: {message}"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"{name} refuses: {message}"
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return f"{name} takes no writes ({message}): it is a standby, or read-only; name the primary in the profile"
    if isinstance(error, asyncpg.LockNotAvailableError):  # A kind of the next one, for asyncpg.
        return f"{name}: another session holds the lock for longer than we wait ({message})"
    if isinstance(error, asyncpg.ObjectNotInPrerequisiteStateError):
        return f"{name} is not in the state for it: {message}"
    if isinstance(error, asyncpg.QueryCanceledError):
        return f"{name}: the statement took too long or was cancelled ({message})"
    if isinstance(error, asyncpg.ActiveSQLTransactionError):
        return f"{name}: {message}: it must be sent by itself, not through a pooler's transaction"
    if isinstance(error, ConnectionRefusedError):
        return f"{name} refuses connections: is the server running?"
    if isinstance(error, TimeoutError):
        return f"{name} gave no answer in time"
    return f"{name} cannot be asked: {message or type(error).__name__}"


def _name(server: PostgresServer) -> str:
    return clean(server.name or f"{server.host}:{server.port}")

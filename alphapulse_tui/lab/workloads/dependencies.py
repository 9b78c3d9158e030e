"""What the API and the workers stand on: PostgreSQL, the Redis cluster and Vault, opened once and checked regularly.

A program whose credentials or addresses are wrong must die at its start with one line that says which: :class:`StartError`. One that has
started stays up when a dependency goes away; its requests fail, are counted, and its checks tell.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import asyncpg
import httpx
from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.exceptions import RedisClusterException, RedisError

from alphapulse_tui.lab.http import http_client
from alphapulse_tui.lab.workloads.output import say

_START_SECONDS = 5.0
_CHECK_SECONDS = 1.5
CHECK_EVERY_SECONDS = 5.0
CACHE_FAILURES = (OSError, RedisError, RedisClusterException)
"""What a call to the cluster may raise; the last one, of a cluster without a reachable node, is no RedisError."""


class StartError(Exception):
    """The program cannot start; the text is one line for its log."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the pod's template gives."""

    database_url: str
    """Host, port and database; user and password come from Vault."""
    redis_nodes: tuple[str, ...]
    vault_addresses: tuple[str, ...]
    vault_token: str
    port: int
    pod: str
    release: str

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """From environment variables.

        Raises:
            StartError: One is missing.
        """
        try:
            return cls(
                database_url=environment["DATABASE_URL"],
                redis_nodes=tuple(environment["REDIS_NODES"].split(",")),
                vault_addresses=tuple(environment["VAULT_ADDRESSES"].split(",")),
                vault_token=environment["VAULT_TOKEN"],
                port=int(environment["PORT"]),
                pod=environment.get("POD_NAME", ""),
                release=environment.get("RELEASE", ""),
            )
        except KeyError as error:
            raise StartError(f"environment: {error.args[0]} is not set") from None


class Dependencies:
    """The three, open. Made by :func:`open_all`."""

    def __init__(
        self, settings: Settings, database: asyncpg.Pool, cache: RedisCluster, vault: httpx.AsyncClient
    ) -> None:
        self._settings = settings
        self.database = database
        self.cache = cache
        self._vault = vault
        self.problems: dict[str, str] = {}
        """What the last check found wrong, by dependency."""

    async def check(self) -> dict[str, str]:
        """Ask all three now, each within 1.5 s; ``{}`` when all is well, else what is wrong."""
        asked = {
            "postgres": self.database.execute("SELECT 1", timeout=_CHECK_SECONDS),
            "redis": self.cache.ping(),
            "vault": read_secret(self._vault, self._settings, "database"),
        }
        answers = await asyncio.gather(*(_problem(call) for call in asked.values()))
        self.problems = {name: answer for name, answer in zip(asked, answers, strict=True) if answer}
        return self.problems

    async def keep_checking(self) -> None:
        """Check for ever."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_EVERY_SECONDS)

    async def close(self) -> None:
        """Close all three."""
        self.database.terminate()
        await self.cache.aclose()
        await self._vault.aclose()


async def _problem(call: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await call
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
    except (
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        *CACHE_FAILURES,
        httpx.HTTPError,
        StartError,
    ) as error:
        return f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return ""


async def open_all(settings: Settings, application: str, url_key: str, connections: int) -> Dependencies:
    """Read the credentials from Vault and connect to all three.

    Args:
        settings: The pod's.
        application: ``application_name`` of the PostgreSQL sessions.
        url_key: Which URL of Vault's ``alphapulse/database`` carries the user and the password.
        connections: The pool's largest size.

    Raises:
        StartError: One of them cannot be used.
    """
    vault = http_client(_CHECK_SECONDS, headers={"X-Vault-Token": settings.vault_token})
    started = time.monotonic()
    database_secret = await read_secret(vault, settings, "database")
    redis_secret = await read_secret(vault, settings, "redis")
    database = await _open_database(settings, database_secret[url_key], application, connections)
    cache = await _open_cache(settings, redis_secret)
    say("INFO", f"dependencies open after {time.monotonic() - started:.2f} s")
    return Dependencies(settings, database, cache, vault)


async def read_secret(vault: httpx.AsyncClient, settings: Settings, name: str) -> dict[str, str]:
    """A secret of ``secret/alphapulse``, from the first node that gives it.

    Raises:
        StartError: No node gives it; says what the last one answered.
    """
    answer = "there is no node"
    for address in settings.vault_addresses:
        try:
            response = await vault.get(f"{address}/v1/secret/data/alphapulse/{name}", follow_redirects=True)
        except httpx.HTTPError as error:
            answer = f"{address} cannot be reached ({type(error).__name__})"
            continue
        if response.status_code == 200:
            return dict(response.json()["data"]["data"])
        answer = f"{address} answered {response.status_code}{' (sealed)' if response.status_code == 503 else ''}"
    raise StartError(f"vault: secret alphapulse/{name} cannot be read: {answer}")


async def _open_database(settings: Settings, credentials_url: str, application: str, connections: int) -> asyncpg.Pool:
    """A pool at ``DATABASE_URL`` with the user and the password of Vault's URL."""
    where, who = urlsplit(settings.database_url), urlsplit(credentials_url)
    place = f"{where.hostname}:{where.port}{where.path}"
    try:
        async with asyncio.timeout(_START_SECONDS):
            return await asyncpg.create_pool(
                host=where.hostname,
                port=where.port or 5432,
                database=where.path.lstrip("/"),
                user=who.username,
                password=who.password,
                min_size=1,
                max_size=connections,
                max_inactive_connection_lifetime=60.0,
                command_timeout=5.0,
                server_settings={"application_name": application},
            )
    except TimeoutError:
        raise StartError(f"database: {place} (DATABASE_URL) did not answer within {_START_SECONDS:g} s") from None
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StartError(f"database: cannot connect to {place} (DATABASE_URL): {reason}") from error


async def _open_cache(settings: Settings, secret: Mapping[str, str]) -> RedisCluster:
    places = (node.rpartition(":") for node in settings.redis_nodes)
    cache = RedisCluster(
        startup_nodes=[ClusterNode(host, int(port)) for host, _, port in places],
        username=secret["username"],
        password=secret["password"],
        decode_responses=True,
        socket_timeout=_CHECK_SECONDS,
        socket_connect_timeout=_CHECK_SECONDS,
    )
    try:
        async with asyncio.timeout(_START_SECONDS):
            await cache.initialize()
    except (TimeoutError, *CACHE_FAILURES) as error:
        await cache.aclose()
        raise StartError(f"redis: the cluster (REDIS_NODES) cannot be used: {type(error).__name__} {error}") from error
    return cache

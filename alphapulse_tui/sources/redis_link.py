"""One connection for reading to one Redis node, and what its failures mean; shared by the panel's source and the surveys.

No retries: redis-py's defaults turn a frozen node into 15 seconds (facts 10.3). Raw answers: its own CLUSTER NODES loses members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.sources.causes import refused
from alphapulse_tui.sources.contract import Denied, Unreachable
from alphapulse_tui.text import clean

RAW = ("INFO", "CLUSTER INFO", "CLUSTER NODES", "CONFIG GET", "SLOWLOG GET", "LATENCY LATEST", "SCAN", "MEMORY USAGE")
"""Commands whose answers redis-py would make something of; versions differ in ways that it does not know (facts 9)."""


@dataclass(frozen=True, slots=True)
class Address:
    """A node: what it is called and where it listens."""

    name: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def strangers(nodes: Sequence[RedisNode]) -> list[Address]:
    """Living members that a view of ``nodes`` has and that are not among them, at the address that the view tells and named by it."""
    asked = {one.node_id for one in nodes} | {one.address for one in nodes}
    found = {}
    for one in nodes:
        for member in one.view:
            host, _, port = member.address.rpartition(":")
            lost = {"noaddr", "handshake", "fail", "myself"} & set(member.flags)
            if not lost and host and port.isdecimal() and not {member.node_id, member.address} & asked:
                found[member.node_id] = Address(member.address, host, int(port))
    return list(found.values())


class ReadLink:
    """One node's client; opened by the first question, dropped after any failure of the line.

    ``undecodable`` says what becomes of bytes that are no UTF-8, as Python names it: ``surrogateescape`` where an answer's words are asked for
    again (a key's name, which may be any bytes) and must come back to the server as they were.
    """

    def __init__(
        self, node: Address, username: str, password: Callable[[], str] | None, undecodable: str = "replace"
    ) -> None:
        self.name = node.name
        self.address = str(node)
        self._node = node
        self._username = username
        self._password = password
        self._undecodable = undecodable
        self._client: Redis | None = None

    def _connected(self) -> Redis:
        if self._client is None:
            self._client = Redis(
                host=self._node.host,
                port=self._node.port,
                username=self._username or None,
                password=(self._password() if self._password else "") or None,
                protocol=2,
                decode_responses=True,
                encoding_errors=self._undecodable,
                socket_timeout=4.0,
                socket_connect_timeout=3.0,
                retry=Retry(NoBackoff(), 0),
                max_connections=1,
                client_name="alphapulse-tui",
            )
            for question in RAW:
                self._client.response_callbacks.pop(question, None)
        return self._client

    async def ask(self, *questions: Sequence[str | int]) -> list[Any]:
        """The answers, in one round trip; one that is an error is returned as the exception.

        Raises:
            Denied: it does not let us in.
            Unreachable: it cannot be asked.
        """
        try:
            pipeline = self._connected().pipeline(transaction=False)
            for question in questions:
                pipeline.execute_command(*question)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        except AuthenticationError as refusal:
            await self.drop()
            raise Denied(
                f"{self.name} does not let us in: {clean(refusal, 200)}; check user and password of the profile"
            ) from None
        except BusyLoadingError:
            raise Unreachable(f"{self.name} is loading its data set into memory") from None
        except (RedisError, OSError, ValueError) as error:  # ValueError: what its parser makes of garbage.
            await self.drop()
            why = clean(error, 200) or type(error).__name__
            said = "refuses connections: is it running?" if refused(error) else f"cannot be reached: {why}"
            raise Unreachable(f"{self.name} {said}") from None
        except AlphaPulseError as error:
            raise Denied(error.sentence) from None
        for answer in answers:
            self._raise_if_telling(answer)
        return answers

    def _raise_if_telling(self, answer: object) -> None:
        """An answer that speaks for the whole node, and not for its question only."""
        if isinstance(answer, BusyLoadingError):
            raise Unreachable(f"{self.name} is loading its data set into memory")
        if isinstance(answer, AuthenticationError) or (isinstance(answer, ResponseError) and "NOAUTH" in str(answer)):
            raise Denied(f"{self.name} wants a password: give it in the profile's password_file or in REDISCLI_AUTH")
        if isinstance(answer, Exception) and not isinstance(answer, ResponseError):
            raise Unreachable(f"{self.name} cannot be read: {clean(answer, 200)}")

    async def drop(self) -> None:
        """Cut the connection; the next question opens another."""
        client, self._client = self._client, None
        if client is not None:
            await client.connection_pool.disconnect()

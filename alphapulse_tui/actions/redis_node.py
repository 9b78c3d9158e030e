"""One connection to each Redis or Valkey node, and every way in which a node refuses as a sentence: what the Redis actions talk through.

Never the cluster client: it hides failed nodes, cannot start with a dead shard, and sends CONFIG SET to one node only (facts 10.3). Here is
one plain connection a node, raw answers (redis-py's CLUSTER NODES loses members), one attempt, and a total deadline. A change goes over
the connection that has just read what it depends on; what happens after its bytes have left is ``SentWithoutAnswer``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer, TargetUnreachable
from alphapulse_tui.config.discover import redis as discover
from alphapulse_tui.config.settings import Profile, RedisTarget
from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.sources.causes import refused
from alphapulse_tui.sources.redis_decode import fields, members, node
from alphapulse_tui.sources.redis_link import Address, strangers
from alphapulse_tui.text import clean

CONNECT_SECONDS = 2.0
READ_SECONDS = 3.0
"""For one node's answers in all, the connect included; all nodes are asked at once, so a plan takes no longer than the slowest."""
SEND_SECONDS = 6.0
"""For the answer to a change; below a plan's deadline of 10 s, so that our own sentence comes first."""

CLIENT = "alphapulse-tui"
"""Who we say we are in CLIENT LIST (facts 0.8)."""

TOLD = (
    (
        "You should send CLUSTER FAILOVER to a replica",
        "it is a master now: a failover is sent to one of its replicas; look who leads and plan again",
    ),
    (
        "Master is down or failed",
        "its master is down in its eyes, so a graceful failover has nobody to agree with: the forced one is for that",
    ),
    ("my master is unknown to me", "it does not know its master: no failover is possible from there"),
    (
        "cluster support disabled",
        "it is not in cluster mode: a single primary fails over by Sentinel or by its provider, not from here",
    ),
    (
        "forget my master",
        "it still is a replica of the node that is to be forgotten: fail over, or make it a replica of another master first",
    ),
    ("forget myself", "a node cannot forget itself"),
    ("Unknown node", "it does not know that node (any more)"),
    ("is already busy", "the slot has an owner there by now: read the slots again"),
    ("without a config file", "it runs without a configuration file, so nothing can be made to last there"),
    (
        "Rewriting config file",
        "its configuration file cannot be written (a ConfigMap is read-only): change it at its source",
    ),
    (
        "unknown command",
        "the command is switched off or renamed there, as managed services do: use the provider's parameters",
    ),
    ("nknown subcommand", "this version does not know the command"),
)
"""Part of a server's message, and what it means here (Redis 6.2, 7.0 and Valkey 9.1)."""


KINDS: tuple[tuple[type[ResponseError], str], ...] = (
    (MovedError, "the key's slot belongs to another node by now: plan again"),
    (AskError, "the key's slot is being moved: finish or close the move first"),
    (MasterDownError, "it is a replica without its master, and may not serve stale data"),  # Before its parent.
    (ClusterDownError, "the cluster is down in its eyes: mend the slots first"),
)
"""Errors whose code redis-py takes out of the message, and what they mean here."""


class Link:
    """One node's connection; opened when first needed, cut after any failure of the line."""

    def __init__(self, address: Address, target: RedisTarget) -> None:
        self.address = address
        self._target = target
        self._open: Connection | None = None
        self.accepted = 0
        """Changes that the node has taken."""
        self.silent = False
        """Whether the node gave no answer when it was last asked for its state."""

    @property
    def name(self) -> str:
        """The node's name."""
        return self.address.name

    async def ask(self, *commands: Sequence[str | int]) -> list[Any]:
        """The answers to commands that only read, in one round trip. An answer that is an error is returned as the exception.

        Raises:
            ActionProblem: the node could not be asked.
        """
        kept = self._open is not None
        try:
            async with asyncio.timeout(READ_SECONDS):
                try:
                    return await self._ask(commands)
                except (ConnectionError, RedisConnectionError) as broken:
                    await self.drop()
                    if not kept or isinstance(broken, AuthenticationError):
                        raise
                # The node was restarted since the connection was opened: that is no reason to refuse what can be read now.
                return await self._ask(commands)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError.
            await self.drop()
            raise problem_of(self.name, error, self._target.username) from None
        except asyncio.CancelledError:
            await self.drop()  # Its answer may still come, and would be taken for the next one's.
            raise

    async def _ask(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        connection = await self._connected()
        await connection.send_packed_command(connection.pack_commands(commands))
        return [await self._answer(connection) for _ in commands]

    async def read(self, *words: str | int) -> Any:
        """The answer to one command that only reads.

        Raises:
            ActionProblem: the node could not be asked, or refused.
        """
        (answer,) = await self.ask(words)
        if isinstance(answer, Exception):
            raise ActionProblem(told(self.name, answer, self._target.username)) from None
        return answer

    async def send(self, *words: str | int) -> Any:
        """Send one change, once.

        Raises:
            ActionProblem: it was refused, or never left: nothing was changed.
            SentWithoutAnswer: it left, and no answer came.
        """
        try:
            async with asyncio.timeout(READ_SECONDS):
                connection = await self._connected()
        except (RedisError, OSError) as error:
            await self.drop()
            raise problem_of(self.name, error, self._target.username) from None
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await connection.send_packed_command(connection.pack_command(*words))
                answer = await self._answer(connection)
        except (RedisError, OSError) as error:
            await self.drop()
            why = "" if isinstance(error, TimeoutError) else f" ({clean(error, 160)})"
            raise SentWithoutAnswer(f"{self.name} gave no answer to {_command(words)}{why}") from None
        except asyncio.CancelledError:
            await self.drop()
            raise
        if isinstance(answer, Exception):
            raise ActionProblem(told(self.name, answer, self._target.username)) from None
        self.accepted += 1
        return answer

    async def state(self) -> RedisNode:
        """The node as it sees itself and the cluster; ``problem`` set when it could not be read."""
        where = str(self.address)
        try:
            answers = await self.ask(("INFO",), ("CLUSTER", "INFO"), ("CLUSTER", "NODES"))
        except ActionProblem as problem:
            self.silent = isinstance(problem, TargetUnreachable)
            return RedisNode(self.name, where, problem=str(problem))
        self.silent = False
        for answer in answers:
            if isinstance(answer, Exception):
                return RedisNode(self.name, where, problem=told(self.name, answer, self._target.username))
        try:
            return node(self.name, where, fields(str(answers[0])), fields(str(answers[1])), members(str(answers[2])))
        except ValueError as garbled:
            return RedisNode(self.name, where, problem=f"{self.name} answers, but {clean(garbled, 200)}")

    async def drop(self) -> None:
        """Cut the connection without waiting for a server that may be hung."""
        connection, self._open = self._open, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _connected(self) -> Connection:
        if self._open is None or not self._open.is_connected:
            try:
                credential = discover.password(self._target)
                password = credential.load().reveal() if credential else ""
            except AlphaPulseError as error:
                raise ActionProblem(error.sentence) from None
            connection = Connection(
                host=self.address.host,
                port=self.address.port,
                username=self._target.username or None,
                password=password or None,
                protocol=2,
                decode_responses=True,
                encoding_errors="replace",
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=None,
                retry=Retry(NoBackoff(), 0),
                client_name=CLIENT,
            )
            self._open = connection
            await connection.connect()  # type: ignore[no-untyped-call]
        return self._open

    @staticmethod
    async def _answer(connection: Connection) -> Any:
        """The next answer; an error that the server says is an answer too."""
        try:
            return await connection.read_response()
        except AuthenticationError:
            raise
        except (ResponseError, BusyLoadingError) as said:
            return said


class Cluster:
    """All nodes of the profile, and those that they tell of: a change that must be made everywhere must not miss a node that was added."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._links: dict[str, Link] = {}

    @property
    def target(self) -> RedisTarget:
        """The profile's Redis.

        Raises:
            ActionProblem: there is none.
        """
        if self._profile.redis is None:
            raise ActionProblem(
                f'profile "{self._profile.name}" has no Redis: set [profiles.{self._profile.name}.redis] nodes'
            )
        return self._profile.redis

    def link(self, name: str) -> Link:
        """The connection of a node that :meth:`read` has returned.

        Raises:
            ActionProblem: no such node.
        """
        for address in self._configured():
            self._links.setdefault(address.name, Link(address, self.target))
        found = self._links.get(name)
        if found is None:
            raise ActionProblem(
                f'there is no Redis node "{clean(name, 64)}"; there are {", ".join(sorted(self._links))}'
            )
        return found

    @property
    def accepted(self) -> int:
        """Changes that the nodes have taken from us: once there is one, a refusal does not mean that nothing was changed."""
        return sum(link.accepted for link in self._links.values())

    async def read(self) -> tuple[RedisNode, ...]:
        """Every node's own answer, all asked at the same moment; then the members that no profile names, by the address that others tell.

        Raises:
            TargetUnreachable: none of them answers.
            ActionProblem: none of them could be read.
        """
        configured = [self.link(address.name) for address in self._configured()]
        nodes = list(await asyncio.gather(*(link.state() for link in configured)))
        unnamed = [self._links.setdefault(address.name, Link(address, self.target)) for address in strangers(nodes)]
        nodes += await asyncio.gather(*(link.state() for link in unnamed))
        if all(node.problem for node in nodes):
            said = f"none of the {len(nodes)} Redis nodes can be read: {nodes[0].problem}"
            raise TargetUnreachable(said) if all(link.silent for link in self._links.values()) else ActionProblem(said)
        return tuple(nodes)

    async def close(self) -> None:
        """Cut every connection."""
        for link in self._links.values():
            await link.drop()

    def _configured(self) -> list[Address]:
        return [Address(node.name, node.host, node.port) for node in self.target.nodes]


def problem_of(name: str, error: Exception, user: str) -> ActionProblem:
    """``error`` as what an action raises: whether the node refused, or was not there to be asked."""
    if isinstance(error, ActionProblem):
        return error
    answered = isinstance(error, AuthenticationError | ResponseError) and not isinstance(error, BusyLoadingError)
    return (ActionProblem if answered else TargetUnreachable)(told(name, error, user))


def told(name: str, error: Exception, user: str = "") -> str:
    """``error`` as one sentence: what, and what would help."""
    if isinstance(error, ActionProblem):
        return str(error)
    message = clean(error, 300)
    if isinstance(error, NoPermissionError) or "NOPERM" in message:
        return (
            f"{name} does not allow it: ACL SETUSER {clean(user, 64) or 'default'} {_grant(message)} would ({message})"
        )
    if isinstance(error, AuthenticationError) or "NOAUTH" in message or "WRONGPASS" in message:
        return f"{name} does not let us in: {message}; check user and password of the profile"
    if isinstance(error, BusyLoadingError):
        return f"{name} is loading its data set into memory: wait until it has"
    if isinstance(error, OutOfMemoryError):
        return f"{name} is out of memory and refuses what needs some: raise maxmemory or set a policy that may evict"
    if isinstance(error, ReadOnlyError):
        return f"{name} is a read-only replica: the change belongs to its master"
    if isinstance(error, ResponseError):
        meaning = next((meaning for kind, meaning in KINDS if isinstance(error, kind)), "")
        meaning = meaning or next((meaning for part, meaning in TOLD if part in message), "")
        return f"{name} refuses: {f'{meaning} ({message})' if meaning else message}"
    if refused(error):
        return f"{name} refuses connections: is it running?"
    if isinstance(error, TimeoutError | RedisTimeoutError):
        return f"{name} gave no answer in time"
    return f"{name} cannot be reached: {message or type(error).__name__}"


def _grant(message: str) -> str:
    """The rule that is missing, from the server's words: ``... run the 'cluster|failover' command``."""
    parts = message.split("'")
    return f"+{parts[1]}" if len(parts) > 2 and "command" in message else "the right that it names"


def _command(words: Sequence[str | int]) -> str:
    """A command as a sentence names it; its arguments may be long."""
    return clean(" ".join(str(word) for word in words[:3]), 80)

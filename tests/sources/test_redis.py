"""The Redis source against a real Valkey cluster and servers that misbehave; redis-cli is the independent witness."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from alphapulse_tui.lab.linux import signal_tree
from alphapulse_tui.model.health import Health
from alphapulse_tui.sources.contract import Denied, Unreachable
from alphapulse_tui.sources.redis import Address, RedisSource
from alphapulse_tui.sources.redis_decode import fields, members, number, ratio
from tests.sources.doors import door, says, silent
from tests.sources.servers import RedisCluster, free_port
from tests.waiting import until


@contextlib.asynccontextmanager
async def source(ports: list[int], **options: object) -> AsyncIterator[RedisSource]:
    nodes = [Address(f"redis-cluster-{place}", "127.0.0.1", port) for place, port in enumerate(ports)]
    made = RedisSource(nodes, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.close()


async def test_reads_what_redis_cli_reads(cluster: RedisCluster) -> None:
    async with source(cluster.ports) as reader:
        snapshot = await reader.read()
        for node, port in zip(snapshot.nodes, cluster.ports, strict=True):
            info = fields(cluster.cli(port, "info"))
            assert (node.role, node.run_id, node.version) == (info["role"], info["run_id"], info["valkey_version"])
            assert node.node_id == cluster.cli(port, "cluster", "myid")
            assert (node.cluster_state, node.slots_assigned, node.max_memory) == ("ok", 16384, 32 * 1024 * 1024)
            assert len(node.view) == 6
        assert len(snapshot.masters) == 3
        assert [finding.sentence for finding in reader.judge(snapshot)] == []


async def test_rates_come_from_deltas(cluster: RedisCluster) -> None:
    now = [0.0]
    async with source(cluster.ports, clock=lambda: now[0]) as reader:
        snapshot = await reader.read()
        assert all(node.hit_percent is None for node in snapshot.nodes)
        port = cluster.ports[0]
        for _ in range(25):
            cluster.cli(port, "-c", "get", "absent")
        now[0] += 10
        after = await reader.read()
        assert min(node.hit_percent for node in after.masters if node.hit_percent is not None) == 0.0


async def test_clients_that_are_turned_away_are_told(cluster: RedisCluster) -> None:
    port = cluster.ports[0]
    usual = cluster.cli(port, "config", "get", "maxclients").splitlines()[1]
    async with source(cluster.ports) as reader, Redis(port=port) as held:
        await reader.read()
        await held.config_set("maxclients", 1)
        try:
            with contextlib.suppress(ConnectionResetError), socket.create_connection(("127.0.0.1", port)) as one_more:
                one_more.settimeout(5.0)
                assert b"max number of clients" in await asyncio.to_thread(one_more.recv, 200)
            found = (await reader.read()).nodes
        finally:
            await held.config_set("maxclients", usual)
    assert [node.rejected_per_second > 0 for node in found] == [True, *[False] * 5]


async def test_what_a_client_does_not_read_is_told(cluster: RedisCluster) -> None:
    """A job that asks and does not take the answers fills the server, and no key is to blame."""
    port = next(port for port in cluster.ports if cluster.cli(port, "role").startswith("master"))
    fields_ = [word for place in range(100) for word in (f"f{place}", "x" * 2000)]
    names = (f"asked{place}" for place in range(200))
    name = next(name for name in names if not cluster.cli(port, "hset", name, *fields_).startswith("MOVED"))
    hog = socket.socket()
    hog.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        hog.connect(("127.0.0.1", port))
        hog.sendall(f"HGETALL {name}\r\n".encode() * 100)
        place = cluster.ports.index(port)
        async with source(cluster.ports) as reader:

            async def held() -> bool:
                return (await reader.read()).nodes[place].client_buffers > 8 * 1024**2

            await until(held, 10, "its buffers")
            told = number(fields(cluster.cli(port, "info", "memory")), "mem_clients_normal")
            node = (await reader.read()).nodes[place]
            assert abs(node.client_buffers - told) < 1024**2 and node.client_buffers <= node.used_memory + 1024**2
    finally:
        hog.close()
        cluster.cli(port, "unlink", name)


async def test_a_frozen_node_marks_only_itself(cluster: RedisCluster) -> None:
    async with source(cluster.ports) as reader:
        before = await reader.read()
        replica = next(place for place, node in enumerate(before.nodes) if node.role == "slave")
        signal_tree(cluster.processes[replica].pid, signal.SIGSTOP)
        try:
            started = asyncio.get_running_loop().time()
            snapshot = await reader.read()
            assert asyncio.get_running_loop().time() - started < reader.interval / 2
            assert [bool(node.problem) for node in snapshot.nodes] == [place == replica for place in range(6)]
            unknown = [finding for finding in reader.judge(snapshot) if finding.health is Health.UNKNOWN]
            assert [finding.subject for finding in unknown] == [f"redis-cluster-{replica}"]

            async def failed() -> bool:
                return any("has failed" in finding.sentence for finding in reader.judge(await reader.read()))

            await until(failed, 15, "the others to call it failed")
        finally:
            signal_tree(cluster.processes[replica].pid, signal.SIGCONT)

        async def healthy() -> bool:
            return reader.judge(await reader.read()) == ()

        await until(healthy, 20, "the node back in every view")


async def test_names_the_missing_grants(cluster: RedisCluster) -> None:
    port = cluster.ports[0]
    cluster.cli(
        port,
        "acl",
        "setuser",
        "tui",
        "reset",
        "on",
        ">pw",
        "+hello",
        "+ping",
        "+info",
        "+client|setinfo",
        "+client|setname",
        "+cluster|info",
    )
    async with source([port], username="tui", password=lambda: "pw") as reader:
        snapshot = await reader.read()
        assert snapshot.missing_grants == ("ACL SETUSER tui +cluster|nodes",)
        assert snapshot.nodes[0].version and snapshot.nodes[0].cluster_state == "ok"
        assert reader.judge(snapshot)[0].health is Health.WARNING
    async with source([port], username="tui", password=lambda: "wrong") as reader:
        with pytest.raises(Denied, match="does not let us in"):
            await reader.read()


async def test_a_server_that_is_no_cluster_is_no_calm_one(cluster: RedisCluster) -> None:
    port = cluster.ports[0]
    cluster.cli(port, "acl", "setuser", "tui", "reset", "on", ">pw", "+@all")
    async with source([port], username="tui", password=lambda: "pw") as reader:
        link = reader._links[0]._link
        ask = link.ask

        async def disabled(*questions: Any) -> list[Any]:
            return [(await ask(*questions))[0], *[ResponseError("ERR unknown command 'CLUSTER'")] * 2]

        link.ask = disabled  # type: ignore[method-assign]
        found = reader.judge(await reader.read())
    assert [(one.health, "unknown command" in one.sentence) for one in found] == [(Health.UNKNOWN, True)]


@pytest.mark.parametrize("answer", [b"$abc\r\n", b"*xx\r\n", b":zz\r\n", b"\0\0\0\0\r\n"])
async def test_one_garbled_node_marks_only_itself(cluster: RedisCluster, answer: bytes) -> None:
    async with door(says(answer)) as port, source([*cluster.ports[:2], port]) as reader:
        snapshot = await reader.read()
    assert [bool(node.problem) for node in snapshot.nodes] == [False, False, True]


async def test_nobody_answers() -> None:
    async with source([free_port(), free_port()]) as reader:
        with pytest.raises(Unreachable, match="none of the 2 nodes"):
            await reader.read()


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad\r\n\r\n", b"\x00\xff\x1b[2J\r\n", b"+OK\r\n" * 8, b"*1000000\r\n"]
)
async def test_garbage_is_a_sentence(answer: bytes) -> None:
    async with door(says(answer)) as port, source([port]) as reader:
        reader.patience = 1.0
        with pytest.raises(Unreachable) as problem:
            await reader.read()
        assert "\x1b" not in str(problem.value)


async def test_a_silent_node_does_not_delay_close() -> None:
    async with door(silent) as port:
        async with source([port]) as reader:
            reader.patience = 0.05
            with pytest.raises(Unreachable):
                await reader.read()
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < 1.0


HOSTILE = (
    "07c37df 127.0.0.1:30004@31004,evil\x1b[2J slave,fail? e7d1eec 0 1426238317239 4 connected\n"
    "e7d1eec 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 5462 [93->-07c37df]\n"
    "aaaaaaa :0@0 master,noaddr - 0 0 9 disconnected\n"
)


def test_decodes_a_raw_view() -> None:
    ghost, replica, me = sorted(
        members(HOSTILE), key=lambda member: ("myself" in member.flags, "slave" in member.flags)
    )
    assert (replica.address, replica.flags, replica.master_id) == ("127.0.0.1:30004", ("slave", "fail?"), "e7d1eec")
    assert (me.slots, me.open_slots, me.epoch) == (((0, 5460), (5462, 5462)), ("[93->-07c37df]",), 1)
    assert (ghost.address, ghost.link) == (":0", "disconnected")


@pytest.mark.parametrize("line", ["x", "a b c d e f g h", "07c37df 1:1@2 master - 0 0 1 connected x-y"])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"CLUSTER NODES|invalid literal"):
        members(line)


def test_fields_are_optional() -> None:
    found = fields("# Memory\r\nused_memory:12\r\nmem_fragmentation_ratio:1.5\r\nodd\r\nrole:x:y\r\n")
    assert (number(found, "used_memory"), number(found, "absent"), number(found, "role")) == (12, 0, 0)
    assert (ratio(found, "mem_fragmentation_ratio"), ratio(found, "absent"), found["role"]) == (1.5, None, "x:y")

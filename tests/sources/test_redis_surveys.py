"""The surveys of Redis against a real cluster: views side by side, memory, and a look through the keys that stays within its bounds."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.board import Board
from alphapulse_tui.model.redis_keys import KeysSnapshot
from alphapulse_tui.model.redis_views import member_rows
from alphapulse_tui.sources.contract import Source, SourceLoop, Unreachable
from alphapulse_tui.sources.redis_keys import RedisKeysSource
from alphapulse_tui.sources.redis_link import Address
from alphapulse_tui.sources.redis_memory import RedisMemorySource, slow_commands
from alphapulse_tui.sources.redis_views import RedisViewsSource
from alphapulse_tui.sources.surveys import SURVEYS
from tests.sources.servers import RedisCluster, free_port
from tests.waiting import until


def addresses(ports: list[int]) -> list[Address]:
    return [Address(f"redis-{place}", "127.0.0.1", port) for place, port in enumerate(ports)]


@contextlib.asynccontextmanager
async def closing(source: Source[Any]) -> AsyncIterator[Any]:
    try:
        yield source
    finally:
        await source.close()


@pytest.fixture
def filled(cluster: RedisCluster) -> Iterator[RedisCluster]:
    """The cluster with 3,000 small keys and a large hash without a TTL."""
    load = "".join(f"SET key:{number} {'x' * 50} EX 900\n" for number in range(3000))
    script = "for i=1,2000 do redis.call('hset', KEYS[1], i, string.rep('y', 100)) end"
    for port in cluster.ports[:3]:
        cluster.pipe(port, load)
        with contextlib.suppress(AssertionError):
            cluster.cli(port, "eval", script, "1", "positions:all")
    yield cluster
    for port in cluster.ports:
        cluster.cli(port, "flushall")


async def test_the_largest_key_is_found_with_its_kind_and_life(filled: RedisCluster) -> None:
    async with closing(RedisKeysSource(addresses(filled.ports))) as source:
        snapshot: KeysSnapshot = await source.read()
    assert snapshot.whole and not snapshot.running and snapshot.problems == ()
    assert (snapshot.seen, snapshot.total) == (3001, 3001)
    largest = snapshot.keys[0]
    assert (largest.name, largest.kind, largest.ttl, largest.exact) == ("positions:all", "hash", -1, True)
    assert largest.bytes > 200_000 and 0 < snapshot.keys[1].ttl <= 900
    owner = filled.ports[int(largest.node.rpartition("-")[2])]
    assert filled.cli(owner, "exists", "positions:all") == "1", "the master is named, whoever was asked"
    assert {scan.asked for scan in snapshot.nodes}.isdisjoint(scan.node for scan in snapshot.nodes), (
        "replicas were asked"
    )
    for port in filled.ports:
        assert "cmdstat_keys:" not in filled.cli(port, "info", "commandstats"), "KEYS is never used"


async def test_bounds_end_it_and_leaving_cancels_it(filled: RedisCluster) -> None:
    async with closing(RedisKeysSource(addresses(filled.ports), most_keys=500)) as source:
        snapshot = await source.read()
    assert {scan.state for scan in snapshot.nodes} == {"keys"} and not snapshot.whole
    assert 1500 <= snapshot.seen < 3001 and snapshot.percent < 100
    async with closing(RedisKeysSource(addresses(filled.ports), most_seconds=0.0)) as source:
        assert {scan.state for scan in (await source.read()).nodes} == {"time"}
    told: list[KeysSnapshot] = []
    async with closing(RedisKeysSource(addresses(filled.ports))) as source:
        task = asyncio.ensure_future(source.follow(told.append))
        await until(lambda: told, 5, "progress")
        assert told[0].running
        await until(lambda: told[-1].whole, 20, "the end")
        count = len(told)
        assert not task.done(), "it stays, and reads nothing more"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert len(told) == count


async def test_it_scans_again_when_it_is_asked_to(filled: RedisCluster) -> None:
    board = Board()
    loop = SourceLoop(RedisKeysSource(addresses(filled.ports)), board)
    task = asyncio.ensure_future(loop.run())

    def scanned() -> KeysSnapshot | None:
        reading = board.get("redis-keys")
        return reading.snapshot if reading and reading.snapshot and reading.snapshot.whole else None

    await until(lambda: (one := scanned()) and one.keys[0].name == "positions:all", 20, "the scan")
    port = next(port for port in filled.ports[:3] if filled.cli(port, "setrange", "grown", "600000", "z") == "600001")
    loop.refresh()
    await until(lambda: (one := scanned()) and one.keys[0].name == "grown", 20, "a scan of what is there now")
    filled.cli(port, "unlink", "grown")
    task.cancel()
    await asyncio.wait({task})


async def test_names_that_cannot_be_shown_are_marked(filled: RedisCluster) -> None:
    port = next(port for port in filled.ports[:3] if "OK" in filled.cli(port, "set", "evil\x1b[2J", "z" * 100_000))
    async with closing(RedisKeysSource(addresses(filled.ports))) as source:
        snapshot = await source.read()
    evil = next(key for key in snapshot.keys if key.name.startswith("evil"))
    assert evil.name == "evil\\x1b[2J" and not evil.exact
    filled.cli(port, "unlink", "evil\x1b[2J")


async def test_a_name_that_is_no_text_is_measured_under_its_own_bytes(filled: RedisCluster) -> None:
    name = os.fsdecode(b"giant\xff\xfe\x80")
    port = next(port for port in filled.ports[:3] if "OK" in filled.cli(port, "set", name, "z" * 100_000))
    async with closing(RedisKeysSource(addresses(filled.ports))) as source:
        snapshot = await source.read()
    giant = next(key for key in snapshot.keys if key.name.startswith("giant"))
    assert giant.bytes > 100_000 and giant.kind == "string" and not giant.exact
    assert giant.name.encode() and "\ufffd" in giant.name
    filled.cli(port, "unlink", name)


async def test_views_side_by_side(cluster: RedisCluster) -> None:
    # Only half of the nodes are in the profile: the others are found by what these say.
    async with closing(RedisViewsSource(addresses(cluster.ports[:3]))) as source:
        snapshot = await source.read()
    assert len(snapshot.nodes) == 6 and {row.differs for row in snapshot.rows} == {""}
    assert [row.role for row in snapshot.rows] == ["master", "replica"] * 3
    assert all(set(row.seen) == ({"M"} if row.role == "master" else {"r"}) for row in snapshot.rows)
    assert snapshot.legend == "M master  r replica"
    assert set(dict(snapshot.health).values()) == {"online"}
    assert dict(dict(snapshot.settings)["redis-0"])["cluster-node-timeout"] == "2000"


async def test_where_views_differ_is_said(cluster: RedisCluster) -> None:
    async with closing(RedisViewsSource(addresses(cluster.ports))) as source:
        nodes = list((await source.read()).nodes)
    victim = nodes[1].node_id
    view = tuple(
        replace(member, flags=("master", "fail"), epoch=99) if member.node_id == victim else member
        for member in nodes[0].view
    )
    nodes[0] = replace(nodes[0], view=view)
    nodes[2] = replace(nodes[2], view=tuple(member for member in nodes[2].view if member.node_id != victim))
    nodes[3] = replace(nodes[3], problem="redis-3 refuses connections")
    row = next(row for row in member_rows(nodes, {}) if row.node_id == victim)
    assert row.seen[0] == "!" and row.seen[2:4] == "-." and "|99" in row.epoch
    assert "failed for 1 of 5" in row.differs and "unknown to 1" in row.differs and "epoch" in row.differs
    assert dict(row.views)["redis-2"] == "does not know it" and "fail" in dict(row.views)["redis-0"]


async def test_memory_and_what_was_slow(cluster: RedisCluster) -> None:
    port = cluster.ports[0]
    cluster.cli(port, "config", "set", "slowlog-log-slower-than", "0")
    cluster.cli(port, "-c", "set", "secretkey", "SECRETVALUE")
    cluster.cli(port, "config", "set", "slowlog-log-slower-than", "10000")
    now = [0.0]
    async with closing(RedisMemorySource(addresses(cluster.ports), clock=lambda: now[0])) as source:
        await source.read()
        for _ in range(10):
            cluster.cli(port, "-c", "get", "absent")
        now[0] += 5
        snapshot = await source.read()
    node = snapshot.nodes[0]
    assert (node.role, node.limit, node.problem) == ("master", 32 * 1024 * 1024, "") and node.resident > node.used > 0
    assert min(one.hit_percent for one in snapshot.nodes if one.hit_percent is not None) == 0.0
    assert snapshot.slow and all("SECRETVALUE" not in entry.command for entry in snapshot.slow), "values are not shown"
    assert slow_commands("n", ["odd", [1, 2, 3]]) == ()
    cluster.cli(port, "slowlog", "reset")


@pytest.mark.parametrize("kind", [RedisKeysSource, RedisViewsSource, RedisMemorySource])
async def test_nobody_answers(kind: Any) -> None:
    async with closing(kind(addresses([free_port(), free_port()]))) as source:
        with pytest.raises(Unreachable, match="refuses connections"):
            await source.read()


def test_the_recipes_tell_the_sources_own_figures() -> None:
    figures = {recipe.target: (recipe.interval, recipe.deadline) for recipe in SURVEYS}
    for kind in (RedisKeysSource, RedisViewsSource, RedisMemorySource):
        assert figures[kind.target] == (kind.interval, kind.deadline)

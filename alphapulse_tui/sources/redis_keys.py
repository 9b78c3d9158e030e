"""The largest keys of a Redis cluster, found without harm: a survey that looks once, within bounds, for as long as somebody looks.

``redis-cli --bigkeys`` with ``-c`` reads one shard; ``KEYS`` blocks the server; ``MEMORY USAGE ... SAMPLES 0`` blocks it for 16 ms a large hash. Here
every shard is scanned at once, at a replica where one follows its master, in batches of 500 with a pause of 5 ms between (100,000 keys take 3 s,
a concurrent ping stays below 14 ms at worst: facts 2.2.2). It ends at 200,000 keys a master or after 30 s, says how far it came, and is not begun
again by itself: opening the view or the procedure is the request, so is F5 there or an action of it; leaving it cancels.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.redis_keys import BigKey, KeysSnapshot, NodeScan
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.redis_decode import fields, members, myself, number
from alphapulse_tui.sources.redis_link import Address, ReadLink
from alphapulse_tui.text import clean

BATCH = 500
PAUSE_SECONDS = 0.005
MOST_KEYS = 200_000
"""Looked at on one master."""
MOST_SECONDS = 30.0
KEPT = 50
"""The largest keys that are told."""
SAMPLES = 5
TELL_SECONDS = 0.5
"""Between two reports of progress."""
LONGEST_NAME = 1024
"""Characters of a key's name; a longer one is counted, and not asked about."""


@dataclass(slots=True)
class _Shard:
    """One master and whom to ask for its keys."""

    link: ReadLink
    scan: NodeScan
    found: list[tuple[int, str]] = field(default_factory=list)
    """A heap of (bytes, name), the smallest first."""


class RedisKeysSource(Source[KeysSnapshot]):
    """Scans once; then its result stands until somebody asks for another, or nobody looks any more."""

    target = "redis-keys"
    interval = 300.0
    """Seconds: the result is trusted for three of them, and nothing is read again."""
    deadline = 40.0

    def __init__(
        self,
        nodes: Sequence[Address],
        username: str = "",
        password: Callable[[], str] | None = None,
        *,
        most_keys: int = MOST_KEYS,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._links = [ReadLink(node, username, password, "surrogateescape") for node in nodes]
        self._most_keys, self._most_seconds = most_keys, most_seconds
        self._scanned = False

    async def read(self) -> KeysSnapshot:
        """A whole scan, for the headless commands."""
        last: list[KeysSnapshot] = []
        await self._scan(last.append)
        return last[-1]

    async def follow(self, publish: Callable[[KeysSnapshot], None]) -> None:
        """Scan, telling the progress; again only when asked to."""
        while True:
            await self._scan(publish)
            await self.pause(math.inf)

    def judge(self, snapshot: KeysSnapshot) -> tuple[Finding, ...]:  # noqa: ARG002 - a large key is not a fault by itself
        """Nothing: the memory's own rules say when it is too much."""
        return ()

    async def close(self) -> None:
        """Drop every connection."""
        for link in self._links:
            await link.drop()

    async def _scan(self, publish: Callable[[KeysSnapshot], None]) -> None:
        began, started = time.time(), time.monotonic()
        shards = await self._shards()
        due = started + self._most_seconds

        def told() -> KeysSnapshot:
            return _snapshot(shards, began, time.monotonic() - started)

        if not self._scanned:  # Else what the last scan found stands until this one has found something.
            publish(told())
        self._scanned = True
        work = [asyncio.ensure_future(self._look_through(shard, due)) for shard in shards]
        try:
            while (await asyncio.wait(work, timeout=TELL_SECONDS))[1]:
                publish(told())
            # The kinds and lifetimes of the few that are told: asked last, so that the scan itself stays one question a key.
            facts = [await self._facts(shard) for shard in shards]
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        done = told()
        known = {(node, name): (kind, ttl) for found in facts for node, name, kind, ttl in found}
        keys = [
            replace(key, kind=known[(key.node, key.name)][0], ttl=known[(key.node, key.name)][1])
            if (key.node, key.name) in known
            else key
            for key in done.keys
        ]
        publish(replace(done, keys=tuple(keys)))

    async def _shards(self) -> list[_Shard]:
        """Every master that owns slots, and a replica that follows it, if there is one."""
        asked = await asyncio.gather(*(self._who(link) for link in self._links), return_exceptions=True)
        known = [answer for answer in asked if not isinstance(answer, BaseException)]
        problems = [answer for answer in asked if isinstance(answer, SourceProblem)]
        if not known:
            raise problems[0] if problems else Unreachable("no Redis node answers")
        shards = []
        for link, node_id, role, _, _, owns in known:
            if role != "master" or not owns:
                continue
            follower = next((one for one in known if one[2] == "slave" and one[3] == node_id and one[4] == "up"), None)
            chosen = follower[0] if follower is not None else link
            shards.append(_Shard(chosen, NodeScan(link.name, chosen.name, 0, 0, "scanning")))
        if not shards:
            raise Unreachable("no master that owns slots answers")
        return shards

    async def _who(self, link: ReadLink) -> tuple[ReadLink, str, str, str, str, bool]:
        """A node: id, role, whose replica, how its link is, whether it owns slots."""
        info, nodes = await link.ask(("INFO", "replication"), ("CLUSTER", "NODES"))
        refused = [answer for answer in (info, nodes) if isinstance(answer, Exception)]
        if refused:
            raise Unreachable(f"{link.name} does not tell the cluster's nodes: {clean(refused[0], 160)}")
        found, me = fields(str(info)), myself(members(str(nodes)))
        if me is None:
            raise Unreachable(f"{link.name} does not know itself")
        return (
            link,
            me.node_id,
            found.get("role", ""),
            me.master_id,
            found.get("master_link_status", ""),
            bool(me.slots),
        )

    async def _look_through(self, shard: _Shard, due: float) -> None:
        """Batch after batch, until all is seen or a bound is reached; a failure ends this shard only."""
        try:
            answers = await shard.link.ask(("READONLY",), ("DBSIZE",), ("INFO", "memory"))
            size = answers[1] if isinstance(answers[1], int) else number(fields(str(answers[2])), "keys")
            shard.scan = replace(shard.scan, keys=size)
            cursor = "0"
            while True:
                cursor, names = _batch(shard, (await shard.link.ask(("SCAN", cursor, "COUNT", BATCH)))[0])
                asked = [name for name in names if len(name) <= LONGEST_NAME]
                if asked:
                    sizes = await shard.link.ask(*(("MEMORY", "USAGE", name, "SAMPLES", SAMPLES) for name in asked))
                    _keep(shard, asked, sizes)
                shard.scan = replace(shard.scan, seen=shard.scan.seen + len(names))
                state = self._ended(shard, cursor, due)
                if state:
                    shard.scan = replace(shard.scan, state=state)
                    return
                await asyncio.sleep(PAUSE_SECONDS)
        except SourceProblem as problem:
            shard.scan = replace(shard.scan, state=clean(problem, 200))

    def _ended(self, shard: _Shard, cursor: str, due: float) -> str:
        if cursor == "0":
            return "done"
        if shard.scan.seen >= self._most_keys:
            return "keys"
        return "time" if time.monotonic() >= due else ""

    @staticmethod
    async def _facts(shard: _Shard) -> list[tuple[str, str, str, int]]:
        """Type and TTL of the largest keys; a shard that has fallen silent meanwhile tells none."""
        names = [name for _, name in heapq.nlargest(KEPT, shard.found)]
        if not names:
            return []
        try:
            answers = await shard.link.ask(
                *(question for name in names for question in (("TYPE", name), ("TTL", name)))
            )
        except SourceProblem:
            return []
        return [
            (
                shard.scan.node,
                clean(name),
                clean(kind, 40) if isinstance(kind, str) else "",
                ttl if isinstance(ttl, int) else -1,
            )
            for name, kind, ttl in zip(names, answers[::2], answers[1::2], strict=True)
        ]


def _batch(shard: _Shard, answer: Any) -> tuple[str, list[str]]:
    """Cursor and names.

    Raises:
        Unreachable: it is an error: most likely a right that is missing.
    """
    if isinstance(answer, Exception):
        raise Unreachable(f"{shard.link.name} does not let us scan: {clean(answer, 160)}")
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise Unreachable(f"{shard.link.name} answers SCAN, but not as Redis does")
    return str(answer[0]), [str(name) for name in answer[1]]


def _keep(shard: _Shard, names: Sequence[str], sizes: Sequence[Any]) -> None:
    """Remember the largest; a key that went meanwhile has no size."""
    for name, size in zip(names, sizes, strict=True):
        if isinstance(size, int):
            push = heapq.heappush if len(shard.found) < KEPT else heapq.heappushpop
            push(shard.found, (size, name))


def _snapshot(shards: Sequence[_Shard], began: float, seconds: float) -> KeysSnapshot:
    keys = [
        BigKey(clean(name), clean(name) == name and "\ufffd" not in name, "", size, -1, shard.scan.node)
        for shard in shards
        for size, name in shard.found
    ]
    largest = sorted(keys, key=lambda key: (-key.bytes, key.name))[:KEPT]
    return KeysSnapshot(tuple(largest), tuple(shard.scan for shard in shards), began, round(seconds, 1))

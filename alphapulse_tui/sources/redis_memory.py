"""Memory, buffers, rates, slow log and latency events of every Redis node; a survey. All of it is O(1) for the server (facts 8.3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.redis_memory import Latency, MemorySnapshot, NodeMemory, SlowCommand
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.node import Node
from alphapulse_tui.sources.redis_decode import fields, node, number, per_second, ratio, refusals
from alphapulse_tui.sources.redis_link import Address, ReadLink
from alphapulse_tui.text import clean

SLOWEST = 16
QUESTIONS = (("INFO",), ("SLOWLOG", "GET", SLOWEST), ("LATENCY", "LATEST"))


class _Counters(NamedTuple):
    """A node's counters at one moment."""

    at: float
    run_id: str
    evicted: int
    expired: int
    refused: int
    rejected: int
    hits: int
    misses: int


_Answer = tuple[NodeMemory, tuple[SlowCommand, ...], tuple[Latency, ...]]


class RedisMemorySource(Source[MemorySnapshot]):
    """All nodes, at the same moment."""

    target = "redis-memory"
    interval = 5.0
    deadline = 5.0
    patience = 2.0
    """Seconds that one node may delay the others' reading."""

    def __init__(
        self,
        nodes: Sequence[Address],
        username: str = "",
        password: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._past: dict[str, _Counters] = {}
        self._nodes = [self._node(ReadLink(address, username, password)) for address in nodes]

    def _node(self, link: ReadLink) -> tuple[ReadLink, Node[_Answer]]:
        return link, Node(link.name, lambda: self._read(link), self.deadline, link.drop)

    async def read(self) -> MemorySnapshot:
        """Every node's answer; raises only when none can be read."""
        asked = await asyncio.gather(*(one.ask(self.patience) for _, one in self._nodes), return_exceptions=True)
        answers: list[_Answer] = []
        for (link, _), answer in zip(self._nodes, asked, strict=True):
            if isinstance(answer, SourceProblem):
                answers.append((NodeMemory(link.name, problem=clean(answer)), (), ()))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                answers.append(answer)
        if all(answer[0].problem for answer in answers):
            raise Unreachable(f"none of the {len(answers)} nodes can be read; {answers[0][0].problem}")
        slow = [entry for answer in answers for entry in answer[1]]
        return MemorySnapshot(
            tuple(answer[0] for answer in answers),
            tuple(sorted(slow, key=lambda entry: (-entry.at, entry.key))),
            tuple(event for answer in answers for event in answer[2]),
        )

    def judge(self, snapshot: MemorySnapshot) -> tuple[Finding, ...]:  # noqa: ARG002 - the panel's own reading is judged
        """Nothing: the panel's reading has the same figures."""
        return ()

    async def close(self) -> None:
        """Drop every connection."""
        for link, one in self._nodes:
            await one.close()
            await link.drop()

    async def _read(self, link: ReadLink) -> _Answer:
        info, slow, latency = await link.ask(*QUESTIONS)
        if not isinstance(info, str) or not fields(info):
            raise Unreachable(f"{link.name} does not tell its memory: {clean(info, 160)}")
        return self._memory(link, fields(info)), slow_commands(link.name, slow), latencies(link.name, latency)

    def _memory(self, link: ReadLink, info: dict[str, str]) -> NodeMemory:
        base = node(link.name, link.address, info, {}, ())
        counters = (
            number(info, key)
            for key in ("evicted_keys", "expired_keys", "rejected_connections", "keyspace_hits", "keyspace_misses")
        )
        evicted, expired, rejected, hits, misses = counters
        now = _Counters(self._clock(), base.run_id, evicted, expired, refusals(info), rejected, hits, misses)
        before = self._past.get(link.name, now)
        before = before if before.run_id == now.run_id else now  # A restarted server counts anew.
        self._past[link.name] = now
        seconds = now.at - before.at
        looked = now.hits + now.misses - before.hits - before.misses
        return NodeMemory(
            name=link.name,
            role="replica" if base.role == "slave" else base.role,
            used=base.used_memory,
            limit=base.max_memory,
            peak=number(info, "used_memory_peak"),
            resident=number(info, "used_memory_rss"),
            fragmentation=ratio(info, "mem_fragmentation_ratio"),
            policy=base.policy,
            keys=base.keys,
            expiring=base.expiring_keys,
            evicted=per_second(now.evicted - before.evicted, seconds),
            expired=per_second(now.expired - before.expired, seconds),
            refused=per_second(now.refused - before.refused, seconds),
            rejected=per_second(now.rejected - before.rejected, seconds),
            hit_percent=round(100.0 * (now.hits - before.hits) / looked, 1) if looked > 0 else None,
            clients=base.connected_clients,
            client_buffers=number(info, "mem_clients_normal"),
            replica_buffers=number(info, "mem_replication_backlog") + number(info, "mem_clients_slaves"),
            fork=_fork(info),
        )


def _fork(info: dict[str, str]) -> str:
    """What is being written to disk by a child process."""
    words = []
    if number(info, "rdb_bgsave_in_progress"):
        words.append(f"saving for {number(info, 'rdb_current_bgsave_time_sec')} s")
    if number(info, "aof_rewrite_in_progress"):
        words.append(f"rewriting its log for {number(info, 'aof_current_rewrite_time_sec')} s")
    return ", ".join(words)


def slow_commands(name: str, answer: Any) -> tuple[SlowCommand, ...]:
    """Entries of SLOWLOG GET; what follows the key is a value and is not shown."""
    found = []
    for entry in answer if isinstance(answer, list) else ():
        if isinstance(entry, list) and len(entry) >= 4 and isinstance(entry[3], list):
            words = [clean(word, 80) for word in entry[3]]
            more = f" and {len(words) - 2} more" if len(words) > 2 else ""
            client = clean(entry[4], 64) if len(entry) > 4 else ""
            said = clean(entry[5], 64) if len(entry) > 5 else ""
            found.append(
                SlowCommand(
                    name, int(entry[0]), float(entry[1]), int(entry[2]), " ".join(words[:2]) + more, said or client
                )
            )
    return tuple(found)


def latencies(name: str, answer: Any) -> tuple[Latency, ...]:
    """Events of LATENCY LATEST; newer servers append sum and count."""
    return tuple(
        Latency(name, clean(event[0], 40), float(event[1]), int(event[2]), int(event[3]))
        for event in (answer if isinstance(answer, list) else ())
        if isinstance(event, list) and len(event) >= 4
    )

"""Redis or Valkey, every node asked directly and at the same time, so that their views of the cluster can be compared.

One client a node with one connection and no retries: redis-py's defaults turn a frozen node into 15 seconds (facts 10.3). Never the
cluster client, which hides failed nodes and cannot even start with a dead shard. Made by ``build``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from redis.exceptions import NoPermissionError

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.redis import RedisNode, RedisSnapshot
from alphapulse_tui.model.rules import redis as rules
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.sources.contract import Denied, Source, SourceProblem, Unreachable
from alphapulse_tui.sources.node import Node
from alphapulse_tui.sources.redis_decode import fields, members, node, number, per_second, refusals
from alphapulse_tui.sources.redis_link import Address, ReadLink
from alphapulse_tui.text import clean

QUESTIONS = (("INFO",), ("CLUSTER", "INFO"), ("CLUSTER", "NODES"))
"""What a node is asked, in one round trip; all of it is O(1) for the server (facts 8.3)."""

HIT_WINDOW = 60.0
"""Seconds over which the hit rate is computed; a single poll of a quiet cache says nothing."""

HIT_LOOKUPS = 20
"""Lookups that the window must hold for a hit rate to mean anything."""


@dataclass(frozen=True, slots=True)
class _Counters:
    """A node's counters at one moment (seconds of a steady clock)."""

    at: float
    run_id: str
    evicted: int
    hits: int
    misses: int
    refused: int
    rejected: int


class _Rates(NamedTuple):
    """What two readings of the counters say together."""

    evicted: float
    refused: float
    rejected: float
    hit_percent: float | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """One node's answer with the offsets that only a comparison makes sense of."""

    node: RedisNode
    master_offset: int = 0
    applied_offset: int | None = None
    received_offset: int | None = None
    refused: tuple[str, ...] = ()


class RedisSource(Source[RedisSnapshot]):
    """All nodes of the profile. ``password`` is asked at every new connection and may be none."""

    target = "redis"
    interval = 5.0
    deadline = 5.0
    patience = 2.0
    """Seconds that one node may delay the others' reading."""

    def __init__(
        self,
        nodes: Sequence[Address],
        username: str = "",
        password: Callable[[], str] | None = None,
        thresholds: Thresholds | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._thresholds = thresholds or Thresholds()
        self._username = username
        self._links = [_NodeLink(address, username, password, clock) for address in nodes]
        self._nodes = [Node(link.name, link.read, self.deadline, link.drop) for link in self._links]

    async def read(self) -> RedisSnapshot:
        """Every node's answer; raises only when none of them can be read."""
        asked = await asyncio.gather(*(node.ask(self.patience) for node in self._nodes), return_exceptions=True)
        answers: list[_Answer] = []
        problems: list[SourceProblem] = []
        for link, answer in zip(self._links, asked, strict=True):
            if isinstance(answer, SourceProblem):
                problems.append(answer)
                answers.append(_Answer(RedisNode(link.name, link.address, problem=clean(answer))))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                answers.append(answer)
        if len(problems) == len(answers):
            raise problems[0] if len(problems) == 1 else _together(problems)
        refused = sorted({grant for answer in answers for grant in answer.refused})
        return RedisSnapshot(
            nodes=tuple(_with_lag(answer, answers) for answer in answers),
            missing_grants=tuple(f"ACL SETUSER {self._username or 'default'} {grant}" for grant in refused),
        )

    def judge(self, snapshot: RedisSnapshot) -> tuple[Finding, ...]:
        """The rules."""
        return rules.judge(snapshot, self._thresholds)

    async def close(self) -> None:
        """Drop every connection."""
        for asked in self._nodes:
            await asked.close()
        for link in self._links:
            await link.drop()


class _NodeLink:
    """One node's connection, and its counters of the last minute."""

    def __init__(
        self, node: Address, username: str, password: Callable[[], str] | None, clock: Callable[[], float]
    ) -> None:
        self._link = ReadLink(node, username, password)
        self.name, self.address = self._link.name, self._link.address
        self._clock = clock
        self._past: deque[_Counters] = deque()

    async def read(self) -> _Answer:
        """Ask the node; every known way to fail becomes a sentence."""
        return self._decoded(await self._link.ask(*QUESTIONS))

    async def drop(self) -> None:
        """Cut the connection; the next question opens another."""
        await self._link.drop()

    def _decoded(self, answers: list[object]) -> _Answer:
        texts, denied, refused = [], [], []
        for answer, grant in zip(answers, ("+info", "+cluster|info", "+cluster|nodes"), strict=True):
            if isinstance(answer, NoPermissionError):
                denied.append(grant)
            elif isinstance(answer, Exception):
                refused.append(clean(answer, 200))
            texts.append(answer if isinstance(answer, str) else "")
        try:
            view = members(texts[2])
        except ValueError as garbled:
            raise Unreachable(f"{self.name} answers, but {clean(garbled, 200)}") from None
        if not fields(texts[0]) and "+info" not in denied:
            raise Unreachable(f"{self.name} answers, but not as Redis or Valkey does")
        answer = self._answer(fields(texts[0]), fields(texts[1]), view, tuple(denied))
        return replace(answer, node=replace(answer.node, view_problem=refused[0] if refused else ""))

    def _answer(self, info: dict[str, str], cluster: dict[str, str], view: tuple, refused: tuple[str, ...]) -> _Answer:  # type: ignore[type-arg]
        found = node(self.name, self.address, info, cluster, view)
        rates = self._rates(info)
        found = replace(
            found,
            evicted_per_second=rates.evicted,
            refused_per_second=rates.refused,
            rejected_per_second=rates.rejected,
            hit_percent=rates.hit_percent,
        )
        applied = number(info, "slave_repl_offset") if found.role == "slave" else None
        received = number(info, "slave_read_repl_offset") if "slave_read_repl_offset" in info else None
        return _Answer(found, number(info, "master_repl_offset"), applied, received, refused)

    def _rates(self, info: dict[str, str]) -> _Rates:
        """Since the last reading, the hit rate over the last minute; a restarted server starts anew."""
        evicted, hits, misses = (number(info, key) for key in ("evicted_keys", "keyspace_hits", "keyspace_misses"))
        rejected = number(info, "rejected_connections")
        now = _Counters(self._clock(), info.get("run_id", ""), evicted, hits, misses, refusals(info), rejected)
        past = self._past
        if past and (past[-1].run_id != now.run_id or now.hits < past[-1].hits or now.evicted < past[-1].evicted):
            past.clear()  # Restarted, or CONFIG RESETSTAT.
        before = past[-1] if past else now
        while len(past) > 1 and past[1].at <= now.at - HIT_WINDOW:
            past.popleft()
        past.append(now)
        hits, misses = now.hits - past[0].hits, now.misses - past[0].misses
        return _Rates(
            per_second(now.evicted - before.evicted, now.at - before.at),
            per_second(now.refused - before.refused, now.at - before.at),
            per_second(now.rejected - before.rejected, now.at - before.at),
            round(100.0 * hits / (hits + misses), 1) if hits + misses >= HIT_LOOKUPS else None,
        )


def _with_lag(answer: _Answer, answers: Sequence[_Answer]) -> RedisNode:
    """The node with its replication lag: behind the master's own offset where that is known."""
    if answer.applied_offset is None:
        return answer.node
    masters = [
        other.master_offset for other in answers if other.node.node_id and other.node.node_id == answer.node.master_id
    ]
    ahead = masters[0] if masters else answer.received_offset
    return (
        answer.node
        if ahead is None
        else replace(answer.node, replication_lag_bytes=max(0, ahead - answer.applied_offset))
    )


def _together(problems: Sequence[SourceProblem]) -> SourceProblem:
    """One sentence for nodes that all failed; denied only when every one of them says so."""
    kind = Denied if all(isinstance(problem, Denied) for problem in problems) else Unreachable
    return kind(f"none of the {len(problems)} nodes can be read; {clean(problems[0])}")

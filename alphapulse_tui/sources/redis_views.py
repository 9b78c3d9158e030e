"""Every Redis node's view, with the members that no profile names, and the settings that decide how a failover goes; a survey.

The panel reads the profile's nodes. Here a node that was added and is in no profile yet is asked too, at the address that others tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_views import ViewsSnapshot
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.node import Node
from alphapulse_tui.sources.redis_decode import fields, members, node
from alphapulse_tui.sources.redis_link import Address, ReadLink, strangers
from alphapulse_tui.text import clean

SETTINGS = ("cluster-*", "min-replicas-*")
"""Patterns for CONFIG GET: what bounds a split, and who may stand for election (facts 2.2.1)."""

SHOWN = (
    "cluster-node-timeout",
    "cluster-require-full-coverage",
    "cluster-replica-validity-factor",
    "cluster-replica-no-failover",
    "cluster-allow-replica-migration",
    "cluster-migration-barrier",
    "min-replicas-to-write",
    "min-replicas-max-lag",
)

QUESTIONS = (
    ("INFO",),
    ("CLUSTER", "INFO"),
    ("CLUSTER", "NODES"),
    ("CLUSTER", "SHARDS"),
    *(("CONFIG", "GET", pattern) for pattern in SETTINGS),
)

_Answer = tuple[RedisNode, tuple[tuple[str, str], ...], dict[str, str]]


class RedisViewsSource(Source[ViewsSnapshot]):
    """All nodes, at the same moment."""

    target = "redis-views"
    interval = 5.0
    deadline = 8.0
    patience = 2.0
    """Seconds that one node may delay the others' reading."""

    def __init__(self, nodes: Sequence[Address], username: str = "", password: Callable[[], str] | None = None) -> None:
        self._username, self._password = username, password
        self._configured = [self._node(address) for address in nodes]
        self._strangers: dict[str, tuple[ReadLink, Node[_Answer]]] = {}

    def _node(self, address: Address) -> tuple[ReadLink, Node[_Answer]]:
        link = ReadLink(address, self._username, self._password)
        return link, Node(link.name, lambda: _read(link), self.deadline, link.drop)

    async def read(self) -> ViewsSnapshot:
        """The profile's nodes, then whom they tell of; raises only when none can be read."""
        answers = await self._ask(self._configured)
        for address in strangers([answer[0] for answer in answers]):
            self._strangers.setdefault(address.name, self._node(address))
        known = {answer[0].node_id for answer in answers}
        answers += [one for one in await self._ask(list(self._strangers.values())) if one[0].node_id not in known]
        if all(answer[0].problem for answer in answers):
            raise Unreachable(f"none of the {len(answers)} nodes can be read; {answers[0][0].problem}")
        health = {node_id: word for _, _, shards in answers for node_id, word in shards.items()}
        return ViewsSnapshot(
            tuple(answer[0] for answer in answers),
            tuple((answer[0].name, answer[1]) for answer in answers if answer[1]),
            tuple(sorted(health.items())),
        )

    async def _ask(self, nodes: Sequence[tuple[ReadLink, Node[_Answer]]]) -> list[_Answer]:
        asked = await asyncio.gather(*(one.ask(self.patience) for _, one in nodes), return_exceptions=True)
        found: list[_Answer] = []
        for (link, _), answer in zip(nodes, asked, strict=True):
            if isinstance(answer, SourceProblem):
                found.append((RedisNode(link.name, link.address, problem=clean(answer)), (), {}))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found.append(answer)
        return found

    def judge(self, snapshot: ViewsSnapshot) -> tuple[Finding, ...]:  # noqa: ARG002 - the panel's own reading is judged
        """Nothing: the panel's reading has the same views."""
        return ()

    async def close(self) -> None:
        """Drop every connection."""
        for link, one in (*self._configured, *self._strangers.values()):
            await one.close()
            await link.drop()


async def _read(link: ReadLink) -> _Answer:
    info, cluster, nodes, shards, *settings = await link.ask(*QUESTIONS)
    texts = [answer if isinstance(answer, str) else "" for answer in (info, cluster, nodes)]
    if not texts[2]:
        raise Unreachable(f"{link.name} does not tell the cluster's nodes: {clean(nodes, 160)}")
    try:
        view = members(texts[2])
    except ValueError as garbled:
        raise Unreachable(f"{link.name} answers, but {clean(garbled, 200)}") from None
    found = node(link.name, link.address, fields(texts[0]), fields(texts[1]), view)
    return found, _settings(settings), shard_health(shards)


def _settings(answers: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    told: dict[str, str] = {}
    for answer in answers:
        if isinstance(answer, list):
            told.update(zip(map(str, answer[::2]), map(str, answer[1::2]), strict=False))
    return tuple((name, clean(told[name], 64)) for name in SHOWN if name in told)


def shard_health(answer: Any) -> dict[str, str]:
    """Node id to its health, from CLUSTER SHARDS as nested lists of names and values; empty where the version has no such command.

    >>> shard_health([["slots", [0, 9], "nodes", [["id", "aa", "port", 1, "health", "online"]]]])
    {'aa': 'online'}
    """
    found = {}
    for shard in answer if isinstance(answer, list) else ():
        for one in _pairs(shard).get("nodes") or ():
            facts = _pairs(one)
            if "id" in facts:
                found[clean(facts["id"], 64)] = clean(facts.get("health", ""), 32)
    return found


def _pairs(flat: Any) -> dict[str, Any]:
    return dict(zip(map(str, flat[::2]), flat[1::2], strict=False)) if isinstance(flat, list) else {}

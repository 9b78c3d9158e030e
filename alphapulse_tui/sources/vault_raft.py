"""The survey ``vault-raft``: each node timed and asked for its telemetry, raft's configuration and autopilot (runbook 2.3, facts 2.3.2).

Read only while somebody looks. Every question carries the header that forbids forwarding: a standby would otherwise answer for the leader,
and its own slowness or death would be invisible. By httpx and not by hvac: hvac follows redirects to addresses inside the cluster, has no
call for any of this, and a timing through its session would measure requests' pool. The token is fetched in a private thread (a helper may
ask a keyring) and lives in one header of one client.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import msgspec

from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.vault_raft import Peer, SurveyedNode, Telemetry, Times, VaultSurvey
from alphapulse_tui.sources import http
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.node import Node
from alphapulse_tui.sources.private_thread import PrivateThread
from alphapulse_tui.sources.vault import AUTOPILOT, Address, moment
from alphapulse_tui.sources.vault_metrics import telemetry
from alphapulse_tui.text import clean

CONFIGURATION = "sys/storage/raft/configuration"
METRICS = "sys/metrics"
LOOKUP = "auth/token/lookup-self"
NO_FORWARDING = {"X-Vault-No-Request-Forwarding": "true"}
"""A standby then answers itself or with 307; without it the leader answers in its place (seen on OpenBao 2.7.2)."""

SAMPLES = 5
"""Timed questions to one path (facts 2.3.2)."""

SAMPLING_SECONDS = 1.2
"""After this long no further sample is begun: a node that takes a second for one answer has told enough."""

PAUSE_SECONDS = 0.07
"""Between two samples."""


@dataclass(slots=True)
class _Raft:
    """What one node said of raft; gathered beside its own answers."""

    configuration: list[Mapping[str, Any]] | None = None
    autopilot: Mapping[str, Any] | None = None
    missing: tuple[str, ...] = ()
    refused: bool = False
    """Whether the token itself is not accepted."""


class VaultRaftSource(Source[VaultSurvey]):
    """All nodes of the profile, closely. ``token`` as in :class:`~alphapulse_tui.sources.vault.VaultSource`."""

    target = "vault-raft"
    interval = 5.0
    deadline = 9.0
    patience = 3.0
    """Seconds that one node may delay the others' reading."""

    def __init__(
        self,
        nodes: Sequence[Address],
        token: Callable[[], str] | None = None,
        ca_file: str = "",
        samples: int = SAMPLES,
    ) -> None:
        self._samples = samples
        self._addresses = tuple(nodes)
        self._token = token
        self._ca_file = ca_file
        self._client: httpx.AsyncClient | None = None
        self._thread = PrivateThread("vault-token")
        self._held = ""
        self._audit_failures: dict[str, float] = {}
        """What each node had counted at its last reading."""
        self._nodes = [Node(node.name, lambda node=node: self._ask(node), 5.0) for node in nodes]  # type: ignore[misc]

    async def read(self) -> VaultSurvey:
        """Every node's answers put together; raises only when none of them answers."""
        if self._client is None:
            self._client, (self._held, problem) = await asyncio.gather(
                http.client(3.0, self._ca_file), self._fetch_token()
            )
        else:
            self._held, problem = await self._fetch_token()
        asked = await asyncio.gather(*(node.ask(self.patience) for node in self._nodes), return_exceptions=True)
        nodes: list[SurveyedNode] = []
        told: dict[str, _Raft] = {}
        for node, answer in zip(self._addresses, asked, strict=True):
            if isinstance(answer, SourceProblem):
                nodes.append(SurveyedNode(node.name, node.url, problem=clean(answer)))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                nodes.append(answer[0])
                told[node.name] = answer[1]
        if all(node.problem for node in nodes):
            raise Unreachable(f"none of the {len(nodes)} nodes answers; {nodes[0].problem}")
        return gathered(nodes, told, problem)

    def judge(self, snapshot: VaultSurvey) -> tuple[Finding, ...]:  # noqa: ARG002 - a survey explains; the panel's source judges
        """Nothing: what is wrong is said by the rules of ``vault`` and ``platform``."""
        return ()

    async def close(self) -> None:
        """Drop connections and the token."""
        for node in self._nodes:
            await node.close()
        self._thread.close()
        self._held = ""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _fetch_token(self) -> tuple[str, str]:
        """The token, or why there is none."""
        if self._token is None:
            return "", "no Vault token was found: raft and the nodes' own times need one (log in with bao login)"
        try:
            token = await self._thread.call(self._token, 3.0)
        except (AlphaPulseError, SourceProblem) as problem:
            return "", clean(problem)
        return token, "" if token else "the Vault token is empty: log in again"

    async def _ask(self, node: Address) -> tuple[SurveyedNode, _Raft]:
        health, lookup, health_times, lookup_times = await self._sample(node)
        made = SurveyedNode(node.name, node.url, code=health.code, health=health_times)
        raft = _Raft()
        if not made.serving:
            return made, raft
        leading = (await self._get(node, "sys/leader", {})).json(node.name)
        made = replace(made, active_since=moment(leading.get("active_time")) if isinstance(leading, dict) else None)
        if lookup is None:
            return made, raft
        if lookup.code == httpx.codes.FORBIDDEN:
            raft.refused = True
            return made, raft
        made = replace(made, lookup=lookup_times if lookup.code == httpx.codes.OK else None)
        return await self._ask_more(node, made, raft, {"X-Vault-Token": self._held}), raft

    async def _sample(self, node: Address) -> tuple[http.Answer, http.Answer | None, Times, Times | None]:
        """Ask for health and for our own token in turn; the first answers of both open the connection and are not counted.

        With pauses: a node that runs in slices answers a whole burst within one of them.
        """
        health, lookup = await self._get(node, "sys/health", {}), None
        asks_token = bool(self._held) and health.code in (200, 429, 473)
        if asks_token:
            lookup = await self._get(node, LOOKUP, {"X-Vault-Token": self._held})
        taken: tuple[list[float], list[float]] = ([], [])
        end = time.monotonic() + SAMPLING_SECONDS
        while len(taken[0]) < self._samples and (not taken[0] or time.monotonic() < end):
            await asyncio.sleep(PAUSE_SECONDS)
            began = time.monotonic()
            health = await self._get(node, "sys/health", {})
            taken[0].append(time.monotonic() - began)
            if lookup is not None and lookup.code == httpx.codes.OK:
                began = time.monotonic()
                lookup = await self._get(node, LOOKUP, {"X-Vault-Token": self._held})
                taken[1].append(time.monotonic() - began)
        return health, lookup, times(taken[0]), times(taken[1]) if taken[1] else None

    async def _ask_more(
        self, node: Address, made: SurveyedNode, raft: _Raft, headers: Mapping[str, str]
    ) -> SurveyedNode:
        """Telemetry, configuration and, of the leader, autopilot; a refused one is named and the rest goes on."""
        metrics = await self._get(node, f"{METRICS}?format=prometheus", headers)
        if self._allowed(metrics, METRICS, raft):
            made = replace(made, telemetry=self._since_last(node.name, telemetry(metrics.body)))
        configuration = await self._get(node, CONFIGURATION, headers)
        if self._allowed(configuration, CONFIGURATION, raft):
            raft.configuration = servers_of(configuration, node.name)
            leads = [str(server.get("node_id", "")) for server in raft.configuration if server.get("leader")]
            made = replace(made, knows_raft=True, raft_leader=clean(leads[0], 128) if leads else "")
        if made.code == httpx.codes.OK:
            state = await self._get(node, AUTOPILOT, headers)
            if self._allowed(state, AUTOPILOT, raft):
                data = state.json(node.name).get("data")
                raft.autopilot = data if isinstance(data, dict) else None
        return made

    def _since_last(self, name: str, told: Telemetry) -> Telemetry:
        """With how many audit entries more could not be written than at the last reading; a node that started anew counts from 0."""
        before = self._audit_failures.get(name, told.audit_failures)
        self._audit_failures[name] = told.audit_failures
        return replace(told, audit_failing=max(0.0, told.audit_failures - before))

    @staticmethod
    def _allowed(answer: http.Answer, path: str, raft: _Raft) -> bool:
        if answer.code == httpx.codes.FORBIDDEN:
            raft.missing = (*raft.missing, f'path "{path}" {{ capabilities = ["read"] }}')
        return answer.code == httpx.codes.OK

    async def _get(self, node: Address, path: str, headers: Mapping[str, str]) -> http.Answer:
        assert self._client is not None  # ``read`` has made it.
        return await http.get(self._client, f"{node.url}/v1/{path}", node.name, headers={**NO_FORWARDING, **headers})


def times(seconds: Sequence[float]) -> Times:
    """Seconds as the model has them.

    >>> times([0.001, 0.002, 0.3, 0.004, 0.25])
    Times(median=4.0, high=250.0, worst=300.0, samples=5)
    """
    ordered = sorted(round(one * 1000, 1) for one in seconds)
    return Times(statistics.median(ordered), ordered[-2 if len(ordered) > 2 else -1], ordered[-1], len(ordered))


def servers_of(answer: http.Answer, what: str) -> list[Mapping[str, Any]]:
    """The servers of raft's configuration; :class:`Unreachable` when it is shaped otherwise."""
    try:
        servers = answer.json(what)["data"]["config"]["servers"]
        return [msgspec.convert(server, dict[str, Any]) for server in servers]
    except (KeyError, TypeError, msgspec.ValidationError):
        raise Unreachable(f"{what} tells raft's configuration in an unknown form") from None


def gathered(nodes: Sequence[SurveyedNode], told: Mapping[str, _Raft], problem: str) -> VaultSurvey:
    """One survey of what every node said; the leader's own configuration counts, else the first that a standby still knew."""
    leader = next((node.name for node in nodes if node.code == httpx.codes.OK and not node.problem), "")
    order = sorted(told, key=lambda name: name != leader)
    source = next((name for name in order if told[name].configuration is not None), "")
    autopilot = told[leader].autopilot if leader else None
    if any(raft.refused for raft in told.values()):
        problem = "the Vault token is not valid any more: log in again"
    peers = _peers(told[source].configuration or [], autopilot or {}, nodes) if source else ()
    missing = dict.fromkeys(grant for raft in told.values() for grant in raft.missing)
    return VaultSurvey(
        nodes=tuple(nodes),
        peers=peers,
        peers_from=source,
        healthy=None if autopilot is None else bool(autopilot.get("healthy")),
        failure_tolerance=_number(autopilot, "failure_tolerance"),
        problem=problem,
        missing_grants=tuple(missing),
    )


def _peers(
    configuration: Sequence[Mapping[str, Any]], autopilot: Mapping[str, Any], nodes: Sequence[SurveyedNode]
) -> tuple[Peer, ...]:
    servers = autopilot.get("servers")
    states: Mapping[str, Any] = servers if isinstance(servers, dict) else {}
    newest = max((_number(state, "last_index") or 0 for state in states.values()), default=0)
    says = {node.name: said(node) for node in nodes}
    made = []
    for server in configuration:
        raw = str(server.get("node_id", ""))
        name, state = clean(raw, 128), states.get(raw)
        state = state if isinstance(state, dict) else {}
        index = _number(state, "last_index")
        made.append(
            Peer(
                name=name,
                cluster_address=clean(server.get("address", ""), 128),
                voter=bool(server.get("voter")),
                leader=bool(server.get("leader")),
                healthy=bool(state["healthy"]) if "healthy" in state else None,
                last_contact=milliseconds(state.get("last_contact")),
                behind=None if index is None else max(0, newest - index),
                stable_since=moment(state.get("stable_since")),
                version=clean(state.get("version", ""), 64),
                says=says.get(name, ""),
            )
        )
    return tuple(sorted(made, key=lambda peer: peer.name))


def said(node: SurveyedNode) -> str:
    """A node's own standing in one word of the trade."""
    words = {200: "leader", 429: "standby", 501: "uninitialised", 503: "SEALED", 530: "removed"}
    return "no answer" if node.problem else words.get(node.code, f"code {node.code}")


def _number(data: object, key: str) -> int | None:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_UNITS = {"h": 3_600_000.0, "m": 60_000.0, "s": 1000.0, "ms": 1.0, "µs": 0.001, "us": 0.001, "ns": 0.000001}


def milliseconds(text: object) -> float | None:
    """A duration as Go writes it, in milliseconds; none for anything else.

    >>> [milliseconds(text) for text in ("0s", "787.04ms", "1m4.5s", "soon")]
    [0.0, 787.04, 64500.0, None]
    """
    if not isinstance(text, str) or not re.fullmatch(r"(\d+(\.\d+)?(h|ms|µs|us|ns|m|s))+", text):
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|µs|us|ns|m|s)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)

"""Vault or OpenBao, every node asked directly: seal state is a property of a node, never of a load balancer (facts 2.3.1).

``sys/health``, ``sys/seal-status`` and ``sys/leader`` need no token and go by httpx, which keeps the status code. Raft's autopilot and our
own token's end need one and go by hvac in a private thread. A cluster without an active node is asked again a second later before it is
believed: a step-down leaves none for 0.6 s. Made by ``build``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx
import msgspec

from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.rules import vault as rules
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.model.vault import RaftHealth, VaultNode, VaultSnapshot
from alphapulse_tui.sources import http
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.node import Node
from alphapulse_tui.sources.private_thread import PrivateThread
from alphapulse_tui.text import clean

AUTOPILOT = "sys/storage/raft/autopilot/state"
SECOND_LOOK = 1.0
"""Seconds until a missing active node is asked for again (facts 2.3.1: a step-down takes 0.6 s)."""


@dataclass(frozen=True, slots=True)
class Address:
    """A node: what it is called and its own API address."""

    name: str
    url: str


class VaultSource(Source[VaultSnapshot]):
    """All nodes of the profile. ``token`` gives the token when it is needed (it may run a helper: it is called in the private thread)."""

    target = "vault"
    interval = 5.0
    deadline = 5.0
    patience = 1.5
    """Seconds that one node may delay the others' reading."""

    def __init__(
        self,
        nodes: Sequence[Address],
        token: Callable[[], str] | None = None,
        ca_file: str = "",
        thresholds: Thresholds | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._thresholds = thresholds or Thresholds()
        self._clock = clock
        self._token = token
        self._ca_file = ca_file
        self._addresses = tuple(nodes)
        self._client: httpx.AsyncClient | None = None
        self._nodes = [Node(node.name, lambda node=node: self._ask(node), 4.0) for node in nodes]  # type: ignore[misc]
        self._thread = PrivateThread("vault")
        self._no_active_since: float | None = None

    async def read(self) -> VaultSnapshot:
        """Every node's answer and raft's; raises only when none of them answers."""
        if self._client is None:
            self._client = await http.client(3.0, self._ca_file)
        snapshot = VaultSnapshot(await self._ask_all(self.patience))
        if snapshot.active is None and self._no_active_since is None:
            now = self._clock()
            await asyncio.sleep(SECOND_LOOK)
            snapshot = VaultSnapshot(await self._ask_all(self.patience / 3))
            self._no_active_since = now
        active = snapshot.active
        if active is None:
            return replace(snapshot, no_active_since=self._no_active_since)
        self._no_active_since = None
        return snapshot if self._token is None else await self._with_raft(snapshot, active)

    def judge(self, snapshot: VaultSnapshot) -> tuple[Finding, ...]:
        """The rules."""
        return rules.judge(snapshot, self._thresholds, self._clock())

    async def close(self) -> None:
        """Drop connections; an open call of the private thread is left to end by itself."""
        for node in self._nodes:
            await node.close()
        self._thread.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _ask_all(self, patience: float) -> tuple[VaultNode, ...]:
        asked = await asyncio.gather(*(node.ask(patience) for node in self._nodes), return_exceptions=True)
        answers: list[VaultNode] = []
        for node, answer in zip(self._addresses, asked, strict=True):
            if isinstance(answer, SourceProblem):
                answers.append(VaultNode(node.name, node.url, problem=clean(answer)))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                answers.append(answer)
        if all(answer.problem for answer in answers):
            raise Unreachable(
                answers[0].problem
                if len(answers) == 1
                else f"none of the {len(answers)} nodes answers; {answers[0].problem}"
            )
        return tuple(answers)

    async def _ask(self, node: Address) -> VaultNode:
        assert self._client is not None  # ``read`` has made it.
        paths = ("health", "seal-status", "leader")
        asking = self._client
        health, seal, leader = await asyncio.gather(
            *(http.get(asking, f"{node.url}/v1/sys/{path}", node.name) for path in paths)
        )
        return decoded(node, health, seal, leader)

    async def _with_raft(self, snapshot: VaultSnapshot, active: VaultNode) -> VaultSnapshot:
        try:
            state, expires, grants = await self._thread.call(lambda: self._ask_raft(active.address), 3.0)
            raft = None if state is None else raft_health(state)
        except SourceProblem as problem:
            return replace(snapshot, raft_problem=clean(problem))
        return replace(snapshot, raft=raft, token_expires_at=expires, missing_grants=grants)

    def _ask_raft(self, url: str) -> tuple[Mapping[str, Any] | None, float | None, tuple[str, ...]]:
        """Autopilot's state, when our token ends, what it may not; runs in the private thread."""
        import hvac
        import hvac.exceptions
        import requests

        session = requests.Session()
        session.trust_env = False
        try:
            token = self._token() if self._token else ""
            if not token:
                return None, None, ()  # Nobody gave us one: the seal panel needs none.
            asking = hvac.Client(
                url=url, token=token, timeout=2.5, verify=self._ca_file or True, allow_redirects=False, session=session
            )
            mine = asking.auth.token.lookup_self()["data"]
            expires = moment(mine.get("expire_time"))
            try:
                answer = asking.read(AUTOPILOT)
            except hvac.exceptions.Forbidden:
                return None, expires, (f'path "{AUTOPILOT}" {{ capabilities = ["read"] }}',)
            return (answer or {}).get("data"), expires, ()
        except hvac.exceptions.Forbidden:
            raise Unreachable("the Vault token is not valid any more: log in again") from None
        except (
            hvac.exceptions.VaultError,
            requests.RequestException,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            raise Unreachable(f"raft's health cannot be read: {clean(error, 160) or type(error).__name__}") from None
        except AlphaPulseError as error:
            raise Unreachable(error.sentence) from None
        finally:
            session.close()


class _Seal(msgspec.Struct):
    """``sys/seal-status``, the fields that we show."""

    sealed: bool
    initialized: bool = False
    type: str = ""
    recovery_seal: bool = False
    t: int = 0
    n: int = 0
    progress: int = 0
    nonce: str = ""
    version: str = ""


class _Leader(msgspec.Struct):
    """``sys/leader``; a sealed node answers an error instead."""

    is_self: bool = False
    leader_address: str = ""


def decoded(node: Address, health: http.Answer, seal: http.Answer, leader: http.Answer) -> VaultNode:
    """The model's node of three answers; :class:`Unreachable` when whatever listens there is no Vault."""
    try:
        sealing = msgspec.json.decode(seal.body, type=_Seal)
        leading = msgspec.json.decode(leader.body, type=_Leader) if leader.code == httpx.codes.OK else _Leader()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Unreachable(f"{node.name} answers with code {seal.code}, but not as Vault does") from None
    return VaultNode(
        name=node.name,
        address=node.url,
        health_code=health.code,
        initialized=sealing.initialized,
        sealed=sealing.sealed,
        seal_type=clean(sealing.type),
        recovery_seal=sealing.recovery_seal,
        threshold=sealing.t,
        shares=sealing.n,
        progress=sealing.progress,
        nonce=clean(sealing.nonce),
        version=clean(sealing.version),
        is_leader=leading.is_self,
        leader_address=clean(leading.leader_address),
    )


def raft_health(state: Mapping[str, Any]) -> RaftHealth:
    """Autopilot's answer as the model has it; :class:`Unreachable` when it is shaped otherwise.

    Its ``last_contact`` is left alone: it counts heartbeats of 5 s, seconds on a healthy cluster. What the runbook's review judges is the
    metric ``vault_raft_leader_lastContact``, which ``sources.platform`` reads.
    """
    try:
        servers: Mapping[str, Mapping[str, Any]] = state.get("servers") or {}
        return RaftHealth(
            healthy=bool(state["healthy"]),
            failure_tolerance=int(state["failure_tolerance"]),
            leader=clean(state.get("leader", "")),
            voters=len(state.get("voters") or ()),
            unhealthy=tuple(sorted(clean(name) for name, server in servers.items() if not server.get("healthy"))),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unreachable("raft's autopilot answers in an unknown form") from None


def moment(text: object) -> float | None:
    """RFC 3339 with nanoseconds, in unix seconds; none for a token that never ends."""
    if not isinstance(text, str):
        return None
    head, dot, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if dot else ""
    try:
        return datetime.fromisoformat((head + zone).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None

"""One Vault or OpenBao node's seal, read and reset: what ``actions.vault`` says to a node.

No token is needed for any of it, and no key share passes here: shares go from the helper straight to the node (``executor.share_prompt``).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import httpx
import msgspec

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer, TargetUnreachable
from alphapulse_tui.config.discover import vault as discover
from alphapulse_tui.config.settings import Profile, VaultTarget
from alphapulse_tui.model.vault import VaultNode
from alphapulse_tui.sources import http
from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.text import clean

PHASE_SECONDS = 3.0
TOTAL_SECONDS = 4.0
"""For one node's answer in all; a server that drips defeats the phases."""


class SealStatus(msgspec.Struct):
    """``sys/seal-status``, the fields that decide whether and how a node can be opened."""

    sealed: bool
    initialized: bool = False
    type: str = ""
    recovery_seal: bool = False
    t: int = 0
    n: int = 0
    progress: int = 0
    nonce: str = ""
    version: str = ""
    migration: bool = False


class SealClient:
    """Asks nodes for their seal. An async context manager: connections live for one round of questions.

    Raises:
        ActionProblem: the CA file cannot be used, or the profile has no Vault.
    """

    def __init__(self, profile: Profile) -> None:
        self._ca_file = ca_file(profile)

    async def __aenter__(self) -> Self:
        try:
            self._http = await http.client(PHASE_SECONDS, self._ca_file)
        except Unreachable as problem:
            raise ActionProblem(clean(problem)) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def read(self, name: str, address: str) -> VaultNode:
        """The node as it says it is; one that does not answer has its ``problem`` set."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await http.get(self._http, f"{address}/v1/sys/seal-status", name)
            status = msgspec.json.decode(answer.body, type=SealStatus)
        except TimeoutError:
            return VaultNode(name, address, problem=f"{name} gave no answer within {TOTAL_SECONDS:g} s")
        except Unreachable as problem:
            return VaultNode(name, address, problem=clean(problem))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return VaultNode(name, address, problem=f"{name} answers, but not as Vault does: check its address")
        return VaultNode(
            name=name,
            address=address,
            initialized=status.initialized,
            sealed=status.sealed,
            seal_type=clean(status.type, 64),
            recovery_seal=status.recovery_seal,
            threshold=status.t,
            shares=status.n,
            progress=status.progress,
            nonce=clean(status.nonce, 64),
            version=clean(status.version, 64),
        )

    async def read_all(self, nodes: list[tuple[str, str]]) -> tuple[VaultNode, ...]:
        """All nodes at the same moment, so that a hung one delays nobody."""
        return tuple(await asyncio.gather(*(self.read(name, address) for name, address in nodes)))

    async def reset(self, name: str, address: str) -> None:
        """Throw away the shares of the node's round.

        Raises:
            ActionProblem: it refused, or was not reached: nothing was changed.
            SentWithoutAnswer: no answer came.
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await self._http.put(f"{address}/v1/sys/unseal", json={"reset": True})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise TargetUnreachable(f"{name} cannot be reached: {clean(error, 160) or type(error).__name__}") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise SentWithoutAnswer(f"{name} gave no answer ({clean(error, 160) or type(error).__name__})") from None
        if answer.status_code != httpx.codes.OK:
            raise ActionProblem(f"{name} refuses with code {answer.status_code}: {clean(answer.text, 300)}")


def ca_file(profile: Profile) -> str:
    """The PEM bundle for the nodes' certificates: the profile's, else ``VAULT_CACERT``; empty means the system's."""
    return target(profile).ca_file or discover.variable("CACERT")[0]


def target(profile: Profile) -> VaultTarget:
    """The profile's Vault.

    Raises:
        ActionProblem: there is none.
    """
    if profile.vault is None:
        raise ActionProblem(f'profile "{profile.name}" has no Vault: set [profiles.{profile.name}.vault] nodes')
    return profile.vault


def addresses(profile: Profile) -> list[tuple[str, str]]:
    """Name and address of every node."""
    return [(node.name, node.address.rstrip("/")) for node in target(profile).nodes]

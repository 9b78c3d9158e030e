"""What the actions on a raft cluster share: the survey behind a plan, who leads now, and one guarded write to the leader.

A write goes to one node and may not be forwarded: without that header a standby passes it on, and a step-down that was meant for the old
leader would hit the new one (seen on OpenBao 2.7.2). A node that does not lead any more answers 307, and nothing was done. Used by
``actions.vault_raft`` and ``actions.vault_restart``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from alphapulse_tui.actions.contract import Action, ActionProblem, SentWithoutAnswer, TargetUnreachable
from alphapulse_tui.actions.vault_node import PHASE_SECONDS, TOTAL_SECONDS, addresses, ca_file, target
from alphapulse_tui.config.discover import vault as discover
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.model.vault_raft import VaultSurvey
from alphapulse_tui.sources import http
from alphapulse_tui.sources.contract import SourceProblem, Unreachable
from alphapulse_tui.sources.vault import Address
from alphapulse_tui.sources.vault_raft import CONFIGURATION, NO_FORWARDING, VaultRaftSource, servers_of
from alphapulse_tui.text import clean

WRITE_SECONDS = 8.0
"""For one write in all: below a plan's deadline of 10 s, so that our own sentence comes before the executor's."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one node stands: ``sys/health`` and ``sys/leader``."""

    name: str
    address: str
    code: int = 0
    active_since: str = ""
    """As the node writes it: the identity of a term of office. Empty unless it leads."""
    problem: str = ""

    @property
    def leads(self) -> bool:
        """Whether it is the active node."""
        return self.code == httpx.codes.OK and bool(self.active_since)


class ClusterClient:
    """Asks nodes how they stand and writes to one of them; connections and the token live for one use. An async context manager.

    Raises:
        ActionProblem: no Vault in the profile, no usable token, no usable CA file.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._ca_file = ca_file(profile)

    async def __aenter__(self) -> Self:
        self._token = await asyncio.to_thread(_token, self._profile)
        try:
            self._http = await http.client(PHASE_SECONDS, self._ca_file)
        except Unreachable as problem:
            raise ActionProblem(clean(problem)) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._token = ""
        await self._http.aclose()

    async def standings(self) -> tuple[Standing, ...]:
        """Every node at the same moment; a hung one delays nobody."""
        return tuple(
            await asyncio.gather(*(self.standing(name, address) for name, address in addresses(self._profile)))
        )

    async def standing(self, name: str, address: str) -> Standing:
        """One node."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                health = await http.get(self._http, f"{address}/v1/sys/health", name, headers=NO_FORWARDING)
                if health.code != httpx.codes.OK:
                    return Standing(name, address, health.code)
                leader = await http.get(self._http, f"{address}/v1/sys/leader", name, headers=NO_FORWARDING)
                told = leader.json(name)
        except TimeoutError:
            return Standing(name, address, problem=f"{name} gave no answer within {TOTAL_SECONDS:g} s")
        except Unreachable as problem:
            return Standing(name, address, problem=clean(problem))
        since = told.get("active_time") if isinstance(told, dict) and told.get("is_self") else ""
        return Standing(name, address, health.code, clean(since or "", 64))

    async def servers(self, name: str, address: str) -> list[Mapping[str, Any]]:
        """Raft's configuration as this node has it.

        Raises:
            ActionProblem: it could not be read.
        """
        headers = {**NO_FORWARDING, "X-Vault-Token": self._token}
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await http.get(self._http, f"{address}/v1/{CONFIGURATION}", name, headers=headers)
                if answer.code == httpx.codes.FORBIDDEN:
                    raise ActionProblem(denied(CONFIGURATION, "read"))
                return servers_of(answer, name)
        except TimeoutError:
            raise TargetUnreachable(f"{name} gave no answer within {TOTAL_SECONDS:g} s") from None
        except Unreachable as problem:
            raise TargetUnreachable(clean(problem)) from None

    async def write(
        self, method: str, path: str, place: tuple[str, str], capabilities: tuple[str, ...], body: Any = None
    ) -> None:
        """One write to the node ``place`` (name, address) and to no other.

        Raises:
            ActionProblem: refused, not reached, or it does not lead any more: nothing was changed.
            SentWithoutAnswer: sent, and no answer that says whether it was done.
        """
        name, address = place
        headers = {**NO_FORWARDING, "X-Vault-Token": self._token}
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                answer = await self._http.request(method, f"{address}/v1/{path}", json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise TargetUnreachable(f"{name} cannot be reached: {clean(error, 160) or type(error).__name__}") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise SentWithoutAnswer(f"{name} gave no answer ({clean(error, 160) or type(error).__name__})") from None
        if answer.status_code not in (httpx.codes.OK, httpx.codes.NO_CONTENT):
            raise _refusal(answer, name, path, capabilities)


class ClusterAction(Action):
    """An action on the raft cluster: plans from a survey."""

    target = "vault"

    async def survey(self) -> VaultSurvey:
        """The cluster as the survey has it, one sample a node: a plan wants to know who stands how, not how fast.

        Raises:
            ActionProblem: no node answers, or the profile has no Vault.
        """
        configured = target(self.profile)
        try:
            credential = await asyncio.to_thread(discover.token, configured)
        except AlphaPulseError as error:
            raise ActionProblem(error.sentence) from None
        source = VaultRaftSource(
            [Address(name, address) for name, address in addresses(self.profile)],
            (lambda: credential.load().reveal()) if credential else None,
            ca_file(self.profile),
            samples=1,
        )
        try:
            return await source.read()
        except Unreachable as problem:
            raise TargetUnreachable(clean(problem)) from None
        except SourceProblem as problem:
            raise ActionProblem(clean(problem)) from None
        finally:
            await source.close()

    def environment(self) -> str:
        """What the plan says it is in."""
        return self.profile.environment or self.profile.name


def no_leader(survey: VaultSurvey) -> str:
    """Why nothing can be changed while nobody leads; empty when somebody does."""
    if survey.leader is not None:
        return ""
    open_nodes, needed = len(survey.serving), survey.quorum
    if survey.quorum_lost:
        return (
            f"no node leads: {open_nodes} of {len(survey.nodes)} nodes are open and raft needs {needed}; "
            "bring back or unseal the others first, until then raft can change nothing"
        )
    return "no node leads at the moment: an election may be under way; look again in some seconds"


def denied(path: str, *capabilities: str) -> str:
    """The grant that our token lacks, as a policy writes it."""
    wanted = ", ".join(f'"{one}"' for one in capabilities)
    return f'our Vault token may not do that: it needs path "{path}" {{ capabilities = [{wanted}] }}'


def _token(profile: Profile) -> str:
    """The token's text, fetched for this use and kept nowhere else."""
    try:
        credential = discover.token(target(profile))
        token = credential.load().reveal() if credential else ""
    except AlphaPulseError as error:
        raise ActionProblem(error.sentence) from None
    if not token:
        raise ActionProblem("no Vault token was found: log in (bao login), or set VAULT_TOKEN or token_file")
    return token


def _refusal(answer: httpx.Response, name: str, path: str, capabilities: tuple[str, ...]) -> Exception:
    """What an answer that is no success proves."""
    code, said = answer.status_code, _errors(answer)
    if code == httpx.codes.TEMPORARY_REDIRECT:
        return ActionProblem(f"{name} does not lead any more: nothing was done, plan again")
    if code == httpx.codes.FORBIDDEN:
        return ActionProblem(denied(path, *capabilities))
    if code == httpx.codes.TOO_MANY_REQUESTS:
        return ActionProblem(f"{name} limits the rate of requests: nothing was done, try again in a minute")
    if code == httpx.codes.SERVICE_UNAVAILABLE:
        return ActionProblem(f"{name} is sealed: nothing was done")
    if code < 500:
        return ActionProblem(f"{name} refuses with code {code}: {said}")
    if "active" in said and "not found" in said:
        return ActionProblem(f"{name} does not lead and knows nobody who does: nothing was done")
    return SentWithoutAnswer(f"{name} answers with code {code}: {said}")


def _errors(answer: httpx.Response) -> str:
    try:
        told = msgspec.json.decode(answer.content)
        return clean("; ".join(str(one) for one in told["errors"]), 300) or "without a word"
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError, UnicodeDecodeError):
        return clean(answer.text, 200) or "without a word"

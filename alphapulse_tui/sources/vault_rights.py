"""Which changes our Vault token may make, by ``sys/capabilities-self`` (policy ``default`` allows that). A survey, read when a procedure opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.rights import Right, RightsSurvey, needed_of
from alphapulse_tui.sources import http
from alphapulse_tui.sources.contract import Denied, Source, Unreachable
from alphapulse_tui.sources.private_thread import PrivateThread
from alphapulse_tui.sources.vault import Address
from alphapulse_tui.text import clean

NEEDED = needed_of("vault")
QUESTION = "sys/capabilities-self"


class VaultRightsSource(Source[RightsSurvey]):
    """The first node that can answer answers for all: policies belong to the cluster."""

    target = "vault-rights"
    interval = 300.0
    deadline = 8.0

    def __init__(self, nodes: Sequence[Address], token: Callable[[], str], ca_file: str = "") -> None:
        self._nodes = tuple(nodes)
        self._token = token
        self._ca_file = ca_file
        self._thread = PrivateThread("vault-token")

    async def read(self) -> RightsSurvey:
        """What the token lacks.

        Raises:
            Denied: there is no token, or it may not even ask.
            Unreachable: no node is open to ask.
        """
        try:
            token = await self._thread.call(self._token, 3.0)
        except AlphaPulseError as problem:
            raise Denied(problem.sentence) from None
        if not token:
            raise Denied("no Vault token was found: log in (bao login), or set VAULT_TOKEN or token_file")
        problems = []
        async with await http.client(2.0, self._ca_file) as asking:
            for node in self._nodes:
                try:
                    return lacking(await self._ask(asking, node, token), node.name)
                except Unreachable as problem:
                    problems.append(clean(problem))
        raise Unreachable(f"no node can be asked; {problems[0]}" if problems else "the profile names no node")

    async def _ask(self, asking: httpx.AsyncClient, node: Address, token: str) -> Any:
        body = {"paths": [right.words[0] for right in NEEDED]}
        try:
            async with asyncio.timeout(3.0):
                answer = await asking.post(f"{node.url}/v1/{QUESTION}", json=body, headers={"X-Vault-Token": token})
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unreachable(f"{node.name} gave no answer ({clean(error, 120) or type(error).__name__})") from None
        if answer.status_code == httpx.codes.FORBIDDEN:
            raise Denied(
                f'our Vault token may not ask: it is not valid, or needs path "{QUESTION}" {{ capabilities = ["update"] }}'
            )
        if answer.status_code != httpx.codes.OK or len(answer.content) > http.BODY_LIMIT:
            raise Unreachable(f"{node.name} answers with code {answer.status_code}")
        return http.Answer(answer.status_code, answer.content).json(node.name)

    def judge(self, snapshot: RightsSurvey) -> tuple[Finding, ...]:  # noqa: ARG002 - a survey is looked at, it does not page
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.close()


def lacking(answer: Any, name: str) -> RightsSurvey:
    """The capabilities that an answer does not name; :class:`Unreachable` when it has another form."""
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(data, Mapping):
        raise Unreachable(f"{name} tells capabilities in an unknown form")
    missing: list[tuple[Right, str]] = []
    unknown: list[tuple[Right, str]] = []
    for right in NEEDED:
        path, *wanted = right.words
        has = data.get(path)
        if not isinstance(has, list):
            unknown.append((right, f"{name} says nothing of {path}"))
        elif "root" not in has and not set(wanted) <= {str(one) for one in has}:
            quoted = ", ".join(f'"{one}"' for one in wanted)
            missing.append((right, f'path "{path}" {{ capabilities = [{quoted}] }}'))
    return RightsSurvey(tuple(missing), tuple(unknown))

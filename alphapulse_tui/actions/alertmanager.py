"""What the actions on silences say to Alertmanager, and what its answers prove. Used by ``actions.silences``."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer, TargetUnreachable
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.sources import http
from alphapulse_tui.sources.alertmanager import ALERTS, SILENCE, SILENCES, ManagedAlert, ManagedSilence
from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.text import clean

PHASE_SECONDS = 3.0
TOTAL_SECONDS = 5.0
"""For one answer in all; a server that drips defeats the phases. Alertmanager itself has no time-out (facts 0.6)."""

T = TypeVar("T")


class _Made(msgspec.Struct, rename={"id": "silenceID"}):
    """The answer to a new silence."""

    id: str


class AlertmanagerClient:
    """An async context manager: its connection lives for one round of questions.

    Raises:
        ActionProblem: the profile has no Alertmanager.
    """

    def __init__(self, profile: Profile) -> None:
        if profile.alertmanager is None:
            raise ActionProblem(
                f'profile "{profile.name}" has no Alertmanager: set [profiles.{profile.name}.alertmanager] url'
            )
        self.url = profile.alertmanager.url.rstrip("/")

    async def __aenter__(self) -> Self:
        self._http = await http.client(PHASE_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def alerts(self) -> list[ManagedAlert]:
        """Every alert, also those that are silenced or inhibited.

        Raises:
            ActionProblem: it cannot be asked.
        """
        return await self._read(ALERTS, list[ManagedAlert])

    async def silences(self) -> list[ManagedSilence]:
        """Every silence that it still keeps, also those that are over.

        Raises:
            ActionProblem: it cannot be asked.
        """
        return await self._read(SILENCES, list[ManagedSilence])

    async def create(self, body: dict[str, Any]) -> str:
        """A new silence; its id.

        Raises:
            ActionProblem: refused, or not reached: there is no such silence.
            SentWithoutAnswer: sent, and no answer that says whether there is one.
        """
        answer = await self._write("POST", SILENCES, body)
        try:
            return clean(msgspec.json.decode(answer.content, type=_Made).id, 64)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise SentWithoutAnswer("Alertmanager answers, but names no silence") from None

    async def expire(self, silence: str) -> None:
        """End a silence; :class:`ActionProblem` and :class:`SentWithoutAnswer` as above."""
        await self._write("DELETE", SILENCE + silence)

    async def _read(self, path: str, kind: type[T]) -> T:
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await http.get(self._http, self.url + path, "Alertmanager")
            if answer.code != httpx.codes.OK:
                raise ActionProblem(f"Alertmanager answers with code {answer.code}: {clean(answer.body[:300])}")
            return msgspec.json.decode(answer.body, type=kind)
        except TimeoutError:
            raise TargetUnreachable(f"Alertmanager gave no answer within {TOTAL_SECONDS:g} s") from None
        except Unreachable as problem:
            raise TargetUnreachable(clean(problem)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ActionProblem("Alertmanager answers, but not in the form of its API v2") from None

    async def _write(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await self._http.request(method, self.url + path, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise TargetUnreachable(
                f"Alertmanager cannot be reached: {clean(error, 160) or type(error).__name__}"
            ) from None
        except (httpx.HTTPError, TimeoutError) as error:
            said = clean(error, 160) or type(error).__name__
            raise SentWithoutAnswer(f"Alertmanager gave no answer ({said})") from None
        if answer.status_code >= 500:
            raise SentWithoutAnswer(f"Alertmanager answers with code {answer.status_code}: {clean(answer.text, 300)}")
        if answer.status_code != httpx.codes.OK:
            raise ActionProblem(f"Alertmanager refuses with code {answer.status_code}: {clean(answer.text, 300)}")
        return answer

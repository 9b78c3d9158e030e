"""The settings of every server that matter on call, and what waits for a restart. A survey."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.postgres_surveys import Setting, SettingSurvey
from alphapulse_tui.sources.contract import Source, SourceProblem
from alphapulse_tui.sources.postgres_link import PostgresLink, Server
from alphapulse_tui.sources.sql import query
from alphapulse_tui.text import clean


class SettingSource(Source[SettingSurvey]):
    """The primary's and the replicas' settings, asked at the same time."""

    target = "postgres-settings"
    interval = 5.0
    deadline = 5.0
    patience = 4.0

    def __init__(self, primary: Server, replicas: Sequence[Server] = ()) -> None:
        self._links = [PostgresLink(server) for server in (primary, *replicas)]

    async def read(self) -> SettingSurvey:
        """What every server that answers has; one that does not is told as a problem. Raises when none answers."""
        answers = await asyncio.gather(*(self._ask(link) for link in self._links), return_exceptions=True)
        settings: list[Setting] = []
        problems: list[str] = []
        for link, answer in zip(self._links, answers, strict=True):
            if isinstance(answer, SourceProblem | TimeoutError):
                problems.append(clean(answer) or f"{link.name} gave no answer within {self.patience:g} s")
            elif isinstance(answer, BaseException):
                raise answer
            else:
                settings += answer
        if not settings and isinstance(answers[0], SourceProblem):
            raise answers[0]
        return SettingSurvey(tuple(settings), tuple(problems), {link.name: link.version for link in self._links})

    async def _ask(self, link: PostgresLink) -> list[Setting]:
        async def rows(connection: asyncpg.Connection) -> list[Setting]:
            return [
                Setting(
                    clean(link.name),
                    row["name"],
                    clean(row["value"]),
                    row["context"],
                    row["pending_restart"],
                    clean(row["source"]),
                )
                for row in await connection.fetch(query("settings"))
            ]

        async with asyncio.timeout(self.patience):
            return await link.ask(rows)

    def judge(self, snapshot: SettingSurvey) -> tuple[Finding, ...]:  # noqa: ARG002
        """Nothing of its own."""
        return ()

    async def close(self) -> None:
        """Drop the connections."""
        for link in self._links:
            await link.drop()

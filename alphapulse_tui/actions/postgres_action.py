"""What the actions on PostgreSQL share: connections by server, the plan's fixed fields, and what a failed statement means.

``_Terminate`` (``actions.postgres``) is older and has its own; everything else derives from here.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

import asyncpg

from alphapulse_tui.actions.contract import Action, ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.postgres_connection import BROKEN, CUT, Connection, told
from alphapulse_tui.actions.postgres_grants import with_grant
from alphapulse_tui.actions.postgres_victims import pid_of
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Victim
from alphapulse_tui.text import clean

SETTLE_SECONDS = 0.2
SETTLE_READS = 5
"""How often the victims are read after an error half way: a signalled backend is gone, or through with its query, within milliseconds."""


class PostgresAction(Action):
    """An action on one server of PostgreSQL: the primary, or the replica of a name."""

    target = "postgres"
    no_undo: ClassVar[str] = ""
    """``none: ...`` where nothing takes it back."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._connections: dict[str, Connection] = {}

    def on(self, replica: str = "") -> Connection:
        """The connection to the primary, or to the replica of that name."""
        if replica not in self._connections:
            self._connections[replica] = Connection(self.profile, replica)
        return self._connections[replica]

    async def close(self) -> None:
        """Cut the connections."""
        for connection in self._connections.values():
            connection.drop()

    def made(
        self,
        params: Mapping[str, str],
        *,
        object: str,  # noqa: A002 - the plan's own word
        sentence: str,
        call: str,
        shell: str,
        checks: Sequence[Check],
        victims: Sequence[Victim] = (),
        preconditions: Mapping[str, str] | None = None,
        warnings: Sequence[str] = (),
        undo: str = "",
        undo_action: str = "",
        undo_params: Mapping[str, str] | None = None,
        refusal: str = "",
        title: str = "",
        confirm_word: str = "",
        risk: Risk | None = None,
        deadline: float = 10.0,
        verify_seconds: float = 30.0,
    ) -> Plan:
        """A plan with what every plan of this class has."""
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=title or self.title,
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=object,
            risk=risk or self.risk,
            sentence=sentence,
            call=call,
            shell=shell,
            params=dict(params),
            victims=tuple(victims),
            preconditions=dict(preconditions or {}),
            checks=tuple(checks),
            warnings=tuple(warning for warning in warnings if warning),
            undo=undo or self.no_undo,
            undo_action=undo_action,
            undo_params=dict(undo_params or {}),
            refusal=refusal,
            confirm_word=confirm_word,
            deadline=deadline,
            verify_seconds=verify_seconds,
            made_at=time.time(),
        )

    async def send(self, connection: Connection, text: str, *arguments: Any) -> list[asyncpg.Record]:
        """A statement that changes something.

        Raises:
            ActionProblem: the server refused it whole.
            SentWithoutAnswer: no answer came.
        """
        try:
            return await self._sent(connection, text, *arguments)
        except asyncpg.PostgresError as error:
            raise ActionProblem(with_grant(told(connection.name, error), error, connection.server().user)) from None

    async def signals(
        self, connection: Connection, plan: Plan, left: Callable[[], Awaitable[set[int]]], text: str, *arguments: Any
    ) -> set[int] | Result:
        """The pids that a statement of signals reached. It has no transaction: what it had signalled before an error stays signalled, so that
        after one the victims are asked, and the result says who is gone; ``left`` reads the pids of those that are still as they were.

        Raises:
            SentWithoutAnswer: no answer came, or the victims cannot be read after an error.
        """
        try:
            rows = await self._sent(connection, text, *arguments)
        except asyncpg.PostgresError as error:
            sentence = with_grant(told(connection.name, error), error, connection.server().user)
        else:
            return {row["pid"] for row in rows if row["signalled"]}
        still: set[int] = set()
        for attempt in range(SETTLE_READS):
            if attempt:
                await asyncio.sleep(SETTLE_SECONDS)
            try:
                still = await left()
            except ActionProblem as problem:
                raise SentWithoutAnswer(f"{sentence}; who was signalled before cannot be read: {problem}") from None
            if not still:
                break
        details = {one.key: "as it was" if pid_of(one) in still else "ended" for one in plan.victims}
        ended = sum(one == "ended" for one in details.values())
        return Result(Outcome.FAILED, f"{sentence}: {ended} of {len(plan.victims)} have ended all the same", details)

    @staticmethod
    async def _sent(connection: Connection, text: str, *arguments: Any) -> list[asyncpg.Record]:
        opened = await connection.open()
        try:
            rows: list[asyncpg.Record] = await opened.fetch(text, *arguments)
        except (*BROKEN, *CUT) as error:
            connection.drop()
            raise SentWithoutAnswer(told(connection.name, error)) from None
        return rows


def seconds(name: str, text: str) -> float:
    """A parameter in seconds.

    Raises:
        ActionProblem: it is no number from 0 up.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 10 * 365 * 86400:
        raise ActionProblem(f'"{name}" must be seconds, a number from 0 up, not "{clean(text, 40)}"')
    return value


def chosen_sessions(params: Mapping[str, str]) -> dict[int, str]:
    """Hand-picked sessions of the parameter ``pids``: pid to backend_start, or to an empty text when any will do.

    Raises:
        ActionProblem: it holds something else.
    """
    wanted: dict[int, str] = {}
    for part in filter(None, (part.strip() for part in params.get("pids", "").split(","))):
        pid, _, start = part.partition("@")
        if not (pid.isascii() and pid.isdigit() and 0 < int(pid) < 2**31):
            raise ActionProblem(f'"pids" holds "{clean(part, 60)}", which is no pid and no pid@backend_start')
        wanted[int(pid)] = start
    return wanted


def listed(pids: Sequence[int]) -> str:
    """``4, 5, 6, 7, 8 and 3 more``."""
    return ", ".join(map(str, pids[:5])) + (f" and {len(pids) - 5} more" if len(pids) > 5 else "")

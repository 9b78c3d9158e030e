"""The cockpit's side of the executor: a socket, and methods that read like the executor's own.

One connection; a task reads it and hands each answer to whoever asked. Where the connection breaks, whoever waits gets
:class:`ExecutorGone`, and the next question connects again, to the same executor if it still lives and to a new one otherwise.
Nothing here stops a run: leaving an iteration, closing the client or dying only ends the watching.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.protocol import (
    LARGEST_LINE,
    PLAN_SECONDS,
    SHARE_SECONDS,
    Answer,
    Begun,
    ExecutorGone,
    ExecutorProblem,
    OpenRun,
    Progress,
    Request,
    Resolution,
    Status,
    TargetSilent,
    decode_answer,
    encode,
)
from alphapulse_tui.executor.spawn import COMMAND, start_executor
from alphapulse_tui.model.plan import Plan, Result, Verification

__all__ = [
    "Begun",
    "ExecutorClient",
    "ExecutorGone",
    "ExecutorProblem",
    "OpenRun",
    "Progress",
    "Resolution",
    "Status",
    "TargetSilent",
]

T = TypeVar("T")

ANSWER_SECONDS = 3 * PLAN_SECONDS
"""Above everything that the executor allows itself for one answer: longer silence means that it hangs."""

ONLY_READS = frozenset({"status", "plan", "unresolved", "probe"})
"""Asked again by itself when the connection breaks; everything else is for a person to decide."""


class ConnectionBroke(ExecutorGone):
    """The executor went away while we waited."""


class ExecutorClient:
    """A connection to this cockpit's executor. Made by :meth:`start`."""

    def __init__(
        self, profile: Profile, config: str, read_only: bool, command: Sequence[str], idle: float | None
    ) -> None:
        self.profile = profile
        self._config, self._read_only, self._command, self._idle = config, read_only, command, idle
        self.socket: Path | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Answer | None]] = {}
        self._armed_until: float | None = None
        self._closed = False

    @classmethod
    async def start(
        cls,
        profile: Profile,
        config: str = "",
        *,
        read_only: bool = False,
        command: Sequence[str] = COMMAND,
        idle: float | None = None,
    ) -> Self:
        """Start an executor for ``profile`` (of the file ``config``; empty: the user's own) and connect. Never blocks the loop.

        Raises:
            ExecutorGone: it did not start, and why.
        """
        client = cls(profile, config, read_only, command, idle)
        status = await client.status()
        if status.environment != (profile.environment or profile.name) or status.production != profile.production:
            await client.close()
            raise ExecutorGone("the profile file has changed since it was read: start again")
        return client

    async def plan(self, action_id: str, params: Mapping[str, str]) -> Plan:
        """What the action would do now; raises :class:`ExecutorProblem`."""
        return await self._one(Plan, what="plan", action=action_id, params=dict(params))

    async def execute(
        self, plan: Plan, *, confirmation: str, reason: str = "", incident: str = "", override: str = ""
    ) -> AsyncIterator[Progress]:
        """Run a plan of :meth:`plan` and tell every step; ``confirmation`` is :func:`~.confirm.required_confirmation`.

        Raises:
            ExecutorProblem: refused.
            ExecutorGone: the connection broke; what was sent goes on, and :meth:`unresolved` or the journal tells.
        """
        async for progress in self._stream(
            _patience(plan), what="execute", **_confirmed(plan, confirmation, reason, incident, override)
        ):
            yield progress

    async def begin(
        self, plan: Plan, *, confirmation: str, reason: str = "", incident: str = "", override: str = ""
    ) -> Begun:
        """For the key-share prompt: intent and preconditions now, sending by the helper, :meth:`finish` within ``seconds``."""
        confirmed = _confirmed(plan, confirmation, reason, incident, override)
        return await self._one(Begun, what="begin", **confirmed)

    async def finish(self, begun: Begun, result: Result) -> AsyncIterator[Progress]:
        """What the helper says became of it; then the executor reads the target until it is proven."""
        async for progress in self._stream(_patience(begun.plan), what="finish", run=begun.run, result=result):
            yield progress

    async def arm(self, environment: str) -> float:
        """Allow changes in production for 60 minutes; returns when that ends, in Unix seconds."""
        self._armed_until = await self._one(float, what="arm", environment=environment)
        return self._armed_until

    async def disarm(self, why: str = "by hand") -> None:
        """Refuse changes in production from now on."""
        self._armed_until = None
        await self._one(object, what="disarm", reason=why)

    def armed_seconds(self, now: float) -> float | None:
        """Seconds left of being armed, or none; ``now`` in Unix seconds. For the top line: asks nobody."""
        left = (self._armed_until or 0.0) - now
        return left if self._armed_until is not None and left > 0 else None

    async def status(self) -> Status:
        """How the executor stands."""
        status = await self._one(Status, what="status")
        self._armed_until = status.armed_until
        return status

    async def unresolved(self) -> list[OpenRun]:
        """Runs whose end is not known, oldest first; those ``under_way`` are somebody's right now."""
        return await self._one(list[OpenRun], what="unresolved")

    async def probe(self, run: str) -> Verification:
        """What the target says now about a run; nothing is written."""
        return await self._one(Verification, what="probe", run=run)

    async def resolve(self, run: str, how: Resolution, evidence: str = "", incident: str = "") -> Verification:
        """Settle a run; with ``VERIFY``, a verdict that says neither yes nor no leaves it open."""
        return await self._one(Verification, what="resolve", run=run, how=how, evidence=evidence, incident=incident)

    async def close(self) -> None:
        """Hang up. The executor finishes what it holds and leaves by itself."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _one(self, kind: type[T], **fields: Any) -> T:
        """The one answer to a request."""
        # One that is dying may take one more connection; then another takes its place.
        for again in (True, True, False):
            try:
                found = await self._values(fields)
                break
            except ConnectionBroke:
                if not again or fields["what"] not in ONLY_READS:
                    raise
        try:
            return msgspec.convert(found[0] if found else None, kind)
        except msgspec.ValidationError as error:
            raise ExecutorGone(f"the executor is of another version: leave and start again ({error})") from None

    async def _values(self, fields: Mapping[str, Any]) -> list[Any]:
        return [answer.value async for answer in self._ask(ANSWER_SECONDS, fields) if not answer.last]

    async def _stream(self, patience: float, **fields: Any) -> AsyncIterator[Progress]:
        async for answer in self._ask(patience, fields):
            if not answer.last:
                yield msgspec.convert(answer.value, Progress)

    async def _ask(self, patience: float, fields: Mapping[str, Any]) -> AsyncIterator[Answer]:
        """Every answer to a request; ``patience`` in seconds between two of them."""
        await self._connect()
        number = next(self._numbers)
        answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._waiting[number] = answers
        try:
            assert self._writer is not None
            self._writer.write(encode(Request(number, **fields)))
            await self._writer.drain()
            last = False
            while not last:
                async with asyncio.timeout(patience):
                    answer = await answers.get()
                if answer is None:
                    raise ConnectionBroke(
                        "the connection to the executor broke; what it had begun is in the journal: look into the unresolved actions",
                        asked=True,
                    )
                if answer.problem:
                    raise (TargetSilent if answer.silent else ExecutorProblem)(answer.problem)
                last = answer.last
                yield answer
        except TimeoutError:
            said = f"the executor has said nothing for {patience:g} s; what it had begun is in the journal"
            raise ExecutorGone(said, asked=True) from None
        except ConnectionError:
            self._drop()
            raise ConnectionBroke("the connection to the executor broke before it was asked; try again") from None
        finally:
            self._waiting.pop(number, None)

    def _drop(self) -> None:
        """Let go of a connection that is dead: its reader may not have noticed yet, and the next question would be written into it."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    async def _connect(self) -> None:
        """Be connected: as we are, again to the same executor, or to a new one."""
        async with self._connecting:
            if self._closed:
                raise ExecutorGone("the cockpit is leaving")
            if self._reading is not None and not self._reading.done():
                return
            self._armed_until = None
            if self.socket is not None:
                with contextlib.suppress(OSError):
                    await self._open(self.socket)
                    return
            self.socket = await asyncio.to_thread(
                start_executor,
                self.profile.name,
                self._config,
                read_only=self._read_only,
                command=self._command,
                idle=self._idle,
            )
            try:
                await self._open(self.socket)
            except OSError as error:
                raise ExecutorGone(f"the executor does not answer at its socket: {error.strerror or error}") from None

    async def _open(self, path: Path) -> None:
        reader, self._writer = await asyncio.open_unix_connection(path, limit=LARGEST_LINE)
        self._reading = asyncio.create_task(self._read(reader, self._writer), name="answers of the executor")

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = decode_answer(line)
                waiting = self._waiting.get(answer.number)
                if waiting is not None:
                    waiting.put_nowait(answer)
        except (OSError, ValueError):
            pass  # ValueError: a line that is no message (msgspec's errors are one). The connection is of no use any more.
        finally:
            writer.close()
            for answers in self._waiting.values():
                answers.put_nowait(None)


def _confirmed(plan: Plan, confirmation: str, reason: str, incident: str, override: str) -> dict[str, Any]:
    """The fields by which a plan is run: its id and what the person saw of it, never the plan itself."""
    return {
        "plan": plan.id, "digest": plan.digest(), "confirmation": confirmation, "reason": reason, "incident": incident, "override": override,
    }  # fmt: skip


def _patience(plan: Plan) -> float:
    """Seconds between two words about a run of ``plan``."""
    return ANSWER_SECONDS + plan.deadline + plan.verify_seconds + (SHARE_SECONDS if plan.needs_share else 0.0)

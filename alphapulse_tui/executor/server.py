"""The executor's process: a session of its own, a private socket, alive for as long as somebody needs it.

Started by :mod:`alphapulse_tui.executor.client` beside the cockpit (``python -m alphapulse_tui.executor``). It forks away at once, so that it
is nobody's child: no hang-up, no job control and no death of the screen reaches it. It leaves when no client has been there for a while
and no run is in flight. SIGTERM lets it finish what it holds first.

Whoever connects must have our user id, asked of the kernel; the socket (0600 in a folder 0700) already says so, and this is the second wall.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from os import getuid
from pathlib import Path
from typing import Any

import msgspec

from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.protocol import (
    LARGEST_LINE,
    Answer,
    ExecutorProblem,
    Request,
    TargetSilent,
    decode_request,
    encode,
)
from alphapulse_tui.text import clean

IDLE_SECONDS = 30.0
"""How long it stays without a client and without a run: long enough for a screen that lost its link to come back."""

FIRST_CLIENT_SECONDS = 20.0
"""How long it waits for the cockpit that has just started it."""


class Server:
    """Serves one :class:`Executor` at one socket. ``idle_seconds`` without anybody, and it leaves."""

    def __init__(self, executor: Executor, path: Path, idle_seconds: float = IDLE_SECONDS) -> None:
        self.executor = executor
        self.path = path
        self._idle_seconds = idle_seconds
        self._clients: set[asyncio.Task[None]] = set()
        self._came = asyncio.Event()
        self._leave = asyncio.Event()

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Listen, call ``ready``, serve until idle or told to leave; then finish what is in flight."""
        remove_dead_sockets(self.path.parent)
        unborn = self.path.with_suffix(".new")  # Between bind and listen it would look dead to another executor.
        listening = await asyncio.start_unix_server(self._client, unborn, limit=LARGEST_LINE)
        unborn.chmod(0o600)
        unborn.rename(self.path)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._leave.set)
        idle = asyncio.create_task(self._leave_when_idle())
        ready()
        try:
            await self._leave.wait()
            self.path.unlink(missing_ok=True)  # First, so that whoever comes now starts another executor.
            listening.close()
            await self.executor.drain()
        finally:
            idle.cancel()
            for task in tuple(self._clients):
                task.cancel()
            await asyncio.gather(idle, *self._clients, return_exceptions=True)
            await self.executor.close()

    def stop(self) -> None:
        """What SIGTERM does."""
        self._leave.set()

    async def _leave_when_idle(self) -> None:
        patience = max(FIRST_CLIENT_SECONDS, self._idle_seconds)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), patience)
                self._came.clear()
                patience = self._idle_seconds
                continue
            if not self._clients and not self.executor.busy:
                self._leave.set()
                return

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One cockpit. Its requests are answered side by side; when it leaves, the runs stay."""
        task = asyncio.current_task()
        assert task is not None
        if _peer_uid(writer.get_extra_info("socket")) not in (None, getuid()):
            writer.close()
            return
        self._clients.add(task)
        self._came.set()
        answering: set[asyncio.Task[None]] = set()
        try:
            while line := await reader.readline():
                work = asyncio.create_task(self._answer(line, writer))
                answering.add(work)
                work.add_done_callback(answering.discard)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # It went away, or sent a line longer than any message: either way there is nobody to tell.
        finally:
            for work in tuple(answering):
                work.cancel()
            writer.close()
            self._clients.discard(task)
            self._came.set()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        number = 0
        try:
            request = decode_request(line)
            number = request.number
            async for value in self._values(request):
                await _send(writer, Answer(number, last=False, value=value))
            await _send(writer, Answer(number))
        except msgspec.DecodeError as error:
            await _send(
                writer, Answer(number, problem=f"the executor does not understand this request: {clean(error)}")
            )
        except ExecutorProblem as problem:
            await _send(writer, Answer(number, problem=problem.sentence, silent=isinstance(problem, TargetSilent)))
        except ConnectionError:
            pass  # The client is gone; what it asked for goes on without it.
        except Exception as error:  # noqa: BLE001 - the executor holds other people's runs and must outlive a mistake in one answer
            await _send(writer, Answer(number, problem=f"the executor failed: {type(error).__name__}: {clean(error)}"))

    async def _values(self, request: Request) -> AsyncIterator[Any]:
        """What a request is answered with, one value at a time."""
        core = self.executor
        confirmed = (
            request.plan, request.digest, request.confirmation, request.reason, request.incident, request.override,
        )  # fmt: skip
        if request.what == "execute":
            async for progress in core.execute(*confirmed):
                yield progress
            return
        if request.what == "finish" and request.result is not None:
            async for progress in core.finish(request.run, request.result):
                yield progress
            return
        single: dict[str, Callable[[], Awaitable[Any]]] = {
            "plan": lambda: core.plan(request.action, request.params),
            "begin": lambda: core.begin(*confirmed),
            "arm": lambda: core.arming.arm(request.environment),
            "disarm": lambda: core.arming.disarm(request.reason),
            "unresolved": core.reconciler.unresolved,
            "probe": lambda: core.reconciler.probe(request.run),
            "resolve": lambda: core.reconciler.resolve(request.run, request.how, request.evidence, request.incident),
        }
        if request.what == "status":
            yield core.status()
        elif request.what in single:
            yield await single[request.what]()
        else:
            raise ExecutorProblem(f"the executor knows no request {clean(request.what, 64)!r}")


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    """One line; a client that is gone gets nothing."""
    with contextlib.suppress(ConnectionError):
        writer.write(encode(answer))
        await writer.drain()


def _peer_uid(connection: socket.socket) -> int | None:
    """The user id at the other end, or none where the kernel does not tell (then the socket's mode is the only wall)."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def remove_dead_sockets(folder: Path) -> None:
    """Remove what executors that were killed have left: sockets of ours at which nobody listens."""
    for path in folder.glob("executor-*.sock"):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            probe.settimeout(0.2)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue  # Busy or being made by somebody else.

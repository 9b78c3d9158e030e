"""A server that hangs once a change is on its way to it: a relay that has the server stopped when it sees the change, and then hands it over."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import yaml

from tests.lab_handle import LabHandle


@dataclass(frozen=True, slots=True)
class Tls:
    """How the relay speaks TLS to both sides: as the server to our client, and as our client to the server."""

    as_server: ssl.SSLContext
    as_client: ssl.SSLContext


class Relay:
    """Hands over both ways; ``hang()`` is called once, before the first request with ``word`` in it is handed over."""

    def __init__(self, port: int, word: bytes, hang: Callable[[], object], tls: Tls | None) -> None:
        self._port, self._word, self._hang, self._tls = port, word, hang, tls
        self._hangs = False
        self._serving: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of our client's. When the client hangs up the server is not told: it still has to take what lies in its socket."""
        far: asyncio.StreamWriter | None = None
        # Of a connection whose client has hung up nobody else holds the task: asyncio knows the far side's reader only weakly.
        serving = asyncio.current_task()
        self._serving.add(serving)
        try:
            far_reader, far = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._tls.as_client if self._tls else None
            )
            await asyncio.gather(
                self._carry(reader, far, self._word), self._carry(far_reader, writer, b""), return_exceptions=True
            )
        except (OSError, asyncio.CancelledError):
            pass  # Nobody listens there, or the test is over.
        finally:
            self._serving.discard(serving)
            for one in (writer, far):
                if one is not None:
                    one.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, sought: bytes) -> None:
        while data := await source.read(65536):
            if sought and sought in data and not self._hangs:
                self._hangs = True
                self._hang()
            sink.write(data)
            await sink.drain()
        if not sought:
            sink.close()


@contextlib.contextmanager
def hanging_at(port: int, word: bytes, hang: Callable[[], object], tls: Tls | None = None) -> Iterator[int]:
    """A relay to ``port``, in a thread of its own: yields its port. ``hang()`` is called when a request with ``word`` in it has come.

    So the change has left, lies in the server's socket, and is taken when the server goes on.
    """
    relay = Relay(port, word, hang, tls)
    started: SimpleQueue[tuple[int, Callable[[], object]]] = SimpleQueue()

    async def run() -> None:
        server = await asyncio.start_server(relay.serve, "127.0.0.1", 0, ssl=tls.as_server if tls else None)
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        started.put((server.sockets[0].getsockname()[1], lambda: loop.call_soon_threadsafe(over.set)))
        await over.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    relayed, end = started.get(timeout=10)
    try:
        yield relayed
    finally:
        end()
        thread.join(10)


def through(lab: LabHandle, port: int, relay: int, folder: Path) -> Path:
    """The lab's profile with another port in the place of ``port``."""
    file = folder / "alphapulse.toml"
    text, count = re.subn(rf"(?<!\d){port}(?!\d)", str(relay), lab.profile.read_text(encoding="utf-8"))
    assert count == 1, f"port {port} stands {count} times in the profile"
    file.write_text(text, encoding="utf-8")
    return file


@contextlib.contextmanager
def hanging_api_server(lab: LabHandle, word: bytes, hang: Callable[[], object], folder: Path) -> Iterator[Path]:
    """The same for the API server of Kubernetes, whose own certificate the relay shows: yields a profile that leads through it."""
    port = lab.ports["kube-apiserver"]
    content = lab.directory.joinpath("kubernetes", "oncall.kubeconfig").read_text(encoding="utf-8")
    with hanging_at(port, word, hang, _kubernetes_tls(lab, yaml.safe_load(content), folder)) as relay:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(content.replace(f":{port}", f":{relay}"), encoding="utf-8")
        kubeconfig.chmod(0o600)
        profile = folder / "alphapulse.toml"
        text, count = re.subn(
            r"^kubeconfig = .*$", f'kubeconfig = "{kubeconfig}"', lab.profile.read_text(encoding="utf-8"), flags=re.M
        )
        assert count == 1, "the profile names one kubeconfig"
        profile.write_text(text, encoding="utf-8")
        yield profile


def _kubernetes_tls(lab: LabHandle, kubeconfig: Any, folder: Path) -> Tls:
    user, cluster = kubeconfig["users"][0]["user"], kubeconfig["clusters"][0]["cluster"]
    certificate, key = folder / "client.crt", folder / "client.key"
    certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
    key.write_bytes(base64.b64decode(user["client-key-data"]))
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    as_client = ssl.create_default_context(cadata=authority)
    as_client.load_cert_chain(certificate, key)
    as_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (shown,) = lab.directory.joinpath("kubernetes").rglob("apiserver.crt")
    as_server.load_cert_chain(shown, shown.with_suffix(".key"))
    return Tls(as_server, as_client)


@contextlib.contextmanager
def goes_on_at_the_end(lab: LabHandle, name: str) -> Iterator[Callable[[int], None]]:
    """Sends signals to the process of that name; whatever happens, it runs afterwards."""
    (pid,) = (process.pid for process in lab.status().processes if process.name == name)

    def send(number: int) -> None:
        os.kill(pid, number)

    try:
        yield send
    finally:
        send(signal.SIGCONT)

"""A server that hangs once a change is on its way to it: a relay that has the server stopped when it sees the change, and then hands it over."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab_handle import LabHandle


@contextlib.contextmanager
def hanging_at(port: int, word: bytes, hang: Callable[[], object]) -> Iterator[int]:
    """A relay to ``port``; ``hang()`` is called once, before the first request with ``word`` in it is handed over.

    So the change has left, lies in the server's socket, and is taken when the server goes on. A client that hangs up is not followed.
    """
    hangs = threading.Lock()
    ends: list[socket.socket] = []

    def carry(source: socket.socket, sink: socket.socket, sought: bytes) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if sought and sought in data and hangs.acquire(blocking=False):
                    hang()
                sink.sendall(data)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                ends.append(near)
                try:
                    far = socket.create_connection(("127.0.0.1", port))
                except OSError:
                    near.close()
                    continue
                ends.append(far)
                for source, sink, sought in ((near, far, word), (far, near, b"")):
                    threading.Thread(target=carry, args=(source, sink, sought), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,), daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            for end in (listener, *ends):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            thread.join(5)


def through(lab: LabHandle, port: int, relay: int, folder: Path) -> Path:
    """The lab's profile with another port in the place of ``port``."""
    file = folder / "alphapulse.toml"
    text, count = re.subn(rf"(?<!\d){port}(?!\d)", str(relay), lab.profile.read_text(encoding="utf-8"))
    assert count == 1, f"port {port} stands {count} times in the profile"
    file.write_text(text, encoding="utf-8")
    return file


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

"""Files that somebody named: a FIFO that nobody writes to, a terminal or a device would be waited for for ever.

Errors are ``OSError`` whose ``strerror`` is for a sentence: ``FILE cannot be read: it is a pipe, not a file``.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path

PATIENCE = 5.0
"""Seconds in which a pipe (``<(...)`` of the shell) must have given all that it holds."""

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_plain(file: Path, limit: int) -> bytes:
    """The content of a plain file, at most ``limit`` bytes and one more, which says that there is more.

    Raises:
        OSError: it cannot be read, or is no plain file.
    """
    # Looked at once it is open: between a look at its name and the opening it may become another one.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        # A socket cannot be opened at all; a folder is refused by the reading.
        kind = _KINDS.get(stat.S_IFMT(os.fstat(descriptor).st_mode))
        if kind is not None:
            raise OSError(errno.EINVAL, f"it is {kind}, not a file")
        content = bytearray()
        while len(content) <= limit and (piece := os.read(descriptor, limit + 1 - len(content))):
            content += piece
    finally:
        os.close(descriptor)
    return bytes(content)


def read_soon(file: Path, limit: int, seconds: float = PATIENCE) -> bytes:
    """As :func:`read_plain`, and also what a pipe or a device gives within ``seconds``. A pipe that nobody writes to is empty.

    Raises:
        OSError: it cannot be read, or goes on for longer.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    content = bytearray()
    ends = time.monotonic() + seconds
    try:
        while len(content) <= limit:
            try:
                piece = os.read(descriptor, limit + 1 - len(content))
            except BlockingIOError:
                ready, _, _ = select.select([descriptor], [], [], max(0.0, ends - time.monotonic()))
                if ready:
                    continue
                raise TimeoutError(
                    errno.ETIMEDOUT, f"it is no plain file, and did not end within {seconds:g} s"
                ) from None
            if not piece:
                break
            content += piece
    finally:
        os.close(descriptor)
    return bytes(content)

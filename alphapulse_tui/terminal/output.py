"""Bytes on their way to a terminal that may stop reading at any time. Used by the driver; knows nothing of Textual.

Textual writes through a blocking thread behind a queue of 30; when the terminal stops reading (a dead link, a paused
tmux) the queue fills and the event loop stands still for as long as that lasts: 9.2 s of 10 s (measured). Here the
descriptor does not block, the event loop writes when there is room, and a frame that finds more than one frame
waiting is dropped: nobody misses the picture of a moment that has passed. When the terminal has caught up the owner is
told to paint everything anew.

The descriptor is our own opening of the terminal. ``O_NONBLOCK`` on the inherited one would also be set for the shell
and for every child, because they share it.
"""

from __future__ import annotations

import asyncio
import os
import select
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

BACKLOG_LIMIT: Final = 64 * 1024
"""Bytes that may wait before frames are dropped: about one full frame of 200x60."""

FAREWELL_DEADLINE: Final = 0.3
"""Seconds that a terminal gets to take the sequences that restore it; leaving has one second in all (design 7)."""

_CANCEL: Final = b"\x18\x1b[0m\x1b[?2026l"
"""After half a frame: CAN ends a sequence that was cut, then no colour, then no synchronised update."""


class Output:
    """One opening of the terminal for writing; make it anew after each suspension."""

    def __init__(
        self,
        inherited: int,
        loop: asyncio.AbstractEventLoop,
        on_caught_up: Callable[[], None],
        on_gone: Callable[[], None],
    ) -> None:
        self.descriptor, self._borrowed = _open(inherited)
        self.bytes_written = 0
        self.frames_sent = 0
        self.frames_dropped = 0
        self._loop = loop
        self._on_caught_up = on_caught_up
        self._on_gone = on_gone
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._offset = 0
        """Bytes of the first in the queue that have been written."""
        self._backlog = 0
        self._behind = False
        self._watching = False
        self._closed = False
        # Reentrant: a signal handler may interrupt the very thread that holds it.
        self._lock = threading.RLock()

    def send_frame(self, data: bytes) -> None:
        """Write ``data`` as soon as there is room, or drop it when the terminal is behind. Event loop only."""
        with self._lock:
            if self._closed:
                return
            if self._behind or self._backlog > BACKLOG_LIMIT:
                self._drop_waiting_frames()
                self.frames_dropped += 1
                self._behind = True
                return
            self.frames_sent += 1
            self._enqueue(data, is_frame=True)
            if not self._watching:
                self._drain()

    def send(self, data: bytes) -> None:
        """Write ``data`` in its turn, never dropped: the terminal's modes. Any thread."""
        with self._lock:
            if not self._closed:
                self._enqueue(data, is_frame=False)
                self._loop.call_soon_threadsafe(self._drain)

    def close(self, farewell: bytes) -> None:
        """Forget what waits, have ``farewell`` written within :data:`FAREWELL_DEADLINE`, and close. Any thread.

        A terminal that takes nothing in that time has its unread output thrown away, so that the farewell is the next
        thing it sees when it reads again.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._unwatch()
            if self._offset:
                farewell = _CANCEL + farewell
            self._queue.clear()
            with suppress(OSError):  # The terminal is gone, and nobody is there to say goodbye to.
                if not self._write_within(farewell, FAREWELL_DEADLINE):
                    termios.tcflush(self.descriptor, termios.TCOFLUSH)
                    self._write_within(_CANCEL + farewell, 0.0)
            if self._borrowed:
                os.set_blocking(self.descriptor, True)
            else:
                os.close(self.descriptor)

    def _enqueue(self, data: bytes, *, is_frame: bool) -> None:
        self._queue.append((data, is_frame))
        self._backlog += len(data)

    def _drop_waiting_frames(self) -> None:
        """Drop frames that have not begun: a full repaint will follow, and the terminal has less to catch up."""
        begun = 1 if self._offset else 0
        kept = [entry for index, entry in enumerate(self._queue) if index < begun or not entry[1]]
        self.frames_dropped += len(self._queue) - len(kept)
        self.frames_sent -= len(self._queue) - len(kept)
        self._queue = deque(kept)
        self._backlog = sum(len(data) for data, _ in kept) - self._offset

    def _drain(self) -> None:
        """Write what the terminal takes now; come back when it takes more."""
        with self._lock:
            if self._closed:
                return
            try:
                while self._queue:
                    data, _ = self._queue[0]
                    written = os.write(self.descriptor, memoryview(data)[self._offset :])
                    self.bytes_written += written
                    self._backlog -= written
                    self._offset += written
                    if self._offset == len(data):
                        self._queue.popleft()
                        self._offset = 0
            except BlockingIOError:
                self._watch()
                return
            except OSError:
                self._queue.clear()
                self._offset = self._backlog = 0
                self._unwatch()
                self._on_gone()
                return
            self._unwatch()
            if self._behind:
                self._behind = False
                self._on_caught_up()

    def _watch(self) -> None:
        if not self._watching:
            self._loop.add_writer(self.descriptor, self._drain)
            self._watching = True

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_writer(self.descriptor)

    def _write_within(self, data: bytes, seconds: float) -> bool:
        """Whether all of ``data`` was taken within ``seconds``; raises ``OSError`` when the terminal is gone."""
        deadline = time.monotonic() + seconds
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self.descriptor, rest) :]
            except BlockingIOError:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not select.select([], [self.descriptor], [], remaining)[1]:
                    return False
        return True


def _open(inherited: int) -> tuple[int, bool]:
    """A descriptor that does not block, for the terminal behind ``inherited``, and whether it is only borrowed.

    By its name first; by ``/dev/tty`` where the name may not be opened (after ``su``) or is another one (a container).
    Where neither works the inherited descriptor is made non-blocking until :meth:`Output.close`.
    """
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with suppress(OSError):
        descriptor = os.open(os.ttyname(inherited), flags)
        if os.fstat(descriptor).st_rdev == os.fstat(inherited).st_rdev:
            return descriptor, False
        os.close(descriptor)
    with suppress(OSError):
        os.tcgetpgrp(inherited)  # Raises unless it is our controlling terminal, which is what /dev/tty means.
        return os.open("/dev/tty", flags), False
    os.set_blocking(inherited, False)
    return inherited, True

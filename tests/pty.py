"""A program in a real terminal: what a person would see, type and suffer. For end-to-end tests and benchmarks.

::

    with Terminal([sys.executable, "-m", "alphapulse_tui"], columns=120, lines=40) as terminal:
        terminal.wait_for("PostgreSQL")
        terminal.press("f", "enter")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 143
        assert terminal.restored

A thread plays the terminal: it reads what the program writes, keeps the raw bytes and feeds them to an emulator (pyte). It can stop reading,
as a dead link does, and hang up. The program is the leader of a session of its own with this terminal as its controlling one, as under sshd.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal as signals
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

import pyte

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "space": " ",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    **{f"f{number}": f"\x1bO{chr(ord('P') + number - 1)}" for number in range(1, 5)},
    **{f"ctrl+{chr(letter)}": chr(letter - 96) for letter in range(ord("a"), ord("z") + 1)},
}
"""Names as Textual writes them; any other key is its own character."""

MODES_LEFT_ON = (b"?1049", b"?1000", b"?1003", b"?1006", b"?1015", b"?1016", b"?2004", b"?1004", b"?2026", b"?2048")
"""Modes that must be off again at the end; the cursor (?25) must be on."""

# pyte prints the end of sequences that it does not know, so they are taken out before.
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][0-9;]*[A-Za-z]|\x1b\[\?[0-9;]*\$p|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_UNFINISHED = re.compile(rb"\x1b(?:\[[<-?0-9;:$]*|\][^\x07\x1b]*\x1b?)?\Z")

_BECOME_FOREGROUND = (
    "import fcntl,os,sys,termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A terminal of ``columns`` x ``lines`` with ``argv`` running in it.

    ``env`` is added to a small clean environment (``TERM=xterm-256color``, UTF-8); a value of ``None`` removes a variable.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        lines: int = 40,
        env: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        self.raw = bytearray()
        """Every byte that the program has written."""
        self._changed = threading.Condition()
        self._emulator = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._emulator)
        self._unfed = b""
        self._reading = threading.Event()
        self._reading.set()
        self._closing = threading.Event()
        self._master, self._slave = os.openpty()
        self._resize(columns, lines)
        self.attributes_before = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BECOME_FOREGROUND, *argv],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=_environment(env or {}),
            cwd=cwd,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What it shows.

    @property
    def screen(self) -> str:
        """The lines as a person sees them, without trailing blanks."""
        with self._changed:
            return "\n".join(line.rstrip() for line in self._emulator.display)

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and line of the cursor, from 0."""
        with self._changed:
            return self._emulator.cursor.x, self._emulator.cursor.y

    @property
    def restored(self) -> bool:
        """Whether the terminal is as before: line settings as they were, every mode off, cursor visible."""
        return not self.left_behind()

    def left_behind(self) -> list[str]:
        """What is not as before; to be asked before :meth:`hang_up`."""
        raw = bytes(self.raw)
        left = [
            mode.decode()
            for mode in MODES_LEFT_ON
            if raw.rfind(b"\x1b[" + mode + b"h") > raw.rfind(b"\x1b[" + mode + b"l")
        ]
        if raw.rfind(b"\x1b[?25l") > raw.rfind(b"\x1b[?25h"):
            left.append("hidden cursor")
        if len(re.findall(rb"\x1b\[>[0-9]+u", raw)) > len(re.findall(rb"\x1b\[<u", raw)):
            left.append("kitty keys")
        if termios.tcgetattr(self._slave) != self.attributes_before:
            left.append("line settings")
        return left

    def wait_for(self, text: str, timeout: float = 10.0) -> str:
        """The screen as soon as it shows ``text``; fails with the screen after ``timeout`` seconds."""
        return self.wait_until(lambda screen: text in screen, timeout, f"{text!r} on the screen")

    def wait_until(self, predicate: Callable[[str], object], timeout: float, what: str) -> str:
        """The screen as soon as ``predicate(screen)`` holds; fails naming ``what`` after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not predicate(screen := self.screen):
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(
                        f"waited {timeout:g} s in vain for {what}; exit code {self.process.poll()}; the screen:\n{screen}"
                    )
                self._changed.wait(min(left, 0.2))
        return screen

    # What is done to it.

    def send(self, data: str | bytes) -> None:
        """Type ``data`` as it is."""
        rest = data.encode() if isinstance(data, str) else data
        while rest:
            rest = rest[os.write(self._master, rest) :]

    def press(self, *keys: str) -> None:
        """Press keys by name: ``enter``, ``ctrl+q``, ``up``, ``x``."""
        for key in keys:
            self.send(KEYS.get(key, key))

    def resize(self, columns: int, lines: int) -> None:
        """Change the size; the kernel tells the program."""
        with self._changed:
            self._emulator.resize(lines, columns)
        self._resize(columns, lines)

    def stop_reading(self) -> None:
        """From now on nobody takes what the program writes, until :meth:`read_on`."""
        self._reading.clear()

    def read_on(self) -> None:
        """Take what has piled up, and go on."""
        self._reading.set()

    @contextmanager
    def stalled(self, seconds: float) -> Iterator[None]:
        """Read nothing during the body and until ``seconds`` have passed since its start."""
        started = time.monotonic()
        self.stop_reading()
        try:
            yield
            self._closing.wait(max(0.0, started + seconds - time.monotonic()))
        finally:
            self.read_on()

    def hang_up(self) -> None:
        """Close the terminal, as sshd does when the link is lost: SIGHUP and end of input."""
        self._closing.set()
        self._reading.set()
        self._reader.join(5)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def signal(self, number: int) -> None:
        """Send a signal to the program (not to its children)."""
        self.process.send_signal(number)

    # How it ends.

    def wait_exit(self, timeout: float = 10.0) -> int:
        """The exit code (negative: killed by that signal), when everything written has been read."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s; the screen:\n{self.screen}") from None
        if self._reading.is_set():
            self._reader.join(2)
        return code

    def close(self) -> None:
        """Hang up, and kill the program's process group if it does not leave within 5 s."""
        self.hang_up()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signals.SIGKILL)
            self.process.wait(5)
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1

    def _resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self) -> None:
        """The thread that plays the terminal; ends when the program has, and nothing is left to read."""
        while not self._closing.is_set():
            if not self._reading.wait(0.1):
                continue
            ended = self.process.poll() is not None
            ready, _, _ = select.select([self._master], [], [], 0.05)
            if ready:
                self._take(self._frame())
            elif ended:
                break
        with self._changed:
            self._changed.notify_all()

    def _frame(self) -> bytes:
        """What is written in one go: the kernel hands out 4 kB at a time, and half a frame shows one step's title over another's text."""
        data = os.read(self._master, 65536)
        while len(data) < 1 << 20 and self._reading.is_set() and select.select([self._master], [], [], 0.002)[0]:
            data += os.read(self._master, 65536)
        return data

    def _take(self, data: bytes) -> None:
        with self._changed:
            self.raw += data
            data = self._unfed + data
            cut = _UNFINISHED.search(data)
            end = cut.start() if cut else len(data)
            data, self._unfed = data[:end], data[end:]
            self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", data))
            self._changed.notify_all()


def _environment(added: Mapping[str, str | None]) -> dict[str, str]:
    """A small environment that does not depend on who runs the tests."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV") if name in os.environ
    }
    wanted: dict[str, Any] = {**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor", **added}
    return {name: value for name, value in wanted.items() if value is not None}

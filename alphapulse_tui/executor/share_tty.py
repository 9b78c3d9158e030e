"""The terminal of the key-share helper: reads a share unseen into memory that can be overwritten. Standard library only.

Keys are taken one by one, without echo and without the kernel's line editing, so that the share never lies in the terminal's line buffer
and Ctrl-C is a key like any other: as a signal it would reach the cockpit too, which shares our process group. Used by ``share_prompt``.
"""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

LARGEST_SHARE = 512
"""Bytes; a share of 33 bytes takes 66 in hex."""

SHORTEST_BYTES, LONGEST_BYTES = 16, 33
"""Of a decoded share, as the server has it: the barrier's shortest key, and the longest plus one byte of Shamir's."""

_ENTER, _CANCEL, _ERASE, _ERASE_ALL, _ESCAPE = b"\r\n", b"\x03\x04", b"\x7f\x08", b"\x15", 0x1B
_HEX = frozenset(b"0123456789abcdefABCDEF")
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


class Share:
    """A share as it is typed. One buffer of fixed size: growing would leave copies behind."""

    def __init__(self) -> None:
        self._buffer = bytearray(LARGEST_SHARE)
        self.size = 0
        self.overflown = False

    def append(self, byte: int) -> None:
        """Take one more byte."""
        if self.size == LARGEST_SHARE:
            self.overflown = True
            return
        self._buffer[self.size] = byte
        self.size += 1

    def erase(self) -> None:
        """Take the last byte back."""
        if self.size:
            self.size -= 1
            self._buffer[self.size] = 0

    def wipe(self) -> None:
        """Overwrite everything."""
        self._buffer[:] = bytes(LARGEST_SHARE)
        self.size = 0
        self.overflown = False

    def view(self) -> memoryview:
        """The bytes, without a copy."""
        return memoryview(self._buffer)[: self.size]

    def problem(self) -> str:
        """Why this cannot be a share, or empty; says nothing of its content."""
        length = _hex_bytes(self.view()) or _base64_bytes(self.view())
        if self.overflown or not length:
            return "that is neither hex nor base64: nothing was sent"
        if not SHORTEST_BYTES <= length <= LONGEST_BYTES:
            return f"a share has {SHORTEST_BYTES} to {LONGEST_BYTES} bytes, that has {length}: nothing was sent"
        return ""


class Terminal:
    """``/dev/tty`` while the share is asked for; a context manager that gives it back as it was.

    Raises:
        OSError, termios.error: there is no terminal.
    """

    def __init__(self) -> None:
        self._tty = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self._before = termios.tcgetattr(self._tty)

    def __enter__(self) -> Self:
        mode = termios.tcgetattr(self._tty)
        mode[0] |= termios.ICRNL
        mode[1] |= termios.OPOST | termios.ONLCR
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        # TCSAFLUSH also drops what was typed ahead for the screen that was here before.
        termios.tcsetattr(self._tty, termios.TCSAFLUSH, mode)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Give the terminal back; what was typed too much is dropped, or the cockpit would take it for keys."""
        termios.tcsetattr(self._tty, termios.TCSAFLUSH, self._before)

    def say(self, text: str = "") -> None:
        """Write a line. ``text`` must be clean."""
        os.write(self._tty, (text + "\n").encode("utf-8", "replace"))

    def ask(self, prompt: str) -> None:
        """Write a prompt, without a new line."""
        os.write(self._tty, prompt.encode("utf-8", "replace"))

    def read(self, share: Share, deadline: float, idle: Callable[[], bool], every: float) -> str:
        """Fill ``share`` until Enter; how it ended: ``enter``, ``cancel``, ``late``, ``gone`` or ``stop``.

        ``deadline``: ``time.monotonic()`` seconds. ``idle`` is called after every ``every`` seconds without a key; true ends the reading.
        """
        chunk = bytearray(64)
        skip = _Escapes()
        try:
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return "late"
                if not select.select([self._tty], [], [], min(left, every))[0]:
                    if idle():
                        return "stop"
                    continue
                count = os.readv(self._tty, [chunk])
                if not count:
                    return "gone"
                for byte in memoryview(chunk)[:count]:
                    if skip.takes(byte):
                        continue
                    if byte in _ENTER:
                        return "enter"
                    if byte in _CANCEL:
                        return "cancel"
                    if byte in _ERASE_ALL:
                        share.wipe()
                    elif byte in _ERASE:
                        share.erase()
                    elif byte > 0x20:
                        share.append(byte)
        finally:
            chunk[:] = bytes(len(chunk))


class _Escapes:
    """Skips what arrow keys and bracketed paste send: ESC [ ... final byte."""

    def __init__(self) -> None:
        self._stage = 0

    def takes(self, byte: int) -> bool:
        """Whether ``byte`` belongs to an escape sequence."""
        if byte == _ESCAPE:
            self._stage = 1
            return True
        if self._stage == 1:
            self._stage = 2 if byte in b"[O" else 0
            return self._stage == 2
        if self._stage == 2:
            if 0x40 <= byte <= 0x7E:
                self._stage = 0
            return True
        return False


def _hex_bytes(text: memoryview) -> int:
    """Decoded length of hex, 0 when it is none."""
    return len(text) // 2 if len(text) % 2 == 0 and all(byte in _HEX for byte in text) else 0


def _base64_bytes(text: memoryview) -> int:
    """Decoded length of padded standard base64, 0 when it is none."""
    padding = sum(1 for byte in text[-2:] if byte == ord("="))
    body = text[: len(text) - padding]
    good = len(text) > 0 and len(text) % 4 == 0 and all(byte in _BASE64 for byte in body)
    return len(text) // 4 * 3 - padding if good else 0

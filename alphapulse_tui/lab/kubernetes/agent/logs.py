"""What a container said, for ``kubectl logs``: its raw output file, and when each part of it was written.

The process writes straight into its file (no pipe of ours can block it or lose its last words); a poll notes how far the file had grown at
what time, which is all that ``--timestamps`` and ``--since`` need.
"""

from __future__ import annotations

import asyncio
import bisect
import datetime
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

MARK_SECONDS = 0.5
"""How often growth is noted, and so how exact a line's time is."""
_FOLLOW_SECONDS = 0.2
_MARKS = 5_000
_READ_BYTES = 16 * 1024 * 1024
"""Of a longer log only the end is read."""


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """What a reader of a log asks for."""

    tail: int | None = None
    """Only so many lines from the end."""
    since: float | None = None
    """Only lines written at or after this moment, in Unix seconds."""
    timestamps: bool = False
    limit: int | None = None
    """At most so many bytes."""


class ContainerLog:
    """The output of one run of a container."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._marks: deque[tuple[int, float]] = deque(maxlen=_MARKS)
        """(size of the file, Unix seconds at which it was seen), both rising."""
        self.closed = False
        """The process ended: nothing more will come."""

    def size(self) -> int:
        """Bytes written so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def mark(self, now: float) -> None:
        """Note the growth since the last time."""
        size = self.size()
        if size and (not self._marks or size > self._marks[-1][0]):
            self._marks.append((size, now))

    def read(self, question: LogQuestion, now: float) -> tuple[bytes, int]:
        """The asked lines, and the offset at which a follower goes on."""
        self.mark(now)
        end = self.size()
        begin = max(0, end - _READ_BYTES)
        lines = self._lines(begin, end)
        if question.since is not None:
            lines = [(at, line) for at, line in lines if self._written(at) >= question.since]
        if question.tail is not None:
            lines = lines[-question.tail :] if question.tail > 0 else []
        text = b"".join(self._line(at, line, question) for at, line in lines)
        return (text if question.limit is None else text[: question.limit]), end

    async def follow(self, question: LogQuestion, offset: int) -> AsyncGenerator[bytes]:
        """What is written after ``offset``, as it comes, until the process has ended and everything was read."""
        while True:
            last = self.closed
            self.mark(time.time())
            end = self.size()
            if end > offset:
                whole = self._whole(offset, end, last=last)
                lines = self._lines(offset, whole)
                offset = whole
                if lines:
                    yield b"".join(self._line(at, line, question) for at, line in lines)
            if last:
                return
            await asyncio.sleep(_FOLLOW_SECONDS)

    def tail_text(self, lines: int, limit: int) -> str:
        """The last lines as text of at most ``limit`` characters: a container's termination message."""
        data, _ = self.read(LogQuestion(tail=lines), time.time())
        return data.decode(errors="replace")[-limit:]

    def _whole(self, begin: int, end: int, *, last: bool) -> int:
        """Where the last complete line before ``end`` stops; a torn line waits for its rest unless there will be none."""
        if last:
            return end
        with self.path.open("rb") as file:
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
        return begin if newline < 0 else begin + newline + 1

    def _lines(self, begin: int, end: int) -> list[tuple[int, bytes]]:
        """``(offset of its end, line)`` for every line between two offsets."""
        if end <= begin:
            return []
        with self.path.open("rb") as file:
            file.seek(begin)
            data = file.read(end - begin)
        found, at = [], begin
        for line in data.splitlines(keepends=True):
            at += len(line)
            found.append((at, line))
        return found

    def _written(self, at: int) -> float:
        """When the byte before offset ``at`` was seen, in Unix seconds."""
        place = bisect.bisect_left(self._marks, (at, 0.0))
        return self._marks[min(place, len(self._marks) - 1)][1]

    def _line(self, at: int, line: bytes, question: LogQuestion) -> bytes:
        if not question.timestamps:
            return line
        moment = datetime.datetime.fromtimestamp(self._written(at), datetime.UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z ".encode() + line

"""The log of one container while somebody reads it. Filled by ``sources.pod_log``; moments are unix seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, clean and redacted."""

    number: int
    """Counts from 1 since the log was opened, so that a line keeps its name while others come and go."""
    at: float | None
    text: str


@dataclass(frozen=True, slots=True)
class PodLog:
    """The last lines of a container's log."""

    pod: str
    container: str
    previous: bool
    """Whether it is the run before the present one."""
    lines: tuple[LogLine, ...]
    dropped: int = 0
    """Lines that were let go of because the buffer is bounded."""
    note: str = ""
    """Why nothing more comes: the container ended, or there is no such run."""

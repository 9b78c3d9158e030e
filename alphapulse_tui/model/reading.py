"""A reading: what a source last knew of its target, when, and how fresh that is.

Written by the source loop, kept on the board, drawn by panels. A reading never forgets its last value: when the target goes silent the
value stays, and its age says what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

from alphapulse_tui.model.health import Finding, Health, worst

STALE_AFTER_INTERVALS = 2.0
"""A value older than this many poll intervals is drawn as stale (design 7: stale shown within two intervals)."""

DIM_AFTER_INTERVALS = 3.0
"""A value older than this many intervals is replaced by its age (design 4, rule 1)."""

UNKNOWN_AFTER_INTERVALS = 5.0
"""A value older than this many intervals no longer counts: its health is unknown (design 7)."""


class Link(Enum):
    """How the source stands to its target."""

    UNCONFIGURED = "not configured"
    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    DENIED = "denied"
    DOWN = "down"


T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Reading(Generic[T_co]):
    """The state of one source. All times are seconds of the board's clock (``time.monotonic`` unless a test says otherwise)."""

    target: str
    """The board's key: ``kubernetes``, ``postgres``, ``redis``, ``vault``, ``alerts``, ``platform``."""
    interval: float
    """Seconds between two polls; staleness is measured in it."""
    link: Link
    since: float
    """When ``link`` last changed."""
    snapshot: T_co | None = None
    taken_at: float | None = None
    """When ``snapshot`` was read; a watch sets it to the last sign of life of its stream."""
    problem: str = ""
    """One clean sentence: why the link is denied or down, and what to do."""
    attempts: int = 0
    """Failures in a row since the last success."""
    findings: tuple[Finding, ...] = ()
    """What the rules say of ``snapshot``; worst first."""
    proven: tuple[Finding, ...] = ()
    """What the last failure itself says of the target (no connection slot left for us); empty while it can be read."""

    def age(self, now: float) -> float | None:
        """Seconds since the value was read, or none if there never was one."""
        return None if self.taken_at is None else max(0.0, now - self.taken_at)

    def link_at(self, now: float) -> Link:
        """The link as a reader should see it at ``now``: a live link whose value has aged is stale, whatever the source believes."""
        age = self.age(now)
        if self.link is Link.LIVE and (age is None or age > STALE_AFTER_INTERVALS * self.interval):
            return Link.STALE
        return self.link

    def trusted(self, now: float) -> bool:
        """Whether the numbers may be drawn: there is a value, not older than three intervals (design 4, rule 1)."""
        age = self.age(now)
        return age is not None and age <= DIM_AFTER_INTERVALS * self.interval

    def health(self, now: float) -> Health:
        """The target's health at ``now``; unknown when there is no value or it is older than five intervals.

        Worse than unknown only when the failure itself proves it.
        """
        age = self.age(now)
        proven = [finding.health for finding in self.proven]
        if self.snapshot is None or age is None or age > UNKNOWN_AFTER_INTERVALS * self.interval:
            return worst([Health.UNKNOWN, *proven])
        judged = worst([Health.OK, *proven, *(finding.health for finding in self.findings)])
        if self.link_at(now) is not Link.LIVE and judged is Health.OK:
            return Health.UNKNOWN
        return judged

    def with_link(self, link: Link, now: float, problem: str = "", attempts: int = 0) -> Reading[T_co]:
        """The same value under another link state; ``since`` moves only when the state changes."""
        since = self.since if link is self.link else now
        return replace(self, link=link, since=since, problem=problem, attempts=attempts)

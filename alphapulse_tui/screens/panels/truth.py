"""What every panel does with age and silence (design 4, rule 1): unknown is never green, old is never drawn as new.

A live value is drawn as it is. From two intervals on it is dimmed and its age stands in the badge. From three intervals on the numbers
are gone: what is left is since when, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alphapulse_tui.model.health import Health
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.words import age
from alphapulse_tui.widgets.lines import Line, line, wrap

TONES = {Health.OK: "ok", Health.WARNING: "warning", Health.CRITICAL: "critical", Health.UNKNOWN: "unknown"}
"""Line style of each health."""

WORDS = {Health.OK: "ok", Health.WARNING: "WARN", Health.CRITICAL: "CRIT", Health.UNKNOWN: "not verified"}
"""The word beside the colour."""


def badge(reading: Reading[Any] | None, now: float) -> Line:
    """Right end of a panel's head: the health in a word, or what keeps us from knowing it, with its age."""
    if reading is None:
        return line(("starting", "unknown"))
    if reading.link is Link.UNCONFIGURED:
        return line(("not configured", "dim"))
    link = reading.link_at(now)
    old = reading.age(now)
    if link is Link.LIVE:
        health = reading.health(now)
        return line((WORDS[health], TONES[health]))
    if link is Link.CONNECTING:
        return line(("connecting", "unknown"))
    seen = f" {age(old)} old" if old is not None else ""
    word = {Link.STALE: "STALE", Link.DENIED: "DENIED", Link.DOWN: "NO ANSWER"}[link]
    return line((word + seen, "warning" if old is not None and reading.trusted(now) else "unknown"))


def tone(reading: Reading[Any] | None, now: float) -> str:
    """Style of a panel's frame: a severity only when a live reading says so."""
    if reading is None or reading.link_at(now) is not Link.LIVE:
        return "frame"
    health = reading.health(now)
    return TONES[health] if health in (Health.WARNING, Health.CRITICAL) else "frame"


def truthful(
    reading: Reading[Any] | None, body: Sequence[Line], now: float, width: int, how: str, notice: str = ""
) -> list[Line]:
    """``body`` as its age deserves. ``how`` says how to configure the target when it is not; ``notice`` is what whoever starts it says."""
    if reading is None:
        return wrap(notice or "nothing has been asked yet", width, "dim")
    if reading.link is Link.UNCONFIGURED:
        return wrap(how, width, "dim")
    if reading.link_at(now) is Link.LIVE:
        return list(body)
    if reading.trusted(now):
        return [dimmed(one) for one in body]
    old = reading.age(now)
    told = wrap(notice, width, "accent")
    lines = told + wrap(reading.problem or _waiting(reading), width, "unknown")
    if old is not None:
        lines.append(line((f"last answer {age(old)} ago: not verified", "unknown")))
    if reading.attempts:
        lines.append(
            line(
                (
                    f"{reading.attempts} {'attempt' if reading.attempts == 1 else 'attempts'}, tried again by itself",
                    "dim",
                )
            )
        )
    return lines


def dimmed(one: Line) -> Line:
    """The same words without colour or brightness."""
    return Line(tuple((text, "dim") for text, _ in one.spans), one.key)


def _waiting(reading: Reading[Any]) -> str:
    return (
        f"waiting for the first answer of {reading.target}"
        if reading.taken_at is None
        else f"no answer from {reading.target}"
    )

"""The two lines above every screen: which environment am I in, may I change it, who am I, what time is it; and the verdict."""

from __future__ import annotations

import time
from dataclasses import dataclass

from alphapulse_tui.model.health import Health
from alphapulse_tui.model.verdict import Verdict
from alphapulse_tui.model.words import clock, utc
from alphapulse_tui.screens.panels.truth import TONES
from alphapulse_tui.widgets.lines import Line, LineWidget, line, spread, wrap
from alphapulse_tui.widgets.panel import fit


@dataclass(frozen=True, slots=True)
class Standing:
    """What the top line says besides the time."""

    environment: str
    production: bool
    armed_seconds: float | None
    """Seconds left of being armed; none when changes are refused (read-only)."""
    always_armed: bool
    """True where nothing needs arming: not production and not read-only."""
    who: str
    incident: str = ""
    """``P0 INC-0042 API down  ack 00:03``, or empty."""
    incident_title: str = ""
    """The part of ``incident`` that a narrow line can do without: its number names it too."""
    incident_style: str = "critical"


class TopLine(LineWidget):
    """Environment, right to change, person, incident, UTC."""

    DEFAULT_CSS = """
    TopLine { height: 1; background: $panel; }
    TopLine.-production { background: $error-darken-2; color: $text; }
    TopLine.-alarm { background: $error-darken-1; }
    """

    def __init__(self, standing: Standing) -> None:
        super().__init__()
        self._standing = standing
        self._wall = time.time()
        self.set_class(standing.production, "-production")

    def show(self, standing: Standing, wall: float) -> None:
        """Take a new standing and the time of day (unix seconds)."""
        self._standing, self._wall = standing, wall
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - one line, whatever the height
        """One line; person, the incident's title and our own name give way, environment, right and clock never do."""
        standing = self._standing
        name = standing.environment.upper() if standing.production else standing.environment
        brand = (" AlphaPulse ", "title" if not standing.production else "strong")
        where = ((f" {name}", "strong"), ("  ", "plain"), _right(standing))
        who = (f"  {standing.who}", "dim")
        said = standing.incident
        short = said.replace(f" {standing.incident_title}", "", 1) if standing.incident_title else said
        style = standing.incident_style
        long_one, short_one = (((f"  {words}", style),) if words else () for words in (said, short))
        time_of_day = line((f" {utc(self._wall)} ", "dim"))
        room = width - time_of_day.cells - 1
        candidates = (
            Line((brand, *where, who, *long_one)),
            Line((brand, *where, *long_one)),
            Line((brand, *where, *short_one)),
            Line((*where, *short_one)),
        )
        left = next((each for each in candidates if each.cells <= room), None)
        return [spread(left if left is not None else Line(fit(candidates[-1], max(0, room))), time_of_day, width)]


def _right(standing: Standing) -> tuple[str, str]:
    if standing.always_armed:
        return ("changes allowed", "ok")
    if standing.armed_seconds is None:
        return ("READ-ONLY", "strong")
    return (f"ARMED {clock(standing.armed_seconds)}", "critical")


class VerdictLine(LineWidget):
    """What is wrong, in words, and the key that opens its procedure."""

    DEFAULT_CSS = """
    VerdictLine { height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._verdict = Verdict(Health.UNKNOWN, "starting")
        self._procedure = ""
        self._key = ""

    def show(self, verdict: Verdict, procedure: str, key: str) -> None:
        """Take a new verdict, and what ``key`` would open: empty where no procedure for it is installed."""
        self._key = key
        if (verdict, procedure) != (self._verdict, self._procedure):
            self._verdict, self._procedure = verdict, procedure
            self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - one line, whatever the height
        """Severity, sentence, how many more, and what to press."""
        verdict = self._verdict
        finding = verdict.finding
        style = TONES[finding.health if finding else verdict.health]
        severity = f"{finding.severity.value} " if finding and finding.severity else ""
        word = {Health.OK: "OK", Health.WARNING: "WARNING", Health.CRITICAL: "CRITICAL", Health.UNKNOWN: "NOT VERIFIED"}
        head = severity or f"{word[finding.health if finding else verdict.health]} "
        more = f" (+{verdict.others} more)" if verdict.others else ""
        silenced = f" {verdict.silenced} " if verdict.silenced else ""
        press = f" {self._key}: {self._procedure} " if self._procedure else ""
        room = width - len(head) - len(more) - len(silenced) - len(press) - 3
        sentence = verdict.sentence if len(verdict.sentence) <= room else verdict.sentence[: max(0, room - 1)] + "~"
        said = (sentence, style if finding else "ok")
        left = line((f" {head}", style), said, (more, "dim"), (silenced, "warning"))
        return [spread(left, line((press, "focus")), width)]


SMALLEST = (80, 24)
"""Columns and rows from which the panels are drawn (design 4, rule 8)."""


class TooSmall(LineWidget):
    """Stands in for the panels where they do not fit: says so, and the worst thing all the same."""

    DEFAULT_CSS = """
    TooSmall { height: 1fr; display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._sentence = ""

    def show(self, verdict: Verdict) -> None:
        """Take the verdict."""
        self._sentence = verdict.sentence
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        """The verdict first, then what is needed: in few words where there is no room for many."""
        told = wrap(self._sentence, width, "strong")
        size = self.app.size
        needed = wrap(
            f"{SMALLEST[0]}x{SMALLEST[1]} cells are needed for the panels; this is {size.width}x{size.height}.",
            width,
            "dim",
        )
        if len(told) + len(needed) > height:
            needed = wrap(f"needs {SMALLEST[0]}x{SMALLEST[1]} cells", width, "dim")
        return [*told[: max(0, height - len(needed))], *needed][:height]

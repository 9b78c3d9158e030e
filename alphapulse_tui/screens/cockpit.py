"""The start screen: seven live panels, the verdict in words, and every common fix two keys away.

A reading that changed repaints its own panel at once; a tick a second lets ages, clocks and staleness move. Nothing else is painted.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.css.query import NoMatches
from textual.events import Resize

from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.verdict import Verdict, findings, judge
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.commands import COCKPIT, EVERYWHERE, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.panels import alerts, incident, platform, pods, postgres, redis, truth, vault
from alphapulse_tui.screens.titles import TITLES
from alphapulse_tui.screens.topline import SMALLEST, TooSmall, TopLine, VerdictLine
from alphapulse_tui.session import BOARD_TARGETS
from alphapulse_tui.widgets.lines import Line, line, wrap
from alphapulse_tui.widgets.panel import ASCII, Panel

HOW = {
    "alerts": alerts.NOT_CONFIGURED,
    "kubernetes": pods.NOT_CONFIGURED,
    "postgres": postgres.NOT_CONFIGURED,
    "redis": redis.NOT_CONFIGURED,
    "vault": vault.NOT_CONFIGURED,
    "platform": platform.NOT_CONFIGURED,
}
"""How to configure each target."""

TICK = 1.0
"""Seconds between two looks at the clock."""

AGED = {"alerts": 5, "kubernetes": 5, "postgres": 1}
"""Panels that show ages, and every how many ticks those move; a live panel without ages is drawn only when its reading changes."""

WITH_PAST = ("postgres", "redis")
"""Panels that draw a past, which moves twice a minute without a reading."""


class Cockpit(CockpitScreen):
    """Everything at a glance."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(EVERYWHERE, COCKPIT),
        *(
            Binding(str(number), f"panel({number})", f"panel {number}", show=False, id=f"cockpit.panel-{number}")
            for number in range(1, 8)
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.verdict: Verdict | None = None
        self.suggested = ""
        """The procedure that the verdict offers."""
        self.suggested_values: dict[str, str] = {}
        """What it is opened with: the object of its finding."""
        self._ticks = 0
        self._focused_before: Panel | None = None
        """The panel that had the focus when the panels did not fit any more."""
        self._drawn_live: frozenset[str] = frozenset()
        """Targets that were live when they were drawn last."""

    def compose(self) -> ComposeResult:
        """Top line, verdict, seven panels, footer."""
        yield TopLine(self.standing())
        yield VerdictLine()
        with Grid(id="panels"):
            for number, target in enumerate(BOARD_TARGETS, 1):
                yield Panel(number, TITLES[target], id=f"panel-{target}")
            yield Panel(7, "Incident", id="panel-incident")
        yield TooSmall()
        yield FooterLine(footer_text(COCKPIT, EVERYWHERE, keymap=self.session.profile.keys))

    def on_mount(self) -> None:
        """Draw what is known, then follow the board and the clock."""
        self.query_one("#panel-alerts", Panel).focus()
        self._unsubscribe = self.session.board.subscribe(self._changed)
        self.set_interval(TICK, self._let_time_pass)
        self.call_after_refresh(self.tick)

    def on_resize(self, event: Resize) -> None:
        """Where the panels do not fit, say so instead."""
        fits = event.size.width >= SMALLEST[0] and event.size.height >= SMALLEST[1]
        if not fits and isinstance(self.focused, Panel):
            self._focused_before = self.focused
        self.query_one("#panels").display = fits
        self.query_one(TooSmall).display = not fits
        if (
            fits and self.focused is None
        ):  # Panels that are not shown lose the focus, and do not get it back by themselves.
            self.set_focus(self._focused_before or self.query_one("#panel-alerts", Panel))
        self.call_after_refresh(self.tick)

    def on_unmount(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def _changed(self, reading: Reading[Any], before: Reading[Any] | None) -> None:  # noqa: ARG002 - a Listener's signature
        if self.in_view:
            self._draw(reading.target)
            self._judge()

    def tick(self) -> None:
        """Draw everything as it is now."""
        self._ticks += 1
        self._draw_rest()
        for target in BOARD_TARGETS:
            self._draw(target)

    def _let_time_pass(self) -> None:
        """Once a second: clocks, ages, and panels whose source has fallen silent."""
        moved = self.session.trends.note(self.session.board.readings.values(), self.session.now)
        if not self.in_view:
            return
        self._ticks += 1
        self._draw_rest()
        for target in BOARD_TARGETS:
            reading = self.session.board.get(target)
            live = reading is not None and reading.link_at(self.session.now) is Link.LIVE
            aged = target in AGED and self._ticks % AGED[target] == 0
            if not live or target not in self._drawn_live or aged or (moved and target in WITH_PAST):
                self._draw(target)

    def _draw_rest(self) -> None:
        self.query_one(TopLine).show(self.standing(), time.time())
        self._draw_incident()
        self._judge()

    def on_screen_resume(self) -> None:
        """Back from another screen: what happened meanwhile."""
        if self.is_mounted:
            self.call_after_refresh(self.tick)

    def _judge(self) -> None:
        self.verdict = judge(self.session.board.readings.values(), self.session.now)
        self.suggested, self.suggested_values = self._suggest()
        self.query_one(VerdictLine).show(self.verdict, self.suggested, self.key("procedure"))
        self.query_one(TooSmall).show(self.verdict)

    def _suggest(self) -> tuple[str, dict[str, str]]:
        """The installed procedure of the first finding that has one, among those as bad as the worst: a restart may stand before its cause."""
        found = findings(self.session.board.readings.values(), self.session.now)
        ours = (each for each in found if each.health is found[0].health and self.installed(each.procedure))
        first = next(ours, None)
        return (first.procedure, dict(first.values)) if first is not None else ("", {})

    def _draw(self, target: str) -> None:
        try:
            panel = self.query_one(f"#panel-{target}", Panel)
        except NoMatches:  # a reading came before the panels were mounted: the first tick draws it
            return
        now = self.session.now
        reading = self.session.board.get(target)
        live = reading is not None and reading.link_at(now) is Link.LIVE
        self._drawn_live = self._drawn_live | {target} if live else self._drawn_live - {target}
        body = self._body(target, reading, panel) if reading is not None and reading.snapshot is not None else []
        if target == "kubernetes":  # a count in the title is a value too: it goes when it cannot be trusted
            pods_now = reading.snapshot if reading is not None and reading.trusted(now) else None
            panel.title = pods.title(pods_now, panel.inner_width) if pods_now is not None else TITLES[target]
        panel.show(
            truth.truthful(reading, body, now, panel.inner_width, HOW[target], self.session.notice(target)),
            truth.badge(reading, now),
            truth.tone(reading, now),
        )

    def _body(self, target: str, reading: Reading[Any], panel: Panel) -> list[Line]:
        snapshot: Any = reading.snapshot
        thresholds = self.session.profile.thresholds
        wall, width = time.time(), panel.inner_width
        ascii_only = Panel.frame is ASCII
        match target:
            case "alerts":
                return alerts.body(snapshot, wall)
            case "kubernetes":
                return pods.body(snapshot, wall, width, panel.inner_height)
            case "postgres":
                slots = self.session.trends.points()["slots"]
                return postgres.body(snapshot, thresholds, wall, width, slots, ascii_only)
            case "redis":
                return redis.body(snapshot, thresholds, width, self.session.trends.points(), ascii_only)
            case "vault":
                return vault.body(snapshot)
            case _:
                return platform.body(snapshot, thresholds, width, ascii_only)

    def _draw_incident(self) -> None:
        panel = self.query_one("#panel-incident", Panel)
        desk = self.session.desk
        if desk is None:
            problem = self.session.journal_problem
            said = f"{problem}; {self.key('refresh')} tries again" if problem else "opening the journal"
            panel.show(wrap(said, panel.inner_width, "unknown"), line(("no journal", "unknown")))
            return
        panel.title = incident.title(desk)
        word, sentence = desk.trouble
        told = wrap(sentence, panel.inner_width, "unknown")
        panel.show(
            [*told, *incident.body(desk, panel.inner_height - len(told), panel.inner_width, time.time())],
            line((word, "unknown")) if word else incident.badge(desk, self.key("declare")),
        )

    def action_panel(self, number: int) -> None:
        """Focus a panel by its number."""
        targets = (*BOARD_TARGETS, "incident")
        self.set_focus(self.query_one(f"#panel-{targets[number - 1]}", Panel))  # At once: Enter may be typed already.

    @property
    def focused_panel(self) -> Panel:
        """The panel that keys act on."""
        return self.focused if isinstance(self.focused, Panel) else self.query_one("#panel-alerts", Panel)

    def action_procedure(self) -> None:
        """Open what the verdict suggests."""
        finding = self.verdict.finding if self.verdict else None
        if not self.suggested:
            said = (
                f"There is no procedure {finding.procedure} yet"
                if finding and finding.procedure
                else "None is suggested"
            )
            self.app.notify(
                f"{said}; {self.key('fix')} offers fixes, {self.key('runbook')} lists all procedures.",
                title="No procedure",
                markup=False,
            )
            return
        self.open_procedure(self.suggested, self.suggested_values)

    def action_fixes(self) -> None:
        """The numbered fixes of the focused panel and row."""
        panel = self.focused_panel
        self.open_fixes(panel.id.removeprefix("panel-") if panel.id else "", panel.chosen)

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter: the alert's procedure, the incident, or the panel's whole table."""
        target = (event.panel.id or "").removeprefix("panel-")
        if target == "incident":
            self.action_incident()
        elif target == "alerts" and (alert := self._alert(event.key)) and self.installed(alert.procedure):
            cluster = self.session.board.get("kubernetes")
            self.open_procedure(alert.procedure, alert.values(cluster.snapshot if cluster is not None else None))
        else:
            self.open_detail(target)

    def _alert(self, key: str) -> Alert | None:
        reading = self.session.board.get("alerts")
        if reading is None or reading.snapshot is None:
            return None
        snapshot: AlertsSnapshot = reading.snapshot
        return next((alert for alert in snapshot.alerts if alert.key == key), None)

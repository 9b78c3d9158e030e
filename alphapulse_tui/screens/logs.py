"""The log of one container: it follows while the cursor is on the last line, `/` filters the whole buffer, `h` turns to the run before.

Lines are cut at the right edge; Enter shows one whole. Leaving the screen ends the reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from alphapulse_tui.model.pod_log import LogLine, PodLog
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.words import utc
from alphapulse_tui.screens.commands import EVERYWHERE, LIST, LOG, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.head import HeadLine, ProblemLines
from alphapulse_tui.screens.listing import FilterField, ListScreen
from alphapulse_tui.screens.panels.truth import badge
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.table import Column, LiveTable

COMPLAINTS = ("ERROR", "FATAL", "CRITICAL", "Traceback", "panic:")
WARNINGS = ("WARN",)

COLUMNS: tuple[Column[LogLine], ...] = (
    Column(
        "TIME",
        9,
        lambda row: utc(row.at) if row.at is not None else "",
        lambda row: "dim",  # noqa: ARG005
        sort=lambda row: row.number,
    ),
    Column("LINE", 0, lambda row: row.text, lambda row: _style(row)),
)


def _style(row: LogLine) -> str:
    if any(word in row.text for word in COMPLAINTS):
        return "critical"
    return "warning" if any(word in row.text for word in WARNINGS) else "plain"


class LogScreen(ListScreen):
    """One pod's log; with several containers, one at a time."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, LIST, LOG)

    name_of_list = "log"

    def __init__(self, pod: str, containers: Sequence[str] = (), *, previous: bool = False) -> None:
        super().__init__()
        self._pod = pod
        self._containers = tuple(containers) or ("",)
        self._place = 0
        self._previous = previous
        self._leave: Callable[[], None] = lambda: None
        self._follows = True

    def compose(self) -> ComposeResult:
        """Top line, what is read, what is wrong, filter, lines, footer."""
        yield TopLine(self.standing())
        yield HeadLine(id="head")
        yield ProblemLines(id="problem")
        yield FilterField("lines that contain ...")
        yield LiveTable(COLUMNS, lambda row: str(row.number), id="rows")
        yield FooterLine(footer_text(LIST, LOG, EVERYWHERE, keymap=self.session.profile.keys), tall=True)

    def on_mount(self) -> None:
        """Begin to read."""
        self._unsubscribe = self.session.board.subscribe(self._changed)
        self.query_one(LiveTable).focus()
        self._read()
        self.set_interval(1.0, self._tick)

    def on_screen_resume(self) -> None:
        """Back from another screen: what was written meanwhile."""
        if self.is_mounted:
            self.call_after_refresh(self._tick)

    def on_unmount(self) -> None:
        """Stop reading."""
        self._unsubscribe()
        self._leave()

    @property
    def container(self) -> str:
        """The container whose log is read; empty: the pod's only one."""
        return self._containers[self._place]

    def _read(self) -> None:
        self._leave()
        self._follows = True
        self._leave = self.session.read_log(self._pod, self.container, previous=self._previous)
        self._draw()

    def _changed(self, reading: Reading[Any], before: Reading[Any] | None) -> None:  # noqa: ARG002 - a Listener's signature
        if reading.target == "pod-log":
            self._draw()

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(TopLine).show(self.standing(), time.time())
            self._draw()

    def _log(self) -> PodLog | None:
        """What was read of this very log; the board may still hold another one's."""
        reading = self.session.board.get("pod-log")
        log: PodLog | None = reading.snapshot if reading is not None else None
        mine = (self._pod, self.container, self._previous)
        return log if log is not None and (log.pod, log.container, log.previous) == mine else None

    def _draw(self) -> None:
        if not self.is_current:  # Covered, or being removed: the table goes before we are told.
            return
        reading = self.session.board.get("pod-log")
        log = self._log()
        lines = log.lines if log is not None else ()
        table = self.list
        at_end = table.row is None or not table.rows or table.row is table.rows[-1]
        self._follows = at_end
        table.show(lines)
        if at_end and table.shown:
            table.action_move(table.shown)
        now = self.session.now
        silent = reading.problem if reading is not None and reading.link_at(now) is not Link.LIVE else ""
        self.query_one(ProblemLines).show(silent)
        note = "" if silent else log.note if log is not None else "opening it"
        which = "run before" if self._previous else "following" if self._follows else "standing still, g follows"
        name = f"{self._pod}{f' {self.container}' if self.container else ''}"
        dropped = f"  {log.dropped} older dropped" if log is not None and log.dropped else ""
        self.query_one(HeadLine).show(
            line((f" {name}  ", "title"), (which, "accent"), (f"  {note}" if note else "", "unknown")),
            Line((*badge(reading, now).spans, (f"  {table.shown}/{len(lines)} lines{dropped} ", "dim"))),
        )

    def action_follow(self) -> None:
        """To the newest line."""
        table = self.list
        table.action_move(max(1, table.shown))
        self._draw()

    def action_previous(self) -> None:
        """The run before, or back to the present one."""
        self._previous = not self._previous
        self._read()

    def action_container(self) -> None:
        """The pod's next container."""
        if len(self._containers) == 1:
            self.app.notify("The pod has one container.", title="No other log", markup=False)
            return
        self._place = (self._place + 1) % len(self._containers)
        self._read()

    def on_live_table_opened(self, event: LiveTable.Opened) -> None:
        """One line, whole."""
        from alphapulse_tui.screens.rowtext import RowTextScreen

        row: LogLine = event.row
        when = utc(row.at) if row.at is not None else ""
        self.app.push_screen(RowTextScreen(f"{self._pod} {when}", lambda: [line((row.text, "plain"))]))

"""The whole of one target: its views, one table each, filtered by `/`, sorted by `s`, the cursor on its row whatever comes and goes.

Views are data, one module a target in ``tables/``; this screen knows none of them. A view that shows a survey has it taken while the view is
looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.screens.commands import DETAIL, EVERYWHERE, LIST, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.head import HeadLine, ProblemLines
from alphapulse_tui.screens.listing import FilterField, ListScreen
from alphapulse_tui.screens.panels.truth import badge, dimmed
from alphapulse_tui.screens.tables.all import VIEWS
from alphapulse_tui.screens.tables.view import View
from alphapulse_tui.screens.titles import TITLES
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.session import BOARD_TARGETS
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.table import LiveTable


class DetailScreen(ListScreen):
    """One target, whole."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(EVERYWHERE, LIST, DETAIL),
        *(
            Binding(str(number), f"choose_view({number})", f"view {number}", show=False, id=f"detail.view-{number}")
            for number in range(1, 10)
        ),
    ]

    DEFAULT_CSS = """
    DetailScreen LiveTable { display: none; }
    DetailScreen LiveTable.-shown { display: block; }
    DetailScreen #summary { display: none; }
    DetailScreen #summary.-shown { display: block; }
    """

    def __init__(self, target: str, view: str = "") -> None:
        super().__init__()
        self.target = target
        self.views = VIEWS[target]
        self.view: View = next((each for each in self.views if each.title == view), self.views[0])
        self._leave_survey: Callable[[], None] = lambda: None
        self._made: tuple[View, Any, Sequence[Any]] = (self.view, None, ())
        """The rows that were made last, the view that they are of, and from which snapshot."""

    @property
    def name_of_list(self) -> str:  # type: ignore[override]
        """Target and view: how its file is called."""
        return self.target if self.view is self.views[0] else f"{self.target}-{self.view.title.replace(' ', '-')}"

    @property
    def looks(self) -> tuple[str, ...]:
        """What the view reads."""
        return (self.view.reads,)

    @property
    def list(self) -> LiveTable[Any]:
        """The table of the view that is looked at."""
        return self.query_one(f"#{_id(self.view)}", LiveTable)

    def compose(self) -> ComposeResult:
        """Top line, views, what is wrong, summary, filter, tables, footer."""
        yield TopLine(self.standing())
        yield HeadLine(id="head")
        yield ProblemLines(id="problem")
        yield HeadLine(id="summary")
        yield FilterField("rows that contain ...")
        for view in self.views:
            yield LiveTable(view.columns, view.key, id=_id(view))
        yield FooterLine(self._keys(), tall=True)

    def on_mount(self) -> None:
        """Follow the target."""
        self._unsubscribe = self.session.board.subscribe(self._changed)
        self._turn_to(self.view)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._tick)

    def on_screen_resume(self) -> None:
        """Back from another screen: what happened meanwhile."""
        if self.is_mounted:
            self.call_after_refresh(self._tick)

    def on_unmount(self) -> None:
        """Stop listening and looking."""
        self._unsubscribe()
        self._leave_survey()

    def _turn_to(self, view: View) -> None:
        """Show a view; the one before keeps its cursor and order, and its survey ends."""
        self.list.remove_class("-shown")
        self.view = view
        leave = self._leave_survey
        self._leave_survey = self.session.survey(*({view.reads} - set(BOARD_TARGETS)))
        leave()
        table = self.list
        table.add_class("-shown")
        table.filter(self.query_one(FilterField).value)
        self.set_focus(table)
        self._draw()

    def _changed(self, reading: Reading[Any], before: Reading[Any] | None) -> None:  # noqa: ARG002 - a Listener's signature
        if reading.target == self.view.reads:
            self._draw()

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(TopLine).show(self.standing(), time.time())
            self._draw()

    def filtered(self) -> None:
        """Count the rows anew."""
        self._draw()

    def _draw(self) -> None:
        """Rows while they may be trusted, dim where they are not live; an empty table and the reason when they may not."""
        if not self.is_current:  # Covered, or being removed: the tables go before we are told.
            return
        now = self.session.now
        reading = self.session.board.get(self.view.reads)
        trusted = reading is not None and reading.trusted(now)
        snapshot = reading.snapshot if reading is not None and trusted else None
        rows = self._rows(snapshot)
        table = self.list
        live = reading is not None and reading.link_at(now) is Link.LIVE
        table.show(rows, dimmed=not live)
        self.query_one(ProblemLines).show(reading.problem if reading is not None and not live else "")
        right = Line((*self._badge(reading, now).spans, (f"  {table.shown}/{len(rows)} rows ", "dim")))
        self.query_one("#head", HeadLine).show(self._names(self.size.width - right.cells), right)
        summary = self.query_one("#summary", HeadLine)
        said = self.view.head(snapshot) if self.view.head is not None and snapshot is not None else Line()
        summary.set_class(bool(said.spans), "-shown")
        said = Line(((" ", "plain"), *said.spans))
        summary.show(said if live else dimmed(said), Line())

    def _rows(self, snapshot: Any) -> Sequence[Any]:
        """The same sequence for the same snapshot, whatever the view makes of it: the table then has nothing to arrange."""
        if snapshot is None:
            return ()
        view, of, _ = self._made
        if view is not self.view or of is not snapshot:
            self._made = (self.view, snapshot, self.view.rows(snapshot))
        return self._made[2]

    def _badge(self, reading: Reading[Any] | None, now: float) -> Line:
        """Health and age; a survey is judged by nobody, so a fresh one is live and never ok."""
        if reading is not None and self.view.reads not in BOARD_TARGETS and reading.link_at(now) is Link.LIVE:
            return line(("live", "dim"))
        return badge(reading, now)

    def _names(self, room: int) -> Line:
        """The target, and its views by number where there are several; where they do not fit in ``room`` cells, the other ones are cut.

        A digit alone says nothing, but is all that eight views leave room for on 80 columns: help (`?`) names them.
        """
        longest = max(len(view.title) for view in self.views)
        tried = (self._named(letters, "  " if letters >= longest else " ") for letters in (*range(longest, 3, -1), 0))
        return next((names for names in tried if names.cells < room), self._named(0, " "))

    def _named(self, letters: int, gap: str) -> Line:
        names: list[tuple[str, str]] = [(f" {TITLES[self.target]}  ", "title")]
        for number, view in enumerate(self.views if len(self.views) > 1 else (), 1):
            if view is self.view:
                names.append((f"{number} [{view.title}]  ", "focus"))
                continue
            title = view.title if len(view.title) <= letters else f"{view.title[: letters - 1]}~" if letters else ""
            names.append((f"{number} {title}{gap if title else ''}", "plain" if title else "dim"))
        return Line(tuple(names))

    @property
    def digits(self) -> tuple[str, ...]:
        """The views, as their digits choose them."""
        return tuple(view.title for view in self.views)

    def _keys(self) -> Sequence[tuple[str, str]]:
        """The footer's keys; of the digits those that there are views for."""
        keys = footer_text(LIST, DETAIL, EVERYWHERE, keymap=self.session.profile.keys)
        digits = [(f"1-{len(self.views)}", "view")] if len(self.views) > 1 else []
        place = next(place for place, (key, _) in enumerate(keys) if key == "1-9")
        return [*keys[:place], *digits, *keys[place + 1 :]]

    def action_choose_view(self, number: int) -> None:
        """Show the view of that number, if there is one."""
        if number <= len(self.views):
            self._turn_to(self.views[number - 1])

    def action_view(self, by: int) -> None:
        """The next view or the one before, in a ring."""
        self._turn_to(self.views[(self.views.index(self.view) + by) % len(self.views)])

    def action_fixes(self) -> None:
        """The numbered fixes of the row."""
        self._fix(self.view, self.list.row)

    def _fix(self, view: View, row: Any) -> None:
        self.open_fixes(view.fixes or self.target, view.key(row) if row is not None else "")

    def action_procedure(self) -> None:
        """The procedure of the row, opened on it."""
        self._mend(self.view, self.list.row)

    def _mend(self, view: View, row: Any) -> None:
        procedure, values = self._procedure_of(view, row)
        if procedure:
            self.open_procedure(procedure, values)
            return
        said = f"Nothing is to be mended here; {self.key('runbook')} lists all procedures."
        self.app.notify(said, title="No procedure", markup=False)

    def _procedure_of(self, view: View, row: Any) -> tuple[str, dict[str, str]]:
        if row is None or view.procedure is None:
            return "", {}
        procedure, values = view.procedure(row)
        return self.installed(procedure), dict(values)

    def on_live_table_opened(self, event: LiveTable.Opened) -> None:
        """Enter on a row: all that is known of it; else its procedure, where it has one; else its fixes.

        What counts is the row and the view that Enter was pressed on: the table may be empty by now, or another one be looked at.
        """
        view = next(each for each in self.views if _id(each) == event.table.id)
        if view.text is not None:
            self._open_text(view, event.row)
            return
        procedure, values = self._procedure_of(view, event.row)
        if procedure:
            self.open_procedure(procedure, values)
        else:
            self.open_fixes(view.fixes or self.target, event.key)

    def _open_text(self, view: View, row: Any) -> None:
        from alphapulse_tui.screens.rowtext import RowOfTargetScreen

        text = view.text
        assert text is not None
        board = self.session.board
        key = view.key(row)
        last = [row]

        def lines() -> list[Line]:
            reading = board.get(view.reads)
            rows = view.rows(reading.snapshot) if reading is not None and reading.snapshot is not None else ()
            found = next((each for each in rows if view.key(each) == key), None)
            last[0] = last[0] if found is None else found
            told = text(last[0], self._trusted())
            if found is not None:
                return list(told)
            return [line(("gone; this is what was last known of it", "unknown")), Line(), *map(dimmed, told)]

        name = view.name(row) if view.name is not None else view.columns[0].text(row).strip(" +-")
        leave = self.session.survey(*({view.reads, *view.text_reads} - set(BOARD_TARGETS)))
        title = f"{TITLES[self.target]} {view.title}: {name}"
        does: dict[str, Callable[[], None]] = {"detail.fix": lambda: self._fix(view, last[0])}
        if view.procedure is not None:
            does["detail.procedure"] = lambda: self._mend(view, last[0])
        if view.log is not None:
            does["detail.logs"] = lambda: self._log(view, last[0])
        self.app.push_screen(RowOfTargetScreen(title, lines, view.reads, does), lambda _: leave())

    def _trusted(self) -> dict[str, Reading[Any]]:
        """The board without values that are too old to be drawn: a row's text tells of other readings than its own, too."""
        now = self.session.now
        readings = self.session.board.readings
        return {key: one if one.trusted(now) else replace(one, snapshot=None) for key, one in readings.items()}

    def action_logs(self) -> None:
        """The log of the row's pod."""
        self._log(self.view, self.list.row)

    def _log(self, view: View, row: Any) -> None:
        from alphapulse_tui.screens.logs import LogScreen

        pod, containers = view.log(row) if view.log is not None and row is not None else ("", ())
        if not pod:
            self.app.notify("This row has no log; those of pods have.", title="No log", markup=False)
            return
        self.app.push_screen(LogScreen(pod, tuple(containers)))


def _id(view: View) -> str:
    """The id of a view's table."""
    return f"view-{view.title.replace(' ', '-')}"

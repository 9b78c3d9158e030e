"""Lines repaint the cells that changed, and nothing else."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip

from alphapulse_tui.widgets.lines import Line, LineWidget, changed_cells, line, spread, wrap
from alphapulse_tui.widgets.panel import Panel, fit

RED, PLAIN = Style(color="red"), Style()


def strip(*spans: tuple[str, Style]) -> Strip:
    return Strip([Segment(text, style) for text, style in spans])


@pytest.mark.parametrize(
    ("old", "new", "cells"),
    [
        (strip(("same", PLAIN)), strip(("same", PLAIN)), None),
        (strip(("age 1s", PLAIN)), strip(("age 2s", PLAIN)), (4, 6)),
        (strip(("a", PLAIN), ("b", RED)), strip(("a", PLAIN), ("b", PLAIN)), (1, 2)),
        (strip(("ab", PLAIN), ("tail", RED)), strip(("xb", PLAIN), ("tail", RED)), (0, 2)),
        (strip(("日本", PLAIN)), strip(("日木", PLAIN)), (0, 4)),
    ],
)
def test_the_changed_cells_are_found(old: Strip, new: Strip, cells: tuple[int, int] | None) -> None:
    assert changed_cells(old, new) == cells


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("short", 8, "short   "),
        ("exactly8", 8, "exactly8"),
        ("much too long", 8, "much to~"),
        ("日本語", 5, "日本~"),
        ("日本語", 4, "日~ "),
    ],
)
def test_a_line_is_cut_or_filled_to_its_width(text: str, width: int, shown: str) -> None:
    assert "".join(part for part, _ in fit(line(text), width)) == shown


def test_both_ends_are_kept_apart_and_the_right_gives_way() -> None:
    assert spread(line("left"), line("right"), 12).text == "left   right"
    assert spread(line("left"), line("right"), 8).text == "left"


def test_long_text_is_broken_at_spaces() -> None:
    assert [one.text for one in wrap("one two three", 7)] == ["one two", "three"]


class Counting(LineWidget):
    """Counts what it is asked to repaint."""

    def __init__(self) -> None:
        super().__init__()
        self.words = "value 1"
        self.refreshed: list[tuple[Region, ...]] = []

    def lines(self, width: int, height: int) -> list[Line]:
        return [line("a head that stays"), line(self.words)]

    def refresh(self, *regions: Region, **options: bool) -> Counting:  # type: ignore[override]
        if hasattr(self, "refreshed"):
            self.refreshed.append(regions)
        super().refresh(*regions, **options)
        return self


class OneWidget(App[None]):
    def compose(self) -> ComposeResult:
        yield Counting()


async def test_an_equal_repaint_sends_nothing_and_a_changed_figure_only_itself() -> None:
    async with OneWidget().run_test(size=(40, 4)) as pilot:
        widget = pilot.app.query_one(Counting)
        widget.repaint()
        widget.refreshed.clear()
        widget.repaint()
        assert widget.refreshed == []
        widget.words = "value 2"
        widget.repaint()
        ((region,),) = widget.refreshed
        assert (region.x, region.y) == (6, 1)


class OnePanel(App[None]):
    def compose(self) -> ComposeResult:
        yield Panel(3, "PostgreSQL", id="panel")


async def test_the_cursor_stays_with_its_line_while_lines_come_and_go() -> None:
    async with OnePanel().run_test(size=(40, 8)) as pilot:
        panel = pilot.app.query_one(Panel)
        panel.focus()
        panel.show([line("a", key="a"), line("b", key="b"), line("c", key="c")], Line())
        await pilot.press("down")
        assert panel.chosen == "b"
        panel.show([line("new", key="n"), line("b", key="b")], Line())
        assert panel.chosen == "b"
        panel.show([line("c", key="c")], Line())
        assert panel.chosen == "c"


async def test_a_panel_says_how_many_lines_do_not_fit_and_scrolls_to_the_cursor() -> None:
    async with OnePanel().run_test(size=(40, 6)) as pilot:
        panel = pilot.app.query_one(Panel)
        panel.focus()
        panel.show([line(f"row {number}", key=str(number)) for number in range(9)], Line())
        await pilot.pause()
        assert "5 more" in panel.render_line(5).text
        for _ in range(8):
            await pilot.press("down")
        assert "row 8" in panel.render_line(4).text


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 3), (20, 5)])
async def test_a_panel_of_any_size_survives(size: tuple[int, int]) -> None:
    async with OnePanel().run_test(size=size) as pilot:
        pilot.app.query_one(Panel).show([line("[/x] hostile", key="k")], line("badge"))
        await pilot.pause()
        assert pilot.app.is_running

"""The live table: cursor on its row key, filter, sort, and ten thousand rows without a pause."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import App, ComposeResult

from alphapulse_tui.widgets.table import Column, LiveTable


@dataclass(frozen=True)
class Row:
    name: str
    number: int


COLUMNS = (
    Column[Row]("NAME", 0, lambda row: row.name),
    Column[Row]("N", 6, lambda row: str(row.number), right=True, sort=lambda row: row.number),
)


class OneTable(App[None]):
    def compose(self) -> ComposeResult:
        yield LiveTable(COLUMNS, lambda row: row.name)


def rows(*names: str) -> list[Row]:
    return [Row(name, len(names) - place) for place, name in enumerate(names)]


async def test_the_cursor_keeps_its_row_through_arrivals_sorting_and_filtering() -> None:
    async with OneTable().run_test(size=(40, 6)) as pilot:
        table: LiveTable[Row] = pilot.app.query_one(LiveTable)
        table.focus()
        table.show(rows("a", "b", "c"))
        await pilot.press("down")
        assert table.row is not None and table.row.name == "b"
        table.show(rows("x", "y", "a", "b"))
        assert table.row is not None and table.row.name == "b"
        await pilot.press("s", "s")
        assert table.row.name == "b"
        table.filter("B")
        assert table.shown == 1 and table.row.name == "b"


async def test_a_row_that_vanished_leaves_the_cursor_where_it_was() -> None:
    async with OneTable().run_test(size=(40, 6)) as pilot:
        table: LiveTable[Row] = pilot.app.query_one(LiveTable)
        table.focus()
        table.show(rows("a", "b", "c"))
        await pilot.press("end")
        table.show(rows("a", "b"))
        assert table.row is not None and table.row.name == "b"
        table.show([])
        assert table.row is None


async def test_only_the_rows_in_view_are_formatted() -> None:
    formatted: list[str] = []

    def text(row: Row) -> str:
        formatted.append(row.name)
        return row.name

    class Counting(App[None]):
        def compose(self) -> ComposeResult:
            yield LiveTable((Column[Row]("NAME", 0, text),), lambda row: row.name)

    async with Counting().run_test(size=(40, 12)) as pilot:
        table: LiveTable[Row] = pilot.app.query_one(LiveTable)
        await pilot.pause()
        formatted.clear()
        table.show([Row(f"pod-{number}", number) for number in range(10_000)])
        assert len(formatted) <= 24


async def test_the_same_rows_are_arranged_once_and_again_for_a_filter_or_a_sort() -> None:
    sorted_by: list[str] = []

    def number(row: Row) -> int:
        sorted_by.append(row.name)
        return row.number

    class Counting(App[None]):
        def compose(self) -> ComposeResult:
            yield LiveTable((Column[Row]("NAME", 0, lambda row: row.name, sort=number),), lambda row: row.name)

    async with Counting().run_test(size=(40, 12)) as pilot:
        table: LiveTable[Row] = pilot.app.query_one(LiveTable)
        given = tuple(rows("a", "b", "c"))
        table.show(given)
        table.action_sort()
        assert [row.name for row in table.rows] == ["c", "b", "a"]
        sorted_by.clear()
        table.show(given)
        table.show(given, dimmed=True)
        assert not sorted_by and table.dimmed
        table.filter("b")
        assert sorted_by and [row.name for row in table.rows] == ["b"]
        table.filter("")
        table.show(tuple(rows("a", "b")))
        assert [row.name for row in table.rows] == ["b", "a"]


async def test_old_rows_are_drawn_dim_and_the_cursor_is_still_seen() -> None:
    async with OneTable().run_test(size=(40, 6)) as pilot:
        table: LiveTable[Row] = pilot.app.query_one(LiveTable)
        table.show(rows("a", "b"), dimmed=True)
        _, first, second = table.lines(40, 6)
        assert {style for text, style in first.spans if text.strip()} == {"dim+cursor"}
        assert {style for text, style in second.spans if text.strip()} == {"dim"}


async def test_a_filter_that_nothing_passes_says_so() -> None:
    """An empty table may as well have been one that was not read yet."""
    async with OneTable().run_test(size=(40, 6)) as pilot:
        table: LiveTable[Row] = pilot.app.query_one(LiveTable)
        table.show(rows("a", "b"))
        table.filter("a[X")
        assert table.lines(40, 6)[1].text == "no row of 2 contains 'a[X'"
        table.show([])
        assert len(table.lines(40, 6)) == 1, "nothing is there: the filter is not to blame"


async def test_sorting_skips_what_is_not_shown_and_its_sign_is_seen() -> None:
    columns = (
        Column[Row]("NUMBER", 6, lambda row: str(row.number), right=True, sort=lambda row: row.number),
        Column[Row]("HIDDEN", 9, lambda row: row.name, wide_only=True),
        Column[Row]("NAME", 0, lambda row: row.name),
    )

    class Wide(App[None]):
        def compose(self) -> ComposeResult:
            yield LiveTable(columns, lambda row: row.name)

    async with Wide().run_test(size=(40, 6)) as pilot:
        table: LiveTable[Row] = pilot.app.query_one(LiveTable)
        table.focus()
        table.show(rows("a", "b"))
        heads = []
        for _ in range(3):
            await pilot.press("s")
            heads.append(table.lines(40, 6)[0].text.split())
        assert heads == [["NUMBE^", "NAME"], ["NUMBER", "NAME", "^"], ["NUMBER", "NAME"]]

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

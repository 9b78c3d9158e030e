"""Lists at 80 columns: nothing runs over, `/` filters, `s` sorts, `c` copies the row, `C` writes a file, Esc goes back step by step."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from textual.events import Key
from textual.widgets import Input

from alphapulse_tui.model.reading import Link
from alphapulse_tui.screens.detail import DetailScreen
from alphapulse_tui.screens.head import HeadLine, ProblemLines
from alphapulse_tui.screens.help import HelpScreen
from alphapulse_tui.screens.runbook import RunbookScreen
from alphapulse_tui.screens.tables.all import VIEWS
from alphapulse_tui.screens.titles import TITLES
from alphapulse_tui.widgets.lines import LineWidget
from alphapulse_tui.widgets.table import WIDE, LiveTable
from tests.screens.stage import post, quiet, snapshots, text_of
from tests.waiting import until


@pytest.mark.parametrize("target", list(VIEWS))
async def test_every_table_fits_80_columns_and_names_its_keys(target: str) -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, target, snapshots()[target])
        app.push_screen(DetailScreen(target))
        await until(lambda: TITLES[target] in text_of(app), 10, "the table")
        await pilot.pause()
        shown = text_of(app)
        assert VIEWS[target][0].columns[0].title in shown
        assert not any(row.endswith("~") for row in shown.split("\n")[2:3]), "the head is cut"
        for keys in ("Enter open", "f fix", "/ filter", "s sort", "c copy", "Esc back", "? help", "q quit"):
            assert keys in shown, f"{keys!r} is in no footer"
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.pause()
        assert "Write the rows" in text_of(app)


@pytest.mark.parametrize(("target", "view"), [(target, view.title) for target in VIEWS for view in VIEWS[target]])
@pytest.mark.parametrize("columns", [80, 160])
async def test_every_view_fits_and_is_reached_by_its_digit(target: str, view: str, columns: int) -> None:
    app, _ = quiet()
    titles = [each.title for each in VIEWS[target]]
    wanted = VIEWS[target][titles.index(view)]
    async with app.run_test(size=(columns, 24)) as pilot:
        app.push_screen(DetailScreen(target))
        await until(lambda: TITLES[target] in text_of(app), 10, "the screen")
        await pilot.press(str(titles.index(view) + 1))
        await until(lambda: wanted.columns[0].title in text_of(app), 10, "the view's head")
        rows = text_of(app).split("\n")
        heads = [column.title for column in wanted.columns if columns >= WIDE or not column.wide_only]
        assert any(all(title in row for title in heads) for row in rows), f"no row has all of {heads}"
        if len(titles) > 1:
            assert f"[{view}]" in text_of(app)


async def test_digits_are_named_and_none_is_offered_that_does_nothing() -> None:
    """On 80 columns the head has no room for eight names: help has them, and the footer says how many there are."""
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(DetailScreen("postgres"))
        await until(lambda: "1 [sessions]" in text_of(app), 10, "the screen")
        await until(lambda: "1-8 view" in text_of(app), 10, "the footer")
        await pilot.press("question_mark")
        await until(lambda: "1-8  view" in text_of(app), 10, "the help")
        shown = " ".join(text_of(app).replace("│", " ").split())
        assert "1 sessions, 2 locks, 3 connections" in shown and "8 settings" in shown and "view 9" not in shown
        await pilot.press("escape")
        app.push_screen(DetailScreen("kubernetes"))
        await until(lambda: "2 rollo" in text_of(app) and "6 events" in text_of(app), 10, "names, cut where they must")


async def test_a_filter_counts_its_rows_as_it_is_typed() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "kubernetes", snapshots()["kubernetes"])
        app.push_screen(DetailScreen("kubernetes"))
        await until(lambda: "1/1 rows" in text_of(app), 10, "the pod")
        await pilot.press("slash", "left_square_bracket", "x")
        await pilot.pause()
        assert "0/1 rows" in text_of(app) and "no row of 1 contains '[x'" in text_of(app)


async def test_what_is_typed_ahead_behind_a_slash_is_no_command() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(DetailScreen("vault"))
        await until(lambda: TITLES["vault"] in text_of(app), 10, "the screen")
        await pilot.pause()
        assert isinstance(app.screen, DetailScreen)
        app.screen.action_filter()
        assert isinstance(app.focused, Input)  # With this key, and not with the next message.
        await pilot.pause()
        assert isinstance(app.focused, Input)
        await pilot.press(*"quit", "escape")
        assert isinstance(app.focused, LiveTable)


async def test_what_is_typed_at_one_go_behind_a_slash_is_the_filter() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(RunbookScreen())
        await until(lambda: "PROCEDURE" in text_of(app), 10, "the list")
        await pilot.pause()
        for key, character in (("slash", "/"), *((letter, letter) for letter in "vault"), ("enter", "\r")):
            app.post_message(Key(key, character))
        await until(
            lambda: isinstance(app.focused, LiveTable) and "pg-connections" not in text_of(app), 10, "the filter"
        )
        assert app.screen.query_one(Input).value == "vault"
        assert "vault-sealed" in text_of(app)


async def test_what_is_typed_at_one_go_behind_the_filters_enter_is_a_command() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(RunbookScreen())
        await until(lambda: "PROCEDURE" in text_of(app), 10, "the list")
        await pilot.press("slash")
        await until(lambda: isinstance(app.focused, Input), 10, "the field")
        for key, character in (*((letter, letter) for letter in "vault"), ("enter", "\r"), ("question_mark", "?")):
            app.post_message(Key(key, character))
        await until(lambda: isinstance(app.screen, HelpScreen), 10, "the help")
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, RunbookScreen), 10, "the list again")
        assert app.screen.query_one(Input).value == "vault"


async def test_a_list_that_is_being_removed_hears_nothing_and_one_that_was_covered_is_drawn_again() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "vault", snapshots()["vault"])
        screen = DetailScreen("vault")
        app.push_screen(screen)
        await until(lambda: "3/3 rows" in text_of(app), 10, "the rows")
        await pilot.press("r", "question_mark")  # Textual takes the one right below the top for seen.
        await until(lambda: len(app.screen_stack) == 4, 10, "the list of procedures and the help")
        post(app, "vault", replace(snapshots()["vault"], nodes=snapshots()["vault"].nodes[:2]))
        assert screen.list.shown == 3, "nobody sees it"
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 3, 10, "the help to go")
        await pilot.press("escape")
        await until(lambda: "2/2 rows" in text_of(app), 0.5, "the rows, before the next second", 0.01)
        gone = screen.list.remove()
        app.pop_screen()
        await gone
        post(app, "vault", snapshots()["vault"])  # The rows are gone, and Unmount has not been sent.
        screen._tick()


async def test_a_list_under_a_dialog_goes_on() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "vault", snapshots()["vault"])
        screen = DetailScreen("vault")
        app.push_screen(screen)
        await until(lambda: "3/3 rows" in text_of(app), 10, "the rows")
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, HelpScreen), 10, "the help")
        post(app, "vault", replace(snapshots()["vault"], nodes=snapshots()["vault"].nodes[:2]))
        assert screen.list.shown == 2


async def test_a_list_is_not_made_again_while_its_snapshot_is_the_same() -> None:
    app, clock = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        taken = snapshots()["alerts"]
        post(app, "alerts", replace(taken, alerts=(replace(taken.alerts[0], state="silenced"),)))
        screen = DetailScreen("alerts", "silenced")
        app.push_screen(screen)
        await until(lambda: "1/1 rows" in text_of(app), 10, "the alert")
        rows = screen.list.rows
        screen._tick()
        assert screen.list.rows is rows, "this view makes its rows"
        await pilot.press("3")
        assert not screen.list.shown, "there is no silence"
        await pilot.press("2")
        assert screen.list.rows == rows
        clock.now += 16
        screen._tick()
        assert not screen.list.shown, "what is too old goes, the same snapshot or not"


def inks(widget: LineWidget) -> set[str]:
    """How the words of a table's rows, or of the summary, are written, the cursor aside."""
    lines = list(widget.lines(80, 10))[1 if isinstance(widget, LiveTable) else 0 :]
    return {style.removesuffix("+cursor") for one in lines for text, style in one.spans if text.strip()}


async def test_old_rows_are_dimmed_then_taken_away() -> None:
    app, clock = quiet()
    async with app.run_test(size=(80, 24)):
        post(app, "kubernetes", snapshots()["kubernetes"])
        screen = DetailScreen("kubernetes")
        app.push_screen(screen)
        await until(lambda: "1/1 rows" in text_of(app), 10, "the pod")
        assert "critical" in inks(screen.list)
        clock.now += 11
        await until(lambda: "STALE 11s old" in text_of(app), 10, "its age")
        assert inks(screen.list) == {"dim"} == inks(screen.query_one("#summary", HeadLine))
        clock.now += 5
        await until(lambda: "0/0 rows" in text_of(app), 10, "an empty table")


@pytest.mark.parametrize("link", [Link.DENIED, Link.DOWN])
async def test_rows_of_a_target_that_gives_nothing_are_dimmed_at_once(link: Link) -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)):
        post(app, "kubernetes", snapshots()["kubernetes"], link=link, problem="refused")
        screen = DetailScreen("kubernetes")
        app.push_screen(screen)
        await until(lambda: "1/1 rows" in text_of(app) and "refused" in text_of(app), 10, "the pod")
        assert inks(screen.list) == {"dim"} == inks(screen.query_one("#summary", HeadLine))
        post(app, "kubernetes", snapshots()["kubernetes"])
        assert "critical" in inks(screen.list)


LONG = (
    "PostgreSQL at db-primary.alphapulse.internal:5432 refuses the user oncall (no pg_hba.conf entry): "
    "have the network of this machine allowed there, or go by the bastion"
)


async def test_a_long_problem_is_told_whole_and_leaves_the_age_in_view() -> None:
    app, clock = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "postgres", snapshots()["postgres"], link=Link.DENIED, problem=LONG)
        clock.now += 7
        app.push_screen(DetailScreen("postgres"))
        await until(lambda: "7s old" in text_of(app), 10, "the age")
        told = " ".join(text_of(app).split())
        assert LONG in told and "rows" in told
        post(app, "postgres", snapshots()["postgres"])
        await until(lambda: "have the network" not in text_of(app), 10, "the sentence to go")
        await pilot.pause()
        assert not app.screen.query_one(ProblemLines).size.height


def files(folder: Path) -> list[Path]:
    return list(folder.glob("copied/vault-*.tsv"))


async def test_a_list_is_filtered_copied_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path))
    app, _ = quiet()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        post(app, "vault", snapshots()["vault"])
        app.push_screen(DetailScreen("vault"))
        await until(lambda: "3/3 rows" in text_of(app), 10, "the rows")
        await pilot.press("slash", *"sealed", "enter")
        await until(lambda: "1/3 rows" in text_of(app), 10, "the filter")
        await pilot.press("c")
        await until(lambda: "Copied" in text_of(app), 10, "the word that it was copied")
        assert app.clipboard.split("\t")[:3] == ["vault-1", "SEALED", "1/3"]
        await pilot.press("C")
        await until(lambda: files(tmp_path), 10, "the file")
        (written,) = files(tmp_path)
        assert [row.split("\t")[0] for row in written.read_text().splitlines()] == ["NODE", "vault-1"]
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        await pilot.press("escape")
        await until(lambda: "3/3 rows" in text_of(app), 10, "the filter dropped")
        assert isinstance(app.screen, DetailScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, DetailScreen)


async def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "copied").write_text("in the way")
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path))
    app, _ = quiet()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        post(app, "vault", snapshots()["vault"])
        app.push_screen(DetailScreen("vault"))
        await until(lambda: "3/3 rows" in text_of(app), 10, "the rows")
        await pilot.press("C")
        await until(lambda: "could not be written" in text_of(app), 10, "the sentence")


async def test_the_runbook_is_a_list_like_any_other() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("r")
        await until(lambda: "pg-connections" in text_of(app) and "vault-sealed" in text_of(app), 10, "the procedures")
        await pilot.press("slash", *"vault-sealed", "enter")
        assert isinstance(app.screen, RunbookScreen)
        assert app.screen.query_one(LiveTable).shown == 1
        await pilot.press("s", "escape")
        assert app.screen.query_one(LiveTable).shown > 1

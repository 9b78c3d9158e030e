"""The cockpit: every size, every state of a source, hostile words, and the keys."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from textual.events import Key

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.reading import Link
from alphapulse_tui.screens.cockpit import Cockpit as CockpitScreen
from alphapulse_tui.screens.commands import COCKPIT, COMMANDS, EVERYWHERE
from alphapulse_tui.screens.detail import DetailScreen
from alphapulse_tui.screens.help import HelpScreen
from alphapulse_tui.screens.panels import platform
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.widgets.panel import Panel
from tests.screens.hand import Hand, at_hand
from tests.screens.stage import HOSTILE, SEALED, post, quiet, snapshots, text_of
from tests.waiting import until

SIZES = [(80, 24), (120, 40), (160, 45), (200, 60)]


@pytest.mark.parametrize("size", SIZES)
async def test_every_panel_shows_its_worst_at_every_size(size: tuple[int, int]) -> None:
    app, _ = quiet()
    async with app.run_test(size=size) as pilot:
        for target, snapshot in snapshots().items():
            post(app, target, snapshot, *([SEALED] if target == "vault" else []))
        await pilot.pause()
        shown = text_of(app)
    assert "P0 vault-1 is sealed" in shown and "p: vault-sealed" in shown
    for said in (
        "! P0 plain",
        "CrashLoopBackOff",
        "50/54",
        "cluster ok",
        "vault-1 SEALED",
        "unseal 1/3",
        "API answers 503",
        "7 Incident",
    ):
        assert said in shown, f"{said!r} is not in view at {size}"
    assert all(len(row) == size[0] for row in shown.split("\n"))


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 10), (79, 23)])
async def test_a_terminal_that_is_too_small_is_survived(size: tuple[int, int]) -> None:
    app, _ = quiet()
    async with app.run_test(size=size) as pilot:
        for target, snapshot in snapshots().items():
            post(app, target, snapshot)
        await pilot.pause()
        await pilot.press("2", "f", "escape", "question_mark", "escape")
        assert app.is_running


async def test_a_small_terminal_says_what_it_needs_and_the_worst_thing() -> None:
    app, _ = quiet()
    async with app.run_test(size=(40, 10)) as pilot:
        post(app, "vault", snapshots()["vault"], SEALED)
        await pilot.pause()
        assert "80x24 cells are needed" in text_of(app) and "vault-1 is sealed" in text_of(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "vault-1 SEALED" in text_of(app)
        assert "[1 Alerts]" in text_of(app), "arrows and Enter have a panel"


async def test_the_focus_comes_back_with_the_panels() -> None:
    """A split of tmux made the terminal small for a moment; afterwards no panel heard the arrows."""
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        await pilot.resize_terminal(70, 20)
        await until(lambda: "80x24 cells are needed" in text_of(app), 10, "that it is too small")
        await pilot.resize_terminal(120, 40)
        await until(lambda: "[5 Vault]" in text_of(app), 10, "the focus where it was")


async def test_hostile_words_are_shown_as_they_are_and_do_nothing() -> None:
    app, _ = quiet()
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        for target, snapshot in snapshots(HOSTILE).items():
            post(app, target, snapshot)
        app.notify(HOSTILE, title=HOSTILE)
        await pilot.pause()
        shown = text_of(app)
        assert HOSTILE in shown
        for key in "1234567":
            await pilot.press(key, "enter")
            await pilot.pause()
            if len(app.screen_stack) > 1:
                await pilot.press("escape")
        assert app.is_running


def tick(app: Cockpit) -> None:
    """A second passes on the start screen."""
    assert isinstance(app.screen, CockpitScreen)
    app.screen.tick()


async def test_old_numbers_are_dimmed_then_taken_away_and_never_green() -> None:
    app, clock = quiet()
    async with app.run_test(size=(160, 45)) as pilot:
        post(app, "postgres", snapshots()["postgres"])
        await pilot.pause()
        assert "50/54" in text_of(app)
        clock.now += 11
        tick(app)
        await pilot.pause()
        shown = text_of(app)
        assert "STALE 11s old" in shown and "50/54" in shown
        clock.now += 5
        tick(app)
        await pilot.pause()
        shown = text_of(app)
        assert "50/54" not in shown and "ago: not verified" in shown
        assert "NOT VERIFIED" in shown


@pytest.mark.parametrize(
    ("link", "word"),
    [
        (Link.DENIED, "DENIED"),
        (Link.DOWN, "NO ANSWER"),
        (Link.CONNECTING, "connecting"),
        (Link.UNCONFIGURED, "not configured"),
    ],
)
async def test_a_target_that_gives_nothing_says_why(link: Link, word: str) -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "vault", None, link=link, problem="GRANT what is missing")
        await pilot.pause()
        shown = text_of(app)
    assert word in shown
    if link in (Link.DENIED, Link.DOWN):
        assert "GRANT what is missing" in shown


async def test_digits_focus_and_help_lists_the_keys_that_work() -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.press("3")
        assert app.focused is not None and app.focused.id == "panel-postgres"
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        shown = text_of(app)
        for word in ("runbook", "incident", "declare", "Numbered fixes"):
            assert word in shown
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_a_key_of_the_users_own_replaces_ours() -> None:
    app, _ = quiet(Profile(name="mine", keys={"help": "f1"}))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("question_mark")
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("f1")
        assert isinstance(app.screen, HelpScreen)


async def test_production_is_unmistakable_in_words_too() -> None:
    app, _ = quiet(Profile(name="prod", environment="main", production=True))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        first = text_of(app).split("\n")[0]
    assert "MAIN" in first and "READ-ONLY" in first
    assert re.search(r"\d\d:\d\d:\d\dZ", first)


def test_a_metric_without_data_says_so_instead_of_zero() -> None:
    profile = Profile(name="x")
    lines = platform.body(snapshots()["platform"], profile.thresholds, 60, False)
    assert any("no data" in one.text for one in lines)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_past_stands_beside_the_present_and_is_still_while_nothing_moves(size: tuple[int, int]) -> None:
    app, clock = quiet()
    async with app.run_test(size=size) as pilot:
        full = snapshots()["redis"]

        def half_minute(clients: int, used: int, evicted: float) -> None:
            for _ in range(6):
                post(app, "postgres", replace(snapshots()["postgres"], clients=clients))
                nodes = (replace(full.nodes[0], used_memory=used, evicted_per_second=evicted), full.nodes[1])
                post(app, "redis", replace(full, nodes=nodes))
                assert isinstance(app.screen, CockpitScreen)
                app.screen._let_time_pass()
                clock.now += 5.0

        painted: list[tuple[object, ...]] = []
        panels = [app.screen.query_one(f"#panel-{target}", Panel) for target in ("postgres", "redis")]
        for _ in range(3):
            half_minute(20, 62, 0.0)
        await pilot.pause()
        assert not set("▁▂▃▄▅▆▇█") & set(text_of(app)), "a flat past says nothing that the number does not"
        for panel in panels:
            refresh = panel.refresh
            panel.refresh = lambda *regions, refresh=refresh, **options: painted.append(regions) or refresh(*regions)  # type: ignore[method-assign]
        for _ in range(3):
            half_minute(20, 62, 0.0)
        await pilot.pause()
        assert painted == [], "nothing changed"
        half_minute(54, 95, 120.0)
        half_minute(20, 62, 0.0)
        half_minute(20, 62, 0.0)
        await pilot.pause()
        shown = text_of(app)
        slots = next(row for row in shown.split("\n") if " slots" in row)
        assert "█" in slots and "▄" in slots and painted
        if size == (160, 45):
            assert "evicted up to 120/s  ▁" in shown and "▅█" in next(row for row in shown.split("\n") if "hit" in row)


async def test_every_command_of_the_table_is_done_by_somebody() -> None:
    """A binding whose action nobody has does nothing, in silence: q once did not quit."""
    app, _ = quiet()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        for command in COMMANDS:
            if command.scope in (EVERYWHERE, COCKPIT) and command.action:
                owner = app if command.action.startswith("app.") else app.screen
                assert hasattr(owner, f"action_{command.action.removeprefix('app.')}"), command.id


async def test_the_focus_is_seen_without_colour_and_on_a_panel_that_is_not_live() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        for number in "1234567":
            await pilot.press(number)
            assert re.findall(r"\[(\d) ", text_of(app)) == [number]


async def test_the_palette_opens_and_q_quits() -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("colon")
        await pilot.pause()
        assert type(app.screen).__name__ == "CommandPalette"
        await pilot.press("escape")
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0 and not app.is_running


async def test_keys_typed_at_one_go_open_the_panel_that_the_digit_names() -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "vault", snapshots()["vault"])
        for letter in ("5", "enter"):
            app.post_message(Key(letter, letter if len(letter) == 1 else None))
        await until(lambda: type(app.screen).__name__ == "DetailScreen", 10, "a detail screen")
        await pilot.pause()
        assert "Vault" in text_of(app).split("\n")[1]


@pytest.mark.parametrize(
    ("words", "screen"),
    [
        ("fix postgresql: terminate idle, poolers", "ActionScreen"),
        ("procedure vault-sealed", "Cockpit"),
        ("redis nodes", "DetailScreen"),
    ],
)
async def test_the_palette_finds_fixes_procedures_and_views(words: str, screen: str) -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        post(app, "postgres", snapshots()["postgres"])
        await pilot.press("colon")
        await until(lambda: type(app.screen).__name__ == "CommandPalette", 10, "the palette")
        assert "\N{RIGHT-POINTING MAGNIFYING GLASS}" not in text_of(app), (
            "an emoji is two cells wide here and one there"
        )
        await pilot.press(*("space" if letter == " " else letter for letter in words))
        await until(lambda: words in text_of(app).casefold(), 10, "the entry")
        await pilot.press("enter")
        await until(lambda: type(app.screen).__name__ != "CommandPalette", 10, "the palette closed")
        await until(lambda: type(app.screen).__name__.startswith(screen), 10, f"{screen} (a procedure needs a journal)")


async def test_no_key_is_promised_for_a_procedure_that_is_not_installed() -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        finding = replace(SEALED, sentence="vault melts", procedure="vault-melting")
        post(app, "vault", snapshots()["vault"], finding)
        await until(lambda: "P0 vault melts" in text_of(app), 10, "the verdict")
        assert "p: " not in text_of(app).split("\n")[1]
        await pilot.press("p")
        await until(lambda: "no procedure vault-melting yet" in text_of(app), 10, "the reason")


async def test_the_procedure_of_an_equally_bad_finding_is_offered_when_the_first_has_none() -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "kubernetes", snapshots()["kubernetes"], replace(SEALED, sentence="pod restarted", procedure="later"))
        post(app, "vault", snapshots()["vault"], SEALED)
        await until(lambda: "P0 pod restarted" in text_of(app), 10, "the verdict")
        assert "p: vault-sealed" in text_of(app).split("\n")[1]
        await pilot.pause()


async def test_a_broken_procedure_of_the_users_own_is_told_and_ours_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "procedures").mkdir()
    (tmp_path / "procedures" / "mine.yaml").write_text("id: [broken", encoding="utf-8")
    monkeypatch.setattr("alphapulse_tui.config.paths.config_file", lambda: tmp_path / "alphapulse.toml")
    app, _ = quiet()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("r")
        await until(lambda: "mine.yaml" in text_of(app) and "vault-sealed" in text_of(app), 10, "the sentence")
        assert app.is_running


async def test_a_new_p0_rings_once_and_flashes_the_top_line() -> None:
    app, _ = quiet()
    rung: list[bool] = []
    async with app.run_test(size=(120, 40)) as pilot:
        app.bell = lambda: rung.append(True)  # type: ignore[method-assign]
        post(app, "vault", snapshots()["vault"])
        post(app, "postgres", snapshots()["postgres"], SEALED)
        assert not rung, "what is wrong at the start is not new"
        post(app, "vault", snapshots()["vault"], SEALED)
        post(app, "vault", snapshots("other")["vault"], SEALED)
        await pilot.pause()
        assert rung == [True]
        assert app.screen.query_one(TopLine).has_class("-alarm")


async def test_before_anything_was_asked_nothing_is_called_unconfigured() -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        shown = text_of(app)
    assert "not configured" not in shown and "no target has been asked yet" in shown


async def test_a_cockpit_that_is_covered_draws_nothing_and_is_up_to_date_when_it_is_seen_again() -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40)) as pilot:
        start = app.screen
        assert isinstance(start, CockpitScreen)
        await pilot.press("question_mark")
        await until(lambda: app.screen is not start, 10, "the help")
        assert start.in_view, "it is seen around a dialog"
        await pilot.press("escape")
        app.push_screen(DetailScreen("vault"))
        await until(lambda: isinstance(app.screen, DetailScreen), 10, "the table")
        post(app, "vault", snapshots()["vault"], SEALED)
        assert not start.in_view and start.verdict.finding is None
        await pilot.press("escape")
        await until(lambda: app.screen is start and start.verdict.finding, 10, "the verdict")


async def test_a_journal_that_could_not_be_had_at_the_start_is_tried_again_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "state"
    in_the_way.write_text("a file where the folder should be")
    monkeypatch.setenv("ALPHAPULSE_STATE", str(in_the_way))
    app = at_hand(Hand(), journal=True)
    async with app.run_test(size=(160, 45)) as pilot:
        await until(lambda: "F5" in text_of(app), 10, "the problem and the key")
        await pilot.press("f5")
        await until(lambda: app.session.journal_problem, 10, "the same problem")
        assert app.session.desk is None
        in_the_way.unlink()
        await pilot.press("f5")
        await until(lambda: app.session.desk, 10, "the journal")
        await until(lambda: "no journal" not in text_of(app), 10, "the panel")

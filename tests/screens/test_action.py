"""The action screen: what each risk demands, what typed-ahead keys cannot do, and what is shown of the end."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.confirm import ENTER, LETTERS, required_confirmation
from alphapulse_tui.executor.protocol import Progress, Stage
from alphapulse_tui.model.plan import Outcome, Result, Risk, Verdict
from alphapulse_tui.screens import action
from alphapulse_tui.screens.action import ActionScreen
from alphapulse_tui.screens.help import HelpScreen
from alphapulse_tui.screens.plan_lines import detail_lines
from tests.screens.hand import GONE, Hand, a_plan, at_hand, done
from tests.screens.stage import text_of
from tests.waiting import until


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dialog hears at once; the deaf 300 ms have a test of their own."""
    monkeypatch.setattr(action, "DEAF_SECONDS", 0.0)


async def opened(pilot: Pilot[None], app: Cockpit, words: str) -> ActionScreen:
    """The action screen, when it shows ``words``."""
    await until(lambda: app.session.executor, 10, "the executor")
    screen = ActionScreen("pg.terminate-idle", {})
    app.push_screen(screen)
    await until(lambda: words in text_of(app), 10, words)
    return screen


@pytest.mark.usefixtures("heard")
async def test_a_disruptive_action_runs_by_its_letter_alone_and_shows_its_proof() -> None:
    hand = Hand()
    app = at_hand(hand)
    letter = required_confirmation(hand.next_plan)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, f"press {letter} to do it")
        shown = text_of(app)
        assert "pid 4121 of app" in shown and "disruptive" in shown
        assert shown.split("\n")[0].lstrip().startswith("AlphaPulse  stage"), "which environment is answered here too"
        await pilot.press(*(other for other in LETTERS if other != letter))
        assert hand.executed == []
        await pilot.press(letter)
        await until(lambda: "verified: it is gone" in text_of(app), 10, "the proof")
        assert hand.executed == [("pg.terminate-idle", letter)]
        assert "slots: 104 % -> 59 %" in text_of(app)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_enter_and_escape_cancel_a_disruptive_action(key: str) -> None:
    hand = Hand()
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "to do it")
        await pilot.press(key)
        await pilot.pause()
        assert not isinstance(app.screen, ActionScreen)
        assert hand.executed == []


@pytest.mark.usefixtures("heard")
async def test_enter_does_a_safe_action() -> None:
    hand = Hand(a_plan(Risk.SAFE))
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "Enter does it")
        await pilot.press("enter")
        await until(lambda: hand.executed, 10, "the run")
        assert hand.executed == [("pg.terminate-idle", ENTER)]


async def test_keys_typed_ahead_do_nothing_while_the_dialog_is_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action, "DEAF_SECONDS", 3600.0)
    hand = Hand()
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "to do it")
        await pilot.press(required_confirmation(hand.next_plan), "enter", "escape")
        assert isinstance(app.screen, ActionScreen)
        assert hand.executed == []


@pytest.mark.usefixtures("heard")
async def test_a_destructive_action_wants_the_name_typed() -> None:
    hand = Hand(a_plan(Risk.DESTRUCTIVE, confirm_word="redis-0"))
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "type redis-0")
        await pilot.press("enter", *"redis-1", "enter")
        await pilot.pause()
        assert "that is not its name" in text_of(app) and hand.executed == []
        await pilot.press("backspace", "0", "enter")
        await until(lambda: hand.executed, 10, "the run")
        assert hand.executed == [("pg.terminate-idle", "redis-0")]


async def test_a_refusal_is_told_and_nothing_can_be_sent() -> None:
    hand = Hand(a_plan(refusal="This environment is read-only: A arms it."))
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "not possible now")
        assert "read-only: A arms it" in text_of(app)
        await pilot.press(*LETTERS)
        assert hand.executed == []


async def test_without_an_executor_the_screen_says_so() -> None:
    hand = Hand()
    hand.gone = True
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "The executor is gone")
        await pilot.press("escape")
        assert not isinstance(app.screen, ActionScreen)


@pytest.mark.usefixtures("heard")
async def test_an_executor_that_dies_on_the_way_is_told_and_no_undo_is_offered() -> None:
    hand = Hand(a_plan(undo_action="pg.undo"))
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "to do it")
        hand.gone = True
        await pilot.press(required_confirmation(hand.next_plan))
        await until(lambda: GONE[:20] in text_of(app), 10, "the sentence")
        assert "undoes it" not in text_of(app)


@pytest.mark.usefixtures("heard")
async def test_what_failed_has_nothing_to_undo() -> None:
    failed = Progress("plan-1", Stage.OUTCOME, "", Result(Outcome.FAILED, "permission denied"))
    hand = Hand(a_plan(undo_action="pg.undo"), [failed])
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "to do it")
        await pilot.press(required_confirmation(hand.next_plan))
        await until(lambda: "failed: permission denied" in text_of(app), 10, "the failure")
        await pilot.press("z")
        assert "undoes it" not in text_of(app) and len(hand.planned) == 1


@pytest.mark.usefixtures("heard")
async def test_an_undo_is_planned_above_and_takes_the_proof_back() -> None:
    answers: list[bool | None] = []
    hand = Hand(a_plan(undo_action="pg.undo", undo_params={"pid": "4121"}))
    app = at_hand(hand)
    letter = required_confirmation(hand.next_plan)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.executor, 10, "the executor")
        app.push_screen(ActionScreen("pg.terminate-idle", {}), answers.append)
        await until(lambda: "to do it" in text_of(app), 10, "the plan")
        await pilot.press(letter)
        await until(lambda: "z undoes it" in text_of(app), 10, "the way back")
        await pilot.press("z")
        await until(lambda: len(hand.planned) == 2 and "to do it" in text_of(app), 10, "the undo's plan")
        assert hand.planned[1] == ("pg.undo", {"pid": "4121"})
        await pilot.press(letter)
        await until(lambda: "verified:" in text_of(app), 10, "the undo's proof")
        await pilot.press("escape")
        await until(lambda: "undone, and verified" in text_of(app), 10, "the first action again")
        await pilot.press("escape")
        await pilot.pause()
        assert answers == [False]


@pytest.mark.usefixtures("heard")
async def test_a_log_is_read_at_once_and_whole() -> None:
    line = "FATAL database: cannot connect to 127.0.0.1:5433 as alphapulse_app, password authentication failed, giving up after 30 s"
    read = Progress("plan-1", Stage.OUTCOME, "", Result(Outcome.DONE, "1 log read", {"api": line}))
    hand = Hand(a_plan(Risk.SAFE, changes=False), [read])
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "read: 1 log read")
        shown = text_of(app)
        assert "giving up after 30 s" in shown and "~" not in shown


def test_what_was_read_keeps_its_indentation() -> None:
    lines = detail_lines({"plan": "Limit\n  ->  Seq Scan on trades with words enough for a second line"}, 44)
    assert [one.text for one in lines] == [
        "  plan  Limit",
        "          -> Seq Scan on trades with words",
        "          enough for a second line",
    ]


async def test_an_unproven_end_does_not_answer_verified() -> None:
    answers: list[bool | None] = []
    app = at_hand(Hand(a_plan(Risk.SAFE, changes=False), done(Verdict.PENDING)))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.executor, 10, "the executor")
        app.push_screen(ActionScreen("x", {}), answers.append)
        await until(lambda: "pending:" in text_of(app), 10, "the verdict")
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "undo" in text_of(app)
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert answers == [False]


@pytest.mark.usefixtures("heard")
async def test_read_only_production_shows_the_plan_and_is_armed_from_there() -> None:
    hand = Hand()
    app = at_hand(hand, Profile(name="prod", environment="main", production=True))
    letter = required_confirmation(hand.next_plan)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app, "READ-ONLY A arms")
        await pilot.press(*LETTERS)
        assert hand.executed == []
        await pilot.press("A", *"main", "enter")
        await until(lambda: f"press {letter} to do it" in text_of(app), 10, "the letter")
        await pilot.press(letter)
        await until(lambda: hand.executed, 10, "the run")

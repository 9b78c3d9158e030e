"""The procedure screen on a real journal and without a lab: Enter, what must come first, skip, copy, and an action's proof or its lack."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from alphapulse_tui.app import Cockpit
from alphapulse_tui.executor.confirm import required_confirmation
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import JournalUnavailable
from alphapulse_tui.model.plan import Verdict
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.rights import NEEDS, RightsSurvey
from alphapulse_tui.runbook.checks import CheckResult, Passed
from alphapulse_tui.runbook.engine import Engine, StepState
from alphapulse_tui.runbook.schema import WaitStep
from alphapulse_tui.screens import action
from alphapulse_tui.screens.action import ActionScreen
from alphapulse_tui.screens.procedure import ProcedureScreen
from tests.screens.hand import Hand, at_hand, done
from tests.screens.stage import SEALED, post, snapshots, text_of
from tests.waiting import until


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hand: Hand) -> Cockpit:
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path))
    monkeypatch.setattr(action, "DEAF_SECONDS", 0.0)
    return at_hand(hand, journal=True)


async def opened(pilot: Pilot[None], app: Cockpit) -> ProcedureScreen:
    """The procedure that the verdict suggests, on its first step."""
    await until(lambda: app.session.desk and app.session.executor, 10, "journal and executor")
    post(app, "vault", snapshots()["vault"], SEALED)
    await pilot.press("p")
    await until(lambda: "step 1 of" in text_of(app) and "sealed: vault-1" in text_of(app), 10, "the first step")
    assert isinstance(app.screen, ProcedureScreen)
    return app.screen


def state_of(screen: ProcedureScreen, step: str) -> StepState:
    return screen.engine.step_record(screen.procedure.step(step)).state


async def at_step(app: Cockpit, pilot: Pilot[None], procedure: str, step: str) -> ProcedureScreen:
    """The procedure with everything before ``step`` left out, and that step looked at."""
    await until(lambda: app.session.desk and app.session.executor, 10, "journal and executor")
    app.push_screen(ProcedureScreen(app.procedures[procedure]))
    await until(lambda: isinstance(app.screen, ProcedureScreen) and app.screen._engine, 10, "the procedure")
    screen = app.screen
    assert isinstance(screen, ProcedureScreen)
    ids = [one.id for one in screen.procedure.steps]
    for before in ids[: ids.index(step)]:
        await screen.engine.skip(screen.procedure.step(before), "tried elsewhere")
    screen._chosen = step
    await pilot.pause()
    return screen


async def test_what_happens_now_and_every_key_are_in_view_at_80x24(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        shown = text_of(app)
        for words in (
            "Enter looks and records it",
            "b leaves it out",
            "Enter run step",
            "b leave out",
            "c copy",
            "Esc back",
            "! declare",
        ):
            assert words in shown, words


async def test_the_footer_of_a_step_names_only_keys_that_do_something(app: Cockpit) -> None:
    """Three of its keys did nothing at most steps, and the two that look at another step were a secret; nor was the procedure named."""
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        shown = text_of(app)
        assert "vault-sealed  step 1 of" in shown and "left right step" in shown
        assert not any(words in shown for words in ("t values", "y another way", "p procedure"))
        await pilot.press("right")
        await until(lambda: "y another way" in text_of(app), 10, "the branch's key")


async def test_what_we_lack_stands_before_the_first_step_and_in_the_list(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.desk and app.session.executor, 10, "journal and executor")
        app.screen.open_procedure("redis-memory")  # type: ignore[attr-defined]
        await until(
            lambda: "your rights are not verified: redis is not configured" in text_of(app), 10, "no word of it"
        )
        needed = [right for action in ("redis.set-maxmemory", "redis.unlink") for right in NEEDS[action]]
        grants = tuple((right, f"ACL SETUSER ana +{number}") for number, right in enumerate(needed))
        post(app, "redis-rights", RightsSurvey(grants))
        await until(lambda: "you lack 3 rights: ACL SETUSER ana +2 (redis.unlink)" in text_of(app), 10, "the grants")
        rows = text_of(app).split("\n")
        first = next(number for number, row in enumerate(rows) if "you lack" in row)
        assert "step 1 of" in rows[first + 3], "three lines at most"
        assert "Enter looks and records it" in text_of(app), "what happens now stays in view"
        await pilot.press("escape", "r")
        await until(lambda: "MAY I" in text_of(app) and "unknown" in text_of(app), 10, "the list, which asks anew")
        post(app, "redis-rights", RightsSurvey(grants))
        await until(lambda: "lacks 3" in text_of(app), 10, "the grants in the list")
        await until(lambda: app.session.desk and app.session.desk.events, 10, "the run to be recorded")
        post(app, "redis-rights", RightsSurvey(grants[:2]))
        await until(lambda: "lacks 2" in text_of(app), 10, "the list as it is now")
        row = next(row for row in text_of(app).split("\n") if "redis-memory" in row)
        assert "0/1" in row and "under way" in row and "~" in row
        post(app, "redis-rights", RightsSurvey())
        await until(lambda: "lacks" not in text_of(app), 10, "the grants to be given")
        row = next(row for row in text_of(app).split("\n") if "redis-memory" in row)
        assert " yes " in row


async def test_a_key_pressed_while_the_run_is_being_recorded_counts(
    app: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, start = asyncio.Event(), Engine.start

    async def slow(engine: Engine) -> None:
        record = engine._record

        async def late(kind: Kind, payload: dict[str, Any]) -> object:
            await recorded.wait()
            return await record(kind, payload)

        monkeypatch.setattr(engine, "_record", late)
        await start(engine)

    monkeypatch.setattr(Engine, "start", slow)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app)
        await pilot.press("right")
        recorded.set()
        await until(lambda: app.session.desk and app.session.desk.events, 10, "the run to be recorded")
        await pilot.pause()
        assert screen.step is screen.procedure.steps[1]


async def test_a_step_waits_for_the_one_before_or_is_skipped_with_a_reason(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        screen = await opened(pilot, app)
        first = screen.step
        await pilot.press("right")
        await until(lambda: "step 2 of" in text_of(app), 10, "the second step")
        await pilot.press("left", "b")
        await until(lambda: "F1 not needed here" in text_of(app), 10, "the usual reasons")
        await pilot.press("escape")
        assert state_of(screen, first.id) is StepState.OPEN
        await pilot.press("b", "f1")
        await until(lambda: state_of(screen, first.id) is StepState.SKIPPED, 10, "the skipping")
        await until(lambda: "step 2 of" in text_of(app), 10, "the next step")


async def test_what_is_judged_after_an_action_is_what_was_read_after_it(app: Cockpit, hand: Hand) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "postgres", snapshots()["postgres"])
        screen = await at_step(app, pilot, "pg-connections", "end-idle")
        await pilot.press("enter")
        await until(lambda: "to do it" in text_of(app), 10, "the plan")
        await pilot.press(required_confirmation(hand.next_plan))
        await until(lambda: "verified:" in text_of(app), 10, "the end")
        app.session.board.clock.now += 1.0  # type: ignore[attr-defined]
        await pilot.press("escape")
        await until(lambda: state_of(screen, "end-idle") is StepState.PASSED, 10, "the action's end")
        await until(lambda: "postgres is being read again" in text_of(app), 10, "the proof to wait for a reading")
        await pilot.press("enter")
        await pilot.pause(0.5)
        assert state_of(screen, "usage-fell") is StepState.OPEN
        post(app, "postgres", snapshots()["postgres"])
        await until(lambda: state_of(screen, "usage-fell") is not StepState.OPEN, 10, "the reading to be judged")


def being_read(app: Cockpit, target: str) -> None:
    """The target is asked for the first time, and has not answered yet."""
    board = app.session.board
    board.publish(Reading(target, 5.0, Link.CONNECTING, board.clock()))


async def test_a_plan_that_is_left_before_it_was_confirmed_is_no_action(app: Cockpit) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "postgres", snapshots()["postgres"])
        screen = await at_step(app, pilot, "pg-connections", "end-idle")
        app.session.board.clock.now += 1.0  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(lambda: "to do it" in text_of(app), 10, "the plan")
        await pilot.press("escape")
        await until(lambda: app.screen is screen, 10, "the procedure again")
        await pilot.pause()
        result = screen.engine.look(screen.procedure.step("usage-fell"))
        assert result is not None and not result.awaited, "what was read before counts as before"


async def test_a_way_that_is_chosen_by_hand_ends_what_the_branch_waits_for(app: Cockpit) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        being_read(app, "postgres")
        screen = await at_step(app, pilot, "pg-connections", "choose")
        await pilot.press("enter")
        await pilot.press("y")
        await until(lambda: "Which way" in text_of(app), 10, "the ways")
        goto = next(way for way, _ in screen.engine.ways(screen.step) if way == "raise-limit")  # type: ignore[arg-type]
        app.screen.dismiss(goto)
        await until(lambda: state_of(screen, "choose") is StepState.PASSED, 10, "the way")
        post(app, "postgres", snapshots()["postgres"])
        await pilot.pause(0.6)
        record = screen.engine.step_record(screen.procedure.step("choose"))
        assert "chosen by hand" in record.sentence and screen._chosen == goto


async def test_a_plan_that_waits_for_a_choice_is_not_asked_over_what_is_typed_meanwhile(
    app: Cockpit, hand: Hand
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await at_step(app, pilot, "redis-memory", "unlink")
        being_read(app, "redis-keys")
        await pilot.press("enter")
        await pilot.press("b")
        await until(lambda: "F1 not needed here" in text_of(app), 10, "the question")
        prompt = app.screen
        app.session.board.publish(Reading("redis-keys", 300.0, Link.UNCONFIGURED, app.session.now))
        await pilot.pause(0.6)
        assert app.screen is prompt and hand.planned == []
        assert state_of(screen, "unlink") is StepState.OPEN


async def test_an_action_that_is_not_proven_leaves_its_step_open_and_one_that_is_settles_it(
    app: Cockpit, hand: Hand
) -> None:
    hand.progress = done(Verdict.PENDING)
    letter = required_confirmation(hand.next_plan)
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "postgres", snapshots()["postgres"])
        screen = await at_step(app, pilot, "pg-connections", "end-idle")
        for verdict, proven in ((Verdict.PENDING, False), (Verdict.VERIFIED, True)):
            hand.progress = done(verdict)
            await pilot.press("enter")
            await until(lambda: isinstance(app.screen, ActionScreen) and "to do it" in text_of(app), 10, "the plan")
            await pilot.press(letter)
            await until(lambda v=verdict: f"{v.value}:" in text_of(app), 10, "the end")  # type: ignore[misc]
            await pilot.press("escape")
            await until(lambda: app.screen is screen, 10, "the procedure again")
            await until(lambda p=proven: state_of(screen, "end-idle").settled is p, 10, "the step's state")  # type: ignore[misc]


async def test_a_journal_that_takes_nothing_in_is_told_once_and_the_procedure_stays(
    app: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*arguments: object) -> object:
        raise JournalUnavailable("the journal's disk is full")

    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        desk = await until(lambda: app.session.desk, 10, "the journal")
        taken = desk.journal.record  # type: ignore[attr-defined]
        monkeypatch.setattr(desk.journal, "record", refuse)  # type: ignore[attr-defined]
        screen = await opened(pilot, app)
        await until(lambda: "not recorded: the journal's disk is full" in text_of(app), 10, "the sentence")
        first = screen.step
        await pilot.press("b")
        await until(lambda: "F1 not needed here" in text_of(app), 10, "the usual reasons")
        await pilot.press("f1")
        await pilot.pause()
        assert app.is_running and screen.step is first, "what was not recorded did not happen"
        monkeypatch.setattr(desk.journal, "record", taken)  # type: ignore[attr-defined]
        await pilot.press("b")
        await until(lambda: "F1 not needed here" in text_of(app), 10, "the usual reasons again")
        await pilot.press("f1")
        await until(lambda: screen.step is not first and "not recorded" not in text_of(app), 10, "the next step")


async def test_the_end_of_a_wait_is_recorded_once_however_long_the_journal_takes_and_again_when_it_could_not(
    app: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(step: WaitStep) -> tuple[StepState, float, CheckResult]:
        looks.append(step.id)
        return StepState.PASSED, float(len(looks)), CheckResult(Passed.YES, "all serve")

    async def refuse(*arguments: object) -> object:
        tried.append("refused")
        raise JournalUnavailable("the journal's disk is full")

    async def slow(*arguments: Any) -> object:
        tried.append("slow")
        await free.wait()
        return await taken(*arguments)

    looks: list[str] = []
    tried: list[str] = []
    free = asyncio.Event()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        screen = await opened(pilot, app)
        desk = app.session.desk
        assert desk is not None
        taken = desk.journal.record
        step = next(step for step in screen.procedure.steps if isinstance(step, WaitStep))
        await until(lambda: screen.engine.state, 10, "the run")
        for before in screen.procedure.steps[: screen.procedure.steps.index(step)]:
            await screen.engine.skip(before, "known")
        screen._chosen = step.id
        monkeypatch.setattr(screen.engine, "wait_progress", ends)
        monkeypatch.setattr(desk.journal, "record", refuse)
        await pilot.press("enter")
        await until(lambda: "not recorded" in text_of(app), 10, "the sentence")
        await asyncio.sleep(1.5)
        assert tried == ["refused"] and state_of(screen, step.id) is StepState.OPEN, "it did not begin"
        monkeypatch.setattr(desk.journal, "record", taken)
        await pilot.press("enter")
        await until(lambda: state_of(screen, step.id) is StepState.RUNNING, 10, "the wait")
        monkeypatch.setattr(desk.journal, "record", refuse)
        await until(lambda: len(tried) >= 3, 10, "the end to be refused, and tried again")
        monkeypatch.setattr(desk.journal, "record", slow)
        await until(lambda: "slow" in tried, 10, "a look that the journal is slow to take in")
        await asyncio.sleep(2.5)
        assert tried.count("slow") == 1, "nobody looks again while the end is being written"
        free.set()
        await until(lambda: state_of(screen, step.id) is StepState.PASSED, 10, "the end of the wait")
        await until(lambda: "not recorded" not in text_of(app), 10, "the sentence to go")
        ends_of_it = [event for event in desk.events if event.payload.get("state") == "passed"]
        assert len(ends_of_it) == 1

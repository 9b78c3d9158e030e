"""The dialogs without a lab: fixes, unresolved actions, arming, declaring, help."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.protocol import Resolution
from alphapulse_tui.model.alerts import Alert, AlertsSnapshot, Silence
from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.redis import RedisSnapshot
from alphapulse_tui.screens.action import ActionScreen
from alphapulse_tui.screens.declare import DeclareScreen
from alphapulse_tui.screens.fixes import FixesScreen
from alphapulse_tui.screens.help import HelpScreen
from alphapulse_tui.screens.prompt import PromptScreen
from alphapulse_tui.screens.unresolved import UnresolvedScreen
from alphapulse_tui.widgets.panel import Panel
from tests.model.rules.test_redis import WELL
from tests.model.test_redis_cluster import flagged, silent
from tests.screens.hand import Hand, at_hand, open_run
from tests.screens.stage import SEALED, post, quiet, snapshots, text_of
from tests.screens.test_cockpit import tick
from tests.waiting import until

SLOW = Finding("platform", Health.WARNING, "p99 is 812 ms", "api", "", Severity.P2)


async def test_a_fix_is_two_keys_away_and_opens_its_plan() -> None:
    hand = Hand()
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.executor, 10, "the executor")
        post(app, "vault", snapshots()["vault"], SEALED)
        await pilot.press("5", "f")
        await pilot.pause()
        assert "1  unseal next node: vault-1 (1/3)" in text_of(app) and "suggested" in text_of(app)
        await pilot.press("1")
        await until(lambda: hand.planned, 10, "the plan")
        assert hand.planned == [("vault.unseal", {"node": "next"})]
        assert isinstance(app.screen, ActionScreen)


async def test_a_fix_that_needs_a_second_person_asks_for_the_name_before_it_is_planned() -> None:
    hand = Hand()
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.executor, 10, "the executor")
        post(app, "redis", RedisSnapshot(flagged(silent(WELL.nodes, 0), 0, "fail", (1, 2, 3, 4, 5))))
        await pilot.press("4", "f")
        await pilot.pause()
        assert "1  force a failover: n3 for n0" in text_of(app)
        await pilot.press("1")
        await until(lambda: "Who else agreed to it?" in text_of(app), 10, "the question")
        await pilot.press("enter")
        assert isinstance(app.screen, PromptScreen) and hand.planned == [], "nobody is no answer"
        await pilot.press("b", "o", "enter")
        await until(lambda: hand.planned, 10, "the plan")
        assert hand.planned == [("redis.failover-force", {"replica": "n3", "agreed_with": "bo"})]
        assert isinstance(app.screen, ActionScreen)


async def test_an_alert_is_silenced_for_a_chosen_time_with_a_comment() -> None:
    hand = Hand()
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.executor, 10, "the executor")
        firing = Alert("f1", "APIDown", Severity.P0, "firing", 0.0, "", (), (), "api-crashloop", "m1")
        post(app, "alerts", AlertsSnapshot((firing,)))
        await pilot.press("1", "f")
        await pilot.pause()
        for words in ("1  acknowledge the incident", "2  silence APIDown", "3  open procedure", "4  copy the address"):
            assert words in text_of(app)
        await pilot.press("2")
        await until(lambda: "For how long" in text_of(app), 10, "the choice")
        assert "4  4h  until " in text_of(app) and hand.planned == []
        await pilot.press("3")
        await until(lambda: "Why, for whoever finds the silence?" in text_of(app), 10, "the question")
        await pilot.press("enter")
        assert isinstance(app.screen, PromptScreen) and hand.planned == [], "no silence without a comment"
        await pilot.press("o", "k", "enter")
        await until(lambda: hand.planned, 10, "the plan")
        assert hand.planned == [("alerts.silence", {"alert": "m1", "duration": "2h", "comment": "ok"})]
        assert isinstance(app.screen, ActionScreen)


async def test_what_is_silenced_has_views_of_its_own_and_stays_in_the_verdict() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        alert = Alert("f1", "APIDown", Severity.P0, "silenced", 0.0, "", (), (), "api-crashloop", "m1", ("s-12345678",))
        silence = Silence("s-12345678", ('alertname="APIDown"',), "ana", "a share is coming", 7200.0)
        post(app, "alerts", AlertsSnapshot((alert,), silences=(silence,)))
        await pilot.pause()
        tick(app)
        await pilot.pause()
        assert "1 silenced, P0" in text_of(app).split("\n")[1]
        app.screen.open_detail("alerts", "silenced")
        await until(lambda: "a share is coming" in text_of(app), 10, "the silenced alert")
        assert "02:00:00Z" in text_of(app) and "ana" in text_of(app)
        await pilot.press("f")
        await until(lambda: "expire silence s-123456 of APIDown" in text_of(app), 10, "its fix")
        await pilot.press("escape", "3")
        await until(lambda: "KEEPS QUIET" in text_of(app), 10, "the silences")


async def test_a_fix_that_is_not_possible_says_why_and_escape_leaves() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        post(app, "postgres", snapshots()["postgres"])
        post(app, "kubernetes", snapshots()["kubernetes"])
        await pilot.press("2", "f", "question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, FixesScreen)
        impossible = next(fix for fix in app.screen._fixes if fix.why_not)
        await pilot.press(str(impossible.number))
        await until(lambda: "Not possible now" in text_of(app), 10, "the reason")
        assert isinstance(app.screen, FixesScreen)
        await pilot.press("9", "escape")
        assert not isinstance(app.screen, FixesScreen)


async def test_a_panel_that_never_answered_has_nothing_to_choose_from() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "kubernetes", None)
        await pilot.press("2", "f")
        await pilot.pause()
        assert "kubernetes has not answered yet" in text_of(app)


async def test_unresolved_actions_come_first_and_each_of_three_keys_settles_one() -> None:
    hand = Hand()
    hand.open_runs = [open_run("run-1"), open_run("run-2"), open_run("run-3")]
    app = at_hand(hand)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: isinstance(app.screen, UnresolvedScreen), 10, "the screen at the start")
        await until(lambda: "run-1: the session lives" in text_of(app), 10, "the probe")
        assert "sent, no answer" in text_of(app) and "1 of 3" in text_of(app)
        await pilot.press("right")
        await until(lambda: "2 of 3" in text_of(app), 10, "the second")
        await pilot.press("v")
        await until(lambda: len(hand.resolved) == 1 and "1 of 2" in text_of(app), 10, "the verifying")
        await pilot.press("d", *"seen", "enter")
        await until(lambda: len(hand.resolved) == 2, 10, "the evidence")
        await until(lambda: "run-3" in text_of(app), 10, "the last one")
        await pilot.press("b", "escape")
        assert len(hand.resolved) == 2, "an abandoning that was cancelled settles nothing"
        await pilot.press("b", *"gone", "enter")
        await until(lambda: "has an outcome that is known" in text_of(app), 10, "nothing left")
        assert hand.resolved == [
            ("run-2", Resolution.VERIFY, ""),
            ("run-1", Resolution.DONE, "seen"),
            ("run-3", Resolution.ABANDON, "gone"),
        ]
        await pilot.press("escape")
        assert not isinstance(app.screen, UnresolvedScreen)


async def test_production_is_armed_by_its_name_and_by_nothing_else() -> None:
    hand = Hand()
    app = at_hand(hand, Profile(name="prod", environment="main", production=True))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(lambda: app.session.executor, 10, "the executor")
        await pilot.press("A", *"man", "enter")
        await until(lambda: "nothing was armed" in text_of(app), 10, "the refusal")
        assert hand.armed == []
        await pilot.press("A", *"main", "enter")
        await until(lambda: hand.armed, 10, "the arming")
        await until(lambda: "ARMED 1:00:00" in text_of(app).split("\n")[0], 10, "the top line")


@pytest.fixture
def journaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cockpit:
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path))
    app, _ = quiet()
    return app


async def test_declaring_follows_the_board_until_the_person_chooses(journaled: Cockpit) -> None:
    app = journaled
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "platform", snapshots()["platform"], SLOW)
        app.push_screen(DeclareScreen())
        await until(lambda: "Suggested: P2" in text_of(app), 10, "the first suggestion")
        panel, title = app.screen.query_one(Panel), app.screen.query_one(Input)
        assert (panel.chosen, title.value) == ("P2", "p99 is 812 ms")
        post(app, "vault", snapshots()["vault"], SEALED)
        await until(lambda: "Suggested: P0" in text_of(app), 10, "the second suggestion")
        assert (panel.chosen, title.value) == ("P0", "vault-1 is sealed")
        await pilot.press("down")
        assert panel.chosen == "P1"
        post(app, "vault", snapshots()["vault"])
        await until(lambda: "Suggested: P2" in text_of(app), 10, "the suggestion without Vault")
        assert (panel.chosen, title.value) == ("P1", "p99 is 812 ms"), "the severity is the person's by now"
        await pilot.press("enter", *" and more")
        post(app, "vault", snapshots()["vault"], SEALED)
        await pilot.pause()
        assert (panel.chosen, title.value) == ("P1", "p99 is 812 ms and more"), "nothing changes under who types"


async def test_help_tells_our_keys_first_and_none_that_means_nothing() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        shown = text_of(app)
        rows = [row for row in shown.split("\n") if "│" in row]
        assert "1-7  panel" in rows[0] and "f  fix" in rows[1]
        assert "Focus Next" not in shown and "super+c" not in shown and "colon" not in shown and ":  command" in shown
        assert "suggested one first." in shown, "a long sentence is wrapped, not cut"

"""What a key opens: the right procedure, on the object that the finding, the alert or the row is about."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.alerts import ALERT_PROCEDURES, Alert, AlertsSnapshot
from alphapulse_tui.model.cluster import Autoscaler, ClusterEvent, EventsSnapshot
from alphapulse_tui.model.fixes.menu import ALERT_TARGETS, MAKERS
from alphapulse_tui.model.health import Finding, Health
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod
from alphapulse_tui.model.postgres import SessionGroup
from alphapulse_tui.model.postgres_surveys import IndexFigures
from alphapulse_tui.model.redis_keys import BigKey
from alphapulse_tui.model.vault_raft import SurveyedNode
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.detail import DetailScreen
from alphapulse_tui.screens.help import HelpScreen
from alphapulse_tui.screens.logs import LogScreen
from alphapulse_tui.screens.rowtext import RowTextScreen
from alphapulse_tui.screens.tables import kubernetes, postgres, redis, vault
from alphapulse_tui.screens.tables.view import View
from alphapulse_tui.widgets.panel import Panel
from tests.screens.stage import post, quiet, snapshots, text_of
from tests.waiting import until

PROCEDURES = load_procedures()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Every procedure that is opened, with its values."""
    found: list[tuple[str, dict[str, str]]] = []

    def note(self: CockpitScreen, procedure: str, values: Mapping[str, str] | None = None) -> None:
        found.append((procedure, dict(values or {})))

    monkeypatch.setattr(CockpitScreen, "open_procedure", note)
    return found


def pod(name: str, owner_kind: str, owner: str) -> Pod:
    ended = Container("main", "i", False, 3, "CrashLoopBackOff", "", "Error", 1, 5.0)
    return Pod(name, f"u-{name}", "CrashLoopBackOff", 0, 1, 3, 0.0, "n", owner_kind, owner, (ended,))


def alert(name: str, **labels: str) -> AlertsSnapshot:
    told = Alert("f1", name, None, "firing", time.time() - 60, "said", tuple(labels.items()), ("prometheus",))
    return AlertsSnapshot((replace(told, procedure=ALERT_PROCEDURES[name]),))


@pytest.mark.parametrize("name", sorted(ALERT_PROCEDURES))
async def test_enter_on_each_alert_opens_its_procedure(name: str, opened: list[Any]) -> None:
    app, _ = quiet()
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "alerts", alert(name))
        await pilot.pause()
        await pilot.press("1", "enter")
        await pilot.pause()
    assert opened == [(ALERT_PROCEDURES[name], {})] and ALERT_PROCEDURES[name] in PROCEDURES


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        ({"deployment": "canary"}, {"deployment": "canary"}),
        ({"pod": "canary-1"}, {"deployment": "canary"}),
        ({"pod": "kube-state-metrics-0"}, {}),
        ({"pod": "redis-0"}, {}),
        ({"application": "worker"}, {"application": "worker"}),
    ],
)
async def test_an_alert_opens_it_on_what_its_labels_name(
    labels: dict[str, str], values: dict[str, str], opened: list[Any]
) -> None:
    app, _ = quiet()
    cluster = (pod("canary-1", "Deployment", "canary"), pod("redis-0", "StatefulSet", "redis"))
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "kubernetes", KubernetesSnapshot("n", "c", "v", cluster, ()))
        post(app, "alerts", alert("APIDown", **labels))
        await pilot.pause()
        await pilot.press("1", "enter")
        await pilot.pause()
    assert opened == [("api-crashloop", values)]


async def test_p_opens_the_verdicts_procedure_on_its_object(opened: list[Any]) -> None:
    app, _ = quiet()
    said = Finding("kubernetes", Health.CRITICAL, "canary-1 crashes", "canary-1", "api-crashloop",
                   values=(("deployment", "canary"),))  # fmt: skip
    async with app.run_test(size=(120, 40)) as pilot:
        post(app, "kubernetes", KubernetesSnapshot("n", "c", "v", (), ()), said)
        await pilot.pause()
        await pilot.press("p")
        await pilot.pause()
    assert opened == [("api-crashloop", {"deployment": "canary"})]


def test_every_procedure_has_fixes_for_its_alert() -> None:
    assert set(ALERT_TARGETS) == set(PROCEDURES) and set(ALERT_TARGETS.values()) <= set(MAKERS)


def view(views: tuple[View, ...], title: str) -> View:
    return next(one for one in views if one.title == title)


INVALID = IndexFigures(
    "public", "trades", "idx", False, "CREATE INDEX idx ON public.trades USING btree (a, b)", 0, 0, False
)
KEY = BigKey("giant", True, "hash", 1, -1, "redis-0")
STANDBY = SurveyedNode("vault-1", "http://v", code=429)
HPA = Autoscaler("h", "u", "Deployment", "canary", 1, 3, 3, 3, (), "TooManyReplicas", "")


@pytest.mark.parametrize(
    ("views", "title", "row", "procedure", "values"),
    [
        (kubernetes.VIEWS, "pods", pod("c-1", "Deployment", "canary"), "api-crashloop",
         {"deployment": "canary", "container": "main"}),
        (kubernetes.VIEWS, "pods", pod("vault-0", "StatefulSet", "vault"), "", {}),
        (kubernetes.VIEWS, "HPAs", HPA, "api-latency", {"deployment": "canary"}),
        (redis.VIEWS, "keys", KEY, "redis-memory", {"key": "giant"}),
        (vault.VIEWS, "latency", STANDBY, "vault-latency", {"node": "vault-1"}),
        (postgres.VIEWS, "connections", SessionGroup("u", "d", "worker", "idle", 3), "pg-connections",
         {"application": "worker"}),
        (postgres.VIEWS, "indexes", INVALID, "pg-slow-queries",
         {"index-table": "public.trades", "index-columns": "a, b", "index-name": "idx"}),
    ],
)  # fmt: skip
def test_a_row_gives_the_values_that_its_procedure_asks_for(
    views: tuple[View, ...], title: str, row: Any, procedure: str, values: dict[str, str]
) -> None:
    read = view(views, title).procedure
    assert read is not None
    assert read(row) == (procedure, values)
    if procedure:
        assert set(values) <= {one.name for one in PROCEDURES[procedure].parameters}


def test_an_events_row_has_the_menu_of_what_it_is_about() -> None:
    (menu,) = (view.fixes for view in kubernetes.VIEWS if view.title == "events")
    assert menu == "kubernetes-events" and menu in MAKERS


async def test_enter_on_a_row_that_vanished_opens_what_was_known_of_it() -> None:
    app, _ = quiet()
    full = snapshots()["kubernetes"]
    async with app.run_test(size=(80, 24)):
        post(app, "kubernetes", full)
        screen = DetailScreen("kubernetes")
        app.push_screen(screen)
        await until(lambda: "1/1 rows" in text_of(app), 10, "the pod")
        screen.list.action_open()
        post(app, "kubernetes", replace(full, pods=()))  # Before the screen hears of Enter.
        assert screen.list.row is None
        await until(lambda: isinstance(app.screen, RowTextScreen), 10, "the text")
        await until(lambda: "gone; this is what was last known" in text_of(app), 10, "that it is gone")
        assert "api-plain" in text_of(app)


async def test_enter_opens_the_row_of_the_view_that_it_was_pressed_in() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)):
        post(app, "kubernetes", snapshots()["kubernetes"])
        screen = DetailScreen("kubernetes")
        app.push_screen(screen)
        await until(lambda: "1/1 rows" in text_of(app), 10, "the pod")
        screen.list.action_open()
        screen.action_choose_view(2)  # Its digit is typed at one go with Enter.
        await until(lambda: isinstance(app.screen, RowTextScreen), 10, "the text")
        await until(lambda: "Pods pods: api-plain" in text_of(app), 10, "the pod")


async def test_the_text_of_a_row_has_the_keys_of_its_row() -> None:
    """Whoever reads why a pod crashes wants its fixes and its log next, without the way back to the list."""
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        crashing = pod("c-1", "Deployment", "c")
        post(app, "kubernetes", KubernetesSnapshot("n", "c", "v", (crashing, pod("d-1", "Deployment", "d")), ()))
        app.push_screen(DetailScreen("kubernetes"))
        await until(lambda: "2/2 rows" in text_of(app), 10, "the pods")
        await pilot.press("enter")
        await until(lambda: "f fix  p procedure  l logs  c copy  Esc back" in text_of(app), 10, "the keys")
        assert "Pods pods: c-1" in text_of(app)
        post(app, "kubernetes", KubernetesSnapshot("n", "c", "v", (pod("d-1", "Deployment", "d"), crashing), ()))
        await pilot.press("f")
        await until(lambda: "previous log of c-1" in text_of(app), 10, "the fixes of that pod, wherever the cursor is")
        await pilot.press("escape", "l")
        await until(lambda: isinstance(app.screen, LogScreen), 10, "its log")
        await pilot.press("escape", "escape")
        await until(lambda: isinstance(app.screen, DetailScreen), 10, "the list")


async def test_a_text_offers_no_key_that_its_row_has_no_use_for() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(DetailScreen("kubernetes", "events"))
        await until(lambda: "[events]" in text_of(app), 10, "the screen")
        post(app, "kubernetes-events", events())
        await until(lambda: "1/1 rows" in text_of(app), 10, "the event")
        await pilot.press("enter")
        await until(lambda: "f fix  c copy  Esc back" in text_of(app), 10, "the text")
        await pilot.press("l", "question_mark")
        await until(lambda: isinstance(app.screen, HelpScreen), 10, "the help")
        assert "f  fix" in text_of(app) and "l  logs" not in text_of(app)


def events() -> EventsSnapshot:
    return EventsSnapshot((ClusterEvent("e", "Warning", "BackOff", "Pod", "c-1", "said", 3, 0.0, 0.0),))


async def test_the_text_of_a_row_is_dimmed_then_taken_away_and_copied_with_its_age() -> None:
    app, clock = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "kubernetes", KubernetesSnapshot("n", "c", "v", (pod("c-1", "Deployment", "c"),), ()))
        app.push_screen(DetailScreen("kubernetes"))
        await until(lambda: "1/1 rows" in text_of(app), 10, "the pod")
        await pilot.press("enter")
        await until(lambda: "0 of 1 ready" in text_of(app) and " live " in text_of(app), 10, "the text")
        panel = app.screen.query_one(Panel)
        assert any(style == "critical" for one in panel.body for _, style in one.spans)
        clock.now += 11
        await until(lambda: "STALE 11s old" in text_of(app) and "0 of 1 ready" in text_of(app), 10, "its age")
        assert {style for one in panel.body for _, style in one.spans} == {"dim"}
        await pilot.press("c")
        assert "STALE 11s old" in app.clipboard and "0 of 1 ready" in app.clipboard
        clock.now += 3600
        await until(lambda: "last answer 1h" in text_of(app), 10, "since when it is not verified")
        assert "ready" not in text_of(app) and "STALE" in text_of(app)
        await pilot.press("c")
        assert "ready" not in app.clipboard and "ago: not verified" in app.clipboard


async def test_what_another_reading_said_of_the_row_goes_when_that_one_is_too_old() -> None:
    app, clock = quiet()
    app.session.survey = lambda *keys: lambda: None  # type: ignore[method-assign]
    cluster = KubernetesSnapshot("n", "c", "v", (pod("c-1", "Deployment", "c"),), ())
    async with app.run_test(size=(80, 40)) as pilot:
        post(app, "kubernetes", cluster)
        app.push_screen(DetailScreen("kubernetes"))
        await until(lambda: "1/1 rows" in text_of(app), 10, "the pod")
        await pilot.press("enter")
        await pilot.pause()
        post(app, "kubernetes-events", events())
        await until(lambda: "BackOff: said" in text_of(app), 10, "the event")
        clock.now += 16
        post(app, "kubernetes", cluster)
        await until(lambda: "Events  not verified any more" in text_of(app), 10, "the event to go")
        assert "0 of 1 ready" in text_of(app) and "BackOff: said" not in text_of(app)


async def test_a_row_that_is_gone_is_not_drawn_as_one_that_is_there() -> None:
    app, _ = quiet()
    cluster = KubernetesSnapshot("n", "c", "v", (pod("c-1", "Deployment", "c"),), ())
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "kubernetes", cluster)
        app.push_screen(DetailScreen("kubernetes"))
        await until(lambda: "1/1 rows" in text_of(app), 10, "the pod")
        await pilot.press("enter")
        await until(lambda: "0 of 1 ready" in text_of(app), 10, "the text")
        post(app, "kubernetes", replace(cluster, pods=()))
        await until(lambda: "gone; this is" in text_of(app), 10, "that it is gone")
        assert {style for one in app.screen.query_one(Panel).body for _, style in one.spans} == {"unknown", "dim"}

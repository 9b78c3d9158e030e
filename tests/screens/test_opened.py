"""What a key opens: the right procedure, on the object that the finding, the alert or the row is about."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.alerts import ALERT_PROCEDURES, Alert, AlertsSnapshot
from alphapulse_tui.model.cluster import Autoscaler
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
from alphapulse_tui.screens.rowtext import RowTextScreen
from alphapulse_tui.screens.tables import kubernetes, postgres, redis, vault
from alphapulse_tui.screens.tables.view import View
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

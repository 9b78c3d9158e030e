"""The recorder: every change once, whoever sees it; flapping said once; nothing lost while the journal cannot be written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.board import Board
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident.recorder import Recorder
from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.vault import VaultNode, VaultSnapshot

SEALED = Finding("vault", Health.CRITICAL, "vault-1 is sealed", "vault-1", "vault-sealed", Severity.P0)
ALERT = Alert("f1", "VaultSealed", Severity.P0, "firing", 1000.0, "Vault node vault-1 is sealed", (), ("prometheus",))


class Cockpit:
    """A board with a clock of the test's own, and a recorder on a journal of its own opening."""

    def __init__(self, path: Path) -> None:
        self.now = 100.0
        self.board = Board(lambda: self.now)
        self.journal = Journal.open(path, anchor=lambda line: None)
        self.recorder = Recorder(self.board, self.journal, self.journal.events())

    def show(
        self, target: str, *findings: Finding, link: Link = Link.LIVE, snapshot: Any = "something", problem: str = ""
    ) -> None:
        self.board.publish(Reading(target, 5.0, link, self.now, snapshot, self.now, problem, 0, findings))

    def vault(self, leader: str) -> None:
        node = VaultNode(leader, "http://v", health_code=200, initialized=True)
        self.show("vault", snapshot=VaultSnapshot((node,)))

    def alerts(self, *alerts: Alert, unreachable: tuple[str, ...] = ()) -> None:
        self.show("alerts", snapshot=AlertsSnapshot(alerts, unreachable=unreachable))

    async def later(self, seconds: float = 2.0) -> None:
        self.now += seconds
        await self.recorder.flush()

    def told(self) -> list[tuple[Kind, str]]:
        return [
            (event.kind, event.payload.get("after") or event.payload.get("name", "")) for event in self.journal.events()
        ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def cockpit(path: Path) -> Iterator[Cockpit]:
    made = Cockpit(path)
    yield made
    made.recorder.close()
    made.journal.close()


async def test_a_seal_and_its_end_are_told_once_each(cockpit: Cockpit) -> None:
    cockpit.show("vault")
    await cockpit.later()
    cockpit.show("vault", SEALED)
    await cockpit.later()
    await cockpit.later()
    cockpit.show("vault")
    await cockpit.later()
    events = cockpit.journal.events()
    assert [(event.payload["before"], event.payload["after"], event.payload["sentence"]) for event in events] == [
        ("", "critical", "vault-1 is sealed"), ("critical", "ok", "over: vault-1 is sealed"),
    ]  # fmt: skip
    assert events[0].incident == "" and events[0].payload["health"] == "critical"


async def test_what_is_over_within_a_second_is_noise(cockpit: Cockpit) -> None:
    cockpit.show("vault")
    cockpit.show("vault", SEALED)
    await cockpit.later(0.5)
    cockpit.show("vault")
    await cockpit.later()
    assert cockpit.told() == []


async def test_alerts_fire_and_clear_and_silence_of_prometheus_clears_none(cockpit: Cockpit) -> None:
    cockpit.alerts(ALERT)
    await cockpit.later()
    cockpit.alerts(unreachable=("prometheus: refuses connections",))
    await cockpit.later()
    assert cockpit.told() == [(Kind.ALERT_FIRED, "VaultSealed")]
    cockpit.alerts()
    await cockpit.later()
    assert cockpit.told() == [(Kind.ALERT_FIRED, "VaultSealed"), (Kind.ALERT_CLEARED, "VaultSealed")]
    assert cockpit.journal.events()[0].payload["starts_at"] == 1000.0


async def test_a_target_that_falls_silent_is_told_and_its_findings_are_not_over(cockpit: Cockpit) -> None:
    cockpit.show("vault", SEALED)
    await cockpit.later()
    cockpit.show("vault", SEALED, link=Link.DOWN, problem="vault refuses connections")
    await cockpit.later()
    cockpit.show("vault", SEALED)
    await cockpit.later()
    assert [after for _, after in cockpit.told()] == ["critical", "down", "live"]
    assert cockpit.journal.events()[1].payload["sentence"] == "vault: vault refuses connections"


async def test_a_new_leader_is_told_and_the_first_one_is_not(cockpit: Cockpit) -> None:
    cockpit.vault("vault-0")
    await cockpit.later()
    cockpit.vault("vault-2")
    await cockpit.later()
    events = cockpit.journal.events()
    assert [(event.payload["subject"], event.payload["before"], event.payload["after"]) for event in events] == [
        ("leader", "vault-0", "vault-2")
    ]
    assert "health" not in events[0].payload, "a new leader is not trouble"


async def test_flapping_is_said_once_and_then_how_it_came_to_rest(cockpit: Cockpit) -> None:
    cockpit.show("vault")
    for _ in range(6):
        cockpit.show("vault", SEALED)
        await cockpit.later(2)
        cockpit.show("vault")
        await cockpit.later(2)
    await cockpit.later(30)
    told = [after for _, after in cockpit.told()]
    assert told[-1] == "flapping" and told.count("flapping") == 1 and len(told) <= 5
    await cockpit.later(61)
    assert [after for _, after in cockpit.told()][-1] == "ok"


async def test_two_cockpits_tell_a_fact_once(path: Path, cockpit: Cockpit) -> None:
    other = Cockpit(path)
    for each in (cockpit, other):
        each.show("vault", SEALED)
        each.alerts(ALERT)
        each.now += 2
    await asyncio.gather(cockpit.recorder.flush(), other.recorder.flush())
    for each in (other, cockpit):
        each.show("vault")
        each.alerts()
        each.now += 2
    await asyncio.gather(other.recorder.flush(), cockpit.recorder.flush())
    other.recorder.close()
    other.journal.close()
    assert sorted(kind.value for kind, _ in cockpit.told()) == ["alert_cleared", "alert_fired", "flip", "flip"]


async def test_what_another_cockpit_has_seen_end_is_not_told_anew_from_an_older_reading(
    path: Path, cockpit: Cockpit
) -> None:
    late = Cockpit(path)
    for each in (cockpit, late):
        each.show("vault", SEALED)
        each.alerts(ALERT)
        await each.later()
    cockpit.show("vault")
    cockpit.alerts()
    await cockpit.later()
    late.show("redis", link=Link.DOWN, problem="redis refuses connections")
    await late.later()  # It writes, and so hears that seal and alert are over, which its own board does not show yet.
    await late.later()
    over = [event.kind for event in late.journal.events()]
    assert over.count(Kind.ALERT_FIRED) == over.count(Kind.ALERT_CLEARED) == 1 and over.count(Kind.FLIP) == 3
    late.show("vault", SEALED, link=Link.DOWN, problem="vault refuses connections")
    late.alerts(unreachable=("prometheus: refuses connections",))
    await late.later()
    assert [event.kind for event in late.journal.events()] == [*over, Kind.FLIP], (
        "silence tells of no seal and no alert"
    )
    late.alerts(ALERT)  # A younger reading tells of it: it does fire again.
    await late.later()
    assert late.told()[-1] == (Kind.ALERT_FIRED, "VaultSealed") and len(late.told()) == len(over) + 2
    late.recorder.close()
    late.journal.close()


async def test_a_target_that_stays_silent_here_is_told_again_after_the_next_attempt(
    path: Path, cockpit: Cockpit
) -> None:
    late = Cockpit(path)
    for each in (cockpit, late):
        each.show("vault", link=Link.DOWN, problem="vault refuses connections")
        await each.later()
    cockpit.show("vault")
    await cockpit.later()
    late.show("redis", link=Link.DOWN, problem="redis refuses connections")
    await late.later()
    assert [after for _, after in late.told()] == ["down", "live", "down"]
    late.show("vault", link=Link.DOWN, problem="vault refuses connections")
    await late.later()
    assert [after for _, after in late.told()] == ["down", "live", "down", "down"]
    late.recorder.close()
    late.journal.close()


async def test_a_cockpit_that_starts_again_tells_only_what_has_changed(path: Path, cockpit: Cockpit) -> None:
    cockpit.show("vault", SEALED)
    cockpit.alerts(ALERT)
    await cockpit.later()
    again = Cockpit(path)
    again.show("vault", SEALED)
    again.alerts()
    await again.later()
    again.recorder.close()
    again.journal.close()
    assert cockpit.told() == [
        (Kind.FLIP, "critical"),
        (Kind.ALERT_FIRED, "VaultSealed"),
        (Kind.ALERT_CLEARED, "VaultSealed"),
    ]


async def test_what_ended_while_nobody_looked_is_told_by_the_next_start(path: Path, cockpit: Cockpit) -> None:
    cockpit.show("vault", SEALED)
    await cockpit.later()
    again = Cockpit(path)
    again.show("vault")
    await again.later()
    again.recorder.close()
    again.journal.close()
    assert (
        cockpit.journal.events()[-1].payload["sentence"]
        == "vault-1 vault-sealed: over, found so when the cockpit started"
    )


async def test_nothing_is_lost_while_the_journal_cannot_be_written(
    cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = cockpit.journal.append

    def refuse(kind: Kind, payload: Any, incident: str = "") -> Event:
        raise JournalUnavailable("the disk is full")

    monkeypatch.setattr(cockpit.journal, "append", refuse)
    cockpit.show("vault", SEALED)
    await cockpit.later()
    assert cockpit.recorder.problem == "the disk is full" and cockpit.told() == []
    monkeypatch.setattr(cockpit.journal, "append", append)
    await cockpit.later()
    assert cockpit.recorder.problem == "" and cockpit.told() == [(Kind.FLIP, "critical")]


async def test_a_silenced_alert_goes_on_and_is_not_told_as_over(path: Path) -> None:
    cockpit = Cockpit(path)
    cockpit.alerts(ALERT)
    await cockpit.later()
    cockpit.alerts(replace(ALERT, state="silenced", silenced_by=("s1",)))
    await cockpit.later()
    assert [kind for kind, _ in cockpit.told()] == [Kind.ALERT_FIRED]
    cockpit.alerts()
    await cockpit.later()
    assert [kind for kind, _ in cockpit.told()] == [Kind.ALERT_FIRED, Kind.ALERT_CLEARED]

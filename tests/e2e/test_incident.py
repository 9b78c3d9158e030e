"""One whole incident by keyboard: fault, alert, verdict, declare, procedure, fix, verified, resolve, export; and what the file says of it."""

from __future__ import annotations

import json
import re
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.state import project
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.vault import THRESHOLD, sealed_nodes, walk_vault_sealed
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

APPENDIX_B = (
    "Summary", "Timeline (UTC)", "Root Cause", "Impact", "What Went Well", "What Went Wrong", "Action Items", "Lessons Learned",
)  # fmt: skip
"""The runbook's sections, in its order; ours may follow."""

HEAD = ("Date", "Severity", "Duration", "Incident Commander")
CAUSE = "The pod was evicted and came back sealed"


def fired(lab: LabHandle, name: str) -> datetime | None:
    """When the alert of this name began, as Alertmanager says; none while it does not fire."""
    with urllib.request.urlopen(f"http://127.0.0.1:{lab.ports['alertmanager']}/api/v2/alerts", timeout=10) as answer:
        alerts: list[dict[str, Any]] = json.load(answer)
    began = [alert["startsAt"] for alert in alerts if alert["labels"]["alertname"] == name]
    return datetime.fromisoformat(began[0]) if began else None


def seconds(words: str) -> int:
    """``1 h 02 min``, ``2 min 20 s``, ``25 s`` in seconds."""
    units = {"h": 3600, "min": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+) (h|min|s)\b", words))


def interval(page: str, name: str) -> int:
    """An interval of the file in seconds."""
    found = re.search(rf"^\| {name} \([^)]*\) \| ([^|]+) \|", page, re.MULTILINE)
    assert found is not None, f"no {name} in the file"
    return seconds(found[1])


def detected(page: str, events: list[Event]) -> float:
    """When the file says that the first alert fired, Unix seconds: an alert of the journal (what fired shortly before counts too)."""
    found = re.search(r"^\| TTA [^|]*\|[^|]*\| alert (\w+) fired at ([0-9-]+ [0-9:]+)Z \|", page, re.MULTILINE)
    assert found is not None, "the file does not say which alert told of it"
    moment = datetime.fromisoformat(f"{found[2]}+00:00").timestamp()
    fired = [event.payload for event in events if event.kind is Kind.ALERT_FIRED]
    assert "VaultSealed" in {alert["name"] for alert in fired}
    assert any(alert["name"] == found[1] and abs(alert["starts_at"] - moment) <= 1.0 for alert in fired)
    return moment


def only(events: list[Event], kind: Kind) -> Event:
    """The one event of a kind."""
    (event,) = [event for event in events if event.kind is kind]
    return event


def calm(cockpit: CockpitTerminal) -> bool:
    """Whether the incident counts as mitigated by its journal: a fix was verified, and nothing is wrong any more."""
    (incident,) = project(cockpit.journal()).values()
    return incident.mitigated_at is not None


def lead(lab: LabHandle, cockpit: CockpitTerminal) -> None:
    """Everything that the engineer does."""
    cockpit.wait_verdict("alert VaultSealed", "p: vault-sealed")
    assert fired(lab, "VaultSealed") is not None
    cockpit.press("!")
    cockpit.wait_text("Suggested: P0", "Enter: then the title")
    cockpit.press("enter")
    cockpit.wait_text("P0: Enter declares")
    cockpit.press("enter")
    cockpit.wait_journal(Kind.DECLARED)
    cockpit.wait_until(lambda screen: "P0 INC-" in screen.split("\n")[0], 20, "the incident in the top line")
    cockpit.press("a")
    cockpit.wait_journal(Kind.ACKNOWLEDGED)
    cockpit.press("p")
    walk_vault_sealed(cockpit, lab.shares()[:THRESHOLD])
    assert sealed_nodes(lab) == set()
    cockpit.leave("Esc back")
    wait_until(lambda: calm(cockpit), 90, "every alert to be cleared and nothing to be wrong")
    assert fired(lab, "VaultSealed") is None

    cockpit.press("i")
    cockpit.wait_text("Timeline (UTC)", "verified:")
    cockpit.press("W")
    cockpit.wait_text("For the postmortem", "Root cause", "add one")
    cockpit.press("down", "enter")
    cockpit.answer("In your words:", CAUSE)
    cockpit.wait_journal(Kind.POSTMORTEM_FIELD)
    cockpit.leave("For the postmortem")
    cockpit.press("R")
    cockpit.answer("Why is it over?", "every node is open and the API answers")
    cockpit.wait_journal(Kind.RESOLVED)
    cockpit.press("x")
    cockpit.wait_journal(Kind.EXPORTED)


def test_from_the_alert_to_the_postmortem(platform: LabHandle, state: Path, tmp_path: Path) -> None:
    platform.break_("vault-sealed-one")
    (sealed,) = sealed_nodes(platform)
    with CockpitTerminal(platform.profile, state, columns=120, lines=40, cwd=tmp_path) as cockpit:
        lead(platform, cockpit)
        events = cockpit.journal()
    (written,) = (tmp_path / ".bug").glob("postmortem-*.md")
    assert re.fullmatch(r"postmortem-\d{8}-[a-z0-9-]+\.md", written.name)
    page = written.read_text(encoding="utf-8")
    assert only(events, Kind.EXPORTED).payload["path"] == str(written)

    assert page.startswith("# Postmortem: ")
    assert all(f"**{name}**: " in page for name in HEAD)
    sections = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert tuple(sections[: len(APPENDIX_B)]) == APPENDIX_B
    assert CAUSE in page
    for share in platform.shares():
        assert share not in page

    began = detected(page, events)
    assert abs(interval(page, "TTA") - (only(events, Kind.ACKNOWLEDGED).wall - began)) <= 1.5
    assert abs(interval(page, "TTR") - (only(events, Kind.RESOLVED).wall - began)) <= 1.5
    assert 0 < interval(page, "TTM") <= interval(page, "TTR")

    last = [event for event in events if event.kind is Kind.VERIFIED][-1].payload
    node = f"vault-{sealed}"
    assert (last["before"][node], last["after"][node]) == ("sealed 2/3", "unsealed")
    assert f"| {node} | sealed 2/3 | unsealed |" in page
    assert page.count("Outcome: done") == THRESHOLD

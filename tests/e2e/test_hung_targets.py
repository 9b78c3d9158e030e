"""Each target hangs in turn: its panel is drawn as silent within two intervals, the others stay live, and it comes back by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.cockpit import PANELS, CockpitTerminal, state_folder
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

TICK = 1.0
"""Seconds between two looks at the clock (``screens.cockpit``)."""

PATIENCE = 3.0
"""Seconds for a busy machine, and for freezing the servers itself."""


@pytest.fixture(scope="module")
def cockpit(lab: LabHandle, kubectl: Kubectl) -> Iterator[CockpitTerminal]:
    """One cockpit that lives through all of it."""
    lab.wait(timeout=600.0)
    with state_folder() as state, CockpitTerminal(lab.profile, state) as living:
        yield living


@pytest.mark.parametrize(
    ("target", "panels", "interval", "words"),
    [
        pytest.param("postgres", ("PostgreSQL",), 2.0, ("STALE", "NO ANSWER"), marks=pytest.mark.long),
        ("redis", ("Redis",), 5.0, ("STALE", "NO ANSWER")),
        ("vault", ("Vault",), 5.0, ("STALE", "NO ANSWER")),
        pytest.param("kubernetes", ("Pods",), 5.0, ("STALE", "NO ANSWER"), marks=pytest.mark.long),
        # Half of these panels' sources still answers: the panel is live, and says which half is not verified.
        pytest.param("api", ("Platform",), 10.0, ("STALE", "CRIT"), marks=pytest.mark.long),
        pytest.param("prometheus", ("Alerts", "Platform"), 15.0, ("STALE", "not verified"), marks=pytest.mark.long),
        pytest.param("alertmanager", ("Alerts",), 15.0, ("STALE", "not verified"), marks=pytest.mark.long),
    ],
)
def test_a_hung_target(
    platform: LabHandle,
    cockpit: CockpitTerminal,
    target: str,
    panels: tuple[str, ...],
    interval: float,
    words: tuple[str, ...],
) -> None:
    cockpit.wait_live()
    cockpit.wait_until(lambda screen: not said(cockpit, screen, panels, words), 60, f"{panels} to be well")
    others = set(PANELS) - set(panels)

    platform.break_("target-hung", target)
    within = 2 * interval + TICK + PATIENCE
    began = time.monotonic()
    cockpit.wait_until(
        lambda screen: said(cockpit, screen, panels, words) and cockpit.live(screen) >= others,
        within,
        f"{panels} drawn as one of {words} and {sorted(others)} live",
    )
    assert time.monotonic() - began < within + TICK
    assert not any(cockpit.badges()[panel] == "ok" for panel in panels)

    platform.mend("target-hung", target)
    cockpit.wait_until(
        lambda screen: not said(cockpit, screen, panels, words) and cockpit.live(screen) >= set(PANELS),
        60,
        f"{target} back",
    )


def said(cockpit: CockpitTerminal, screen: str, panels: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """Whether every one of ``panels`` bears one of ``words``."""
    badges = cockpit.badges(screen)
    return all(badges.get(panel, "").startswith(words) for panel in panels)

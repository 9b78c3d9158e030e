"""What the walks through the API's procedures share: looking at its Deployment with kubectl, and the keys that several of them press."""

from __future__ import annotations

from typing import Any

from tests.e2e.cockpit import CockpitTerminal
from tests.kubectl import Kubectl


def container(kubectl: Kubectl) -> dict[str, Any]:
    """The API's container in the template, as kubectl reads it."""
    found: dict[str, Any] = kubectl.get("deployment", "api")["spec"]["template"]["spec"]["containers"][0]
    return found


def image(kubectl: Kubectl) -> str:
    """What the API's template runs."""
    return str(container(kubectl)["image"])


def generation(kubectl: Kubectl) -> int:
    """Grows with every change of the Deployment's spec, whoever makes it."""
    return int(kubectl.get("deployment", "api")["metadata"]["generation"])


def all_ready(kubectl: Kubectl) -> bool:
    """Whether as many pods of the API are ready as are wanted, and none is left over."""
    status = kubectl.get("deployment", "api")["status"]
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return counts == [3, 3, 3]


def flat(screen: str) -> str:
    """The screen as one line without frames: a sentence in it is whole, wherever it was wrapped."""
    return " ".join(screen.replace("│", " ").split())


def look(cockpit: CockpitTerminal, title: str, *told: str) -> None:
    """Do a step that needs only Enter, when its sentences tell all of ``told``."""
    cockpit.wait_step(title)
    cockpit.wait_until(lambda screen: all(words in flat(screen) for words in told), 30, f"{told} in {title!r}")
    cockpit.press("enter")


def leave_out(cockpit: CockpitTerminal, title: str, reason: str) -> None:
    """Skip the step that is looked at, and say why."""
    cockpit.wait_step(title)
    cockpit.press("b")
    cockpit.answer("left out?", reason)


def do(cockpit: CockpitTerminal, title: str, *shown: str) -> None:
    """Plan a step's disruptive action, read ``shown`` in the plan, confirm it by its letter, and leave its proof."""
    cockpit.run_step(title)
    letter = cockpit.confirmation()
    plan = flat(cockpit.screen)
    for words in shown:
        assert words in plan, f"{words!r} is not in the plan: {cockpit.screen}"
    cockpit.press(letter)
    cockpit.wait_text("sent and answered", "verified:", "Esc back", timeout=120)
    cockpit.press("escape")

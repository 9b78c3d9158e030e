"""Arming: in production nothing may be changed until the environment's name was typed; it holds for 60 minutes."""

from __future__ import annotations

from typing import Any

from alphapulse_tui.executor.client import ExecutorClient
from alphapulse_tui.executor.protocol import ExecutorProblem
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.dialog import Dialog
from alphapulse_tui.screens.prompt import PromptScreen


def arm(screen: CockpitScreen | Dialog[Any]) -> None:
    """Ask for the environment's name and arm the executor, or disarm it when it is armed."""
    session = screen.session
    executor = session.executor
    if executor is None:
        screen.app.notify(session.executor_problem, title="No executor", severity="warning", markup=False)
        return
    if session.read_only:
        screen.app.notify(
            "Started with --read-only: leave and start without it to change anything.",
            title="Read-only",
            severity="warning",
        )
        return
    if not session.profile.production:
        screen.app.notify("Only production needs arming; here changes are allowed.", title="Not needed")
        return
    environment = session.profile.environment or session.profile.name

    def answered(typed: str | None) -> None:
        if typed is None:
            return
        if typed != environment:
            screen.app.notify(
                "That is not the environment's name; nothing was armed.", title="Not armed", severity="warning"
            )
            return
        session.spawn(_arm(screen, executor, typed), "arm")

    screen.app.push_screen(PromptScreen("Arm", f"Type {environment} to allow changes there for 60 minutes."), answered)


async def _arm(screen: CockpitScreen | Dialog[Any], executor: ExecutorClient, environment: str) -> None:
    try:
        await executor.arm(environment)
    except ExecutorProblem as problem:
        screen.app.notify(str(problem), title="Not armed", severity="error", markup=False)

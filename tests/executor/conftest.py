"""A live target, a profile that names it, and an executor with the trial actions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.config.settings import ApiTarget, Profile
from alphapulse_tui.executor.confirm import required_confirmation
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.protocol import Progress
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.model.plan import Plan
from tests.executor import trial

COMMAND = (sys.executable, "-m", "tests.executor.trial")


@dataclass
class Target:
    """The target's process, told and asked from outside."""

    process: subprocess.Popen[str]
    url: str

    async def state(self) -> dict[str, Any]:
        return (await trial.ask(self.url))[1]

    async def set(self, **mode: object) -> None:
        await trial.ask(self.url, "POST", "/mode", mode)

    async def release(self) -> None:
        await trial.ask(self.url, "POST", "/release", {})


@pytest.fixture
def target() -> Iterator[Target]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.executor.target"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdin is not None
    yield Target(process, f"http://127.0.0.1:{process.stdout.readline().strip()}/health")
    process.kill()
    process.communicate()


@pytest.fixture
def profile(target: Target) -> Profile:
    return Profile(name="trial", environment="trial", api=ApiTarget(health_url=target.url))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "trial" / "journal.sqlite", actor="ana", anchor=lambda _: None)
    yield opened
    opened.close()


@pytest.fixture
async def executor(profile: Profile, journal: Journal) -> AsyncIterator[Executor]:
    made = Executor(profile, journal, registry=trial.registry)
    yield made
    await made.drain()
    await made.close()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target) -> Path:
    """A state folder and a profile file for executors that are processes; returns the profile file."""
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path / "state"))
    file = tmp_path / "alphapulse.toml"
    file.write_text(
        f'[profiles.trial]\nenvironment = "trial"\n[profiles.trial.api]\nhealth_url = "{target.url}"\n'
        f'[profiles.live]\nenvironment = "live"\nproduction = true\n[profiles.live.api]\nhealth_url = "{target.url}"\n'
    )
    return file


async def run(executor: Executor, plan: Plan, **more: str) -> list[Progress]:
    """Confirm and execute, to the end."""
    confirmation = more.pop("confirmation", required_confirmation(plan))
    return [step async for step in executor.execute(plan.id, plan.digest(), confirmation, **more)]


async def settled(executor: Executor) -> None:
    """Until nothing runs."""
    async with asyncio.timeout(20):
        await executor.drain()

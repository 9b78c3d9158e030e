"""Silences through the executor on the lab's real Alertmanager; what came of it is asked over its API by a client of the test's own."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from alphapulse_tui.actor import actor_name
from alphapulse_tui.config.settings import AlertmanagerTarget, Profile
from alphapulse_tui.executor.confirm import required_confirmation
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.protocol import ExecutorProblem, Progress
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict
from alphapulse_tui.sources.alerts import AlertsSource
from tests.lab_handle import LabHandle, running_lab
from tests.waiting import wait_until
from tests.web import web

pytestmark = pytest.mark.lab

SEALED = {"alertname": "VaultSealed", "severity": "P0", "instance": 'vault-1"x\\', "environment": "lab"}
OTHER = SEALED | {"instance": "vault-2"}
FULL = {"alertname": "RedisMemory", "severity": "P2", "instance": "redis-cluster-0"}


class Alertmanager:
    """The real one, and what a client of ours sees and does there."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def fire(self, *alerts: dict[str, str], minutes: float = 10.0) -> None:
        """Have it told of alerts, as Prometheus would."""
        ends = datetime.fromtimestamp(time.time() + minutes * 60, UTC).isoformat()
        body = [{"labels": labels, "endsAt": ends} for labels in alerts]
        web.post(f"{self.url}/api/v2/alerts", json=body).raise_for_status()
        wait_until(lambda: all(self.alert(labels) for labels in alerts), 10, "the alerts")

    def alert(self, labels: dict[str, str]) -> dict[str, Any]:
        """The alert with these labels; empty when there is none."""
        found: list[dict[str, Any]] = web.get(f"{self.url}/api/v2/alerts").json()
        return next((one for one in found if one["labels"] == labels), {})

    def silences(self) -> list[dict[str, Any]]:
        """Those in force."""
        found: list[dict[str, Any]] = web.get(f"{self.url}/api/v2/silences").json()
        return [one for one in found if one["status"]["state"] == "active"]

    def clear(self) -> None:
        """End every silence and every alert."""
        for one in self.silences():
            web.delete(f"{self.url}/api/v2/silence/{one['id']}").raise_for_status()
        past = datetime.fromtimestamp(time.time() - 1, UTC).isoformat()
        body = [{"labels": labels, "endsAt": past} for labels in (SEALED, OTHER, FULL) if self.alert(labels)]
        web.post(f"{self.url}/api/v2/alerts", json=body).raise_for_status()
        wait_until(lambda: not any(self.alert(labels) for labels in (SEALED, OTHER, FULL)), 10, "no alert")


@pytest.fixture(scope="module")
def alertmanager_lab() -> Iterator[LabHandle]:
    with running_lab("alertmanager") as handle:
        yield handle


@pytest.fixture
def manager(alertmanager_lab: LabHandle) -> Iterator[Alertmanager]:
    made = Alertmanager(alertmanager_lab.ports["alertmanager"])
    yield made
    made.clear()


@pytest.fixture
async def executor(manager: Alertmanager, tmp_path: Path) -> Any:
    journal = Journal.open(tmp_path / "lab" / "journal.sqlite", actor="ana", anchor=lambda _: None)
    made = Executor(
        Profile(name="lab", environment="lab", alertmanager=AlertmanagerTarget(url=manager.url + "/")), journal
    )
    yield made
    await made.close()
    journal.close()


def silencing(manager: Alertmanager, labels: dict[str, str], duration: str = "30m") -> dict[str, str]:
    return {
        "alert": manager.alert(labels)["fingerprint"],
        "duration": duration,
        "comment": "INC-0001: a share is coming",
    }


async def run(executor: Executor, plan: Plan) -> list[Progress]:
    return [step async for step in executor.execute(plan.id, plan.digest(), required_confirmation(plan))]


async def test_exactly_that_alert_is_silenced_told_from_firing_and_heard_again(executor, manager) -> None:
    manager.fire(SEALED, OTHER)
    plan = await executor.plan("alerts.silence", silencing(manager, SEALED))
    assert plan.risk is Risk.DISRUPTIVE, "a P0 needs more than Enter (facts 4.2)"
    assert len(plan.victims) == 1 and plan.refusal == ""
    proof = (await run(executor, plan))[-1]
    assert proof.verification is not None and proof.verification.verdict is Verdict.VERIFIED
    (name,) = proof.verification.reading
    assert proof.before == {name: "firing"} and proof.verification.reading[name].startswith("silenced by ")

    (silence,) = manager.silences()
    assert manager.alert(SEALED)["status"]["silencedBy"] == [silence["id"]]
    assert manager.alert(OTHER)["status"]["state"] == "active"
    assert silence["createdBy"] == actor_name() and silence["comment"].startswith("INC-0001: a share is coming")
    assert {(one["name"], one["value"], one["isRegex"], one["isEqual"]) for one in silence["matchers"]} == {
        (label, value, False, True) for label, value in SEALED.items()
    }
    ends = datetime.fromisoformat(silence["endsAt"]).timestamp()
    assert 1700 < ends - time.time() <= 1800

    source = AlertsSource("", manager.url)
    snapshot = await source.read()
    await source.close()
    (silenced,), (firing,) = snapshot.silenced, snapshot.firing
    assert silenced.silenced_by == (silence["id"],) and firing.silenced_by == ()
    known = snapshot.silence_of(silenced)
    assert known is not None and known.created_by == actor_name() and known.ends_at == pytest.approx(ends, abs=1)

    again = await executor.plan("alerts.silence", silencing(manager, SEALED))
    assert "silenced already until" in again.refusal
    undo = await executor.plan(plan.undo_action, plan.undo_params)
    assert undo.risk is Risk.SAFE and [victim.key for victim in undo.victims] == [silence["id"]]
    proof = (await run(executor, undo))[-1]
    assert proof.verification is not None and proof.verification.verdict is Verdict.VERIFIED
    assert manager.silences() == [] and manager.alert(SEALED)["status"]["state"] == "active"


async def test_less_than_a_p0_takes_enter_and_a_silence_ends_by_its_id(executor, manager) -> None:
    manager.fire(FULL)
    plan = await executor.plan("alerts.silence", silencing(manager, FULL, "4h"))
    assert plan.risk is Risk.SAFE
    await run(executor, plan)
    (silence,) = manager.silences()
    expiry = await executor.plan("alerts.expire-silence", {"silence": silence["id"]})
    assert "RedisMemory redis-cluster-0" in expiry.sentence
    manager_says = (await run(executor, expiry))[-1]
    assert manager_says.verification is not None and manager_says.verification.verdict is Verdict.VERIFIED
    assert manager.silences() == []
    again = await executor.plan("alerts.expire-silence", {"silence": silence["id"]})
    assert "no such silence is in force" in again.refusal


async def test_what_has_ended_or_was_silenced_meanwhile_is_left_alone(executor, manager) -> None:
    manager.fire(SEALED, FULL)
    ended, taken = [await executor.plan("alerts.silence", silencing(manager, one)) for one in (SEALED, FULL)]
    other = await executor.plan("alerts.silence", silencing(manager, FULL, "1h"))
    await run(executor, other)
    refused = (await run(executor, taken))[-1].result
    assert refused is not None and refused.outcome is Outcome.REFUSED and "silenced already" in refused.sentence
    manager.clear()
    refused = (await run(executor, ended))[-1].result
    assert refused is not None and refused.outcome is Outcome.REFUSED and "it has ended" in refused.sentence
    assert manager.silences() == []


@asynccontextmanager
async def deaf_line(url: str) -> AsyncIterator[str]:
    """A line to the real Alertmanager over which every answer to a new silence is lost."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.decode().split(" ", 2)
                length = re.search(r"(?i)content-length: *(\d+)", head.decode())
                body = await reader.readexactly(int(length[1])) if length else b""
                kind = {"Content-Type": "application/json"}
                async with httpx.AsyncClient(trust_env=False) as client:
                    answer = await client.request(method, url + path, content=body, headers=kind)
                if method == "POST":
                    return
                told = f"HTTP/1.1 {answer.status_code} X\r\nContent-Length: {len(answer.content)}\r\n\r\n"
                writer.write(told.encode() + answer.content)
                await writer.drain()
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_silence_whose_answer_was_lost_is_found_again_and_not_sent_twice(manager, tmp_path: Path) -> None:
    manager.fire(FULL)
    journal = Journal.open(tmp_path / "lab" / "journal.sqlite", actor="ana", anchor=lambda _: None)
    async with deaf_line(manager.url) as line:
        executor = Executor(Profile(name="lab", environment="lab", alertmanager=AlertmanagerTarget(url=line)), journal)
        steps = await run(executor, await executor.plan("alerts.silence", silencing(manager, FULL)))
        await executor.close()
    outcome = next(step.result for step in steps if step.result)
    assert outcome.outcome is Outcome.UNKNOWN and "no answer" in outcome.sentence
    proof = steps[-1].verification
    assert proof is not None and proof.verdict is Verdict.VERIFIED
    assert len(manager.silences()) == 1
    journal.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"duration": "5h"}, "say for how long: 30m, 1h, 2h, 4h"),
        ({"duration": ""}, "say for how long"),
        ({"comment": "  "}, "say why"),
        ({"alert": "0000000000000000"}, "Alertmanager has no alert with fingerprint 0000000000000000"),
    ],
)
async def test_what_makes_no_silence_is_said(executor, manager, changed: dict[str, str], said: str) -> None:
    manager.fire(FULL)
    with pytest.raises(ExecutorProblem, match=said):
        await executor.plan("alerts.silence", silencing(manager, FULL) | changed)

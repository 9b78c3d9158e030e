"""Actions against :mod:`tests.executor.target`, and a way to run the executor's process with them instead of the product's own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from alphapulse_tui.actions.contract import Action, ActionProblem, SentWithoutAnswer
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Outcome, Plan, Result, Risk, Verdict, Verification, Victim


async def ask(url: str, method: str = "GET", path: str = "/", body: object = None) -> tuple[int, dict[str, Any]]:
    """One HTTP exchange; ``ConnectionRefusedError`` when nothing was sent, other ``OSError`` or ``EOFError`` afterwards."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        data = b"" if body is None else json.dumps(body).encode()
        writer.write(f"{method} {path} HTTP/1.0\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(await reader.read())
    finally:
        writer.close()


class Trial(Action):
    """Sets the target's number; its generation travels in the request."""

    id = "test.set"
    title = "set the number"
    target = "platform"
    risk = Risk.SAFE
    deadline = 5.0
    needs_share = False

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        assert profile.api is not None
        self.url = profile.api.health_url

    async def state(self) -> dict[str, Any]:
        try:
            return (await ask(self.url))[1]
        except OSError as error:
            raise ActionProblem(f"the target does not answer: {error.strerror}") from None

    async def plan(self, params: Mapping[str, str]) -> Plan:
        state = await self.state()
        return self.make(params, preconditions={"generation": str(state["generation"])})

    def make(self, params: Mapping[str, str], **more: Any) -> Plan:
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=self.title,
            target=self.target,
            environment=self.profile.environment,
            object=params.get("object", "test/number"),
            risk=self.risk,
            sentence=f"Sets the number to {params.get('value', '')}.",
            call="POST /change",
            shell="curl",
            params=dict(params),
            confirm_word="the number" if self.risk is Risk.DESTRUCTIVE else "",
            deadline=float(params.get("deadline", self.deadline)),
            verify_seconds=float(params.get("verify_seconds", "2")),
            needs_share=self.needs_share,
            changes=self.changes,
            undo_action="test.set",
            undo_params={"value": "1"},
            made_at=time.time(),
            **more,
        )

    async def send(self, body: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
        try:
            return await ask(self.url, "POST", "/change", body)
        except ConnectionRefusedError as error:
            raise ActionProblem(f"the target does not answer: {error.strerror}") from None
        except (OSError, EOFError):
            raise SentWithoutAnswer("the target hung up without an answer") from None

    async def execute(self, plan: Plan) -> Result:
        code, said = await self.send(
            {"value": plan.params["value"], "generation": int(plan.preconditions["generation"]), "run": plan.id}
        )
        return Result(Outcome.DONE, "the number was set") if code == 200 else Result(Outcome.FAILED, said["error"])

    async def verify(self, plan: Plan) -> Verification:
        state = await self.state()
        reading = {"value": str(state["value"]), "generation": str(state["generation"])}
        if reading["value"] == plan.params["value"]:
            return Verification(Verdict.VERIFIED, f"the number is {state['value']}", reading)
        return Verification(Verdict.PENDING, f"the number is still {state['value']}", reading)


class Disruptive(Trial):
    id = "test.disruptive"
    risk = Risk.DISRUPTIVE


class Destructive(Trial):
    id = "test.destructive"
    risk = Risk.DESTRUCTIVE


class Share(Trial):
    id = "test.share"
    needs_share = True


class Look(Trial):
    """Only reads."""

    id = "test.look"
    changes = False

    async def execute(self, plan: Plan) -> Result:
        return Result(Outcome.DONE, "looked", {"value": str((await self.state())["value"])})


class Broken(Trial):
    """Fails in a way that nobody foresaw, after sending."""

    id = "test.broken"

    async def execute(self, plan: Plan) -> Result:
        await super().execute(plan)
        raise ZeroDivisionError("a mistake of ours")


class Stop(Trial):
    """Stops workers, by key and identity."""

    id = "test.stop"
    title = "stop workers"

    async def plan(self, params: Mapping[str, str]) -> Plan:
        workers = (await self.state())["workers"]
        victims = tuple(Victim(key, identity, f"worker {key}") for key, identity in sorted(workers.items()))
        return self.make(params, victims=victims, refusal="" if victims else "there is no worker to stop")

    async def execute(self, plan: Plan) -> Result:
        await self.send({"stop": {victim.key: victim.identity for victim in plan.victims}})
        return Result(Outcome.DONE, f"{len(plan.victims)} stopped")

    async def verify(self, plan: Plan) -> Verification:
        workers = (await self.state())["workers"]
        left = [victim.key for victim in plan.victims if workers.get(victim.key) == victim.identity]
        verdict = Verdict.PENDING if left else Verdict.VERIFIED
        return Verification(verdict, f"{len(left)} left", {"workers": str(len(workers))})


TRIALS = {kind.id: kind for kind in (Trial, Disruptive, Destructive, Share, Look, Broken, Stop)}


def registry(action_id: str, profile: Profile) -> Action:
    if action_id not in TRIALS:
        raise KeyError(f"no action {action_id!r}")
    return TRIALS[action_id](profile)


if __name__ == "__main__":
    from alphapulse_tui.executor.process import main

    sys.exit(main(sys.argv[1:], registry))

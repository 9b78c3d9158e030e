"""The executor as a process of its own: what survives whose death, and what its socket accepts."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.config.load import load_profile
from alphapulse_tui.config.paths import journal_file, runtime_folder
from alphapulse_tui.executor.client import ExecutorClient, ExecutorGone, ExecutorProblem
from alphapulse_tui.executor.confirm import required_confirmation
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.protocol import OpenRun, Progress, Resolution, Stage
from alphapulse_tui.executor.server import Server
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.model.plan import Outcome, Plan, Verdict
from alphapulse_tui.runbook.deed import Consent, do
from tests.executor.conftest import COMMAND, Target
from tests.waiting import until

Start = Callable[..., Awaitable[ExecutorClient]]


@pytest.fixture
async def start(state: Path) -> AsyncIterator[Start]:
    """Starts executors; ends those that are left."""
    clients: list[ExecutorClient] = []
    pids: set[int] = set()

    async def make(profile: str = "trial", *, read_only: bool = False, idle: float = 0.2) -> ExecutorClient:
        loaded = load_profile(profile, str(state)).profile
        client = await ExecutorClient.start(loaded, str(state), read_only=read_only, command=COMMAND, idle=idle)
        clients.append(client)
        pids.add((await client.status()).pid)
        return client

    yield make
    for client in clients:
        await client.close()
    await until(lambda: not any(map(lives, pids)), 10, "the executors to leave by themselves")


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


async def run(client: ExecutorClient, plan: Plan) -> list[Progress]:
    return [step async for step in client.execute(plan, confirmation=required_confirmation(plan))]


def journal_kinds(environment: str = "trial") -> list[Kind]:
    journal = Journal.open(journal_file(environment), anchor=lambda _: None)
    try:
        assert journal.verify().intact
        return [event.kind for event in journal.events()]
    finally:
        journal.close()


async def test_a_run_through_the_socket(start: Start, target: Target) -> None:
    client = await start()
    plan = await client.plan("test.disruptive", {"value": "7"})
    steps = await run(client, plan)
    assert [step.stage for step in steps] == [Stage.CHECKING, Stage.INTENT, Stage.SENT, Stage.OUTCOME, Stage.VERIFIED]
    assert steps[-1].verification is not None and steps[-1].verification.reading["value"] == "7"
    assert (await target.state())["sends"] == 1
    with pytest.raises(ExecutorProblem, match=r"no action 'no\.such'"):
        await client.plan("no.such", {})
    assert await client.unresolved() == []


async def test_it_is_nobodys_child_in_a_session_of_its_own_at_a_private_socket(start: Start) -> None:
    client = await start()
    pid = (await client.status()).pid
    assert os.getsid(pid) != os.getsid(0)
    assert client.socket is not None
    assert stat.S_IMODE(client.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(client.socket.parent.stat().st_mode) == 0o700
    os.kill(pid, signal.SIGHUP)
    os.kill(pid, signal.SIGINT)
    assert (await client.status()).pid == pid


async def test_read_only_refuses_at_the_socket_whatever_the_client_says(start: Start, target: Target) -> None:
    client = await start(read_only=True)
    assert client.socket is not None
    reader, writer = await asyncio.open_unix_connection(client.socket, limit=1 << 24)

    async def say(message: dict[str, Any] | bytes) -> dict[str, Any]:
        writer.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")
        return dict(json.loads(await reader.readline()))

    plan = (await say({"number": 1, "what": "plan", "action": "test.set", "params": {"value": "7"}}))["value"]
    assert (await reader.readline()).strip() == b'{"number":1}'
    digest = (await client.plan("test.set", {"value": "7"})).digest()
    for request in (
        {"number": 2, "what": "execute", "plan": plan["id"], "digest": digest, "confirmation": "enter"},
        {"number": 3, "what": "begin", "plan": plan["id"], "digest": digest, "confirmation": "enter"},
        {"number": 4, "what": "arm", "environment": "trial"},
    ):
        answer = await say(request)
        assert answer["number"] == request["number"] and answer["problem"]
    assert "not understand" in (await say(b"[1, 2]\n"))["problem"]
    assert "not understand" in (await say(b"\xff\x00\n"))["problem"]
    assert "knows no request 'shutdown'" in (await say({"number": 5, "what": "shutdown"}))["problem"]
    writer.close()
    with pytest.raises(ExecutorProblem, match="read-only"):
        await run(client, await client.plan("test.set", {"value": "7"}))
    assert (await target.state())["sends"] == 0


async def test_production_is_armed_by_its_name(start: Start, target: Target) -> None:
    client = await start("live")
    with pytest.raises(ExecutorProblem, match="live is production and not armed"):
        await run(client, await client.plan("test.set", {"value": "7"}))
    assert client.armed_seconds(0.0) is None
    until_when = await client.arm("live")
    assert client.armed_seconds(until_when - 60.0) == 60.0
    steps = await run(client, await client.plan("test.set", {"value": "7"}))
    assert steps[-1].stage is Stage.VERIFIED
    await client.disarm()
    assert (await client.status()).armed_until is None
    assert journal_kinds("live")[0] is Kind.ARMED and journal_kinds("live")[-1] is Kind.DISARMED


SCREEN = """
import asyncio, sys
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.executor.client import ExecutorClient
async def main(config, *command):
    client = await ExecutorClient.start(load_profile("trial", config).profile, config, command=command, idle=0.2)
    plan = await client.plan("test.set", {"value": "7", "deadline": "30"})
    print((await client.status()).pid, plan.id, flush=True)
    async for step in client.execute(plan, confirmation="enter"):
        print(step.stage.value, flush=True)
asyncio.run(main(*sys.argv[1:]))
"""


async def screen_until_sent(state: Path, target: Target) -> tuple[asyncio.subprocess.Process, int, str]:
    """A cockpit in a process of its own that has just sent; its executor's pid and its run."""
    await target.set(mode="slow")
    screen = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCREEN, str(state), *COMMAND, stdout=subprocess.PIPE
    )
    assert screen.stdout is not None
    pid, run_id = (await screen.stdout.readline()).decode().split()

    async def sends() -> bool:
        return bool((await target.state())["sends"])

    await until(sends, 10, "the request at the target")
    return screen, int(pid), run_id


async def test_kill_9_of_the_screen_after_sending(start: Start, state: Path, target: Target) -> None:
    screen, pid, run_id = await screen_until_sent(state, target)
    screen.kill()
    await screen.wait()
    second = await start()
    (open_run,) = await second.unresolved()
    assert (open_run.run, open_run.under_way, open_run.sent) == (run_id, True, True)
    with pytest.raises(ExecutorProblem, match="still holds it"):
        await second.resolve(run_id, Resolution.ABANDON, "impatience")
    await target.release()
    await until(lambda: not lives(pid), 15, "the first executor to finish and leave")
    assert await second.unresolved() == []
    assert journal_kinds() == [Kind.INTENT, Kind.SENT, Kind.OUTCOME, Kind.VERIFIED]
    assert (await target.state())["sends"] == 1


@pytest.mark.parametrize(("value", "verdict"), [(7, Verdict.VERIFIED), (3, Verdict.PENDING)])
async def test_kill_9_of_both_after_sending(
    start: Start, state: Path, target: Target, value: int, verdict: Verdict
) -> None:
    screen, pid, run_id = await screen_until_sent(state, target)
    os.kill(pid, signal.SIGKILL)
    screen.kill()
    await screen.wait()
    await until(lambda: not lives(pid), 5, "the executor's death")
    await target.set(mode="", value=value)
    assert journal_kinds() == [Kind.INTENT, Kind.SENT]
    second = await start()
    open_runs = await second.unresolved()
    assert [(found.run, found.under_way, found.sent, found.outcome) for found in open_runs] == [
        (run_id, False, True, None)
    ]
    found = await second.probe(run_id)
    assert found.verdict is verdict and str(value) in found.sentence
    refused = (await run(second, await second.plan("test.set", {"value": "8"})))[-1].result
    assert refused is not None and refused.outcome is Outcome.REFUSED and "is locked" in refused.sentence
    assert (await second.resolve(run_id, Resolution.VERIFY)).verdict is verdict
    left: list[OpenRun] = await second.unresolved()
    assert len(left) == (0 if verdict is Verdict.VERIFIED else 1)
    assert (await target.state())["sends"] == 1
    await target.release()


async def test_kill_9_of_the_executor_after_sending_is_unknown_without_a_screen(start: Start, target: Target) -> None:
    client = await start()
    await target.set(mode="slow")
    agreed = Consent(yes=True)
    asked = asyncio.create_task(do(client, "test.set", {"value": "7", "deadline": "30"}, agreed, "why", "INC-0001"))

    async def sends() -> bool:
        return bool((await target.state())["sends"])

    await until(sends, 10, "the request at the target")
    os.kill((await client.status()).pid, signal.SIGKILL)
    deed = await asked
    assert (deed.verdict, deed.exit_code) == ("unknown", ExitCode.UNKNOWN)
    assert "the connection to the executor broke" in deed.sentence and "in the journal" in deed.sentence
    assert ["by hand", "curl"] in deed.evidence and deed.digest
    assert journal_kinds() == [Kind.INTENT, Kind.SENT] and (await target.state())["sends"] == 1
    await target.release()


async def test_sigterm_lets_it_finish_what_it_holds(start: Start, target: Target) -> None:
    client = await start()
    await target.set(mode="slow")
    plan = await client.plan("test.set", {"value": "7", "deadline": "30"})
    seen: list[Stage] = []
    async for step in client.execute(plan, confirmation="enter"):
        seen.append(step.stage)
        if step.stage is Stage.SENT:
            pid = (await client.status()).pid
            os.kill(pid, signal.SIGTERM)
            await target.release()
    assert seen[-1] is Stage.VERIFIED
    await until(lambda: not lives(pid), 10, "the executor to leave")
    assert client.socket is not None and not client.socket.exists()


async def test_a_new_executor_takes_over_from_a_killed_one_disarmed(start: Start) -> None:
    client = await start("live")
    await client.arm("live")
    first = (await client.status()).pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: not lives(first), 5, "its death")
    status = await client.status()
    assert status.pid != first and status.armed_until is None and client.armed_seconds(0.0) is None
    await until(lambda: len(list(runtime_folder().glob("executor-*.sock"))) == 1, 5, "the dead socket to be removed")
    await client.close()
    await until(lambda: not lives(status.pid), 10, "the second to leave")


async def test_one_that_dies_as_it_is_asked_again_is_replaced_too(start: Start) -> None:
    client = await start()
    first = (await client.status()).pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: not lives(first), 5, "its death")
    assert client.socket is not None
    client.socket.unlink()

    connections = itertools.count(1)

    async def die(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if next(connections) == 2:
            dying.close()
        writer.close()

    dying = await asyncio.start_unix_server(die, client.socket)
    status = await client.status()
    assert status.pid != first and not dying.is_serving()
    await client.close()
    await until(lambda: not lives(status.pid), 10, "the second to leave")


async def test_two_cockpits_on_one_environment_have_an_executor_each(start: Start, target: Target) -> None:
    one, two = await start(), await start()
    assert (await one.status()).pid != (await two.status()).pid
    for client, value in ((one, "2"), (two, "3"), (one, "4")):
        assert (await run(client, await client.plan("test.set", {"value": value})))[-1].stage is Stage.VERIFIED
    assert (await target.state())["value"] == 4


async def test_why_it_does_not_start_is_its_own_sentence(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = load_profile("trial", str(state)).profile
    file = journal_file("trial")
    file.parent.mkdir(parents=True)
    file.write_text("this is no journal, but a text that is longer than the header of a database file " * 20)
    with pytest.raises(ExecutorGone, match=r"no executor, so nothing can be changed: the journal .* is damaged"):
        await ExecutorClient.start(profile, str(state), command=COMMAND)
    with pytest.raises(ExecutorGone, match="cannot be started"):
        await ExecutorClient.start(profile, str(state), command=("/nonexistent/python",))
    with pytest.raises(ExecutorGone, match="ended without a word"):
        await ExecutorClient.start(profile, str(state), command=("true",))


async def test_two_processes_racing_for_one_object_send_once(start: Start, target: Target) -> None:
    clients = [await start(), await start()]
    for number in range(1, 9):
        plans = [await client.plan("test.set", {"value": str(number + 1)}) for client in clients]
        both = await asyncio.gather(*(run(client, plan) for client, plan in zip(clients, plans, strict=True)))
        outcomes = sorted(step.result.outcome.value for steps in both for step in steps if step.result is not None)
        assert outcomes == ["done", "refused"]
        assert (await target.state())["sends"] == number
    assert journal_kinds().count(Kind.SENT) == 8


async def test_another_users_connection_is_not_served(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket's mode keeps other users out; the kernel's word on the peer is the second wall."""
    client = await start()
    script = (
        "import os, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        's.sendall(b\'{"number":1,"what":"status"}\\n\'); print(len(s.recv(100)))\n'
    )
    assert client.socket is not None
    own = await asyncio.create_subprocess_exec(sys.executable, "-c", script, client.socket, stdout=subprocess.PIPE)
    assert int((await own.communicate())[0]) > 0
    monkeypatch.setattr("alphapulse_tui.executor.server.getuid", lambda: os.getuid() + 1)
    served = asyncio.Event()
    server = Server(Executor(client.profile, _journal(client)), client.socket.with_name("executor-other.sock"))
    task = asyncio.create_task(server.serve(served.set))
    await served.wait()
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", script, server.path, stdout=subprocess.PIPE)
    assert (await other.communicate())[0].strip() in (b"0", b"")
    server.stop()
    await task
    server.executor.journal.close()


def _journal(client: ExecutorClient) -> Journal:
    return Journal.open(journal_file(client.profile.environment), anchor=lambda _: None)

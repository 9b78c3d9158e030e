"""The supervisor: starting, stopping, restarting, freezing, and what a child is given."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.errors import CommandFailedError, LabError
from alphapulse_tui.lab.process import Process, ProcessSpec, ProcessState, Restart, Supervisor
from alphapulse_tui.lab.spec import unprivileged_account
from tests.waiting import until


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    one = Supervisor()
    yield one
    await one.close(1.0)


def python(tmp_path: Path, program: str, name: str = "one", **more: object) -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-S", "-c", program), tmp_path, tmp_path / f"{name}.log", **more)  # type: ignore[arg-type]


SLEEP = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-S', '-c', {SLEEP!r}], start_new_session=True); time.sleep(600)"


async def test_a_process_runs_in_its_own_group_without_stdin_and_dies_with_us(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    program = "import os, sys; print(os.getpgid(0) == os.getpid(), repr(sys.stdin.read()), sorted(os.environ))"
    process = await supervisor.start(python(tmp_path, program, env={"GREETING": "hello"}))
    assert await process.wait() == 0
    said = (tmp_path / "one.log").read_text()
    assert said.startswith("True ''")
    assert "GREETING" in said
    assert "PYTEST_CURRENT_TEST" not in said


async def test_status_and_exit_callbacks_tell_an_end_from_a_stop(supervisor: Supervisor, tmp_path: Path) -> None:
    ended: list[Process] = []
    supervisor.add_exit_callback(ended.append)
    await (await supervisor.start(python(tmp_path, "raise SystemExit(3)", "failing"))).wait()
    await supervisor.start(python(tmp_path, SLEEP, "running"))
    await supervisor.start(python(tmp_path, SLEEP, "stopped"))
    await supervisor.stop("stopped")
    seen = {one.name: (one.state, one.exit_code) for one in supervisor.status()}
    assert seen == {
        "failing": (ProcessState.EXITED, 3),
        "running": (ProcessState.RUNNING, None),
        "stopped": (ProcessState.STOPPED, -signal.SIGTERM),
    }
    assert [one.name for one in ended] == ["failing", "stopped"]
    assert next(one for one in supervisor.status() if one.name == "running").rss > 1_000_000


async def test_a_name_is_taken_while_its_process_lives(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(python(tmp_path, SLEEP))
    with pytest.raises(LabError, match="one runs already"):
        await supervisor.start(python(tmp_path, SLEEP))


async def test_a_missing_program_is_one_sentence(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"one cannot be started: /nowhere/server: No such file"):
        await supervisor.start(ProcessSpec("one", ("/nowhere/server",), tmp_path, tmp_path / "one.log"))


async def test_a_deaf_process_and_its_runaway_child_are_killed_after_the_grace(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    program = f"{PARENT.removesuffix('time.sleep(600)')}{DEAF}"
    process = await supervisor.start(python(tmp_path, program))
    await until(
        lambda: "deaf" in (tmp_path / "one.log").read_text() and linux.descendants(process.pid),
        5,
        "parent and child to run",
    )
    child = linux.descendants(process.pid)[0]
    await supervisor.stop("one", grace=0.2)
    assert process.returncode == -signal.SIGKILL
    await until(lambda: not _lives(child), 5, "the child in its own session to be gone")


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


async def test_a_frozen_tree_is_seen_thawed_and_stopped(supervisor: Supervisor, tmp_path: Path) -> None:
    process = await supervisor.start(python(tmp_path, PARENT))
    await until(lambda: linux.descendants(process.pid), 5, "the child to run")
    tree = [process.pid, *linux.descendants(process.pid)]
    supervisor.signal("one", signal.SIGSTOP, tree=True)
    await until(lambda: all(linux.is_frozen(pid) for pid in tree), 5, "both to be frozen")
    assert supervisor.status()[0].state is ProcessState.FROZEN
    supervisor.signal("one", signal.SIGCONT, tree=True)
    await until(lambda: not any(linux.is_frozen(pid) for pid in tree), 5, "both to run")
    supervisor.signal("one", signal.SIGSTOP, tree=True)
    await supervisor.stop("one", grace=3.0)
    assert process.returncode == -signal.SIGTERM
    # The child has a session of its own, and no warden here: it would sleep on after its parent's polite end.
    linux.send(tree[1], signal.SIGKILL)


def test_who_is_told_to_freeze_is_frozen_on_a_busy_machine_too() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(12)]
    try:
        for process in busy:
            linux.freeze_tree(process.pid)
            assert linux.is_frozen(process.pid)
    finally:
        for process in busy:
            process.kill()
            process.wait()


async def test_who_must_be_kept_alive_comes_back_until_it_is_adopted(supervisor: Supervisor, tmp_path: Path) -> None:
    first = await supervisor.start(python(tmp_path, SLEEP), Restart.ALWAYS)
    first.signal(signal.SIGKILL)
    await until(lambda: (now := supervisor.running("one")) is not None and now is not first, 5, "the restart")
    second = supervisor.adopt("one")
    assert second is not None
    second.signal(signal.SIGKILL)
    assert await second.wait() == -signal.SIGKILL
    assert supervisor.running("one") is None
    third = await supervisor.start(second.spec)
    assert third.alive


async def test_the_doomed_die_at_every_start_until_spared(supervisor: Supervisor, tmp_path: Path) -> None:
    process = await supervisor.start(python(tmp_path, SLEEP))
    supervisor.doom("one")
    assert await process.wait() == -signal.SIGKILL
    again = await supervisor.start(python(tmp_path, SLEEP))
    assert await again.wait() == -signal.SIGKILL
    supervisor.spare("one")
    assert (await supervisor.start(python(tmp_path, SLEEP))).alive


async def test_a_helper_command_gives_its_output_or_its_last_line(supervisor: Supervisor, tmp_path: Path) -> None:
    assert await supervisor.run(python(tmp_path, "print('made')")) == "made\n"
    with pytest.raises(CommandFailedError, match=r"one ended with code 4: no space left"):
        await supervisor.run(python(tmp_path, "print('no space left'); raise SystemExit(4)"))
    with pytest.raises(CommandFailedError, match=r"did not end within 0\.1 s"):
        await supervisor.run(python(tmp_path, SLEEP), timeout=0.1)


async def test_a_killed_supervisor_takes_its_children_along(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from alphapulse_tui.lab.process import ProcessSpec, Supervisor\n"
        "async def main():\n"
        f"    spec = ProcessSpec('one', ({sys.executable!r}, '-S', '-c', {SLEEP!r}), Path('/'), Path({str(tmp_path / 'child.log')!r}))\n"
        "    print((await Supervisor().start(spec)).pid, flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert _lives(child)
    parent.kill()
    await parent.wait()
    await until(lambda: not _lives(child), 5, "the child to die with its parent")


async def test_an_unprivileged_process_gives_up_root_for_good(tmp_path: Path) -> None:
    account = unprivileged_account()
    supervisor = Supervisor(account)
    argv = ("/bin/sh", "-c", "grep -E '^(Uid|Gid|Groups)' /proc/self/status")
    said = await supervisor.run(ProcessSpec("one", argv, Path("/"), tmp_path / "log", unprivileged=True))
    seen = {name: set(numbers.split()) for name, numbers in (line.split(":") for line in said.splitlines())}
    if account:
        assert seen == {"Uid": {str(account.uid)}, "Gid": {str(account.gid)}, "Groups": set()}
    assert "0" not in seen["Uid"]

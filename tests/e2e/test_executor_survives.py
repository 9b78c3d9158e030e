"""``kill -9`` in the middle of a change: the executor finishes what it holds, and the next start says what is true."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal, journal_of, processes_of
from tests.lab.test_life import lives
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

_FORGOTTEN = (
    "state LIKE 'idle in transaction%' AND now() - state_change > interval '6 seconds' AND usename <> 'postgres'"
)


def forgotten(lab: LabHandle) -> list[str]:
    """Sessions that idle in a transaction for too long."""
    return lab.psql(f"SELECT pid, backend_start FROM pg_stat_activity WHERE {_FORGOTTEN} ORDER BY pid").splitlines()


def confirm_and_freeze(lab: LabHandle, cockpit: CockpitTerminal) -> None:
    """Plan to end the forgotten sessions, freeze PostgreSQL, confirm, and wait until the intent is on disk."""
    cockpit.wait_live("PostgreSQL")
    cockpit.open_at("pg-connections", "End sessions idle in transaction")
    cockpit.run_step("End sessions idle in transaction", "Enter plans it")
    letter = cockpit.confirmation()
    lab.break_("target-hung", "postgres")
    cockpit.press(letter)
    cockpit.wait_journal(Kind.INTENT, timeout=60)


def kill_screen(cockpit: CockpitTerminal) -> None:
    cockpit.signal(signal.SIGKILL)
    assert cockpit.wait_exit() == -signal.SIGKILL


@pytest.mark.long
def test_the_screen_dies_and_the_action_is_finished(platform: LabHandle, state: Path) -> None:
    platform.break_("idle-in-transaction")
    wait_until(lambda: len(forgotten(platform)) == 3, 40, "three transactions that are old enough")
    with CockpitTerminal(platform.profile, state) as cockpit:
        confirm_and_freeze(platform, cockpit)
        kill_screen(cockpit)
        assert journal_of(state, Kind.OUTCOME) == []
    platform.mend("target-hung", "postgres")

    wait_until(lambda: journal_of(state, Kind.VERIFIED), 60, "the executor to prove what it did")
    (outcome,), (verified,) = journal_of(state, Kind.OUTCOME), journal_of(state, Kind.VERIFIED)
    assert (outcome.payload["outcome"], verified.payload["verdict"]) == ("done", "verified")
    assert forgotten(platform) == []
    with CockpitTerminal(platform.profile, state, columns=160, lines=45) as cockpit:
        cockpit.wait_text("verified: ", timeout=60)
        assert "Outcome not known" not in cockpit.screen


@pytest.mark.long
def test_screen_and_executor_die_before_anything_was_sent(platform: LabHandle, state: Path) -> None:
    platform.break_("idle-in-transaction")
    wait_until(lambda: len(forgotten(platform)) == 3, 40, "three transactions that are old enough")
    before = forgotten(platform)
    with CockpitTerminal(platform.profile, state) as cockpit:
        confirm_and_freeze(platform, cockpit)
        kill_both(cockpit)
    platform.mend("target-hung", "postgres")
    assert journal_of(state, Kind.SENT, Kind.OUTCOME) == []
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_text("Outcome not known", "it ended before anything was sent", timeout=60)
        cockpit.wait_text("contradicted")
        cockpit.press("v")
        (settled,) = cockpit.wait_journal(Kind.RECONCILED)
        assert settled.payload["verdict"] == "contradicted"
        cockpit.wait_text("Every action that was sent has an outcome that is known")
    assert forgotten(platform) == before


@pytest.mark.long
def test_screen_and_executor_die_after_sending_began(platform: LabHandle, state: Path) -> None:
    platform.break_("vault-sealed-one")
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_verdict("is sealed", "p: vault-sealed")
        cockpit.press("p")
        cockpit.run_step("Which nodes are sealed", "sealed: vault-")
        cockpit.run_step("What opens it")
        cockpit.walk_to("vault-sealed", "Give a key share", "What sealed it")
        cockpit.run_step("Give a key share")
        cockpit.type_share(platform.shares()[0])
        (sent,) = cockpit.wait_journal(Kind.SENT)
        kill_both(cockpit)
        wait_until(lambda: not processes_of(state), 20, "the helper to leave with its terminal")
    assert journal_of(state, Kind.OUTCOME) == []
    with CockpitTerminal(platform.profile, state) as cockpit:
        cockpit.wait_text("Outcome not known", "nothing is known of its outcome", "the target now:", timeout=60)
        cockpit.press("v")
        (settled,) = cockpit.wait_journal(Kind.RECONCILED)
    (node,) = [victim["key"] for victim in journal_of(state, Kind.INTENT)[0].payload["plan"]["victims"]]
    truth = json.loads(platform.bao(int(node[-1]), "status", "-format=json").stdout)
    assert settled.payload["action_run"] == sent.payload["action_run"]
    assert (truth["sealed"], truth["progress"]) == (True, 0)
    assert settled.payload["verdict"] != "verified"
    assert settled.payload["after"][node] == "sealed 0/3"


def kill_both(cockpit: CockpitTerminal) -> None:
    executor = cockpit.executor()
    executor.kill()
    kill_screen(cockpit)
    psutil.wait_procs([executor], timeout=10)
    assert not lives(executor)

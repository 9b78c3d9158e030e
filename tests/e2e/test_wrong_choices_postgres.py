"""What goes wrong at the confirmation, and behind it: a plan that is turned down, a victim that is gone or another, one that does not react, and a
server that hangs when everything is sent. ``psql`` is the witness, and the journal says no more than is known.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from alphapulse_tui.executor.confirm import LETTERS
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.lab.control import Request, ask
from alphapulse_tui.runbook.load import load_procedures
from tests.e2e.cockpit import CockpitTerminal
from tests.lab_handle import LabHandle, processes_below
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(400)]

REPLICA = "postgres-replica-0"
SLOT = "reporting_replica_1"
PROCEDURES = load_procedures()

FORGOTTEN = (
    "SELECT pid, backend_start FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND usename <> 'postgres' "
    "AND now() - state_change > interval '6 seconds' ORDER BY pid"
)
ROOTS = "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name IN ('settlement-worker', 'billing-import') ORDER BY pid"
REPORT = (
    "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'quarterly-report' AND state = 'active'"
)


OLD_ENOUGH = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'quarterly-report' AND state = 'active' "
    "AND now() - query_start > interval '6 seconds'"
)


def runaway(lab: LabHandle) -> None:
    """Wait until the report runs for longer than the cockpit cancels from (facts 2.1.2: five seconds)."""
    wait_until(lambda: lab.psql(OLD_ENOUGH) == "1", 30, "a report that runs for long")


def step_of(procedure: str, step: str) -> tuple[str, int]:
    """The step's title, and how many steps stand before it."""
    steps = PROCEDURES[procedure].steps
    place = [one.id for one in steps].index(step)
    return steps[place].title, place


def open_step(cockpit: CockpitTerminal, procedure: str, step: str) -> str:
    """Open the procedure at this step; returns the step's title."""
    title, place = step_of(procedure, step)
    cockpit.wait_live("PostgreSQL")
    cockpit.choose_procedure(procedure)
    cockpit.wait_step(PROCEDURES[procedure].steps[0].title)
    cockpit.press(*["right"] * place)
    cockpit.wait_step(title)
    return title


@dataclass(frozen=True)
class Case:
    """One confirmation: what is broken, where it is asked for, and what must be as it was."""

    procedure: str
    step: str
    fault: str
    witness: Callable[[LabHandle], str]
    shown: str
    """Words of the step or plan that say that it has its values."""
    parameter: str = ""
    name: str = ""
    """What a destructive plan wants typed."""
    safe: bool = False
    ready: str = "Enter plans it"
    """Words of the step before it is begun."""
    before: tuple[str, ...] = ()
    """Statements of the superuser before."""
    after: tuple[str, ...] = ()


CASES = (
    Case("pg-connections", "end-idle-in-transaction", "idle-in-transaction", lambda lab: lab.psql(FORGOTTEN), "Terminates 3 sessions"),
    Case("pg-slow-queries", "end-root", "lock-chain", lambda lab: lab.psql(ROOTS), "Terminates 2 root blockers"),
    Case(
        "pg-slow-queries", "prepared", "lock-chain", lambda lab: lab.psql("SELECT gid FROM pg_prepared_xacts"), "settlement-close-2026-11",
        parameter="prepared", name="settlement-close-2026-11",
    ),
    Case("pg-slow-queries", "cancel", "slow-query", lambda lab: lab.psql(REPORT), "Cancels pid", safe=True),
    Case("pg-slow-queries", "terminate", "slow-query", lambda lab: lab.psql(REPORT), "Terminates pid"),
    Case(
        "pg-slow-queries", "create-index", "missing-index",
        lambda lab: "absent " + lab.psql("SELECT to_regclass('idx_trades_tenant_symbol')"),
        "Builds idx_trades_tenant_symbol", ready="name idx_trades_tenant",
    ),
    Case(
        "pg-slow-queries", "analyze", "", lambda lab: lab.psql("SELECT relname, last_analyze FROM pg_stat_user_tables ORDER BY 1"),
        "Renews the statistics of", safe=True, before=("UPDATE trade_audit SET note = note",),
    ),
    Case(
        "pg-replication-lag", "resume", "replica-lag", lambda lab: lab.psql("SELECT pg_get_wal_replay_pause_state()", server=REPLICA),
        "that it has received come first",
    ),
    Case(
        "pg-replication-lag", "conflict", "replica-conflict",
        lambda lab: lab.psql("SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'monthly-report'", server=REPLICA),
        "monthly-report",
    ),
    Case(
        "pg-replication-lag", "drop-slot", "replication-slot-left-behind",
        lambda lab: lab.psql("SELECT slot_name, restart_lsn FROM pg_replication_slots WHERE NOT active"), f"Drops slot {SLOT}", name=SLOT,
        before=("GRANT replicator TO oncall WITH INHERIT FALSE, SET TRUE",), after=("REVOKE replicator FROM oncall",),
    ),
)  # fmt: skip
"""Every confirmation of the three procedures but two: a larger max_connections is refused before its replica's, and a pod is not in this lab."""


@pytest.fixture
def broken(postgres_lab: LabHandle, request: pytest.FixtureRequest) -> Iterator[tuple[LabHandle, Case]]:
    """The lab as the case wants it."""
    case: Case = request.param
    with contextlib.ExitStack() as stack:
        for statement in case.after:
            stack.callback(postgres_lab.superuser, statement)
        for statement in case.before:
            postgres_lab.superuser(statement)
        if case.fault:
            postgres_lab.break_(case.fault, case.parameter)
        if case.fault == "idle-in-transaction":
            wait_until(
                lambda: len(postgres_lab.psql(FORGOTTEN).splitlines()) == 3, 30, "transactions that are old enough"
            )
        if case.fault == "slow-query":
            runaway(postgres_lab)
        yield postgres_lab, case


@pytest.mark.parametrize(
    "broken", [pytest.param(case, id=f"{case.procedure}/{case.step}") for case in CASES], indirect=True
)
def test_a_plan_that_is_turned_down_changes_nothing(broken: tuple[LabHandle, Case], state: Path) -> None:
    lab, case = broken
    before = case.witness(lab)
    assert before
    with CockpitTerminal(lab.profile, state) as cockpit:
        title = open_step(cockpit, case.procedure, case.step)
        for turned_down in turn_downs(case):
            cockpit.run_step(title, case.ready)
            cockpit.wait_text(case.shown)
            turned_down(cockpit)
            cockpit.wait_step(title)
        assert cockpit.journal(Kind.INTENT) == []
        left = {event.payload["step"]: event.payload["state"] for event in cockpit.journal(Kind.STEP)}
        assert case.step not in left
    assert case.witness(lab) == before


def turn_downs(case: Case) -> list[Callable[[CockpitTerminal], None]]:
    """The ways in which a person does not confirm this one."""
    if case.safe:
        return [lambda cockpit: leave(cockpit, "Enter does it")]
    if case.name:
        return [lambda cockpit: mistype(cockpit, case.name), lambda cockpit: mistype(cockpit, "")]
    return [mistake_the_letter, press_enter]


def leave(cockpit: CockpitTerminal, words: str) -> None:
    cockpit.wait_text(words)
    cockpit.let_it_hear()
    cockpit.leave(words)


def mistype(cockpit: CockpitTerminal, name: str) -> None:
    """Type half of the name, or nothing, and Enter: it is asked for again; then Esc."""
    cockpit.wait_text(" type ", "and Enter to do it")
    cockpit.let_it_hear()
    cockpit.send(name[: len(name) // 2])
    cockpit.press("enter")
    cockpit.wait_text("that is not its name")
    cockpit.leave("that is not its name")


def mistake_the_letter(cockpit: CockpitTerminal) -> None:
    letter = cockpit.confirmation()
    wrong = next(other for other in LETTERS if other != letter)
    cockpit.press(wrong, wrong.upper())
    assert cockpit.confirmation() == letter
    cockpit.leave("to do it")


def press_enter(cockpit: CockpitTerminal) -> None:
    cockpit.confirmation()
    cockpit.press("enter")
    cockpit.wait_until(lambda screen: "to do it" not in screen, 30, "the dialog gone")


def refused(cockpit: CockpitTerminal) -> str:
    """The one run of the journal was written down and not sent; why, in its own words."""
    (outcome,) = cockpit.wait_journal(Kind.OUTCOME)
    assert outcome.payload["outcome"] == "refused"
    assert cockpit.journal(Kind.SENT) == []
    return str(outcome.payload["sentence"])


def test_a_query_that_ended_by_itself_is_not_looked_for_again(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("slow-query")
    runaway(postgres_lab)
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        cockpit.run_step(open_step(cockpit, "pg-slow-queries", "cancel"), "Enter plans it")
        cockpit.wait_text("Cancels pid", "Enter does it")
        cockpit.let_it_hear()
        postgres_lab.superuser(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'quarterly-report'"
        )
        wait_until(lambda: postgres_lab.psql(REPORT) == "", 20, "the report to have ended")
        cockpit.press("enter")
        assert "gone by now" in refused(cockpit)
        cockpit.wait_text("nothing is left to do", "Esc back")


def test_a_slot_that_was_made_anew_is_another_one(postgres_lab: LabHandle, state: Path) -> None:
    postgres_lab.break_("replication-slot-left-behind")
    postgres_lab.superuser("GRANT replicator TO oncall WITH INHERIT FALSE, SET TRUE")
    try:
        with CockpitTerminal(postgres_lab.profile, state) as cockpit:
            cockpit.run_step(open_step(cockpit, "pg-replication-lag", "drop-slot"), "Enter plans it")
            cockpit.wait_text(f"Drops slot {SLOT}", " type ")
            postgres_lab.superuser(f"SELECT pg_drop_replication_slot('{SLOT}')")
            postgres_lab.superuser(f"SELECT pg_create_physical_replication_slot('{SLOT}', true)")
            cockpit.confirm_name(SLOT)
            assert "is not the one that was shown" in refused(cockpit)
        assert postgres_lab.psql(f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{SLOT}'") == "1"
    finally:
        postgres_lab.superuser("REVOKE replicator FROM oncall")


def three_forgotten(lab: LabHandle) -> list[int]:
    """Break it, and the pids of the three sessions once they are old enough."""
    lab.break_("idle-in-transaction")
    wait_until(lambda: len(lab.psql(FORGOTTEN).splitlines()) == 3, 30, "three transactions that are old enough")
    return [int(one.split("|")[0]) for one in lab.psql(FORGOTTEN).splitlines()]


def test_of_three_victims_one_went_by_itself(postgres_lab: LabHandle, state: Path) -> None:
    first, *others = three_forgotten(postgres_lab)
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        cockpit.run_step(open_step(cockpit, "pg-connections", "end-idle-in-transaction"), "Enter plans it")
        cockpit.wait_text("Terminates 3 sessions")
        letter = cockpit.confirmation()
        postgres_lab.superuser(f"SELECT pg_terminate_backend({first}, 5000)")
        cockpit.press(letter)
        cockpit.wait_text("verified:", "Esc back")
        (sent,), (outcome,), (proof,) = (cockpit.journal(kind) for kind in (Kind.SENT, Kind.OUTCOME, Kind.VERIFIED))
        assert sent.payload["dropped"] == [f"pid {first}"]
        assert outcome.payload["details"] == {f"pid {pid}": "signalled" for pid in others}
        assert proof.payload["sentence"].startswith("2 of 2 sessions are gone")
    assert postgres_lab.psql(FORGOTTEN) == ""


def test_of_three_victims_one_does_not_react(postgres_lab: LabHandle, state: Path) -> None:
    stuck, *others = three_forgotten(postgres_lab)
    backend = psutil.Process(stuck)
    with CockpitTerminal(postgres_lab.profile, state) as cockpit:
        title = open_step(cockpit, "pg-connections", "end-idle-in-transaction")
        cockpit.run_step(title, "Enter plans it")
        cockpit.wait_text("Terminates 3 sessions")
        letter = cockpit.confirmation()
        backend.send_signal(signal.SIGSTOP)
        try:
            cockpit.press(letter)
            (proof,) = cockpit.wait_journal(Kind.VERIFIED, timeout=60)
            assert proof.payload["verdict"] == "pending"
            assert proof.payload["sentence"] == f"1 of 3 sessions are still there: pid {stuck}"
            assert [int(one.split("|")[0]) for one in postgres_lab.psql(FORGOTTEN).splitlines()] == [stuck]
            cockpit.wait_text("pending:", "Esc back")
            cockpit.leave("pending:")
            cockpit.wait_step(title)
            states = {
                event.payload["state"]
                for event in cockpit.journal(Kind.STEP)
                if event.payload["step"] == "end-idle-in-transaction"
            }
            assert states <= {"open", "failed"}
        finally:
            backend.send_signal(signal.SIGCONT)
        wait_until(lambda: postgres_lab.psql(FORGOTTEN) == "", 20, "the last one to end")
        assert len(others) == 2


@contextlib.contextmanager
def late_requests(lab: LabHandle, seconds: float) -> Iterator[None]:
    """What is sent to PostgreSQL arrives late: there is a moment in which it is sent and not there."""
    ask(
        lab.at,
        Request("proxy", "postgres", "latency", {"seconds": f"{seconds:g}", "direction": "requests"}),
        timeout=60.0,
    )
    try:
        yield
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            ask(lab.at, Request("proxy", "postgres", ""), timeout=60.0)


def freeze(processes: list[psutil.Process], sign: signal.Signals = signal.SIGSTOP) -> None:
    """Stop them all, or let them go on; sessions come and go, so one that is not there any more is none."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(sign)


def test_a_primary_that_hangs_after_the_send_leaves_it_unknown_until_it_is_read(
    postgres_lab: LabHandle, state: Path
) -> None:
    primary = {one.name: one.pid for one in postgres_lab.status().processes}["postgres-primary"]
    with late_requests(postgres_lab, 0.6), CockpitTerminal(postgres_lab.profile, state) as cockpit:
        three_forgotten(postgres_lab)  # Not before: what was open when the proxy came was cut.
        title, place = step_of("pg-connections", "end-idle-in-transaction")
        wait_until(lambda: (state / "lab" / "journal.sqlite").exists(), 60, "the journal")
        cockpit.wait_text("PostgreSQL")
        cockpit.choose_procedure("pg-connections")
        cockpit.wait_step("How many slots are taken")
        cockpit.press(*["right"] * place)
        cockpit.run_step(title, "Enter plans it")
        cockpit.wait_text("Terminates 3 sessions")
        letter = cockpit.confirmation()
        frozen = processes_below(primary)
        cockpit.press(letter)
        (sent,) = cockpit.wait_journal(Kind.SENT, timeout=60)
        try:
            freeze(frozen)
            (outcome,) = cockpit.wait_journal(Kind.OUTCOME, timeout=60)
            assert outcome.payload["outcome"] == "unknown"
            cockpit.wait_text("sent, no answer")
            (read,) = cockpit.wait_journal(Kind.VERIFIED, timeout=90)
            assert read.payload["verdict"] == "unknown"
        finally:
            freeze(processes_below(primary), signal.SIGCONT)
        postgres_lab.wait_healthy("postgres")
        cockpit.wait_text("Esc back")
        cockpit.leave("sent, no answer")
        cockpit.press("o")
        cockpit.wait_text("Outcome not known", "the target now:", timeout=60)
        cockpit.press("v")
        (read_again,) = cockpit.wait_journal(Kind.RECONCILED, timeout=60)
        # What was sent may have been cut on its way, or been done when the server went on: the verdict is what psql says.
        arrived = postgres_lab.psql(FORGOTTEN) == ""
        assert read_again.payload["action_run"] == sent.payload["action_run"]
        assert read_again.payload["verdict"] == ("verified" if arrived else "pending")
        if not arrived:
            cockpit.wait_text("the target now: pending: 3 of 3 sessions are still there")
            cockpit.press("b")
            cockpit.answer("Why is it given up?", "the sessions are there and the connection is gone")
            _, given_up = cockpit.wait_journal(Kind.RECONCILED, 2)
            assert (given_up.payload["how"], given_up.payload["verdict"]) == ("abandoned", "pending")
        cockpit.wait_text("Every action that was sent has an outcome that is known")
        cockpit.leave("Every action that was sent")
        cockpit.run_step(title, "Enter plans it")
        if arrived:
            cockpit.wait_text("there is none", "not possible now")
        else:
            cockpit.wait_text("Terminates 3 sessions")
            cockpit.press(cockpit.confirmation())
            cockpit.wait_text("verified:", "Esc back", timeout=60)
    assert postgres_lab.psql(FORGOTTEN) == ""

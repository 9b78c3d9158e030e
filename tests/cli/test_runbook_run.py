"""``alphapulse runbook run``: the actions of a procedure without a screen, on real servers, and what it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.cli import main
from alphapulse_tui.config.paths import state_folder
from alphapulse_tui.exits import ExitCode
from tests.cli.program import Result, alphapulse
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

FORGOTTEN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'report-exporter' AND state LIKE 'idle in transaction%'"


def run(lab: LabHandle, *arguments: str) -> Result:
    return alphapulse("--config", str(lab.profile), "runbook", "run", *arguments)


def steps(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.out)["steps"]
    return found


def sealed(lab: LabHandle) -> list[int]:
    """Nodes that ``bao status`` calls sealed."""
    return [ordinal for ordinal in range(3) if lab.bao(ordinal, "status").returncode == 2]


@pytest.fixture
def forgotten(whole_lab: LabHandle) -> LabHandle:
    """A lab with sessions that idle in a transaction for long enough."""
    whole_lab.break_("idle-in-transaction")
    old = f"{FORGOTTEN} AND now() - state_change > interval '6 seconds'"
    wait_until(lambda: int(whole_lab.psql(old)) > 0, 30, "a session that idles for too long")
    return whole_lab


@pytest.mark.lab
def test_an_action_is_done_only_when_it_was_agreed_to_and_is_proven(forgotten: LabHandle) -> None:
    arguments = ("pg-connections", "--step", "end-idle-in-transaction", "--param", "transaction-seconds=5", "--json")
    asked = run(forgotten, *arguments)
    assert asked.code == ExitCode.REFUSED, asked
    (step,) = steps(asked)
    assert "Nothing was sent: it needs --yes." in step["sentence"]
    assert int(forgotten.psql(FORGOTTEN)) > 0

    done = run(forgotten, *arguments, "--yes")
    assert done.code == ExitCode.OK, done
    (step,) = steps(done)
    assert step["verdict"] == "verified"
    assert int(step["before"]["idle in transaction"]) > int(step["after"]["idle in transaction"])
    assert forgotten.psql(FORGOTTEN) == "0"
    assert alphapulse("--config", str(forgotten.profile), "incident", "verify").code == ExitCode.OK


@pytest.mark.long
@pytest.mark.lab
def test_a_walk_ends_at_the_first_proof_that_does_not_hold_and_is_taken_up_there(forgotten: LabHandle) -> None:
    walk = ("pg-connections", "--param", "transaction-seconds=5", "--json")
    first = run(forgotten, *walk)
    assert first.code == ExitCode.REFUSED, first
    assert [step["id"] for step in steps(first)][-1] == "end-idle-in-transaction"
    again = run(forgotten, *walk)
    assert [step["verdict"] for step in steps(again)][:-1] == ["settled before"] * (len(steps(first)) - 1)


@pytest.mark.lab
@pytest.mark.long
def test_a_key_share_is_never_given_without_its_holder(whole_lab: LabHandle) -> None:
    whole_lab.break_("vault-sealed-one")
    wait_until(lambda: sealed(whole_lab), 20, "a sealed node")
    assert run(whole_lab, "vault-sealed", "--step", "seal-type").code == ExitCode.OK
    refused = run(whole_lab, "vault-sealed", "--step", "unseal", "--yes", "--json")
    assert refused.code == ExitCode.REFUSED, refused
    assert "typed by its holder" in steps(refused)[0]["sentence"]
    assert sealed(whole_lab)


@pytest.mark.lab
@pytest.mark.long
def test_read_only_refuses_in_the_executor(forgotten: LabHandle) -> None:
    refused = alphapulse("--config", str(forgotten.profile), "--read-only", "runbook", "run", "pg-connections", "--step",
                         "end-idle-in-transaction", "--param", "transaction-seconds=5", "--yes", "--json")  # fmt: skip
    assert refused.code == ExitCode.REFUSED, refused
    assert "read-only" in steps(refused)[0]["sentence"]
    assert int(forgotten.psql(FORGOTTEN)) > 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("pg-connectoins",), ExitCode.USAGE, "did you mean 'pg-connections'?"),
        (("pg-connections", "--step", "99"), ExitCode.USAGE, "has no such step; there are: 1 slots, 2 limits"),
        (("pg-connections", "--param", "speed=1"), ExitCode.USAGE, "write NAME=VALUE with one of: transaction-seconds"),
        (("pg-connections", "--param", "idle-seconds"), ExitCode.USAGE, "write NAME=VALUE"),
    ],
)
def test_a_mistake_gets_one_sentence(tmp_path: Path, arguments: tuple[str, ...], code: ExitCode, sentence: str) -> None:
    config = tmp_path / "alphapulse.toml"
    config.write_text("[profiles.bare]\n")
    result = alphapulse("--config", str(config), "runbook", "run", *arguments)
    assert (result.code, result.out) == (code, "")
    assert sentence in result.err and len(result.err.strip().splitlines()) == 1


def test_a_try_of_one_step_is_judged_by_that_step(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["runbook", "run", "vault-sealed", "--dry-run"]
    assert main.run([*arguments, "--step", "kms"]) == ExitCode.OK
    assert main.run([*arguments, "--step", "1"]) == ExitCode.UNKNOWN
    assert main.run(arguments) == ExitCode.UNKNOWN
    assert "by hand" in capsys.readouterr().out


@pytest.mark.long
def test_what_cannot_be_read_is_not_verified(tmp_path: Path) -> None:
    config = tmp_path / "alphapulse.toml"
    config.write_text(
        '[profiles.dead.postgres]\nprimary = { host = "127.0.0.1", port = 1, user = "u", database = "d" }\n'
    )
    result = alphapulse("--config", str(config), "runbook", "run", "pg-connections", "--step", "slots", "--json")
    assert result.code == ExitCode.UNKNOWN, result
    assert steps(result)[0]["verdict"] == "not verified"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("pg-connectoins",), "did you mean 'pg-connections'?"),
        (("pg-connections", "--step", ""), "--step '': pg-connections has no such step"),
        (("pg-connections", "--param", "idle-seconds=1", "--param", "idle-seconds=2"), "is given twice; give it once"),
        (("pg-connections", "--param", "idle-seconds="), "is empty; give it a value, or leave it out for its default"),
        (("pg-replication-lag", "--param", "replica= "), "leave it out for what a check picks"),
        (("pg-connections", "--param", f"application={'x' * 5000}"), "5,000 characters are too many (at most 4,096)"),
        (("pg-connections", "--param", "application=a\x1b[31m"), "a\\x1b[31m holds characters that cannot be seen"),
        (("pg-connections", "--param", "application=\udcff"), "holds characters that cannot be seen"),
        (("pg-connections", "--step", "x" * 5000), "has no such step"),
    ],
)
def test_a_mistake_is_one_document_with_json(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    config = tmp_path / "alphapulse.toml"
    config.write_text("[profiles.bare]\n")
    result = alphapulse("--config", str(config), "runbook", "run", *arguments, "--yes", "--json")
    told = json.loads(result.out)
    assert (result.code, told["exit_code"], told["steps"]) == (ExitCode.USAGE, ExitCode.USAGE, [])
    assert sentence in told["problem"] and len(result.err.strip().splitlines()) == 1 and len(result.err) < 1000


def test_a_run_that_is_over_is_one_document_too(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (profile.parent / "procedures").mkdir()
    code = main.run(["runbook", "run", "vault-sealed", "--step", "kms", "--json"])  # A step for a person.
    assert (code, json.loads(capsys.readouterr().out)["steps"][0]["verdict"]) == (ExitCode.REFUSED, "by hand")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_one_document_and_its_own_code(tmp_path: Path, number: signal.Signals) -> None:
    config = tmp_path / "alphapulse.toml"
    config.write_text(
        '[profiles.dead.postgres]\nprimary = { host = "127.0.0.1", port = 1, user = "u", database = "d" }\n'
    )
    command = [
        sys.executable,
        "-m",
        "alphapulse_tui",
        "--config",
        str(config),
        "runbook",
        "run",
        "pg-connections",
        "--json",
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = state_folder() / "dead" / "journal.sqlite"
    wait_until(lambda: journal.exists() and journal.stat().st_size > 0, 60, "the run's beginning")
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    told = json.loads(out)
    assert (running.returncode, told["exit_code"]) == (128 + number, 128 + number), err
    assert (
        f"ended by {number.name}: what was sent goes on in the executor" in told["problem"] and "Traceback" not in err
    )

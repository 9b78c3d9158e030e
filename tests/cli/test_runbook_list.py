"""``alphapulse runbook list``: what the files say, and what past runs tell."""

from __future__ import annotations

import json

import pytest

from alphapulse_tui.cli.main import run
from alphapulse_tui.config.paths import journal_file
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.runbook.load import load_procedures

Output = pytest.CaptureFixture[str]


def listed(capsys: Output) -> dict[str, dict[str, object]]:
    assert run(["runbook", "list", "--json"]) == ExitCode.OK
    return {row["id"]: row for row in json.loads(capsys.readouterr().out)}


@pytest.mark.usefixtures("profile")
def test_without_runs_it_says_what_the_files_say_and_begins_no_journal(capsys: Output) -> None:
    rows = listed(capsys)
    assert set(rows) == set(load_procedures())
    sealed = rows["vault-sealed"]
    assert (sealed["severity"], sealed["section"], sealed["runs"], sealed["last_finished"]) == ("P0", "2.3", 0, None)
    assert sealed["typical_is_measured"] is False and sealed["typical_seconds"] == sum(
        step.typical_seconds for step in load_procedures()["vault-sealed"].steps
    )
    assert not journal_file("drill").exists()


def test_a_procedure_is_shown_with_a_profile_behind_its_name(capsys: Output) -> None:
    assert run(["runbook", "show", "vault-sealed", "--profile", "p"]) == ExitCode.OK
    assert "Vault sealed" in capsys.readouterr().out


@pytest.mark.usefixtures("profile")
def test_runs_of_this_environment_are_counted_and_timed(capsys: Output) -> None:
    moment = [1000.0]
    journal = Journal.open(
        journal_file("drill"), "ana", clock=lambda: moment[0], monotonic=lambda: moment[0], anchor=lambda _: None
    )
    for name in ("one", "two"):
        journal.append(Kind.PROCEDURE_STARTED, {"run": name, "procedure": "vault-sealed", "params": {}}, "")
    moment[0] += 240.0
    journal.append(Kind.PROCEDURE_FINISHED, {"run": "one", "procedure": "vault-sealed", "result": "left"}, "")
    journal.close()

    sealed = listed(capsys)["vault-sealed"]
    assert (sealed["runs"], sealed["succeeded"], sealed["under_way"]) == (2, 0, True), "no proof of it passed"
    assert (sealed["typical_seconds"], sealed["typical_is_measured"], sealed["last_finished"]) == (240.0, True, 1240.0)
    assert run(["runbook", "list"]) == ExitCode.OK
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("vault-sealed"))
    assert line.split()[:7] == ["vault-sealed", "P0", "2.3", "14", "steps", "4m", "0/2"]

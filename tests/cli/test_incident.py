from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from alphapulse_tui.cli.main import run
from alphapulse_tui.config.paths import journal_file
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal
from tests.incident.story import START, whole_incident

Output = pytest.CaptureFixture[str]


@pytest.fixture
def journal(profile: Path) -> Path:
    """The journal of one whole incident, and of another that was only declared."""
    path = journal_file("drill")
    moment = [START]
    made = Journal.open(path, "ana", clock=lambda: moment[0], monotonic=lambda: moment[0], anchor=lambda line: None)
    for event in whole_incident().events:
        moment[0] = event.wall
        made.append(event.kind, event.payload, event.incident)
    moment[0] = START + 9000
    made.append(Kind.DECLARED, {"title": "Disk [/x] full\x1b[2J", "severity": "P2"}, "INC-0002")
    made.close()
    return path


def test_list_shows_every_incident(journal: Path, capsys: Output) -> None:
    assert run(["incident", "list"]) == ExitCode.OK
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert first.split()[:3] == ["INC-0001", "P0", "2026-11-23T14:00:00Z"]
    assert "resolved" in first
    assert first.endswith("Vault sealed")
    assert "open" in second
    assert second.endswith("Disk [/x] full\\x1b[2J")
    assert err == ""


def test_list_as_json(journal: Path, capsys: Output) -> None:
    assert run(["incident", "list", "--json"]) == ExitCode.OK
    first, second = json.loads(capsys.readouterr().out)
    assert (first["id"], first["severity"], first["phase"]) == ("INC-0001", "P0", "resolved")
    assert (second["id"], second["resolved"]) == ("INC-0002", "")


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_looking_begins_no_journal(profile: Path, option: list[str], capsys: Output) -> None:
    assert run(["incident", "list", *option]) == ExitCode.OK
    assert capsys.readouterr().out == ("[]\n" if option else "")
    assert not journal_file("drill").exists()


def test_a_journal_that_nobody_can_look_for(profile: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("ALPHAPULSE_STATE", f"/{'x' * 300}")
    assert run(["incident", "list"]) == ExitCode.CANNOT_CREATE
    assert (
        "cannot be looked at: File name too long; ALPHAPULSE_STATE can name another folder" in capsys.readouterr().err
    )


def test_show_tells_intervals_clocks_and_the_story(journal: Path, capsys: Output) -> None:
    assert run(["incident", "show", "inc-0001"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith("INC-0001 P0 Vault sealed: resolved, commander ana\n")
    for line in ("TTA", "clocks:", "response (runbook 1.1", "timeline (UTC):", "Unseal vault-1"):
        assert line in out
    assert "Disk" not in out


def test_show_as_json_agrees_with_the_lines(journal: Path, capsys: Output) -> None:
    assert run(["incident", "show", "INC-0001", "--json"]) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert set(told["intervals"]) == {"TTD", "TTA", "TTM", "TTR"}
    assert [one["kind"] for one in told["timeline"]].count("declared") == 1
    assert all(clock["state"] in ("running", "satisfied", "missed") for clock in told["clocks"])


UNKNOWN: list[Callable[[str], list[str]]] = [
    lambda name: ["show", name],
    lambda name: ["show", name, "--json"],
    lambda name: ["export", name],
]


@pytest.mark.parametrize("command", UNKNOWN)
def test_an_unknown_incident_is_one_sentence_that_names_the_others(
    command: Callable[[str], list[str]], journal: Path, capsys: Output
) -> None:
    assert run(["incident", *command("INC-000\x1b[2J")]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert '"INC-000\\x1b[2J"' in err
    assert "INC-0001" in err


def test_the_nearest_incident_is_named(journal: Path, capsys: Output) -> None:
    assert run(["incident", "show", "inc-002"]) == ExitCode.USAGE
    sentence = 'no incident "inc-002" in environment drill; did you mean "INC-0002"? there are: INC-0001, INC-0002'
    assert capsys.readouterr().err == f"alphapulse: {sentence}\n"


def test_an_incident_where_there_is_no_journal(profile: Path, capsys: Output) -> None:
    assert run(["incident", "show", "INC-0001"]) == ExitCode.USAGE
    assert "none yet" in capsys.readouterr().err


def test_export_writes_into_the_profile_s_folder_and_the_journal_knows(
    journal: Path, tmp_path: Path, capsys: Output
) -> None:
    assert run(["incident", "export", "INC-0001"]) == ExitCode.OK
    file = tmp_path / ".bug" / "postmortem-20261123-vault-sealed.md"
    assert capsys.readouterr() == (f"{file}\n", "")
    assert file.read_text().startswith("# Postmortem: Vault sealed\n")
    assert run(["incident", "show", "INC-0001"]) == ExitCode.OK
    assert "exported the postmortem to" in capsys.readouterr().out
    assert run(["incident", "verify"]) == ExitCode.OK


def test_export_twice_replaces_and_never_what_a_person_edited(journal: Path, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / ".bug" / "postmortem-20261123-vault-sealed.md"
    assert [run(["incident", "export", "INC-0001"]) for _ in range(2)] == [ExitCode.OK] * 2
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    file.write_text("mine")
    capsys.readouterr()
    assert run(["incident", "export", "INC-0001", "--json"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert json.loads(out)["path"] == str(file.with_name("postmortem-20261123-vault-sealed-2.md"))
    assert err == f"alphapulse: {file} has been edited by hand and was left alone\n"
    assert file.read_text() == "mine"


def test_export_to_a_file_of_one_s_own(journal: Path, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "mine.md"
    assert run(["incident", "export", "INC-0001", "--out", "mine.md"]) == ExitCode.OK
    assert capsys.readouterr().out == f"{file}\n"
    file.write_text("edited")
    assert run(["incident", "export", "INC-0001", "--out", "mine.md"]) == ExitCode.CANNOT_CREATE
    assert capsys.readouterr().err.count("\n") == 1
    assert file.read_text() == "edited"


def test_export_to_stdout_writes_nothing_else(journal: Path, tmp_path: Path, capsys: Output) -> None:
    before = journal.read_bytes()
    assert run(["incident", "export", "INC-0001", "--out", "-"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("# Postmortem: Vault sealed\n")
    assert not (tmp_path / ".bug").exists()
    assert journal.read_bytes() == before


def test_export_where_nothing_can_be_written(journal: Path, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / ".bug").write_text("")
    assert run(["incident", "export", "INC-0001"]) == ExitCode.CANNOT_CREATE
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_verify_of_an_intact_journal(journal: Path, capsys: Output) -> None:
    assert run(["incident", "verify"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert out.endswith("by 1 writers: intact\n")
    assert err == ""


def test_verify_names_what_was_edited_and_exits_2(journal: Path, capsys: Output) -> None:
    with sqlite3.connect(journal) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute(
            "UPDATE event SET payload = replace(payload, '\"P2\"', '\"P3\"') WHERE incident = 'INC-0002'"
        )
    connection.close()
    assert run(["incident", "verify"]) == ExitCode.CRITICAL
    assert "edited" in capsys.readouterr().out
    assert run(["incident", "verify", "--json"]) == ExitCode.CRITICAL
    told = json.loads(capsys.readouterr().out)
    assert not told["intact"]
    assert told["findings"]


def test_verify_of_what_is_no_journal_is_bad_data(profile: Path, capsys: Output) -> None:
    path = journal_file("drill")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no journal at all\n" * 400)
    for command in (["verify"], ["list"], ["show", "INC-0001"]):
        code = run(["incident", *command])
        out, err = capsys.readouterr()
        assert code == ExitCode.BAD_DATA, (command, out, err)
        assert (out, err.count("\n")) == ("", 1)


def test_a_journal_that_lost_its_end_shows_what_is_left_and_verify_exits_2(journal: Path, capsys: Output) -> None:
    journal.write_bytes(journal.read_bytes()[:-4096])
    assert run(["incident", "verify"]) == ExitCode.CRITICAL
    out, err = capsys.readouterr()
    assert "unreadable" in out
    assert err == ""
    assert run(["incident", "list"]) == ExitCode.OK
    assert "INC-0001" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.8])
def test_a_journal_that_is_torn_is_told_in_lines_or_in_a_sentence(journal: Path, kept: float, capsys: Output) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole[: int(len(whole) * kept)])
    code = run(["incident", "verify"])
    out, err = capsys.readouterr()
    assert (code, "unreadable" in out) in ((ExitCode.CRITICAL, True), (ExitCode.BAD_DATA, False))
    assert err.count("\n") == (code == ExitCode.BAD_DATA)


def test_verify_without_a_journal(profile: Path, capsys: Output) -> None:
    assert run(["incident", "verify"]) == ExitCode.BAD_DATA
    assert capsys.readouterr().err.count("\n") == 1
    assert not journal_file("drill").exists()


def test_the_journal_is_that_of_the_profile_s_environment(journal: Path, profile: Path, capsys: Output) -> None:
    profile.write_text('[profiles.p]\nenvironment = "drill"\n[profiles.q]\nenvironment = "elsewhere"\n')
    assert run(["incident", "list", "--profile", "q"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert (out, err) == ("", "alphapulse: no incident has been declared in environment elsewhere\n")
    assert run(["incident", "list", "--profile", "p"]) == ExitCode.OK
    assert "INC-0001" in capsys.readouterr().out

"""``alphapulse lab`` and ``alphapulse demo``, run as a person would."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alphapulse_tui.exits import ExitCode
from alphapulse_tui.lab.directory import LabDirectory
from tests.cli.program import alphapulse
from tests.lab_handle import new_directory
from tests.pty import Terminal
from tests.waiting import wait_until


@pytest.fixture
def place() -> Iterator[LabDirectory]:
    directory = new_directory()
    yield directory
    if directory.is_locked():
        alphapulse("lab", "down", "--directory", str(directory.root))
    directory.remove()


def lab(place: LabDirectory, *words: str) -> tuple[int, str, str]:
    done = alphapulse("lab", *words, env={"ALPHAPULSE_LAB_DIRECTORY": str(place.root)})
    assert "Traceback" not in done.err
    return done.code, done.out, done.err


def test_where_no_lab_lives_every_command_says_so(place: LabDirectory) -> None:
    for words in (["status"], ["break", "vault-sealed-one"], ["mend", "all"], ["save"], ["restore"], ["down"]):
        code, out, err = lab(place, *words)
        assert (code, out) == (ExitCode.UNAVAILABLE, "")
        assert err == f"alphapulse: No lab lives in {place.root}: start one with `alphapulse lab up`\n"


def test_the_faults_are_listed_without_a_lab(place: LabDirectory) -> None:
    code, out, _ = lab(place, "break", "--list")
    assert code == ExitCode.OK
    names = [line.split()[0] for line in out.splitlines()[1:-2] if line and not line.startswith(" ")]
    assert {
        "vault-sealed-one",
        "vault-sealed-all",
        "connection-storm",
        "idle-in-transaction",
        "redis-master-killed",
        "target-hung",
    } <= set(names)
    assert out.count("mended by: ") == len(names)
    code, out, _ = lab(place, "break", "--list", "target-hung")
    assert code == ExitCode.OK
    assert "How it shows: connects succeed" in out
    code, _, err = lab(place, "break", "--list", "target-hang")
    assert code == ExitCode.USAGE
    assert "Did you mean target-hung" in err


def test_a_strangers_directory_an_unknown_target_and_a_missing_fault_are_refused(
    tmp_path: Path, place: LabDirectory
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    done = alphapulse("lab", "up", "--directory", str(tmp_path / "mine"))
    assert done.code == ExitCode.UNAVAILABLE
    assert "is not empty and not a lab's directory: name an empty one with --directory" in done.err
    code, _, err = lab(place, "up", "--only", "postgers")
    assert code == ExitCode.UNAVAILABLE
    assert "The lab has no target postgers; there are postgres, redis, vault" in err
    code, _, err = lab(place, "break")
    assert code == ExitCode.USAGE
    assert "lab break --list" in err


@pytest.mark.lab
def test_up_status_break_mend_down(place: LabDirectory) -> None:
    code, out, err = lab(place, "up", "--only", "postgres")
    assert (code, out) == (ExitCode.OK, f"{place.profile}\n")
    assert "ready after" in err
    assert "every target is ready" in err
    code, _, err = lab(place, "up")
    assert code == ExitCode.UNAVAILABLE
    assert "A lab lives in" in err
    code, out, _ = lab(place, "break", "idle-in-transaction")
    assert (code, out) == (ExitCode.OK, "PostgreSQL: holding 3 forgotten transactions\n")
    code, _, err = lab(place, "break", "idle-in-transactoin")
    assert code == ExitCode.USAGE
    assert "Did you mean idle-in-transaction" in err
    code, out, _ = lab(place, "status", "--json")
    told = json.loads(out)
    assert (told["faults"], [one["state"] for one in told["targets"]]) == (["idle-in-transaction"], ["ready"])
    assert lab(place, "mend", "all")[1] == "mended: idle-in-transaction\n"
    assert lab(place, "mend", "all")[1] == "nothing to mend\n"
    assert lab(place, "save")[1].startswith("saved postgres: ")
    assert lab(place, "break", "idle-in-transaction")[0] == ExitCode.OK
    code, _, err = lab(place, "save")
    assert (code, "idle-in-transaction is in force" in err) == (ExitCode.UNAVAILABLE, True)
    assert lab(place, "restore")[1].endswith("forgotten: idle-in-transaction\n")
    assert "fault-idle-in-transaction running" not in lab(place, "status", "--processes")[1]
    assert "postgres-primary         running" in lab(place, "status", "--processes")[1]
    started = time.monotonic()
    assert lab(place, "down")[0] == ExitCode.OK
    assert time.monotonic() - started < 5
    assert not place.is_locked() and not place.notices.exists()


@pytest.mark.lab
def test_the_demo_opens_at_once_and_takes_its_lab_along(place: LabDirectory) -> None:
    environment = {**os.environ, "ALPHAPULSE_LAB_DIRECTORY": str(place.root)}
    with Terminal([sys.executable, "-m", "alphapulse_tui", "demo"], columns=120, lines=40, env=environment) as terminal:
        terminal.wait_for("PostgreSQL", timeout=40)
        assert place.is_locked()
        terminal.press("ctrl+q")
        assert terminal.wait_exit(20) == ExitCode.OK
    wait_until(lambda: not place.is_locked(), 10, "the lab to end with the cockpit")


def test_a_directory_below_a_file_is_told_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file" / "lab")
    for words in (["status"], ["break", "vault-sealed-one"], ["save"], ["down"], ["up"]):
        done = alphapulse("lab", *words, "--directory", place)
        assert (done.code, done.out) == (ExitCode.UNAVAILABLE, ""), done
        assert "cannot be" in done.err and "Not a directory" in done.err and "does not answer" not in done.err, done

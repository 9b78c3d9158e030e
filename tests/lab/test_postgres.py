"""Finding PostgreSQL's programs and data where an unprivileged account can get to them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.directory import reachable
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.spec import Account

STRANGER = Account("stranger", 65534, 65534)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A distribution that was installed under a strict umask, below a closed home."""
    program = tmp_path / "home" / "pginstall" / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    for folder in (program.parent, program.parent.parent, tmp_path / "home"):
        folder.chmod(0o700)
    (program.parent.parent / "lib").symlink_to("bin")
    return program.parent.parent


@pytest.fixture
def open_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(postgres, "temporary_folder", lambda account: folder)
    return folder


def test_an_unreachable_distribution_is_copied_once_and_readable(tree: Path, open_folder: Path) -> None:
    copy = postgres._readable_copy(STRANGER, tree, "17.10")
    program = copy / "bin" / "postgres"
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    assert (copy / "lib").is_symlink()
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o755
    (tree / "bin" / "postgres").write_text("changed")
    assert postgres._readable_copy(STRANGER, tree, "17.10") == copy
    assert program.read_text() == "#!/bin/sh\n"
    assert [entry.name for entry in copy.parent.iterdir()] == ["postgresql-17.10"]


def test_a_place_that_somebody_else_prepared_is_refused(tree: Path, open_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (open_folder / f"alphapulse-servers-{os.getuid()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(LabError, match="belongs to somebody else"):
        postgres._readable_copy(STRANGER, tree, "17.10")


def test_the_installed_distribution_has_every_program_that_the_lab_uses() -> None:
    names = {"postgres", "initdb", "pg_basebackup", "pg_dump", "psql"}
    assert names <= {entry.name for entry in postgres.installed_programs().iterdir()}
    assert (
        reachable(postgres.installed_programs() / "postgres", Account("us", os.getuid(), os.getgid()))
        or os.getuid() == 0
    )

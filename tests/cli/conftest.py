"""Every test here runs in an empty home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.empty_home import move_into


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return move_into(tmp_path / "home", monkeypatch)


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile with an environment of its own, its postmortems below the working directory."""
    file = tmp_path / "alphapulse.toml"
    file.write_text('[profiles.p]\nenvironment = "drill"\n')
    monkeypatch.setenv("ALPHAPULSE_CONFIG", str(file))
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return file

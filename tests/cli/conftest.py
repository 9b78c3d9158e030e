"""Every test here runs in an empty home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.empty_home import move_into


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return move_into(tmp_path / "home", monkeypatch)

"""An engineer's account in which nothing is set: no config, no credentials, no variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from alphapulse_tui.redact import forget_secrets

PREFIXES = ("ALPHAPULSE_", "AWS_", "BAO_", "KUBE", "PG", "REDISCLI_", "TEXTUAL", "VAULT_", "XDG_")
"""Variables that the program reads."""


def move_into(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make ``home`` the home folder of this process and of the programs that it starts; return it."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setattr("tempfile.tempdir", None)
    forget_secrets()
    return home


def secret_file(file: Path, text: str, mode: int = 0o600) -> Path:
    """Write ``text`` to ``file`` with ``mode``, its folders made; return it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process one of a user id without a name and without ``HOME``, as in a container."""

    def nameless(uid: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nameless)

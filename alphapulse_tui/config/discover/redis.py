"""What ``redis-cli`` would use: the password in ``REDISCLI_AUTH``, unless the profile names a file."""

from __future__ import annotations

import os
from pathlib import Path

from alphapulse_tui.config.secret import Credential, read_secret_file
from alphapulse_tui.config.settings import RedisTarget
from alphapulse_tui.text import clean

VARIABLE = "REDISCLI_AUTH"
"""The variable that redis-cli and valkey-cli read."""


def password(target: RedisTarget) -> Credential | None:
    """The password of the ACL user, or none: a cluster without authentication. Raises ``CredentialError`` for a bad file."""
    what = f"Redis password of {clean(target.username or 'default')}"
    if target.password_file:
        file = Path(target.password_file)
        _from_file(file)  # so that a refusal is said now, not at the first request
        return Credential(what, f"password file {clean(file)}", lambda: _from_file(file))
    if os.environ.get(VARIABLE):
        return Credential(what, f"environment variable {VARIABLE}", lambda: os.environ.get(VARIABLE, ""))
    return None


def _from_file(file: Path) -> str:
    return read_secret_file(file, "password file").strip("\r\n")

"""Secrets that never show themselves, and the credentials that hold them until somebody logs in.

A ``Credential`` is what may be shown: where it comes from and when it ends. Its value is fetched by ``load()`` at the moment
of use, arrives as a ``Secret``, and is told to the redaction registry before anybody can write it anywhere. Callers:
``config.discover`` makes them, the sources and the executor use them, ``config show`` prints their origin.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from alphapulse_tui.errors import CredentialError
from alphapulse_tui.redact import remember_secret
from alphapulse_tui.text import clean

LARGEST_SECRET_FILE = 1024 * 1024
"""Bytes; a larger file is not a password file but a mistake."""


class Secret:
    """A value that is redacted everywhere from the moment it is made; only ``reveal()`` gives it out.

    >>> print(Secret("hunter2"), repr(Secret("hunter2")), f"{Secret('hunter2')}")
    (secret) Secret() (secret)
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        remember_secret(value)
        self._value = value

    def reveal(self) -> str:
        """The value itself: for the argument of the client library, never for a variable that lives on."""
        return self._value

    def __str__(self) -> str:
        return "(secret)"

    def __repr__(self) -> str:
        return "Secret()"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not written to disk or sent to another process")


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential that the engineer already has."""

    what: str
    """What it is for: ``PostgreSQL password of primary``, ``Vault token``."""
    source: str
    """Where it comes from, in words: ``environment variable VAULT_TOKEN``; clean, and never the value."""
    loader: Callable[[], str] = field(repr=False)
    """Fetches the value; raises ``CredentialError`` when it is refused or no longer there."""
    expires_at: datetime | None = None
    """When it ends (UTC), or none when only its target knows."""

    def load(self) -> Secret:
        """The value, fetched now; raises ``CredentialError``."""
        return Secret(self.loader())


def read_secret_file(file: Path, what: str) -> str:
    """The text of a file that only its owner can read, as libpq demands of a password file.

    ``what`` names the file in a sentence: ``password file``. Raises ``CredentialError`` when it is missing, no plain file,
    open to group or world, or not text.
    """
    shown = clean(file)
    try:
        refusal = _refusal(file.stat().st_mode, what, shown)  # before opening: a FIFO would block
        if refusal:
            raise CredentialError(refusal)
        with file.open("rb") as stream:
            content = stream.read(LARGEST_SECRET_FILE + 1)
    except OSError as error:
        raise CredentialError(f'{what} "{shown}" cannot be read: {clean(error.strerror or error)}') from None
    if len(content) > LARGEST_SECRET_FILE:
        raise CredentialError(f'{what} "{shown}" is larger than 1 MiB: it is not the file that was meant')
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise CredentialError(f'{what} "{shown}" is not UTF-8 text') from None


def _refusal(mode: int, what: str, shown: str) -> str:
    """libpq's own sentences (fe-connect.c, passwordFromFile): engineers find them by searching for them."""
    if not stat.S_ISREG(mode):
        return f'{what} "{shown}" is not a plain file'
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f'{what} "{shown}" has group or world access; permissions should be u=rw (0600) or less'
    return ""

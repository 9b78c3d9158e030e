"""The commented file that ``config init`` writes, so that nobody begins at an empty page."""

from __future__ import annotations

import os
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

from alphapulse_tui.errors import CannotCreateError
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.text import clean


def starter_text() -> str:
    """The starter file: ``starter.toml`` and, as comments, every threshold with its default."""
    text = files("alphapulse_tui.config").joinpath("starter.toml").read_text("utf-8")
    lines = (f"# {field.name} = {plain_number(getattr(Thresholds(), field.name))}\n" for field in fields(Thresholds))
    return text + "".join(lines)


def plain_number(number: float) -> str:
    """A number as a person writes it: no exponent, no ``.0``.

    >>> plain_number(67108864.0), plain_number(0.5)
    ('67108864', '0.5')
    """
    return str(int(number)) if number.is_integer() else str(number)


def write_starter(file: Path) -> None:
    """Write the starter to ``file``, mode 0600, whole or not at all; raises ``CannotCreateError``, also when it exists: it is never overwritten."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        if isinstance(error, FileExistsError) and Path(error.filename) == file:
            raise CannotCreateError(
                f"{clean(file)} exists and is not overwritten; move it away, or name another with --config"
            ) from None
        raise _cannot_write(file, error) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(starter_text())
    except OSError as error:
        file.unlink(missing_ok=True)  # half a file would keep the next `config init` from writing a whole one
        raise _cannot_write(file, error) from None


def _cannot_write(file: Path, error: OSError) -> CannotCreateError:
    return CannotCreateError(f"{clean(file)} cannot be written: {clean(error.strerror or error)}")

"""Which procedures there are, by their files' ``id`` lines alone: reading eleven files whole takes longer than a start may."""

from __future__ import annotations

import re
from pathlib import Path

from alphapulse_tui.plain_file import read_plain

_ID = re.compile(rb"^id:[ \t]*['\"]?([a-z0-9-]+)", re.MULTILINE)

HEAD_BYTES = 65536
"""Bytes of a file in which its id is looked for."""

SUFFIX = ".yaml"
"""What the name of a procedure file ends in."""


def shipped_folder() -> Path:
    """Where our own procedures lie."""
    return Path(__file__).resolve().parent / "procedures"


def procedure_files(folder: Path) -> list[Path]:
    """What is meant as a procedure in ``folder``, by name: also ``.yml`` and ``.YAML``, for it to be said that they are not read.

    Hidden files are nobody's: editors make them. None when there is no such folder.

    Raises:
        OSError: nobody can know.
    """
    try:
        names = [file.name for file in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(folder / name for name in names if name.lower().endswith((SUFFIX, ".yml")) and name[:1] != ".")


def procedure_name(file: Path) -> str:
    """The id that a file says it has; empty where it says none, or cannot be read."""
    try:
        found = _ID.search(read_plain(file, HEAD_BYTES))
    except OSError:
        return ""
    return found[1].decode() if found is not None else ""


def procedure_names(*folders: Path) -> frozenset[str]:
    """The ids of our procedures and of those in ``folders``. A file with mistakes counts: what is wrong with it, or with a folder, ``load`` says."""
    names = set()
    for folder in (shipped_folder(), *folders):
        try:
            files = procedure_files(folder)
        except OSError:
            continue
        names |= {procedure_name(file) for file in files if file.name.endswith(SUFFIX)}
    return frozenset(names - {""})

"""Which procedures there are, by their files' ``id`` lines alone: reading eleven files whole takes longer than a start may."""

from __future__ import annotations

import re
from pathlib import Path

_ID = re.compile(rb"^id:[ \t]*['\"]?([a-z0-9-]+)", re.MULTILINE)

HEAD_BYTES = 65536
"""Bytes of a file in which its id is looked for."""


def shipped_folder() -> Path:
    """Where our own procedures lie."""
    return Path(__file__).resolve().parent / "procedures"


def procedure_names(*folders: Path) -> frozenset[str]:
    """The ids of our procedures and of those in ``folders``. A file with mistakes counts: what is wrong with it, or with a folder, ``load`` says."""
    names = set()
    for folder in (shipped_folder(), *folders):
        try:
            files = list(folder.glob("*.yaml"))
        except OSError:
            continue
        for file in files:
            try:
                with file.open("rb") as stream:
                    found = _ID.search(stream.read(HEAD_BYTES))
            except OSError:
                continue
            if found is not None:
                names.add(found[1].decode())
    return frozenset(names)

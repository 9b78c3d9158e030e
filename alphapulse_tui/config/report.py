"""What ``config show`` and ``config validate`` tell: values with their origins, logins, and every problem.

Plain data and sentences; the command line only prints them. Values are redacted and cleaned here, because a profile may
hold anything that somebody pasted into it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from alphapulse_tui.config.complete import complete_profile
from alphapulse_tui.config.decode import dotted
from alphapulse_tui.config.discover import Finding, logins
from alphapulse_tui.config.lines import KeyPath
from alphapulse_tui.config.load import LoadedProfile, ProfileFile
from alphapulse_tui.config.settings import TARGETS
from alphapulse_tui.errors import ConfigError
from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean

Scalar = str | int | float | bool | None
"""What a setting's value can be."""


class Row(Struct, frozen=True):
    """One setting as it is shown."""

    key: str
    """Its dotted name within the profile."""
    value: Scalar
    """Its value, redacted and clean; none for what is not set."""
    origin: str
    """Where the value came from, in words."""


def rows(loaded: LoadedProfile) -> list[Row]:
    """Every setting of the profile in the order of the types; a target without a section is one row, ``not configured``."""
    found = [
        Row(dotted(path), _shown(value), clean(loaded.origin(path)))
        for path, value in _leaves(loaded.profile, ())
        if path != ("name",)
    ]
    missing = [name for name in TARGETS if getattr(loaded.profile, name) is None]
    return [*found, *(Row(name, None, "not configured") for name in missing)]


def report(loaded: LoadedProfile, now: datetime) -> dict[str, Any]:
    """Everything ``config show --json`` prints; ``now`` judges which logins have ended."""
    return {
        "profile": loaded.profile.name,
        "file": clean(loaded.file) if loaded.file else None,
        "settings": [structs.asdict(row) for row in rows(loaded)],
        "logins": [
            {
                "for": finding.what,
                "source": finding.source or None,
                "expires_at": finding.expires_at.isoformat() if finding.expires_at else None,
                "problem": login_problem(finding, now) or None,
            }
            for finding in logins(loaded.profile)
        ],
        "notices": list(loaded.notices),
    }


def login_problem(finding: Finding, now: datetime) -> str:
    """Why a login cannot be used, as a sentence; empty when nothing speaks against it."""
    if finding.refusal:
        return finding.refusal
    if finding.expires_at and finding.expires_at <= now:
        return f"ended at {finding.expires_at:%Y-%m-%d %H:%MZ}; log in again"
    return ""


def all_problems(content: ProfileFile) -> list[str]:
    """Everything that is wrong with a file: its own mistakes by line, then what its sound profiles would fail on here."""
    found = content.sentences()
    for name, profile in content.settings.profiles.items():
        path: KeyPath = ("profiles", name)
        if content.sentences(path):
            continue
        try:
            complete, _ = complete_profile(profile, name, Path(content.file).parent)
        except ConfigError as error:
            found.append(f"{content.place(path)}: profile {clean(name)}: {error.sentence}")
            continue
        refused = (f"{content.place(path)}: profile {clean(name)}: {f.refusal}" for f in logins(complete) if f.refusal)
        found.extend(refused)
        ca_file = complete.vault.ca_file if complete.vault else ""
        if ca_file and not os.access(ca_file, os.R_OK):
            at: KeyPath = (*path, "vault", "ca_file")
            found.append(f"{content.place(at)}: {dotted(at)} names {clean(ca_file)}, which cannot be read")
    return found


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Scalar]]:
    """Every single value below ``value`` with its path; empty lists and tables have none."""
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            if not (path == () and name in TARGETS and getattr(value, name) is None):
                yield from _leaves(getattr(value, name), (*path, name))
    elif is_dataclass(value):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def _shown(value: Scalar) -> Scalar:
    return clean(redact(value)) or None if isinstance(value, str) else value

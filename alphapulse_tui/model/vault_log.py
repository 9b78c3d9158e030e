"""What each Vault node's own log tells: why it is sealed, and what it complains of (runbook 2.3, facts 2.3.1).

The runbook opens a sealed node without asking why it sealed. The log knows: it ends with a seal that no restart followed (somebody called
``sys/seal``), or it begins with a start that no unseal followed (the process was restarted), or the KMS refused. Pure; the lines are read by
``sources.vault_logs``, clean and redacted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    """Why a node is sealed."""

    PERSON = "person"
    """Somebody, or something with a token, called ``sys/seal``."""
    RESTART = "restart"
    """Its process was started anew; a Shamir node always comes back sealed."""
    KMS = "kms"
    """The KMS that opens it refused or could not be reached."""
    STORAGE = "storage"
    """It lost its storage: disk full, read error."""
    OPEN = "open"
    """By its log it is open."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SealCause:
    """What the log says of the seal, in words."""

    cause: Cause
    sentence: str


@dataclass(frozen=True, slots=True)
class NodeLog:
    """The end of one node's log. ``problem`` is set when it could not be read."""

    name: str
    problem: str = ""
    started_at: float | None = None
    """Unix seconds since when the container runs."""
    restarts: int = 0
    last_end: str = ""
    """How its run before ended: ``OOMKilled, exit code 137``."""
    seal: SealCause = SealCause(Cause.UNKNOWN, "its log could not be read")
    complaints: tuple[str, ...] = ()
    """Warnings and errors, newest last, the same one once."""
    lines: tuple[str, ...] = ()
    """The last lines as they are."""


@dataclass(frozen=True, slots=True)
class VaultLogs:
    """Every node's."""

    nodes: tuple[NodeLog, ...]

    def of(self, name: str) -> NodeLog | None:
        """The log of the node of that name."""
        return next((node for node in self.nodes if node.name == name), None)


_STARTED = re.compile(r"==> \w+ server started!")
_ENDED = re.compile(r"==> \w+ shutdown triggered")
_OPENED = re.compile(r"core: vault is unsealed")
_SEALED = re.compile(r"core: (?:vault is sealed|marked as sealed)")
_KMS = re.compile(
    r"(?i)(failed to unseal|unseal (?:failed|with stored keys failed)|error decrypting|encryption seal|fetching stored unseal keys failed)"
    r"|(?:\b(?:awskms|gcpckms|azurekeyvault|kms)\b.*(?:error|denied|disabled|timeout))"
)
_STORAGE = re.compile(r"(?i)no space left on device|input/output error|read-only file system|failed to commit logs")
_LEVEL = re.compile(r"\[(?:WARN|ERROR)\]\s+(?P<said>.*)")
_TIME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")


def seal_cause(lines: Sequence[str], last_end: str = "") -> SealCause:
    """What the log's last words on sealing were.

    >>> seal_cause(["2026-11-27T04:37:49.398Z [INFO]  core: vault is sealed"]).sentence
    'sealed by a call of sys/seal at 04:37:49: ask who and why before you open it (its audit log names the token)'
    """
    last, at = Cause.UNKNOWN, ""
    trouble: dict[Cause, str] = {}
    for line in lines:
        moment = _TIME.match(line)
        if _STARTED.search(line):
            last, at, trouble = Cause.RESTART, "", {}
        elif _OPENED.search(line):
            last, at, trouble = Cause.OPEN, moment[1][11:] if moment else "", {}
        elif _SEALED.search(line):
            last, at = Cause.PERSON, moment[1][11:] if moment else ""
        elif _ENDED.search(line):
            last = Cause.RESTART
        elif _KMS.search(line):
            trouble[Cause.KMS] = _said(line)
        elif _STORAGE.search(line):
            trouble[Cause.STORAGE] = _said(line)
    for cause, what in ((Cause.STORAGE, "its storage failed"), (Cause.KMS, "its KMS does not open it")):
        if cause in trouble:
            return SealCause(cause, f"{what}: {trouble[cause]}")
    if last is Cause.PERSON:
        when = f" at {at}" if at else ""
        return SealCause(
            last,
            f"sealed by a call of sys/seal{when}: ask who and why before you open it (its audit log names the token)",
        )
    if last is Cause.RESTART:
        ended = f"; its run before ended with {last_end}" if last_end else ""
        return SealCause(last, f"its process was started anew, and a Shamir node always comes back sealed{ended}")
    if last is Cause.OPEN:
        return SealCause(last, f"open since {at or 'its start'}")
    if last_end:
        return SealCause(Cause.RESTART, f"its run before ended with {last_end}; a Shamir node always comes back sealed")
    return SealCause(Cause.UNKNOWN, "its log does not say why")


def complaints(lines: Sequence[str], most: int = 20) -> tuple[str, ...]:
    """The last different warnings and errors, newest last, without their times."""
    found: dict[str, str] = {}
    for line in lines:
        match = _LEVEL.search(line)
        if match is None:
            continue
        moment = _TIME.match(line)
        said = match["said"]
        found.pop(said, None)  # Once, at the place of the last time.
        found[said] = f"{moment[1][11:]} {said}" if moment else said
    return tuple(found.values())[-most:]


def _said(line: str) -> str:
    match = _LEVEL.search(line)
    return (match["said"] if match else line)[:200]

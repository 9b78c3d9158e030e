"""All faults by name: injecting, mending, and what is in force.

A fault is a module of this package with a ``FAULT``; adding one is adding a module and its line in :data:`MODULES`. Faults are injected for
real (a seal call, a SIGKILL, sessions that take slots), never by writing the symptom; ``mend`` undoes the injection without looking at
what a person did meanwhile, and does nothing where there is nothing left to undo.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from alphapulse_tui.lab.errors import LabError, UnknownFaultError
from alphapulse_tui.lab.platform import Lab

MODULES = (
    "vault_sealed_one",
    "vault_sealed_all",
    "vault_slow",
    "vault_peer_lost",
    "connection_storm",
    "idle_in_transaction",
    "api_crashloop_database",
    "redis_master_killed",
    "redis_memory_pressure",
    "redis_wrong_policy",
    "redis_giant_key",
    "redis_slots_uncovered",
    "redis_partition",
    "alert_pipeline_dead",
    "target_hung",
    "target_slow",
    "target_garbled",
    "target_refusing",
)
ALL = "all"


class Fault(Protocol):
    """One way to break the platform."""

    name: str
    summary: str
    """One line: what breaks."""
    mended_by: str
    """One line: the procedure or key that mends it."""
    parameters: tuple[str, ...]
    """What it can be applied to, the first by default; empty when it takes no parameter."""

    async def inject(self, lab: Lab, parameter: str) -> str:
        """Break it and return one sentence about what was done, when the damage is there.

        Raises:
            LabError: It cannot be injected now.
        """

    async def mend(self, lab: Lab, parameter: str) -> None:
        """Undo the injection; nothing happens when a person has mended it already."""


@dataclass(frozen=True)
class FaultLine:
    """A fault as ``alphapulse lab break --list`` shows it."""

    name: str
    summary: str
    mended_by: str
    parameters: list[str]


def load_faults() -> dict[str, Fault]:
    """All faults by name."""
    loaded = (importlib.import_module(f"alphapulse_tui.lab.faults.{module}").FAULT for module in MODULES)
    return {fault.name: fault for fault in loaded}


def catalogue() -> list[FaultLine]:
    """All faults there are, for the list."""
    return [FaultLine(one.name, one.summary, one.mended_by, list(one.parameters)) for one in load_faults().values()]


class Faults:
    """The faults of one living lab, and which of them are in force."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._faults = load_faults()
        self._active: list[tuple[str, str]] = []

    def active(self) -> list[str]:
        """Those injected and not mended by :meth:`mend`, oldest first, with their parameter."""
        return [" ".join(filter(None, one)) for one in self._active]

    async def inject(self, name: str, parameter: str) -> str:
        """Inject a fault and return its sentence.

        Raises:
            UnknownFaultError: No such fault or parameter; names the nearest ones.
            LabError: It is in force already, or cannot be injected now.
        """
        fault, parameter = self._find(name, parameter)
        if (name, parameter) in self._active:
            raise LabError(
                f"{' '.join(filter(None, (name, parameter)))} is in force already: `alphapulse lab mend {name}` ends it."
            )
        # Noted first: a fault that failed half way must be mendable.
        self._active.append((name, parameter))
        return await fault.inject(self._lab, parameter)

    async def mend(self, name: str, parameter: str) -> list[str]:
        """Mend a fault, or ``all`` that are in force (the youngest first); returns what was mended.

        Raises:
            UnknownFaultError: No such fault or parameter.
            LabError: The undoing failed.
        """
        if name != ALL:
            found, wanted = self._find(name, parameter) if parameter else (self._find(name, "")[0], "")
            chosen = [one for one in self._active if one[0] == found.name and wanted in ("", one[1])]
        else:
            chosen = list(self._active)
        for one in reversed(chosen):
            await self._faults[one[0]].mend(self._lab, one[1])
            self._active.remove(one)
        return [" ".join(filter(None, one)) for one in chosen]

    def _find(self, name: str, parameter: str) -> tuple[Fault, str]:
        fault = self._faults.get(name)
        if fault is None:
            raise UnknownFaultError(f"The lab knows no fault {name!r}.{nearest(name, self._faults)}")
        if not fault.parameters:
            if parameter:
                raise UnknownFaultError(f"{name} takes no parameter, but {parameter!r} was given.")
            return fault, ""
        parameter = parameter or fault.parameters[0]
        if parameter not in fault.parameters:
            raise UnknownFaultError(f"{name} cannot be applied to {parameter!r}.{nearest(parameter, fault.parameters)}")
        return fault, parameter


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint with the nearest names, or with all when none is near."""
    known = list(names)
    near = (
        difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        or [one for one in known if name and name in one]
        or known
    )
    return f" Did you mean {', '.join(near)}?" if near else ""

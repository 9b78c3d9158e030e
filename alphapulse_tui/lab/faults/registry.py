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

from alphapulse_tui.lab.errors import FaultRefusedError, LabError, UnknownFaultError
from alphapulse_tui.lab.platform import Lab

MODULES = (
    "vault_sealed_one",
    "vault_sealed_all",
    "connection_storm",
    "idle_in_transaction",
    "api_crashloop_database",
    "api_crashloop_redis",
    "api_crashloop_vault",
    "api_crashloop_memory",
    "bad_release_errors",
    "bad_release_latency",
    "bad_release_never_ready",
    "hpa_at_maximum",
    "redis_master_killed",
    "target_hung",
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
            FaultRefusedError: It cannot be injected now, and nothing was changed.
            LabError: It failed half way.
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
            FaultRefusedError: It cannot be injected now; it is not in force.
            LabError: It is in force already, or failed half way: then it is in force.
        """
        fault, parameter = self._find(name, parameter)
        if (name, parameter) in self._active:
            raise LabError(
                f"{' '.join(filter(None, (name, parameter)))} is in force already: `alphapulse lab mend {name}` ends it."
            )
        # Noted first: a fault that failed half way must be mendable.
        self._active.append((name, parameter))
        try:
            return await fault.inject(self._lab, parameter)
        except FaultRefusedError:
            self._active.remove((name, parameter))
            raise

    async def mend(self, name: str, parameter: str) -> list[str]:
        """Mend a fault, or ``all`` that are in force (the youngest first, and once more what failed); returns what was mended.

        Raises:
            UnknownFaultError: No such fault or parameter.
            LabError: The undoing failed, of several faults twice.
        """
        if name != ALL:
            found, wanted = self._find(name, parameter) if parameter else (self._find(name, "")[0], "")
            chosen = [one for one in self._active if one[0] == found.name and wanted in ("", one[1])]
        else:
            chosen = list(self._active)
        waiting: list[tuple[str, str]] = []
        for one in reversed(chosen):
            try:
                await self._mend_one(one)
            except LabError:
                if len(chosen) == 1:
                    raise
                # It may need what an older fault still withholds: a release is not rolled back while Vault is sealed.
                waiting.append(one)
        for one in waiting:
            await self._mend_one(one)
        return [" ".join(filter(None, one)) for one in chosen]

    async def _mend_one(self, one: tuple[str, str]) -> None:
        await self._faults[one[0]].mend(self._lab, one[1])
        self._active.remove(one)

    def _find(self, name: str, parameter: str) -> tuple[Fault, str]:
        fault = self._faults.get(name)
        if fault is None:
            raise UnknownFaultError(f"The lab knows no fault {name!r}.{_nearest(name, self._faults)}")
        if not fault.parameters:
            if parameter:
                raise UnknownFaultError(f"{name} takes no parameter, but {parameter!r} was given.")
            return fault, ""
        parameter = parameter or fault.parameters[0]
        if parameter not in fault.parameters:
            raise UnknownFaultError(
                f"{name} cannot be applied to {parameter!r}.{_nearest(parameter, fault.parameters)}"
            )
        return fault, parameter


def _nearest(name: str, names: Iterable[str]) -> str:
    """A hint with the nearest names, or with all when none is near."""
    known = list(names)
    near = (
        difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        or [one for one in known if name and name in one]
        or known
    )
    return f" Did you mean {', '.join(near)}?" if near else ""

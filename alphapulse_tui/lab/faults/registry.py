"""All faults by name: injecting, mending, and what is in force.

A fault is a module of this package with a ``FAULT``; adding one is adding a module and its line in :data:`MODULES`. Faults are injected for
real (a seal call, a SIGKILL, sessions that take slots), never by writing the symptom; ``mend`` undoes the injection without looking at
what a person did meanwhile, and does nothing where there is nothing left to undo.

``alphapulse lab break --list`` and docs/lab.md are made from the modules: the short words are the fault's fields, the long ones the three
paragraphs of its docstring that begin with ``What breaks:``, ``How it shows:`` and ``What mends it:``.
"""

from __future__ import annotations

import asyncio
import difflib
import importlib
import inspect
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import asyncpg
import httpx
from redis.exceptions import RedisError

from alphapulse_tui.lab.errors import FaultRefusedError, LabError, UnknownFaultError
from alphapulse_tui.lab.platform import HEALTH_SECONDS, Lab, TargetState

_BESIDE_SECONDS = 5.0
"""Patience with a target while other faults are still in force: usually it is they that keep it from being whole."""

MODULES = (
    "vault_sealed_one",
    "vault_sealed_all",
    "vault_slow",
    "vault_audit_slow",
    "vault_peer_lost",
    "vault_quorum_lost",
    "connection_storm",
    "idle_in_transaction",
    "api_crashloop_database",
    "api_crashloop_redis",
    "api_crashloop_vault",
    "api_crashloop_memory",
    "api_secret_missing",
    "bad_release_image",
    "bad_release_errors",
    "bad_release_latency",
    "bad_release_never_ready",
    "cache_cold",
    "hpa_at_maximum",
    "redis_master_killed",
    "redis_no_successor",
    "redis_majority_lost",
    "redis_shard_lost",
    "redis_ghost",
    "redis_memory_pressure",
    "redis_wrong_policy",
    "redis_giant_key",
    "redis_slots_uncovered",
    "redis_partition",
    "alert_pipeline_dead",
    "target_hung",
    "slow_query",
    "lock_chain",
    "missing_index",
    "replica_lag",
    "replica_stopped",
    "replica_conflict",
    "replication_slot_left_behind",
    "failed_migration",
    "dropped_table",
    "corrupted_database",
    "backup_too_old",
    "target_slow",
    "target_garbled",
    "target_refusing",
)
ALL = "all"
_SERVER_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx.HTTPError, RedisError)
"""What the clients raise when a server does not do what was asked of it: broken already, by another fault. TimeoutError is an OSError."""

_log = logging.getLogger("alphapulse.lab")


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


@runtime_checkable
class Bound(Protocol):
    """A fault that says which targets it breaks; it is refused with a sentence when one of them is not there."""

    needs: tuple[str, ...]
    """Targets that must have come up."""


@runtime_checkable
class Exclusive(Protocol):
    """A fault that cannot be in force beside some others."""

    excludes: Mapping[str, str]
    """Names of others, each with the reason as the end of a sentence: ``{"vault-sealed-all": "no standby is left to be sealed"}``. One of the
    two faults saying so is enough."""


@dataclass(frozen=True)
class FaultLine:
    """A fault as ``alphapulse lab break --list`` and docs/lab.md show it."""

    name: str
    summary: str
    mended_by: str
    parameters: list[str]
    breaks: str
    """What breaks and how, from the module's docstring, as are the next two."""
    shows: str
    mends: str
    excludes: dict[str, str]


def load_faults() -> dict[str, Fault]:
    """All faults by name."""
    loaded = (importlib.import_module(f"alphapulse_tui.lab.faults.{module}").FAULT for module in MODULES)
    return {fault.name: fault for fault in loaded}


def catalogue() -> list[FaultLine]:
    """All faults there are, by name, for the list."""
    return sorted((_line(fault) for fault in load_faults().values()), key=lambda line: line.name)


def named(name: str) -> FaultLine:
    """The fault of that name, for the list.

    Raises:
        UnknownFaultError: There is none; names the nearest ones.
    """
    faults = load_faults()
    if name not in faults:
        raise UnknownFaultError(f"The lab knows no fault {name!r}.{nearest(name, faults)}")
    return _line(faults[name])


def _line(fault: Fault) -> FaultLine:
    # The module that bears its name, not that of its class: some faults are one class with other values.
    document = inspect.getdoc(sys.modules[f"{__package__}.{fault.name.replace('-', '_')}"]) or ""
    told = [" ".join(paragraph.split()).replace("``", "`") for paragraph in document.split("\n\n")]

    def after(words: str) -> str:
        return next((one.removeprefix(words).strip() for one in told if one.startswith(words)), "")

    return FaultLine(
        fault.name,
        fault.summary,
        fault.mended_by,
        list(fault.parameters),
        after("What breaks:"),
        after("How it shows:"),
        after("What mends it:"),
        dict(fault.excludes) if isinstance(fault, Exclusive) else {},
    )


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
        self._refuse_without_targets(fault)
        self._refuse_beside_others(fault)
        # Noted first: a fault that failed half way must be mendable.
        self._active.append((name, parameter))
        try:
            return await fault.inject(self._lab, parameter)
        except FaultRefusedError:
            self._active.remove((name, parameter))
            raise
        except _SERVER_TROUBLE as error:
            raise LabError(
                f"{name} was begun and did not take hold: {type(error).__name__} {error} (`alphapulse lab mend {name}` undoes it)."
            ) from error

    def _refuse_without_targets(self, fault: Fault) -> None:
        for name in fault.needs if isinstance(fault, Bound) else ():
            progress = self._lab.progress.get(name)
            if progress is None:
                raise LabError(f"{fault.name} breaks {name}, which this lab does not have: start it without --only.")
            if progress.state is not TargetState.READY:
                raise LabError(
                    f"{fault.name} breaks {name}, which is not up ({progress.state.value}: {progress.sentence})."
                )

    def _refuse_beside_others(self, fault: Fault) -> None:
        for name, _ in self._active:
            reason = _reason(fault, name) or _reason(self._faults[name], fault.name)
            if reason:
                raise LabError(
                    f"{fault.name} cannot be injected while {name} is in force: {reason} (`alphapulse lab mend {name}` ends it)."
                )

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
        for one in await self._mend_first(chosen) if len(chosen) > 1 else chosen:
            await self._mend_one(one)
        return [" ".join(filter(None, one)) for one in chosen]

    async def _mend_first(self, chosen: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Undo several, the youngest first; returns those that have to be undone once more.

        They may need what an older fault still withholds: a release is not rolled back while Vault is sealed.
        """
        waiting: list[tuple[str, str]] = []
        self._lab.patience = _BESIDE_SECONDS
        try:
            for one in reversed(chosen):
                try:
                    await self._mend_one(one)
                except LabError:
                    waiting.append(one)
        finally:
            self._lab.patience = HEALTH_SECONDS
        return waiting

    async def _mend_one(self, one: tuple[str, str]) -> None:
        try:
            await self._faults[one[0]].mend(self._lab, one[1])
        except _SERVER_TROUBLE as error:
            raise LabError(f"{one[0]} could not be mended: {type(error).__name__} {error}") from error
        self._active.remove(one)

    async def forget(self) -> None:
        """After a saved state was put back: let each fault undo what lies in no server's data (a proxy's toxic), and forget all.

        A mend does nothing where all is well already. What goes wrong in one is logged only: the caller looks at the platform itself.
        """
        mends = [self._faults[name].mend(self._lab, parameter) for name, parameter in reversed(self._active)]
        for (name, _), outcome in zip(
            reversed(self._active), await asyncio.gather(*mends, return_exceptions=True), strict=True
        ):
            if isinstance(outcome, BaseException):
                _log.warning("%s was forgotten; its mend said: %s", name, outcome)
        self._active.clear()

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


def _reason(fault: Fault, other: str) -> str:
    """Why a fault cannot be beside another one; empty when it can, as far as it says."""
    return fault.excludes.get(other, "") if isinstance(fault, Exclusive) else ""


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint with the nearest names, or with all when none is near."""
    known = list(names)
    near = (
        difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        or [one for one in known if name and name in one]
        or known
    )
    return f" Did you mean {', '.join(near)}?" if near else ""

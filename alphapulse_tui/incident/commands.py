"""What a person can say about an incident: each command checks that it makes sense and writes one event, or says why not.

Called by the desk and the screens, with the desk's ``record`` (which takes the event in at once) or a journal's. Nothing here decides for a
person; what follows by itself is derived in :mod:`alphapulse_tui.incident.projection`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alphapulse_tui.errors import RefusedError, UsageError
from alphapulse_tui.incident.clocks import WATCH
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident.journal_file import BUSY_SECONDS
from alphapulse_tui.incident.records import FIELDS, PHASES, IncidentState
from alphapulse_tui.incident.when_started import FORM, operators_start
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.words import clock
from alphapulse_tui.text import clean

Record = Callable[[Kind, Mapping[str, Any], str], Awaitable[Event]]
"""Writes an event of an incident: kind, payload, incident."""

LOCK_LOOK_SECONDS = 0.02
"""Pause before the lock is tried again."""

ROLES = ("commander", "deputy", "scribe", "communications", "operations")
"""The usual roles; any other word is taken too."""


async def declare(journal: Journal, title: str, severity: Severity) -> Event:
    """Declare an incident under the next free number; the number is the event's ``incident``.

    Two cockpits that declare at once get two numbers: reading the last one and writing the next is one step under a lock beside the journal.

    Raises:
        UsageError: the title is empty.
        JournalUnavailable: not written.
    """
    words = " ".join(title.split())
    if not words:
        raise UsageError("an incident needs a title: say in a few words what is wrong")
    return await asyncio.to_thread(_declare, journal, {"title": words, "severity": severity.value})


def _declare(journal: Journal, payload: Mapping[str, Any]) -> Event:
    with numbering(Path(journal.path)):
        declared = journal.events(kinds=(Kind.DECLARED,))
        return journal.append(Kind.DECLARED, payload, next_number(event.incident for event in declared))


def next_number(known: Iterable[str]) -> str:
    """The number after the highest of ``known``: numbers are never given out twice, whatever was declared by mistake.

    >>> next_number([]), next_number(["INC-0041", "INC-0007", "odd"])
    ('INC-0001', 'INC-0042')
    """
    numbers = [int(name[4:]) for name in known if name.startswith("INC-") and name[4:].isdecimal()]
    return f"INC-{max(numbers, default=0) + 1:04}"


@contextmanager
def numbering(path: Path) -> Iterator[None]:
    """Hold the lock under which numbers are given out; the journal is on a local disk, so the lock is everybody's. Blocks, at most 10 s.

    Raises:
        JournalUnavailable: another process holds it for longer (it may have been stopped), or it cannot be had at all.
    """
    lock = path.with_name(path.name + ".numbering")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _no_lock(lock, error) from None
    try:
        _hold(handle, lock)
        yield
    finally:
        os.close(handle)


def _hold(handle: int, lock: Path) -> None:
    ends = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends:
                said = f"another process has held the journal's lock {clean(lock)} for {BUSY_SECONDS:g} s"
                raise JournalUnavailable(f"{said}: find it with `fuser {clean(lock)}`; it may be stopped") from None
            time.sleep(LOCK_LOOK_SECONDS)
        except OSError as error:
            raise _no_lock(lock, error) from None
        else:
            return


def _no_lock(lock: Path, error: OSError) -> JournalUnavailable:
    return JournalUnavailable(f"the journal's lock {clean(lock)} cannot be had: {clean(error.strerror or error)}")


async def acknowledge(record: Record, state: IncidentState, alert: str = "") -> bool:
    """Acknowledge the incident, or one alert of it; false when that had been done already.

    Raises:
        JournalUnavailable: not written. So do all commands below.
    """
    if alert:
        if not any(one.alert == alert and one.acknowledged_at is None for one in state.troubles):
            return False
    elif state.acknowledged_at is not None:
        return False
    await record(Kind.ACKNOWLEDGED, {"what": alert or "incident"}, state.id)
    return True


async def set_severity(record: Record, state: IncidentState, severity: Severity, reason: str) -> None:
    """Change the severity. Raising it needs no reason (when in doubt, the higher); lowering it does.

    Raises:
        RefusedError: it has that severity already, or it is lowered without a reason.
    """
    if severity is state.severity:
        raise RefusedError(f"{state.id} is {severity.value} already")
    if severity.urgency < state.severity.urgency and not reason.strip():
        raise RefusedError(
            f"lowering {state.id} to {severity.value} needs a reason: what shows that it is less than {state.severity.value}?"
        )
    await record(
        Kind.SEVERITY, {"before": state.severity.value, "after": severity.value, "reason": reason.strip()}, state.id
    )


async def set_phase(record: Record, state: IncidentState, phase: str) -> None:
    """Set the phase by hand.

    Raises:
        UsageError: no such phase.
    """
    if phase not in PHASES[:-1]:
        raise UsageError(f'no phase "{clean(phase, 64)}"; there are {", ".join(PHASES[:-1])}')
    await record(Kind.PHASE, {"phase": phase, "how": "set"}, state.id)


async def assign(record: Record, state: IncidentState, role: str, name: str) -> None:
    """Give a role to somebody.

    Raises:
        UsageError: role or name is missing.
    """
    if not role.strip() or not name.strip():
        raise UsageError("a role needs a word and a name: commander = ana")
    await record(Kind.ROLE, {"role": role.strip().casefold(), "name": name.strip()}, state.id)


async def escalate(record: Record, state: IncidentState, level: str, to: str, reason: str) -> None:
    """Note that somebody further up was told. We note it; the pager stays the pager.

    Raises:
        UsageError: no level, or no reason.
    """
    if not level.strip():
        raise UsageError("an escalation needs a level: L2, security, L3, L4")
    if not reason.strip():
        raise UsageError("an escalation needs a reason: what do you need from them?")
    await record(Kind.ESCALATED, {"level": level, "to": to, "reason": reason.strip()}, state.id)


async def message(record: Record, state: IncidentState, channel: str, how: str, text: str) -> None:
    """Note a message to people: ``drafted``, ``copied`` or ``sent``.

    Raises:
        UsageError: it says nothing.
    """
    if not text.strip():
        raise UsageError("an update needs words: impact, action, when the next one comes")
    await record(Kind.MESSAGE, {"channel": channel, "state": how, "text": text.strip()}, state.id)


async def mark_clock(
    record: Record, state: IncidentState, name: str, how: str, reason: str, until: float | None = None
) -> None:
    """Note that a clock is ``satisfied`` by something that the journal cannot see, or ``snoozed`` until a moment (Unix seconds).

    Raises:
        RefusedError: without a reason.
    """
    if not reason.strip():
        raise RefusedError(f"the clock {name} cannot be {how} without a reason")
    payload: dict[str, Any] = {"clock": name, "state": how, "reason": reason.strip()}
    await record(Kind.CLOCK, payload if until is None else {**payload, "until": until}, state.id)


def watch_left(state: IncidentState, now: float) -> float | None:
    """Seconds of the watch window that are left (runbook 1.3); 0 when it has passed or none is owed; none while it cannot run."""
    window = WATCH.get(state.severity)
    if window is None:
        return 0.0
    if state.watch_since is None:
        return None
    return max(0.0, state.watch_since + window - now)


async def resolve(record: Record, state: IncidentState, reason: str, now: float) -> None:
    """Resolve: at any time, but before the watch window has passed only with a reason, which the postmortem prints.

    Raises:
        RefusedError: it is resolved already, or the reason is missing.
    """
    if not state.open:
        raise RefusedError(f"{state.id} is resolved already")
    left = watch_left(state, now)
    if left != 0.0 and not reason.strip():
        why = "nothing shows that it is mitigated" if left is None else f"the watch window has {clock(left)} left"
        raise RefusedError(f"{why}: resolving {state.id} now needs a reason")
    standing = [one.sentence for one in state.standing]
    await record(
        Kind.RESOLVED, {"reason": reason.strip(), "checks": {"watch_left": left, "standing": standing}}, state.id
    )


async def reopen(record: Record, state: IncidentState, reason: str) -> None:
    """Open a resolved incident again.

    Raises:
        RefusedError: it is open, or the reason is missing.
    """
    if state.open:
        raise RefusedError(f"{state.id} is open")
    if not reason.strip():
        raise RefusedError(f"reopening {state.id} needs a reason: what is wrong again?")
    await record(Kind.REOPENED, {"reason": reason.strip()}, state.id)


async def set_field(record: Record, state: IncidentState, name: str, text: str) -> bool:
    """Enter a field of the postmortem; false when it stands so already.

    Raises:
        UsageError: no such field, or no moment where one is needed.
    """
    if name not in FIELDS:
        raise UsageError(f'no field "{clean(name, 64)}"; there are {", ".join(FIELDS)}')
    if name == "started" and text.strip():
        moment(text)
    if state.fields.get(name, "") == text.strip():
        return False
    await record(Kind.POSTMORTEM_FIELD, {"field": name, "text": text.strip()}, state.id)
    return True


async def add_action_item(
    record: Record, state: IncidentState, item: str, owner: str, due: str, status: str = "Pending"
) -> None:
    """Add a row to the action items. Its number is its place in the journal: two engineers at once would choose the same one.

    Raises:
        UsageError: it says nothing.
    """
    if not item.strip():
        raise UsageError("an action item needs words: what is to be done?")
    row = {"field": "action_item", "item": item.strip(), "owner": owner.strip(), "due": due.strip()}
    await record(Kind.POSTMORTEM_FIELD, {**row, "status": status.strip() or "Pending"}, state.id)


async def pin(record: Record, state: IncidentState, event_id: str) -> None:
    """Pin an entry of the timeline, or take the pin off."""
    await record(Kind.PIN, {"event": event_id}, state.id)


def moment(text: str) -> float:
    """``text`` as a moment, in Unix seconds.

    Raises:
        UsageError: it is none.
    """
    found = operators_start(text)
    if found is None:
        raise UsageError(f'"{clean(text, 64)}" is no moment: write it in UTC as {FORM}')
    return found


async def correct(
    record: Record, state: IncidentState, event_id: str, text: str, right_at: float | None = None
) -> None:
    """Say what an entry should have said, and when it really was; the original stays in the journal.

    Raises:
        UsageError: neither words nor a moment.
    """
    if not text.strip() and right_at is None:
        raise UsageError("a correction needs words or a moment")
    payload: dict[str, Any] = {"event": event_id, "text": text.strip()}
    await record(Kind.CORRECTION, payload if right_at is None else {**payload, "right_at": right_at}, state.id)

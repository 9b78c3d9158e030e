"""The postmortem: the runbook's appendix B, filled from the journal, then what the journal knows beyond it.

:func:`render` is pure: events and an injected now in, Markdown out. :func:`write` puts it on disk whole or not at all, and never over a file that
a person has edited. Called by the desk (``x``) and by ``alphapulse incident export``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from alphapulse_tui.errors import CannotCreateError
from alphapulse_tui.incident.clocks import clocks
from alphapulse_tui.incident.gaps import gaps
from alphapulse_tui.incident.intervals import NOT_RECORDED, intervals, moments, time_in_severities, words
from alphapulse_tui.incident.markdown import code, items, phrase, prose
from alphapulse_tui.incident.records import FIELDS, ActionRun, IncidentState, ProcedureRun
from alphapulse_tui.incident.timeline import timeline
from alphapulse_tui.model.words import utc
from alphapulse_tui.redact import REDACTED, redact
from alphapulse_tui.text import clean

if TYPE_CHECKING:
    from jinja2 import Template

Text = TypeVar("Text")

EVIDENCE_ROWS = 20
"""Rows of one step's evidence that are printed; the journal has all."""

SLUG_LENGTH = 60
"""Characters of the title in the file's name."""

MOST_COPIES = 1000
"""Names with a number behind them that are tried."""


@dataclass(frozen=True, slots=True)
class Written:
    """A postmortem on disk."""

    path: Path
    sha256: str
    """Of the file's bytes, in hex."""
    beside: str = ""
    """The file that was left alone because a person had edited it, or empty."""


def render(
    state: IncidentState, now: float, environment: str, prevention: Mapping[str, Iterable[str]] | None = None
) -> str:
    """The postmortem of ``state`` as Markdown at ``now`` (Unix seconds).

    ``prevention`` holds each procedure's sentences on how to keep it from happening again, by procedure id.
    """
    redactor = _Redactor()
    text = _template().render(redactor=redactor, **_context(state, now, environment, prevention or {}))
    return f"{text}- Redacted on export: {redactor.found} more values\n" if redactor.found else text


def file_name(state: IncidentState) -> str:
    """``postmortem-20261123-api-down.md`` (runbook, appendix B): the day of declaring, UTC."""
    plain = unicodedata.normalize("NFKD", state.title).encode("ascii", "ignore").decode().casefold()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_LENGTH].strip("-")
    return f"postmortem-{_date(state.declared_at, '%Y%m%d')}-{slug or state.id.casefold()}.md"


def write(text: str, folder: Path, name: str, ours: Iterable[str]) -> Written:
    """Write ``text`` into ``folder`` under ``name``, or with ``-2``, ``-3`` where a file stands that is not as we left it.

    ``ours`` are the SHA-256 of what was exported before: such a file nobody has edited, and it is replaced.

    Raises:
        CannotCreateError: the folder or the file cannot be written.
    """
    content = text.encode()
    digest = hashlib.sha256(content).hexdigest()
    known = {digest, *ours}
    stem, beside = name.removesuffix(".md"), ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, MOST_COPIES):
            path = folder / (f"{stem}.md" if number == 1 else f"{stem}-{number}.md")
            if _put(content, path, known):
                return Written(path, digest, beside)
            beside = beside or str(path)
    except OSError as error:
        reason = clean(error.strerror or error)
        raise CannotCreateError(
            f"the postmortem cannot be written to {clean(folder)}: {reason}; name another place by --out or by incident.postmortem_folder"
        ) from None
    raise CannotCreateError(f"{clean(folder)} holds {MOST_COPIES - 1} edited copies of {name}: move some away")


def write_as(text: str, path: Path, ours: Iterable[str]) -> Written:
    """Write ``text`` to exactly ``path``.

    Raises:
        CannotCreateError: it cannot be written, or a file stands there that is not as we left it.
    """
    content = text.encode()
    digest = hashlib.sha256(content).hexdigest()
    try:
        if _put(content, path, {digest, *ours}):
            return Written(path, digest)
    except OSError as error:
        raise CannotCreateError(f"{clean(path)} cannot be written: {clean(error.strerror or error)}") from None
    raise CannotCreateError(f"{clean(path)} exists and is not as it was exported: it is not overwritten; name another")


def _put(content: bytes, path: Path, known: set[str]) -> bool:
    """Write whole or not at all; false when a file stands there that is not one of ``known``."""
    standing = path.exists() or path.is_symlink()
    if standing and (not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() not in known):
        return False
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".postmortem-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if standing:
            Path(draft).replace(path)
            return True
        os.link(draft, path)  # Unlike a rename it fails when somebody has made the file meanwhile.
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(draft).unlink()
    return True


class _Redactor:
    """Looks once more for secrets, in the words and before Markdown's escapes are among them: what was learnt since the event was written."""

    def __init__(self) -> None:
        self.found = 0

    def __call__(self, text: str) -> str:
        safe = redact(text)
        self.found += max(0, safe.count(REDACTED) - text.count(REDACTED))
        return safe


@cache
def _template() -> Template:
    import jinja2  # 40 ms that listing and verifying need not wait for

    def after_redaction(way: Callable[[str], Text]) -> Callable[[Mapping[str, Any], object], Text]:
        @jinja2.pass_context
        def filtered(context: Mapping[str, Any], value: object) -> Text:
            return way(context["redactor"](str(value)))

        return filtered

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alphapulse_tui.incident", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown, not HTML: every value passes phrase, prose, items or code.
        keep_trailing_newline=True,
    )
    environment.filters["phrase"] = after_redaction(phrase)
    environment.filters["prose"] = after_redaction(prose)
    environment.filters["items"] = after_redaction(items)
    environment.filters["code"] = after_redaction(code)
    return environment.get_template("postmortem.md.j2")


def _context(
    state: IncidentState, now: float, environment: str, prevention: Mapping[str, Iterable[str]]
) -> dict[str, Any]:
    known = moments(state)
    same_day = _date(state.started_at) == _date(state.resolved_at or now)
    late = sum(1 for event in state.events if event.payload.get("read_afterwards") is True)
    return {
        "id": state.id,
        "title": state.title,
        "environment": environment,
        "date": _date(state.started_at),
        "severity": state.worst_severity.value,
        "duration": _duration(state),
        "commander": state.commander or NOT_RECORDED,
        "fields": {name: state.fields.get(name, "").strip() for name in FIELDS},
        "timeline": [_row(entry, same_day) for entry in timeline(state)],
        "action_items": [state.action_items[number] for number in sorted(state.action_items)],
        "trigger": f"Not entered. The first sign on record: {known['started'].what} at {_moment(known['started'].wall)}.",
        "detection": f"{known['detected'].what} at {_moment(known['detected'].wall)}.",
        "severities": [(name, words(seconds)) for name, seconds in time_in_severities(state, now)],
        "intervals": _intervals(state),
        "clocks": _clocks(state, now),
        "actions": [_action(run) for run in state.actions.values()],
        "procedures": [_procedure(run) for run in state.procedures.values()],
        "evidence": _evidence(state),
        "gaps": gaps(state, now),
        "suggestions": _suggestions(state, prevention),
        "declared_by": state.declared_by,
        "declared_at": _moment(state.declared_at),
        "count": len(state.events),
        "late": late,
        "redactions": _redactions(state),
    }


def _row(entry: Any, same_day: bool) -> dict[str, str]:
    form = "%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S"
    marks = [" *(read afterwards)*"] if entry.read_afterwards else []
    if entry.pinned:
        marks.append(" **(pinned)**")
    return {"time": _date(entry.wall, form), "sentence": entry.sentence, "mark": "".join(marks)}


def _duration(state: IncidentState) -> str:
    if state.resolved_at is None:
        return "not resolved"
    seconds = state.resolved_at - state.started_at
    return f"{seconds / 3600:.1f} hours ({words(seconds)})"


def _intervals(state: IncidentState) -> list[dict[str, str]]:
    rows = []
    for one in intervals(state):
        seconds = one.seconds
        value = words(seconds)
        if seconds is not None and seconds < 0:
            value += " (the data contradict themselves)"
        ends = [
            f"{end.what} at {_moment(end.wall)}" if end.wall is not None else NOT_RECORDED
            for end in (one.start, one.end)
        ]
        rows.append({"name": one.name, "title": one.title, "value": value, "start": ends[0], "end": ends[1]})
    return rows


def _clocks(state: IncidentState, now: float) -> list[dict[str, str]]:
    return [
        {
            "name": clock.name,
            "due": _moment(clock.due),
            "state": clock.state.value,
            "satisfied": _moment(clock.satisfied_at),
            "source": clock.source,
        }
        for clock in sorted(clocks(state, now), key=lambda clock: (clock.due, clock.name))
    ]


def _action(run: ActionRun) -> dict[str, Any]:
    outcome = run.outcome.value if run.outcome is not None else "outcome not recorded"
    said = f"{outcome}: {run.sentence}" if run.sentence else outcome
    proof = f"Check: {run.verdict.value}: {run.proof}" if run.verdict is not None else "Check: not recorded."
    if run.reconciled:
        proof += f" Settled later ({run.reconciled}{': ' + run.evidence if run.evidence else ''})."
    names = list(dict.fromkeys([*run.before, *run.after]))
    return {
        "title": run.title,
        "actor": run.actor,
        "at": _moment(run.sent_at if run.sent_at is not None else run.intent_at),
        "reason": run.reason,
        "outcome": f"Outcome: {said}." if not said.endswith(".") else f"Outcome: {said}",
        "proof": proof,
        "call": run.plan.call if run.plan is not None else "",
        "figures": [(name, run.before.get(name, NOT_RECORDED), run.after.get(name, NOT_RECORDED)) for name in names],
    }


def _procedure(run: ProcedureRun) -> dict[str, Any]:
    ended = f"finished at {_moment(run.finished_at)}: {run.result}" if run.finished_at is not None else "not finished"
    steps = [
        {"title": step.title, "state": step.state, "sentence": step.sentence, "at": utc(step.wall)}
        for step in run.steps.values()
    ]
    return {"title": run.title, "actor": run.actor, "at": _moment(run.wall), "ended": ended, "steps": steps}


def _evidence(state: IncidentState) -> list[dict[str, Any]]:
    return [
        {
            "title": f"{run.title}: {step.title}",
            "at": _moment(step.wall),
            "rows": step.evidence[:EVIDENCE_ROWS],
            "more": max(0, len(step.evidence) - EVIDENCE_ROWS),
        }
        for run in state.procedures.values()
        for step in run.steps.values()
        if step.evidence
    ]


def _suggestions(state: IncidentState, prevention: Mapping[str, Iterable[str]]) -> list[str]:
    """The preventions of the procedures that were run, less what is an action item already."""
    chosen = [sentence for run in state.procedures.values() for sentence in prevention.get(run.procedure, ())]
    taken = {item.item for item in state.action_items.values()}
    return [sentence for sentence in dict.fromkeys(chosen) if sentence not in taken]


def _redactions(state: IncidentState) -> str:
    """What was kept out, so that a reader knows that something is missing."""
    hidden = sum(msgspec.json.encode(event.payload).decode().count(REDACTED) for event in state.events)
    if not hidden:
        return "nothing had to be redacted when it was written"
    return f"{hidden} values were redacted when they were written, shown as {REDACTED}"


def _moment(wall: float | None) -> str:
    return _date(wall, "%Y-%m-%d %H:%M:%SZ") if wall is not None else NOT_RECORDED


def _date(wall: float, form: str = "%Y-%m-%d") -> str:
    return datetime.fromtimestamp(wall, UTC).strftime(form)

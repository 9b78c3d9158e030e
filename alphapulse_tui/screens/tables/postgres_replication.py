"""The view of PostgreSQL's replication: replicas as they see themselves, who is in their way, standbys and slots as the primary sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alphapulse_tui.model.fixes.postgres import SLOT_ROW
from alphapulse_tui.model.postgres_surveys import (
    InTheWay,
    ReplicaFigures,
    ReplicationSurvey,
    SlotFigures,
    StandbyFigures,
)
from alphapulse_tui.model.words import age, many, size
from alphapulse_tui.screens.tables.view import Readings, View, since
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.table import Column


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a replica, a session in its way, a standby, a slot."""

    key: str
    """Begins with the replica's name where it belongs to one, then a slash."""
    name: str
    state: str
    behind: int | None
    seconds: str
    note: str
    style: str
    detail: tuple[tuple[str, str], ...]


def rows(survey: ReplicationSurvey) -> Sequence[Row]:
    """Replicas first, each with who is in its way; then what the primary sees."""
    found: list[Row] = []
    for one in survey.replicas:
        found.append(_replica(one))
        found += [_session(one, session) for session in one.in_the_way if session.blocks_replay or one.conflict]
    return [*found, *map(_standby, survey.standbys), *map(_slot, survey.slots)]


def _replica(one: ReplicaFigures) -> Row:
    bad = one.paused or one.conflict or one.deaf or bool(one.too_small)
    style = "unknown" if one.problem else "critical" if bad else "plain"
    seconds = "" if one.behind_seconds is None else age(one.behind_seconds)
    note = one.problem or _note(one)
    return Row(f"{one.name}/", one.name, _state(one), one.behind_bytes, seconds, note, style, _of_replica(one))


def _state(one: ReplicaFigures) -> str:
    if one.problem:
        return "no answer"
    if one.paused:
        return one.pause_state
    return "deaf" if one.deaf else "receives" if one.receiver == "streaming" else one.receiver


def _note(one: ReplicaFigures) -> str:
    if one.too_small:
        return f"lower than the primary's: {', '.join(one.too_small)}"
    if one.conflict:
        return f"replay waits: {one.replay_wait}"
    return f"no receiver; looks for its primary at {one.sender}" if one.deaf else f"from {one.sender}"


def _of_replica(one: ReplicaFigures) -> tuple[tuple[str, str], ...]:
    return (
        ("replica", one.name),
        ("replay", one.problem or one.pause_state or "unknown"),
        ("receiver", f"{one.receiver or 'NOT RUNNING'}, from {one.sender}, slot {one.slot or 'none'}"),
        ("behind", "not known" if one.behind_bytes is None else f"{size(one.behind_bytes)}, of which received and not replayed "
         f"{'not known' if one.received_not_replayed is None else size(one.received_not_replayed)}"),
        ("seconds", "not known" if one.behind_seconds is None else f"{one.behind_seconds:g} by the history of the primary's position"),
        ("the runbook's", "nothing" if one.naive_seconds is None else f"{one.naive_seconds:g} s; it grows while nobody writes"),
        ("waits for", one.replay_wait or "nothing"),
        ("conflicts", f"{one.conflicts} queries were cancelled; one is after {one.max_delay}; feedback {'on' if one.feedback else 'off'}"),
        ("settings", ", ".join(one.too_small) or ("none is lower than the primary's" if one.compared else "could not be compared")),
    )  # fmt: skip


def _session(one: ReplicaFigures, session: InTheWay) -> Row:
    mark = "in the way" if session.blocks_replay else session.state
    detail = (
        ("session", f"pid {session.pid} of {session.user} on {one.name}"),
        ("application", session.application or "(no name)"),
        ("state", session.state),
        ("transaction", since(session.xact_start)),
        ("query", session.query),
    )
    style = "critical" if session.blocks_replay else "dim"
    note = f"{session.application} {session.query}"
    return Row(
        f"{one.name}/{session.key}", f"  pid {session.pid}", mark, None, since(session.xact_start), note, style, detail
    )


def _standby(one: StandbyFigures) -> Row:
    stages = (("not sent", one.pending), ("write", one.write), ("flush", one.flush), ("replay", one.replay))
    note = (
        ", ".join(f"{name} {size(value)}" for name, value in stages if value) or f"{one.sync_state}, nothing is missing"
    )
    lag = "" if one.replay_lag is None else age(one.replay_lag)
    detail = (
        ("standby", f"{one.application} from {one.client}, walsender pid {one.pid}"),
        ("state", f"{one.state}, {one.sync_state}"),
        *((name, "not known" if value is None else size(value)) for name, value in stages),
        ("replay_lag", f"{one.replay_lag or 0:g} s; it stays at its last small value while replay is paused"),
    )
    style = "plain" if one.state == "streaming" else "warning"
    return Row(
        f"/standby {one.pid}",
        f"standby {one.application}",
        one.state,
        one.total,
        lag,
        note,
        style,
        detail,
    )


def _slot(one: SlotFigures) -> Row:
    limit = "no limit" if one.limit is None else f"at most {size(one.limit)}"
    note = f"{one.wal_status}, {limit}" + (f", {one.invalidation_reason}" if one.invalidation_reason else "")
    style = "critical" if one.lost or one.endangered else "plain" if one.active else "warning"
    detail = (
        ("slot", f"{one.name}, {one.kind}"),
        (
            "read",
            "yes" if one.active else f"by nobody{', for ' + since(one.inactive_since) if one.inactive_since else ''}",
        ),
        ("holds back", "not known" if one.retained is None else f"{size(one.retained)}, {limit}"),
        ("wal_status", one.wal_status),
        (
            "safe",
            "without a limit"
            if one.safe is None
            else f"{size(max(0, one.safe))} more may be written before it loses WAL",
        ),
        ("invalidated", one.invalidation_reason or "no"),
        ("conflicting", "yes" if one.conflicting else "no"),
    )
    return Row(
        f"{SLOT_ROW}{one.name}",
        f"slot {one.name}",
        "read" if one.active else "NOT READ",
        one.retained,
        "",
        note,
        style,
        detail,
    )


def _head(survey: ReplicationSurvey) -> Line:
    if survey.primary_problem:
        return line((survey.primary_problem, "unknown"))
    if survey.missing_grants:
        return line((f"hidden from us: {survey.missing_grants[0]}", "unknown"))
    late = [one for one in survey.replicas if (one.behind_bytes or 0) > 0]
    return line(
        (
            f"{many(len(survey.replicas), 'replica')}, {len(late)} with something to replay; an idle primary is no lag",
            "dim",
        )
    )


def _text(row: Row, readings: Readings) -> Sequence[Line]:
    del readings
    return tuple(line((f"{name:<14}", "dim"), (value, "plain")) for name, value in row.detail)


def _procedure(row: Row) -> tuple[str, Mapping[str, str]]:
    if row.key.startswith(SLOT_ROW):
        return "pg-replication-lag", {"slot": row.key.removeprefix(SLOT_ROW)}
    name = row.key.partition("/")[0]
    return "pg-replication-lag", {"replica": name} if name else {}


COLUMNS: tuple[Column[Row], ...] = (
    Column("WHO", 30, lambda row: row.name, lambda row: row.style, keep_end=True),
    Column("STATE", 10, lambda row: row.state, lambda row: row.style),
    Column(
        "BEHIND",
        10,
        lambda row: "" if row.behind is None else size(row.behind),
        right=True,
        sort=lambda row: -(row.behind or 0),
    ),
    Column("FOR", 5, lambda row: row.seconds, right=True),
    Column("", 0, lambda row: row.note),
)

VIEW = View(
    "replication",
    "postgres-replication",
    COLUMNS,
    rows,
    lambda row: row.key,
    fixes="postgres-replication",
    head=_head,
    procedure=_procedure,
    text=_text,
)

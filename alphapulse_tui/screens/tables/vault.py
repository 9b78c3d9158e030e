"""Views of Vault: its nodes, raft, where the time goes, and the nodes' own logs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from alphapulse_tui.model.vault import VaultNode
from alphapulse_tui.model.vault_log import Cause, NodeLog, VaultLogs
from alphapulse_tui.model.vault_raft import Peer, SurveyedNode, Times, VaultSurvey
from alphapulse_tui.model.words import age
from alphapulse_tui.screens.tables.view import Readings, View, since
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.table import Column

Opened = tuple[str, Mapping[str, str]]
"""A procedure and the values that it is opened with."""

VAULTS: tuple[Column[VaultNode], ...] = (
    Column("NODE", 10, lambda row: row.name, lambda row: "critical" if row.role == "SEALED" else "plain"),
    Column("STATE", 14, lambda row: row.role, lambda row: "critical" if row.role == "SEALED" else "plain"),
    Column("UNSEAL", 7, lambda row: f"{row.progress}/{row.threshold}" if row.sealed else ""),
    Column("HEALTH", 6, lambda row: str(row.health_code or ""), right=True),
    Column("SEAL", 12, lambda row: f"{row.seal_type}{' (auto)' if row.auto_unseal else ''}"),
    Column("VERSION", 9, lambda row: row.version),
    Column("ADDRESS", 30, lambda row: row.address, wide_only=True),
    Column("PROBLEM", 0, lambda row: row.problem, lambda row: "unknown"),  # noqa: ARG005
)

PEERS: tuple[Column[Peer], ...] = (
    Column("SERVER", 12, lambda row: row.name, lambda row: _peer_style(row)),
    Column("RAFT", 8, lambda row: "leader" if row.leader else "voter" if row.voter else "no voter"),
    Column("AUTOPILOT", 11, lambda row: _health(row), lambda row: _peer_style(row)),
    Column("ITSELF", 13, lambda row: row.says or "not in profile", lambda row: _peer_style(row)),
    Column("HEARD OF", 8, lambda row: _heard(row), right=True, sort=lambda row: -(row.last_contact or 0.0)),
    Column("BEHIND", 6, lambda row: "" if row.behind is None else str(row.behind), right=True),
    Column("STABLE", 6, lambda row: since(row.stable_since), right=True),
    Column("VERSION", 9, lambda row: row.version, wide_only=True),
    Column("ADDRESS", 0, lambda row: row.cluster_address, lambda row: "dim"),  # noqa: ARG005
)

TIMES: tuple[Column[SurveyedNode], ...] = (
    Column("NODE", 9, lambda row: row.name, lambda row: "unknown" if row.problem else "plain"),
    Column("IS", 8, lambda row: _is(row), lambda row: "critical" if row.code == 503 else "plain"),
    Column("HEALTH", 7, lambda row: _time(row.health), right=True, sort=lambda row: -_high(row.health)),
    Column("LOOKUP", 7, lambda row: _time(row.lookup), right=True, sort=lambda row: -_high(row.lookup)),
    Column("HANDLE", 7, lambda row: _figure(row, "handle_p99"), right=True),
    Column("AUDIT", 7, lambda row: _figure(row, "audit_p99"), right=True),
    Column("COMMIT", 7, lambda row: _figure(row, "commit_p99"), right=True),
    Column("CONTACT", 7, lambda row: _figure(row, "contact_p99"), right=True),
    Column("LOGIN", 7, lambda row: _figure(row, "login_p99"), right=True, wide_only=True),
    Column("GET", 7, lambda row: _figure(row, "storage_get_p99"), right=True, wide_only=True),
    Column("PUT", 7, lambda row: _figure(row, "storage_put_p99"), right=True, wide_only=True),
    Column("NOW", 4, lambda row: _count(row, "in_flight"), right=True, wide_only=True),
    Column("LEASES", 7, lambda row: _count(row, "leases"), right=True, wide_only=True),
    Column("PROBLEM", 0, lambda row: row.problem, lambda row: "unknown"),  # noqa: ARG005
)

LOGS: tuple[Column[NodeLog], ...] = (
    Column("NODE", 9, lambda row: row.name, lambda row: "unknown" if row.problem else "plain"),
    Column("UP", 5, lambda row: since(row.started_at), right=True),
    Column("RST", 4, lambda row: str(row.restarts), right=True, sort=lambda row: -row.restarts),
    Column("COMPLAINS", 9, lambda row: str(len(row.complaints)), right=True, sort=lambda row: -len(row.complaints)),
    Column("SEAL", 34, lambda row: row.problem or _seal_told(row), lambda row: _cause_style(row)),
    Column("LAST WORDS", 0, lambda row: row.complaints[-1] if row.complaints else "", lambda row: "dim"),  # noqa: ARG005
)


def _of_node(row: VaultNode) -> Opened:
    if not row.problem and row.initialized and row.sealed:
        return "vault-sealed", {}
    return ("vault-latency", {}) if row.problem or row.health_code not in (200, 429) else ("", {})


def _of_peer(row: Peer) -> Opened:
    if row.says == "SEALED":
        return "vault-sealed", {}
    return ("vault-latency", {"peer": row.name} if row.dead else {}) if row.healthy is False else ("", {})


def _of_times(row: SurveyedNode) -> Opened:
    if row.code == 503:
        return "vault-sealed", {}
    return "vault-latency", {"node": row.name} if row.code == 429 else {}


def _of_log(row: NodeLog) -> Opened:
    return ("" if row.seal.cause in (Cause.OPEN, Cause.UNKNOWN) else "vault-sealed"), {}


def _raft_head(survey: VaultSurvey) -> Line:
    """Quorum in one line."""
    if survey.leader is None:
        said = f"no node leads; {len(survey.serving)} open, {survey.quorum} needed"
        return line((said, "critical"), (f"  as {survey.peers_from or 'nobody'} last knew it", "dim"))
    if survey.failure_tolerance is None:
        why = survey.problem or "; ".join(survey.missing_grants) or "autopilot says nothing"
        return line((f"not verified: {why}", "unknown"))
    style = "ok" if survey.healthy and survey.failure_tolerance else "warning"
    return line(
        (f"{survey.leader.name} leads {since(survey.leader.active_since)}", "plain"),
        (f"  {len(survey.voters)} voters, {survey.quorum} must agree, may lose {survey.failure_tolerance}", style),
    )


def _times_head(survey: VaultSurvey) -> Line:
    """What the columns are."""
    missing = survey.problem or "; ".join(survey.missing_grants)
    if missing:
        return line((f"not verified: {missing}", "unknown"))
    return line(("ms; ours: 4th of 5 answers, the node's own: p99 of the last 10 s", "dim"))


def _logs_head(logs: VaultLogs) -> Line:
    unread = [node.name for node in logs.nodes if node.problem]
    return line((f"could not be read: {', '.join(unread)}", "unknown")) if unread else Line()


def _log_text(row: NodeLog, readings: Readings) -> Sequence[Line]:  # noqa: ARG001 - a View's signature
    """Why it sealed, what it complains of, and its last lines."""
    started = f"runs since {age(time.time() - row.started_at)}" if row.started_at else "when it started is not known"
    lines = [line((_seal_told(row), _cause_style(row))), line((f"{started}, {row.restarts} restarts", "dim"))]
    if row.last_end:
        lines.append(line((f"its run before ended with {row.last_end}", "warning")))
    if row.problem:
        lines.append(line((row.problem, "unknown")))
    lines += [Line(), line(("warnings and errors", "title"))]
    lines += [line(said) for said in reversed(row.complaints)] or [line(("none", "dim"))]
    lines += [Line(), line(("its last lines", "title")), *(line(said) for said in row.lines)]
    return lines


def _peer_style(row: Peer) -> str:
    if row.healthy is None:
        return "unknown"
    return "plain" if row.healthy else "critical"


def _health(row: Peer) -> str:
    return {True: "healthy", False: "NOT HEALTHY", None: "not known"}[row.healthy]


def _heard(row: Peer) -> str:
    """Only for one that is not healthy: autopilot's contact counts heartbeats of 5 s and says nothing on a healthy one."""
    return age(row.last_contact / 1000) if row.healthy is False and row.last_contact is not None else ""


def _is(row: SurveyedNode) -> str:
    if row.problem:
        return "silent"
    return {200: "leader", 429: "standby", 501: "empty", 503: "SEALED"}.get(row.code, str(row.code))


def _time(times: Times | None) -> str:
    return f"{times.high:.0f}" if times is not None else ""


def _high(times: Times | None) -> float:
    return times.high if times is not None else 0.0


def _figure(row: SurveyedNode, name: str) -> str:
    """Milliseconds; from ten seconds on (a follower that is not heard of) seconds, with their sign."""
    value = getattr(row.telemetry, name) if row.telemetry is not None else None
    if value is None:
        return ""
    if value >= 10_000:
        return f"{value / 1000:.0f} s"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _count(row: SurveyedNode, name: str) -> str:
    value = getattr(row.telemetry, name) if row.telemetry is not None else None
    return "" if value is None else f"{value:.0f}"


def _seal_told(row: NodeLog) -> str:
    """What the log knows of the seal. One that knows nothing may be that of a node that has been open for long: nothing is to be explained."""
    return "its log says nothing of a seal" if row.seal.cause is Cause.UNKNOWN else row.seal.sentence


def _cause_style(row: NodeLog) -> str:
    if row.problem or row.seal.cause is Cause.UNKNOWN:
        return "unknown"
    return "ok" if row.seal.cause is Cause.OPEN else "warning" if row.seal.cause is Cause.RESTART else "critical"


VIEWS = (
    View("nodes", "vault", VAULTS, lambda snapshot: snapshot.nodes, lambda row: row.name, procedure=_of_node),
    View(
        "raft",
        "vault-raft",
        PEERS,
        lambda snapshot: snapshot.peers,
        lambda row: row.name,
        fixes="vault-raft",
        head=_raft_head,
        procedure=_of_peer,
    ),
    View(
        "latency",
        "vault-raft",
        TIMES,
        lambda snapshot: snapshot.nodes,
        lambda row: row.name,
        fixes="vault-raft",
        head=_times_head,
        procedure=_of_times,
    ),
    View(
        "logs",
        "vault-logs",
        LOGS,
        lambda snapshot: snapshot.nodes,
        lambda row: row.name,
        fixes="vault",
        head=_logs_head,
        procedure=_of_log,
        text=_log_text,
    ),
)

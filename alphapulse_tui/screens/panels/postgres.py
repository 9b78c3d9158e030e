"""Panel 3: PostgreSQL: slots, states, the slowest, who blocks, replication."""

from __future__ import annotations

from collections.abc import Sequence

from alphapulse_tui.model.postgres import PostgresSnapshot, ReplicaView, Session, lock_roots
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.model.words import bar, clock, size
from alphapulse_tui.screens.panels.past import with_trend
from alphapulse_tui.widgets.lines import Line, line

NOT_CONFIGURED = "No database: set [postgres] in the profile, or PGSERVICE."


def body(
    snapshot: PostgresSnapshot,
    thresholds: Thresholds,
    wall: float,
    width: int,
    slots: Sequence[float | None] = (),
    ascii_only: bool = False,
) -> list[Line]:
    """Slots first, because nothing else works without one. ``wall`` is unix seconds now; ``slots`` are the used ones' last percents."""
    percent = snapshot.used_percent
    style = _slots_style(percent, thresholds)
    gauge = f"  {bar(percent, 10)}" if width >= 48 else ""
    used = line(
        (f"{snapshot.clients}/{snapshot.usable}", style), " slots", (gauge, style), (f"  {percent:.0f}%", style)
    )
    lines = [
        with_trend(used, slots, width, 100.0, ascii_only),
        line(
            f"active {snapshot.active}  idle {snapshot.idle}  in tx ",
            (str(snapshot.idle_in_transaction), "warning" if snapshot.idle_in_transaction else "plain"),
            "  wait ",
            (str(snapshot.lock_waiting), "warning" if snapshot.lock_waiting else "plain"),
        ),
    ]
    if (blocking := _blocking(snapshot.sessions, wall)) is not None:
        lines.append(blocking)
    lines += [_replica(view) for view in snapshot.replicas]
    lines += [
        line(
            (f"replica behind {size(standby.total_lag_bytes or 0)}  {standby.state}", "plain"),
            (f"  {standby.application}", "dim"),
        )
        for standby in snapshot.standbys
        if standby.total_lag_bytes is not None
    ]
    if (slow := _slowest(snapshot.sessions)) is not None and slow.query_start is not None:
        # No key: a cursor on it would make its cancelling the panel's first fix, whatever the verdict says.
        lines.append(line(("slowest ", "dim"), (clock(wall - slow.query_start), "strong"), f" {slow.query}"))
    lines += [line(("missing right: ", "warning"), grant) for grant in snapshot.missing_grants]
    lines += [
        line(
            (f"{group.count:>4} ", "plain"),
            f"{group.application or '(no name)'} ",
            (f"{group.user} {group.state}", "dim"),
        )
        for group in snapshot.groups
    ]
    return lines


def _slots_style(percent: float, thresholds: Thresholds) -> str:
    if percent >= thresholds.postgres_slots_critical:
        return "critical"
    return "warning" if percent >= thresholds.postgres_slots_warning else "ok"


def _replica(view: ReplicaView) -> Line:
    if view.problem:
        return line((f"{view.name} ", "plain"), (view.problem, "unknown"))
    lag = "replica lag unknown" if view.lag_seconds is None else f"replica lag {view.lag_seconds:.1f} s"
    receiver = view.receiver or "no receiver"
    style = "plain" if view.receiver and view.pause_state in ("", "not paused") else "warning"
    paused = f"  {view.pause_state}" if view.pause_state not in ("", "not paused") else ""
    return line((f"{lag}  ", "plain"), (f"{receiver}{paused}", style), (f"  {view.name}", "dim"))


def _blocking(sessions: tuple[Session, ...], wall: float) -> Line | None:
    """How many wait, for whom at the root of it all, and for how long: ``blocked 3 by pid 4121, 4130  05:21``."""
    waiting = [session for session in sessions if session.blocked_by]
    if not waiting:
        return None
    roots = lock_roots(waiting)
    pids = ", ".join(str(pid) for pid in roots[:2] if pid)
    # pg_blocking_pids calls a prepared transaction 0.
    names = [*(["a prepared transaction"] if roots[0] == 0 else []), *([f"pid {pids}"] if pids else [])]
    more = f" +{len(roots) - 2}" if len(roots) > 2 else ""
    since = min((session.query_start for session in waiting if session.query_start is not None), default=None)
    long = f"  {clock(wall - since)}" if since is not None else ""
    return line((f"blocked {len(waiting)} by {', '.join(names)}{more}{long}", "critical"))


def _slowest(sessions: tuple[Session, ...]) -> Session | None:
    """The longest running statement of a client: no walsender, which runs for days, and nobody who only waits for a lock."""
    running = [
        session
        for session in sessions
        if session.state == "active"
        and session.backend_type == "client backend"
        and session.query_start
        and not session.blocked_by
    ]
    return min(running, key=lambda session: session.query_start or 0.0, default=None)

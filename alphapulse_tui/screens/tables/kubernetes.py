"""Views of pods."""

from __future__ import annotations

from alphapulse_tui.model.kubernetes import Pod
from alphapulse_tui.screens.tables.view import View, since
from alphapulse_tui.widgets.table import Column

PODS: tuple[Column[Pod], ...] = (
    Column("NAME", 0, lambda pod: pod.name, lambda pod: "plain" if pod.healthy else "critical", keep_end=True),
    Column("READY", 5, lambda pod: f"{pod.ready}/{pod.total}", right=True, sort=lambda pod: pod.ready - pod.total),
    Column("STATUS", 18, lambda pod: pod.status, lambda pod: "ok" if pod.healthy else "critical"),
    Column("RST", 4, lambda pod: str(pod.restarts), right=True, sort=lambda pod: -pod.restarts),
    Column("AGE", 4, lambda pod: since(pod.created_at), right=True, sort=lambda pod: -pod.created_at),
    Column("OWNER", 22, lambda pod: f"{pod.owner_kind} {pod.owner}", wide_only=True),
    Column("LAST END", 18, lambda pod: _last_end(pod), lambda pod: "warning", wide_only=True),  # noqa: ARG005
    Column("NODE", 12, lambda pod: pod.node, wide_only=True),
)


def _last_end(pod: Pod) -> str:
    """How the container that died last ended."""
    ended = [container for container in pod.containers if container.last_reason]
    if not ended:
        return ""
    last = max(ended, key=lambda container: container.last_finished_at or 0.0)
    return f"{last.last_reason} {last.last_exit_code}"


VIEWS = (View("pods", "kubernetes", PODS, lambda snapshot: snapshot.pods, lambda row: row.key),)

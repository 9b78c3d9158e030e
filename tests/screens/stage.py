"""The cockpit without targets: a session that starts nothing, a clock of the test's own, and the screen as text."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from textual.app import App

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Revision, Workload
from alphapulse_tui.model.platform import EdgeHealth, Metric, PlatformSnapshot
from alphapulse_tui.model.postgres import PostgresSnapshot, ReplicaView, SessionGroup
from alphapulse_tui.model.postgres import Session as Backend
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.redis import ClusterMember, RedisNode, RedisSnapshot
from alphapulse_tui.model.vault import RaftHealth, VaultNode, VaultSnapshot
from alphapulse_tui.session import Session

HOSTILE = "[/x] [@click=app.quit]go[/] [red"
"""What kills or fools a Textual app that takes text for markup."""


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class QuietSession(Session):
    """Starts no source, no journal and no executor."""

    async def start_sources(self) -> None:
        return

    async def open_desk(self) -> None:
        self.journal_problem = "no journal in this test"

    async def start_executor(self) -> None:
        self.executor_problem = "no executor in this test"


def quiet(profile: Profile | None = None) -> tuple[Cockpit, Clock]:
    """A cockpit that reads nothing, and its clock."""
    clock = Clock()
    return Cockpit(QuietSession(profile or Profile(name="stage"), clock=clock)), clock


def text_of(app: App[Any]) -> str:
    """The screen as a person sees it."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def post(
    app: Cockpit, target: str, snapshot: Any, *findings: Finding, link: Link = Link.LIVE, problem: str = ""
) -> None:
    """Put a reading on the board, as a source would."""
    now = app.session.now
    app.session.board.publish(Reading(target, 5.0, link, now, snapshot, now, problem, 0, findings))


def snapshots(words: str = "plain") -> dict[str, Any]:
    """One snapshot a target, ``words`` in every text that comes from outside."""
    wall = time.time()
    return {
        "alerts": AlertsSnapshot((Alert("f1", words, Severity.P0, "firing", wall - 180, words, (), ("prometheus",)),)),
        "kubernetes": _namespace(words, wall),
        "postgres": _postgres(words, wall),
        "redis": _redis(words),
        "vault": _vault(words),
        "platform": PlatformSnapshot(
            (Metric("p99", "p99", "ms", 812.0, (1.0, 2.0), words), Metric("error_percent", "errors", "%", None)),
            EdgeHealth("http://api/health", 503, 12.0),
        ),
    }


def _namespace(words: str, wall: float) -> KubernetesSnapshot:
    crashing = Container("api", words, False, 14, "CrashLoopBackOff", words, "Error", 1, wall)
    pod = Pod(f"api-{words}", "u1", "CrashLoopBackOff", 0, 1, 14, wall - 540, "node", "Deployment", "api", (crashing,))
    revisions = (Revision(17, words, words, wall, 3, "rs"),)
    api = Workload("Deployment", "api", "uid-2", 2, 2, 3, 3, 2, 2, words, revisions=revisions)
    return KubernetesSnapshot("alphapulse", "lab", "v1.36", (pod,), (api,))


def _postgres(words: str, wall: float) -> PostgresSnapshot:
    started, kind = "2026-01-01T00:00:00Z", "client backend"
    session = (4121, started, words, words, words, "10.0.0.1", kind, "active", "", wall, wall - 41, wall, words)
    groups = (SessionGroup(words, words, words, "idle", 20),)
    replicas = (ReplicaView("replica-0", True, "not paused", "streaming", 0.4),)
    return PostgresSnapshot(
        170010, False, 60, 3, 3, 50, 1, 9, 20, 21, 4, (Backend(*session),), groups, (), (), replicas
    )


def _redis(words: str) -> RedisSnapshot:
    own = ClusterMember("a" * 40, "x", ("myself", "master"), "", 1, "connected", ((0, 5460),))
    node = RedisNode("redis-0", "127.0.0.1:7000", role="master", node_id="a" * 40, cluster_state="ok", view=(own,))
    full = replace(node, slots_assigned=16384, used_memory=62, max_memory=100, hit_percent=84.1)
    return RedisSnapshot((full, RedisNode("redis-1", "127.0.0.1:7001", problem=words)))


def _vault(words: str) -> VaultSnapshot:
    leader = VaultNode("vault-0", "http://v0", "", 200, True, seal_type="shamir", threshold=3, shares=5, is_leader=True)
    sealed = replace(
        leader, name="vault-1", address="http://v1", health_code=503, sealed=True, progress=1, is_leader=False
    )
    return VaultSnapshot((leader, sealed, VaultNode("vault-2", "http://v2", words)), RaftHealth(True, 1, "vault-0", 3))


SEALED = Finding("vault", Health.CRITICAL, "vault-1 is sealed", "vault-1", "vault-sealed", Severity.P0)
"""What a rule would say of the snapshot above."""

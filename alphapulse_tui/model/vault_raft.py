"""What is behind Vault's latency: how long each node takes to answer, what its own telemetry says, and raft as autopilot sees it.

Read by ``sources.vault_raft`` while somebody looks (a survey), every node asked for itself and never through a forwarding standby. Times
are milliseconds. ``None`` is *not told*: no token, a right that is missing, or no request within the ten seconds over which a summary looks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Our own questions to one path of one node, in milliseconds."""

    median: float
    high: float
    """The second longest: what is judged. One answer in five may be the network's or ours."""
    worst: float
    samples: int


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A node's own figures from ``sys/metrics`` (facts 2.3.2): 99th percentiles of its last ten seconds, milliseconds."""

    handle_p50: float | None = None
    handle_p99: float | None = None
    """``vault_core_handle_request``; the runbook's ``vault_request_duration_seconds`` does not exist."""
    login_p99: float | None = None
    audit_p99: float | None = None
    """``vault_audit_log_request``: a blocked audit device blocks every request."""
    audit_failures: float = 0.0
    """Requests and answers that no audit device could write, since the node started: what was may be over."""
    audit_failing: float = 0.0
    """Those since the reading before; 0 in the first one."""
    commit_p99: float | None = None
    """``vault_raft_commitTime``: leader only."""
    contact_p99: float | None = None
    """``vault_raft_leader_lastContact``: how long the leader had not heard of a follower; leader only."""
    storage_get_p99: float | None = None
    storage_put_p99: float | None = None
    in_flight: float | None = None
    leases: float | None = None


@dataclass(frozen=True, slots=True)
class SurveyedNode:
    """One node's own answers. ``problem`` is set when it did not answer in time."""

    name: str
    address: str
    problem: str = ""
    code: int = 0
    """HTTP code of ``sys/health``: 200 active, 429 standby, 501 uninitialised, 503 sealed."""
    health: Times | None = None
    """``sys/health``: network and process."""
    lookup: Times | None = None
    """``auth/token/lookup-self``: the same and the token store; none without a token and on a sealed node."""
    telemetry: Telemetry | None = None
    raft_leader: str = ""
    """Whom this node's own raft takes for the leader; empty when it knows of none, or was not asked."""
    knows_raft: bool = False
    """Whether raft's configuration could be read from it: only then does an empty ``raft_leader`` mean that there is none."""
    active_since: float | None = None
    """Unix seconds since when it leads."""

    @property
    def serving(self) -> bool:
        """Whether it is open and in the cluster."""
        return not self.problem and self.code in (200, 429, 472, 473, 474)


@dataclass(frozen=True, slots=True)
class Peer:
    """One server of raft's configuration, with what autopilot says of it."""

    name: str
    cluster_address: str
    voter: bool
    leader: bool
    healthy: bool | None = None
    """Autopilot's word; none when it could not be read."""
    last_contact: float | None = None
    """Milliseconds since autopilot heard of it. It counts heartbeats of 5 s: seconds on a healthy cluster, and no latency."""
    behind: int | None = None
    """Entries of raft's log that it lacks of the leader's."""
    stable_since: float | None = None
    """Unix seconds."""
    version: str = ""
    says: str = ""
    """What the node of this name itself answers: ``leader``, ``standby``, ``SEALED``, ``no answer``; empty when the profile has no such node."""

    @property
    def dead(self) -> bool:
        """Neither autopilot nor the node itself gives a sign of life."""
        return self.healthy is False and self.says in ("no answer", "")


@dataclass(frozen=True, slots=True)
class VaultSurvey:
    """The cluster, looked at closely."""

    nodes: tuple[SurveyedNode, ...]
    peers: tuple[Peer, ...] = ()
    peers_from: str = ""
    """The node whose configuration was read: the leader's own, or, when there is none, the last that a standby knew."""
    healthy: bool | None = None
    """Autopilot's; none when nobody leads or it may not be read."""
    failure_tolerance: int | None = None
    problem: str = ""
    """Why raft and telemetry are not known."""
    missing_grants: tuple[str, ...] = ()

    @property
    def leader(self) -> SurveyedNode | None:
        """The active node."""
        return next((node for node in self.nodes if node.code == 200 and not node.problem), None)

    @property
    def voters(self) -> tuple[Peer, ...]:
        """Servers whose vote counts."""
        return tuple(peer for peer in self.peers if peer.voter)

    @property
    def quorum(self) -> int:
        """Voters that must agree; of the profile's nodes while the configuration is not known."""
        return len(self.voters or self.nodes) // 2 + 1

    @property
    def serving(self) -> tuple[SurveyedNode, ...]:
        """Nodes that are open and in the cluster."""
        return tuple(node for node in self.nodes if node.serving)

    @property
    def quorum_lost(self) -> bool:
        """No node leads, and fewer are open than must agree: raft cannot elect one (facts 2.3.2)."""
        return self.leader is None and len(self.serving) < self.quorum

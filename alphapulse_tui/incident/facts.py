"""What a reading says that is worth a line in the timeline: pure, one fact for each subject, so that the recorder has only to compare.

Facts are alerts that fire, findings of the health rules (seal, cluster_state, crash loops, slots, lag ...), links that fall silent, and what
changes without being wrong: a leader, a role, an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.health import Finding, Health
from alphapulse_tui.model.kubernetes import KubernetesSnapshot
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.redis import RedisSnapshot
from alphapulse_tui.model.vault import VaultSnapshot

Key = tuple[str, str]
"""Target and subject; an alert's target is ``alert`` and its subject the fingerprint."""

FIRING, CLEARED = "firing", "cleared"
CALM = frozenset({Health.OK.value, Link.LIVE.value, CLEARED})
"""What a subject that nobody has spoken of is taken for: only what differs from it is told at first sight."""


@dataclass(frozen=True, slots=True)
class Fact:
    """How one subject stands."""

    after: str
    """A health, a link, ``firing``, or a name: of the leader, of the image."""
    sentence: str
    health: str = ""
    """Its health, where it has one: silence is neither good nor bad, nor is a new leader."""
    details: dict[str, Any] = field(default_factory=dict)
    """What an alert's event holds besides."""


def facts(reading: Reading[Any]) -> dict[Key, Fact]:
    """Every fact that ``reading`` tells; of a target that does not answer only that."""
    found = dict(_link(reading))
    if reading.link is not Link.LIVE:
        return found
    if isinstance(reading.snapshot, AlertsSnapshot):
        # A silenced alert fires on: to have been silenced is not to be over.
        going_on = (*reading.snapshot.firing, *reading.snapshot.silenced)
        return found | {("alert", alert.fingerprint): _alert(alert) for alert in going_on}
    for finding in reading.findings:
        found.setdefault((reading.target, subject_of(reading.target, finding)), _finding(finding))
    return found | dict(_names(reading.target, reading.snapshot))


def speaks_of(reading: Reading[Any], key: Key) -> bool:
    """Whether the reading, by not mentioning ``key``, says that it is over: a silent target says nothing, nor does half an answer."""
    if reading.link is not Link.LIVE or reading.snapshot is None:
        return False
    if isinstance(reading.snapshot, AlertsSnapshot):
        unknown = any(problem.startswith("prometheus") for problem in reading.snapshot.unreachable)
        return key[0] == "alert" and not unknown
    return key[0] == reading.target


def subject_of(target: str, finding: Finding) -> str:
    """The finding's subject and procedure: two rules may speak of one node."""
    return f"{finding.subject or target} {finding.procedure}".strip()


def kind_of(key: Key, fact: Fact) -> Kind:
    """The kind of event that tells the fact."""
    if key[0] != "alert":
        return Kind.FLIP
    return Kind.ALERT_FIRED if fact.after == FIRING else Kind.ALERT_CLEARED


def _link(reading: Reading[Any]) -> Iterator[tuple[Key, Fact]]:
    target, link = reading.target, reading.link
    if link is Link.LIVE:
        yield (target, "link"), Fact(link.value, f"{target} answers again")
    elif link in (Link.DOWN, Link.DENIED):
        yield (target, "link"), Fact(link.value, f"{target}: {reading.problem or link.value}")


def _alert(alert: Alert) -> Fact:
    details = {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.severity.value if alert.severity else "",
        "summary": alert.summary,
        "starts_at": alert.starts_at,
        "procedure": alert.procedure,
    }
    return Fact(FIRING, alert.summary or alert.name, details=details)


def _finding(finding: Finding) -> Fact:
    return Fact(finding.health.value, finding.sentence, finding.health.value)


def _names(target: str, snapshot: object) -> Iterator[tuple[Key, Fact]]:
    """What changes without being wrong."""
    if isinstance(snapshot, VaultSnapshot) and snapshot.active is not None:
        yield (target, "leader"), Fact(snapshot.active.name, f"{snapshot.active.name} leads Vault")
    elif isinstance(snapshot, RedisSnapshot):
        for node in snapshot.answering:
            if node.role:
                yield (target, f"role of {node.name}"), Fact(node.role, f"{node.name} is {node.role}")
    elif isinstance(snapshot, KubernetesSnapshot):
        for workload in snapshot.workloads:
            name = f"{workload.kind} {workload.name}"
            if workload.image:
                yield (target, f"image of {name}"), Fact(workload.image, f"{name} runs {workload.image}")

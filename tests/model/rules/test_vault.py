"""Vault's rules, a line of the table for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.health import Health, Severity
from alphapulse_tui.model.rules.vault import judge
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.model.vault import RaftHealth, VaultNode, VaultSnapshot

NOW = 100_000.0
SEALED = {"sealed": True, "health_code": 503, "leader_address": "", "is_leader": False}
SILENT = {"problem": "gone", "health_code": 0, "initialized": False, "leader_address": ""}


def node(place: int, **more: Any) -> VaultNode:
    basics: dict[str, Any] = {
        "health_code": 200 if place == 0 else 429,
        "initialized": True,
        "seal_type": "shamir",
        "threshold": 3,
        "shares": 5,
        "is_leader": place == 0,
        "leader_address": "http://v0",
    }
    return VaultNode(f"vault-{place}", f"http://v{place}", **(basics | more))


def cluster(*changes: dict[str, Any], **more: Any) -> VaultSnapshot:
    return VaultSnapshot(tuple(node(place, **change) for place, change in enumerate(changes)), **more)


RAFT = RaftHealth(True, 1, "vault-0", 3)
WARNING, CRITICAL, UNKNOWN = Health.WARNING, Health.CRITICAL, Health.UNKNOWN
P0, P1 = Severity.P0, Severity.P1

CASES: list[tuple[str, VaultSnapshot, Health, Severity | None, str]] = [
    ("one sealed standby", cluster({}, {}, SEALED | {"progress": 1}), WARNING, None, "vault-sealed"),
    ("opened by a KMS", cluster({}, {}, SEALED | {"seal_type": "awskms"}), WARNING, None, "vault-sealed"),
    ("quorum at risk", cluster({}, SEALED, SEALED), CRITICAL, P0, "vault-sealed"),
    ("a single sealed node", cluster(SEALED), CRITICAL, P0, "vault-sealed"),
    ("everybody sealed", cluster(SEALED, SEALED, SEALED), CRITICAL, P0, "vault-sealed"),
    ("the leader sealed", cluster(SEALED, {}, {}), CRITICAL, P0, "vault-sealed"),
    ("a silent node", cluster({}, {}, SILENT), UNKNOWN, None, "vault-sealed"),
    ("not initialised", cluster({}, {}, {"initialized": False, "health_code": 501}), CRITICAL, None, ""),
    ("cut off from the leader", cluster({}, {}, {"health_code": 474}), WARNING, None, "vault-latency"),
    ("removed from raft", cluster({}, {}, {"health_code": 530}), CRITICAL, None, "vault-latency"),
    (
        "no active, just now",
        cluster({"health_code": 429}, {}, {}, no_active_since=NOW - 1),
        CRITICAL,
        P1,
        "vault-latency",
    ),
    (
        "no active for 10 s",
        cluster({"health_code": 429}, {}, {}, no_active_since=NOW - 10),
        CRITICAL,
        P0,
        "vault-latency",
    ),
    (
        "two that say they lead",
        cluster({"health_code": 200}, {"health_code": 200}, {}),
        CRITICAL,
        Severity.P1,
        "vault-latency",
    ),
    ("no further loss", cluster({}, {}, {}, raft=replace(RAFT, failure_tolerance=0)), WARNING, None, "vault-latency"),
    (
        "an unhealthy voter",
        cluster({}, {}, {}, raft=replace(RAFT, healthy=False, unhealthy=("vault-2",))),
        WARNING,
        None,
        "vault-latency",
    ),
    ("raft not known", cluster({}, {}, {}, raft_problem="hung"), UNKNOWN, None, "vault-latency"),
    ("our token ends", cluster({}, {}, {}, raft=RAFT, token_expires_at=NOW + 899), WARNING, None, ""),
    ("a missing grant", cluster({}, {}, {}, missing_grants=('path "x"',)), WARNING, None, ""),
]


@pytest.mark.parametrize(
    ("what", "snapshot", "health", "severity", "procedure"), CASES, ids=[case[0] for case in CASES]
)
def test_each_rule(
    what: str, snapshot: VaultSnapshot, health: Health, severity: Severity | None, procedure: str
) -> None:
    worst = judge(snapshot, Thresholds(), NOW)[0]
    assert (worst.health, worst.severity, worst.procedure) == (health, severity, procedure)


def test_what_is_well() -> None:
    assert judge(cluster({}, {}, {}, raft=RAFT, token_expires_at=NOW + 901), Thresholds(), NOW) == ()
    assert judge(cluster({}), Thresholds(), NOW) == ()


def test_sentences_say_what_to_do() -> None:
    assert "1 of 3 shares" in judge(cluster({}, {}, SEALED | {"progress": 1}), Thresholds(), NOW)[0].sentence
    assert "KMS" in judge(cluster({}, {}, SEALED | {"seal_type": "awskms"}), Thresholds(), NOW)[0].sentence
    lost = cluster(SILENT, {}, {}, no_active_since=NOW)
    assert "vault-0, does not answer" in judge(lost, Thresholds(), NOW)[0].sentence

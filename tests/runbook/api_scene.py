"""A namespace, its pods and a crash, and a look at them through one check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alphapulse_tui.model.api import (
    Bounds,
    CrashesSnapshot,
    CrashSnapshot,
    LastEnd,
    Probe,
    Variable,
)
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Revision, Workload
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Scene

WALL = 1_000_000.0
MIB = 1024.0**2

API = Workload(
    "Deployment", "api", "u", 3, 3, desired=3, updated=3, ready=3, available=3, image="api:2",
    revisions=(Revision(3, "api:2", "new", WALL - 120, 2, "api-new"), Revision(2, "api:1", "old", WALL - 90_000, 2, "api-old")),
)  # fmt: skip


def pod(name: str, status: str = "Running", restarts: int = 0, age: float = 100.0) -> Pod:
    well = status == "Running"
    container = Container("api", "api:2", well, restarts)
    known = (WALL - 60,) if restarts else ()
    return Pod(name, name, status, int(well), 1, restarts, WALL - age, "n", "Deployment", "api", (container,), known)


CRASHING = (pod("api-new-1", "CrashLoopBackOff", 3), pod("api-old-1", age=90_000.0))

END = LastEnd(
    "api-new-1",
    "api",
    "Error",
    1,
    WALL - 20,
    3,
    "CrashLoopBackOff",
    "back-off",
    "api:2",
    ("INFO hello", "FATAL broken"),
)

WELL = CrashSnapshot(
    "api",
    "api:2",
    (END,),
    (Bounds("api", 96 * MIB, 384 * MIB, 64 * MIB),),
    (Variable("DATABASE_URL", "written in the template"), Variable("TOKEN", "Secret x (not read)", ("Secret", "x"), "k")),
    tuple(Probe(kind, f"{kind.upper()}_X", "ConfigMap p", "10.0.0.1:1", True, "answers") for kind in ("database", "redis", "vault")),
)  # fmt: skip


def namespace(*pods: Pod, workload: Workload = API) -> KubernetesSnapshot:
    return KubernetesSnapshot("alphapulse", "lab", "1.36", pods, (workload,))


def look(check: str, params: dict[str, str] | None = None, **snapshots: Any) -> CheckResult:
    """The check on fresh readings; ``api_crash=`` stands for the key ``api-crash``."""
    if isinstance(crash := snapshots.get("api_crash"), CrashSnapshot):
        snapshots["api_crash"] = CrashesSnapshot((crash,))
    readings = {
        key.replace("_", "-"): Reading(key.replace("_", "-"), 5.0, Link.LIVE, 0.0, snapshot, 100.0)
        for key, snapshot in snapshots.items()
    }
    return CHECKS[check](Scene(readings, 100.0, WALL, Thresholds(), params or {}))


LONG_THERE = (pod("api-new-1", "CrashLoopBackOff", 3, age=400_000.0), pod("api-new-2", age=400_000.0))
OLD_RELEASE = replace(API, revisions=tuple(replace(one, created_at=WALL - 500_000) for one in API.revisions))

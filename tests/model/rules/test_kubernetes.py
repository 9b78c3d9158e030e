"""The namespace's rules, a line of the table for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.health import Health, Severity
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Workload
from alphapulse_tui.model.rules.kubernetes import judge
from alphapulse_tui.model.thresholds import Thresholds

NOW = 100_000.0
WARNING, CRITICAL = Health.WARNING, Health.CRITICAL


def pod(name: str = "p", status: str = "Running", ready: int = 1, **more: Any) -> Pod:
    container = Container("api", "i", ready == 1, 0, **more.pop("container", {}))
    return Pod(name, f"uid-{name}", status, ready, 1, 0, 0.0, "n", "Deployment", "api", (container,), **more)


def workload(ready: int = 3, name: str = "api", kind: str = "Deployment", desired: int = 3, **more: Any) -> Workload:
    return Workload(kind, name, "u", 1, 1, desired, desired, ready, ready, "i", **more)


def namespace(*objects: Pod | Workload, grants: tuple[str, ...] = (), api: bool = True) -> KubernetesSnapshot:
    """What is there; a Deployment ``api`` that is well besides, unless there is one or ``api`` says no."""
    pods = sorted((one for one in objects if isinstance(one, Pod)), key=lambda one: (one.healthy, one.name))
    workloads = [one for one in objects if isinstance(one, Workload)]
    if api and not any((one.kind, one.name) == ("Deployment", "api") for one in workloads):
        workloads.append(workload())
    return KubernetesSnapshot("n", "c", "v", tuple(pods), tuple(workloads), grants)


CASES: list[tuple[str, KubernetesSnapshot, Health, Severity | None, str]] = [
    ("2 of 3 ready", namespace(workload(2)), WARNING, None, "api-crashloop"),
    ("no API pod, just now", namespace(workload(0, unavailable_since=NOW - 5)), CRITICAL, Severity.P1, "api-crashloop"),
    (
        "no API pod for 2 min",
        namespace(workload(0, unavailable_since=NOW - 120)),
        CRITICAL,
        Severity.P0,
        "api-crashloop",
    ),
    ("no API pod, since when is not known", namespace(workload(0)), CRITICAL, Severity.P1, "api-crashloop"),
    ("the API scaled to nothing", namespace(workload(0, desired=0)), CRITICAL, Severity.P1, "api-crashloop"),
    ("another without a pod", namespace(workload(0, "vault", "StatefulSet")), CRITICAL, None, ""),
    ("past its deadline", namespace(workload(3, deadline_exceeded=True)), CRITICAL, None, "api-crashloop"),
    ("crash loop", namespace(pod(status="CrashLoopBackOff", ready=0)), CRITICAL, None, "api-crashloop"),
    (
        "crash loop of an init container",
        namespace(pod(status="Init:CrashLoopBackOff", ready=0)),
        CRITICAL,
        None,
        "api-crashloop",
    ),
    ("out of memory", namespace(pod(status="OOMKilled", ready=0)), CRITICAL, None, "api-crashloop"),
    ("no image", namespace(pod(status="ImagePullBackOff", ready=0)), CRITICAL, None, "api-crashloop"),
    ("evicted", namespace(pod(status="Evicted", ready=0, finished=True)), WARNING, None, ""),
    ("on a node that is lost", namespace(pod(status="NodeLost", ready=0)), WARNING, None, "api-crashloop"),
    ("on a node that is lost for long", namespace(pod(status="Unknown", ready=0)), WARNING, None, "api-crashloop"),
    ("restarted once", namespace(pod(restarted_at=(NOW - 599,))), WARNING, None, "api-crashloop"),
    (
        "restarted three times",
        namespace(pod(restarted_at=(NOW - 500, NOW - 400, NOW - 1))),
        CRITICAL,
        None,
        "api-crashloop",
    ),
    ("no API at all", namespace(workload(3, "canary"), api=False), CRITICAL, Severity.P1, ""),
    ("an empty namespace", namespace(api=False), Health.UNKNOWN, None, ""),
    ("a job that failed", namespace(pod(status="Error", ready=0, finished=True)), WARNING, None, ""),
    (
        "a drained node's pod that restarted often",
        namespace(pod(status="Error", ready=0, finished=True, restarted_at=(NOW - 2,) * 3)),
        WARNING,
        None,
        "",
    ),
    (
        "Deployments that we may not see",
        namespace(pod(), grants=("deployments: list in namespace n",), api=False),
        WARNING,
        None,
        "",
    ),
    ("a missing grant", namespace(grants=("pods: list in namespace n",)), WARNING, None, ""),
]


@pytest.mark.parametrize(
    ("what", "snapshot", "health", "severity", "procedure"), CASES, ids=[case[0] for case in CASES]
)
def test_each_rule(
    what: str, snapshot: KubernetesSnapshot, health: Health, severity: Severity | None, procedure: str
) -> None:
    found = judge(snapshot, Thresholds(), NOW)
    assert [(one.health, one.severity, one.procedure) for one in found] == [(health, severity, procedure)]


def test_a_crash_opens_the_procedure_on_its_own_deployment_and_none_for_a_stateful_server() -> None:
    canary = replace(pod("canary-1", "CrashLoopBackOff", 0), owner="canary")
    (found,) = judge(namespace(canary), Thresholds(), NOW)
    assert (found.procedure, found.values) == ("api-crashloop", (("deployment", "canary"),))
    for status in ("CrashLoopBackOff", "ImagePullBackOff", "NodeLost", "Running"):
        redis = replace(pod("redis-0", status, 0, restarted_at=(NOW - 1,)), owner_kind="StatefulSet", owner="redis")
        assert {(one.procedure, one.values) for one in judge(namespace(redis), Thresholds(), NOW)} == {("", ())}
    (found,) = judge(namespace(workload(2, "canary")), Thresholds(), NOW)
    assert found.values == (("deployment", "canary"),)


FINE = [
    namespace(),
    namespace(workload(3), pod()),
    namespace(workload(0, "canary", desired=0)),
    namespace(workload(0, "api", "StatefulSet", desired=0)),
    namespace(pod(status="Completed", ready=0)),
    namespace(pod(status="ContainerCreating", ready=0)),
    namespace(pod(status="Terminating", ready=0)),
    namespace(pod(restarted_at=(NOW - 601,))),
]


@pytest.mark.parametrize("snapshot", FINE)
def test_what_is_well(snapshot: KubernetesSnapshot) -> None:
    assert judge(snapshot, Thresholds(), NOW) == ()


def test_why_it_crashes_is_said_and_a_crowd_is_counted() -> None:
    dead = {"waiting": "CrashLoopBackOff", "last_reason": "OOMKilled", "last_exit_code": 137}
    crowd = [pod(f"p{n:02}", "CrashLoopBackOff", 0, container=dead) for n in range(40)]
    found = judge(namespace(*crowd), Thresholds(), NOW)
    assert len(found) == 4 and "last end: OOMKilled, code 137" in found[0].sentence
    assert "37 more pods" in found[-1].sentence


def test_a_pod_that_cannot_start_names_what_is_not_there() -> None:
    waits = {"waiting": "ErrImagePull", "waiting_message": f"rpc error: {'x' * 200}: not found"}
    (found,) = judge(namespace(pod("api-1", "ErrImagePull", 0, container=waits)), Thresholds(), NOW)
    assert found.sentence == (
        "api-1 is in ErrImagePull: image i cannot be pulled: the registry has no such image or tag"
    )
    waits = {"waiting": "CreateContainerConfigError", "waiting_message": 'secret "x" not found'}
    (found,) = judge(namespace(pod("api-1", "CreateContainerConfigError", 0, container=waits)), Thresholds(), NOW)
    assert found.sentence == 'api-1 is in CreateContainerConfigError: Secret "x" is not there'

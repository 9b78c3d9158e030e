"""kubectl's STATUS, READY and RESTARTS, and the store that keeps a namespace in order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alphapulse_tui.sources import kubernetes_decode as decode
from alphapulse_tui.sources.kubernetes_store import Pods, Workloads

RUNNING = {"name": "a", "ready": True, "state": {"running": {"startedAt": "2026-11-23T21:00:00Z"}}}


def raw(
    phase: str = "Running", statuses: list[Any] | None = None, init: list[Any] | None = None, **more: Any
) -> decode.RawPod:
    spec = {
        "containers": [{"name": "a"}] * len(statuses or [1]),
        "initContainers": [{"name": one["name"], "restartPolicy": one.get("restartPolicy", "")} for one in init or []],
    }
    status = {"phase": phase, "containerStatuses": statuses, "initContainerStatuses": init} | more.pop("status", {})
    metadata = {"name": "p", "uid": "u", "creationTimestamp": "2026-11-23T20:00:00Z"} | more
    return decode.raw_pod.decode(json.dumps({"metadata": metadata, "spec": spec, "status": status}))


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    return {"name": "a", "state": {"waiting": {"reason": reason}}, **more}


def ended(code: int, reason: str = "", signal: int = 0) -> dict[str, Any]:
    return {"name": "a", "state": {"terminated": {"exitCode": code, "reason": reason, "signal": signal}}}


def ready(value: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": value}]}


SIDECAR = {
    "name": "s",
    "restartPolicy": "Always",
    "started": True,
    "ready": True,
    "restartCount": 2,
    "state": {"running": {}},
}
GONE = "2026-11-23T21:00:00Z"

CASES: list[tuple[decode.RawPod, tuple[str, int, int, int]]] = [
    (raw(statuses=[RUNNING]), ("Running", 1, 1, 0)),
    (raw("Pending"), ("Pending", 0, 1, 0)),
    (raw("Pending", [waiting("ContainerCreating")]), ("ContainerCreating", 0, 1, 0)),
    (raw(statuses=[waiting("CrashLoopBackOff", restartCount=7)]), ("CrashLoopBackOff", 0, 1, 7)),
    (raw(statuses=[ended(1, "Error")]), ("Error", 0, 1, 0)),
    (raw(statuses=[ended(137, "OOMKilled")]), ("OOMKilled", 0, 1, 0)),
    (raw(statuses=[ended(3)]), ("ExitCode:3", 0, 1, 0)),
    (raw(statuses=[ended(0, signal=9)]), ("Signal:9", 0, 1, 0)),
    (raw("Succeeded", [ended(0, "Completed")]), ("Completed", 0, 1, 0)),
    (raw(statuses=[ended(0, "Completed"), RUNNING], status=ready("True")), ("Running", 1, 2, 0)),
    (raw(statuses=[ended(0, "Completed"), RUNNING], status=ready("False")), ("NotReady", 1, 2, 0)),
    (raw("Failed", status={"reason": "Evicted"}), ("Evicted", 0, 1, 0)),
    (raw(statuses=[RUNNING], deletionTimestamp=GONE), ("Terminating", 1, 1, 0)),
    (raw(statuses=[RUNNING], deletionTimestamp=GONE, status={"reason": "NodeLost"}), ("Unknown", 1, 1, 0)),
    (raw("Succeeded", [ended(0, "Completed")], deletionTimestamp=GONE), ("Completed", 0, 1, 0)),
    (raw("Pending", init=[waiting("PodInitializing")]), ("Init:0/1", 0, 1, 0)),
    (raw("Pending", init=[waiting("CrashLoopBackOff", restartCount=4)]), ("Init:CrashLoopBackOff", 0, 1, 4)),
    (raw("Pending", init=[ended(2)]), ("Init:ExitCode:2", 0, 1, 0)),
    (raw("Pending", init=[ended(1, "Error")]), ("Init:Error", 0, 1, 0)),
    (raw(statuses=[RUNNING], init=[ended(0)]), ("Running", 1, 1, 0)),
    (raw(statuses=[RUNNING], init=[SIDECAR]), ("Running", 2, 2, 2)),
    (
        raw(
            "Pending", status={"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}
        ),
        ("SchedulingGated", 0, 1, 0),
    ),
    (raw(statuses=[{"name": "a", "state": None}]), ("Running", 0, 1, 0)),
]


@pytest.mark.parametrize(("pod", "shown"), CASES)
def test_the_columns_are_kubectls(pod: decode.RawPod, shown: tuple[str, int, int, int]) -> None:
    assert decode.status_of(pod) == shown


def test_what_is_null_or_absent_is_no_error() -> None:
    empty = decode.raw_pod.decode(b'{"metadata":{},"spec":{"containers":null},"status":{"conditions":null}}')
    assert decode.pod_of(empty).status == "Unknown"


def test_hostile_text_is_made_visible() -> None:
    evil = "\x1b[2J[/x]\u202e"
    pod = decode.pod_of(raw(statuses=[waiting(evil, name=evil, image=evil)], name=evil))
    assert not {char for char in repr(pod) if char in "\x1b\u202e"}
    assert pod.name == "\\x1b[2J[/x]\\u202e"


def test_the_owner_is_the_deployment() -> None:
    owner = [{"kind": "ReplicaSet", "name": "api-76cf", "uid": "x"}]
    made = decode.pod_of(raw(statuses=[RUNNING], ownerReferences=owner, labels={"pod-template-hash": "76cf"}))
    assert (made.owner_kind, made.owner) == ("Deployment", "api")
    bare = decode.pod_of(raw(statuses=[RUNNING], ownerReferences=owner))
    assert (bare.owner_kind, bare.owner) == ("ReplicaSet", "api-76cf")


def test_the_store_keeps_order_and_identity() -> None:
    store = Pods(lambda: 500.0)
    store.replace(raw(statuses=[RUNNING], name=name, uid=name) for name in "cab")
    before = store.snapshot()
    assert [pod.name for pod in before] == ["a", "b", "c"]
    store.apply("MODIFIED", raw(statuses=[RUNNING], name="b", uid="b"))
    assert store.snapshot() == before and store.snapshot()[1] is before[1]
    store.apply("MODIFIED", raw(statuses=[waiting("CrashLoopBackOff", restartCount=9)], name="c", uid="c"))
    assert [pod.name for pod in store.snapshot()] == ["c", "a", "b"]
    assert store.snapshot()[0].restarted_at == (500.0,) * 5
    store.apply("DELETED", raw(name="c", uid="c"))
    store.apply("DELETED", raw(name="never seen", uid="z"))
    assert [pod.name for pod in store.snapshot()] == ["a", "b"]


def test_a_restart_that_we_did_not_see_is_known_by_the_last_end() -> None:
    past = {"lastState": {"terminated": {"exitCode": 1, "finishedAt": "1970-01-01T00:01:40Z"}}}
    store = Pods(lambda: 500.0)
    store.replace([raw(statuses=[RUNNING | {"restartCount": 2} | past])])
    assert store.snapshot()[0].restarted_at == (100.0,)


def workload(kind: str, name: str, **more: Any) -> decode.RawWorkload:
    return decode.raw_workload.decode(
        json.dumps({"metadata": {"name": name, "uid": name} | more.pop("metadata", {}), **more})
    )


def test_workloads_carry_their_revisions_newest_first() -> None:
    store = Workloads()
    conditions = [
        {"type": "Available", "status": "False", "lastTransitionTime": "1970-01-01T00:00:10Z"},
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
    ]
    store.replace(
        "Deployment", [workload("Deployment", "api", spec={"replicas": 3}, status={"conditions": conditions})]
    )
    for number in ("2", "10"):
        mark = {"ownerReferences": [{"uid": "api"}], "annotations": {"deployment.kubernetes.io/revision": number}}
        store.apply("ReplicaSet", "ADDED", workload("ReplicaSet", f"api-{number}", metadata=mark))
    store.apply("StatefulSet", "ADDED", workload("StatefulSet", "vault"))
    api, vault = store.snapshot()
    assert [revision.number for revision in api.revisions] == [10, 2]
    assert (api.deadline_exceeded, api.unavailable_since, api.desired, api.ready) == (True, 10.0, 3, 0)
    assert (vault.kind, vault.desired) == ("StatefulSet", 1)  # the API's own default
    assert store.snapshot() is store.snapshot()


def test_a_revision_carries_the_mark_of_its_restart() -> None:
    marks = {"alphapulse.io/restart": "3f0c", "other": "x"}
    restarted = decode.revision_of(
        workload("ReplicaSet", "api-2", spec={"template": {"metadata": {"annotations": marks}}})
    )
    assert restarted.restart == "3f0c"
    assert decode.revision_of(workload("ReplicaSet", "api-1", spec={"template": {"metadata": {}}})).restart == ""


def test_old_pods_are_counted_and_a_stateful_set_is_through_when_all_are_updated() -> None:
    status = {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    crashing = decode.workload_of("Deployment", workload("Deployment", "api", status=status))
    assert (crashing.total, crashing.left_over, crashing.rolling, crashing.rolled_out) == (2, 1, True, False)
    held = decode.workload_of("StatefulSet", workload("StatefulSet", "vault", spec={"replicas": 2}, status=status))
    assert held.rolling and not held.rolled_out
    status |= {"updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    assert decode.workload_of(
        "StatefulSet", workload("StatefulSet", "vault", spec={"replicas": 2}, status=status)
    ).rolled_out

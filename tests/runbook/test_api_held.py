"""Pods that never come to crash: no node, no quota, a probe that ends them; and what may be called their last words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alphapulse_tui.model.api_cause import cause_of_crash, first_crash
from alphapulse_tui.model.cluster import ClusterEvent, EventsSnapshot
from alphapulse_tui.model.kubernetes import Pod
from alphapulse_tui.runbook.checks.result import Passed
from alphapulse_tui.sources.api_crash import held_back, last_ends
from tests.runbook.api_scene import API, END, LONG_THERE, OLD_RELEASE, WALL, WELL, look, namespace, pod

NO_NODE = "0/1 nodes are available: 1 Insufficient memory."
QUOTA = 'pods "api-x" is forbidden: exceeded quota: alphapulse, requested: pods=1, used: pods=15, limited: pods=15'


def event(about: str, reason: str, message: str, kind: str = "Warning") -> ClusterEvent:
    return ClusterEvent(reason, kind, reason, "Pod", about, message, 3, WALL - 60, WALL - 5)


def unplaced(name: str) -> dict[str, object]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_NODE}
    return {"metadata": {"name": name}, "status": {"conditions": [condition]}}


def test_the_clusters_own_words_for_pods_that_do_not_come() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
    deployment = {"status": {"conditions": [failure, {"type": "Progressing", "status": "False"}]}}
    assert held_back(deployment, [unplaced("a"), unplaced("b")]) == (
        f"pods cannot be made: {QUOTA}",
        "2 pods find no node: 0/1 nodes are available: 1 Insufficient memory",
    )
    going = unplaced("c")
    going["metadata"] = {"name": "c", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert held_back({}, [going]) == ()


@pytest.mark.parametrize(
    ("workload", "pods", "value", "words"),
    [
        (API, (pod("api-new-1", "Pending"),), "release", "revision 3 (new) brought it"),
        (OLD_RELEASE, (replace(LONG_THERE[0], status="Pending", restarts=0, restarted_at=()),), "room", NO_NODE),
    ],
)
def test_pods_without_a_node_do_not_crash(workload, pods: tuple[Pod, ...], value: str, words: str) -> None:  # type: ignore[no-untyped-def]
    held = replace(WELL, ends=(), held=(f"1 pod finds no node: {NO_NODE}",))
    told = look(
        "api.cause", kubernetes=namespace(*pods, pod("api-old-1", age=90_000.0), workload=workload), api_crash=held
    )
    assert (told.passed, told.value) == (Passed.NO, value)
    assert told.sentence.startswith("1 pod finds no node") and words in told.sentence and "crash" not in told.sentence


def test_fewer_pods_than_wanted_are_not_well_because_none_crashes() -> None:
    there = (pod("api-old-1", age=90_000.0), pod("api-old-2", age=90_000.0))
    nothing = replace(WELL, ends=())
    told = look("api.cause", kubernetes=namespace(*there, workload=OLD_RELEASE), api_crash=nothing)
    assert told.passed is Passed.NO
    mending = look("rollout.mending", kubernetes=namespace(*there, workload=OLD_RELEASE))
    assert mending.sentence == "2 of 3 pods are there"
    going = replace(pod("api-old-4"), status="Terminating", ready=0)
    whole = (*there, pod("api-old-3", age=90_000.0), going)
    assert look("api.cause", kubernetes=namespace(*whole, workload=OLD_RELEASE), api_crash=nothing).value == "well"


def test_a_container_that_its_probe_ends_says_so() -> None:
    stopped = replace(WELL, ends=(replace(END, exit_code=143, words=("INFO loading the model",)),))
    killed = event("api-new-1", "Killing", "Container api failed liveness probe, will be restarted", "Normal")
    told = look(
        "api.cause",
        kubernetes=namespace(pod("api-new-1", "CrashLoopBackOff", 3), pod("api-old-1", age=90_000.0)),
        api_crash=stopped,
        kubernetes_events=EventsSnapshot((killed,)),
    )
    assert "the kubelet ended it: Container api failed liveness probe" in told.sentence


def test_a_pod_that_never_gets_ready_is_explained_by_its_newest_warning() -> None:
    starting = replace(pod("api-new-1"), ready=0)
    mount = event("api-new-1", "FailedMount", 'MountVolume.SetUp failed: secret "tls" not found')
    told = look(
        "api.cause",
        kubernetes=namespace(starting, workload=OLD_RELEASE),
        api_crash=replace(WELL, ends=()),
        kubernetes_events=EventsSnapshot((mount,)),
    )
    assert told.sentence == 'no container has ended yet; FailedMount: MountVolume.SetUp failed: secret "tls" not found'


def test_news_of_a_dependency_is_no_complaint_about_it() -> None:
    news = replace(END, exit_code=139, words=("INFO connected to database and Redis", "INFO Vault: token renewed"))
    found = cause_of_crash(replace(WELL, ends=(news,)))
    assert found.kind == "application" and "api-new-1/api ended with code 139" in found.sentence
    bad = replace(news, words=("INFO connected to Redis", "INFO database: connection refused"))
    assert cause_of_crash(replace(WELL, ends=(bad,))).kind == "database"


def test_what_the_api_server_says_of_a_log_is_nobodys_last_words() -> None:
    silent = replace(END, words=(), log_problem="the API server answers with code 500: no preferred addresses found")
    told = look("api.last-end", api_crash=replace(WELL, ends=(silent,)))
    assert "its last words" not in told.sentence
    assert told.sentence.endswith("no last words: the API server answers with code 500: no preferred addresses found")


def test_the_container_that_ended_is_named_an_init_container_as_such() -> None:
    status = {
        "name": "migrate",
        "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
    }
    spec = {"initContainers": [{"name": "migrate"}, {"name": "proxy", "restartPolicy": "Always"}]}
    proxy = {**status, "name": "proxy", "restartCount": 1}
    raw = {"metadata": {"name": "api-1"}, "spec": spec, "status": {"initContainerStatuses": [status, proxy]}}
    ends = last_ends([raw])
    assert [end.place for end in ends] == ["api-1/migrate (an init container)", "api-1/proxy"]
    assert "api-1/migrate (an init container) ended with code 1" in cause_of_crash(replace(WELL, ends=ends)).sentence


def test_pods_on_their_way_out_do_not_tell_when_it_began() -> None:
    going = replace(pod("api-old-1", "CrashLoopBackOff", 9, age=5000.0), status="Terminating")
    assert first_crash((going, pod("api-new-1", "CrashLoopBackOff", 1))) == WALL - 60


def test_a_cause_that_a_release_inherited_is_not_told_as_its_own() -> None:
    newest = replace(API.revisions[0], cause=API.revisions[1].cause)
    inherited = replace(API, revisions=(newest, API.revisions[1]))
    told = look("rollout.suspect", kubernetes=namespace(pod("api-new-1", "CrashLoopBackOff", 3), workload=inherited))
    assert "revision 3 (api:2) came" in told.sentence

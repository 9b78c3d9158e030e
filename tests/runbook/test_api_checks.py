"""The checks of the API's procedures: every cause has its own sentence, and what was not read is never well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.api import (
    Bounds,
    CrashesSnapshot,
    CrashSnapshot,
    EndpointErrors,
    EndpointTime,
    ErrorsSnapshot,
    LastEnd,
    LatencySnapshot,
    LogGroup,
    LogsSnapshot,
    PodTime,
    Probe,
    Variable,
)
from alphapulse_tui.model.cluster import Autoscaler, CapacitySnapshot, ClusterEvent, EventsSnapshot
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Revision, Workload
from alphapulse_tui.model.platform import Metric, PlatformSnapshot
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Passed, Scene

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
    (Variable("DATABASE_URL", "written in the template"), Variable("TOKEN", "Secret x (not read)")),
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


OURS = [name for name in CHECKS if name.startswith(("api.", "rollout."))]


@pytest.mark.parametrize("name", OURS)
def test_what_was_not_read_is_not_verified(name: str) -> None:
    result = look(name)
    assert result.passed is Passed.UNKNOWN and result.value == "unknown" and result.sentence


def failing(kind: str, said: str = "refuses connections: nothing listens there") -> CrashSnapshot:
    probes = tuple(replace(one, answers=False, said=said) if one.dependency == kind else one for one in WELL.probes)
    return replace(WELL, probes=probes)


def ended(**fields: Any) -> CrashSnapshot:
    return replace(WELL, ends=(replace(END, **fields),))


LONG_THERE = (pod("api-new-1", "CrashLoopBackOff", 3, age=400_000.0), pod("api-new-2", age=400_000.0))
OLD_RELEASE = replace(API, revisions=tuple(replace(one, created_at=WALL - 500_000) for one in API.revisions))


@pytest.mark.parametrize(
    ("crash", "workload", "value", "words"),
    [
        (ended(reason="OOMKilled", exit_code=137), API, "memory", "killed for want of memory at its limit of 384Mi"),
        (failing("database"), API, "release", "DATABASE_X names 10.0.0.1:1"),
        (failing("redis"), API, "release", "REDIS_X names 10.0.0.1:1"),
        (failing("vault"), API, "release", "revision 3 brought it; only its pods crash"),
        (failing("vault", "Vault answers: sealed"), API, "dependency", "vault itself is not well: vault-sealed mends it"),
        (failing("database"), OLD_RELEASE, "database", "refuses connections"),
        (ended(words=("ERROR asyncpg: timeout",)), OLD_RELEASE, "database", "its last words name database"),
        (ended(words=("CLUSTERDOWN Hash slot not served",)), OLD_RELEASE, "redis", "its last words name redis"),
        (ended(), OLD_RELEASE, "application", "ended with code 1, an error of the application: FATAL broken"),
        (ended(exit_code=139, words=()), OLD_RELEASE, "application", "a segmentation fault"),
        (ended(waiting="ImagePullBackOff", message="no such tag", restarts=0), OLD_RELEASE, "image", "never ran: ImagePullBackOff: no such tag"),
        (ended(waiting="CreateContainerConfigError", message='secret "x" not found'), OLD_RELEASE, "config", 'secret "x" not found'),
    ],
)  # fmt: skip
def test_each_cause_of_a_crash_has_its_own_way(
    crash: CrashSnapshot, workload: Workload, value: str, words: str
) -> None:
    pods = CRASHING if workload is API else LONG_THERE
    result = look("api.cause", kubernetes=namespace(*pods, workload=workload), api_crash=crash)
    assert result.value == value and words in result.sentence, result.sentence


def test_another_deployment_is_never_judged_by_the_apis_crash() -> None:
    result = look("api.last-end", {"deployment": "agent-workers"}, api_crash=WELL)
    assert result.passed is Passed.UNKNOWN and "agent-workers is not there, or is well" in result.sentence


def test_nothing_crashes() -> None:
    result = look("api.cause", kubernetes=namespace(pod("api-1")), api_crash=replace(WELL, ends=()))
    assert (result.passed, result.value) == (Passed.YES, "well")


def test_the_last_words_come_before_any_guess() -> None:
    result = look("api.last-end", api_crash=WELL)
    assert result.sentence == "Error (exit code 1), 3 restarts; its last words: FATAL broken"
    assert ("  previous log", "FATAL broken") in result.rows
    silent = look("api.last-end", api_crash=ended(words=(), log_problem="it wrote nothing"))
    assert silent.sentence.endswith("its last words: it wrote nothing")


@pytest.mark.parametrize(
    ("pods", "value", "words"),
    [
        (CRASHING, "crashing", "1 of 2 pods are not well (CrashLoopBackOff); 1 serve"),
        ((pod("api-1"),), "well", "all 1 pods of api are ready"),
        ((), "none", "api has no pod at all, and wants 3"),
    ],
)
def test_which_pods_crash(pods: tuple[Pod, ...], value: str, words: str) -> None:
    result = look("api.pods-state", kubernetes=namespace(*pods))
    assert result.value == value and words in result.sentence


@pytest.mark.parametrize(
    ("crash", "passed", "words"),
    [
        (WELL, Passed.YES, "answer at the addresses of the template"),
        (failing("redis"), Passed.NO, "REDIS_X names 10.0.0.1:1, which refuses connections"),
        (replace(WELL, probes=()), Passed.UNKNOWN, "names no database, Redis or Vault"),
        (replace(WELL, probes=(replace(WELL.probes[0], answers=None, place="", said="not read"),)), Passed.UNKNOWN, "test it from the pod"),
        (replace(WELL, probes=(*WELL.probes, replace(WELL.probes[1], answers=False, place="b:2"))), Passed.YES, "of several, b:2 does not"),
    ],
)  # fmt: skip
def test_addresses_are_judged_as_one_needs_them(crash: CrashSnapshot, passed: Passed, words: str) -> None:
    result = look("api.outside", api_crash=crash)
    assert result.passed is passed and words in result.sentence


def test_no_value_of_a_variable_is_ever_shown() -> None:
    result = look("api.environment", api_crash=WELL)
    assert result.rows == (("DATABASE_URL", "written in the template"), ("TOKEN", "Secret x (not read)"))


def test_the_killed_container_is_the_first_choice() -> None:
    result = look("api.memory", api_crash=ended(reason="OOMKilled", exit_code=137))
    assert result.choices[0][0] == "api" and result.passed is Passed.NO
    near = replace(WELL, bounds=(Bounds("api", None, 100 * MIB, 95 * MIB),))
    assert "over 90 %" in look("api.memory", api_crash=near).sentence


def test_warnings_about_its_pods_come_first() -> None:
    def event(kind: str, name: str, reason: str) -> ClusterEvent:
        return ClusterEvent(reason, kind, reason, "Pod", name, "said", 2, None, WALL - 5)

    told = EventsSnapshot(
        (
            event("Normal", "api-new-1", "Started"),
            event("Warning", "other", "Alien"),
            event("Warning", "api-new-1", "BackOff"),
        )
    )
    result = look("api.events", kubernetes=namespace(*CRASHING), kubernetes_events=told)
    assert result.sentence == "1 warnings; the newest: BackOff: said"
    assert [name for name, _ in result.rows] == ["BackOff pod/api-new-1", "Started pod/api-new-1"]


@pytest.mark.parametrize(
    ("workload", "passed", "value"),
    [
        (API, Passed.YES, "done"),
        (replace(API, updated=1), Passed.NO, "rolling"),
        (replace(API, available=2), Passed.NO, "rolling"),
        (replace(API, available=2, deadline_exceeded=True), Passed.NO, "failed"),
    ],
)
def test_how_a_rollout_stands(workload: Workload, passed: Passed, value: str) -> None:
    result = look("rollout.standing", kubernetes=namespace(workload=workload))
    assert (result.passed, result.value) == (passed, value)


def test_revisions_are_choices_the_one_before_first() -> None:
    older = Revision(1, "api:0", "", WALL - 99_000, 0, "api-first")
    result = look("rollout.history", kubernetes=namespace(workload=replace(API, revisions=(*API.revisions, older))))
    assert [value for value, _ in result.choices] == ["2", "1"] and "(runs now)" in result.rows[0][0]
    assert look("rollout.history", kubernetes=namespace(workload=replace(API, paused=True))).value == "paused"
    assert (
        look("rollout.history", kubernetes=namespace(workload=replace(API, revisions=API.revisions[:1]))).value
        == "none"
    )


def test_a_fix_that_does_not_hold_is_seen() -> None:
    assert look("rollout.mending", kubernetes=namespace(*CRASHING)).value == "broken"
    starting = replace(pod("api-3", "Running"), ready=0)
    assert look("rollout.mending", kubernetes=namespace(starting, pod("api-1"))).value == "mending"
    late = replace(API, deadline_exceeded=True)
    assert look("rollout.mending", kubernetes=namespace(pod("api-1"), workload=late)).value == "broken"


TRADES = EndpointTime("/trades", 5.0, 800.0, 900.0, 990.0, 800.0, (("database", 10.0), ("redis", 5.0)))
RARE = EndpointTime("/summary", 1.0, 3.0, 20.0, 1500.0, 20.0, (("database", 15.0),))
LATENCY = LatencySnapshot(
    "30s", (RARE, TRADES), (PodTime("api-1", "v2", 3.0, 900.0, 0.02), PodTime("api-2", "v2", 3.0, 950.0, 0.02)), 6.0, 5.9, WALL - 60
)  # fmt: skip
HPA = Autoscaler("api-hpa", "h", "Deployment", "api", 3, 5, 3, 3, ("cpu 9% of 60%",))
FULL = replace(HPA, current=5, desired=5, limited="TooManyReplicas")


def slow(*endpoints: EndpointTime, **fields: Any) -> LatencySnapshot:
    return replace(LATENCY, endpoints=endpoints, **fields)


def capacity(hpa: Autoscaler) -> CapacitySnapshot:
    return CapacitySnapshot((), (hpa,), ())


DATABASE = replace(TRADES, parts=(("database", 700.0), ("redis", 5.0)))


@pytest.mark.parametrize(
    ("latency", "hpa", "workload", "value", "words"),
    [
        (LATENCY, HPA, API, "release", "/trades is slow in the API itself since revision 3: more pods do not help"),
        (slow(DATABASE), HPA, API, "database", "/trades waits for database: more pods would make it worse"),
        (slow(DATABASE), FULL, OLD_RELEASE, "database", "waits for database"),
        (LATENCY, FULL, OLD_RELEASE, "crowded", "is at its maximum of 5 and would want more"),
        (slow(TRADES, pods=(PodTime("api-1", "v", 3.0, 900.0, 0.95),)), HPA, OLD_RELEASE, "crowded", "1 of 1 pods are out of CPU"),
        (LATENCY, HPA, OLD_RELEASE, "api", "loses its time in the API itself"),
        (slow(replace(TRADES, parts=()), breakdown=False), HPA, OLD_RELEASE, "unknown", "nobody knows where"),
        (slow(replace(TRADES, p99=100.0)), HPA, API, "well", "no endpoint is slow now"),
    ],
)  # fmt: skip
def test_each_place_of_lost_time_has_its_own_way(
    latency: LatencySnapshot, hpa: Autoscaler, workload: Workload, value: str, words: str
) -> None:
    readings = {"kubernetes": namespace(pod("api-1"), workload=workload), "kubernetes_capacity": capacity(hpa)}
    result = look("api.latency-verdict", api_latency=latency, **readings)
    assert result.value == value and words in result.sentence, result.sentence


def test_the_slow_endpoint_is_named_not_the_rare_outlier() -> None:
    result = look("api.where-time", api_latency=LATENCY)
    assert result.sentence == "/trades: 98 % of its time goes to the API itself" and result.value == "api"
    absent = look("api.where-time", api_latency=slow(replace(TRADES, parts=()), breakdown=False))
    assert absent.passed is Passed.UNKNOWN and "api_dependency_duration_seconds is absent" in absent.sentence


@pytest.mark.parametrize(
    ("latency", "words"),
    [
        (slow(TRADES, replace(RARE, p99=20.0)), "slow, since 1m: /trades (990ms p99); the others are not"),
        (LATENCY, "all 2 endpoints are slow, since 1m: look at what they share"),
        (slow(replace(TRADES, p99=20.0)), "no endpoint's p99 is over 500 ms"),
        (slow(), "no endpoint has traffic"),
    ],
)
def test_one_endpoint_or_all(latency: LatencySnapshot, words: str) -> None:
    assert words in look("api.endpoints", api_latency=latency).sentence


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "2 of 2 pods are slow, none is short of CPU"),
        ({"rate_now": 12.0}, "2.0 times the requests of half an hour ago"),
        (
            {"pods": (PodTime("api-1", "v", 3.0, 900.0, 0.1), PodTime("api-2", "v", 3.0, 9.0, 0.1))},
            "only api-1 is slow",
        ),
        ({"pods": (PodTime("api-1", "v", 3.0, 900.0, 0.9),)}, "1 of 1 pods are out of CPU"),
    ],
)
def test_one_pod_or_all(fields: dict[str, Any], words: str) -> None:
    assert words in look("api.pods-time", api_latency=replace(LATENCY, **fields)).sentence


@pytest.mark.parametrize(
    ("hpa", "value", "words"),
    [
        (HPA, "scales", "api-hpa has 3 of at most 5"),
        (FULL, "at-maximum", "raise its maximum, a number set by hand is undone"),
        (
            replace(HPA, problem="FailedGetResourceMetric: no metrics"),
            "broken",
            "cannot scale: FailedGetResourceMetric",
        ),
        (replace(HPA, workload="other"), "by-hand", "no autoscaler scales api"),
    ],
)
def test_whether_there_may_be_more_pods(hpa: Autoscaler, value: str, words: str) -> None:
    result = look("api.room", kubernetes_capacity=capacity(hpa))
    assert result.value == value and words in result.sentence


ERRORS = ErrorsSnapshot(
    "30s",
    (EndpointErrors("/summary", "500", 2.0, 100.0), EndpointErrors("/trades", "200", 5.0, 100.0)),
    (("internal", 2.0),),
    (),
    30.0,
    WALL - 60,
)


@pytest.mark.parametrize(
    ("errors", "workload", "value", "words"),
    [
        (ERRORS, API, "release", "revision 3 fits the onset: its own errors"),
        (replace(ERRORS, types=(("database", 2.0),)), API, "database", "the errors blame database, not a release"),
        (replace(ERRORS, types=(("cache", 2.0),)), API, "redis", "blame redis"),
        (replace(ERRORS, types=(("vault", 2.0),)), OLD_RELEASE, "vault", "blame vault"),
        (replace(ERRORS, types=()), API, "release", "fits the onset"),
        (ERRORS, OLD_RELEASE, "unknown", "read the logs"),
        (replace(ERRORS, percent=0.01), API, "well", "no endpoint fails now"),
        (replace(ERRORS, endpoints=ERRORS.endpoints[1:]), API, "well", "no endpoint fails now"),
    ],
)
def test_each_kind_of_error_has_its_own_way(errors: ErrorsSnapshot, workload: Workload, value: str, words: str) -> None:
    result = look("api.error-verdict", api_errors=errors, kubernetes=namespace(workload=workload))
    assert result.value == value and words in result.sentence, result.sentence


def test_a_release_of_long_before_or_after_the_onset_is_no_suspect() -> None:
    for onset, value in ((WALL - 60, "release"), (WALL - 120, "release"), (WALL - 4000, "none"), (None, "recent")):
        found = look("rollout.suspect-errors", api_errors=replace(ERRORS, onset=onset), kubernetes=namespace())
        assert found.value == value, onset
    alone = replace(API, revisions=API.revisions[:1])
    assert look("rollout.suspect-errors", api_errors=ERRORS, kubernetes=namespace(workload=alone)).value == "first"


def test_a_release_that_got_its_old_replica_set_back_came_with_its_pods() -> None:
    again = replace(API, revisions=(replace(API.revisions[0], created_at=WALL - 90_000), API.revisions[1]))
    young = pod("api-new-1", age=100.0)
    found = look("rollout.suspect-errors", api_errors=ERRORS, kubernetes=namespace(young, workload=again))
    assert found.value == "release" and "came 1m ago" in found.sentence
    crash = look("api.cause", kubernetes=namespace(*CRASHING, workload=again), api_crash=failing("redis"))
    assert crash.value == "release"


def test_errors_by_endpoint_type_and_words() -> None:
    assert look("api.error-endpoints", api_errors=ERRORS).sentence.startswith("/summary answers 500 to 100 %, since 1m")
    assert (
        look("api.error-types", api_errors=ERRORS).sentence
        == "most are of type internal: they blame the program itself"
    )
    logs = LogsSnapshot((LogGroup("ERROR TypeError", 12, ("api-1",)),), 300, 3)
    assert look("api.error-lines", api_logs=logs).sentence == "12 x ERROR TypeError"
    assert look("api.error-lines", api_logs=replace(logs, groups=())).passed is Passed.YES


@pytest.mark.parametrize(
    ("check", "metric", "value", "passed"),
    [
        ("api.p99", "p99", 499.0, Passed.YES),
        ("api.p99", "p99", 500.0, Passed.NO),
        ("api.p99", "p99", None, Passed.UNKNOWN),
        ("api.error-rate", "error_percent", 0.4, Passed.YES),
        ("api.error-rate", "error_percent", 0.5, Passed.NO),
        ("api.error-healed", "error_percent", 0.1, Passed.NO),
        ("api.error-healed", "error_percent", 0.09, Passed.YES),
        ("api.error-healed", "error_percent", None, Passed.UNKNOWN),
        ("api.cache-hits", "hit_percent", 84.0, Passed.NO),
        ("api.cache-hits", "hit_percent", 85.0, Passed.YES),
        ("api.cache-hits", "hit_percent", None, Passed.UNKNOWN),
    ],
)
def test_the_runbooks_lines_and_absent_metrics(check: str, metric: str, value: float | None, passed: Passed) -> None:
    snapshot = PlatformSnapshot((Metric(metric, metric, "", value),), None)
    assert look(check, platform=snapshot).passed is passed

"""The checks of a slow and a failing API: where the time goes, whom the errors blame, which release came before."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from alphapulse_tui.model.api import (
    EndpointErrors,
    EndpointTime,
    ErrorsSnapshot,
    LatencySnapshot,
    LogGroup,
    LogsSnapshot,
    PodTime,
)
from alphapulse_tui.model.cluster import Autoscaler, CapacitySnapshot, QuotaLine
from alphapulse_tui.model.kubernetes import Workload
from alphapulse_tui.model.platform import Metric, PlatformSnapshot
from alphapulse_tui.runbook.checks import Passed
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import BranchStep
from tests.runbook.api_scene import API, CRASHING, OLD_RELEASE, WALL, look, namespace, pod
from tests.runbook.test_api_checks import failing

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


BUSY = PodTime("api-1", "v", 3.0, 900.0, 0.95)
DATABASE = replace(TRADES, parts=(("database", 700.0), ("redis", 5.0)))


@pytest.mark.parametrize(
    ("latency", "hpa", "workload", "value", "words"),
    [
        (LATENCY, HPA, API, "release", "/trades is slow in the API itself since revision 3: more pods do not help"),
        (slow(DATABASE), HPA, OLD_RELEASE, "database", "/trades waits for database: more pods would make it worse"),
        (slow(DATABASE), HPA, API, "release-database", "/trades waits for database since revision 3: either may be to blame"),
        (slow(DATABASE, onset=None), HPA, API, "database", "waits for database"),
        (slow(DATABASE), HPA, replace(API, revisions=API.revisions[:1]), "database", "waits for database"),
        (slow(DATABASE), FULL, OLD_RELEASE, "database", "waits for database"),
        (LATENCY, FULL, OLD_RELEASE, "crowded", "is at its maximum of 5 and would want more"),
        (slow(TRADES, pods=(BUSY,)), HPA, OLD_RELEASE, "crowded", "1 of 1 pods are out of CPU"),
        (slow(TRADES, pods=(BUSY,)), replace(HPA, workload="other"), OLD_RELEASE, "crowded-by-hand", "1 of 1 pods are out of CPU"),
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


def hit_rate(percent: float, *history: float) -> PlatformSnapshot:
    return PlatformSnapshot((Metric("hit_percent", "cache hits", "%", percent, history, "q"),), None)


@pytest.mark.parametrize(
    ("latency", "workload", "percent", "value", "words"),
    [
        (slow(DATABASE), API, 4.0, "release-cache", "waits for the database because the cache misses (4 % of lookups hit); revision 3 fits"),
        (slow(DATABASE), OLD_RELEASE, 4.0, "cache", "because the cache misses (4 % of lookups hit): more pods would make it worse"),
        (slow(DATABASE), API, 95.0, "release-database", "either may be to blame"),
        (LATENCY, API, 4.0, "release", "slow in the API itself"),
    ],
)  # fmt: skip
def test_a_cache_that_misses_is_told_from_a_slow_database(
    latency: LatencySnapshot, workload: Workload, percent: float, value: str, words: str
) -> None:
    readings = {"kubernetes": namespace(pod("api-1"), workload=workload), "kubernetes_capacity": capacity(HPA)}
    result = look("api.latency-verdict", api_latency=latency, platform=hit_rate(percent), **readings)
    assert result.value == value and words in result.sentence, result.sentence
    where = look("api.where-time", api_latency=latency, platform=hit_rate(percent))
    assert ("because the cache misses" in where.sentence) is ("cache" in value)


def test_a_collapse_is_told_from_a_cache_that_was_never_warm() -> None:
    collapsed = look("api.cache-hits", platform=hit_rate(4.0, 97.0, 96.0, 40.0))
    assert collapsed.sentence.endswith("; within the hour it was 97 %")
    assert "within the hour" not in look("api.cache-hits", platform=hit_rate(4.0, 30.0)).sentence


@pytest.mark.parametrize(
    ("procedure", "dependency"), [*product(("api-latency", "api-errors"), ("database", "redis", "vault"))]
)
def test_a_release_beside_a_dependency_offers_the_roll_back_and_its_procedure(procedure: str, dependency: str) -> None:
    steps = load_procedures()[procedure].steps
    verdict = next(step for step in steps if step.id == "verdict")
    assert isinstance(verdict, BranchStep)
    way = next(case.goto for case in verdict.cases if case.when == f"release-{dependency}")
    place = next(number for number, step in enumerate(steps) if step.id == way)
    assert "pg-slow-queries" in steps[place].opens and steps[place + 1].id == "roll-back"


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


@pytest.mark.parametrize(
    ("present", "offered"), [(3, ["4", "6", "30"]), (24, ["36", "48", "30"]), (40, ["60", "80"]), (0, ["1", "2", "30"])]
)
def test_scaling_by_hand_never_offers_fewer_pods_than_there_are(present: int, offered: list[str]) -> None:
    found = look("api.replicas", kubernetes=namespace(workload=replace(API, desired=present)))
    assert [value for value, _ in found.choices] == offered


def test_what_is_left_of_the_quota_is_read_in_its_units() -> None:
    quotas = (QuotaLine("q", "requests.memory", 1.27507e9, 4 * 1024**3), QuotaLine("q", "requests.cpu", 1.1, 3.0))
    rows = look("api.room", kubernetes_capacity=replace(capacity(HPA), quotas=quotas)).rows
    assert ("quota requests.memory", "1.2 GiB of 4.0 GiB") in rows and ("quota requests.cpu", "1100m of 3") in rows


NO_HPAS = replace(
    capacity(HPA),
    autoscalers=(),
    missing=("missing grant: autoscaling horizontalpodautoscalers: list in namespace alphapulse",),
)

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
        (
            replace(ERRORS, types=(("database", 2.0),)),
            OLD_RELEASE,
            "database",
            "the errors blame database, not a release",
        ),
        (
            replace(ERRORS, types=(("database", 2.0),)),
            API,
            "release-database",
            "blame database, and revision 3 fits the onset",
        ),
        (replace(ERRORS, types=(("cache", 2.0),)), API, "release-redis", "blame redis, and revision 3"),
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
    again = replace(
        API, revisions=(replace(API.revisions[0], created_at=WALL - 90_000, returned=True), API.revisions[1])
    )
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


@pytest.mark.parametrize(
    ("check", "snapshots", "words"),
    [
        ("api.error-verdict", {"api_errors": replace(ERRORS, endpoints=(), percent=None)}, "no endpoint has traffic"),
        ("api.error-verdict", {"api_errors": replace(ERRORS, percent=None)}, "how many of all requests fail is not measured"),
        ("api.latency-verdict", {"api_latency": slow()}, "no endpoint has traffic"),
        ("api.endpoints", {"api_latency": slow(replace(TRADES, p99=None))}, "nobody measures"),
        ("api.error-lines", {"api_logs": LogsSnapshot((), 0, 0)}, "no line to read: logs of 0 pods"),
        ("api.error-lines", {"api_logs": LogsSnapshot((), 0, 3)}, "no line to read: logs of 3 pods"),
        ("api.error-lines", {"api_logs": LogsSnapshot((), 20, 1, ("api-2: container is waiting",))}, "not read: api-2"),
        ("api.room", {"kubernetes_capacity": NO_HPAS}, "missing grant: autoscaling horizontalpodautoscalers"),
        ("api.latency-verdict", {"api_latency": slow(replace(TRADES, p99=None))}, "the p99 of /trades is not measured"),
    ],
)  # fmt: skip
def test_what_is_not_measured_is_never_well(check: str, snapshots: dict[str, Any], words: str) -> None:
    result = look(check, None, kubernetes=namespace(pod("api-1")), **snapshots)
    assert (result.passed, result.value) == (Passed.UNKNOWN, "unknown") and words in result.sentence

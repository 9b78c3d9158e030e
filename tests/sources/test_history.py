"""What targets remember, asked of servers that answer, refuse, hang and talk nonsense; the real ones are in tests/lab."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alphapulse_tui.config.settings import AlertmanagerTarget, KubernetesTarget, Profile, PrometheusTarget
from alphapulse_tui.model.history import Crossing
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.sources import history_cluster as cluster
from alphapulse_tui.sources.alerts import fingerprint
from alphapulse_tui.sources.history import read_history
from alphapulse_tui.sources.history_metrics import KEY_SERIES, MOST_CROSSINGS, Series, crossings_of
from tests.sources.doors import by_path, door, http, silent

SINCE, UNTIL = 1_800_000_000.0, 1_800_007_200.0
LATENCY = next(one for one in KEY_SERIES if one.subject == "p99 latency")
SEAL = next(one for one in KEY_SERIES if one.target == "vault")


def points(*spans: tuple[float, float, float], step: float = 15.0) -> Series:
    """A series with ``value`` from second ``start`` to ``end`` of the time that is read, else nothing."""
    values = []
    for start, end, value in spans:
        moment = start
        while moment <= end:
            values.append((SINCE + moment, str(value)))
            moment += step
    return Series({}, values)


def onsets(found: list[Crossing]) -> list[tuple[float, float | None]]:
    return [(one.starts_at - SINCE, None if one.ended_at is None else one.ended_at - SINCE) for one in found]


def crossings(series: Series) -> list[Crossing]:
    return crossings_of(LATENCY, 500.0, [series], SINCE, UNTIL)


def test_a_crossing_has_its_onset_its_end_and_its_peak() -> None:
    found = crossings(points((0, 585, 120), (600, 900, 700), (915, 1000, 812.5), (1020, 7200, 130)))
    assert onsets(found) == [(600, 990)]
    assert found[0].peak == 812.5
    assert not found[0].from_before


def test_at_the_line_is_over_it() -> None:
    assert onsets(crossings(points((600, 900, 500.0)))) == [(600, 900)]
    assert crossings(points((600, 900, 499.9))) == []


def test_one_that_stands_has_no_end() -> None:
    assert onsets(crossings(points((0, 5000, 10), (5010, 7200, 900)))) == [(5010, None)]


def test_a_scrape_that_is_missing_does_not_end_it_and_a_long_calm_does() -> None:
    found = crossings(points((600, 700, 900), (780, 900, 900), (2000, 2100, 900)))
    assert onsets(found) == [(600, 900), (2000, 2090)]


def test_nan_is_no_data() -> None:
    assert crossings(points((0, 7200, float("nan")))) == []


def test_one_that_was_there_already_says_so() -> None:
    assert crossings(points((0, 900, 900)))[0].from_before


def test_a_series_that_goes_up_and_down_all_the_time_is_told_a_few_times() -> None:
    found = crossings(points(*((at, at + 15, 900.0) for at in range(300, 7000, 300))))
    assert len(found) == MOST_CROSSINGS
    assert onsets(found)[0][0] == 300


def test_each_node_has_its_own_crossing_and_its_name_is_clean() -> None:
    one, two = points((600, 900, 1)), points((700, 900, 1))
    one.metric["instance"], two.metric["instance"] = "vault-1\x1b[2J", "vault-2"
    found = crossings_of(SEAL, 1.0, [one, two], SINCE, UNTIL)
    assert [each.subject for each in found] == ["seal of vault-1\\x1b[2J", "seal of vault-2"]


# -- the cluster ------------------------------------------------------------------------------------------------------------------------


def iso(second: float) -> str:
    return datetime.fromtimestamp(SINCE + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(
    name: str, reason: str = "BackOff", kind: str = "Pod", first: float = 100, last: float = 200, **more: Any
) -> Any:
    told = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": kind, "name": name},
        "type": "Warning",
        "reason": reason,
        "message": "Back-off [/x] \x1b[2J",
        "firstTimestamp": iso(first),
        "lastTimestamp": iso(last),
        "count": 3,
    }
    return told | more


def replica_set(name: str, at: float, revision: str = "4") -> Any:
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": iso(at),
            "annotations": {"deployment.kubernetes.io/revision": revision, "kubernetes.io/change-cause": "release"},
            "ownerReferences": [{"kind": "Deployment", "name": "api"}],
        },
        "spec": {"template": {"spec": {"containers": [{"name": "api", "image": "api:1.4"}]}}},
    }


def scaled(way: str, name: str, at: float = 300) -> Any:
    message = f"Scaled {way} replica set {name} from 0 to 3"
    return event("api", "ScalingReplicaSet", "Deployment", at, at, message=message, type="Normal")


def answer(*items: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"metadata": {}, "items": list(items)}).encode()


EVENTS = "/api/v1/namespaces/alphapulse/events?limit=1000&fieldSelector="
WARNINGS, SCALINGS = EVENTS + "type%3DWarning", EVENTS + "reason%3DScalingReplicaSet"
SETS = "/apis/apps/v1/namespaces/alphapulse/replicasets"


@contextlib.asynccontextmanager
async def kubernetes(folder: Path, answers: dict[str, tuple[int, bytes]]) -> AsyncIterator[KubernetesTarget]:
    async with door(by_path(answers)) as port:
        yield kubeconfig(folder, port)


def kubeconfig(folder: Path, port: int) -> KubernetesTarget:
    config = folder / "config"
    config.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    return KubernetesTarget(kubeconfig=str(config))


async def test_warnings_are_grouped_by_workload_and_reason(tmp_path: Path) -> None:
    pods = [event("api-6d4cf56db6-x7k2p"), event("api-6d4cf56db6-zz9kq", first=50), event("vault-1", "Unhealthy")]
    answers = {WARNINGS: answer(*pods), SCALINGS: answer(), SETS: answer()}
    async with kubernetes(tmp_path, answers) as target:
        history = await read_history(Profile(kubernetes=target), SINCE, UNTIL)
    told = [(one.subject, one.reason, one.count, one.starts_at - SINCE) for one in history.cluster_events]
    assert told == [("Pod api", "BackOff", 6, 50), ("Pod vault", "Unhealthy", 3, 100)]
    assert history.cluster_events[0].message == "Back-off [/x] \\x1b[2J"


async def test_a_rollout_is_a_new_replica_set_and_a_rollback_an_old_one_that_grows(tmp_path: Path) -> None:
    answers = {
        WARNINGS: answer(),
        SCALINGS: answer(scaled("up", "api-new"), scaled("down", "api-old"), scaled("up", "api-older", 500)),
        SETS: answer(replica_set("api-new", 290), replica_set("api-old", -9000, "3")),
    }
    async with kubernetes(tmp_path, answers) as target:
        history = await read_history(Profile(kubernetes=target), SINCE, UNTIL)
    assert [(one.replica_set, one.revision, one.image, one.cause) for one in history.rollouts] == [
        ("api-new", 4, "api:1.4", "release")
    ]
    assert [one.message for one in history.cluster_events] == ["Scaled up replica set api-older from 0 to 3"]
    assert not history.cluster_events[0].warning


async def test_events_outside_the_time_are_left_out_and_old_ones_that_go_on_are_placed_at_its_beginning(
    tmp_path: Path,
) -> None:
    pods = [event("a-0", first=-900, last=-800), event("b-0", first=-900, last=10), event("c-0", first=7300, last=7400)]
    timeless = event("d-0")
    del timeless["firstTimestamp"], timeless["lastTimestamp"]
    answers = {WARNINGS: answer(*pods, timeless), SCALINGS: answer(), SETS: answer()}
    async with kubernetes(tmp_path, answers) as target:
        history = await read_history(Profile(kubernetes=target), SINCE, UNTIL)
    assert [(one.subject, one.starts_at) for one in history.cluster_events] == [("Pod b", SINCE)]


async def test_a_grant_that_is_missing_is_named_and_the_rest_counts(tmp_path: Path) -> None:
    forbidden = 403, json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden"}).encode()
    answers = {WARNINGS: forbidden, SCALINGS: forbidden, SETS: answer(replica_set("api-new", 10))}
    async with kubernetes(tmp_path, answers) as target:
        history = await read_history(Profile(kubernetes=target), SINCE, UNTIL)
    assert len(history.rollouts) == 1
    assert (
        "the events of Kubernetes are missing in part: missing grant: events: list in namespace alphapulse"
        in history.missing
    )


async def test_a_list_without_end_is_cut_and_that_is_said(tmp_path: Path) -> None:
    endless = 200, json.dumps({"metadata": {"continue": "more"}, "items": [event("a-0")]}).encode()
    answers = {WARNINGS: endless, EVENTS.partition("?")[0]: endless, SETS: answer()}
    async with kubernetes(tmp_path, answers) as target:
        history = await read_history(Profile(kubernetes=target), SINCE, UNTIL)
    assert history.cluster_events[0].count == 3 * cluster.MOST_PAGES
    said = f"there are more than {cluster.MOST_PAGES * 1000:,} events; the rest has not been read"
    assert f"the events of Kubernetes are missing in part: {said}" in history.missing


# -- Prometheus and Alertmanager --------------------------------------------------------------------------------------------------------

LABELS = {"alertname": "VaultSealed", "severity": "P0", "instance": "vault-1"}


def matrix(*series: Series) -> tuple[int, bytes]:
    result = [{"metric": one.metric, "values": one.values} for one in series]
    return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def rules(*alerts: Any) -> tuple[int, bytes]:
    group = {"rules": [{"name": "VaultSealed", "health": "ok", "alerts": list(alerts)}]}
    return 200, json.dumps({"status": "success", "data": {"groups": [group]}}).encode()


def firing(second: float) -> Any:
    return {"labels": LABELS, "state": "firing", "activeAt": iso(second), "annotations": {"summary": "sealed"}}


RANGE = "/api/v1/query_range?query="


@contextlib.asynccontextmanager
async def monitoring(answers: dict[str, tuple[int, bytes]]) -> AsyncIterator[Profile]:
    async with door(by_path({RANGE: matrix(), "/api/v1/rules": rules(), **answers})) as port:
        yield Profile(prometheus=PrometheusTarget(url=f"http://127.0.0.1:{port}"))


async def test_alerts_that_fire_and_alerts_that_fired() -> None:
    fired = points((600, 900, 1), (6000, 7200, 1))
    fired.metric = {"__name__": "ALERTS", "alertstate": "firing", **LABELS}
    async with monitoring({RANGE + "ALERTS": matrix(fired), "/api/v1/rules": rules(firing(5990))}) as profile:
        history = await read_history(profile, SINCE, UNTIL)
    told = [(one.starts_at - SINCE, one.ended_at and one.ended_at - SINCE, one.summary) for one in history.alerts]
    assert told == [(5990, None, "sealed"), (600, 900, "instance vault-1")]
    assert {one.fingerprint for one in history.alerts} == {fingerprint(LABELS)}


async def test_an_alert_that_ended_a_moment_ago_has_ended() -> None:
    fired = points((600, 7200, 1))
    fired.metric = {"__name__": "ALERTS", "alertstate": "firing", **LABELS}
    async with monitoring({RANGE + "ALERTS": matrix(fired)}) as profile:
        history = await read_history(profile, SINCE, UNTIL)
    assert [one.ended_at for one in history.alerts] == [UNTIL]


async def test_key_figures_are_judged_by_the_profile_s_lines() -> None:
    slow = matrix(points((600, 900, 350)))
    async with monitoring({RANGE + "1000+": slow, RANGE + "1000%20": slow}) as profile:
        assert (await read_history(profile, SINCE, UNTIL)).crossings == ()
        strict = Profile(
            prometheus=profile.prometheus, thresholds=Thresholds(api_p99_warning=100, api_p99_critical=300)
        )
        found = (await read_history(strict, SINCE, UNTIL)).crossings
    assert [(one.subject, one.limit, one.starts_at - SINCE) for one in found] == [("p99 latency", 300, 600)]


async def test_a_question_that_fails_is_named_and_the_others_count() -> None:
    sealed = points((600, 900, 1))
    sealed.metric = {"instance": "vault-1"}
    broken = 422, b"{}"
    answers = {RANGE + "1+-+vault": matrix(sealed), RANGE + "1%20-%20vault": matrix(sealed), RANGE + "ALERTS": broken}
    async with monitoring(answers) as profile:
        history = await read_history(profile, SINCE, UNTIL)
    assert [one.subject for one in history.crossings] == ["seal of vault-1"]
    sentence = (
        "the key figures of Prometheus are missing in part: ALERTS: Prometheus answers a range query with code 422"
    )
    assert sentence in history.missing


async def test_nonsense_is_one_sentence() -> None:
    async with door(http(b"<html>", kind="text/html")) as port:
        address = f"http://127.0.0.1:{port}"
        profile = Profile(prometheus=PrometheusTarget(url=address), alertmanager=AlertmanagerTarget(url=address))
        history = await read_history(profile, SINCE, UNTIL)
    assert (history.alerts, history.crossings) == ((), ())
    assert (
        "the key figures of Prometheus are missing: something answers in Prometheus' place, but not as it does"
        in history.missing
    )


async def test_whoever_hangs_costs_the_deadline_and_no_more(tmp_path: Path) -> None:
    async with door(silent) as port:
        profile = Profile(
            prometheus=PrometheusTarget(url=f"http://127.0.0.1:{port}"), kubernetes=kubeconfig(tmp_path, port)
        )
        started = time.monotonic()
        history = await read_history(profile, SINCE, UNTIL, deadline=0.5)
    assert time.monotonic() - started < 3.0
    assert sorted(history.missing) == [
        "the alerts are missing: no answer within 0.5 s",
        "the events of Kubernetes are missing: no answer within 0.5 s",
        "the key figures of Prometheus are missing: no answer within 0.5 s",
    ]


async def test_what_is_not_configured_is_not_known() -> None:
    history = await read_history(Profile(), SINCE, UNTIL)
    assert history.missing == (
        "the alerts are missing: neither Prometheus nor Alertmanager is configured",
        "the key figures of Prometheus are missing: it is not configured",
        "the events of Kubernetes are missing: it is not configured",
    )

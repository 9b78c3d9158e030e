"""The surveys of Kubernetes and the API: what they read, what a missing right takes away, and servers that answer nonsense."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.parse
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from alphapulse_tui.model.api_environment import Place
from alphapulse_tui.sources.api_crash import CrashSource
from alphapulse_tui.sources.api_logs import LogsSource, grouped
from alphapulse_tui.sources.api_metrics import ErrorsSource, LatencySource
from alphapulse_tui.sources.api_probe import probe
from alphapulse_tui.sources.contract import Denied, Unreachable
from alphapulse_tui.sources.kubernetes_capacity import CapacitySource
from alphapulse_tui.sources.kubernetes_events import EventsSource
from alphapulse_tui.sources.kubernetes_rights import KubernetesRightsSource
from alphapulse_tui.sources.kubernetes_surveys import SURVEYS
from tests.sources.doors import Behaviour, by_path, door, says, silent

SPACE = "/namespaces/alphapulse"
DENIED = (403, json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}).encode())

Answers = dict[str, tuple[int, bytes]]


def told(**content: Any) -> tuple[int, bytes]:
    return 200, json.dumps(content).encode()


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Callable[[Answers], Any]]:
    """Open a door that answers by path, and make the arguments of a source for it."""
    async with AsyncExitStack() as stack:

        async def open_cluster(answers: Answers) -> tuple[str, str, str]:
            port = await stack.enter_async_context(door(by_path(answers)))
            kubeconfig = tmp_path / f"{port}"
            named = {
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "x"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            }
            kubeconfig.write_text(
                yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", **named})
            )
            return str(kubeconfig), "", "alphapulse"

        yield open_cluster


async def test_events_of_both_kinds_are_read_newest_first_and_clean(cluster) -> None:
    old = {
        "metadata": {"uid": "1"},
        "type": "Warning",
        "reason": "BackOff",
        "message": "evil\x1b[2J password=hunter2",
        "involvedObject": {"kind": "Pod", "name": "api-1"},
        "count": 4,
        "lastTimestamp": "1970-01-01T00:00:10Z",
    }
    new = {
        "metadata": {"uid": "2"},
        "reason": "Killing",
        "note": "told",
        "regarding": {"kind": "Pod", "name": "api-2"},
        "series": {"count": 7, "lastObservedTime": "1970-01-01T00:00:20Z"},
    }
    source = EventsSource(*await cluster({f"/api/v1{SPACE}/events": told(items=[old, new, "junk"], metadata={})}))
    snapshot = await source.read()
    await source.close()
    assert [(event.object, event.count, event.last_at) for event in snapshot.events] == [
        ("pod/api-2", 7, 20.0),
        ("pod/api-1", 4, 10.0),
    ]
    assert "\x1b" not in snapshot.events[1].message and "hunter2" not in snapshot.events[1].message
    assert not snapshot.more


HPA = {
    "metadata": {"name": "api-hpa", "uid": "h"},
    "spec": {
        "minReplicas": 3,
        "maxReplicas": 5,
        "scaleTargetRef": {"kind": "Deployment", "name": "api"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 60}}}],
    },
    "status": {
        "currentReplicas": 5,
        "desiredReplicas": 5,
        "currentMetrics": [{"resource": {"name": "cpu", "current": {"averageUtilization": 84}}}],
        "conditions": [
            {"type": "ScalingActive", "status": "True"},
            {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"},
        ],
    },
}
NODE = {
    "metadata": {"name": "n1"},
    "status": {
        "allocatable": {"memory": "16Gi", "cpu": "4"},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "True"}],
    },
}
QUOTA = {
    "metadata": {"name": "q"},
    "status": {"hard": {"pods": "40", "requests.cpu": "3"}, "used": {"pods": "15", "requests.cpu": "900m"}},
}


async def test_room_is_read_and_a_missing_right_takes_only_its_own_part(cluster) -> None:
    answers = {
        "/api/v1/nodes": DENIED,
        "/apis/metrics.k8s.io/v1beta1/nodes": DENIED,
        f"/apis/autoscaling/v2{SPACE}/horizontalpodautoscalers": told(items=[HPA]),
        f"/api/v1{SPACE}/resourcequotas": told(items=[QUOTA]),
    }
    source = CapacitySource(*await cluster(answers))
    snapshot = await source.read()
    await source.close()
    (hpa,) = snapshot.autoscalers
    assert hpa.at_maximum and hpa.figures == ("cpu 84% of 60%",) and snapshot.of("Deployment", "api") is hpa
    assert [(line.resource, line.left) for line in snapshot.quotas] == [("pods", 25.0), ("requests.cpu", 2.1)]
    assert snapshot.nodes == () and "missing grant: nodes: list (cluster-wide)" in snapshot.missing


async def test_a_node_under_pressure_is_seen_without_a_metrics_server(cluster) -> None:
    source = CapacitySource(*await cluster({"/api/v1/nodes": told(items=[NODE])}))
    snapshot = await source.read()
    await source.close()
    (node,) = snapshot.nodes
    assert node.pressures == ("MemoryPressure",) and node.memory_free is None
    assert any("metrics.k8s.io" in sentence for sentence in snapshot.missing)


async def test_who_may_read_nothing_is_told_so(cluster) -> None:
    everything = dict.fromkeys(("/api/v1", "/apis"), DENIED)
    source = CapacitySource(*await cluster(everything))
    with pytest.raises(Denied, match="horizontalpodautoscalers"):
        await source.read()
    await source.close()


@pytest.mark.parametrize("source", [EventsSource, CrashSource, LogsSource])
async def test_nonsense_in_the_servers_place_is_no_reading(cluster, source) -> None:
    made = source(*await cluster({"/": (200, b"<html>welcome</html>")}))
    with pytest.raises(Unreachable, match="cannot be understood"):
        await made.read()
    await made.close()


DEPLOYMENT = {
    "metadata": {"name": "api"},
    "spec": {
        "selector": {"matchLabels": {"app": "api"}},
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "api",
                        "image": "api:2",
                        "env": [
                            {"name": "DATABASE_URL", "value": "postgresql://u:hunter2@127.0.0.1:1/x"},
                            {"name": "VAULT_ADDR", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                        ],
                        "resources": {"limits": {"memory": "384Mi"}},
                    }
                ]
            }
        },
    },
}


WORKERS = {"metadata": {"name": "workers"}, "spec": {"replicas": 2}, "status": {"replicas": 2}}


def crashed(name: str, restarts: int, **status: Any) -> dict[str, Any]:
    ended = {"reason": "Error", "exitCode": 1, "finishedAt": "1970-01-01T00:00:10Z"}
    container = {
        "name": "api",
        "image": "api:2",
        "ready": False,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": ended},
        **status,
    }
    return {"metadata": {"name": name}, "status": {"containerStatuses": [container]}}


async def test_a_crash_is_read_with_its_last_words_and_without_a_secret(cluster) -> None:
    well = {"metadata": {"name": "fine"}, "spec": {"replicas": 0}}
    healthy = crashed("api-well", 0, ready=True, state={"running": {}}, lastState={})
    answers = {
        f"/apis/apps/v1{SPACE}/deployments": told(items=[DEPLOYMENT, well, WORKERS]),
        f"/api/v1{SPACE}/pods": told(items=[healthy, crashed("api-1", 2), crashed("api-2", 7)]),
        f"/api/v1{SPACE}/pods/api-2/log": (200, b"INFO hello\nFATAL password=hunter2 \x1b[2J\n"),
        f"/api/v1{SPACE}/pods/api-1/log": DENIED,
    }
    source = CrashSource(*await cluster(answers))
    every = await source.read()
    await source.close()
    assert [one.deployment for one in every.deployments] == ["api", "workers"], "the API and who is not well"
    snapshot = every.of("api")
    assert [(end.pod, end.restarts, end.exit_code) for end in snapshot.ends] == [("api-2", 7, 1), ("api-1", 2, 1)]
    assert snapshot.ends[0].words[0] == "INFO hello" and "FATAL" in snapshot.ends[0].words[1]
    assert "pods/log: get" in snapshot.ends[1].log_problem
    database, vault = snapshot.probes
    assert (database.place, database.answers) == ("127.0.0.1:1", False) and "refuses" in database.said
    assert vault.answers is None and snapshot.failing("database") and not snapshot.failing("vault")
    assert "hunter2" not in repr(snapshot) and "\x1b" not in repr(snapshot)


@pytest.mark.parametrize(
    ("dependency", "behaviour", "answers", "words"),
    [
        ("database", says(b"N"), True, "PostgreSQL answers"),
        ("database", says(b"HTTP/1.1 400 Bad Request\r\n"), False, "not as PostgreSQL does"),
        ("redis", says(b"-NOAUTH Authentication required.\r\n"), True, "Redis answers (NOAUTH)"),
        ("redis", says(b"-NOPERM User api may not\r\n"), True, "Redis answers (NOPERM)"),
        ("redis", says(b"-LOADING Redis is loading the dataset in memory\r\n"), False, "serves nobody: LOADING"),
        ("redis", says(b"-MASTERDOWN Link with MASTER is down\r\n"), False, "serves nobody: MASTERDOWN"),
        ("redis", says(b"+PONG\r\n"), True, "Redis answers (PONG)"),
        ("redis", says(b"HTTP/1.1 400\r\n"), False, "not as Redis does"),
        ("vault", says(b"HTTP/1.0 200 OK\r\n\r\n"), True, "active"),
        ("vault", says(b"HTTP/1.0 503 Service Unavailable\r\n\r\n"), False, "sealed"),
        ("vault", says(b"SSH-2.0\r\n"), False, "not as Vault does"),
        ("redis", silent, False, "no answer within 0.3 s"),
    ],
)
async def test_an_open_port_is_not_yet_an_answer(
    dependency: str, behaviour: Behaviour, answers: bool, words: str
) -> None:
    async with door(behaviour) as port:
        found, said = await probe(dependency, Place("127.0.0.1", port), 0.3 if behaviour is silent else 5.0)
    assert found is answers and words in said


async def test_what_does_not_listen_or_has_no_name_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await probe("redis", Place("127.0.0.1", 1))) == (False, "refuses connections: nothing listens there")

    async def nameless(*arguments: Any, **named: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(asyncio, "open_connection", nameless)
    assert (await probe("redis", Place("nowhere", 1))) == (False, "the host name cannot be resolved")


def test_lines_that_differ_in_numbers_are_one_complaint() -> None:
    lines = [
        "1970-01-01T00:00:10Z ERROR /summary: TypeError 17",
        "1970-01-01T00:00:20Z ERROR /summary: TypeError 18",
        "1970-01-01T00:00:20Z INFO all is well, no ERRORS",
        "1970-01-01T00:00:30Z FATAL token=hunter2secret",
    ]
    groups = grouped([("api-1", lines), ("api-2", lines[:1])])
    assert [(group.count, group.pods, group.last_at) for group in groups] == [
        (3, ("api-1", "api-2"), 20.0),
        (1, ("api-1",), 30.0),
    ]
    assert "hunter2" not in groups[1].text


@pytest.mark.parametrize(
    ("line", "complains"),
    [
        ('{"level":"error","msg":"cannot connect"}', True),
        ('{"severity": "CRITICAL", "message": "x"}', True),
        ("lvl=error msg=x", True),
        ("level=crit msg=x", True),
        ("error: cannot connect", True),
        ("2026/01/01 [error] 7#7: connect() failed", True),
        ("sqlalchemy.exc.OperationalError: (psycopg) connection refused", True),
        ("panic: runtime", True),
        ("Traceback (most recent call last):", True),
        ("INFO finished with 0 errors", False),
        ("INFO finished with 0 error(s), no exception", False),
        ("level=info error=<nil> error_count=0", False),
        ('{"level": "info", "error": null}', False),
        ('{"level": "info", "error": ""}', False),
        ("WARN non-fatal, goes on", False),
    ],
)
def test_a_complaint_is_known_in_the_forms_that_programs_write(line: str, complains: bool) -> None:
    assert bool(grouped([("api-1", [f"1970-01-01T00:00:10Z {line}"])])) is complains


def prometheus(
    answer: Callable[[str], list[tuple[dict[str, str], float]]], points: list[tuple[float, str]]
) -> Behaviour:
    """Answers each instant query by its text, and each range with ``points``."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                return
            path = urllib.parse.unquote_plus(request.split(" ")[1])
            if "query_range" in path:
                result: list[Any] = [{"metric": {}, "values": [list(point) for point in points]}]
            else:
                result = [{"metric": labels, "value": [1.0, str(value)]} for labels, value in answer(path)]
            body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()

    return behave


async def test_latency_by_endpoint_with_what_the_dependencies_take() -> None:
    def answer(query: str) -> list[tuple[dict[str, str], float]]:
        if "dependency" in query:
            return [
                ({"endpoint": "/a", "dependency": "database"}, 700.0),
                ({"endpoint": "/a", "dependency": "redis"}, 20.0),
            ]
        if "(pod" in query or "pod)" in query:
            return [({"pod": "api-1", "version": "v2"}, 3.0)]
        return [({"endpoint": "/a"}, 800.0), ({"endpoint": "/b"}, float("nan"))]

    async with door(prometheus(answer, [(940.0, "100"), (955.0, "600"), (970.0, "700"), (985.0, "NaN")])) as port:
        source = LatencySource(f"http://127.0.0.1:{port}", "30s", clock=lambda: 1000.0)
        snapshot = await source.read()
        await source.close()
    (endpoint,) = snapshot.endpoints
    assert endpoint.parts == (("database", 700.0), ("redis", 20.0)) and endpoint.own == 80.0
    assert snapshot.onset == 955.0 and snapshot.breakdown and snapshot.pods[0].pod == "api-1"


async def test_errors_by_endpoint_type_and_release() -> None:
    def answer(query: str) -> list[tuple[dict[str, str], float]]:
        if "by (version)" in query:
            return [({"version": "v2"}, 1.0 if "5.." in query else 4.0)]
        if "api_errors_total" in query:
            return [({"type": "internal"}, 1.0), ({"type": "cache"}, 0.0)]
        if "by (endpoint, status)" in query:
            return [({"endpoint": "/a", "status": "200"}, 3.0), ({"endpoint": "/a", "status": "500"}, 1.0)]
        return [({}, 25.0)]

    async with door(prometheus(answer, [(900.0, "0"), (1000.0, "0")])) as port:
        source = ErrorsSource(f"http://127.0.0.1:{port}", "5m", clock=lambda: 1000.0)
        snapshot = await source.read()
        await source.close()
    assert [(one.status, one.percent) for one in snapshot.endpoints] == [("500", 25.0), ("200", 75.0)]
    assert snapshot.types == (("internal", 1.0),) and snapshot.versions[0].percent == 25.0
    assert snapshot.percent == 25.0 and snapshot.onset is None


async def test_a_prometheus_without_these_metrics_is_absent_not_zero() -> None:
    async with door(prometheus(lambda query: [], [])) as port:
        latency = LatencySource(f"http://127.0.0.1:{port}", "5m")
        snapshot = await latency.read()
        errors = ErrorsSource(f"http://127.0.0.1:{port}", "5m")
        failed = await errors.read()
        await latency.close()
        await errors.close()
    assert snapshot.endpoints == () and not snapshot.breakdown and snapshot.rate_now is None
    assert failed.percent is None and failed.endpoints == () and failed.onset is None


def test_a_recipe_says_what_its_source_says() -> None:
    kinds = (
        EventsSource,
        CapacitySource,
        KubernetesRightsSource,
        CrashSource,
        LogsSource,
        LatencySource,
        ErrorsSource,
    )
    classes = {one.target: one for one in kinds}
    assert {recipe.target: (recipe.interval, recipe.deadline) for recipe in SURVEYS} == {
        target: (one.interval, one.deadline) for target, one in classes.items()
    }

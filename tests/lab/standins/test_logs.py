"""Loki and Sentry tell what the lab's programs really wrote."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from alphapulse_tui.lab.standins.logql import ParseError, parse
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

Clients = dict[str, httpx.AsyncClient]
RANGE = "/loki/api/v1/query_range"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A lab's directory in which a pod and a server have logged."""
    pod = tmp_path / "kubernetes" / "logs" / "alphapulse_api-7c9d-x2x_0aa1"
    pod.mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    lines = ["INFO serves", "ERROR postgres: refused after 12 ms", "ERROR postgres: refused after 15 ms", "FATAL no"]
    (pod / "api-0.log").write_text("\n".join(lines) + "\n")
    (tmp_path / "logs" / "redis-cluster-0.log").write_text("Ready to accept connections\n")
    return tmp_path


async def ask(loki: httpx.AsyncClient, query: str, **more: object) -> list[tuple[str, str]]:
    """(pod, line) of what a query found, in the order of the answer."""
    answer = await loki.get(RANGE, params={"query": query, **more})  # type: ignore[dict-item]
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert data["resultType"] == "streams"
    return [(one["stream"]["pod"], line) for one in data["result"] for _moment, line in one["values"]]


async def test_loki_selects_filters_limits_and_turns(written: Path, standins: Clients) -> None:
    loki, pod = standins["loki"], "api-7c9d-x2x"
    assert await ask(loki, '{container="redis-cluster"}') == [("redis-cluster-0", "Ready to accept connections")]
    errors = await ask(loki, '{container=~"a.i"} |= "ERROR" !~ "1[0-3] ms"')
    assert errors == [(pod, "ERROR postgres: refused after 15 ms")]
    forward = await ask(loki, '{pod="api-7c9d-x2x", namespace!="other"}', direction="forward", limit=2)
    assert [line for _, line in forward] == ["INFO serves", "ERROR postgres: refused after 12 ms"]
    backward = await ask(loki, '{pod="api-7c9d-x2x"}', limit=1)
    assert backward == [(pod, "FATAL no")]


async def test_loki_keeps_to_the_asked_time(written: Path, standins: Clients) -> None:
    loki, now = standins["loki"], time.time()
    every = '{namespace="alphapulse"}'
    assert len(await ask(loki, every)) == 5
    assert await ask(loki, every, end=f"{now - 60:.0f}") == []
    assert len(await ask(loki, every, start=f"{(now - 60) * 1e9:.0f}", end=f"{(now + 60) * 1e9:.0f}")) == 5
    assert len(await ask(loki, every, start="2020-01-01T00:00:00Z")) == 5
    values = (await loki.get("/loki/api/v1/label/container/values")).json()["data"]
    assert values == ["api", "redis-cluster"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "col 1: syntax error: unexpected $end"),
        ("api", "unexpected api"),
        ('{app="api"', "col 2: syntax error"),
        ("{}", "col 2: syntax error"),
        ('rate({app="api"}[5m])', "unexpected rate("),
        ('{app="api"} | json', "unexpected |"),
        ('{app=~".*"}', "at least one regexp or equality matcher"),
        ('{app=~"["}', "error parsing regexp"),
    ],
)
async def test_loki_refuses_what_it_cannot_parse(standins: Clients, query: str, said: str) -> None:
    answer = await standins["loki"].get(RANGE, params={"query": query})
    assert answer.status_code == 400
    assert said in answer.text
    with pytest.raises(ParseError):
        parse(query)


async def test_loki_refuses_a_bad_time_and_too_many_lines(standins: Clients) -> None:
    loki, query = standins["loki"], '{pod="x"}'
    assert (await loki.get(RANGE, params={"query": query, "start": "yesterday"})).status_code == 400
    many = await loki.get(RANGE, params={"query": query, "limit": 6000})
    assert "max entries limit" in many.text


async def test_sentry_groups_what_the_programs_logged_as_errors(written: Path, standins: Clients) -> None:
    sentry, path = standins["sentry"], "/api/0/projects/alphapulse/api/issues/"
    issues = (await sentry.get(path, params={"query": "is:unresolved"})).json()
    assert sorted((one["level"], one["count"], one["culprit"]) for one in issues) == [
        ("error", "2", "postgres"),
        ("fatal", "1", "no"),
    ]
    assert len((await sentry.get(path, params={"query": "refused", "statsPeriod": "24h"})).json()) == 1
    assert (await sentry.get(path, params={"statsPeriod": "1h"})).status_code == 400
    assert (await sentry.get("/api/0/projects/alphapulse/other/issues/")).status_code == 404


@pytest.mark.lab
def test_in_the_lab_they_tell_of_its_servers_and_misbehave_by_file(whole_lab: LabHandle) -> None:
    whole_lab.wait("standins")
    told = json.loads((whole_lab.directory / "standins.json").read_text())
    assert list(told) == ["slack", "pagerduty", "statuspage", "loki", "grafana", "sentry", "jaeger", "github", "jira"]
    with httpx.Client(trust_env=False, headers={"X-Scope-OrgID": told["loki"]["tenant"]}) as http:

        def ready() -> bool:
            query = {"query": '{pod="postgres-primary"} |= "ready to accept connections"', "limit": "1"}
            return bool(http.get(told["loki"]["url"] + RANGE, params=query).json()["data"]["result"])

        wait_until(ready, 10, "the primary's log in Loki")
        slack = told["slack"]
        webhook = slack["url"] + slack["webhook_path"] + Path(slack["webhook_file"]).read_text().strip()
        assert http.post(webhook, json={"text": "hello"}).text == "ok"
        key = Path(told["pagerduty"]["routing_key_file"]).read_text().strip()
        body = {"routing_key": key, "event_action": "resolve", "dedup_key": "x"}
        assert http.post(told["pagerduty"]["url"] + "/v2/enqueue", json=body).status_code == 202
        http.delete(slack["url"] + "/_kept")

"""What all stand-ins do: check who asks, keep what they got without its secrets, and misbehave when told to."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.lab.standins.conftest import AUTHORISED, ROUTING_KEY, TOKENS, WEBHOOK
from tests.waiting import until

Clients = dict[str, httpx.AsyncClient]

# service, method, path, body, status and words without a token, status and words with a wrong one
STRANGERS: list[tuple[str, str, str, Any, tuple[int, str], tuple[int, str]]] = [
    ("slack", "POST", "/api/chat.postMessage", {"text": "x"}, (200, '"not_authed"'), (200, '"invalid_auth"')),
    ("pagerduty", "GET", "/oncalls", None, (401, "Access denied"), (401, "Access denied")),
    ("statuspage", "GET", "/v1/pages/lab0page0000/incidents", None, (401, "Could not authenticate"), (401, "authenticate")),
    ("grafana", "GET", "/api/annotations", None, (401, "auth.unauthorized"), (401, "api-key.invalid")),
    ("grafana", "GET", "/render/d-solo/a/b", None, (401, "auth.unauthorized"), (401, "api-key.invalid")),
    ("sentry", "GET", "/api/0/projects/alphapulse/api/issues/", None, (401, "were not provided"), (401, "Invalid token")),
    ("github", "POST", "/repos/alphapulse/platform/issues", {}, (401, "Requires auth"), (401, "Bad credentials")),
    ("jira", "POST", "/rest/api/3/issue", {}, (401, "must be authenticated"), (401, "must be authenticated")),
    ("loki", "GET", "/loki/api/v1/labels", None, (401, "no org id"), (200, "success")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "method", "path", "body", "without", "wrong"), STRANGERS)
async def test_a_stranger_gets_the_real_refusal(
    standins: Clients, name: str, method: str, path: str, body: Any, without: tuple[int, str], wrong: tuple[int, str]
) -> None:
    url = standins[name].base_url.join(path)
    wrong_headers = {key: value.replace("right", "wrong") for key, value in AUTHORISED[name].items()}
    async with httpx.AsyncClient(trust_env=False, verify=False) as stranger:
        answers = [await stranger.request(method, url, json=body, headers=one) for one in ({}, wrong_headers)]
    for answer, (status, words) in zip(answers, (without, wrong), strict=True):
        assert answer.status_code == status
        assert words in answer.text


async def test_what_came_is_kept_without_its_secrets_and_can_be_forgotten(standins: Clients) -> None:
    slack, pagerduty = standins["slack"], standins["pagerduty"]
    await slack.post(f"/services/T0LAB0000/B0LAB0000/{WEBHOOK}", json={"text": "API down"})
    await slack.post("/api/conversations.create", data={"name": "inc-1", "token": "other-secret"})
    await pagerduty.post("/v2/enqueue", json={"routing_key": ROUTING_KEY, "event_action": "resolve", "dedup_key": "a"})
    kept = (await slack.get("/_kept")).json()
    assert [(one["method"], one["path"], one["status"]) for one in kept] == [
        ("POST", "/services/T0LAB0000/B0LAB0000/***", 200),
        ("POST", "/api/conversations.create", 200),
    ]
    assert kept[0]["body"] == {"text": "API down"}
    assert kept[1]["body"] == {"name": "inc-1", "token": "***"}
    both = json.dumps(kept) + (await pagerduty.get("/_kept")).text
    assert not [secret for secret in (*TOKENS.values(), WEBHOOK, ROUTING_KEY, "other-secret") if secret in both]

    assert (await slack.delete("/_kept")).status_code == 204
    assert (await slack.get("/_kept")).json() == []
    # What came of it is forgotten too: the channel's name is free again.
    assert (await slack.post("/api/conversations.create", json={"name": "inc-1"})).json()["ok"] is True


# service, a request that works, and what the service says when it fails with 500
FAILURES = [
    ("slack", ("POST", "/api/chat.postMessage", {"channel": "#incidents", "text": "x"}), '"internal_error"'),
    ("slack", ("POST", f"/services/T0LAB0000/B0LAB0000/{WEBHOOK}", {"text": "x"}), "rollup_error"),
    ("pagerduty", ("GET", "/oncalls", None), '"code": 2000'),
    ("statuspage", ("GET", "/v1/pages/lab0page0000/incidents", None), "Server error"),
    ("loki", ("GET", "/ready", None), "context canceled"),
    ("grafana", ("GET", "/api/health", None), "Internal Server Error"),
    ("sentry", ("GET", "/api/0/projects/alphapulse/api/issues/", None), "Internal Error"),
    ("jaeger", ("GET", "/api/services", None), "failed to read"),
    ("github", ("GET", "/repos/alphapulse/platform/issues", None), "Server Error"),
    ("jira", ("POST", "/rest/api/3/issue", {"fields": {"summary": "x", "project": {"key": "OPS"}, "issuetype": {"name": "Bug"}}}), "Internal server"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "request_", "words"), FAILURES)
async def test_each_fails_in_its_own_words_as_often_as_it_was_told(
    standins: Clients, name: str, request_: tuple[str, str, Any], words: str
) -> None:
    client, (method, path, body) = standins[name], request_
    told = await client.post("/_behave", json={"mode": "fail", "status": 500, "times": 2})
    assert told.json()["times"] == 2
    answers = [await client.request(method, path, json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers[:2]] == [500, 500]
    assert words in answers[0].text
    assert answers[2].is_success
    assert [one["status"] for one in (await client.get("/_kept")).json()] == [500, 500, answers[2].status_code]


async def test_one_that_hangs_keeps_and_does_nothing_and_the_others_answer(standins: Clients) -> None:
    slack = standins["slack"]
    await slack.post("/_behave", json={"mode": "hang"})
    with pytest.raises(httpx.ReadTimeout):
        await slack.post("/api/conversations.create", json={"name": "inc-1"}, timeout=0.3)
    assert (await standins["jaeger"].get("/api/services")).status_code == 200
    assert [one["status"] for one in (await slack.get("/_kept")).json()] == [0]
    await slack.post("/_behave", json={})
    assert (await slack.post("/api/conversations.create", json={"name": "inc-1"})).json()["ok"] is True


async def test_one_that_is_slow_has_done_it_when_the_asker_has_lost_patience(standins: Clients) -> None:
    slack = standins["slack"]
    await slack.post("/_behave", json={"mode": "slow", "seconds": 5, "times": 1})
    with pytest.raises(httpx.ReadTimeout):
        await slack.post("/api/conversations.create", json={"name": "inc-1"}, timeout=0.3)

    async def taken() -> bool:
        return (await slack.post("/api/conversations.create", json={"name": "inc-1"})).json().get(
            "error"
        ) == "name_taken"

    await until(taken, 5, "the channel of the slow call to be there")


@pytest.mark.parametrize("nonsense", ['{"mode": "explode"}', '{"moode": "fail"}', "[]", "{"])
async def test_a_behaviour_that_there_is_not_is_refused(standins: Clients, nonsense: str) -> None:
    answer = await standins["jira"].post("/_behave", content=nonsense)
    assert answer.status_code == 400
    assert answer.json()["error"]

"""Each stand-in's own part: what an incident does with it, and what the real one would refuse."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import httpx
import pytest

from tests.lab.standins.conftest import ROUTING_KEY, WEBHOOK

Clients = dict[str, httpx.AsyncClient]


def event(action: str, key: str = "alert-1", **more: Any) -> dict[str, Any]:
    payload = {"summary": "API is down", "source": "prometheus", "severity": "critical"}
    return {"routing_key": ROUTING_KEY, "event_action": action, "dedup_key": key, "payload": payload, **more}


async def test_slack_opens_a_channel_and_takes_messages(standins: Clients) -> None:
    slack = standins["slack"]
    made = (await slack.post("/api/conversations.create", json={"name": "inc-0042"})).json()["channel"]
    posted = (await slack.post("/api/chat.postMessage", data={"channel": made["id"], "text": "P0"})).json()
    assert (posted["ok"], posted["channel"], posted["message"]["text"]) == (True, made["id"], "P0")
    assert posted["ts"] == posted["message"]["ts"]
    topic = (await slack.post("/api/conversations.setTopic", json={"channel": made["id"], "topic": "P0"})).json()
    assert topic["channel"]["topic"]["value"] == "P0"


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "#nowhere", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "#incidents"}, "no_text"),
        ("conversations.create", {}, "invalid_name_required"),
        ("conversations.create", {"name": "Incident 42"}, "invalid_name_specials"),
        ("conversations.create", {"name": "x" * 81}, "invalid_name_maxlength"),
        ("conversations.create", {"name": "incidents"}, "name_taken"),
        ("conversations.destroy", {}, "unknown_method"),
    ],
)
async def test_slack_refuses_with_status_200(
    standins: Clients, method: str, arguments: dict[str, str], error: str
) -> None:
    answer = await standins["slack"].post(f"/api/{method}", json=arguments)
    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})


@pytest.mark.parametrize(
    ("path", "content", "status", "said"),
    [
        (f"/services/T0LAB0000/B0LAB0000/{WEBHOOK}", '{"text": "x"}', 200, "ok"),
        (f"/services/T0LAB0000/B0LAB0000/{WEBHOOK}", "{}", 400, "no_text"),
        (f"/services/T0LAB0000/B0LAB0000/{WEBHOOK}", "text", 400, "invalid_payload"),
        ("/services/T0LAB0000/B0LAB0000/wrong", '{"text": "x"}', 403, "invalid_token"),
        (f"/services/T1/B1/{WEBHOOK}", '{"text": "x"}', 404, "no_service"),
    ],
)
async def test_a_slack_webhook_answers_in_text(
    standins: Clients, path: str, content: str, status: int, said: str
) -> None:
    answer = await standins["slack"].post(path, content=content)
    assert (answer.status_code, answer.text) == (status, said)


async def test_pagerduty_opens_acknowledges_notes_and_resolves(standins: Clients) -> None:
    pagerduty = standins["pagerduty"]
    opened = await pagerduty.post("/v2/enqueue", json=event("trigger"))
    assert (opened.status_code, opened.json()["dedup_key"]) == (202, "alert-1")
    await pagerduty.post("/v2/enqueue", json=event("trigger"))  # the same alert again: one incident
    (incident,) = (await pagerduty.get("/incidents", params={"statuses[]": "triggered"})).json()["incidents"]
    path = f"/incidents/{incident['id']}"
    body = {"incidents": [{"id": incident["id"], "type": "incident_reference", "status": "acknowledged"}]}
    assert (await pagerduty.put("/incidents", json=body)).json()["incidents"][0]["status"] == "acknowledged"
    assert (await pagerduty.post(f"{path}/notes", json={"note": {"content": "rolled back"}})).status_code == 201
    assert [note["content"] for note in (await pagerduty.get(f"{path}/notes")).json()["notes"]] == ["rolled back"]
    resolved = await pagerduty.put(path, json={"incident": {"type": "incident", "status": "resolved"}})
    assert resolved.json()["incident"]["status"] == "resolved"
    late = await pagerduty.put(path, json={"incident": {"type": "incident", "status": "acknowledged"}})
    assert (late.status_code, late.json()["error"]["errors"]) == (400, ["Incident Already Resolved"])
    on_calls = (await pagerduty.get("/oncalls")).json()["oncalls"]
    assert (on_calls[0]["escalation_level"], on_calls[0]["user"]["summary"]) == (1, "On-Call Engineer")


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (event("trigger", routing_key="short"), "should be 32 characters"),
        (event("trigger", routing_key="f" * 32), "Invalid routing key"),
        (event("explode"), "event_action"),
        (event("resolve", key=""), "dedup_key"),
        (event("trigger", payload={"summary": "x", "source": "y", "severity": "bad"}), "payload.severity"),
    ],
)
async def test_pagerduty_refuses_a_bad_event(standins: Clients, sent: dict[str, Any], error: str) -> None:
    answer = await standins["pagerduty"].post("/v2/enqueue", json=sent)
    assert (answer.status_code, answer.json()["status"]) == (400, "invalid event")
    assert error in answer.json()["errors"][0]


async def test_a_change_at_pagerduty_without_a_person_is_refused(standins: Clients) -> None:
    answer = await standins["pagerduty"].put("/incidents", json={"incidents": []}, headers={"From": ""})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 2001)
    unknown = await standins["pagerduty"].put("/incidents/QNONE", json={"incident": {}})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, 2100)


async def test_a_status_pages_incident_tells_its_story(standins: Clients) -> None:
    page, path = standins["statuspage"], "/v1/pages/lab0page0000/incidents"
    asked = {"name": "API errors", "status": "investigating", "impact_override": "major", "body": "We look into it."}
    made = await page.post(path, json={"incident": asked})
    assert (made.status_code, made.json()["impact"]) == (201, "major")
    one = f"{path}/{made.json()['id']}"
    await page.patch(f"{one}.json", json={"incident": {"status": "resolved", "body": "Fixed."}})
    told = (await page.get(one)).json()
    assert [update["body"] for update in told["incident_updates"]] == ["Fixed.", "We look into it."]
    assert told["resolved_at"]
    assert (await page.get(f"{path}/unresolved")).json() == []
    wrong = await page.post(path, json={"incident": {"status": "exploded"}})
    assert (wrong.status_code, len(wrong.json()["error"])) == (422, 2)
    assert (await page.get("/v1/pages/other/incidents")).status_code == 404


async def test_grafana_keeps_annotations_and_draws_a_picture(standins: Clients) -> None:
    grafana = standins["grafana"]
    await grafana.post("/api/annotations", json={"text": "deployed", "tags": ["deploy"], "time": 1000})
    await grafana.post("/api/annotations", json={"text": "incident", "tags": ["incident", "P0"], "time": 2000})
    found = (await grafana.get("/api/annotations", params={"tags": ["incident"], "from": 1500})).json()
    assert [one["text"] for one in found] == ["incident"]
    assert (await grafana.post("/api/annotations", json={"text": ""})).status_code == 400
    picture = await grafana.get("/render/d-solo/api/api", params={"panelId": 1, "width": 40, "height": 20})
    assert picture.headers["content-type"] == "image/png"
    assert struct.unpack(">II", picture.content[16:24]) == (40, 20)
    rows = zlib.decompress(picture.content[picture.content.index(b"IDAT") + 4 :])
    assert len(rows) == 20 * (40 + 1)
    assert (await grafana.get("/render/d-solo/api/api", params={"width": 99999})).status_code == 400


async def test_jaeger_answers_the_traces_that_were_sent(standins: Clients) -> None:
    jaeger, trace = standins["jaeger"], "5b8efff798038103d269b633813fc60c"
    span = {
        "traceId": trace, "spanId": "eee19b7ec3c1b174", "name": "GET /trades",
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000250000000",
        "attributes": [{"key": "http.status_code", "value": {"intValue": "500"}}], "status": {"code": 2},
    }  # fmt: skip
    child = {**span, "spanId": "eee19b7ec3c1b175", "parentSpanId": span["spanId"], "name": "SELECT"}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "api"}}]}
    sent = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span, child]}]}]}
    assert (await jaeger.post("/v1/traces", json=sent)).status_code == 200
    assert (await jaeger.get("/api/services")).json()["data"] == ["api"]
    assert (await jaeger.get("/api/services/api/operations")).json()["data"] == ["GET /trades", "SELECT"]
    (found,) = (await jaeger.get("/api/traces", params={"service": "api", "operation": "SELECT"})).json()["data"]
    first, second = found["spans"]
    assert (first["startTime"], first["duration"]) == (1700000000000000, 250000)
    assert {"key": "http.status_code", "type": "int64", "value": 500} in first["tags"]
    assert {"key": "error", "type": "bool", "value": True} in first["tags"]
    assert second["references"] == [{"refType": "CHILD_OF", "traceID": trace, "spanID": first["spanID"]}]
    assert found["processes"]["p1"]["serviceName"] == "api"
    refused = await jaeger.get("/api/traces")
    assert (refused.status_code, refused.json()["errors"][0]["msg"]) == (400, "parameter 'service' is required")
    assert (await jaeger.get("/api/traces/unknown")).status_code == 404


async def test_github_opens_comments_and_closes(standins: Clients) -> None:
    github, path = standins["github"], "/repos/alphapulse/platform/issues"
    made = await github.post(path, json={"title": "P2", "body": "slow", "labels": ["incident"]})
    assert (made.status_code, made.json()["number"], made.json()["state"]) == (201, 1, "open")
    assert (await github.post(f"{path}/1/comments", json={"body": "fixed"})).status_code == 201
    assert [one["body"] for one in (await github.get(f"{path}/1/comments")).json()] == ["fixed"]
    assert (await github.patch(f"{path}/1", json={"state": "closed"})).json()["state"] == "closed"
    assert (await github.get(path)).json() == []
    assert (await github.post(path, json={})).status_code == 422
    assert (await github.get("/repos/alphapulse/secret/issues")).status_code == 404


async def test_jira_opens_an_issue_and_wants_documents(standins: Clients) -> None:
    jira = standins["jira"]
    text = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": "x"}]}]}
    fields = {"project": {"key": "OPS"}, "issuetype": {"name": "Incident"}, "summary": "P2", "description": text}
    made = await jira.post("/rest/api/3/issue", json={"fields": fields})
    assert (made.status_code, made.json()["key"]) == (201, "OPS-1")
    assert (await jira.get("/rest/api/3/issue/OPS-1")).json()["fields"]["summary"] == "P2"
    assert (await jira.post("/rest/api/3/issue/OPS-1/comment", json={"body": text})).status_code == 201
    plain = await jira.post("/rest/api/3/issue/OPS-1/comment", json={"body": "text"})
    assert plain.status_code == 400
    wrong = (await jira.post("/rest/api/3/issue", json={"fields": {"description": "text"}})).json()["errors"]
    assert set(wrong) == {"summary", "project", "issuetype", "description"}
    assert (await jira.get("/rest/api/3/issue/OPS-9")).status_code == 404

"""What the test from inside a pod sends and shows: no part of a password, whatever the template holds."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from alphapulse_tui.actions import kubernetes_inside
from alphapulse_tui.actions.kubernetes_exec import Answer
from alphapulse_tui.lab.proxy.certificates import expired_context
from tests.actions.api_server import API, NAMESPACE, PODS, action, server
from tests.actions.objects import deployment
from tests.model.test_endpoints import HOSTILE
from tests.sources.doors import Behaviour, door, says, silent

__all__ = ["action", "server"]


POD = {
    "metadata": {"name": "api-1", "uid": "p1"},
    "status": {"containerStatuses": [{"name": "api", "ready": True}]},
}


@pytest.mark.parametrize("value", HOSTILE)
async def test_no_part_of_a_password_is_sent_or_shown(server, action, monkeypatch, value: str) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DATABASE_URL", "value": value}]
    server.answers |= {f"GET {NAMESPACE}/deployments/api": (200, made), f"GET {PODS}": (200, {"items": [POD]})}
    sent: list[str] = []

    async def inside(link: Any, pod: str, container: str, command: Sequence[str], seconds: float) -> Answer:
        sent.extend(command[3:])
        told = ["database", "DATABASE_URL", "", False, "another program says password=s3cret"]
        return Answer(0, json.dumps(told), "")

    monkeypatch.setattr(kubernetes_inside, "run_inside", inside)
    test = action("kubernetes.test-inside")
    plan = await test.plan(API)
    result = await test.execute(plan)
    assert "cret" not in repr(plan) + repr(sent) + repr(result) and sent[0].startswith("database=DATABASE_URL=")


@pytest.mark.parametrize("name", ["kubernetes.test-inside", "kubernetes.previous-log"])
async def test_only_pods_of_the_deployment_are_chosen_whatever_its_selector(server, action, name: str) -> None:
    made = deployment(selector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]})
    server.answers |= {f"GET {NAMESPACE}/deployments/api": (200, made), f"GET {PODS}": (200, {"items": [POD]})}
    await action(name).plan(API)
    (asked,) = [path for method, path, _ in server.asked if path.startswith(PODS)]
    assert parse_qs(urlsplit(asked).query)["labelSelector"] == ["app in (api)"]


async def test_the_container_that_runs_the_test_must_run_not_its_sidecar(server, action) -> None:
    def told(name: str, **ready: bool) -> dict[str, Any]:
        statuses = [{"name": one, "ready": is_ready} for one, is_ready in ready.items()]
        return {"metadata": {"name": name, "uid": name}, "status": {"containerStatuses": statuses}}

    pods = [told("api-1", mesh=True, api=False), told("api-2", mesh=False, api=True)]
    server.answers[f"GET {PODS}"] = (200, {"items": pods})
    plan = await action("kubernetes.test-inside").plan(API)
    assert plan.params["pod"] == "api-2"
    server.answers[f"GET {PODS}"] = (200, {"items": pods[:1]})
    assert "none of its pods runs now" in (await action("kubernetes.test-inside").plan(API)).refusal


@pytest.mark.parametrize(
    ("kind", "behaviour", "tls", "answers", "words"),
    [
        ("vault", says(b"HTTP/1.0 200 OK\r\n\r\n"), True, True, "code 200"),
        ("vault", says(b"HTTP/1.0 503 Service Unavailable\r\n\r\n"), True, False, "code 503"),
        ("vault", says(b"SSH-2.0 200\r\n"), True, False, "not as Vault does"),
        ("redis", says(b"+PONG\r\n"), True, True, "Redis answers"),
        ("redis", says(b"-NOAUTH Authentication required.\r\n"), False, True, "Redis answers"),
        ("redis", says(b"-LOADING Redis is loading the dataset in memory\r\n"), False, False, "serves nobody: LOADING"),
        ("redis", says(b"-DENIED Redis is running in protected mode\r\n"), False, False, "serves nobody: DENIED"),
        ("database", says(b"N"), False, True, "PostgreSQL answers"),
    ],
)
async def test_the_program_speaks_each_protocol_through_tls_too(
    kind: str, behaviour: Behaviour, tls: bool, answers: bool, words: str
) -> None:
    async with door(behaviour, expired_context() if tls else None) as port:
        found, said = await inside(kind, f"{'https://' if tls else ''}127.0.0.1:{port}")
    assert found is answers and words in said


async def test_a_port_that_accepts_and_speaks_no_tls_does_not_answer() -> None:
    async with door(silent) as mute, door(says(b"HTTP/1.0 200 OK\r\n\r\n")) as plain:
        assert await inside("vault", f"https://127.0.0.1:{mute}") == (False, "no answer within 2 s")
        found, said = await inside("vault", f"https://127.0.0.1:{plain}")
    assert not found and said.startswith("TLS fails")


@pytest.mark.parametrize(("variables", "said"), [({"REDIS_HOST": "127.0.0.1:1"}, "127.0.0.1:1"), ({"OTHER": "x"}, "")])
def test_the_pod_itself_knows_which_variable_a_secret_brought(variables: dict[str, str], said: str) -> None:
    entry = "redis=REDIS_NODES or REDIS_URL or REDIS_HOST="
    command = [sys.executable, "-I", "-c", kubernetes_inside.PROGRAM, entry]
    told = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert (json.loads(told.stdout)[2] if told.stdout else "") == said


async def test_a_deployment_that_takes_all_of_a_secret_is_not_refused(server, action) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "login"}}]
    server.answers |= {f"GET {NAMESPACE}/deployments/api": (200, made), f"GET {PODS}": (200, {"items": [POD]})}
    plan = await action("kubernetes.test-inside").plan(API)
    assert plan.refusal == "" and "database (DATABASE_URL or POSTGRES_URL, Secret login (not read))" in plan.sentence


async def inside(kind: str, address: str) -> tuple[bool, str]:
    """What the program that is sent into the pod says of an address."""
    command = (sys.executable, "-I", "-c", kubernetes_inside.PROGRAM, f"{kind}=X={address}")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    _, _, _, answers, said = json.loads(out)
    return answers, said

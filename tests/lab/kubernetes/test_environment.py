"""A container's variables, against a small stand-in of the API server's reads."""

from __future__ import annotations

import base64
from typing import Any, cast

import pytest

from alphapulse_tui.lab.kubernetes.agent.environment import UnresolvedError, resolve
from alphapulse_tui.lab.kubernetes.client import ApiError, KubeApi

POD = {"metadata": {"name": "api-1", "namespace": "ns", "uid": "u"}, "spec": {"nodeName": "node-1"}}


class Reads:
    """Answers GET from a dict and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known: dict[str, Any] = {
            "/api/v1/namespaces/ns/configmaps/platform": {"data": {"HOST": "db", "PORT": "5432"}},
            "/api/v1/namespaces/ns/secrets/token": {"data": {"token": base64.b64encode(b"s3cret").decode()}},
        }

    async def get(self, path: str) -> Any:
        self.asked.append(path)
        if path not in self.known:
            raise ApiError(404, "not found")
        return self.known[path]


async def variables(env: list[dict[str, Any]], reads: Reads | None = None, **more: Any) -> dict[str, str]:
    return await resolve(cast(KubeApi, reads or Reads()), POD, {"name": "api", "env": env, **more})


def reference(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {kind: {"name": name, "key": key, **more}}}


async def test_values_references_and_expansion() -> None:
    reads = Reads()
    found = await variables(
        [
            {"name": "HOST", "valueFrom": {"configMapKeyRef": {"name": "platform", "key": "HOST"}}},
            {"name": "PORT", "valueFrom": {"configMapKeyRef": {"name": "platform", "key": "PORT"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "URL", "value": "pg://$(HOST):$(PORT)/$(UNKNOWN)"},
            {"name": "EMPTY"},
        ],
        reads,
    )
    assert found == {
        "HOSTNAME": "api-1",
        "HOST": "db",
        "PORT": "5432",
        "TOKEN": "s3cret",
        "POD": "api-1",
        "URL": "pg://db:5432/$(UNKNOWN)",
        "EMPTY": "",
    }
    assert len(reads.asked) == 2


async def test_a_whole_config_map_with_a_prefix() -> None:
    found = await variables([], envFrom=[{"prefix": "DB_", "configMapRef": {"name": "platform"}}])
    assert found == {"HOSTNAME": "api-1", "DB_HOST": "db", "DB_PORT": "5432"}


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        (reference("secretKeyRef", "gone", "k"), 'secret "gone" not found'),
        (reference("configMapKeyRef", "gone", "k"), 'configmap "gone" not found'),
        (reference("secretKeyRef", "token", "other"), "couldn't find key other in Secret ns/token"),
    ],
)
async def test_what_is_missing_is_said_as_the_kubelet_says_it(variable: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnresolvedError) as missing:
        await variables([variable])
    assert str(missing.value) == sentence


async def test_what_is_optional_may_be_missing() -> None:
    assert await variables([reference("secretKeyRef", "gone", "k", optional=True)]) == {"HOSTNAME": "api-1"}

"""The platform's objects in namespace ``alphapulse``: what a real platform team would keep in ``k8s/``.

:mod:`.target` applies them by server-side apply. Numbers of replicas are the runbook's; memory limits are the lab's.
"""

from __future__ import annotations

import base64
from typing import Any

from alphapulse_tui.lab import postgres, redis, vault
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.images import API_IMAGE, POSTGRES_IMAGE, REDIS_IMAGE, VAULT_IMAGE, WORKER_IMAGE
from alphapulse_tui.lab.platform import NAMESPACE, Lab

RELEASE = "v1.4.2"
"""The release that the lab starts with."""
RELEASE_BEFORE = "v1.4.1"
"""The one before it: a revision to roll back to."""
API_REPLICAS = 3
WORKER_REPLICAS = 2
API = "api"
CANARY = "api-canary"
"""A Deployment beside ``api``, without pods until somebody tries a release on it (runbook 3.1)."""
WORKERS = "agent-workers"
_TRACKS = {API: "stable", CANARY: "canary"}
"""Label ``track``: tells the canary's metrics from the others'."""
CHANGE_CAUSE = "kubernetes.io/change-cause"
PLATFORM = "alphapulse-platform"
"""ConfigMap: where PostgreSQL, Redis and Vault are."""
VAULT_TOKEN = "alphapulse-vault-token"
"""Secret: the token with which the programs read their credentials."""


def namespace() -> Object:
    """The namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def configuration(lab: Lab) -> list[Object]:
    """The ConfigMap and the Secret that the programs read; Vault's token must be there."""
    token = vault.token_file(lab, "alphapulse").read_text(encoding="utf-8").strip()
    return [
        named("v1", "ConfigMap", PLATFORM, data=platform_addresses(lab)),
        named("v1", "Secret", VAULT_TOKEN, type="Opaque", data={"token": base64.b64encode(token.encode()).decode()}),
    ]


def platform_addresses(lab: Lab) -> dict[str, str]:
    """What the programs must know and nobody needs to hide; credentials come from Vault."""
    return {
        "DATABASE_URL": f"postgresql://127.0.0.1:{lab.ports[postgres.PRIMARY]}/{postgres.DATABASE}",
        "REDIS_NODES": ",".join(f"127.0.0.1:{lab.ports[redis.node_name(n)]}" for n in range(redis.NODES)),
        "VAULT_ADDRESSES": ",".join(vault.address(lab, n) for n in range(vault.NODES)),
    }


def services() -> list[Object]:
    """A Service for each app; those of StatefulSets are headless. The canary has its own: one for both would split by number of pods."""
    apps = {API: 80, CANARY: 80, "redis-cluster": 6379, "vault": 8200, "postgres-replica": 5432}
    return [
        named(
            "v1",
            "Service",
            app,
            labels={"app": app},
            spec={
                "selector": {"app": app},
                "ports": [{"name": "main", "port": port}],
                **({} if app in (API, CANARY) else {"clusterIP": "None"}),
            },
        )
        for app, port in apps.items()
    ]


def deployment(name: str, release: str, replicas: int, cause: str) -> Object:
    """Deployment ``api``, ``api-canary`` or ``agent-workers``."""
    serves = name != WORKERS
    container: Object = {
        "name": "api" if serves else "worker",
        "image": f"{API_IMAGE if serves else WORKER_IMAGE}:{release}",
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [
            *(_from_platform(key) for key in ("DATABASE_URL", "REDIS_NODES", "VAULT_ADDRESSES")),
            {"name": "VAULT_TOKEN", "valueFrom": {"secretKeyRef": {"name": VAULT_TOKEN, "key": "token"}}},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "96Mi"}, "limits": {"cpu": "1", "memory": "384Mi"}},
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": "http"},
            "periodSeconds": 2,
            "failureThreshold": 2,
            "timeoutSeconds": 2,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    spec: Object = {
        "replicas": replicas,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 60,
        "selector": {"matchLabels": {"app": name}},
        # One old pod goes as one new pod comes: a bad release is felt, and two thirds still serve.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
        "template": _template(name, container, grace=10, track=_TRACKS.get(name, "")),
    }
    return named("apps/v1", "Deployment", name, labels={"app": name}, annotations={CHANGE_CAUSE: cause}, spec=spec)


def stateful_sets() -> dict[str, Object]:
    """StatefulSets by the lab's target that owns their servers."""
    tcp = {"periodSeconds": 2, "failureThreshold": 2, "timeoutSeconds": 1}
    health = "/v1/sys/health?standbyok=true&perfstandbyok=true"
    return {
        "redis": _stateful_set(
            redis.WORKLOAD, redis.NODES, "redis", REDIS_IMAGE, "redis", {"tcpSocket": {"port": "redis"}, **tcp}, "256Mi"
        ),
        "vault": _stateful_set(
            vault.WORKLOAD,
            vault.NODES,
            "vault",
            VAULT_IMAGE,
            "http",
            {"httpGet": {"path": health, "port": "http"}, **tcp},
            "512Mi",
        ),
        "postgres": _stateful_set(
            postgres.REPLICA,
            1,
            "postgres",
            POSTGRES_IMAGE,
            "postgres",
            {"tcpSocket": {"port": "postgres"}, **tcp},
            "512Mi",
        ),
    }


def _stateful_set(
    name: str, replicas: int, container: str, image: str, port: str, probe: Object, memory: str
) -> Object:
    ports = {"redis": 6379, "http": 8200, "postgres": 5432}
    main: Object = {
        "name": container,
        "image": image,
        "ports": [{"name": port, "containerPort": ports[port]}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": memory}},
        "readinessProbe": probe,
    }
    spec: Object = {
        "serviceName": name,
        "replicas": replicas,
        # OrderedReady would wait for a sealed vault-0 before it starts vault-1.
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": {"app": name}},
        "template": _template(name, main, grace=10),
    }
    return named("apps/v1", "StatefulSet", name, labels={"app": name}, spec=spec)


def _template(app: str, container: Object, *, grace: int, track: str = "") -> Object:
    # No service account token is mounted: none of these programs speaks to the API server.
    spec = {"containers": [container], "terminationGracePeriodSeconds": grace, "automountServiceAccountToken": False}
    labels = {"app": app, "track": track} if track else {"app": app}
    return {"metadata": {"labels": labels}, "spec": spec}


def _from_platform(key: str) -> Object:
    return {"name": key, "valueFrom": {"configMapKeyRef": {"name": PLATFORM, "key": key}}}


def named(
    version: str,
    kind: str,
    name: str,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **fields: Any,
) -> Object:
    """An object of that name in the namespace; ``fields`` beside its metadata."""
    metadata: Object = {"name": name, "namespace": NAMESPACE}
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}

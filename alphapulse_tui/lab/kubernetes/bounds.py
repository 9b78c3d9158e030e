"""What bounds the namespace: disruption budgets, the quota, the defaults of a container, and the autoscaler of the API.

All four are judged by Kubernetes itself: an eviction over a budget is 429, a pod over the quota is 403, the HPA sets replicas.
"""

from __future__ import annotations

from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.manifests import API, API_REPLICAS, named

HPA = "api-hpa"
MOST_API_REPLICAS = 5
"""``maxReplicas``: so few that a surge of customers reaches it in seconds; the runbook's 30 would be 2 GB of pods."""
CPU_TARGET_PERCENT = 60
"""Of the CPU that a pod requests (100m): six times what the lab's steady load takes (9m to 10m a pod)."""


def objects() -> list[Object]:
    """Budgets, quota and defaults; the autoscaler comes with the Deployment that it scales."""
    return [*_budgets(), _quota(), _defaults()]


def _budgets() -> list[Object]:
    """How many pods of an app may be missing by somebody's wish at one time."""
    allowed: dict[str, dict[str, int]] = {
        "api": {"minAvailable": 2},
        "redis-cluster": {"maxUnavailable": 1},
        "vault": {"maxUnavailable": 1},
    }
    return [
        named("policy/v1", "PodDisruptionBudget", app, spec={"selector": {"matchLabels": {"app": app}}, **allowance})
        for app, allowance in allowed.items()
    ]


def _quota() -> Object:
    """Twice what runs and not ten times: the runbook's 50 API pods are refused. Limits are free, as in the runbook (8Gi a container)."""
    hard = {"pods": "40", "requests.cpu": "3", "requests.memory": "4Gi"}
    return named("v1", "ResourceQuota", "alphapulse", spec={"hard": hard})


def _defaults() -> Object:
    """With a quota on requests every container must have some; who names none gets these."""
    request = {"cpu": "50m", "memory": "64Mi"}
    return named("v1", "LimitRange", "alphapulse", spec={"limits": [{"type": "Container", "defaultRequest": request}]})


def autoscaler() -> Object:
    """``api-hpa`` (runbook 3.3): up at once, down after the controller manager's stabilization window (10 s here, 5 min by default)."""
    target = {"type": "Utilization", "averageUtilization": CPU_TARGET_PERCENT}
    spec: Object = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": API},
        "minReplicas": API_REPLICAS,
        "maxReplicas": MOST_API_REPLICAS,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return named("autoscaling/v2", "HorizontalPodAutoscaler", HPA, spec=spec)

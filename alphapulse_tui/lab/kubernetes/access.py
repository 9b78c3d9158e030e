"""Who may do what in the lab's cluster: the smallest roles that the cockpit's reads and fixes need (runbook-facts 11.1, each verb tried)."""

from __future__ import annotations

from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.platform import NAMESPACE

_LOOK = ["get", "list", "watch"]


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


_READ = [
    _rule("", ["pods", "events", "services"], _LOOK),
    _rule("", ["pods/log"], ["get"]),
    _rule("apps", ["deployments", "replicasets", "statefulsets"], _LOOK),
    _rule("discovery.k8s.io", ["endpointslices"], _LOOK),
    _rule("autoscaling", ["horizontalpodautoscalers"], _LOOK),
    _rule("policy", ["poddisruptionbudgets"], ["get", "list"]),
    _rule("batch", ["jobs"], _LOOK),
    _rule("metrics.k8s.io", ["pods"], ["get", "list"]),
]
_ACT = [
    # Scaling alone needs no right on the Deployment itself; rollback, restart and a new image do.
    _rule("apps", ["deployments/scale", "statefulsets/scale"], ["get", "patch"]),
    _rule("apps", ["deployments", "statefulsets"], ["patch"]),
    _rule("autoscaling", ["horizontalpodautoscalers"], ["patch"]),
    _rule("", ["pods"], ["delete"]),
    _rule("", ["pods/eviction"], ["create"]),
    # Exec over a WebSocket is a GET that the server also checks as a create: either alone is refused.
    _rule("", ["pods/exec"], ["get", "create"]),
    _rule("batch", ["jobs"], ["create"]),
]


def objects() -> list[Object]:
    """Roles and bindings for the groups ``alphapulse:oncall`` and ``alphapulse:viewers``."""
    both = ("alphapulse:oncall", "alphapulse:viewers")
    nodes: Object = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "alphapulse-nodes"},
        "rules": [_rule("", ["nodes"], _LOOK)],
    }
    return [
        _role("oncall", [*_READ, *_ACT]),
        _role("viewer", _READ),
        _binding("RoleBinding", "oncall", ("alphapulse:oncall",), "Role"),
        _binding("RoleBinding", "viewer", ("alphapulse:viewers",), "Role"),
        nodes,
        _binding("ClusterRoleBinding", "alphapulse-nodes", both, "ClusterRole"),
    ]


def _role(name: str, rules: list[Object]) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "rules": rules,
    }


def _binding(kind: str, name: str, groups: tuple[str, ...], role_kind: str) -> Object:
    metadata = {"name": name} if kind == "ClusterRoleBinding" else {"name": name, "namespace": NAMESPACE}
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": role_kind, "name": name},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": one} for one in groups],
    }

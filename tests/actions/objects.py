"""A Deployment and a ReplicaSet as the API server tells them."""

from __future__ import annotations

from typing import Any


def deployment(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "api:2"}]}}
    return {
        "kind": "Deployment",
        "metadata": {
            "name": "api",
            "uid": "u1",
            "generation": 4,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "api"}}, "template": template, **spec},
        "status": {
            "observedGeneration": 4,
            "replicas": 3,
            "updatedReplicas": 3,
            "readyReplicas": 3,
            "availableReplicas": 3,
        },
    }


def replica_set(number: int, image: str, owner: str = "u1") -> dict[str, Any]:
    labels = {"app": "api", "pod-template-hash": f"h{number}"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "api", "image": image}], "unknownField": number},
    }
    metadata = {
        "name": f"api-h{number}",
        "ownerReferences": [{"uid": owner}],
        "annotations": {"deployment.kubernetes.io/revision": str(number)},
    }
    return {"metadata": metadata, "spec": {"template": template}}

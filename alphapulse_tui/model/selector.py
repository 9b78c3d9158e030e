"""Whose pods are a workload's: its selector as the API server takes it in a query. Pure.

An empty query would take every pod of the namespace, so a selector that cannot be read takes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOBODY = "app,!app"
"""What no object can fulfil."""

_SETS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}


def selector_of(workload: Mapping[str, Any]) -> str:
    """The ``labelSelector`` that finds the pods and ReplicaSets of a Deployment or StatefulSet.

    >>> selector_of({"spec": {"selector": {"matchLabels": {"app": "api", "tier": "web"}}}})
    'app=api,tier=web'
    >>> both = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}, {"key": "old", "operator": "DoesNotExist"}]}
    >>> selector_of({"spec": {"selector": both}}), selector_of({"spec": {}})
    ('app in (api,web),!old', 'app,!app')
    """
    selector = (workload.get("spec") or {}).get("selector") or {}
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or []:
        form = _SETS.get(str(one.get("operator")))
        if form is None:
            return NOBODY  # Without this part it would take more than the workload's own.
        parts.append(form.format(key=one.get("key"), values=",".join(map(str, one.get("values") or []))))
    return ",".join(parts) or NOBODY

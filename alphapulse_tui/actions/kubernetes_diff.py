"""What differs between two Kubernetes objects, for a person, without showing a secret. Pure; used by ``actions.kubernetes``.

Values of environment variables are never shown: a password lies there as often as a flag. Everything else passes the redaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean

MOST_LINES = 30
VALUE_LIMIT = 160
"""UTF-8 bytes of one side of a difference."""

NOISE = (
    "metadata.managedFields",
    "metadata.resourceVersion",
    "metadata.generation",
    "metadata.creationTimestamp",
    "metadata.labels.pod-template-hash",
    "status",
)
"""Fields that a server changes by itself."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Path to ``old -> new``, at most :data:`MOST_LINES`; lists whose items have names are compared by name.

    >>> old = {"spec": {"containers": [{"name": "api", "image": "api:2", "env": [{"name": "TOKEN", "value": "a"}]}]}}
    >>> new = {"spec": {"containers": [{"name": "api", "image": "api:1", "env": [{"name": "TOKEN", "value": "b"}]}]}}
    >>> differences(old, new)
    {'spec.containers[api].env[TOKEN]': 'changed (values are not shown)', 'spec.containers[api].image': 'api:2 -> api:1'}
    """
    old, new = dict(_flat(before, "")), dict(_flat(after, ""))
    found: dict[str, str] = {}
    for path in sorted(old.keys() | new.keys()):
        if path.startswith(NOISE) or old.get(path) == new.get(path):
            continue
        variable = _variable(path)
        if variable:
            found[variable] = _hidden(variable, old, new)
        else:
            found[clean(path, 200)] = f"{_shown(old.get(path))} -> {_shown(new.get(path))}"
    if len(found) > MOST_LINES:
        rest = len(found) - MOST_LINES
        found = dict(list(found.items())[:MOST_LINES]) | {"...": f"{rest} more differences"}
    return found


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        named = all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in value)
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}[{item['name'] if named else index}]")
    elif path:
        yield path, value


def _variable(path: str) -> str:
    """``spec.containers[api].env[TOKEN]`` for any field below it; empty for other paths."""
    head, found, rest = path.partition(".env[")
    if not found or "]" not in rest:
        return ""
    return clean(f"{head}.env[{rest.partition(']')[0]}]", 200)


def _hidden(variable: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    had = any(path.startswith(variable) for path in old)
    has = any(path.startswith(variable) for path in new)
    return "changed (values are not shown)" if had and has else "removed" if had else "added (its value is not shown)"


def _shown(value: Any) -> str:
    return "nothing" if value is None else clean(redact(str(value)), VALUE_LIMIT)

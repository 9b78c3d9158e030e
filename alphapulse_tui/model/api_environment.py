"""What a container's environment says of its dependencies: host and port, and where the value comes from. Pure.

A value that holds a login is cut down to its place here and nowhere kept whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alphapulse_tui.model.api import Variable
from alphapulse_tui.model.endpoints import endpoints
from alphapulse_tui.text import clean

NAMES = {
    "database": ("DATABASE_URL", "POSTGRES_URL"),
    "redis": ("REDIS_NODES", "REDIS_URL", "REDIS_HOST"),
    "vault": ("VAULT_ADDRESSES", "VAULT_ADDR"),
}
"""Dependency to the variables that name its address; the first that is set counts (runbook 2.4)."""

PORTS = {"database": 5432, "redis": 6379, "vault": 8200}
"""Where an address names none."""


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a dependency."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API looks for a dependency."""

    dependency: str
    variable: str
    origin: str
    places: tuple[Place, ...]
    """Empty: the value could not be read, or is not in a known form."""


def variables(container: Mapping[str, Any]) -> tuple[Variable, ...]:
    """The container's variables by name and origin."""
    return tuple(
        Variable(clean(one.get("name", ""), 128), _origin(one), *_source(one)) for one in container.get("env") or []
    )


def config_maps(container: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the ConfigMaps that the addresses come from."""
    wanted = {name for names in NAMES.values() for name in names}
    found = [
        str(reference["name"])
        for one in container.get("env") or []
        if one.get("name") in wanted and (reference := (one.get("valueFrom") or {}).get("configMapKeyRef"))
    ]
    return tuple(dict.fromkeys(found))


def addresses(container: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> tuple[Address, ...]:
    """Where the container is told to find its dependencies. ``maps``: data of the ConfigMaps that could be read, by name."""
    env = {one.get("name"): one for one in container.get("env") or []}
    found = []
    for dependency, names in NAMES.items():
        name = next((name for name in names if name in env), "")
        if name:
            value = _value(env[name], maps)
            found.append(Address(dependency, name, _origin(env[name]), places(dependency, value or "")))
    return tuple(found)


def places(dependency: str, value: str) -> tuple[Place, ...]:
    """Hosts and ports in a variable's value; logins, paths and parameters are left behind. None of a value in no known form.

    >>> [str(place) for place in places("redis", "10.0.0.1:7000,10.0.0.2")]
    ['10.0.0.1:7000', '10.0.0.2:6379']
    >>> [str(place) for place in places("database", "postgresql://u:p@db.example/prod")]
    ['db.example:5432']
    """
    return tuple(Place(host, port, tls) for host, port, tls in endpoints(value, PORTS[dependency]))


def _origin(variable: Mapping[str, Any]) -> str:
    source = variable.get("valueFrom") or {}
    if reference := source.get("configMapKeyRef"):
        return f"ConfigMap {clean(reference.get('name', ''), 128)}"
    if reference := source.get("secretKeyRef"):
        return f"Secret {clean(reference.get('name', ''), 128)} (not read)"
    if reference := source.get("fieldRef"):
        return f"field {clean(reference.get('fieldPath', ''), 128)}"
    return "written in the template"


def _source(variable: Mapping[str, Any]) -> tuple[tuple[str, str], str]:
    """Kind and name of the object that the value comes from, and its key there."""
    source = variable.get("valueFrom") or {}
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if reference := source.get(field):
            return (kind, clean(reference.get("name", ""), 253)), clean(reference.get("key", ""), 253)
    return ("", ""), ""


def _value(variable: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> str | None:
    reference = (variable.get("valueFrom") or {}).get("configMapKeyRef")
    if reference:
        return (maps.get(str(reference.get("name"))) or {}).get(str(reference.get("key")))
    value = variable.get("value")
    return None if value is None else str(value)

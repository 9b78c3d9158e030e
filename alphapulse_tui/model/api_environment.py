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

WHOLE = "envFrom"
"""The name of what brings all keys of a ConfigMap or Secret at once."""

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
    """The container's variables by name and origin; one called ``WHOLE`` for each object whose keys are all taken."""
    whole = [{"name": WHOLE, "valueFrom": _as_value(one)} for one in container.get("envFrom") or []]
    return tuple(
        Variable(clean(one.get("name", ""), 128), _origin(one), *_source(one))
        for one in [*whole, *(container.get("env") or [])]
    )


def config_maps(container: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the ConfigMaps that the addresses come from, or may."""
    wanted = {name for names in NAMES.values() for name in names}
    found = [name for one in container.get("envFrom") or [] if (name := _map_of(one))]
    found += [
        str(reference["name"])
        for one in container.get("env") or []
        if one.get("name") in wanted and (reference := (one.get("valueFrom") or {}).get("configMapKeyRef"))
    ]
    return tuple(dict.fromkeys(found))


def addresses(container: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> tuple[Address, ...]:
    """Where the container is told to find its dependencies. ``maps``: data of the ConfigMaps that could be read, by name.

    A dependency that nothing read names may be named by an object of ``envFrom`` that was not: that address has all names, `` or `` between.
    """
    env = {one.get("name"): one for one in [*_taken_whole(container, maps), *(container.get("env") or [])]}
    unread = [one for one in container.get("envFrom") or [] if not maps.get(_map_of(one))]
    found = []
    for dependency, names in NAMES.items():
        name = next((name for name in names if name in env), "")
        if name:
            value = _value(env[name], maps)
            found.append(Address(dependency, name, _origin(env[name]), places(dependency, value or "")))
        elif perhaps := [one for one in unread if any(name.startswith(_prefix(one)) for name in names)]:
            origins = dict.fromkeys(_origin({"valueFrom": _as_value(one)}) for one in perhaps)
            found.append(Address(dependency, " or ".join(names), ", ".join(origins), ()))
    return tuple(found)


def places(dependency: str, value: str) -> tuple[Place, ...]:
    """Hosts and ports in a variable's value; logins, paths and parameters are left behind. None of a value in no known form.

    >>> [str(place) for place in places("redis", "10.0.0.1:7000,10.0.0.2")]
    ['10.0.0.1:7000', '10.0.0.2:6379']
    >>> [str(place) for place in places("database", "postgresql://u:p@db.example/prod")]
    ['db.example:5432']
    """
    return tuple(Place(host, port, tls) for host, port, tls in endpoints(value, PORTS[dependency]))


def _taken_whole(container: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> list[Mapping[str, Any]]:
    """A variable for each key of the ConfigMaps of ``envFrom``, as if the template named each; a later one counts."""
    return [
        {"name": _prefix(one) + key, "valueFrom": {"configMapKeyRef": {"name": _map_of(one), "key": key}}}
        for one in container.get("envFrom") or []
        for key in maps.get(_map_of(one)) or {}
    ]


def _as_value(taken: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry of ``envFrom`` as the ``valueFrom`` of a variable."""
    return {"configMapKeyRef": taken.get("configMapRef"), "secretKeyRef": taken.get("secretRef")}


def _map_of(taken: Mapping[str, Any]) -> str:
    return str((taken.get("configMapRef") or {}).get("name", ""))


def _prefix(taken: Mapping[str, Any]) -> str:
    return str(taken.get("prefix") or "")


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

"""Addresses out of a template: host and port, never a login."""

from __future__ import annotations

from typing import Any

from alphapulse_tui.model.api_environment import addresses, config_maps, variables


def variable(name: str, value: str = "", **source: Any) -> dict[str, Any]:
    return {"name": name, **({"valueFrom": source} if source else {"value": value})}


CONTAINER = {
    "env": [
        variable("DATABASE_URL", "postgresql://app:hunter2@db.example:6432/prod?sslmode=require"),
        variable("REDIS_NODES", configMapKeyRef={"name": "platform", "key": "nodes"}),
        variable("VAULT_ADDR", secretKeyRef={"name": "vault", "key": "address"}),
        variable("POD", fieldRef={"fieldPath": "metadata.name"}),
    ]
}


def test_places_are_found_and_logins_are_not_kept() -> None:
    found = addresses(CONTAINER, {"platform": {"nodes": "10.0.0.1:7000, 10.0.0.2:7001"}})
    assert [(one.dependency, one.variable, [str(place) for place in one.places]) for one in found] == [
        ("database", "DATABASE_URL", ["db.example:6432"]),
        ("redis", "REDIS_NODES", ["10.0.0.1:7000", "10.0.0.2:7001"]),
        ("vault", "VAULT_ADDR", []),
    ]
    assert "hunter2" not in repr(found) + repr(variables(CONTAINER))
    assert config_maps(CONTAINER) == ("platform",)
    assert [one.origin for one in variables(CONTAINER)] == [
        "written in the template",
        "ConfigMap platform",
        "Secret vault (not read)",
        "field metadata.name",
    ]


def test_what_is_no_address_is_left_out() -> None:
    odd = {"env": [variable("DATABASE_URL", "postgresql://db:port/x"), variable("VAULT_ADDR", "https://vault.example")]}
    database, vault = addresses(odd, {})
    assert database.places == () and vault.places[0].tls and str(vault.places[0]) == "vault.example:8200"
    assert addresses({}, {}) == ()


WHOLE = {
    "env": [variable("VAULT_ADDR", "https://v:8200")],
    "envFrom": [{"configMapRef": {"name": "platform"}}, {"prefix": "REDIS_", "configMapRef": {"name": "redis"}}],
}
MAPS = {
    "platform": {"DATABASE_URL": "postgresql://app:hunter2@db:6432/x", "VAULT_ADDR": "https://old"},
    "redis": {"HOST": "r"},
}


def test_config_maps_that_are_taken_whole_are_read_and_a_variable_of_its_own_counts_first() -> None:
    assert config_maps(WHOLE) == ("platform", "redis")
    assert [(one.variable, one.origin, [str(place) for place in one.places]) for one in addresses(WHOLE, MAPS)] == [
        ("DATABASE_URL", "ConfigMap platform", ["db:6432"]),
        ("REDIS_HOST", "ConfigMap redis", ["r:6379"]),
        ("VAULT_ADDR", "written in the template", ["v:8200"]),
    ]
    assert [(one.name, one.source) for one in variables(WHOLE)][:2] == [
        ("envFrom", ("ConfigMap", "platform")),
        ("envFrom", ("ConfigMap", "redis")),
    ]


def test_what_is_taken_whole_and_cannot_be_read_may_name_any_dependency() -> None:
    secret = {"envFrom": [{"secretRef": {"name": "login"}}, {"prefix": "WORKER_", "secretRef": {"name": "other"}}]}
    found = addresses(secret, {})
    assert found[0].variable == "DATABASE_URL or POSTGRES_URL" and len(found) == 3
    assert {(one.origin, one.places) for one in found} == {("Secret login (not read)", ())}
    assert [one.dependency for one in addresses({**WHOLE, **secret}, {})] == ["database", "redis", "vault"]
    assert addresses(WHOLE, {"redis": MAPS["redis"]})[0].origin == "ConfigMap platform"
    assert addresses({"envFrom": [{"configMapRef": {"name": "redis"}}]}, {"redis": {"OTHER": "x"}}) == ()


def test_a_password_is_no_place_and_goes_nowhere() -> None:
    """Neither into the words of the plan nor into the request that asks the pod (its arguments are made of the places)."""
    for value in (
        "host=db user=app password=s3,cret",
        "postgresql://app:a,s3cret@db/x",
        "postgresql://app:a/s3cret@db/x",
    ):
        assert "cret" not in repr(addresses({"env": [variable("DATABASE_URL", value)]}, {}))

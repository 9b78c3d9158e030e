"""Fixtures for every test, and which tests share a process because they share servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.lab_handle import (
    lab,
    postgres_lab,
    redis_lab,
    small_postgres_lab,
    small_redis_lab,
    small_vault_lab,
    vault_lab,
    whole_lab,
)
from tests.sources.servers import Vaults, vaults

# A test process shares two cores with others and their labs: how long an example takes says nothing here.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

__all__ = [
    "lab",
    "postgres_lab",
    "redis_lab",
    "small_postgres_lab",
    "small_redis_lab",
    "small_vault_lab",
    "vault_lab",
    "whole_lab",
]

SHARED = ("lab", "small_postgres_lab", "small_redis_lab", "small_vault_lab", "vault_cluster")
"""Fixtures with servers that take long to start: all their tests run in one process, so that each is started once."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Say for ``--dist loadgroup`` which tests stay together: those of the same servers, and else those of a file."""
    shared = [name for name in SHARED if name in getattr(item, "fixturenames", ())]
    item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def vault_cluster() -> Iterator[Vaults]:
    """Three OpenBao nodes; up in seven seconds."""
    with vaults() as made:
        yield made


@pytest.fixture
def bao(vault_cluster: Vaults) -> Vaults:
    """Those nodes, all open, with one leader."""
    vault_cluster.mend()
    return vault_cluster

"""Servers that several tests of a session share, and a door that answers what it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sources.servers import PostgresPair, RedisCluster, postgres_pair, redis_cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresPair]:
    """A primary and a replica."""
    with postgres_pair() as pair:
        yield pair


@pytest.fixture(scope="session")
def cluster() -> Iterator[RedisCluster]:
    """Six Valkey nodes."""
    with redis_cluster() as made:
        yield made

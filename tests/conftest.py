"""Fixtures for every test."""

from __future__ import annotations

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

# A test process shares two cores with three others and their labs: how long an example takes says nothing here.
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

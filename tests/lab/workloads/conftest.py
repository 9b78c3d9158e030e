"""Fixtures of the tests of the workloads."""

from __future__ import annotations

from tests.kubectl import kubectl

__all__ = ["kubectl"]

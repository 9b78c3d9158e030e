"""Fixtures of the procedures' tests."""

from __future__ import annotations

from tests.kubectl import kubectl

__all__ = ["kubectl"]

"""Fixtures for every test."""

from __future__ import annotations

from tests.lab_handle import lab, whole_lab

__all__ = ["lab", "whole_lab"]

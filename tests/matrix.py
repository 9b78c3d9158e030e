"""Large tables of cases: a few in every run, all of them in the long one (``make test-long``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def quick(cases: Iterable[str], chosen: Collection[str]) -> list[Any]:
    """Parameters for ``parametrize``: every case, those that are not ``chosen`` marked ``long``."""
    return [case if case in chosen else pytest.param(case, marks=pytest.mark.long) for case in cases]

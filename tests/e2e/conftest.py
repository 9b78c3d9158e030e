"""What every end-to-end test starts from: the whole platform with nothing broken, and a state folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cockpit import state_folder
from tests.kubectl import Kubectl, kubectl
from tests.lab_handle import LabHandle

__all__ = ["kubectl"]


@pytest.fixture
def platform(whole_lab: LabHandle, kubectl: Kubectl) -> LabHandle:
    """The lab with every target ready and nothing broken, before and after."""
    whole_lab.wait(timeout=600.0)
    return whole_lab


@pytest.fixture
def state() -> Iterator[Path]:
    """An empty state folder of the test's own."""
    with state_folder() as folder:
        yield folder

"""A screen's mistake in listening ends neither a source nor the journal, it is logged; here it fails the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_listener_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    failed = [record.getMessage() for record in caplog.get_records("call") if record.name == "alphapulse_tui.listeners"]
    assert not failed, failed

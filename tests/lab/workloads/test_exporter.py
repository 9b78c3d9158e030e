"""The exporter: one source that fails must not take the others' figures with it."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.core import Metric

from alphapulse_tui.lab.workloads import exporter
from alphapulse_tui.lab.workloads.exported.source import gauge, no_labels


class Answering:
    name = "pg"
    failures: tuple[type[Exception], ...] = ()

    async def figures(self) -> list[Metric]:
        return [gauge("pg_settings_max_connections", "Setting", no_labels(60))]

    async def forget(self) -> None:
        raise AssertionError("nothing failed")


class Failing:
    name = "redis"
    failures: tuple[type[Exception], ...] = (ConnectionError,)
    forgotten = 0

    async def figures(self) -> list[Metric]:
        raise ConnectionRefusedError("refused")

    async def forget(self) -> None:
        self.forgotten += 1


class Hanging(Failing):
    name = "vault"

    async def figures(self) -> list[Metric]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_sources_stand_for_themselves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exporter, "_SOURCE_SECONDS", 0.05)
    failing, hanging = Failing(), Hanging()
    text = (await exporter.gather([Answering(), failing, hanging])).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == ["pg_settings_max_connections 60.0", "pg_up 1.0", "redis_up 0.0", "vault_up 0.0"]
    assert (failing.forgotten, hanging.forgotten) == (1, 1)
    assert "ERROR redis: ConnectionRefusedError refused" in capsys.readouterr().out

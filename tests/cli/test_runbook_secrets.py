"""``alphapulse runbook run``: no password of somebody's SQL reaches stdout, in whatever form it is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alphapulse_tui.cli.main import run
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.runbook import dry_run, unattended
from alphapulse_tui.runbook.unattended import Report

SQL = "ALTER ROLE app PASSWORD 'hunter2'"


async def walked(*_: Any) -> list[dict[str, Any]]:
    return [
        {
            "number": 1,
            "id": "active",
            "kind": "check",
            "title": "What runs",
            "verdict": "bad",
            "sentence": SQL,
            "evidence": [["pid 7", SQL]],
            "command": SQL,
        }
    ]


async def done(*_: Any, tell: Any, **__: Any) -> ExitCode:
    tell(Report(1, "end", "action", "End", "verified", SQL, [["pid 7", SQL]], {"last query": SQL}, {"last query": SQL}))
    return ExitCode.OK


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("how", [["--dry-run"], ["--dry-run", "--json"], ["--copy"], [], ["--json"]])
def test_a_password_in_sql_is_hidden(
    how: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dry_run, "dry_run", walked)
    monkeypatch.setattr(unattended, "run_unattended", done)
    assert run(["runbook", "run", "pg-slow-queries", *how]) == ExitCode.OK
    out = capsys.readouterr().out
    assert "hunter2" not in out and "ALTER ROLE app PASSWORD (redacted)" in out
    if "--json" in how:
        assert json.loads(out)["steps"][0]["evidence"] == [["pid 7", "ALTER ROLE app PASSWORD (redacted)"]]

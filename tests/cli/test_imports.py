"""The wall between the headless commands and everything heavy, seen at what a process has really loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "textual", "rich", "asyncpg", "redis", "hvac", "httpx", "kubernetes_asyncio", "prometheus_api_client", "aioboto3",
    "botocore", "aiohttp", "jinja2",
}  # fmt: skip

PROBE = """
import json, sys
from alphapulse_tui.cli.main import run
code = run(sys.argv[1:])
print("\\n" + json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], ["config", "show"], ["config", "show", "--json"], ["config", "validate"], ["nonsense"]],
)
def test_what_a_light_command_loads(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == (64 if arguments == ["nonsense"] else 0)
    assert {module.split(".")[0] for module in modules} & HEAVY == set()
    assert not [module for module in modules if module.startswith(("alphapulse_tui.screens", "alphapulse_tui.lab"))]


def test_a_file_that_changes_no_key_is_checked_without_the_screens(tmp_path: Path) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\n[profiles.b]\n")
    arguments = ["config", "validate", "--config", str(file)]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0 and "textual" not in modules


@pytest.mark.parametrize("command", ["status", "incident", "runbook"])
def test_a_headless_command_never_loads_the_screen(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, command, "--help"], capture_output=True, text=True, timeout=30, check=True
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    assert "textual" not in modules
    assert not [module for module in modules if module.startswith(("alphapulse_tui.screens", "alphapulse_tui.widgets"))]

"""``alphapulse status``: exit codes, stable JSON, hung targets, and no screen."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.board import Board
from alphapulse_tui.cli.status import DEADLINE, EXITS, make_report, table
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.alerts import AlertsSnapshot
from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.sources.build import RECIPES, make_sources
from alphapulse_tui.sources.contract import Source
from tests.cli.program import alphapulse
from tests.sources.doors import door, silent

EVERYTHING = """
[profiles.x.postgres]
primary = {{ host = "127.0.0.1", port = {port}, user = "u", database = "d", sslmode = "disable" }}
replicas = [ {{ name = "r", host = "127.0.0.1", port = {port}, user = "u", database = "d", sslmode = "disable" }} ]
[profiles.x.redis]
nodes = [ {{ name = "redis-0", host = "127.0.0.1", port = {port} }} ]
[profiles.x.vault]
nodes = [ {{ name = "vault-0", address = "http://127.0.0.1:{port}" }}, {{ name = "vault-1", address = "http://127.0.0.1:{port}" }} ]
[profiles.x.kubernetes]
kubeconfig = "{folder}/kubeconfig"
[profiles.x.prometheus]
url = "http://127.0.0.1:{port}"
[profiles.x.alertmanager]
url = "http://127.0.0.1:{port}"
[profiles.x.api]
health_url = "http://127.0.0.1:{port}/health"
"""


def profile_of_everything(folder: Path, port: int) -> Path:
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    file = folder / "alphapulse.toml"
    file.write_text(EVERYTHING.format(port=port, folder=folder))
    return file


async def test_every_target_hung_is_unknown_and_waited_for_by_nobody(tmp_path: Path) -> None:
    async with door(silent) as port:
        file = profile_of_everything(tmp_path, port)
        result = await asyncio.to_thread(alphapulse, "--config", str(file), "status", "--json")
    report = json.loads(result.out)
    links = {target["target"]: target["link"] for target in report["targets"]}
    assert links == dict.fromkeys(("alerts", "kubernetes", "postgres", "redis", "vault", "platform"), "down")
    assert {target["health"] for target in report["targets"]} <= {"unknown", "critical"}
    assert result.code in (ExitCode.UNKNOWN, ExitCode.CRITICAL) and result.code != ExitCode.OK
    assert report["seconds"] < 6 * DEADLINE  # six targets, one after the other, would take longer still


PROBE = """
import json, sys
from alphapulse_tui.cli.main import run
code = run(sys.argv[1:])
print("\\n" + json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize(("section", "loaded", "spared"), [
    ('[profiles.x.redis]\nnodes = [{ name = "n", host = "127.0.0.1", port = 1 }]', "redis", {"asyncpg", "hvac", "kubernetes_asyncio", "httpx"}),
    ('[profiles.x.postgres]\nprimary = { host = "127.0.0.1", port = 1, user = "u" }', "asyncpg", {"redis", "hvac", "kubernetes_asyncio", "httpx"}),
])  # fmt: skip
def test_only_what_is_configured_is_loaded_and_never_the_screen(
    tmp_path: Path, section: str, loaded: str, spared: set[str]
) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text(section)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "--config", str(file), "status"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == ExitCode.UNKNOWN and loaded in modules
    assert not {"textual", "rich", *spared} & set(modules)
    assert not [module for module in modules if module.startswith(("alphapulse_tui.screens", "alphapulse_tui.widgets"))]
    assert "refuses connections" in done.stdout


def board(*findings: Finding, link: Link = Link.LIVE) -> Board:
    made = Board(lambda: 10.0)
    made.publish(
        Reading(
            "alerts",
            15.0,
            link,
            0.0,
            AlertsSnapshot(()),
            10.0,
            "gone" if link is not Link.LIVE else "",
            findings=findings,
        )
    )
    return made


def found(health: Health) -> Finding:
    return Finding("alerts", health, "a sentence", "x", "pg-connections", Severity.P1, "runbook 4.2")


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (board(), ExitCode.OK),
        (board(found(Health.WARNING)), ExitCode.WARNING),
        (board(found(Health.WARNING), found(Health.CRITICAL)), ExitCode.CRITICAL),
        (board(found(Health.WARNING), found(Health.UNKNOWN)), ExitCode.UNKNOWN),
        (board(found(Health.CRITICAL), found(Health.UNKNOWN)), ExitCode.CRITICAL),
        (board(link=Link.DOWN), ExitCode.UNKNOWN),
        (board(found(Health.WARNING), link=Link.DENIED), ExitCode.UNKNOWN),
        (Board(), ExitCode.UNKNOWN),
    ],
)
def test_exit_codes(made: Board, code: ExitCode) -> None:
    health, report = make_report(Profile(name="x"), made, 0.1)
    assert EXITS[health] is code
    assert report.health == health.value
    assert table(report)[0].startswith(f"x: {health.value.upper()}")


def test_the_table_names_what_mends_it() -> None:
    _, report = make_report(Profile(name="x"), board(found(Health.CRITICAL)), 0.1)
    assert any("critical P1" in line and "-> pg-connections" in line for line in table(report))
    assert sum("not configured" in line for line in table(report)) == len(RECIPES) - 1


def test_a_recipes_figures_are_its_sources_own(tmp_path: Path) -> None:
    from alphapulse_tui.sources import alerts, kubernetes, platform, postgres, redis, vault

    classes: dict[str, type[Source[Any]]] = {
        "alerts": alerts.AlertsSource,
        "kubernetes": kubernetes.KubernetesSource,
        "postgres": postgres.PostgresSource,
        "redis": redis.RedisSource,
        "vault": vault.VaultSource,
        "platform": platform.PlatformSource,
    }
    for recipe in RECIPES:
        made = classes[recipe.target]
        assert (recipe.target, recipe.interval, recipe.deadline) == (made.target, made.interval, made.deadline)
    assert make_sources(Profile(name="empty")) == []

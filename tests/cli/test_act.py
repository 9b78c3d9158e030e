"""``alphapulse act``: the list, and what makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alphapulse_tui.actions.registry import ACTIONS
from alphapulse_tui.exits import ExitCode
from tests.cli.program import alphapulse
from tests.e2e.cockpit import processes_of
from tests.waiting import wait_until


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.bare]\n")
    return file


def test_every_action_is_listed_with_its_risk() -> None:
    listed = alphapulse("act", "--json")
    assert (listed.code == ExitCode.OK and listed.err == "") or "no configuration file" in listed.err
    rows = {row["id"]: row for row in json.loads(listed.out)}
    assert set(rows) == set(ACTIONS)
    assert rows["redis.unlink"]["risk"] == "destructive" and rows["redis.unlink"]["params"]["key"]["required"]
    assert rows["kubernetes.previous-log"]["risk"] == "only reads"
    assert "redis.unlink                       destructive  unlink one key  key" in alphapulse("act").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("redis.unlnk",), "There is no action 'redis.unlnk'; did you mean 'redis.unlink'?"),
        (("redis.unlink",), "redis.unlink needs --param key=VALUE: the key's name"),
        (("pg.analyze", "--param", "speed=1"), "write NAME=VALUE with one of: tables"),
        (("pg.analyze", "--param", "tables"), "write NAME=VALUE with one of: tables"),
        (("vault.step-down", "--param", "a=b"), "none, this action has no parameters"),
    ],
)
def test_a_mistake_gets_one_sentence(config: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = alphapulse("--config", str(config), "act", *arguments)
    assert (result.code, result.out) == (ExitCode.USAGE, "")
    assert sentence in result.err and len(result.err.strip().splitlines()) == 1


def test_a_target_that_is_not_configured_refuses(config: Path) -> None:
    result = alphapulse("--config", str(config), "act", "redis.set-policy", "--yes", "--json")
    told = json.loads(result.out)
    assert (result.code, told["verdict"], told["digest"]) == (ExitCode.REFUSED, "refused", ""), result


NOBODY = """\
[profiles.dead]
[profiles.dead.postgres]
primary = { host = "127.0.0.1", port = 1, user = "u", database = "d" }
[profiles.dead.redis]
nodes = [{ name = "redis-0", host = "127.0.0.1", port = 1 }]
[profiles.dead.vault]
nodes = [{ name = "vault-0", address = "http://127.0.0.1:1" }]
[profiles.dead.alertmanager]
url = "http://127.0.0.1:1"
[profiles.dead.kubernetes]
kubeconfig = "kubeconfig"
"""
"""Every target at a port where nobody listens."""

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: dead
contexts: [{name: dead, context: {cluster: dead, user: dead}}]
clusters: [{name: dead, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: dead, user: {token: none}}]
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("pg.reload",),
        ("pg.analyze", "--param", "tables=public.trades"),
        ("redis.set-policy",),
        ("vault.unseal",),
        ("vault.step-down",),
        ("kubernetes.restart", "--param", "name=api"),
        ("alerts.silence", "--param", "alert=RedisMemory", "--param", "duration=30m", "--param", "comment=seen"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_target_that_is_down_is_unavailable_and_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "alphapulse.toml").write_text(NOBODY)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("ALPHAPULSE_CONFIG", str(tmp_path / "alphapulse.toml"))
    monkeypatch.setenv("BAO_TOKEN", "none")
    result = alphapulse("act", *arguments, "--yes", "--json")
    told = json.loads(result.out)
    assert (result.code, told["verdict"]) == (ExitCode.UNAVAILABLE, "unreachable"), result


def test_a_step_whose_target_is_down_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alphapulse.toml").write_text(NOBODY)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("ALPHAPULSE_CONFIG", str(tmp_path / "alphapulse.toml"))
    result = alphapulse("runbook", "run", "pg-connections", "--step", "end-idle-in-transaction", "--yes", "--json")
    (step,) = json.loads(result.out)["steps"]
    assert (result.code, step["verdict"]) == (ExitCode.UNAVAILABLE, "unreachable"), result


def test_the_executor_of_a_command_leaves_soon_after_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path / "state"))
    result = alphapulse("--config", str(config), "act", "redis.set-policy", "--yes", "--json")
    assert result.code == ExitCode.REFUSED, result
    # By its own default it would stay for 30 s, and a script's next dozen commands would find no connection left.
    wait_until(lambda: not processes_of(tmp_path / "state"), 15, "the executor's end")

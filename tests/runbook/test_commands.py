"""Copy mode: what is copied for a bastion is right. The commands run as they are, through bash, with stock tools and a bastion's environment."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.registry import ACTIONS, make_action
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.lab import pooler
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.filling import fill, fill_command
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import ActionStep
from tests.kubectl import Kubectl, kubectl
from tests.lab_handle import LabHandle

__all__ = ["kubectl"]

PROCEDURES = load_procedures()
PICKED = {
    "replica": "postgres-replica-0",
    "node": "vault-0",
    "peer": "vault-2",
    "removed": "vault-2",
    "audited": "vault-0",
}
"""What a person or a check picks, where there is no default."""

WITHOUT = {
    "api-crashloop/dependency": "another procedure's",
    "api-crashloop/supply": "the Secret's keeper's: no value of a Secret passes the cockpit",
    "api-errors/elsewhere": "another procedure's",
    "api-errors/either": "a person decides",
    "api-latency/either": "a person decides",
    "api-latency/queries": "another procedure's",
    "api-latency/cache": "a change of code",
    "pg-replication-lag/rebuild": "data folder and slot are the site's own; its run shows the form",
    "redis-memory/add-nodes": "an administrator's planned work; its run shows it",
    "redis-split-brain/new-nodes": "an administrator's work; its run shows it",
    "rollback-deployment/schema": "a person reads a release",
    "vault-latency/scale": "usually not",
    "vault-sealed/kms": "the vendor's tool; its run shows the form",
    "vault-sealed/lost-disk": "its run shows the form",
}
"""Steps that a stock tool cannot do as they stand, and why."""

SECRET = re.compile(r"(?i)password|authorization|-token:|(^|\s)-a\s|hvs\.")


def commands() -> dict[str, str]:
    """Every different command, by the first step that has it, filled with defaults."""
    found: dict[str, str] = {}
    for procedure in PROCEDURES.values():
        values = {**PICKED, **{name: value for name, value in procedure.defaults(Thresholds()).items() if value}}
        for step in procedure.steps:
            filled = fill_command(step.command, values)
            if filled and filled not in found.values():
                found[f"{procedure.id}/{step.id}"] = filled
    return found


COMMANDS = commands()
ON_SERVERS = [
    name
    for name, text in COMMANDS.items()
    if name.startswith(("pg-", "redis-", "vault-"))
    and "kubectl" not in text
    and ("pgbouncer" not in text or pooler.program() is not None)  # The lab has a pooler where the machine has one.
]
WITH_KUBECTL = [name for name, text in COMMANDS.items() if "kubectl" in text]


def test_every_step_that_a_stock_tool_can_do_has_a_command() -> None:
    without = {
        f"{procedure.id}/{step.id}"
        for procedure in PROCEDURES.values()
        for step in procedure.steps
        if step.kind in ("check", "wait", "branch", "manual") and not step.command
    }
    assert without == set(WITHOUT)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_bash_without_a_secret(name: str) -> None:
    text = COMMANDS[name]
    assert not SECRET.search(text)
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, timeout=15, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_hostile_value_is_one_word_of_the_shell() -> None:
    hostile = "1'; touch /tmp/x; $(reboot) `reboot` \"\n"
    command = fill_command(PROCEDURES["pg-slow-queries"].step("active").command, {"slow-seconds": hostile})
    shown = subprocess.run(
        ["bash", "-c", 'psql() { printf "%s\\n" "${@: -1}"; }\n' + command],
        capture_output=True,
        text=True,
        timeout=15,
        check=True,
    )
    assert shown.stdout == f"slow={hostile}\n"


SHORTEST_SECRET = 12
"""Characters; the lab's own are longer, and their files hold shorter words too (``=``)."""


def bastion(lab: LabHandle, folder: Path) -> dict[str, str]:
    """The environment of a bastion: stock tools by their own names, addresses, and logins in files and variables."""
    for name, program in (("psql", lab.psql_path), ("redis-cli", lab.redis_cli_path), ("vault", lab.bao_path)):
        if not (folder / name).exists():
            (folder / name).symlink_to(program)
    at = {name: f"http://127.0.0.1:{lab.ports[name]}" for name in ("vault-0", "vault-1", "vault-2")}
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(lab.ports["postgres-primary"]),
        "PGUSER": "oncall",
        "PGDATABASE": "alphapulse_prod",
        "PGPASSFILE": str(lab.secret("pgpass-oncall")),
        "REPLICA_HOST": "127.0.0.1",
        "REPLICA_PORT": str(lab.ports["postgres-replica-0"]),
        "PGBOUNCER_PORT": str(lab.ports.get("pgbouncer", "")),
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(lab.ports["redis-cluster-0"]),
        "REDIS_USER": "oncall",
        "REDISCLI_AUTH": lab.secret("redis-oncall").read_text().strip(),
        "VAULT_ADDR": at["vault-0"],
        "VAULT_NODES": " ".join(at.values()),
        "VAULT_TOKEN": lab.secret("vault-token-oncall").read_text().strip(),
    }


def run(text: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One command as a person pastes it, but for its pauses; its exit code is the caller's business."""
    return subprocess.run(
        ["bash", "-c", "sleep() { :; }\n" + text],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.lab
@pytest.mark.parametrize("name", ON_SERVERS)
def test_a_command_runs_on_the_real_servers(name: str, whole_lab: LabHandle, tmp_path: Path) -> None:
    done = run(COMMANDS[name], bastion(whole_lab, tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not re.search(r"error|denied|could not connect", done.stdout + done.stderr, re.IGNORECASE), done.stderr
    for file in (whole_lab.directory / "secrets").glob("*"):
        for secret in file.read_text().split():
            word = secret.rpartition(":")[2]
            assert len(word) < SHORTEST_SECRET or word not in done.stdout


@pytest.mark.lab
@pytest.mark.long
def test_the_commands_see_what_is_broken(whole_lab: LabHandle, tmp_path: Path) -> None:
    environment = bastion(whole_lab, tmp_path)
    whole_lab.break_("vault-sealed-all")
    sealed = run(COMMANDS["vault-sealed/which-nodes"], environment)
    assert sealed.returncode == 2
    assert len(re.findall(r"Sealed\s+true", sealed.stdout)) == 3
    whole_lab.mend("vault-sealed-all")
    whole_lab.break_("lock-chain")
    assert re.search(r"\{\d+\}", run(COMMANDS["pg-slow-queries/locks"], environment).stdout)
    whole_lab.mend("lock-chain")
    whole_lab.break_("replica-lag")
    assert re.search(r"^ paused ", run(COMMANDS["pg-replication-lag/replica"], environment).stdout, re.MULTILINE)
    whole_lab.psql("SELECT pg_logical_emit_message(true, 'test', 'some WAL')")
    lag = run(COMMANDS["pg-replication-lag/lag"], environment).stdout
    assert int(lag.splitlines()[2].split("|")[0]) > 0, lag


@pytest.mark.lab
def test_every_plan_has_a_form_for_the_shell_or_says_why_not(lab: LabHandle) -> None:
    profile = load_profile("lab", str(lab.profile)).profile
    for name, (shell, said) in asyncio.run(plans(profile)).items():
        assert shell or said, f"{name} gives nothing to copy and no reason"
        assert not SECRET.search(shell), name


async def plans(profile: Profile) -> dict[str, tuple[str, str]]:
    """Every action's shell and sentence of refusal, with the values of the first procedure that has it."""
    params: dict[str, dict[str, str]] = {}
    for procedure in PROCEDURES.values():
        values = procedure.defaults(profile.thresholds)
        for step in procedure.steps:
            if isinstance(step, ActionStep):
                params.setdefault(step.action, {name: fill(value, values) for name, value in step.params.items()})
    found: dict[str, tuple[str, str]] = {}
    for name in ACTIONS:
        action = make_action(name, profile)
        try:
            plan = await action.plan(params.get(name, {}))
            found[name] = (plan.shell, plan.refusal)
        except ActionProblem as problem:
            found[name] = ("", str(problem))
        finally:
            await action.close()
    return found


@pytest.mark.lab
@pytest.mark.long
@pytest.mark.parametrize("name", WITH_KUBECTL)
def test_a_command_of_kubectl_runs_on_the_cluster(
    name: str,
    whole_lab: LabHandle,
    kubectl: Kubectl,
    tmp_path: Path,
) -> None:
    text = COMMANDS[name].replace(" delete ", " delete --dry-run=client --ignore-not-found ")
    environment = {
        **bastion(whole_lab, tmp_path),
        "KUBECONFIG": str(whole_lab.directory / "kubernetes" / "oncall.kubeconfig"),
        "PROMETHEUS_URL": f"http://127.0.0.1:{whole_lab.ports['prometheus']}",
    }
    if not shutil.which("kubectl"):
        (tmp_path / "kubectl").symlink_to(kubectl.program)
    done = run(text, environment)
    assert done.returncode == 0 or (done.stderr == "" and "grep" in text), done.stderr
    assert "Forbidden" not in done.stderr

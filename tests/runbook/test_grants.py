"""Every procedure's diagnosis with each single grant of the on-call taken away, on real servers: no crash, no false green, and the missing grant
named.

The platform is broken first, so that there is something to be green about by mistake. A check that depends on a grant must say *not verified*
once it is gone; one that does not must go on saying what it said.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any

import pytest
import yaml

from alphapulse_tui.config.load import load_profile
from alphapulse_tui.lab.privileges import privileges
from alphapulse_tui.runbook.dry_run import dry_run
from alphapulse_tui.runbook.load import load_procedures
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.runbook.grant import Grant, without

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1800)]

REDIS_READS = """
hello command client|list info role dbsize readonly cluster|info cluster|nodes cluster|shards cluster|slots cluster|myid cluster|links
cluster|countkeysinslot cluster|getkeysinslot slowlog|get slowlog|len latency|latest memory|usage memory|stats scan type ttl config|get
""".split()  # noqa: SIM905
"""Commands of oncall.acl that only read; the others are for changes, whose plans are not made here."""


def redis_grants(lab: LabHandle) -> list[Grant]:
    def rule(sign: str, command: str) -> None:
        for ordinal in range(6):
            lab.redis_cli(ordinal, "ACL", "SETUSER", "oncall", f"{sign}{command}", user="admin")

    return [
        Grant(command, lambda c=command: rule("-", c), lambda c=command: rule("+", c), re.escape(command))  # type: ignore[misc]
        for command in REDIS_READS
    ]


def postgres_grants(lab: LabHandle) -> list[Grant]:
    def sql(*statements: str) -> None:
        for statement in statements:
            lab.superuser(statement)

    parts = ("pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables")
    grants = [
        Grant(
            part,
            lambda p=part: sql("REVOKE pg_monitor FROM oncall", f"GRANT {', '.join(set(parts) - {p})} TO oncall"),  # type: ignore[misc]
            lambda: sql(f"REVOKE {', '.join(parts)} FROM oncall", "GRANT pg_monitor TO oncall"),
            "pg_monitor|pg_read_all|pg_stat_scan",
        )
        for part in parts
    ]
    grants.append(
        Grant(
            "pg_monitor",
            lambda: sql("REVOKE pg_monitor FROM oncall"),
            lambda: sql("GRANT pg_monitor TO oncall"),
            "pg_monitor|pg_read_all",
        )
    )
    return grants


def vault_grants(lab: LabHandle) -> list[Grant]:
    whole = (privileges("vault") / "oncall.hcl").read_text(encoding="utf-8")
    blocks = re.findall(r'path "([^"]+)" \{\n  capabilities = \["read"\]\n\}', whole)

    def write(text: str) -> None:
        leader = next(n for n in range(3) if re.search(r"HA Mode +active", lab.bao(n, "status").stdout))
        environment = {
            "VAULT_ADDR": f"http://127.0.0.1:{lab.ports[f'vault-{leader}']}",
            "VAULT_TOKEN": lab.secret("vault-token-root").read_text().strip(),
            "HOME": str(lab.directory),
        }
        subprocess.run(
            [str(lab.bao_path), "policy", "write", "oncall", "-"],
            input=text, env=environment, check=True, capture_output=True, text=True, timeout=20,
        )  # fmt: skip

    def less(path: str) -> str:
        return re.sub(rf'path "{re.escape(path)}" \{{.*?\}}\n', "", whole, flags=re.DOTALL)

    return [
        Grant(path, lambda p=path: write(less(p)), lambda: write(whole), re.escape(path))  # type: ignore[misc]
        for path in blocks
    ]


def kubernetes_grants(kubectl: Kubectl) -> list[Grant]:
    admin = kubectl.as_user("admin")
    role = next(iter(yaml.safe_load_all((privileges("kubernetes") / "oncall.yaml").read_text(encoding="utf-8"))))
    reading = {"get", "list", "watch"}
    resources = sorted({name for rule in role["rules"] if set(rule["verbs"]) <= reading for name in rule["resources"]})

    def apply(changed: dict[str, Any]) -> None:
        admin("apply", "-f", "-", stdin=json.dumps(changed))

    def less(resource: str) -> dict[str, Any]:
        rules = [
            {**rule, "resources": [name for name in rule["resources"] if name != resource]}
            if set(rule["verbs"]) <= reading
            else rule
            for rule in role["rules"]
        ]
        return {**role, "rules": [rule for rule in rules if rule["resources"]]}

    return [
        Grant(
            resource,
            lambda r=resource: apply(less(r)),
            lambda: apply(role),
            rf"\b{re.escape(resource.split('/')[0])}\b",
        )  # type: ignore[misc]
        for resource in resources
    ]


async def diagnose(lab: LabHandle, targets: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Every check of the procedures of ``targets``, by ``procedure/step``."""
    profile = load_profile("lab", str(lab.profile)).profile
    found: dict[str, dict[str, Any]] = {}
    for procedure in load_procedures().values():
        if procedure.target in targets:
            values = procedure.defaults(profile.thresholds)
            for step in await dry_run(profile, procedure, values, time.time):
                if step["kind"] in ("check", "branch", "wait"):
                    found[f"{procedure.id}/{step['id']}"] = step
    assert found, f"no procedure mends {targets}"
    return found


CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "redis": (("redis",), ("redis-memory-pressure", "redis-wrong-policy")),
    "postgres": (("postgres",), ("lock-chain", "replica-lag")),
    "vault": (("vault",), ("vault-sealed-one",)),
    "kubernetes": (("kubernetes", "platform"), ("bad-release-errors",)),
}
"""By system: the targets of its procedures, and what is broken meanwhile."""


@pytest.mark.parametrize("system", CASES)
async def test_a_missing_grant_is_named_and_never_green(whole_lab: LabHandle, kubectl: Kubectl, system: str) -> None:
    targets, faults = CASES[system]
    for fault in faults:
        whole_lab.break_(fault)
    whole = await diagnose(whole_lab, targets)
    grants = {
        "redis": lambda: redis_grants(whole_lab),
        "postgres": lambda: postgres_grants(whole_lab),
        "vault": lambda: vault_grants(whole_lab),
        "kubernetes": lambda: kubernetes_grants(kubectl),
    }[system]()
    less = {}
    for grant in grants:
        with without(grant):
            less[grant] = await diagnose(whole_lab, targets)
    again = await diagnose(whole_lab, targets)
    steady = {name: step for name, step in whole.items() if step["verdict"] == again[name]["verdict"]}
    assert any(step["verdict"] == "bad" for step in steady.values()), "nothing was broken"
    problems = [problem for grant, found in less.items() for problem in judged(grant, steady, found)]
    assert not problems, "\n".join(problems)


def judged(grant: Grant, whole: dict[str, dict[str, Any]], less: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with the diagnosis without the grant, in the steps whose verdict does not change by itself."""
    problems = []
    for name, step in less.items():
        if name not in whole:
            continue
        before, now = whole[name]["verdict"], step["verdict"]
        if now == "ok" and before != "ok":
            problems.append(f"without {grant.name} {name} is green, which was {before}: {step['sentence']}")
        if now == "not verified" and before != "not verified" and not re.search(grant.word, said(step)):
            problems.append(f"without {grant.name} {name} does not name it: {said(step)}")
    return problems


def said(step: dict[str, Any]) -> str:
    """Sentence and evidence."""
    return " ".join([step["sentence"], *(str(cell) for row in step["evidence"] for cell in row)])

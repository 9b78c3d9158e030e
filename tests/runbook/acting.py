"""The grants with which the on-call changes something, as ``deploy/privileges`` gives them: how each is taken and given back, the words that
name it, and the actions that it is for. Used by ``test_acting_grants``.
"""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml

from alphapulse_tui.lab.privileges import privileges
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.runbook.grant import Grant
from tests.waiting import wait_until


@dataclass(frozen=True)
class Acting(Grant):
    """One right to change something."""

    actions: frozenset[str]
    """Ids of the actions that cannot be done without it, by what they send: this table knows nothing of the product's own."""
    late: frozenset[str] = frozenset()
    """Of these what it is for comes second: sent without it, a part is done all the same, so only the plan can keep them from it."""


OWNERS = frozenset({"pg.create-index", "pg.drop-index", "pg.explain", "pg.rollback-prepared"})
SIGNALS = frozenset(
    {
        "pg.terminate-idle-in-transaction",
        "pg.terminate-idle",
        "pg.terminate-backend",
        "pg.cancel-query",
        "pg.terminate-query",
        "pg.terminate-root-blockers",
        "pg.cancel-conflicting",
    }
)
FAILOVERS = frozenset({"redis.failover", "redis.failover-force", "redis.failover-takeover"})
SETTINGS = frozenset({"redis.set-policy", "redis.set-maxmemory"})


def _postgres(lab: LabHandle, take: str, give: str, name: str, word: str, *actions: str) -> Acting:
    """A grant of PostgreSQL; the replica has heard of it when this returns."""

    def done(statement: str) -> None:
        for one in statement.split("; "):
            lab.superuser(one)
        mark = lab.superuser("SELECT pg_current_wal_insert_lsn()")
        reached = f"SELECT pg_last_wal_replay_lsn() >= '{mark}'"
        wait_until(lambda: lab.psql(reached, server="postgres-replica-0") == "t", 10, "the grant on the replica")

    return Acting(name, lambda: done(take), lambda: done(give), word, frozenset(actions))


def postgres(lab: LabHandle) -> list[Acting]:
    """``50-oncall.sql`` but for ``pg_monitor``, which reads, and what :func:`postgres_later` has."""
    return [
        _postgres(
            lab,
            "REVOKE pg_signal_backend FROM oncall",
            "GRANT pg_signal_backend TO oncall",
            "pg_signal_backend",
            "GRANT pg_signal_backend TO oncall",
            *SIGNALS,
        ),
        _postgres(
            lab,
            "REVOKE EXECUTE ON FUNCTION pg_wal_replay_resume() FROM oncall",
            "GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO oncall",
            "pg_wal_replay_resume",
            r"GRANT EXECUTE ON FUNCTION pg_wal_replay_resume\(\) TO oncall",
            "pg.resume-replay",
        ),
        _postgres(
            lab,
            "REVOKE MAINTAIN ON ALL TABLES IN SCHEMA public FROM oncall",
            "GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO oncall",
            "MAINTAIN",
            "GRANT MAINTAIN ON .* TO oncall",
            "pg.analyze",
            "pg.vacuum",
        ),
        _postgres(
            lab,
            "REVOKE alphapulse FROM oncall",
            "GRANT alphapulse TO oncall WITH INHERIT FALSE, SET TRUE",
            "SET ROLE alphapulse",
            "GRANT (alphapulse|the owner) TO oncall WITH INHERIT FALSE, SET TRUE",
            *OWNERS,
        ),
        _postgres(
            lab,
            "REVOKE ALTER SYSTEM ON PARAMETER max_connections FROM oncall",
            "GRANT ALTER SYSTEM ON PARAMETER max_connections TO oncall",
            "ALTER SYSTEM",
            "GRANT ALTER SYSTEM ON PARAMETER max_connections TO oncall",
            "pg.set-max-connections",
        ),
        _postgres(
            lab,
            "REVOKE EXECUTE ON FUNCTION pg_reload_conf() FROM oncall",
            "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO oncall",
            "pg_reload_conf",
            r"GRANT EXECUTE ON FUNCTION pg_reload_conf\(\) TO oncall",
            "pg.reload",
            "pg.set-max-connections",
        ),
    ]


def postgres_later(lab: LabHandle) -> list[Acting]:
    """What no plan is refused for: the way in when every slot is taken, and the proof of a setting that was written."""
    slots = ("pg.terminate-idle-in-transaction", "pg.terminate-idle")
    role = "pg_use_reserved_connections"
    view, function = "SELECT ON pg_file_settings", "EXECUTE ON FUNCTION pg_show_all_file_settings()"
    return [
        _postgres(
            lab, f"REVOKE {role} FROM oncall", f"GRANT {role} TO oncall", role, f"GRANT {role} TO oncall", *slots
        ),
        *(
            _postgres(
                lab,
                f"REVOKE {what} FROM oncall",
                f"GRANT {what} TO oncall",
                what,
                f"GRANT {re.escape(what)} TO oncall",
                "pg.set-max-connections",
            )
            for what in (view, function)
        ),
    ]


def living(lab: LabHandle) -> list[int]:
    """The Redis nodes that answer; one that comes back has its rules from its file."""
    found = []
    for ordinal in range(6):
        with suppress(subprocess.CalledProcessError):
            lab.redis_cli(ordinal, "PING", user="admin")
            found.append(ordinal)
    return found


def redis(lab: LabHandle) -> list[Acting]:
    """The commands of ``oncall.acl`` that change something, on every node."""

    def rule(sign: str, command: str) -> None:
        for ordinal in living(lab):
            lab.redis_cli(ordinal, "ACL", "SETUSER", "oncall", f"{sign}{command}", user="admin")

    uses = {
        "cluster|failover": FAILOVERS,
        "cluster|setslot": frozenset({"redis.close-slots"}),
        "cluster|addslots": frozenset({"redis.cover-slots", "redis.cover-slots gone"}),
        "cluster|bumpepoch": frozenset({"redis.cover-slots", "redis.cover-slots gone"}),
        "cluster|forget": frozenset({"redis.forget", "redis.cover-slots gone"}),
        "config|set": SETTINGS,
        "config|rewrite": SETTINGS,
        "unlink": frozenset({"redis.unlink"}),
    }
    late = {
        "cluster|addslots": frozenset({"redis.cover-slots gone"}),
        "cluster|bumpepoch": uses["cluster|bumpepoch"],
        "config|rewrite": SETTINGS,
    }
    return [
        Acting(
            command,
            lambda c=command: rule("-", c),  # type: ignore[misc]
            lambda c=command: rule("+", c),  # type: ignore[misc]
            rf"ACL SETUSER oncall \+{re.escape(command)}(?!\w)",
            actions,
            late.get(command, frozenset()),
        )
        for command, actions in uses.items()
    ]


def vault(lab: LabHandle) -> list[Acting]:
    """The paths of ``oncall.hcl`` that are written to."""
    whole = (privileges("vault") / "oncall.hcl").read_text(encoding="utf-8")

    def write(text: str) -> None:
        leader = next(n for n in range(3) if re.search(r"HA Mode +active", lab.bao(n, "status").stdout))
        environment = {
            "VAULT_ADDR": f"http://127.0.0.1:{lab.ports[f'vault-{leader}']}",
            "VAULT_TOKEN": lab.secret("vault-token-root").read_text().strip(),
            "HOME": str(lab.directory),
        }
        words = [str(lab.bao_path), "policy", "write", "oncall", "-"]
        subprocess.run(words, input=text, env=environment, check=True, capture_output=True, text=True, timeout=20)

    def less(path: str) -> str:
        text, taken = re.subn(rf'path "{re.escape(path)}" \{{.*?\}}\n', "", whole, flags=re.DOTALL)
        assert taken == 1, path
        return text

    uses = {"sys/step-down": "vault.step-down", "sys/storage/raft/remove-peer": "vault.remove-peer"}
    paths = re.findall(r'path "([^"]+)" \{\n  capabilities = \[(?!"read"\])', whole)
    assert set(paths) == set(uses)
    return [
        Acting(
            path,
            lambda p=path: write(less(p)),  # type: ignore[misc]
            lambda: write(whole),
            rf'path "{re.escape(path)}" \{{ capabilities = \["update"',
            frozenset({uses[path]}),
        )
        for path in paths
    ]


TEMPLATES = frozenset(
    {"kubernetes.restart", "kubernetes.rollback", "kubernetes.set-image", "kubernetes.set-memory", "kubernetes.apply"}
)
KUBERNETES_USES: dict[tuple[str, str], frozenset[str]] = {
    ("deployments", "patch"): TEMPLATES,
    ("statefulsets", "patch"): frozenset({"kubernetes.apply StatefulSet"}),
    ("deployments/scale", "patch"): frozenset({"kubernetes.scale"}),
    ("statefulsets/scale", "patch"): frozenset(),
    ("horizontalpodautoscalers", "patch"): frozenset({"kubernetes.hpa-maximum"}),
    ("pods/eviction", "create"): frozenset({"kubernetes.delete-pod", "vault.restart-node"}),
    ("pods/exec", "get"): frozenset({"kubernetes.test-inside"}),
    ("pods/exec", "create"): frozenset({"kubernetes.test-inside"}),
    ("pods/log", "get"): frozenset({"kubernetes.previous-log"}),
    # What no action sends: the same by hand, and procedures that are not built yet.
    ("deployments/scale", "get"): frozenset(),
    ("statefulsets/scale", "get"): frozenset(),
    ("virtualservices", "patch"): frozenset(),
    ("pods", "delete"): frozenset(),
    ("jobs", "create"): frozenset(),
}
"""Resource and verb of the Role to the actions that need it: all scenes and procedures change Deployments, but a manifest may be of either."""


def kubernetes(kubectl: Kubectl) -> list[Acting]:
    """The verbs of ``oncall.yaml`` that change something, run something or read a log."""
    admin = kubectl.as_user("admin")
    role = next(iter(yaml.safe_load_all((privileges("kubernetes") / "oncall.yaml").read_text(encoding="utf-8"))))
    reading = {"get", "list", "watch"}
    given = {
        (name, verb)
        for rule in role["rules"]
        for name in rule["resources"]
        for verb in rule["verbs"]
        if not set(rule["verbs"]) <= reading or name == "pods/log"
    }
    assert given == set(KUBERNETES_USES)

    def less(resource: str, verb: str) -> dict[str, Any]:
        rules = []
        for rule in role["rules"]:
            others = [name for name in rule["resources"] if name != resource]
            verbs = [one for one in rule["verbs"] if one != verb]
            if (
                len(others) == len(rule["resources"])
                or verb not in rule["verbs"]
                or (set(rule["verbs"]) <= reading and resource != "pods/log")
            ):
                rules.append(rule)
                continue
            rules += [{**rule, "resources": others}] if others else []
            rules += [{**rule, "resources": [resource], "verbs": verbs}] if verbs else []
        return {**role, "rules": rules}

    def apply(changed: dict[str, Any]) -> None:
        admin("apply", "-f", "-", stdin=json.dumps(changed))

    return [
        Acting(
            f"{resource}: {verb}",
            lambda r=resource, v=verb: apply(less(r, v)),  # type: ignore[misc]
            lambda: apply(role),
            rf"\b{re.escape(resource)}(: {verb}\b| \[[a-z ]*\b{verb}\b)",
            actions,
        )
        for (resource, verb), actions in KUBERNETES_USES.items()
    ]

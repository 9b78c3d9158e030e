"""What the surveys of rights say of two logins of the lab, on every system: the on-call lacks nothing, a viewer is told each grant."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.board import Board
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.model.rights import NEEDS, RightsSurvey
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.rights import lacking
from alphapulse_tui.sources.build import read_once
from alphapulse_tui.sources.redis_rights import NEEDED as REDIS_NEEDED
from alphapulse_tui.sources.redis_rights import by_rules, commands_of
from tests.kubectl import Kubectl, kubectl
from tests.lab_handle import LabHandle

__all__ = ["kubectl"]

pytestmark = pytest.mark.lab

RIGHTS = ("postgres-rights", "redis-rights", "vault-rights", "kubernetes-rights")
POSTGRES = {
    "GRANT pg_signal_backend TO viewer",
    "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO viewer",
    "GRANT ALTER SYSTEM ON PARAMETER max_connections TO viewer",
    "GRANT alphapulse TO viewer WITH INHERIT FALSE, SET TRUE",
    "GRANT pg_use_reserved_connections TO viewer",
    "GRANT SELECT ON pg_file_settings TO viewer",
    "GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO viewer",
    "GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO viewer",
    "GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO viewer",
}
REDIS = {
    f"ACL SETUSER viewer +{rule}"
    for rule in (
        "cluster|failover", "cluster|setslot", "cluster|addslots", "cluster|bumpepoch", "cluster|forget", "config|set", "config|rewrite", "unlink",
    )
}  # fmt: skip
VAULT = {
    'path "sys/step-down" { capabilities = ["update", "sudo"] }',
    'path "sys/storage/raft/remove-peer" { capabilities = ["update"] }',
}


def viewer_of(lab: LabHandle, folder: Path) -> str:
    """The lab's profile with the viewer's logins instead of the on-call engineer's."""
    text = lab.profile.read_text()
    for name in ("redis-oncall", "vault-token-oncall", "pgpass-oncall"):
        text = text.replace(str(lab.secret(name)), str(lab.secret(name.replace("oncall", "viewer"))))
    text = text.replace('username = "oncall"', 'username = "viewer"').replace('user = "oncall"', 'user = "viewer"')
    text = text.replace("oncall.kubeconfig", "viewer.kubeconfig")
    file = folder / "alphapulse.toml"
    file.write_text(text)
    return str(file)


async def asked(profile: str, *surveys: str) -> Board:
    return await read_once(load_profile("lab", profile).profile, 20.0, surveys)


def survey(board: Board, key: str) -> RightsSurvey:
    reading = board.readings[key]
    assert isinstance(reading.snapshot, RightsSurvey), reading.problem
    return reading.snapshot


async def test_postgres(postgres_lab: LabHandle, tmp_path: Path) -> None:
    assert survey(await asked(str(postgres_lab.profile), "postgres-rights"), "postgres-rights") == RightsSurvey()
    found = survey(await asked(viewer_of(postgres_lab, tmp_path), "postgres-rights"), "postgres-rights")
    assert {grant for _, grant in found.missing} == POSTGRES and found.unknown == ()


async def test_redis_by_a_dry_run_or_by_the_rules(redis_lab: LabHandle, tmp_path: Path) -> None:
    viewer = viewer_of(redis_lab, tmp_path)
    assert survey(await asked(str(redis_lab.profile), "redis-rights"), "redis-rights") == RightsSurvey()
    found = survey(await asked(viewer, "redis-rights"), "redis-rights")
    assert {grant for _, grant in found.missing} == REDIS and found.unknown == ()

    def every(*words: str) -> None:
        for ordinal in range(6):
            redis_lab.redis_cli(ordinal, *words, user="admin")

    every("ACL", "SETUSER", "viewer", "-acl|dryrun")
    try:
        blind = survey(await asked(viewer, "redis-rights"), "redis-rights")
        assert blind.missing == () and {why for _, why in blind.unknown} == {
            "ACL SETUSER viewer +acl|dryrun would tell"
        }
        every("ACL", "SETUSER", "viewer", "+acl|getuser")
        assert {grant for _, grant in survey(await asked(viewer, "redis-rights"), "redis-rights").missing} == REDIS
    finally:
        every("ACL", "SETUSER", "viewer", "-acl|getuser", "+acl|dryrun")
    told = redis_lab.redis_cli(0, "ACL", "GETUSER", "oncall", user="admin").split("\n")
    rules = commands_of(["commands", told[told.index("commands") + 1]])
    assert all(by_rules(rules, right) for right in REDIS_NEEDED)


async def test_a_viewer_is_told_before_any_procedure_and_the_oncall_lacks_nothing(
    whole_lab: LabHandle, kubectl: Kubectl, tmp_path: Path
) -> None:
    whole_lab.wait("kubernetes", timeout=600.0)
    oncall, viewer = (
        await asked(str(whole_lab.profile), *RIGHTS),
        await asked(viewer_of(whole_lab, tmp_path), *RIGHTS),
    )
    for key in RIGHTS:
        assert survey(oncall, key) == RightsSurvey(), key
    assert {grant for _, grant in survey(viewer, "vault-rights").missing} == VAULT
    by_kubectl = set()
    for right in {right for rights in NEEDS.values() for right in rights if right.system == "kubernetes"}:
        group, resource, verb = right.words
        name, _, sub = resource.partition("/")
        words = [
            "auth",
            "can-i",
            verb,
            f"{name}.{group}" if group else name,
            *([f"--subresource={sub}"] if sub else []),
        ]
        if kubectl.as_user("viewer").run(*words).stdout.strip() == "no":
            by_kubectl.add(f"{f'{group} ' if group else ''}{resource}: {verb} in namespace alphapulse")
    assert {grant for _, grant in survey(viewer, "kubernetes-rights").missing} == by_kubectl != set()
    for procedure in load_procedures().values():
        lacks = lacking(procedure, oncall.readings, oncall.clock())
        assert lacks.verified, f"{procedure.id}: {lacks}"
        changes = any(NEEDS[step.action] for step in procedure.steps if hasattr(step, "action"))
        if changes:
            assert lacking(procedure, viewer.readings, viewer.clock()).missing, procedure.id

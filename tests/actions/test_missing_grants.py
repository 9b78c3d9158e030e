"""The grant that is missing, from what each server says when it refuses: per Redis node and command, and in every wording of PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest

from alphapulse_tui.actions.postgres_grants import grant_of
from alphapulse_tui.actions.redis_node import Cluster
from alphapulse_tui.actions.redis_rights import forbidden, setting_forbidden
from alphapulse_tui.actions.vault_rights import forbidden as forbidden_by_vault
from alphapulse_tui.config.settings import Profile, VaultNode, VaultTarget
from alphapulse_tui.model.rights import PATCH_DEPLOYMENT, PATCH_STATEFULSET, needs
from tests.actions.redis_cases import name, profile_of
from tests.sources.doors import Behaviour, by_path, door
from tests.sources.servers import free_port

FORGET, CLAIM, RAISE = ("CLUSTER", "FORGET", "0" * 40), ("CLUSTER", "ADDSLOTS", "1"), ("CLUSTER", "BUMPEPOCH")


def node(answers: dict[str, bytes]) -> Behaviour:
    """A node that answers ACL DRYRUN with OK, but for a command that has one of these words."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = [
                (await reader.readline(), (await reader.readline()).strip().decode())[1] for _ in range(int(head[1:]))
            ]
            writer.write(next((answer for word, answer in answers.items() if word in words), b"+OK\r\n"))

    return behave


def bulk(text: str) -> bytes:
    return f"${len(text)}\r\n{text}\r\n".encode()


REFUSED = bulk("User oncall has no permissions to run the command")


async def test_only_the_nodes_that_refuse_are_named_with_every_rule_once() -> None:
    async with (
        door(node({"BUMPEPOCH": REFUSED, "FORGET": REFUSED})) as first,
        door(node({"FORGET": REFUSED})) as second,
        door(node({})) as third,
    ):
        cluster = Cluster(profile_of([first, second, third], "oncall"))
        try:
            claim = {name(place): [FORGET, CLAIM, RAISE] for place in range(3)}
            said = await forbidden(cluster, claim)
            assert said == (
                f"{name(0)}, {name(1)} do not allow it: ACL SETUSER oncall +cluster|forget +cluster|bumpepoch would"
            )
            assert await forbidden(cluster, {name(1): [CLAIM, RAISE], name(2): [FORGET]}) == ""
        finally:
            await cluster.close()


async def test_a_key_that_is_out_of_reach_is_named_by_its_pattern() -> None:
    async with door(node({"UNLINK": bulk("User oncall has no permissions to access the 'big' key")})) as port:
        cluster = Cluster(profile_of([port], "oncall"))
        try:
            said = await forbidden(cluster, {name(0): [("UNLINK", "big")]})
            assert said == f"{name(0)} does not allow it: ACL SETUSER oncall ~big would"
        finally:
            await cluster.close()


async def test_a_setting_without_the_file_says_what_can_be_done_without_it() -> None:
    async with door(node({"REWRITE": REFUSED})) as port:
        cluster = Cluster(profile_of([port], "oncall"))
        try:
            said = await setting_forbidden(cluster, "maxmemory", {name(0): "1"}, persist=True)
            assert "+config|rewrite would; with persist=no" in said
            assert await setting_forbidden(cluster, "maxmemory", {name(0): "1"}, persist=False) == ""
        finally:
            await cluster.close()


async def test_what_cannot_be_asked_is_left_to_the_node_itself() -> None:
    """Before Redis 7, without the right to ask, or of a node that is gone."""
    for answer in (b"-ERR unknown subcommand 'DRYRUN'\r\n", b"-NOPERM no permissions to run 'acl|dryrun'\r\n"):
        async with door(node({"DRYRUN": answer})) as port:
            cluster = Cluster(profile_of([port, free_port()], "oncall"))
            try:
                assert await forbidden(cluster, {name(0): [FORGET], name(1): [FORGET]}) == ""
            finally:
                await cluster.close()


@pytest.mark.parametrize(
    ("message", "detail", "grant"),
    [
        ("permission denied for function pg_reload_conf", "", "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO ana"),
        (
            'permission denied to set parameter "max_connections"',
            "",
            "GRANT ALTER SYSTEM ON PARAMETER max_connections TO ana",
        ),
        ('permission denied to set role "owner"', "", "GRANT owner TO ana WITH INHERIT FALSE, SET TRUE"),
        (
            "permission denied to terminate process",
            'Only roles with privileges of ... the "pg_signal_backend" role may terminate this process.',
            "GRANT pg_signal_backend TO ana",
        ),
        ("permission denied to cancel query", "", "GRANT pg_signal_backend TO ana"),
        (
            "must be a member of the role whose process is being terminated or member of pg_signal_backend",
            "",
            "GRANT pg_signal_backend TO ana",
        ),
        ('permission denied to vacuum "trades", skipping it', "", "GRANT MAINTAIN ON trades TO ana"),
        (
            "permission denied to terminate process",
            "Only roles with the SUPERUSER attribute may terminate processes of roles with the SUPERUSER attribute.",
            "",
        ),
        ("must be a superuser to terminate superuser process", "", ""),
        ("permission denied for table trades", "", ""),
    ],
)
def test_a_refusal_of_postgres_names_its_grant_or_none(message: str, detail: str, grant: str) -> None:
    found = grant_of(message, "ana", detail)
    assert found.startswith(grant) and bool(found) is bool(grant)


async def test_vault_that_cannot_be_asked_is_left_to_speak_for_itself(tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    token.chmod(0o600)
    async with door(by_path({"/v1/sys/capabilities-self": (503, b"{}")})) as port:
        nodes = (VaultNode(name="vault-0", address=f"http://127.0.0.1:{port}"),)
        profile = Profile(name="test", vault=VaultTarget(nodes=nodes, token_file=str(token)))
        assert await forbidden_by_vault(profile, "vault.step-down") == ""


def test_a_change_of_one_kind_needs_nothing_on_the_other() -> None:
    assert needs("kubernetes.restart", {"kind": "Deployment"}) == (PATCH_DEPLOYMENT,)
    assert needs("kubernetes.restart", {"kind": "statefulset"}) == (PATCH_STATEFULSET,)
    for open_kind in ({}, {"kind": "{kind}"}):
        assert needs("kubernetes.restart", open_kind) == (PATCH_DEPLOYMENT, PATCH_STATEFULSET)

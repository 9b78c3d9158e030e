"""Rights asked of systems that refuse, are sealed, or talk nonsense: unknown is said to be unknown, never taken for allowed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from alphapulse_tui.model.rights import NEEDS
from alphapulse_tui.sources.contract import Denied, Unreachable
from alphapulse_tui.sources.redis_link import Address as RedisAddress
from alphapulse_tui.sources.redis_rights import NEEDED, RedisRightsSource
from alphapulse_tui.sources.vault import Address
from alphapulse_tui.sources.vault_rights import VaultRightsSource
from tests.sources.doors import Behaviour, by_path, door
from tests.sources.servers import free_port

PATH = "/v1/sys/capabilities-self"
(STEP_DOWN,) = NEEDS["vault.step-down"]
(REMOVE,) = NEEDS["vault.remove-peer"]


def told(data: Any) -> bytes:
    return json.dumps({"data": data}).encode()


async def read(*answers: tuple[int, bytes], token: str = "t") -> Any:
    async with door(by_path({PATH: answers[0]})) as first, door(by_path({PATH: answers[-1]})) as second:
        nodes = [Address(name, f"http://127.0.0.1:{port}") for name, port in (("v0", first), ("v1", second))]
        source = VaultRightsSource(nodes, lambda: token)
        try:
            return await source.read()
        finally:
            await source.close()


async def test_a_sealed_node_leaves_the_answer_to_the_next_and_root_may_everything() -> None:
    sealed = (503, b'{"errors": ["Vault is sealed"]}')
    has = {"sys/step-down": ["update"], "sys/storage/raft/remove-peer": ["root"]}
    found = await read(sealed, (200, told(has)))
    assert found.missing == ((STEP_DOWN, 'path "sys/step-down" { capabilities = ["update", "sudo"] }'),)
    assert found.unknown == ()


async def test_what_is_not_told_is_not_known() -> None:
    found = await read((200, told({"sys/step-down": ["deny"]})))
    assert [right for right, _ in found.missing] == [STEP_DOWN] and [right for right, _ in found.unknown] == [REMOVE]


@pytest.mark.parametrize(
    ("answer", "token", "problem", "said"),
    [
        ((403, b"{}"), "t", Denied, 'needs path "sys/capabilities-self"'),
        ((200, b"{}"), "", Denied, "no Vault token was found"),
        ((200, b"[1]"), "t", Unreachable, "in an unknown form"),
        ((200, b"<html>"), "t", Unreachable, "not in JSON"),
        ((503, b"{}"), "t", Unreachable, "no node can be asked; v0 answers with code 503"),
    ],
)
async def test_a_refusal_is_a_sentence(
    answer: tuple[int, bytes], token: str, problem: type[Exception], said: str
) -> None:
    with pytest.raises(problem, match=said):
        await read(answer, token=token)


def redis(forbidden: str = "") -> Behaviour:
    """A node that allows every command but those with the word ``forbidden``."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = [
                (await reader.readline(), (await reader.readline()).strip().decode())[1] for _ in range(int(head[1:]))
            ]
            writer.write(b"$2\r\nno\r\n" if forbidden and forbidden in words else b"+OK\r\n")

    return behave


async def of_nodes(*ports: int) -> Any:
    source = RedisRightsSource([RedisAddress(f"redis-{place}", "127.0.0.1", port) for place, port in enumerate(ports)])
    try:
        return await source.read()
    finally:
        await source.close()


async def test_of_a_redis_node_that_cannot_be_asked_no_right_is_known() -> None:
    async with door(redis()) as port:
        assert (await of_nodes(port, port)).unknown == ()
        found = await of_nodes(port, free_port())
    assert found.missing == () and [right for right, _ in found.unknown] == list(NEEDED)
    assert {why for _, why in found.unknown} == {"redis-1 refuses connections: is it running?"}


async def test_what_one_redis_node_refuses_is_missing_whatever_the_silent_ones_would_say() -> None:
    async with door(redis("UNLINK")) as port:
        found = await of_nodes(port, free_port())
    missing = {right for right, _ in found.missing}
    assert len(missing) == 1 and {right for right, _ in found.unknown} == {*NEEDED} - missing

"""Rights asked of systems that refuse, are sealed, or talk nonsense: unknown is said to be unknown, never taken for allowed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alphapulse_tui.model.rights import NEEDS
from alphapulse_tui.sources.contract import Denied, Unreachable
from alphapulse_tui.sources.vault import Address
from alphapulse_tui.sources.vault_rights import VaultRightsSource
from tests.sources.doors import by_path, door

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

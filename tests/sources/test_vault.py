"""The Vault source against three real OpenBao nodes on raft and against servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import pytest

from alphapulse_tui.model.health import Health, Severity
from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.sources.vault import Address, VaultSource, raft_health
from tests.sources.doors import by_path, door, http, says, silent
from tests.sources.servers import Vaults, free_port
from tests.waiting import until


@contextlib.asynccontextmanager
async def source(addresses: list[str], token: str = "") -> AsyncIterator[VaultSource]:
    nodes = [Address(f"vault-{place}", address) for place, address in enumerate(addresses)]
    made = VaultSource(nodes, (lambda: token) if token else None)
    try:
        yield made
    finally:
        await made.close()


async def test_reads_every_node_and_raft(bao: Vaults) -> None:
    async with source(bao.addresses, bao.root_token) as reader:

        async def settled() -> bool:
            return reader.judge(await reader.read()) == ()

        await until(settled, 40, "raft's autopilot to call everybody healthy")
        snapshot = await reader.read()
        assert [node.health_code for node in snapshot.nodes] == bao.codes()
        assert [node.role for node in snapshot.nodes].count("leader") == 1
        assert {(node.threshold, node.shares, node.seal_type) for node in snapshot.nodes} == {(3, 5, "shamir")}
        assert snapshot.raft is not None and (snapshot.raft.voters, snapshot.raft.failure_tolerance) == (3, 1)
        assert snapshot == await reader.read()


async def test_names_the_missing_policy(bao: Vaults) -> None:
    made = bao.call(
        bao.codes().index(200), "POST", "auth/token/create", {"policies": ["default"], "ttl": "10m"}, bao.root_token
    )
    async with source(bao.addresses, made["auth"]["client_token"]) as reader:
        snapshot = await reader.read()
        assert snapshot.missing_grants == ('path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }',)
        sentences = [finding.sentence for finding in reader.judge(snapshot)]
        assert any("autopilot" in sentence for sentence in sentences)
        assert any("token ends in" in sentence for sentence in sentences)
    async with source(bao.addresses, "s.expired") as reader:
        snapshot = await reader.read()
        assert "not valid any more" in snapshot.raft_problem
        assert reader.judge(snapshot)[0].health is Health.UNKNOWN


async def test_one_sealed_standby_is_a_warning_with_progress(bao: Vaults) -> None:
    standby = bao.codes().index(429)
    bao.call(bao.codes().index(200), "GET", "sys/health")
    process = bao.processes[standby]
    process.send_signal(signal.SIGKILL)
    process.wait()
    async with source(bao.addresses) as reader:
        snapshot = await reader.read()
        assert snapshot.nodes[standby].role == "no answer"
        assert [found.subject for found in reader.judge(snapshot) if found.health is Health.UNKNOWN] == [
            f"vault-{standby}"
        ]
        bao.restart(standby)
        bao.call(standby, "PUT", "sys/unseal", {"key": bao.shares[0]})
        snapshot = await reader.read()
        node = snapshot.nodes[standby]
        assert (node.role, node.progress, node.health_code) == ("SEALED", 1, 503)
        worst = reader.judge(snapshot)[0]
        assert (worst.health, worst.procedure, worst.severity) == (Health.WARNING, "vault-sealed", None)
        assert "1 of 3 shares" in worst.sentence
        bao.call(standby, "PUT", "sys/unseal", {"reset": True})
        await asyncio.to_thread(bao.unseal, standby)
        assert not (await reader.read()).sealed


async def test_a_stopped_node_marks_only_itself(bao: Vaults) -> None:
    standby = bao.codes().index(429)
    async with source(bao.addresses) as reader:
        await reader.read()
        bao.processes[standby].send_signal(signal.SIGSTOP)
        try:
            started = asyncio.get_running_loop().time()
            snapshot = await reader.read()
            assert asyncio.get_running_loop().time() - started < reader.interval
            assert [bool(node.problem) for node in snapshot.nodes] == [place == standby for place in range(3)]
            assert snapshot.active is not None
        finally:
            bao.processes[standby].send_signal(signal.SIGCONT)

        async def back() -> bool:
            return not any(node.problem for node in (await reader.read()).nodes)

        await until(back, 10, "its answer")


OPEN = b'{"type":"shamir","initialized":true,"sealed":false,"t":3,"n":5,"progress":0,"nonce":"","version":"2.0","recovery_seal":false}'
STANDBY = by_path(
    {
        "/v1/sys/health": (429, b"{}"),
        "/v1/sys/seal-status": (200, OPEN),
        "/v1/sys/leader": (200, b'{"leader_address":"http://gone"}'),
    }
)


async def test_no_active_node_is_looked_at_twice_then_critical_then_p0() -> None:
    now = [1000.0]
    async with door(STANDBY) as one, door(STANDBY) as two:
        nodes = [Address("vault-0", f"http://127.0.0.1:{one}"), Address("vault-1", f"http://127.0.0.1:{two}")]
        reader = VaultSource(nodes, clock=lambda: now[0])
        snapshot = await reader.read()
        assert snapshot.no_active_since == 1000.0
        assert (reader.judge(snapshot)[0].health, reader.judge(snapshot)[0].severity) == (Health.CRITICAL, Severity.P1)
        now[0] += 11
        assert reader.judge(await reader.read())[0].severity is Severity.P0
        await reader.close()


@pytest.mark.parametrize(
    "behaviour",
    [
        http(b"<html>502</html>", 502, "text/html"),
        http(b'{"sealed": "maybe"}'),
        http(b"[" * 100_000),
        http(b'{"sealed":false,"version":"\xff"}'),
        says(b"\x1b[2J\x00garbage\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"),
        silent,
    ],
)
async def test_what_is_no_vault_is_a_sentence(behaviour: object) -> None:
    async with door(behaviour) as port, source([f"http://127.0.0.1:{port}"]) as reader:  # type: ignore[arg-type]
        reader.patience = 0.5
        with pytest.raises(Unreachable) as problem:
            await reader.read()
        assert "vault-0" in str(problem.value) and "\x1b" not in str(problem.value)


async def test_an_endless_body_is_cut_off() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    async with door(endless) as port, source([f"http://127.0.0.1:{port}"]) as reader:
        with pytest.raises(Unreachable, match=r"more than 8 MB|no answer"):
            await reader.read()


async def test_nobody_listens() -> None:
    async with source([f"http://127.0.0.1:{free_port()}"] * 2) as reader:
        with pytest.raises(Unreachable, match=r"none of the 2 nodes answers.*refuses connections"):
            await reader.read()


@pytest.mark.parametrize("state", [{}, {"healthy": True}, {"healthy": 1, "failure_tolerance": "x"}, {"servers": [1]}])
def test_an_unknown_autopilot_is_a_sentence(state: dict[str, object]) -> None:
    with pytest.raises(Unreachable, match="unknown form"):
        raft_health(state)

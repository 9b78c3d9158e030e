"""The survey of Vault's raft and latency, against three real nodes and against servers that misbehave; and the survey of its logs."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alphapulse_tui.model.vault_log import Cause
from alphapulse_tui.model.vault_raft import VaultSurvey
from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.sources.http import Answer
from alphapulse_tui.sources.surveys import SURVEYS
from alphapulse_tui.sources.vault import Address
from alphapulse_tui.sources.vault_logs import VaultLogsSource, standing
from alphapulse_tui.sources.vault_metrics import telemetry
from alphapulse_tui.sources.vault_raft import VaultRaftSource, servers_of
from tests.sources.doors import by_path, door, http, silent
from tests.sources.servers import Vaults, free_port
from tests.waiting import until


@contextlib.asynccontextmanager
async def source(addresses: list[str], token: str = "", samples: int = 2) -> AsyncIterator[VaultRaftSource]:
    nodes = [Address(f"vault-{place}", address) for place, address in enumerate(addresses)]
    made = VaultRaftSource(nodes, (lambda: token) if token else None, samples=samples)
    try:
        yield made
    finally:
        await made.close()


def test_a_recipes_figures_are_its_sources_own() -> None:
    figures = {recipe.target: (recipe.interval, recipe.deadline) for recipe in SURVEYS}
    for kind in (VaultRaftSource, VaultLogsSource):
        assert figures[kind.target] == (kind.interval, kind.deadline)


async def test_a_whole_cluster_is_timed_and_told(bao: Vaults) -> None:
    async with source(bao.addresses, bao.root_token) as reader:

        async def whole() -> bool:
            return (await reader.read()).failure_tolerance == 1

        await until(whole, 60, "three healthy voters", interval=0.5)
        survey = await reader.read()
    assert [node.code for node in survey.nodes] == bao.codes()
    assert survey.healthy and survey.quorum == 2 and len(survey.voters) == 3 and not survey.quorum_lost
    leader = survey.leader
    assert leader is not None and leader.active_since is not None and survey.peers_from == leader.name
    assert {node.raft_leader for node in survey.nodes} == {leader.name}
    for node in survey.nodes:
        assert node.health is not None and node.lookup is not None and node.health.samples == 2
        assert 0 < node.health.median <= node.health.high <= node.health.worst
    assert [peer.says for peer in survey.peers].count("leader") == 1
    assert all(peer.healthy and peer.behind is not None for peer in survey.peers)


async def test_a_poor_token_names_every_missing_grant_and_a_wrong_one_says_log_in(bao: Vaults) -> None:
    leader = bao.codes().index(200)
    made = bao.call(leader, "POST", "auth/token/create", {"policies": ["default"]}, bao.root_token)
    async with source(bao.addresses, made["auth"]["client_token"]) as reader:
        survey = await reader.read()
    assert survey.missing_grants == tuple(
        f'path "{path}" {{ capabilities = ["read"] }}'
        for path in ("sys/metrics", "sys/storage/raft/configuration", "sys/storage/raft/autopilot/state")
    )
    assert survey.healthy is None and survey.nodes[leader].lookup is not None
    async with source(bao.addresses, "s.wrong") as reader:
        assert "not valid any more" in (await reader.read()).problem
    async with source(bao.addresses) as reader:
        survey = await reader.read()
    assert "no Vault token was found" in survey.problem and survey.nodes[0].health is not None


async def test_the_survivor_of_a_lost_quorum_is_not_believed(bao: Vaults) -> None:
    """It answers 429, names a dead leader and even tells raft's configuration: in which nobody leads."""
    survivor = bao.codes().index(429)
    gone = [process for place, process in enumerate(bao.processes) if place != survivor]
    for process in gone:
        process.send_signal(signal.SIGSTOP)
    try:
        async with source(bao.addresses, bao.root_token) as reader:
            reader.patience = 1.5

            async def lost() -> VaultSurvey | None:
                survey = await reader.read()
                return survey if survey.nodes[survivor].raft_leader == "" else None

            survey = await until(lost, 30, "the survivor's own raft to know of no leader", interval=0.5)
    finally:
        for process in gone:
            process.send_signal(signal.SIGCONT)
    assert isinstance(survey, VaultSurvey)
    assert survey.quorum_lost and survey.leader is None and survey.healthy is None
    assert survey.nodes[survivor].code == 429 and survey.nodes[survivor].knows_raft
    assert survey.peers_from == f"vault-{survivor}" and len(survey.peers) == 3
    await until(lambda: bao.codes().count(200) == 1, 40, "a leader again")


OPEN_HEALTH = (429, b"{}")


@pytest.mark.parametrize("garbage", [b"[]", b'{"data":{"config":{"servers":7}}}', b'{"data":1}'])
def test_a_configuration_in_an_unknown_form_is_a_sentence(garbage: bytes) -> None:
    with pytest.raises(Unreachable, match="unknown form"):
        servers_of(Answer(200, garbage), "vault-0")


async def test_a_node_that_is_no_vault_or_silent_spoils_only_its_own_row(bao: Vaults) -> None:
    async with door(http(b"<html>", 200, "text/html")) as wrong, door(silent) as hung:
        addresses = [*bao.addresses, f"http://127.0.0.1:{wrong}", f"http://127.0.0.1:{hung}"]
        async with source(addresses, bao.root_token, samples=1) as reader:
            reader.patience = 1.5
            survey = await reader.read()
    assert [bool(node.problem) for node in survey.nodes] == [False, False, False, True, True]


async def test_nobody_listens_and_hostile_names_are_harmless() -> None:
    async with source([f"http://127.0.0.1:{free_port()}"] * 2, "t") as reader:
        with pytest.raises(Unreachable, match="none of the 2 nodes answers"):
            await reader.read()
    configuration = {"data": {"config": {"servers": [{"node_id": "a\x1b]52;c;x\x07", "voter": True}]}}}
    answers = {
        "/v1/sys/health": OPEN_HEALTH,
        "/v1/sys/leader": (200, b"{}"),
        "/v1/auth/token/lookup-self": (200, b"{}"),
        "/v1/sys/metrics": (200, b'vault_core_handle_request{quantile="0.99"} \x1b[2J\n'),
        "/v1/sys/storage/raft/configuration": (200, json.dumps(configuration).encode()),
    }
    async with door(by_path(answers)) as port, source([f"http://127.0.0.1:{port}"], "t") as reader:
        survey = await reader.read()
    assert "\x1b" not in survey.peers[0].name and survey.nodes[0].telemetry is not None


async def test_audit_entries_that_could_not_be_written_count_from_one_reading_to_the_next() -> None:
    answers = {
        "/v1/sys/health": (429, b"{}"),
        "/v1/sys/leader": (200, b"{}"),
        "/v1/auth/token/lookup-self": (200, b"{}"),
        "/v1/sys/metrics": (200, b"vault_audit_log_request_failure 2\n"),
        "/v1/sys/storage/raft/configuration": (200, b'{"data": {"config": {"servers": []}}}'),
    }
    told = []
    async with door(by_path(answers)) as port, source([f"http://127.0.0.1:{port}"], "t") as reader:
        for count in (2, 5, 5, 1):
            answers["/v1/sys/metrics"] = (200, f"vault_audit_log_request_failure {count}\n".encode())
            told.append((await reader.read()).nodes[0].telemetry)
    assert [one.audit_failing for one in told if one] == [0.0, 3.0, 0.0, 0.0]


def test_telemetry_is_read_and_what_is_not_a_number_is_not_told() -> None:
    told = telemetry(
        b'# HELP x\nvault_core_handle_request{quantile="0.5"} 0.9\nvault_core_handle_request{quantile="0.99"} 291.5\n'
        b'vault_raft_commitTime{quantile="0.99"} NaN\nvault_audit_log_request_failure 1\nvault_audit_log_response_failure 2\n'
        b'vault_core_in_flight_requests{cluster="c"} 4\nvault_raft_leader_lastContact{peer_id="a",quantile="0.99"} 30\n'
        b'vault_raft_leader_lastContact{peer_id="b",quantile="0.99"} 300\nnonsense\nvault_expire_num_leases many\n'
    )
    assert (told.handle_p50, told.handle_p99, told.commit_p99, told.audit_failures) == (0.9, 291.5, None, 3.0)
    assert (told.in_flight, told.contact_p99, told.leases) == (4.0, 300.0, None)


POD = {
    "metadata": {"name": "vault-0"},
    "status": {
        "containerStatuses": [
            {
                "name": "vault",
                "restartCount": 2,
                "state": {"running": {"startedAt": "2026-11-27T04:33:00Z"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            }
        ]
    },
}
LOG = b"==> OpenBao server started!\n2026-11-27T04:33:01.0Z [WARN]  core: token=hvs.CAESIJlU9Nrr0 \x1b[2J\n"


@contextlib.asynccontextmanager
async def logs(answers: dict[str, tuple[int, bytes]], folder: Path, *names: str) -> AsyncIterator[VaultLogsSource]:
    async with door(by_path(answers)) as port:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        file = folder / "kubeconfig"
        file.write_text(json.dumps(config))
        file.chmod(0o600)
        made = VaultLogsSource(str(file), "", "alphapulse", names)
        try:
            yield made
        finally:
            await made.close()


PODS = "/api/v1/namespaces/alphapulse/pods"


async def test_each_nodes_log_is_read_cleaned_and_judged(tmp_path: Path) -> None:
    refused = json.dumps({"kind": "Status", "reason": "NotFound", "message": 'pods "vault-1" not found'}).encode()
    answers = {
        f"{PODS}/vault-0": (200, json.dumps(POD).encode()),
        f"{PODS}/vault-0/log": (200, LOG),
        f"{PODS}/vault-1": (404, refused),
    }
    async with logs(answers, tmp_path, "vault-0", "vault-1") as reader:
        found = await reader.read()
    first, second = found.nodes
    assert (first.seal.cause, first.restarts, first.last_end) == (Cause.RESTART, 2, "OOMKilled, exit code 137")
    assert first.started_at is not None and len(first.complaints) == 1
    assert "\x1b" not in first.lines[1] and "hvs." not in first.lines[1]
    assert 'pods "vault-1" not found' in second.problem


async def test_logs_that_may_not_be_read_name_the_grant(tmp_path: Path) -> None:
    status = json.dumps({"kind": "Status", "reason": "Forbidden", "message": "no"}).encode()
    async with logs({f"{PODS}/vault-0": (403, status)}, tmp_path, "vault-0") as reader:
        with pytest.raises(Unreachable, match="our login may not read it: it needs pods: get in namespace alphapulse"):
            await reader.read()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status":7}', b'{"status":{"containerStatuses":[1]}}'])
def test_what_is_no_pod_is_a_sentence(body: bytes) -> None:
    with pytest.raises(Unreachable, match="no API server"):
        standing(body)

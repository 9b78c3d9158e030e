"""Step down and remove a peer on three real nodes; every wrong moment is refused in its own sentence."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.vault_cluster import no_leader
from alphapulse_tui.actions.vault_raft import RemovePeer, StepDown, chosen_peer, removal_refusal, step_down_refusal
from alphapulse_tui.actions.vault_restart import restart_refusal
from alphapulse_tui.config.settings import Profile, VaultNode, VaultTarget
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict, Victim
from alphapulse_tui.model.vault_raft import Peer, SurveyedNode, VaultSurvey
from tests.sources.doors import by_path, door
from tests.sources.servers import Vaults, freeze, stop, vaults
from tests.waiting import until, wait_until

LEADER = SurveyedNode("vault-0", "http://a", code=200)
STANDBYS = (SurveyedNode("vault-1", "http://b", code=429), SurveyedNode("vault-2", "http://c", code=429))
PEERS = (
    Peer("vault-0", "a:1", voter=True, leader=True, healthy=True, says="leader"),
    Peer("vault-1", "b:1", voter=True, leader=False, healthy=True, says="standby"),
    Peer("vault-2", "c:1", voter=True, leader=False, healthy=True, says="standby"),
)
WHOLE = VaultSurvey((LEADER, *STANDBYS), PEERS, "vault-0", healthy=True, failure_tolerance=1)
DEAD = replace(PEERS[2], healthy=False, says="no answer", last_contact=60_000.0)
ONE_LOST = replace(
    WHOLE,
    nodes=(LEADER, STANDBYS[0], replace(STANDBYS[1], problem="vault-2 refuses connections", code=0)),
    peers=(*PEERS[:2], DEAD),
    healthy=False,
    failure_tolerance=0,
)
ALONE = VaultSurvey(
    (
        replace(LEADER, problem="vault-0 gave no answer", code=0),
        STANDBYS[0],
        replace(STANDBYS[1], problem="gone", code=0),
    ),
    tuple(replace(peer, leader=False, healthy=None) for peer in PEERS),
    "vault-1",
)


def test_the_leader_steps_down_only_where_another_can_take_over() -> None:
    assert step_down_refusal(WHOLE) == ""
    assert "no node to spare" in step_down_refusal(ONE_LOST)
    assert "is not known" in step_down_refusal(replace(WHOLE, failure_tolerance=None, problem="no Vault token"))
    sick = replace(WHOLE, peers=(PEERS[0], *(replace(peer, healthy=False) for peer in PEERS[1:])))
    assert "no healthy standby" in step_down_refusal(sick)


def test_nobody_leads() -> None:
    assert no_leader(WHOLE) == ""
    assert "1 of 3 nodes are open and raft needs 2" in no_leader(ALONE)
    electing = replace(WHOLE, nodes=(replace(LEADER, code=429), *STANDBYS))
    assert "an election may be under way" in no_leader(electing)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"leader": True}, "a leader is never removed"),
        ({"healthy": None}, "is not verified"),
        ({"healthy": True}, "is alive"),
        ({"says": "SEALED"}, "unseal it, its data is there"),
        ({"says": "standby"}, "answers as standby: it is not dead"),
        ({}, ""),
        ({"says": "uninitialised"}, ""),
        ({"voter": False}, ""),
    ],
)
def test_only_a_dead_peer_is_removed(change: dict[str, object], words: str) -> None:
    peer = replace(DEAD, **change)  # type: ignore[arg-type]
    survey = replace(ONE_LOST, peers=(*PEERS[:2], peer))
    said = removal_refusal(survey, peer)
    assert words in said and bool(words) == bool(said)


def test_a_removal_that_would_cost_the_quorum_is_refused() -> None:
    two_sick = replace(ONE_LOST, peers=(PEERS[0], replace(PEERS[1], healthy=False), DEAD))
    assert "only 1 of 2 voters would be healthy" in removal_refusal(two_sick, DEAD)


def test_which_peer_is_meant() -> None:
    assert chosen_peer(ONE_LOST, "") == (DEAD, "")
    assert chosen_peer(WHOLE, "")[1] == "no server of raft's configuration is dead"
    assert "it has vault-0, vault-1, vault-2" in chosen_peer(WHOLE, "vault-9")[1]
    two = replace(ONE_LOST, peers=(PEERS[0], replace(DEAD, name="vault-1"), DEAD))
    assert chosen_peer(two, "")[1] == "vault-1, vault-2 are dead: choose one by name"
    blind = replace(WHOLE, peers=(), missing_grants=('path "sys/storage/raft/configuration" {}',))
    assert "sys/storage/raft/configuration" in chosen_peer(blind, "")[1]


def test_a_restart_leaves_the_others_a_quorum() -> None:
    assert restart_refusal(WHOLE, STANDBYS[0]) == ""
    assert "let it step down first" in restart_refusal(WHOLE, LEADER)
    assert "only 1 of 3 voters would be healthy and raft needs 2" in restart_refusal(ONE_LOST, STANDBYS[0])
    # The lost one itself may be: the others do without it already.
    assert restart_refusal(ONE_LOST, ONE_LOST.nodes[2]) == ""
    assert "is not known" in restart_refusal(replace(WHOLE, peers=ALONE.peers), STANDBYS[0])


def profile_of(addresses: list[str], token_file: Path) -> Profile:
    nodes = tuple(VaultNode(name=f"vault-{number}", address=address) for number, address in enumerate(addresses))
    return Profile(name="test", environment="lab", vault=VaultTarget(nodes=nodes, token_file=str(token_file)))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Vaults]:
    """Three nodes of this module's own: one of them dies here."""
    with vaults() as made:
        yield made


def token_file(folder: Path, token: str) -> Path:
    file = folder / "token"
    file.write_text(token)
    file.chmod(0o600)
    return file


@pytest.fixture
def profile(cluster: Vaults, tmp_path: Path) -> Profile:
    return profile_of(cluster.addresses, token_file(tmp_path, cluster.root_token))


async def whole(cluster: Vaults, profile: Profile) -> None:
    """Three healthy voters: a peer becomes one ten seconds after it has joined."""

    async def spare() -> bool:
        survey = await StepDown(profile).survey()
        return survey.failure_tolerance == 1 and not step_down_refusal(survey)

    await until(spare, 60, "a failure to spare", interval=0.5)


async def test_a_step_down_is_planned_done_and_proven(cluster: Vaults, profile: Profile) -> None:
    await whole(cluster, profile)
    action = StepDown(profile)
    plan = await action.plan({})
    leader = cluster.codes().index(200)
    assert (plan.refusal, plan.risk, plan.object) == ("", Risk.DISRUPTIVE, "vault/leader")
    assert plan.title == f"vault-{leader} steps down" and plan.undo.startswith("none:")
    assert plan.shell == f"VAULT_ADDR={cluster.addresses[leader]} vault operator step-down"
    assert (await action.verify(plan)).verdict is Verdict.PENDING, "the order may still be under way"
    assert (await action.execute(plan)).outcome is Outcome.DONE

    async def proven() -> bool:
        return (await action.verify(plan)).verdict is Verdict.VERIFIED

    await until(proven, 40, "another term of office")
    # The same plan again: the office that it was made for is over, whoever holds it now.
    with pytest.raises(ActionProblem, match="does not lead as it did any more: nothing was done"):
        await action.execute(plan)


async def test_a_step_down_at_a_standby_is_not_forwarded(cluster: Vaults, profile: Profile) -> None:
    await whole(cluster, profile)
    action = StepDown(profile)
    plan = await action.plan({})
    standby = cluster.codes().index(429)
    from alphapulse_tui.actions.vault_cluster import ClusterClient

    async with ClusterClient(profile) as client:
        with pytest.raises(ActionProblem, match="does not lead any more: nothing was done, plan again"):
            await client.write("PUT", "sys/step-down", (f"vault-{standby}", cluster.addresses[standby]), ("update",))
    assert (await action.verify(plan)).sentence.endswith("leads as before: it has not stepped down yet")


async def test_a_token_that_may_not_names_the_grant(cluster: Vaults, profile: Profile, tmp_path: Path) -> None:
    await whole(cluster, profile)
    leader = cluster.codes().index(200)
    plan = await StepDown(profile).plan({})
    made = cluster.call(leader, "POST", "auth/token/create", {"policies": ["default"]}, cluster.root_token)
    poor = profile_of(cluster.addresses, token_file(tmp_path, made["auth"]["client_token"]))
    with pytest.raises(ActionProblem, match=r'path "sys/step-down" \{ capabilities = \["update", "sudo"\] \}'):
        await StepDown(poor).execute(plan)
    refusal = (await StepDown(poor).plan({})).refusal
    assert "autopilot/state" in refusal
    wrong = profile_of(cluster.addresses, token_file(tmp_path, "s.expired"))
    assert "not valid any more: log in again" in (await StepDown(wrong).plan({})).refusal


async def test_a_leader_that_hangs_after_the_sending_is_unknown(
    cluster: Vaults, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    await whole(cluster, profile)
    monkeypatch.setattr("alphapulse_tui.actions.vault_cluster.WRITE_SECONDS", 0.5)
    action = StepDown(profile)
    plan = await action.plan({})
    victim = plan.victims[0]
    from alphapulse_tui.actions.vault_cluster import ClusterClient

    process = cluster.processes[int(victim.key.removeprefix("vault-"))]
    async with ClusterClient(profile) as client:
        await client.standing(victim.key, victim.facts["address"])
        freeze(process.pid)
        try:
            with pytest.raises(SentWithoutAnswer, match=f"{victim.key} gave no answer"):
                await client.write("PUT", "sys/step-down", (victim.key, victim.facts["address"]), ("update", "sudo"))
        finally:
            process.send_signal(signal.SIGCONT)


async def test_a_dead_peer_is_removed_and_a_live_one_is_not(cluster: Vaults, profile: Profile) -> None:
    await whole(cluster, profile)
    action = RemovePeer(profile)
    assert (await action.plan({})).refusal == "no server of raft's configuration is dead"
    lost = len(cluster.codes()) - 1 - cluster.codes()[::-1].index(429)
    name = f"vault-{lost}"
    assert "is alive" in (await action.plan({"peer": name})).refusal
    stop(cluster.processes[lost])

    async def dead() -> bool:
        return not (await action.plan({"peer": name})).refusal

    await until(dead, 40, "autopilot to call it unhealthy", interval=0.5)
    plan = await action.plan({})
    assert (plan.risk, plan.confirm_word, plan.object) == (Risk.DESTRUCTIVE, name, f"vault/peer/{name}")
    assert "2 voters are left, 2 must agree" in plan.sentence
    assert (await action.verify(plan)).verdict is Verdict.CONTRADICTED
    assert "no node to spare" in (await StepDown(profile).plan({})).refusal
    assert (await action.execute(plan)).outcome is Outcome.DONE
    found = await action.verify(plan)
    assert (found.verdict, found.sentence) == (Verdict.VERIFIED, f"{name} is out of raft; 2 voters are left")
    leader = cluster.codes().index(200)
    told = cluster.call(leader, "GET", "sys/storage/raft/configuration", token=cluster.root_token)
    assert name not in [server["node_id"] for server in told["data"]["config"]["servers"]]
    with pytest.raises(ActionProblem, match="not in raft's configuration any more: nothing was done"):
        await action.execute(plan)


@pytest.mark.parametrize(
    ("address", "voter", "was_voter", "verdict"),
    [
        ("c:1", True, True, Verdict.PENDING),
        ("c:1", False, False, Verdict.PENDING),
        ("c:1", False, True, Verdict.VERIFIED),
        ("c:2", True, True, Verdict.VERIFIED),
    ],
)
async def test_a_peer_that_answers_has_joined_anew_only_if_its_seat_is_another(
    tmp_path: Path, address: str, voter: bool, was_voter: bool, verdict: Verdict
) -> None:
    config = {
        "servers": [
            {"node_id": "vault-0", "address": "a:1", "voter": True, "leader": True},
            {"node_id": "vault-2", "address": address, "voter": voter, "leader": False},
        ]
    }
    leading = by_path(
        {
            "/v1/sys/health": (200, b"{}"),
            "/v1/sys/leader": (200, b'{"is_self": true, "active_time": "2026-01-01T00:00:00Z"}'),
            "/v1/sys/storage/raft/configuration": (200, json.dumps({"data": {"config": config}}).encode()),
        }
    )
    async with door(leading) as first, door(by_path({"/v1/sys/health": (429, b"{}")})) as other:
        nodes = (VaultNode("vault-0", f"http://127.0.0.1:{first}"), VaultNode("vault-2", f"http://127.0.0.1:{other}"))
        target = VaultTarget(nodes=nodes, token_file=str(token_file(tmp_path, "t")))
        action = RemovePeer(Profile(name="test", vault=target))
        seat = Victim("vault-2", "c:1", "vault-2", {"voter": "yes" if was_voter else "no"})
        plan = Plan(
            "1", action.id, action.title, "vault", "lab", "vault/peer/vault-2", action.risk, "", "", "",
            {"peer": "vault-2"}, (seat,),
        )  # fmt: skip
        assert (await action.verify(plan)).verdict is verdict


@pytest.mark.long
async def test_without_a_quorum_everything_is_refused_with_what_would_help(cluster: Vaults, profile: Profile) -> None:
    living = [process for process in cluster.processes if process.poll() is None]
    if len(living) == len(cluster.processes):  # No test before this one has cost a peer.
        await whole(cluster, profile)
    survivor = cluster.codes().index(429)
    frozen = [process for process in living if process is not cluster.processes[survivor]]
    for process in frozen:
        freeze(process.pid)
    try:
        wait_until(lambda: cluster.codes()[survivor] == 429, 10, "the survivor")
        for action in (StepDown(profile), RemovePeer(profile)):
            assert "no node leads: 1 of 3 nodes are open and raft needs 2" in (await action.plan({})).refusal
        found = await StepDown(profile).verify(await StepDown(profile).plan({}))
        assert found.verdict is Verdict.UNKNOWN and "who leads is not known" in found.sentence
    finally:
        for process in frozen:
            process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (503, b'{"errors":["Vault is sealed"]}', "is sealed: nothing was done"),
        (429, b"{}", "limits the rate"),
        (400, b'{"errors":["no server id provided"]}', "code 400: no server id provided"),
        (500, b'{"errors":["local node not active but active cluster node not found"]}', "knows nobody who does"),
    ],
)
async def test_answers_that_refuse(tmp_path: Path, code: int, body: bytes, words: str) -> None:
    from alphapulse_tui.actions.vault_cluster import ClusterClient

    async with door(by_path({"/v1/sys/step-down": (code, body)})) as port:
        address = f"http://127.0.0.1:{port}"
        async with ClusterClient(profile_of([address], token_file(tmp_path, "t"))) as client:
            with pytest.raises(ActionProblem, match=words):
                await client.write("PUT", "sys/step-down", ("vault-0", address), ("update",))


async def test_an_error_that_proves_nothing_is_unknown(tmp_path: Path) -> None:
    from alphapulse_tui.actions.vault_cluster import ClusterClient

    behaviour = by_path({"/v1/sys/storage/raft/remove-peer": (500, b'{"errors":["leadership lost while committing"]}')})
    async with door(behaviour) as port:
        address = f"http://127.0.0.1:{port}"
        async with ClusterClient(profile_of([address], token_file(tmp_path, "t"))) as client:
            with pytest.raises(SentWithoutAnswer, match="leadership lost"):
                await client.write("POST", "sys/storage/raft/remove-peer", ("vault-0", address), ("update",), {})


async def test_without_a_token_nothing_is_sent(
    cluster: Vaults, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("VAULT_TOKEN", "BAO_TOKEN", "BAO_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    bare = Profile(
        name="test", vault=VaultTarget(nodes=tuple(VaultNode(name="vault-0", address=a) for a in cluster.addresses))
    )
    with pytest.raises(ActionProblem, match="no Vault token was found: log in"):
        await StepDown(bare).plan({})

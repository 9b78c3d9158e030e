from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import msgspec
import pytest

from alphapulse_tui.actions.contract import ActionProblem, TargetUnreachable
from alphapulse_tui.actions.vault import ResetUnseal, Unseal
from alphapulse_tui.config.settings import Profile, VaultNode, VaultTarget
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict
from tests.actions.recorded import recorded_nodes
from tests.sources.servers import Vaults, free_port, stop
from tests.waiting import until

SEALED = {
    "type": "shamir",
    "initialized": True,
    "sealed": True,
    "t": 3,
    "n": 5,
    "progress": 0,
    "nonce": "",
    "version": "2.0",
}


def profile_of(addresses: list[str]) -> Profile:
    nodes = tuple(VaultNode(name=f"vault-{number}", address=address) for number, address in enumerate(addresses))
    return Profile(name="test", environment="lab", vault=VaultTarget(nodes=nodes))


@pytest.fixture
def sealed(bao: Vaults) -> Vaults:
    """The cluster with its third node sealed, as after a restart of its pod, and no share given."""
    if bao.call(2, "GET", "sys/seal-status")["sealed"]:
        bao.call(2, "PUT", "sys/unseal", {"reset": True})
    else:
        stop(bao.processes[2])
        bao.restart(2)
    return bao


def give(bao: Vaults, share: int) -> None:
    bao.call(2, "PUT", "sys/unseal", {"key": bao.shares[share]})


async def test_nothing_is_sealed(bao):
    plan = await Unseal(profile_of(bao.addresses)).plan({})
    assert plan.refusal == "none of the 3 nodes is sealed" and plan.victims == ()
    plan = await Unseal(profile_of(bao.addresses)).plan({"node": "vault-1"})
    assert plan.refusal == "vault-1 is not sealed"


async def test_a_plan_shows_the_round_and_needs_a_share(sealed):
    unseal = Unseal(profile_of(sealed.addresses))
    plan = await unseal.plan({"node": "next"})
    assert plan.needs_share and plan.risk is Risk.SAFE and plan.refusal == ""
    assert (plan.title, plan.object) == ("unseal vault-2", "vault/node/vault-2")
    assert "vault-2 0/3 -> 1/3" in plan.sentence
    assert plan.call == f'PUT {sealed.addresses[2]}/v1/sys/unseal {{"key": <your share>}}'
    assert plan.shell.startswith(f"VAULT_ADDR={sealed.addresses[2]} vault operator unseal")
    assert plan.undo_action == "vault.reset-unseal"
    assert not any(share in msgspec.json.encode(plan).decode() for share in sealed.shares)
    with pytest.raises(ActionProblem, match="needs a key share"):
        await unseal.execute(plan)


async def test_a_share_that_counted_is_verified_and_one_that_did_not_is_contradicted(sealed):
    unseal = Unseal(profile_of(sealed.addresses))
    first = await unseal.plan({})
    give(sealed, 0)
    assert await verdict(unseal, first) == (Verdict.VERIFIED, "vault-2 has 1 of 3 shares")
    second = await unseal.plan({})
    nonce = sealed.call(2, "GET", "sys/seal-status")["nonce"]
    assert second.victims[0].identity == nonce and second.preconditions == {
        "vault-2": f"nonce {nonce}, progress 1 of 3"
    }
    give(sealed, 0)
    found, said = await verdict(unseal, second)
    assert found is Verdict.CONTRADICTED and "given twice?" in said
    sealed.call(2, "PUT", "sys/unseal", {"reset": True})
    give(sealed, 1)
    found, said = await verdict(unseal, second)
    assert found is Verdict.CONTRADICTED and "somebody reset it" in said


async def test_the_last_share_is_proven_by_the_node_itself(sealed):
    unseal = Unseal(profile_of(sealed.addresses))
    give(sealed, 0)
    give(sealed, 1)
    plan = await unseal.plan({})
    assert "vault-2 2/3 -> open" in plan.sentence and plan.undo_action == ""
    assert plan.checks[0].expected.startswith("sealed: false on this very node")
    assert (await unseal.verify(plan)).verdict is Verdict.PENDING
    assert (await unseal.reading(plan))["vault-2"] == "sealed 2/3"
    give(sealed, 2)

    async def proven() -> bool:
        return (await unseal.verify(plan)).verdict is Verdict.VERIFIED

    await until(proven, 15, "vault-2 open")
    assert await unseal.reading(plan) == {"vault-0": "unsealed", "vault-1": "unsealed", "vault-2": "unsealed"}


async def test_a_wrong_share_at_the_threshold_leaves_a_wiped_round(sealed):
    unseal = Unseal(profile_of(sealed.addresses))
    give(sealed, 0)
    give(sealed, 1)
    plan = await unseal.plan({})
    sealed.call(2, "PUT", "sys/unseal", {"key": "ab" * 33})
    found, said = await verdict(unseal, plan)
    assert found is Verdict.PENDING and "wrong share has wiped the round" in said


async def test_reset_throws_away_the_round_that_was_shown(sealed):
    reset = ResetUnseal(profile_of(sealed.addresses))
    assert (await reset.plan({})).refusal == "vault-2 has no share in its round"
    give(sealed, 0)
    plan = await reset.plan({})
    assert plan.risk is Risk.DISRUPTIVE and "Throws away 1 share" in plan.sentence and plan.undo.startswith("none:")
    result = await reset.execute(plan)
    assert (result.outcome, result.details) == (Outcome.DONE, {"vault-2": "round reset"})
    assert (await verdict(reset, plan))[0] is Verdict.VERIFIED
    assert sealed.call(2, "GET", "sys/seal-status")["progress"] == 0


async def test_reset_leaves_another_round_alone(sealed):
    reset = ResetUnseal(profile_of(sealed.addresses))
    give(sealed, 0)
    plan = await reset.plan({})
    sealed.call(2, "PUT", "sys/unseal", {"reset": True})
    give(sealed, 1)
    result = await reset.execute(plan)
    assert result.outcome is Outcome.REFUSED and "another one by now" in result.details["vault-2"]
    assert sealed.call(2, "GET", "sys/seal-status")["progress"] == 1


async def test_reset_leaves_a_round_alone_that_has_got_another_share(sealed):
    reset = ResetUnseal(profile_of(sealed.addresses))
    give(sealed, 0)
    plan = await reset.plan({})
    give(sealed, 1)
    result = await reset.execute(plan)
    assert result.outcome is Outcome.REFUSED
    assert result.details["vault-2"] == "left alone: 2 shares are in its round by now, 1 when it was planned"
    assert sealed.call(2, "GET", "sys/seal-status")["progress"] == 2


async def test_an_unknown_node_and_a_missing_vault(bao):
    with pytest.raises(ActionProblem, match='no Vault node "vault-9"; the profile has vault-0, vault-1, vault-2'):
        await Unseal(profile_of(bao.addresses)).plan({"node": "vault-9"})
    with pytest.raises(ActionProblem, match="has no Vault"):
        await Unseal(Profile(name="empty")).plan({})


async def test_a_hung_node_delays_nobody_and_is_not_called_sealed(sealed, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.vault_node.TOTAL_SECONDS", 0.5)
    unseal = Unseal(profile_of(sealed.addresses))
    sealed.processes[1].send_signal(signal.SIGSTOP)
    try:
        plan = await unseal.plan({})
        alone = await unseal.plan({"node": "vault-1"})
    finally:
        sealed.processes[1].send_signal(signal.SIGCONT)
    assert [victim.key for victim in plan.victims] == ["vault-2"]
    assert any("vault-1 gave no answer" in warning for warning in plan.warnings)
    assert "not verified" in alone.refusal


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({**SEALED, "type": "awskms", "recovery_seal": True}, "opened by awskms, not by shares"),
        ({**SEALED, "recovery_seal": True}, "recovery keys do not unseal"),
        ({**SEALED, "initialized": False}, "not initialised"),
    ],
)
async def test_recorded_answers_that_refuse(recorded, status, words):
    plan = await Unseal(profile_of([recorded(status)])).plan({})
    assert words in plan.refusal and plan.victims == ()


async def test_refused_and_hostile_answers(recorded):
    with pytest.raises(TargetUnreachable, match="no Vault node answers: vault-0 refuses connections"):
        await Unseal(profile_of([f"http://127.0.0.1:{free_port()}"])).plan({})
    with pytest.raises(TargetUnreachable, match="not as Vault does"):
        await Unseal(profile_of([recorded({"errors": ["no"]})])).plan({})
    plan = await Unseal(profile_of([recorded({**SEALED, "nonce": "evil\x1b[2J", "progress": 1})])).plan({})
    assert plan.victims[0].identity == "evil\\x1b[2J"


async def test_reset_without_an_answer_is_unknown(recorded, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.vault_node.TOTAL_SECONDS", 0.5)
    reset = ResetUnseal(profile_of([recorded({**SEALED, "nonce": "n1", "progress": 1})]))
    plan = await reset.plan({})
    result = await reset.execute(plan)
    assert result.outcome is Outcome.UNKNOWN and "gave no answer" in result.details["vault-0"]
    assert (await reset.verify(plan)).verdict is Verdict.CONTRADICTED


async def verdict(action: Unseal | ResetUnseal, plan: Plan) -> tuple[Verdict, str]:
    verification = await action.verify(plan)
    return verification.verdict, verification.sentence


@pytest.fixture
def recorded() -> Iterator[Callable[[dict[str, object]], str]]:
    """A node that answers every GET with one recorded answer, and never a PUT."""
    with recorded_nodes() as serve:
        yield serve

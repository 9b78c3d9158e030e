"""Vault's checks: who is slow, what raft says, why a node is sealed; what was not told is never green."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.model.vault import RaftHealth, VaultNode, VaultSnapshot
from alphapulse_tui.model.vault_log import Cause, NodeLog, SealCause, VaultLogs, complaints, seal_cause
from alphapulse_tui.model.vault_raft import Peer, SurveyedNode, Telemetry, Times, VaultSurvey
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Passed, Scene
from alphapulse_tui.runbook.engine import Engine
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import BranchStep

QUICK = Times(median=1.0, high=2.0, worst=3.0, samples=5)
SLOW = Times(median=120.0, high=240.0, worst=600.0, samples=5)
TOLD = Telemetry(handle_p50=1.0, handle_p99=3.0, audit_p99=0.1, commit_p99=2.0, contact_p99=40.0, in_flight=1.0)


def node(number: int, code: int = 429, took: Times = QUICK, **fields: Any) -> SurveyedNode:
    return SurveyedNode(
        f"vault-{number}", f"http://{number}", code=code, health=took, lookup=took, telemetry=TOLD, **fields
    )


def peer(number: int, **fields: Any) -> Peer:
    says = "leader" if number == 0 else "standby"
    return Peer(
        f"vault-{number}",
        f"{number}:1",
        **{"voter": True, "leader": number == 0, "healthy": True, "says": says, **fields},
    )


WHOLE = VaultSurvey(
    (node(0, 200), node(1), node(2)), (peer(0), peer(1), peer(2)), "vault-0", healthy=True, failure_tolerance=1
)
ONE_LOST = replace(
    WHOLE,
    nodes=(node(0, 200), node(1), replace(node(2), problem="vault-2 refuses connections", code=0)),
    peers=(peer(0), peer(1), peer(2, healthy=False, says="no answer", last_contact=65_000.0)),
    healthy=False,
    failure_tolerance=0,
)
ALONE = VaultSurvey(
    tuple(replace(one, problem="gone", code=0) if one.name != "vault-1" else one for one in WHOLE.nodes),
    tuple(peer(number, leader=False, healthy=None) for number in range(3)),
    "vault-1",
)
BLIND = replace(
    WHOLE,
    nodes=tuple(replace(one, telemetry=None) for one in WHOLE.nodes),
    peers=(),
    healthy=None,
    failure_tolerance=None,
    missing_grants=('path "sys/metrics" { capabilities = ["read"] }',),
)


def look(name: str, survey: VaultSurvey | None, params: dict[str, str] | None = None, **others: Any) -> CheckResult:
    snapshots = {"vault-raft": survey, **others}
    readings = {
        target.replace("_", "-"): Reading(target, 5.0, Link.LIVE, 0.0, snapshot, 100.0)
        for target, snapshot in snapshots.items()
        if snapshot is not None
    }
    return CHECKS[name](Scene(readings, 100.0, 1000.0, Thresholds(), params or {}))


def slow(*numbers: int) -> VaultSurvey:
    return replace(
        WHOLE, nodes=tuple(replace(one, health=SLOW) if int(one.name[-1]) in numbers else one for one in WHOLE.nodes)
    )


@pytest.mark.parametrize("name", [name for name in CHECKS if name.startswith("vault.")])
def test_without_a_reading_no_check_passes(name: str) -> None:
    assert look(name, None).passed is Passed.UNKNOWN


@pytest.mark.parametrize(
    ("survey", "value"),
    [
        (WHOLE, "fine"),
        (ALONE, "no-quorum"),
        (replace(WHOLE, nodes=(node(0), node(1), node(2))), "no-leader"),
        (ONE_LOST, "dead-peer"),
        (replace(WHOLE, nodes=(node(0, 200), node(1), node(2, 503))), "sealed"),
        (replace(WHOLE, nodes=(node(0, 429), node(1, 503), node(2, 503))), "sealed"),
        (slow(0), "leader"),
        (slow(2), "standby"),
        (slow(0, 1, 2), "all"),
        (replace(WHOLE, nodes=(replace(node(0, 200), telemetry=replace(TOLD, handle_p99=300.0)), node(1))), "all"),
        (replace(WHOLE, nodes=(replace(node(0, 200), telemetry=replace(TOLD, contact_p99=306.0)), node(1))), "all"),
        (replace(WHOLE, nodes=(replace(node(0, 200), telemetry=replace(TOLD, audit_p99=80.0)), node(1))), "audit"),
        (replace(WHOLE, nodes=(replace(node(0, 200), telemetry=replace(TOLD, audit_failing=2.0)), node(1))), "audit"),
        (replace(WHOLE, nodes=(replace(node(0, 200), telemetry=replace(TOLD, audit_failures=2.0)), node(1))), "fine"),
    ],
)
def test_what_to_begin_with(survey: VaultSurvey, value: str) -> None:
    found = look("vault.trouble", survey)
    assert found.value == value
    assert (found.passed is Passed.YES) == (value == "fine")


def test_every_branch_knows_every_trouble_that_can_reach_it() -> None:
    procedure = load_procedures()["vault-latency"]
    choose = procedure.step("choose")
    assert isinstance(choose, BranchStep)
    values = {"no-quorum", "no-leader", "dead-peer", "sealed", "leader", "standby", "audit", "all", "fine"}
    assert {case.when for case in choose.cases} == values


def test_limits_are_the_procedures_parameters() -> None:
    assert look("vault.trouble", slow(0), {"warning-ms": "1000"}).value == "fine"
    assert look("vault.trouble", WHOLE, {"warning-ms": "1"}).value == "all"
    assert look("vault.trouble", WHOLE, {"warning-ms": "a lot"}).value == "fine"


def test_answers_name_the_slow_and_the_silent() -> None:
    assert look("vault.answers", WHOLE).sentence == "all 3 nodes answer quickly"
    found = look("vault.answers", slow(1))
    assert (found.passed, found.sentence) == (Passed.NO, "slow: vault-1")
    assert dict(found.rows)["vault-1"] == "standby  health 240 ms  token lookup 2 ms"
    assert look("vault.answers", ONE_LOST).value == "silent"


@pytest.mark.parametrize(
    ("p99", "passed", "value"),
    [
        (3.0, Passed.YES, "ok"),
        (100.0, Passed.NO, "slow"),
        (500.0, Passed.NO, "critical"),
        (None, Passed.UNKNOWN, "idle"),
    ],
)
def test_the_leaders_own_clock(p99: float | None, passed: Passed, value: str) -> None:
    leader = replace(node(0, 200), telemetry=replace(TOLD, handle_p99=p99))
    found = look("vault.handling", replace(WHOLE, nodes=(leader,)))
    assert (found.passed, found.value) == (passed, value)


def test_what_may_not_be_read_is_not_verified_and_names_the_grant() -> None:
    for name in ("vault.handling", "vault.raft", "vault.audit", "vault.trouble", "vault.quick"):
        found = look(name, BLIND)
        assert found.passed is Passed.UNKNOWN and 'path "sys/metrics"' in found.sentence
    assert "no Vault token" in look("vault.raft", replace(BLIND, problem="no Vault token was found")).sentence
    assert look("vault.handling", ALONE).value == "no-quorum"


def test_the_proof_of_quickness_is_about_who_serves() -> None:
    assert look("vault.quick", WHOLE).passed is Passed.YES
    assert look("vault.quick", ONE_LOST).passed is Passed.YES  # Quick, if not whole: that is the next step's proof.
    for survey in (slow(0), slow(0, 1, 2), ALONE):
        assert look("vault.quick", survey).passed is Passed.NO
    sealed = replace(WHOLE, nodes=(node(0, 429), node(1, 503), node(2, 503)))
    assert look("vault.quick", sealed).passed is Passed.NO


def test_without_the_leaders_telemetry_nothing_is_called_quick() -> None:
    def mute(survey: VaultSurvey) -> VaultSurvey:
        return replace(survey, nodes=(replace(survey.nodes[0], telemetry=None), *survey.nodes[1:]))

    for survey in (WHOLE, ONE_LOST):  # That a standby tells its figures says nothing of the leader's work.
        assert look("vault.quick", mute(survey)).passed is Passed.UNKNOWN
    assert look("vault.trouble", mute(WHOLE)).value == "unknown"
    for numbers, value in (
        ((0,), "leader"),
        ((2,), "standby"),
        ((0, 1, 2), "all"),
    ):  # Our own clock needs no telemetry.
        found = look("vault.quick", mute(slow(*numbers)))
        assert (found.passed, found.value) == (Passed.NO, value)


def test_what_can_be_picked() -> None:
    assert [value for value, _ in look("vault.pick-peer", ONE_LOST).choices] == ["vault-2"]
    assert look("vault.pick-peer", WHOLE).choices == ()
    assert [value for value, _ in look("vault.pick-node", slow(2)).choices] == ["vault-2", "vault-1"]


def test_only_a_server_that_has_left_raft_is_made_anew() -> None:
    two_lost = replace(
        WHOLE,
        nodes=(*WHOLE.nodes, *(replace(node(number), problem="gone", code=0) for number in (3, 4))),
        peers=(*WHOLE.peers, peer(4, healthy=False, says="no answer")),
    )
    assert [value for value, _ in look("vault.pick-peer", two_lost).choices] == ["vault-4"], "dead, its disk untouched"
    assert [value for value, _ in look("vault.pick-removed", two_lost).choices] == ["vault-3"]
    assert look("vault.pick-removed", WHOLE).choices == ()
    assert look("vault.pick-removed", BLIND).passed is Passed.UNKNOWN
    survey = Reading("vault-raft", 5.0, Link.LIVE, 0.0, two_lost, 100.0)
    scene = Scene({"vault-raft": survey}, 100.0, 1000.0, Thresholds())
    procedure = load_procedures()["vault-latency"]
    command = Engine(procedure, lambda: scene, unrecorded).command(procedure.step("new-node"))
    assert "delete pvc data-vault-3 --wait=false &&" in command and "delete pod vault-3" in command
    assert "vault-4" not in command


async def unrecorded(kind: Kind, payload: dict[str, Any]) -> None:
    raise AssertionError(f"nothing is recorded here: {kind} {payload}")


def test_the_audit_device_that_is_looked_at_is_the_slow_one() -> None:
    told = (replace(TOLD, audit_p99=1.0), replace(TOLD, audit_p99=400.0), replace(TOLD, audit_failing=2.0))
    survey = replace(
        WHOLE, nodes=tuple(replace(one, telemetry=each) for one, each in zip(WHOLE.nodes, told, strict=True))
    )
    assert [value for value, _ in look("vault.pick-audited", survey).choices] == ["vault-2", "vault-1", "vault-0"]
    assert look("vault.pick-audited", BLIND).passed is Passed.UNKNOWN


def panel(*nodes: VaultNode) -> VaultSnapshot:
    return VaultSnapshot(nodes)


def sealed(number: int) -> VaultNode:
    return VaultNode(
        f"vault-{number}", "x", health_code=503, initialized=True, sealed=True, seal_type="shamir", threshold=3
    )


def opened(number: int, code: int = 429) -> VaultNode:
    return VaultNode(f"vault-{number}", "x", health_code=code, initialized=True, seal_type="shamir", threshold=3)


def log(number: int, cause: Cause, sentence: str = "said") -> NodeLog:
    return NodeLog(f"vault-{number}", seal=SealCause(cause, sentence))


@pytest.mark.parametrize(
    ("causes", "value"),
    [
        ((Cause.RESTART, Cause.RESTART), "restart"),
        ((Cause.RESTART, Cause.PERSON), "person"),
        ((Cause.KMS, Cause.RESTART), "kms"),
        ((Cause.STORAGE, Cause.RESTART), "storage"),
        ((Cause.UNKNOWN, Cause.OPEN), "unknown"),
    ],
)
def test_the_gravest_cause_is_told_first_and_each_nodes_own_beside_it(causes: tuple[Cause, Cause], value: str) -> None:
    logs = VaultLogs((log(1, causes[0]), log(2, causes[1])))
    found = look("vault.why", None, vault=panel(opened(0, 200), sealed(1), sealed(2)), vault_logs=logs)
    assert found.value == value and [name for name, _ in found.rows] == ["vault-1", "vault-2"]


def test_why_without_logs_is_not_known() -> None:
    assert look("vault.why", None, vault=panel(sealed(1))).passed is Passed.UNKNOWN
    assert look("vault.why", None, vault=panel(opened(0, 200))).value == "open"
    unread = VaultLogs((NodeLog("vault-1", problem="our login may not read it"),))
    assert look("vault.why", None, vault=panel(sealed(1)), vault_logs=unread).passed is Passed.UNKNOWN


@pytest.mark.parametrize(
    ("nodes", "value", "words"),
    [
        ((opened(0, 200), opened(1), sealed(2)), "led", "vault-0 leads; 2 of 3 nodes are open"),
        ((opened(0), opened(1), sealed(2)), "enough", "an election is due"),
        ((sealed(0), sealed(1), sealed(2)), "short", "0 of 3 nodes are open, 2 more must be before one can lead"),
        (
            (sealed(0), VaultNode("vault-1", "x", problem="gone"), VaultNode("vault-2", "x", problem="gone")),
            "lost",
            "only 1 can be unsealed: bring vault-1, vault-2 back first",
        ),
    ],
)
def test_how_many_must_be_opened(nodes: tuple[VaultNode, ...], value: str, words: str) -> None:
    found = look("vault.quorum", None, vault=panel(*nodes))
    assert found.value == value and words in found.sentence


EMPTY = VaultNode("vault-2", "x", health_code=501, sealed=True, seal_type="shamir")
GONE = VaultNode("vault-2", "x", problem="vault-2 refuses connections")


@pytest.mark.parametrize(
    ("third", "passed", "value"),
    [
        (opened(2), Passed.YES, "unsealed"),
        (sealed(2), Passed.NO, "sealed"),
        (EMPTY, Passed.NO, "uninitialised"),
        (GONE, Passed.UNKNOWN, "silent"),
    ],
)
def test_every_node_is_open_only_when_each_says_so(third: VaultNode, passed: Passed, value: str) -> None:
    found = look("vault.seal", None, vault=panel(opened(0, 200), opened(1), third))
    assert (found.passed, found.value) == (passed, value)
    assert third.name in found.sentence or passed is Passed.YES


def test_who_is_still_sealed_while_vault_serves_is_named() -> None:
    five = panel(opened(0, 200), opened(1), opened(2), sealed(3), sealed(4))
    assert look("vault.serving", None, vault=five).sentence == "vault-0 serves, but still sealed: vault-3, vault-4"


def test_an_empty_node_does_not_hide_that_others_are_sealed() -> None:
    assert look("vault.seal", None, vault=panel(opened(0, 200), sealed(1), EMPTY)).value == "sealed"
    assert (
        look("vault.seal", None, vault=panel(opened(0, 200), EMPTY, replace(GONE, name="vault-1"))).value
        == "uninitialised"
    )


@pytest.mark.parametrize(
    ("nodes", "passed", "value"),
    [
        ((opened(0, 200), opened(1), opened(2, 473)), Passed.YES, "ok"),
        ((opened(0), opened(1), opened(2)), Passed.NO, "no-active"),
        ((opened(0, 200), opened(1), sealed(2)), Passed.NO, "sealed"),
        ((opened(0, 200), opened(1), EMPTY), Passed.NO, "uninitialised"),
        ((opened(0, 200), opened(1, 200), opened(2)), Passed.NO, "split"),
        ((opened(0, 200), opened(1), opened(2, 530)), Passed.NO, "astray"),
        ((opened(0, 200), opened(1, 474), GONE), Passed.NO, "astray"),
        ((opened(0, 200), opened(1), GONE), Passed.UNKNOWN, "silent"),
    ],
)
def test_one_node_serves_and_every_other_stands_by(nodes: tuple[VaultNode, ...], passed: Passed, value: str) -> None:
    found = look("vault.serving", None, vault=panel(*nodes))
    assert (found.passed, found.value) == (passed, value)


GRANT = 'path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }'


@pytest.mark.parametrize(
    ("fields", "passed", "words"),
    [
        ({"raft": RaftHealth(True, 1, "vault-0", 3)}, Passed.YES, "every node is unsealed"),
        ({"raft": RaftHealth(False, 0, "vault-0", 3, ("vault-2",))}, Passed.NO, "raft does not call vault-2 healthy"),
        ({"missing_grants": (GRANT,)}, Passed.YES, f"raft's health is not known: our token needs {GRANT}"),
        ({}, Passed.YES, "raft's health is not known: it needs a token"),
        ({"raft_problem": "the Vault token is not valid any more"}, Passed.UNKNOWN, "is not valid any more"),
    ],
)
def test_raft_has_a_word_in_whether_vault_serves(fields: dict[str, Any], passed: Passed, words: str) -> None:
    whole = replace(panel(opened(0, 200), opened(1), opened(2)), **fields)
    found = look("vault.serving", None, vault=whole)
    assert found.passed is passed and words in found.sentence


STARTED = "==> OpenBao server started! Log data will stream in below:"
UNSEALED = "2026-11-27T04:33:10.019Z [INFO]  core: vault is unsealed"
MARKED = "2026-11-27T04:37:48.479Z [INFO]  core: marked as sealed"
SEALED = "2026-11-27T04:37:49.398Z [INFO]  core: vault is sealed"
ENDED = "==> OpenBao shutdown triggered"
KMS = '2026-11-27T04:33:01.000Z [ERROR] core: failed to unseal: error="AccessDeniedException: kms:Decrypt"'
FULL = '2026-11-27T04:33:01.000Z [ERROR] storage.raft: failed to commit logs: error="no space left on device"'


@pytest.mark.parametrize(
    ("lines", "last_end", "cause", "words"),
    [
        ([STARTED, UNSEALED, MARKED, SEALED], "", Cause.PERSON, "at 04:37:49: ask who and why"),
        ([STARTED], "", Cause.RESTART, "was started anew"),
        ([STARTED, UNSEALED, MARKED, SEALED, ENDED, STARTED], "", Cause.RESTART, "was started anew"),
        ([STARTED, UNSEALED, ENDED], "", Cause.RESTART, "was started anew"),
        ([STARTED], "OOMKilled, exit code 137", Cause.RESTART, "ended with OOMKilled, exit code 137"),
        ([STARTED, UNSEALED], "", Cause.OPEN, "open since 04:33:10"),
        ([STARTED, KMS], "", Cause.KMS, "AccessDeniedException"),
        ([STARTED, UNSEALED, FULL, MARKED, SEALED], "", Cause.STORAGE, "no space left on device"),
        ([STARTED, KMS, UNSEALED], "", Cause.OPEN, "open since"),
        ([], "Error, exit code 1", Cause.RESTART, "ended with Error, exit code 1"),
        (["nothing of it"], "", Cause.UNKNOWN, "does not say why"),
    ],
)
def test_the_log_tells_why(lines: list[str], last_end: str, cause: Cause, words: str) -> None:
    found = seal_cause(lines, last_end)
    assert found.cause is cause and words in found.sentence


def test_complaints_are_told_once_at_their_last_time() -> None:
    lines = [
        "2026-11-27T04:33:01.000Z [WARN]  storage.raft: Election timeout reached",
        "2026-11-27T04:33:02.000Z [INFO]  core: fine",
        "2026-11-27T04:33:03.000Z [ERROR] core: bad",
        "2026-11-27T04:33:04.000Z [WARN]  storage.raft: Election timeout reached",
    ]
    assert complaints(lines) == ("04:33:03 core: bad", "04:33:04 storage.raft: Election timeout reached")


def test_the_logs_are_told_and_what_is_unread_is_not_verified() -> None:
    quiet = VaultLogs((NodeLog("vault-0"), NodeLog("vault-1", complaints=("04:33 bad",))))
    found = look("vault.logs", None, vault_logs=quiet)
    assert (found.passed, found.sentence, found.value) == (Passed.YES, "vault-1 has warnings or errors", "loud")
    unread = VaultLogs((NodeLog("vault-0"), NodeLog("vault-1", problem="no such pod")))
    found = look("vault.logs", None, vault_logs=unread)
    assert (found.passed, found.sentence) == (Passed.NO, "no node complains; the log of vault-1 could not be read")
    nobody = VaultLogs((NodeLog("vault-0", problem="x"), NodeLog("vault-1", problem="x")))
    assert look("vault.logs", None, vault_logs=nobody).passed is Passed.UNKNOWN

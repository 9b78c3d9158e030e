"""Checks of Vault's latency and of raft (runbook 2.3 "Vault High Latency", facts 2.3.2), from the surveys ``vault-raft`` and ``vault-logs``.

What is slow is told apart by who is slow: the leader, one standby, all of them (their hosts), the audit device, or nobody because nobody
leads. A node is judged by its second longest answer of five. Limits are the procedure's parameters where it has them.
"""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.vault_log import VaultLogs
from alphapulse_tui.model.vault_raft import Peer, SurveyedNode, Telemetry, VaultSurvey
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene

SURVEY = "vault-raft"
AUDIT_MS = 50.0
"""Milliseconds of ``vault_audit_log_request`` at the 99th percentile (facts 2.3.2)."""


def answers(scene: Scene) -> CheckResult:
    """Which nodes answer, and how fast: network and process, then the token store."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    rows = tuple((node.name, _answer(node)) for node in survey.nodes)
    silent = [node.name for node in survey.nodes if node.problem]
    slow = _slow(survey, scene.number("warning-ms", scene.thresholds.vault_latency_warning))
    if silent:
        return CheckResult(Passed.NO, f"{', '.join(silent)} gives no answer", rows, "silent")
    if slow:
        return CheckResult(Passed.NO, f"slow: {', '.join(node.name for node in slow)}", rows, "slow")
    return CheckResult(Passed.YES, f"all {len(survey.nodes)} nodes answer quickly", rows, "ok")


def handling(scene: Scene) -> CheckResult:
    """What the leader's own telemetry says of its requests, its storage and raft."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    leader = survey.leader
    told = leader.telemetry if leader is not None else None
    if leader is None:
        return _leaderless(survey, ())
    if told is None:
        return _untold(survey, "telemetry")
    rows = _figures(told)
    warning = scene.number("warning-ms", scene.thresholds.vault_latency_warning)
    critical = scene.number("critical-ms", scene.thresholds.vault_latency_critical)
    p99 = told.handle_p99
    if p99 is None:
        return CheckResult(Passed.UNKNOWN, f"{leader.name} has handled no request for 10 s", rows, "idle")
    said = f"{leader.name} handles requests in {p99:.0f} ms (p99)"
    if p99 >= critical:
        return CheckResult(Passed.NO, f"{said}: over {critical:g} ms", rows, "critical")
    if p99 >= warning:
        return CheckResult(Passed.NO, f"{said}: over {warning:g} ms", rows, "slow")
    return CheckResult(Passed.YES, said, rows, "ok")


def raft(scene: Scene) -> CheckResult:
    """Who votes, who is healthy, how many more may be lost, how long a follower was not heard of."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    rows = tuple((peer.name, _seat(peer)) for peer in survey.peers)
    if survey.leader is None:
        return _leaderless(survey, rows)
    if survey.healthy is None or survey.failure_tolerance is None:
        return _untold(survey, "autopilot's state", rows)
    lost = [peer.name for peer in survey.peers if peer.healthy is False]
    spare = f"raft may lose {survey.failure_tolerance} more"
    if lost:
        return CheckResult(Passed.NO, f"{', '.join(lost)} is not healthy; {spare}", rows, "lost")
    if not survey.healthy:
        return CheckResult(Passed.NO, f"the autopilot calls raft unhealthy; {spare}", rows, "lost")
    if not survey.peers:
        return _untold(survey, "who votes", rows)
    contact = _contact(survey)
    most = scene.number("contact-ms", scene.thresholds.vault_last_contact_warning)
    if contact is not None and contact >= most:
        return CheckResult(Passed.NO, f"followers were not heard of for {contact:.0f} ms; {spare}", rows, "contact")
    if survey.failure_tolerance == 0 and len(survey.nodes) > 1:
        return CheckResult(Passed.NO, f"every server is healthy, but {spare}", rows, "no-spare")
    return CheckResult(Passed.YES, f"raft is whole: {len(survey.voters)} voters, {spare}", rows, "ok")


def audit(scene: Scene) -> CheckResult:
    """Whether writing the audit log holds requests up: a blocked device blocks Vault."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    told = [(node, node.telemetry) for node in survey.serving if node.telemetry is not None]
    if not told:
        return _untold(survey, "telemetry")
    rows = tuple((node.name, _audited(one)) for node, one in told)
    most = scene.number("audit-ms", AUDIT_MS)
    failing = [node.name for node, one in told if one.audit_failing]
    slow = [node.name for node, one in told if one.audit_p99 is not None and one.audit_p99 >= most]
    if failing:
        return CheckResult(Passed.NO, f"{', '.join(failing)} could not write its audit log", rows, "failing")
    if slow:
        return CheckResult(Passed.NO, f"the audit log of {', '.join(slow)} takes over {most:g} ms", rows, "slow")
    return CheckResult(Passed.YES, "the audit log holds nobody up", rows, "ok")


def logs(scene: Scene) -> CheckResult:
    """What the nodes' own logs complain of."""
    found: VaultLogs | None = scene.snapshot("vault-logs")
    if found is None:
        return scene.silence("vault-logs")
    rows = tuple(
        (node.name, node.problem or said) for node in found.nodes for said in (node.complaints[-4:] or ("nothing",))
    )
    loud = [node.name for node in found.nodes if node.complaints]
    said = f"{', '.join(loud)} has warnings or errors" if loud else "no node complains"
    unread = [node.name for node in found.nodes if node.problem]
    if unread:
        # That a dead node has no log is what was found; only when nobody's could be read, nothing was.
        passed = Passed.NO if len(unread) < len(found.nodes) else Passed.UNKNOWN
        return CheckResult(passed, f"{said}; the log of {', '.join(unread)} could not be read", rows, "unread")
    return CheckResult(Passed.YES, said, rows, "loud" if loud else "quiet")


def trouble(scene: Scene) -> CheckResult:
    """The one thing to begin with: what else is slow may only follow from it."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    sealed = [node.name for node in survey.nodes if node.code == 503]
    if survey.leader is None and not sealed:
        return _leaderless(survey, ())
    if sealed:
        return CheckResult(Passed.NO, f"{', '.join(sealed)} is sealed", (), "sealed")
    dead = [peer.name for peer in survey.peers if peer.dead] or [node.name for node in survey.nodes if node.problem]
    if dead:
        return CheckResult(Passed.NO, f"{', '.join(dead)} is gone", (), "dead-peer")
    written = audit(scene)
    if written.passed is Passed.NO:
        return CheckResult(Passed.NO, written.sentence, written.rows, "audit")
    return _who_is_slow(scene, survey)


def _who_is_slow(scene: Scene, survey: VaultSurvey) -> CheckResult:
    """Slow nodes by our own clock, then requests by the leader's; without the leader's word nothing is called quick (facts 2.3.2)."""
    warning = scene.number("warning-ms", scene.thresholds.vault_latency_warning)
    slow = _slow(survey, warning)
    names = ", ".join(node.name for node in slow)
    rows = tuple((node.name, _answer(node)) for node in survey.nodes)
    leader = survey.leader
    assert leader is not None
    if len(slow) > 1 and len(slow) == len(survey.serving):
        return CheckResult(Passed.NO, "every node is slow: their hosts, disks or network", rows, "all")
    if leader in slow:
        return CheckResult(Passed.NO, f"{leader.name}, the leader, is slow; the others are not", rows, "leader")
    if slow:
        return CheckResult(Passed.NO, f"{names} is slow, the leader is not", rows, "standby")
    if leader.telemetry is None:
        return _untold(survey, "telemetry", rows)
    handled = leader.telemetry.handle_p99
    if handled is not None and handled >= warning:
        said = f"{leader.name} answers quickly, but handles requests in {handled:.0f} ms: its storage or its load"
        return CheckResult(Passed.NO, said, _figures(leader.telemetry), "all")
    contact = _contact(survey)
    if contact is not None and contact >= scene.number("contact-ms", scene.thresholds.vault_last_contact_warning):
        return CheckResult(
            Passed.NO, f"raft hears of its followers only every {contact:.0f} ms: hosts or network", rows, "all"
        )
    return CheckResult(Passed.YES, "nothing is slow now", rows, "fine")


def quick(scene: Scene) -> CheckResult:
    """The proof: a node leads, no node that serves is slow, and the leader's telemetry says that requests are handled quickly."""
    found = trouble(scene)
    if found.value in ("fine", "dead-peer", "sealed"):
        survey: VaultSurvey | None = scene.snapshot(SURVEY)
        assert survey is not None  # ``trouble`` has read it.
        if survey.leader is None:
            return _leaderless(survey, ())
        judged = _who_is_slow(scene, survey)
        return replace(judged, value="ok") if judged.passed is Passed.YES else judged
    return found


def whole(scene: Scene) -> CheckResult:
    """The proof: raft calls every server healthy and has one to spare."""
    found = raft(scene)
    return CheckResult(Passed.YES, found.sentence, found.rows, "ok") if found.value == "contact" else found


def pick_peer(scene: Scene) -> CheckResult:
    """Which server of raft's configuration is dead."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    dead = [peer for peer in survey.peers if peer.dead or (peer.healthy is False and peer.says == "uninitialised")]
    choices = tuple((peer.name, _seat(peer)) for peer in dead)
    said = f"dead: {', '.join(peer.name for peer in dead)}" if dead else "no server is dead"
    return CheckResult(Passed.NO if dead else Passed.YES, said, choices, "dead" if dead else "none", choices)


def pick_removed(scene: Scene) -> CheckResult:
    """Which server is made anew: raft's configuration does not name it, so its disk is of no use. The silent first; an empty one joins by itself."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    if not survey.peers:
        return _untold(survey, "who is in raft")
    named = {peer.name for peer in survey.peers}
    found = [node for node in survey.nodes if node.name not in named and node.code != 501]
    choices = tuple((node.name, _answer(node)) for node in sorted(found, key=lambda node: not node.problem))
    said = f"not in raft: {', '.join(name for name, _ in choices)}" if choices else "raft names every node"
    return CheckResult(Passed.NO if choices else Passed.YES, said, choices, "some" if choices else "none", choices)


def pick_audited(scene: Scene) -> CheckResult:
    """Which node's audit device to look at: those that cannot write theirs, then the slowest."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    told = [(node.name, node.telemetry) for node in survey.serving if node.telemetry is not None]
    told.sort(key=lambda each: (-each[1].audit_failing, -(each[1].audit_p99 or 0.0)))
    choices = tuple((name, _audited(one)) for name, one in told)
    if not choices:
        return _untold(survey, "telemetry")
    return CheckResult(Passed.YES, f"the slowest audit log is that of {choices[0][0]}", choices, "some", choices)


def pick_node(scene: Scene) -> CheckResult:
    """Which node to restart: standbys, the slowest first; never the leader."""
    survey: VaultSurvey | None = scene.snapshot(SURVEY)
    if survey is None:
        return scene.silence(SURVEY)
    standbys = sorted((node for node in survey.serving if node.code != 200), key=lambda node: -_took(node))
    choices = tuple((node.name, _answer(node)) for node in standbys)
    said = f"slowest standby: {standbys[0].name}" if standbys else "no standby answers"
    return CheckResult(Passed.YES if standbys else Passed.NO, said, choices, "some" if standbys else "none", choices)


def _leaderless(survey: VaultSurvey, rows: tuple[tuple[str, str], ...]) -> CheckResult:
    open_nodes = len(survey.serving)
    if survey.quorum_lost:
        said = f"no quorum: {open_nodes} of {len(survey.nodes)} nodes are open and raft needs {survey.quorum}"
        return CheckResult(Passed.NO, said, rows, "no-quorum")
    return CheckResult(Passed.NO, f"no node leads, though {open_nodes} are open: an election", rows, "no-leader")


def _untold(survey: VaultSurvey, what: str, rows: tuple[tuple[str, str], ...] = ()) -> CheckResult:
    """Not verified: what could not be read, and the grant that is missing."""
    why = survey.problem or "; ".join(f"our token needs {grant}" for grant in survey.missing_grants)
    return CheckResult(Passed.UNKNOWN, f"{what} is not known: {why or 'the leader does not tell it'}", rows, "unknown")


def _slow(survey: VaultSurvey, most: float) -> list[SurveyedNode]:
    return [node for node in survey.serving if _took(node) >= most]


def _took(node: SurveyedNode) -> float:
    return max((one.high for one in (node.health, node.lookup) if one is not None), default=0.0)


def _contact(survey: VaultSurvey) -> float | None:
    """Milliseconds; counts only while every follower is healthy: one that is gone is not heard of for hours."""
    leader = survey.leader
    if leader is None or leader.telemetry is None or any(peer.healthy is False for peer in survey.peers):
        return None
    return leader.telemetry.contact_p99


def _answer(node: SurveyedNode) -> str:
    if node.problem:
        return node.problem
    words = {200: "leader", 429: "standby", 501: "uninitialised", 503: "SEALED"}
    health = f"  health {node.health.high:.0f} ms" if node.health else ""
    lookup = f"  token lookup {node.lookup.high:.0f} ms" if node.lookup else ""
    return f"{words.get(node.code, f'code {node.code}')}{health}{lookup}"


def _seat(peer: Peer) -> str:
    health = {True: "healthy", False: "NOT HEALTHY", None: "health not known"}[peer.healthy]
    kind = "leader" if peer.leader else "voter" if peer.voter else "no voter yet"
    behind = f", {peer.behind} entries behind" if peer.behind else ""
    silent = ""
    if peer.healthy is False and peer.last_contact is not None:
        silent = f", not heard of for {peer.last_contact / 1000:.0f} s"
    return f"{kind}, {health}{silent}{behind}, itself: {peer.says or 'not in the profile'}"


def _figures(told: Telemetry | None) -> tuple[tuple[str, str], ...]:
    if told is None:
        return ()
    return (
        ("handle_request", f"p50 {_ms(told.handle_p50)}, p99 {_ms(told.handle_p99)}"),
        ("handle_login_request", f"p99 {_ms(told.login_p99)}"),
        ("raft storage", f"get p99 {_ms(told.storage_get_p99)}, put p99 {_ms(told.storage_put_p99)}"),
        ("raft commit", f"p99 {_ms(told.commit_p99)}"),
        ("leader last contact", f"p99 {_ms(told.contact_p99)}"),
        ("audit log", f"p99 {_ms(told.audit_p99)}"),
        ("requests under way", "not told" if told.in_flight is None else f"{told.in_flight:.0f}"),
        ("leases", "not told" if told.leases is None else f"{told.leases:.0f}"),
    )


def _audited(told: Telemetry) -> str:
    return f"p99 {_ms(told.audit_p99)}, {told.audit_failures:.0f} could not be written since it started"


def _ms(value: float | None) -> str:
    if value is None:
        return "none in 10 s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


CHECKS: dict[str, Check] = {
    "vault.answers": answers,
    "vault.handling": handling,
    "vault.raft": raft,
    "vault.audit": audit,
    "vault.logs": logs,
    "vault.trouble": trouble,
    "vault.quick": quick,
    "vault.whole": whole,
    "vault.pick-peer": pick_peer,
    "vault.pick-removed": pick_removed,
    "vault.pick-audited": pick_audited,
    "vault.pick-node": pick_node,
}

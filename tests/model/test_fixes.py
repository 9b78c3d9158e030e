from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.actions.registry import action_class
from alphapulse_tui.model.alerts import ALERT_PROCEDURES, Alert, AlertsSnapshot, Silence
from alphapulse_tui.model.cluster import Autoscaler, CapacitySnapshot, ClusterEvent, EventsSnapshot
from alphapulse_tui.model.fixes.contract import Fix
from alphapulse_tui.model.fixes.menu import fixes_for
from alphapulse_tui.model.health import Finding, Health
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Revision, Workload
from alphapulse_tui.model.postgres import PostgresSnapshot, Session
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.vault import RaftHealth, VaultNode, VaultSnapshot
from alphapulse_tui.model.vault_raft import Peer, SurveyedNode, VaultSurvey

NOW = 100.0


def reading(
    target: str, snapshot: Any, *findings: Finding, link: Link = Link.LIVE, taken_at: float = NOW
) -> Reading[Any]:
    return Reading(target, 5.0, link, 0.0, snapshot, taken_at, findings=findings)


def fixes(target: str, key: str = "", **readings: Reading[Any]) -> tuple[Fix, ...]:
    found = fixes_for(target, key, readings, NOW)
    assert [fix.number for fix in found] == list(range(1, len(found) + 1))
    assert sum(fix.suggested for fix in found) <= 1 and (not any(fix.suggested for fix in found) or found[0].suggested)
    for fix in found:
        if fix.does:
            continue
        known = {parameter.name for parameter in action_class(fix.action_id).parameters}
        assert {name for name, _ in fix.params} <= known, fix
    return found


def ids(found: tuple[Fix, ...]) -> list[str]:
    return [fix.action_id for fix in found]


SESSION = Session(
    4121, "2026-01-01T00:00:00.000000+00:00", "app", "db", "api", "", "client backend", "idle", "", None, None, 1.0, ""
)


def postgres(*sessions: Session) -> PostgresSnapshot:
    return PostgresSnapshot(
        server_version=170000, in_recovery=False, max_connections=100, superuser_reserved=3, reserved=0, clients=95, walsenders=0, active=1,
        idle=1, idle_in_transaction=1, lock_waiting=0, sessions=sessions, groups=(), limits=(), standbys=(), replicas=(),
    )  # fmt: skip


def pg_finding(subject: str, health: Health = Health.CRITICAL) -> Finding:
    return Finding("postgres", health, "said", subject, "pg-connections")


@pytest.mark.parametrize(
    ("findings", "first", "suggested"),
    [
        ((), "pg.terminate-idle-in-transaction", False),
        ((pg_finding("connections"),), "pg.terminate-idle", True),
        ((pg_finding("connections"), pg_finding("pid 7")), "pg.terminate-idle-in-transaction", True),
        ((pg_finding("pid 7", Health.WARNING),), "pg.terminate-idle-in-transaction", False),
    ],
)
def test_postgres_suggests_what_the_verdict_says(findings, first, suggested):
    found = fixes("postgres", postgres=reading("postgres", postgres(), *findings))
    assert sorted(ids(found)) == [
        "pg.analyze",
        "pg.cancel-query",
        "pg.terminate-idle",
        "pg.terminate-idle-in-transaction",
        "pg.vacuum",
    ]
    assert (found[0].action_id, found[0].suggested) == (first, suggested)


@pytest.mark.parametrize(
    ("session", "action", "why_not"),
    [
        (SESSION, "pg.terminate-idle", ""),
        (replace(SESSION, state="idle in transaction (aborted)"), "pg.terminate-idle-in-transaction", ""),
        (replace(SESSION, state="active"), "pg.cancel-query", ""),
        (replace(SESSION, superuser=True), "pg.terminate-idle", "a superuser's session is never ended from here"),
        (
            replace(SESSION, backend_type="walsender", replication=True),
            "pg.terminate-idle",
            "a replication role's session is never ended from here",
        ),
        (
            replace(SESSION, backend_type="autovacuum worker"),
            "pg.terminate-idle",
            "it is no client but a autovacuum worker",
        ),
    ],
)
def test_a_session_row_is_ended_by_its_identity(session, action, why_not):
    first = fixes("postgres", session.key, postgres=reading("postgres", postgres(session)))[0]
    assert (first.action_id, first.why_not, dict(first.params)["pids"]) == (action, why_not, session.key)


def node(name: str, **fields: Any) -> VaultNode:
    return VaultNode(name, f"http://{name}", **{"initialized": True, "seal_type": "shamir", "threshold": 3, **fields})


def vault(*nodes: VaultNode, key: str = "") -> tuple[Fix, ...]:
    return fixes("vault", key, vault=reading("vault", VaultSnapshot(nodes)))


def test_one_sealed_node_is_the_next_one():
    found = vault(node("vault-0"), node("vault-1", sealed=True, progress=1))
    assert [(fix.title, fix.why_not) for fix in found[:2]] == [
        ("unseal next node: vault-1 (1/3)", ""),
        ("reset the unseal round of vault-1", ""),
    ]
    assert found[0].suggested and dict(found[0].params) == {"node": "next"}


def test_several_sealed_nodes_get_one_share_each():
    found = vault(node("vault-0", sealed=True), node("vault-1", sealed=True))
    assert found[0].title == "give one share to all 2 sealed nodes" and found[0].suggested and found[0].params == ()
    assert by_id(found)["vault.reset-unseal"].why_not == "no round of shares is under way"
    row = vault(node("vault-0", sealed=True), node("vault-1", sealed=True), key="vault-1")
    assert row[0].suggested and dict(row[0].params) == {"node": "vault-1"}


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ((node("vault-0"),), "no node is sealed"),
        ((node("vault-0"), node("vault-1", problem="silent")), "no node that answers is sealed; vault-1: no answer"),
        ((node("vault-0", sealed=True, seal_type="awskms"),), "opened by awskms, not by shares: mend the KMS"),
    ],
)
def test_why_shares_do_not_help(nodes, words):
    found = vault(*nodes)
    assert words in found[0].why_not and not found[0].suggested


ACTIVE = node("vault-0", health_code=200, is_leader=True)


def by_id(found: tuple[Fix, ...]) -> dict[str, Fix]:
    return {fix.action_id: fix for fix in found}


def raft(tolerance: int) -> RaftHealth:
    return RaftHealth(healthy=bool(tolerance), failure_tolerance=tolerance, leader="vault-0", voters=3)


def cluster(key: str = "", tolerance: int = 1, *others: VaultNode) -> dict[str, Fix]:
    nodes = (ACTIVE, *(others or (node("vault-1", health_code=429), node("vault-2", health_code=429))))
    return by_id(fixes("vault", key, vault=reading("vault", VaultSnapshot(nodes, raft(tolerance)))))


def test_a_whole_cluster_may_change_its_leader_and_restart_a_standby():
    found = cluster()
    assert (found["vault.step-down"].title, found["vault.step-down"].why_not) == ("let vault-0 step down", "")
    assert found["vault.restart-node"].params == () and not found["vault.restart-node"].why_not
    assert found["vault.remove-peer"].why_not == "every node answers"
    assert dict(cluster("vault-2")["vault.restart-node"].params) == {"node": "vault-2"}
    assert cluster("vault-0")["vault.restart-node"].why_not == "it leads: let it step down first"
    assert cluster("vault-1")["vault.remove-peer"].why_not == "vault-1 answers: it is not dead"


def test_without_a_spare_nobody_steps_down_and_the_silent_one_may_leave_raft():
    found = cluster("", 0, node("vault-1", health_code=429), node("vault-2", problem="vault-2 refuses connections"))
    assert found["vault.step-down"].why_not == "raft has no node to spare"
    assert dict(found["vault.remove-peer"].params) == {"peer": "vault-2"}
    assert not found["vault.remove-peer"].why_not


def test_without_a_leader_nothing_is_offered_but_shares():
    found = by_id(vault(node("vault-0", problem="silent"), node("vault-1", health_code=429)))
    for action in ("vault.step-down", "vault.restart-node", "vault.remove-peer"):
        assert found[action].why_not == "no node leads: without a quorum raft can change nothing"


def test_a_dead_server_of_raft_is_offered_to_be_taken_out_first():
    peer = Peer("vault-2", "c:1", voter=True, leader=False, healthy=False, says="no answer")
    survey = VaultSurvey((SurveyedNode("vault-0", "a", code=200),), (peer,), "vault-0", False, 0)
    nodes = VaultSnapshot((ACTIVE, node("vault-2", problem="silent")))
    found = fixes(
        "vault-raft", "vault-2", **{"vault-raft": reading("vault-raft", survey), "vault": reading("vault", nodes)}
    )
    assert (found[0].action_id, found[0].suggested, dict(found[0].params)) == (
        "vault.remove-peer",
        True,
        {"peer": "vault-2"},
    )


def pod(name: str = "api-1", status: str = "Running", **container: Any) -> Pod:
    made = Container(**{"name": "api", "image": "api:2", "ready": status == "Running", "restarts": 0, **container})
    return Pod(
        name, f"uid-{name}", status, int(made.ready), 1, made.restarts, 0.0, "node", "Deployment", "api", (made,)
    )


def workload(kind: str = "Deployment", name: str = "api", desired: int = 3, **fields: Any) -> Workload:
    revisions = (
        tuple(Revision(number, f"api:{number}", "", 0.0, 0, f"api-{number}") for number in (2, 1))
        if kind == "Deployment"
        else ()
    )
    counts = {"generation": 1, "observed_generation": 1, "updated": desired, "ready": desired, "available": desired}
    return Workload(
        kind, name, f"uid-{name}", desired=desired, image="api:2", **{"revisions": revisions, **counts, **fields}
    )


def pods(
    *of: Pod, workloads: tuple[Workload, ...] = (workload(),), key: str = "", target: str = "kubernetes"
) -> tuple[Fix, ...]:
    snapshot = KubernetesSnapshot("alphapulse", "lab", "1.36", of, workloads)
    return fixes(target, key, kubernetes=reading("kubernetes", snapshot))


def test_a_crash_loop_suggests_the_previous_log():
    crashing = pod("api-2", "CrashLoopBackOff", restarts=4, waiting="CrashLoopBackOff", last_reason="Error")
    found = pods(crashing, pod("api-1"))
    assert ids(found) == [
        "kubernetes.previous-log",
        "kubernetes.rollback",
        "kubernetes.restart",
        "kubernetes.scale",
        "kubernetes.scale",
        "kubernetes.test-inside",
        "kubernetes.set-image",
        "kubernetes.delete-pod",
    ]
    assert found[0].suggested and dict(found[0].params) == {"pod": "api-2", "container": "api"}
    assert dict(found[1].params) == {"kind": "Deployment", "name": "api", "revision": "1"}
    assert [fix.title for fix in found[3:5]] == ["scale api 3 -> 4", "scale api 3 -> 2"]


def test_a_container_that_was_killed_for_memory_is_offered_more():
    found = pods(pod("api-2", "CrashLoopBackOff", restarts=4, waiting="CrashLoopBackOff", last_reason="OOMKilled"))
    assert found[0].action_id == "kubernetes.set-memory" and found[0].suggested
    assert dict(found[0].params) == {"kind": "Deployment", "name": "api", "container": "api", "memory": "2x"}


def test_which_image_is_asked_and_the_container_that_is_ill_is_named():
    ill = pod("api-2", "ImagePullBackOff", waiting="ImagePullBackOff")
    (found,) = (fix for fix in pods(ill) if fix.action_id == "kubernetes.set-image")
    assert found.asks is not None and found.asks[0] == "image" and not found.suggested
    assert dict(found.params) == {"kind": "Deployment", "name": "api", "container": "api"}
    assert "kubernetes.set-image" not in ids(pods(workloads=(workload("StatefulSet", "redis"),), key="uid-redis"))


def test_an_autoscaler_at_its_maximum_is_offered_more():
    hpa = Autoscaler("api-hpa", "u", "Deployment", "api", 3, 5, 5, 5, ("cpu 90% of 60%",), "TooManyReplicas")
    capacity = reading("kubernetes-capacity", CapacitySnapshot((), (hpa,), ()))
    found = fixes("kubernetes-autoscalers", "u", **{"kubernetes-capacity": capacity})
    assert [dict(fix.params)["most"] for fix in found] == ["7", "10"] and found[0].suggested
    assert fixes("kubernetes-autoscalers", "gone", **{"kubernetes-capacity": capacity}) == ()


def test_an_image_that_cannot_be_pulled_suggests_rolling_back():
    found = pods(pod("api-2", "ImagePullBackOff", waiting="ImagePullBackOff"))
    assert found[0].action_id == "kubernetes.rollback" and found[0].suggested
    assert "no previous log" in next(fix for fix in found if fix.action_id == "kubernetes.previous-log").why_not


def test_a_rollout_that_ran_out_of_time_suggests_rolling_back():
    found = pods(workloads=(workload(deadline_exceeded=True, updated=1),))
    assert found[0].action_id == "kubernetes.rollback" and found[0].suggested


def test_what_only_got_memory_is_rolled_back_past_the_release_that_it_is_of():
    given = Revision(3, "api:2", "memory limit of api set to 8Gi by ana@bastion", 0.0, 0, "api-3")
    mended = workload(revisions=(given, *workload().revisions))
    found = by_id(pods(workloads=(mended,), key=mended.key))["kubernetes.rollback"]
    assert dict(found.params)["revision"] == "1" and "to revision 1 (api:1)" in found.title


def test_what_was_scaled_to_nothing_suggests_scaling_up():
    found = pods(workloads=(workload(desired=0),), target="platform")
    assert found[0].title == "scale api 0 -> 1" and found[0].suggested


def test_stateful_sets_with_procedures_of_their_own_are_not_scaled():
    found = pods(workloads=(workload("StatefulSet", "vault"),), key="uid-vault")
    scale = next(fix for fix in found if fix.action_id == "kubernetes.scale")
    assert "open the Vault procedures" in scale.why_not and "kubernetes.rollback" not in ids(found)


def test_vault_is_not_restarted_whole_and_redis_may_be():
    for name, why in (("vault", "come back sealed: restart one node from Vault's panel"), ("redis", "")):
        found = pods(workloads=(workload("StatefulSet", name),), key=f"uid-{name}")
        restart = next(fix for fix in found if fix.action_id == "kubernetes.restart")
        assert why in restart.why_not and bool(restart.why_not) is bool(why)


def test_nothing_to_roll_back_to_and_paused():
    only = workload(revisions=(Revision(1, "api:1", "", 0.0, 3, "api-1"),))
    assert pods(workloads=(only,), key=only.key)[0].why_not == "it has no earlier revision"
    paused = workload(paused=True)
    assert "paused" in pods(workloads=(paused,), key=paused.key)[0].why_not


def test_a_row_without_fixes_does_not_get_those_of_another_object():
    crashing = pod("api-2", "CrashLoopBackOff", restarts=4, waiting="CrashLoopBackOff", last_reason="Error")
    assert pods(crashing, key="node-1") == () and pods(crashing, key="uid-gone") == ()
    firing = reading("alerts", AlertsSnapshot((alert("APIDown"),)))
    assert fixes("alerts", "print-Gone", alerts=firing) == () and fixes("alerts", alerts=firing)


def test_an_event_offers_the_fixes_of_what_it_is_about():
    crashing = pod("api-2", "CrashLoopBackOff", restarts=4, waiting="CrashLoopBackOff", last_reason="Error")
    cluster = KubernetesSnapshot("alphapulse", "lab", "1.36", (crashing, pod("api-1")), (workload(),))

    def of(kind: str, name: str) -> tuple[Fix, ...]:
        event = ClusterEvent("e1", "Warning", "BackOff", kind, name, "", 1, None, 1.0)
        events = reading("kubernetes-events", EventsSnapshot((event,)))
        return fixes(
            "kubernetes-events", "e1", **{"kubernetes": reading("kubernetes", cluster), "kubernetes-events": events}
        )

    ended = by_id(of("Pod", "api-1"))["kubernetes.delete-pod"]
    assert dict(ended.params) == {"pod": "api-1"}, "not the one that crashes"
    assert "kubernetes.restart" in ids(of("Deployment", "api"))
    assert of("Pod", "api-gone") == () and of("Node", "node-1") == ()


def test_a_healthy_namespace_suggests_nothing():
    found = pods(pod("api-1"))
    assert not any(fix.suggested for fix in found) and "kubernetes.restart" in ids(found)


def alert(name: str, **labels: str) -> Alert:
    told = Alert(f"print-{name}", name, None, "firing", 0.0, "", tuple(labels.items()), ("prometheus",))
    return replace(told, procedure=ALERT_PROCEDURES.get(name, ""), managed=f"managed-{name}")


def titles(found: tuple[Fix, ...]) -> list[str]:
    return [fix.title for fix in found]


def test_an_alert_is_acknowledged_silenced_and_opened_from_its_row():
    grafana = "https://grafana.example/d/api"
    down, quiet = alert("APIDown", pod="api-1"), alert("Strange")
    quiet = replace(quiet, state="silenced", silenced_by=("0123456789",), dashboard=grafana)
    silence = Silence("0123456789", ('alertname="Strange"',), "ana", "why", 99.0)
    readings = {"alerts": reading("alerts", AlertsSnapshot((down, quiet), silences=(silence,)))}
    found = fixes("alerts", "print-APIDown", **readings)
    assert [(fix.does, fix.action_id, dict(fix.params)) for fix in found] == [
        ("acknowledge", "", {}),
        ("", "alerts.silence", {"alert": "managed-APIDown"}),
        ("procedure", "", {"procedure": "api-crashloop"}),
        ("link", "", {"link": "grafana_api"}),
    ]
    pick = found[1].picks
    assert pick is not None and pick.parameter == "duration" and found[1].asks is not None
    assert pick.choices(0.0)[-1] == ("4h", "until 04:00Z"), "no longer than four hours (facts 4.2)"
    assert titles(fixes("alerts", "print-Strange", **readings))[1:] == [
        "expire silence 01234567 of Strange", "copy the address of its dashboard",
    ]  # fmt: skip
    assert dict(fixes("alerts", "print-Strange", **readings)[-1].params) == {"address": grafana}
    (ends,) = fixes("silences", "0123456789", **readings)
    assert (ends.action_id, dict(ends.params)) == ("alerts.expire-silence", {"silence": "0123456789"})


@pytest.mark.parametrize(
    ("changed", "why_not"),
    [
        ({"managed": "", "state": "pending"}, "it is pending: it notifies nobody yet"),
        ({"managed": ""}, "only Prometheus knows it so far"),
        ({"state": "inhibited"}, "another alert inhibits it"),
    ],
)
def test_what_notifies_nobody_is_not_silenced(changed: dict[str, str], why_not: str):
    alerts = reading("alerts", AlertsSnapshot((replace(alert("APIDown"), **changed),)))
    assert why_not in fixes("alerts", "print-APIDown", alerts=alerts)[1].why_not


def test_an_alert_offers_the_fixes_of_what_it_is_about():
    sealed = reading("vault", VaultSnapshot((node("vault-1", sealed=True), node("vault-2", sealed=True))))
    alerts = reading("alerts", AlertsSnapshot((alert("DBConnectionPool"), alert("VaultSealed", pod="vault-2"))))
    postgres_reading = reading("postgres", postgres(), pg_finding("connections"))
    both = {"alerts": alerts, "vault": sealed, "postgres": postgres_reading}
    assert ids(fixes("alerts", **both))[0] == "pg.terminate-idle"
    unseal = next(fix for fix in fixes("alerts", "print-VaultSealed", **both) if fix.action_id == "vault.unseal")
    assert dict(unseal.params) == {"node": "vault-2"}
    assert not any(fix.action_id.startswith("vault") for fix in fixes("alerts", "print-VaultSealed", alerts=alerts))


def test_what_cannot_be_trusted_suggests_nothing_but_still_lists():
    stale = reading("postgres", postgres(), pg_finding("connections"), taken_at=NOW - 60)
    assert len(fixes("postgres", postgres=stale)) == 5 and not fixes("postgres", postgres=stale)[0].suggested
    unknown = fixes("vault", vault=reading("vault", None, link=Link.UNCONFIGURED))
    assert unknown[0].why_not == "vault is not configured in this profile"
    assert fixes("redis", redis=reading("redis", None)) == () == fixes("nowhere") == fixes("vault")

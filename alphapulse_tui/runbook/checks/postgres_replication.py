"""Checks of replication (runbook 2.1, facts 2.1.3): bytes first, seconds second, and which of the many causes it is."""

from __future__ import annotations

from alphapulse_tui.model.postgres import HIDDEN, PostgresSnapshot
from alphapulse_tui.model.postgres_slots import belongs_to, left_behind, owner_of
from alphapulse_tui.model.postgres_surveys import ReplicaFigures, ReplicationSurvey, SlotFigures
from alphapulse_tui.model.words import age, size
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene

SURVEY = "postgres-replication"

TOLERATED = 16 * 1024 * 1024
"""Bytes, a WAL segment: a standby that was restarted without new WAL stands a page apart, and nothing is behind (facts 2.1.3)."""


def _survey(scene: Scene) -> ReplicationSurvey | None:
    return scene.snapshot(SURVEY)


def _limits(scene: Scene) -> tuple[float, float]:
    """Seconds and bytes from which a replica counts as behind; the runbook's 60 s unless the procedure's value says otherwise."""
    seconds = scene.number("lag-seconds", scene.thresholds.postgres_replica_lag_critical)
    return seconds, scene.thresholds.postgres_replica_bytes_critical


def behind(one: ReplicaFigures, scene: Scene) -> bool:
    """Whether this replica is behind: by seconds with something to replay, or by bytes."""
    seconds, limit = _limits(scene)
    if (one.behind_bytes or 0) >= limit:
        return True
    return (one.behind_seconds or 0.0) >= seconds and (one.behind_bytes or 0) > 0


def lag(scene: Scene) -> CheckResult:
    """How far every replica is behind: bytes, then seconds by the primary's own history; idle is no lag."""
    survey = _survey(scene)
    if survey is None:
        return scene.silence(SURVEY)
    if not survey.replicas:
        return CheckResult(Passed.UNKNOWN, "the profile names no replica", value="unknown")
    rows = tuple((one.name, _distance(one)) for one in survey.replicas)
    silent = [one.name for one in survey.replicas if one.problem]
    late = [one for one in survey.replicas if behind(one, scene)]
    unknown = [one.name for one in survey.replicas if not one.problem and one.behind_bytes is None]
    if late:
        worst = max(late, key=lambda one: one.behind_bytes or 0)
        if worst.paused or worst.conflict:
            return CheckResult(Passed.NO, _held_up(worst), rows, "behind")
        return CheckResult(Passed.NO, f"{worst.name} is {_amount(worst)} behind", rows, "behind")
    if silent or unknown:
        named = ", ".join((*silent, *unknown))
        why = survey.primary_problem or next((one.problem for one in survey.replicas if one.problem), "")
        return CheckResult(Passed.UNKNOWN, f"how far {named} is behind is not known: {why}", rows, "unknown")
    deaf = next((one for one in survey.replicas if one.deaf), None)
    if deaf is not None:
        missing = f"so far {_distance(deaf)} is missing" if deaf.behind_bytes else "nothing is missing yet"
        return CheckResult(Passed.NO, f"{deaf.name} receives nothing; {missing}", rows, "deaf")
    held = next((one for one in survey.replicas if one.paused or one.conflict), None)
    if held is not None:  # Before any figure: the next commit is not replayed, and who reads from it is not told.
        return CheckResult(Passed.NO, _held_up(held), rows, "held")
    most = max(survey.replicas, key=lambda one: one.behind_bytes or 0)
    if (most.behind_bytes or 0) > TOLERATED:
        return CheckResult(
            Passed.NO, f"{most.name} is {_amount(most)} behind: not late yet, but not idle either", rows, "growing"
        )
    return CheckResult(
        Passed.YES, f"no replica is behind: {most.name} lacks {size(most.behind_bytes or 0)}", rows, "none"
    )


def _held_up(one: ReplicaFigures) -> str:
    why = "is paused" if one.paused else f"waits for a query of its own ({one.replay_wait})"
    missing = f"so far {_distance(one)} is missing" if one.behind_bytes else "nothing is missing yet"
    return f"the replay of {one.name} {why}; {missing}"


def primary(scene: Scene) -> CheckResult:
    """The standbys as the primary sees them, stage by stage: not sent, not written, not flushed, not replayed."""
    survey = _survey(scene)
    if survey is None:
        return scene.silence(SURVEY)
    if survey.primary_problem:
        return CheckResult(Passed.UNKNOWN, survey.primary_problem, value="unknown")
    if survey.missing_grants:
        return CheckResult(Passed.UNKNOWN, f"the rows are hidden from us: {survey.missing_grants[0]}", value="unknown")
    rows = []
    for one in survey.standbys:
        stages = ", ".join(
            f"{name} {size(figure)}"
            for name, figure in (
                ("not sent", one.pending),
                ("write", one.write),
                ("flush", one.flush),
                ("replay", one.replay),
            )
            if figure
        )
        rows.append((one.application or one.client, f"{one.state} {one.sync_state}: {stages or 'nothing is missing'}"))
    wanted = len([one for one in survey.replicas if one.in_recovery])
    if len(survey.standbys) < wanted:
        return CheckResult(
            Passed.NO, f"{len(survey.standbys)} of {wanted} replicas stream from the primary", tuple(rows), "missing"
        )
    catching = [one for one in survey.standbys if one.state != "streaming"]
    if catching:
        return CheckResult(
            Passed.NO, f"{catching[0].application} is in state {catching[0].state}", tuple(rows), "catchup"
        )
    return CheckResult(Passed.YES, f"{len(survey.standbys)} standbys stream", tuple(rows), "ok")


def slots(scene: Scene) -> CheckResult:
    """The primary's slots: one that nobody reads fills the disk, one that is lost means a new replica."""
    survey = _survey(scene)
    if survey is None:
        return scene.silence(SURVEY)
    if survey.primary_problem:
        return CheckResult(Passed.UNKNOWN, survey.primary_problem, value="unknown")
    rows = tuple((slot.name, _held(slot, survey, scene)) for slot in survey.slots)
    forgotten = left_behind(survey)
    lost = next((slot for slot in survey.slots if slot.lost and slot not in forgotten), None)
    if lost is not None:
        reader = "replica" if lost.kind == "physical" else "subscription"
        return CheckResult(Passed.NO, f"slot {lost.name} has lost WAL: its {reader} must be built anew", rows, "lost")
    endangered = next((slot for slot in survey.slots if slot.endangered and slot not in forgotten), None)
    if endangered is not None:
        said = f"slot {endangered.name} is about to lose WAL: its reader must be back before the next checkpoint, or max_slot_wal_keep_size larger"
        return CheckResult(Passed.NO, said, rows, "endangered")
    if forgotten:
        return CheckResult(Passed.NO, _forgotten(forgotten[0], scene), rows, "unread")
    unread = next((slot for slot in survey.slots if not slot.active), None)
    if unread is not None:
        owner = owner_of(unread, survey)
        whose = f", the slot of {owner}" if owner else ""
        return CheckResult(
            Passed.NO, f"nobody reads slot {unread.name}{whose}: it keeps WAL and fills the disk", rows, "unread"
        )
    return CheckResult(
        Passed.YES, f"{len(survey.slots)} slots, each is read" if rows else "there are no slots", rows, "ok"
    )


def unforgotten(scene: Scene) -> CheckResult:
    """The proof that no slot was left behind, and the branch before it; a lag that was mended first says nothing of slots."""
    survey = _survey(scene)
    if survey is None:
        return scene.silence(SURVEY)
    problem = survey.primary_problem or next((one.problem for one in survey.replicas if one.problem), "")
    if problem:
        return CheckResult(Passed.UNKNOWN, f"whose the slots are is not known: {problem}", value="unknown")
    forgotten = left_behind(survey)
    if not forgotten:
        return CheckResult(Passed.YES, "no slot was left behind", value="none")
    rows = tuple((slot.name, _held(slot, survey, scene)) for slot in forgotten)
    return CheckResult(Passed.NO, _forgotten(forgotten[0], scene), rows, "slot")


def _server_now(scene: Scene) -> float:
    """The primary's clock, which may be minutes away from ours; ours where the panel has not read it."""
    taken: PostgresSnapshot | None = scene.snapshot("postgres")
    return scene.wall + (taken.clock_offset if taken is not None else 0.0)


def _forgotten(slot: SlotFigures, scene: Scene) -> str:
    """``slot old_0 was left behind: no replica of the profile owns it, nobody has read it for 4h, and it keeps 48.0 MiB of WAL``."""
    unread = "" if slot.inactive_since is None else f" for {age(_server_now(scene) - slot.inactive_since)}"
    kept = "it has lost its WAL" if slot.lost or slot.retained is None else f"it keeps {size(slot.retained)} of WAL"
    return (
        f"slot {slot.name} was left behind: no replica of the profile owns it, nobody has read it{unread}, and {kept}"
    )


def _held(slot: SlotFigures, survey: ReplicationSurvey, scene: Scene) -> str:
    """Read or not and since when, what it holds of what it may, and how much may still be written before it loses WAL."""
    if slot.active:
        read = "active"
    elif slot.inactive_since is None:
        read = "NOT READ"
    else:
        read = f"NOT READ for {age(_server_now(scene) - slot.inactive_since)}"
    parts = [read, slot.wal_status or "unknown"]
    if slot.retained is not None:
        parts.append(f"holds {size(slot.retained)}" + (f" of {size(slot.limit)}" if slot.limit else " without a limit"))
    if slot.safe is not None and not slot.lost:
        parts.append(f"safe for {size(max(0, slot.safe))} more")
    if slot.invalidation_reason:
        parts.append(slot.invalidation_reason)
    owner = owner_of(slot, survey)
    return ", ".join([*parts, f"of {owner}" if owner else "of no replica"])


def replica(scene: Scene) -> CheckResult:
    """Each replica's own view: receiver, pause, what the replay waits for, settings below the primary's."""
    survey = _survey(scene)
    if survey is None:
        return scene.silence(SURVEY)
    rows: list[tuple[str, str]] = []
    for one in survey.replicas:
        rows += _own_view(one)
    found = [(one, cause_of(one, survey, scene)) for one in survey.replicas]
    bad = [(one, cause) for one, cause in found if cause not in ("none", "unknown")]
    if bad:
        one, cause = bad[0]
        return CheckResult(Passed.NO, _said(one, cause), tuple(rows), cause)
    if any(cause == "unknown" for _, cause in found) or not found:
        problem = next((one.problem for one, cause in found if cause == "unknown"), "the profile names no replica")
        return CheckResult(Passed.UNKNOWN, problem or "not every replica can be judged", tuple(rows), "unknown")
    return CheckResult(Passed.YES, "every replica receives and replays", tuple(rows), "none")


def cause(scene: Scene) -> CheckResult:
    """The first cause that explains a lag, in the order in which they must be mended."""
    survey = _survey(scene)
    if survey is None:
        return scene.silence(SURVEY)
    order = ("lost", "settings", "paused", "conflict", "receiver", "sending", "replaying", "unknown", "none")
    forgotten = left_behind(survey)
    found = sorted(
        ((cause_of(one, survey, scene), one) for one in survey.replicas), key=lambda pair: order.index(pair[0])
    )
    if not found:
        return CheckResult(Passed.UNKNOWN, "the profile names no replica", value="unknown")
    what, one = found[0]
    if what == "none" and forgotten:  # Last: it hurts the primary, and no replica waits for it.
        return CheckResult(
            Passed.NO,
            _forgotten(forgotten[0], scene),
            tuple((slot.name, _held(slot, survey, scene)) for slot in forgotten),
            "slot",
        )
    if what == "none":
        return CheckResult(Passed.YES, "nothing holds replication up", (), "none")
    if what == "unknown":
        return CheckResult(Passed.UNKNOWN, one.problem or _unjudged(one), (), "unknown")
    return CheckResult(Passed.NO, _said(one, what), tuple(_own_view(one)), what)


def _unjudged(one: ReplicaFigures) -> str:
    why = ": whether it receives anything is hidden from us" if one.receiver == HIDDEN else ""
    return f"{one.name} cannot be judged{why}"


def cause_of(one: ReplicaFigures, survey: ReplicationSurvey, scene: Scene) -> str:
    """What holds this replica up, as a word that ``_said`` knows; ``none``, or ``unknown`` when it cannot be judged."""
    if one.problem:
        return "unknown"
    if one.slot and any(slot.name == one.slot and slot.lost for slot in survey.slots):
        return "lost"
    if one.paused:
        return "settings" if one.too_small else "paused"
    if one.conflict:
        return "conflict"
    if one.deaf:
        lost = any(slot.lost and belongs_to(slot.name, one.name, one.slot) for slot in survey.slots)
        return "lost" if lost else "receiver"
    if one.behind_bytes is None:
        return "unknown"
    if not behind(one, scene) and one.behind_bytes <= TOLERATED:
        return "none"
    if (one.received_not_replayed or 0) * 2 >= one.behind_bytes:
        return "replaying"
    return "unknown" if one.receiver == HIDDEN else "sending"


def replicas(scene: Scene) -> CheckResult:
    """The replicas to choose from, the one in trouble first."""
    survey = _survey(scene)
    if survey is None:
        return scene.silence(SURVEY)
    named = sorted(survey.replicas, key=lambda one: (cause_of(one, survey, scene) == "none", -(one.behind_bytes or 0)))
    choices = tuple((one.name, _distance(one)) for one in named)
    return CheckResult(Passed.YES if choices else Passed.UNKNOWN, f"{len(choices)} replicas", choices, choices=choices)


def slots_left(scene: Scene) -> CheckResult:
    """The slots to choose from: those that were left behind, the one that holds most first."""
    survey = _survey(scene)
    if survey is None:
        return scene.silence(SURVEY)
    choices = tuple((slot.name, _held(slot, survey, scene)) for slot in left_behind(survey))
    return CheckResult(
        Passed.YES if choices else Passed.UNKNOWN, f"{len(choices)} slots were left behind", choices, choices=choices
    )


def _said(one: ReplicaFigures, cause: str) -> str:
    waits = one.replay_wait.partition(":")[2] or one.replay_wait
    way = ", ".join(f"pid {session.pid} {session.application}" for session in one.in_the_way if session.blocks_replay)
    return {
        "lost": f"the slot of {one.name} has lost WAL that it needs: it must be built anew",
        "settings": f"{one.name} paused because of lower settings ({', '.join(one.too_small)}): resuming would shut it down",
        "paused": f"somebody paused the replay of {one.name}",
        "conflict": f"the replay of {one.name} waits ({waits}) for {way or 'a query of its own'}",
        "receiver": f"{one.name} receives nothing: no WAL receiver runs; it looks for its primary at {one.sender}",
        "sending": f"{one.name} replays what it gets, but the primary has {_amount(one)} more: network, or the primary is busy",
        "replaying": f"{one.name} has the WAL and replays too slowly: its disk, or one core that is not enough",
    }[cause]


def _own_view(one: ReplicaFigures) -> list[tuple[str, str]]:
    if one.problem:
        return [(one.name, one.problem)]
    heard = "" if one.last_message_age is None else f", heard of it {age(one.last_message_age)} ago"
    rows = [
        (one.name, f"replay {one.pause_state or 'in an unknown state'}"),
        ("receiver", f"{one.receiver or 'NOT RUNNING'} from {one.sender}{heard}"),
        ("behind", _distance(one)),
    ]
    if one.naive_seconds is not None:
        rows.append(("runbook's formula", f"{age(one.naive_seconds)}; grows while nobody writes"))
    if one.too_small:
        rows.append(("lower settings", ", ".join(one.too_small)))
    if not one.compared:
        rows.append(("settings", "could not be compared with the primary's"))
    rows.append(("replay waits for", one.replay_wait or "nothing"))
    rows.append(("cancels readers", "never" if one.max_delay == "-1" else f"after {one.max_delay}"))
    rows += [
        (
            f"pid {session.pid} {session.application}",
            f"{'IN THE WAY: ' if session.blocks_replay else ''}{session.state}, {session.query[:60]}",
        )
        for session in one.in_the_way[:4]
    ]
    return rows


def _distance(one: ReplicaFigures) -> str:
    if one.problem:
        return one.problem
    if one.behind_bytes is None:
        return "not known: the primary cannot be asked"
    return "nothing is missing" if not one.behind_bytes else _amount(one)


def _amount(one: ReplicaFigures) -> str:
    seconds = "" if one.behind_seconds is None else f", {age(one.behind_seconds)}"
    return f"{size(one.behind_bytes or 0)}{seconds}"


CHECKS: dict[str, Check] = {
    "pg.lag": lag,
    "pg.lag-primary": primary,
    "pg.lag-slots": slots,
    "pg.lag-replica": replica,
    "pg.lag-cause": cause,
    "pg.replicas": replicas,
    "pg.slots-left": slots_left,
    "pg.slots-unforgotten": unforgotten,
}

"""The fixes for PostgreSQL, by view: sessions, locks, connections, statements, replication, tables, indexes, settings."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.fixes.contract import Fix, Maker, Readings, first, offer, snapshot
from alphapulse_tui.model.health import Health
from alphapulse_tui.model.postgres import PostgresSnapshot, Session
from alphapulse_tui.model.postgres_explainable import no_plan
from alphapulse_tui.model.postgres_hints import DEFINITION, missing_indexes
from alphapulse_tui.model.postgres_slots import left_behind, owner_of
from alphapulse_tui.model.postgres_surveys import (
    PREPARED,
    LockNode,
    LockSurvey,
    ReplicaFigures,
    ReplicationSurvey,
    SettingSurvey,
    StatementSurvey,
    TableSurvey,
)
from alphapulse_tui.model.reading import Reading

IN_TRANSACTION = offer("pg.terminate-idle-in-transaction", "terminate idle in transaction")
IDLE = offer("pg.terminate-idle", "terminate idle, poolers excepted")
SLOWEST = offer("pg.cancel-query", "cancel the slowest query")
ROOTS = offer("pg.terminate-root-blockers", "terminate the root blockers")
ANALYZE = offer("pg.analyze", "analyze tables with stale statistics")
VACUUM = offer("pg.vacuum", "vacuum tables with more dead rows than autovacuum waits for")
DEAD_PERCENT = 20.0
"""Dead of all rows from which a vacuum is suggested, once autovacuum should have come (facts 3.4)."""
REPLICAS = "postgres-replica"
"""The StatefulSet of the replicas (runbook 2.1)."""

SLOT_ROW = "/slot "
"""How the replication view's key of a slot begins (``screens.tables.postgres_replication``)."""


def _postgres(key: str, readings: Readings) -> list[Fix]:
    reading: Reading[PostgresSnapshot] = readings["postgres"]
    taken = reading.snapshot
    sessions = taken.sessions if taken is not None else ()
    row = first(sessions, lambda session: session.key == key)
    blocked = any(session.blocked_by for session in sessions)
    general = [IN_TRANSACTION, IDLE, SLOWEST, *([ROOTS] if blocked else []), ANALYZE, VACUUM]
    if row is not None:
        mine = _of_session(row)
        if row.blocked_by:  # It only waits: neither its cancelling nor its end frees anybody but itself.
            rest = (each for each in general if each is not ROOTS)
            return [replace(ROOTS, suggested=True), *mine, *rest]
        return [replace(mine[0], suggested=True), *mine[1:], *general]
    # The rules have judged ages against the profile's own thresholds; a second opinion here could only differ.
    critical = [found for found in reading.findings if found.health is Health.CRITICAL]
    full = any(found.procedure == "pg-connections" and not found.subject.startswith("pid ") for found in critical)
    holds = any(found.procedure == "pg-connections" and found.subject.startswith("pid ") for found in critical)
    slow = [found for found in reading.findings if found.procedure == "pg-slow-queries"]
    running = {f"pid {session.pid}" for session in sessions if session.state == "active" and not session.blocked_by}
    runaway = any(found.subject in running for found in slow)
    lagging = any(found.procedure == "pg-replication-lag" for found in reading.findings)
    best = _best(holds, full, blocked and bool(slow), runaway)
    if taken is not None and any(not replica.replaying and not replica.problem for replica in taken.replicas):
        general.append(offer("pg.resume-replay", "resume replay"))
    elif lagging:
        general.append(offer("pg.cancel-conflicting", "cancel the query that the replica's replay waits for"))
    return [replace(fix, suggested=fix.action_id == best) for fix in general]


def _best(holds: bool, full: bool, blocked: bool, slow: bool) -> str:
    """What the findings speak for, in the order in which it helps."""
    if blocked:
        return ROOTS.action_id
    if holds:
        return IN_TRANSACTION.action_id
    if full:
        return IDLE.action_id
    return SLOWEST.action_id if slow else ""


def _of_session(session: Session) -> list[Fix]:
    """What can be done about the row's session; a running query is cancelled before its session is ended."""
    fixes = [_ending(session)]
    if session.state == "active" and session.backend_type == "client backend":
        cancel = offer("pg.cancel-query", f"cancel the query of pid {session.pid}", pids=session.key)
        protected = fixes[0].why_not
        fixes.insert(0, replace(cancel, why_not=protected))
        fixes += _explanations(f"the query of pid {session.pid}", session.query, pids=session.key)
    return fixes


def _explanations(what: str, text: str, **where: str) -> list[Fix]:
    """Its plan, by our own right to read the tables, or by their owner's: becoming the owner is a person's choice."""
    own = offer("pg.explain", f"explain {what} (executes nothing)", **where)
    owners = offer("pg.explain", f"explain {what} as the owner of the tables (SET ROLE)", **where, as_owner="yes")
    return [replace(fix, why_not=no_plan(text)) for fix in (own, owners)]


def _ending(session: Session) -> Fix:
    """Ends the session; which action depends on what it does, because that decides what is checked again at the signal."""
    params = {"pids": session.key}
    action = "pg.terminate-backend"
    if session.state.startswith("idle in transaction"):
        action, params["min_seconds"] = "pg.terminate-idle-in-transaction", "0"
    elif session.state == "idle":
        action, params["min_seconds"] = "pg.terminate-idle", "0"
    fix = offer(action, f"terminate pid {session.pid} of {session.user} ({session.state or 'unknown state'})", **params)
    if session.superuser:
        return replace(fix, why_not="a superuser's session is never ended from here")
    if session.replication:
        return replace(fix, why_not="a replication role's session is never ended from here")
    if session.backend_type != "client backend":
        return replace(fix, why_not=f"it is no client but a {session.backend_type or 'backend of an unknown kind'}")
    return fix


def _locks(key: str, readings: Readings) -> list[Fix]:
    tree: LockSurvey | None = snapshot(readings, "postgres-locks")
    if tree is None:
        return []
    row = first(tree.nodes, lambda node: node.key == key)
    sessions = [node for node in tree.roots if node.pid != PREPARED]
    everybody = replace(
        ROOTS,
        title=f"terminate all {len(sessions)} root blockers" if len(sessions) > 1 else ROOTS.title,
        why_not=""
        if sessions
        else "no session stands at a root of the tree"
        if tree.roots
        else "nobody waits for a lock",
    )
    fixes = [everybody]
    if row is not None and row.gid:
        fixes.insert(0, offer("pg.rollback-prepared", f"roll back prepared transaction {row.gid}", gid=row.gid))
    elif row is not None:
        fixes.insert(0, _of_node(row))
    prepared = [node for node in tree.roots if node.pid == PREPARED and node is not row]
    fixes += [
        offer("pg.rollback-prepared", f"roll back prepared transaction {node.gid}", gid=node.gid) for node in prepared
    ]
    best = everybody if not everybody.why_not else first(fixes, lambda fix: fix.action_id == "pg.rollback-prepared")
    return [replace(fix, suggested=fix is best) for fix in fixes]


def _of_node(node: LockNode) -> Fix:
    if node.depth == 0:
        fix = offer(
            "pg.terminate-root-blockers", f"terminate pid {node.pid}, {node.behind} wait behind it", pids=node.key
        )
        return replace(fix, why_not=node.protected or (f"it is {node.kind}" if node.kind else ""))
    fix = offer("pg.cancel-query", f"cancel the query of pid {node.pid}, which waits", pids=node.key)
    return replace(fix, why_not=node.protected or (f"it is {node.kind}" if node.kind else ""))


def _connections(key: str, readings: Readings) -> list[Fix]:
    taken: PostgresSnapshot | None = snapshot(readings, "postgres")
    if taken is None:
        return []
    group = first(taken.groups, lambda group: group.key == key)
    fixes = [IN_TRANSACTION, IDLE]
    if group is not None and group.application:
        named = {"application": group.application}
        mine = [
            offer("pg.terminate-idle-in-transaction", f"terminate idle in transaction of {group.application}", **named),
            offer("pg.terminate-idle", f"terminate idle of {group.application}", **named),
        ]
        if group.state == "idle":
            mine.reverse()
        if group.state.startswith("idle"):
            mine[0] = replace(mine[0], suggested=True)
        fixes = [*mine, *fixes]
    more = min(10_000, taken.max_connections + max(20, taken.max_connections // 4))
    raised = offer("pg.set-max-connections", f"write max_connections {more} for the next restart", value=str(more))
    reached = first(taken.limits, lambda limit: limit.used >= limit.limit > 0)
    if reached is not None and taken.clients < taken.usable:
        raised = replace(raised, why_not=f"the server has room; {reached.subject} is at a limit of its own")
    return [*fixes, raised]


def _statements(key: str, readings: Readings) -> list[Fix]:
    survey: StatementSurvey | None = snapshot(readings, "postgres-statements")
    row = first(survey.statements, lambda one: one.key == key) if survey is not None else None
    mine = _explanations("it", row.query, statement=row.key) if row is not None else []
    return [*mine, SLOWEST, *_missing(readings), ANALYZE]


def _missing(readings: Readings) -> list[Fix]:
    """Indexes that the surveys miss."""
    tables: TableSurvey | None = snapshot(readings, "postgres-tables")
    statements: StatementSurvey | None = snapshot(readings, "postgres-statements")
    if tables is None:
        return []
    return [
        offer(
            "pg.create-index",
            f"create index {hint.name} on ({hint.columns})",
            table=hint.table,
            columns=hint.columns,
            name=hint.name,
        )
        for hint in missing_indexes(tables, statements)
        if hint.columns
    ]


def _tables(key: str, readings: Readings) -> list[Fix]:
    tables: TableSurvey | None = snapshot(readings, "postgres-tables")
    row = first(tables.tables, lambda table: table.full_name == key) if tables is not None else None
    missing = _missing(readings)
    if row is None:
        return [*missing, ANALYZE, VACUUM]
    mine = [fix for fix in missing if dict(fix.params)["table"] == row.full_name]
    stale = row.stale_percent > 10.0 and row.modified > 50
    analyze = offer("pg.analyze", f"analyze {row.full_name}", tables=row.full_name)
    dead = row.dead > row.dead_limit and row.dead_percent >= DEAD_PERCENT
    vacuum = offer("pg.vacuum", f"vacuum {row.full_name}", tables=row.full_name)
    fixes = [
        *mine,
        replace(analyze, suggested=stale and not mine and not dead),
        replace(vacuum, suggested=dead and not mine),
        ANALYZE,
        VACUUM,
    ]
    return [replace(fixes[0], suggested=True), *fixes[1:]] if mine else fixes


def _indexes(key: str, readings: Readings) -> list[Fix]:
    tables: TableSurvey | None = snapshot(readings, "postgres-tables")
    row = first(tables.indexes, lambda index: index.full_name == key) if tables is not None else None
    if row is None:
        return _missing(readings)
    drop = offer("pg.drop-index", f"drop {row.full_name}", index=row.full_name)
    drop = replace(drop, why_not=f"it is being built: {row.progress}" if row.progress else "")
    plain = DEFINITION.match(row.definition)
    if row.valid or plain is None:
        return [drop]
    again = offer(
        "pg.create-index",
        f"build {row.name} anew (the INVALID one is dropped first)",
        table=plain["table"],
        columns=plain["columns"],
        name=row.name,
    )
    return [replace(again, suggested=not row.progress, why_not=drop.why_not), drop]


def _replication(key: str, readings: Readings) -> list[Fix]:
    survey: ReplicationSurvey | None = snapshot(readings, "postgres-replication")
    if survey is None:
        return []
    if key.startswith(SLOT_ROW):
        return _of_slot(key.removeprefix(SLOT_ROW), survey)
    name, _, session = key.partition("/")
    row = first(survey.replicas, lambda one: one.name == name) or first(
        survey.replicas, lambda one: one.paused or one.conflict
    )
    row = row or first(survey.replicas, lambda _: True)
    every = offer(
        "kubernetes.restart", "restart every replica, pod after pod (last resort)", kind="StatefulSet", name=REPLICAS
    )
    drops = [_drop(slot.name, suggested=not any(one.paused or one.conflict for one in survey.replicas))
             for slot in left_behind(survey)]  # fmt: skip
    if row is None:
        return [*drops, every]
    alone = offer("kubernetes.delete-pod", f"restart {row.name} alone (last resort)", pod=row.name)
    return [*_of_replica(row, session), *drops, alone, every]


def _of_slot(name: str, survey: ReplicationSurvey) -> list[Fix]:
    """What can be done about a slot: drop it, where nobody reads it and no replica owns it."""
    slot = first(survey.slots, lambda one: one.name == name)
    if slot is None:
        return []
    owner = owner_of(slot, survey)
    silent = first(survey.replicas, lambda one: bool(one.problem))
    if slot.active:
        why = "somebody reads it"
    elif owner:
        why = f"it is the slot of {owner}"
    elif silent is not None:
        why = f"whether it is the slot of {silent.name} is not known: {silent.problem}"
    else:
        why = "" if slot.kind == "physical" else "it is a logical slot: its subscription is dropped instead"
    return [replace(_drop(name, suggested=slot in left_behind(survey)), why_not=why)]


def _drop(name: str, *, suggested: bool) -> Fix:
    return replace(offer("pg.drop-slot", f"drop slot {name}", slot=name), suggested=suggested)


def _of_replica(row: ReplicaFigures, session: str) -> list[Fix]:
    resume = offer("pg.resume-replay", f"resume replay on {row.name}", replica=row.name)
    picked = first(row.in_the_way, lambda one: one.key == session)
    cancel = offer("pg.cancel-conflicting", f"cancel the conflicting query on {row.name}", replica=row.name)
    if picked is not None:
        title = f"end what pid {picked.pid} does on {row.name}"
        cancel = offer("pg.cancel-conflicting", title, replica=row.name, pids=picked.key)
    why = "" if row.paused else f"{row.name} is not paused"
    if row.too_small:
        why = f"it would shut down: {', '.join(row.too_small)}"
    return [
        replace(resume, why_not=row.problem or why, suggested=row.paused and not row.too_small and not row.problem),
        replace(
            cancel,
            why_not=row.problem or ("" if row.conflict else "its replay waits for nobody"),
            suggested=row.conflict,
        ),
    ]


def _settings(key: str, readings: Readings) -> list[Fix]:
    survey: SettingSurvey | None = snapshot(readings, "postgres-settings")
    row = first(survey.settings, lambda setting: setting.key == key) if survey is not None else None
    primary = next(iter(survey.versions), "") if survey is not None else ""
    server = "primary" if row is None or row.server == primary else row.server
    fixes = [offer("pg.reload", f"reload the settings of {server}", server=server)]
    if row is not None and row.name == "max_connections" and row.value.isdigit():
        more = int(row.value) + max(20, int(row.value) // 4)
        title = f"write max_connections {row.value} -> {more} on {server} for the next restart"
        fixes.insert(0, offer("pg.set-max-connections", title, value=str(more), server=server))
    return fixes


MAKERS: dict[str, Maker] = {
    "postgres": _postgres,
    "postgres-locks": _locks,
    "postgres-connections": _connections,
    "postgres-statements": _statements,
    "postgres-tables": _tables,
    "postgres-indexes": _indexes,
    "postgres-replication": _replication,
    "postgres-settings": _settings,
}
"""By menu."""

BEHIND = {"postgres-connections": "postgres", "postgres-indexes": "postgres-tables"}
"""Menus whose reading has another name."""

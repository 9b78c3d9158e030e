"""Runs whose end is not known: found in the journal, held against the target, settled by a reading or by a person's word.

This is what the banner at the start shows and what its three keys do (design 7). Every executor sees the runs of all: an engineer may
settle what another one's executor left behind, and may not touch what a living one still holds.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from alphapulse_tui.executor.instrument import Instrument
from alphapulse_tui.executor.ledger import ABANDONED, MARKED_DONE, PROBED, Ledger, RunRecord
from alphapulse_tui.executor.protocol import PLAN_SECONDS, SHARE_SECONDS, ExecutorProblem, OpenRun, Resolution
from alphapulse_tui.executor.run import catch_up, read_again
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.model.plan import Verdict, Verification
from alphapulse_tui.text import clean


class Reconciler:
    """Works on the executor's ledger; ``holds`` says whether a run is in flight here, ``instrument`` gives an action by id."""

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        instrument: Callable[[str], Awaitable[Instrument]],
        holds: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal, self._ledger = journal, ledger
        self._instrument, self._holds, self._clock = instrument, holds, clock

    async def unresolved(self) -> list[OpenRun]:
        """Every run in this environment's journal whose end is not known, oldest first, whoever began it."""
        await catch_up(self._ledger, self._journal)
        return [self._open_run(record) for record in self._ledger.open_runs()]

    async def probe(self, run_id: str) -> Verification:
        """What the target says now about a run; nothing is written.

        Raises:
            ExecutorProblem: no such run, or its plan cannot be read by this version.
        """
        return await self._probe(await self._record(run_id))

    async def resolve(self, run_id: str, how: Resolution, evidence: str = "", incident: str = "") -> Verification:
        """Settle a run: read the target (``VERIFY``), or take a person's word with its evidence (``DONE``, ``ABANDON``).

        A target that says neither yes nor no leaves the run open: look at the verdict.

        Raises:
            ExecutorProblem: no such run, evidence missing, still under way, settled or sent meanwhile, or the journal cannot be written.
        """
        record = await self._record(run_id)
        _refuse_settled(record)
        if self._under_way(record):
            raise ExecutorProblem(f"{record.who()} still holds it: wait until it has ended")
        if how is not Resolution.VERIFY and not evidence.strip():
            raise ExecutorProblem(f"to {how.value} needs evidence: say what you saw")
        was_sent = record.sent
        try:
            found = await self._probe(record)
        except ExecutorProblem as problem:
            if how is Resolution.VERIFY:
                raise
            found = Verification(Verdict.UNKNOWN, problem.sentence)
        await catch_up(self._ledger, self._journal)  # The target may have taken its time.
        _refuse_settled(record)
        if record.sent and not was_sent:
            raise ExecutorProblem(f"{record.who()} has sent it meanwhile: look again")
        words = {Resolution.VERIFY: PROBED, Resolution.DONE: MARKED_DONE, Resolution.ABANDON: ABANDONED}
        payload = {
            "action_run": run_id, "how": words[how], "verdict": found.verdict, "sentence": found.sentence, "evidence": evidence,
            "after": found.reading,
        }  # fmt: skip
        try:
            await self._journal.record(Kind.RECONCILED, payload, incident or record.intent.incident)
        except JournalUnavailable as problem:
            raise ExecutorProblem(problem.sentence) from None
        return found

    async def _record(self, run_id: str) -> RunRecord:
        await catch_up(self._ledger, self._journal)
        record = self._ledger.runs.get(run_id)
        if record is None:
            raise ExecutorProblem(f"the journal has no action {clean(run_id, 64)}")
        return record

    async def _probe(self, record: RunRecord) -> Verification:
        if not record.sent and not self._under_way(record):
            return Verification(Verdict.CONTRADICTED, "it ended before anything was sent: nothing was changed")
        plan = record.plan()
        if plan is None:
            raise ExecutorProblem("a newer version of this program planned it: update, or settle it by hand")
        return await read_again(await self._instrument(plan.action), plan)

    def _under_way(self, record: RunRecord) -> bool:
        """Whether the executor that wrote the intent may still hold the run: its process lives, and its time is not over."""
        if self._holds(record.run):
            return True
        host, _, process = record.intent.writer.rpartition(":")[0].rpartition(":")
        if host != clean(platform.node() or "localhost", 128) or not process.isdigit() or int(process) == os.getpid():
            return False
        plan = record.plan()
        allowed = 3 * PLAN_SECONDS + (
            plan.deadline + plan.verify_seconds + SHARE_SECONDS * plan.needs_share if plan else 0.0
        )
        return self._clock() - record.intent.wall < allowed and _lives(int(process))

    def _open_run(self, record: RunRecord) -> OpenRun:
        raw = record.raw_plan
        under_way = self._under_way(record)
        if under_way:
            sentence = "under way"
        elif not record.sent:
            sentence = "it ended before anything was sent"
        else:
            sentence = record.sentence or "sent, and nothing is known of its outcome"
        return OpenRun(
            record.run, str(raw.get("action", "")), str(raw.get("title", "")), record.object, record.intent.actor, record.intent.writer,
            record.intent.incident, record.intent.sequence, record.intent.wall, record.sent, record.outcome, sentence, under_way, record.plan(),
        )  # fmt: skip


def _refuse_settled(record: RunRecord) -> None:
    if record.settled_at is not None:
        raise ExecutorProblem("this action has been settled meanwhile")


def _lives(pid: int) -> bool:
    """Whether a process of this id runs on this host. A zombie does not: in a container nobody may come to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2][:1] not in ("Z", "X")
    except OSError:
        pass  # Not there, or a system without /proc.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

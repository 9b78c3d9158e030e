"""One engineer's sitting at one environment: the board with its sources, the journal and what it tells, the executor at hand.

Made by ``app`` (and by tests, without sources); screens read it and call it. It knows no screen: whoever wants to hear of changes
subscribes. Everything heavy is imported after the first paint, off the loop, because a client library takes longer than a frame.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphapulse_tui.board import Board
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.importing import off_the_loop
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.trend import Trends
from alphapulse_tui.sources.notices import Notices

if TYPE_CHECKING:
    from alphapulse_tui.executor.client import ExecutorClient
    from alphapulse_tui.incident.desk import Desk
    from alphapulse_tui.incident.export import Exported
    from alphapulse_tui.model.health import Severity
    from alphapulse_tui.sources.contract import SourceLoop

log = logging.getLogger(__name__)

BOARD_TARGETS = ("alerts", "kubernetes", "postgres", "redis", "vault", "platform")
"""The board's keys, in the order of the panels 1 to 6."""

STARTING = "the executor is starting"

LONG_LOOKS = ("redis-keys",)
"""Surveys that put weight on their target for half a minute: they stand until somebody asks for another."""

HISTORY_SECONDS = 2 * 3600.0
"""How far back the targets are asked when an incident is declared (design 5: the key series of the last 2 hours)."""


@dataclass(slots=True)
class Survey:
    """A deeper reading that is being taken, and for how many."""

    watchers: int = 0
    task: asyncio.Task[Any] | None = None


class Session:
    """What the screens of one run share."""

    def __init__(
        self,
        profile: Profile,
        *,
        config: str = "",
        read_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.profile = profile
        self.config = config
        """The file that the profile stands in, for the executor; empty for the user's own."""
        self.read_only = read_only
        self.board = Board(clock)
        self.trends = Trends()
        """The last quarter of an hour of what the panels draw."""
        self.desk: Desk | None = None
        """The journal and the open incident; none until opened, or when the journal cannot be had (``journal_problem`` says why)."""
        self.journal_problem = ""
        self.executor: ExecutorClient | None = None
        self.executor_problem = STARTING
        self._notices = Notices(profile.notices)
        self._starting: frozenset[str] = frozenset()
        self._loops: dict[str, SourceLoop[Any]] = {}
        self._surveys: dict[str, Survey] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def now(self) -> float:
        """The board's clock, seconds."""
        return self.board.clock()

    async def start_sources(self) -> None:
        """Import the sources off the loop and start a task for each; a target without settings is put on the board as such."""
        build = await off_the_loop(_import_sources)
        for source in build.make_sources(self.profile):
            self.follow(build.SourceLoop(source, self.board))
        for target in BOARD_TARGETS:
            if target not in self._loops:
                self.board.publish(Reading(target, 60.0, Link.UNCONFIGURED, self.now))

    async def open_desk(self) -> None:
        """Open this environment's journal and follow it; without one, viewing goes on and ``journal_problem`` says why."""
        self.journal_problem = ""
        profile = self.profile
        module = await off_the_loop(_import_desk)
        try:
            desk: Desk = await asyncio.to_thread(module.Desk.at, profile.environment or profile.name)
        except module.JournalUnavailable as problem:
            self.journal_problem = str(problem)
            return
        desk.recorder = module.Recorder(self.board, desk.journal, desk.events)
        self.desk = desk
        self.spawn(desk.recorder.run(), "recorder")
        await desk.follow()

    async def start_executor(self, idle: float | None = None) -> None:
        """Have the executor at hand, warm, before anybody presses a key; without one, ``executor_problem`` says why.

        ``idle``: seconds that it stays once nobody is there and nothing is under way; its own default where none is given.
        """
        self.executor_problem = STARTING
        client = await off_the_loop(_import_executor)
        try:
            self.executor = await client.ExecutorClient.start(
                self.profile, self.config, read_only=self.read_only, idle=idle
            )
        except client.ExecutorProblem as problem:
            self.executor_problem = str(problem)

    async def declare(self, title: str, severity: Severity) -> None:
        """Declare an incident, then fill in what no cockpit saw: what the targets themselves remember of the last two hours."""
        from alphapulse_tui.incident.backfill import backfill
        from alphapulse_tui.sources.history import read_history

        assert self.desk is not None
        incident = await self.desk.declare(title, severity)
        now = time.time()
        history = await read_history(self.profile, now - HISTORY_SECONDS, now)
        for kind, payload in backfill(history, self.desk.incidents[incident].events, now):
            await self.desk.record(kind, payload, incident)

    async def export(self, incident: str) -> Exported:
        """Write the postmortem of the incident with this id into the profile's folder: all that the journal tells of it by now, by whomever.

        Raises:
            CannotCreateError: it cannot be written there, or the journal cannot be read.
        """
        from alphapulse_tui.config.paths import procedures_folder
        from alphapulse_tui.incident.export import export, preventions

        assert self.desk is not None
        folder = Path(self.profile.incident.postmortem_folder)
        prevention = await asyncio.to_thread(preventions, procedures_folder())
        environment = self.profile.environment or self.profile.name
        await self.desk.catch_up()
        state = self.desk.incidents[incident]
        return await asyncio.to_thread(export, self.desk.journal, state, environment, time.time(), prevention, folder)

    def follow(self, loop: SourceLoop[Any]) -> None:
        """Run a source's loop until :meth:`close`."""
        self._loops[loop.source.target] = loop
        self.spawn(loop.run(), f"source {loop.source.target}")

    def survey(self, *keys: str) -> Callable[[], None]:
        """Have the surveys ``keys`` taken for as long as somebody looks; the returned function says that the caller no longer does.

        One whose target is not configured is put on the board as such.
        """
        for key in keys:
            survey = self._surveys.setdefault(key, Survey())
            survey.watchers += 1
            if survey.task is None:
                survey.task = self.spawn(self._take_survey(key), f"survey {key}")
        return partial(self._leave_surveys, keys)

    async def _take_survey(self, key: str) -> None:
        build = await off_the_loop(_import_sources)
        for source in build.make_surveys(self.profile, (key,)):
            loop = build.SourceLoop(source, self.board)
            self._loops[key] = loop
            await loop.run()
        self.board.publish(Reading(key, 60.0, Link.UNCONFIGURED, self.now))

    def read_log(self, pod: str, container: str, *, previous: bool) -> Callable[[], None]:
        """Have one container's log on the board as ``pod-log`` until the returned function is called. One at a time."""
        task = self.spawn(self._take_log(pod, container, previous), f"log of {pod}")

        def leave() -> None:
            task.cancel()
            self.board.forget("pod-log")

        return leave

    async def _take_log(self, pod: str, container: str, previous: bool) -> None:
        build = await off_the_loop(_import_sources)
        source = await off_the_loop(partial(_make_log, self.profile, pod, container, previous))
        if source is None:
            self.board.publish(Reading("pod-log", 60.0, Link.UNCONFIGURED, self.now))
            return
        await build.SourceLoop(source, self.board).run()

    def _leave_surveys(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            survey = self._surveys[key]
            survey.watchers -= 1
            if survey.watchers == 0 and survey.task is not None:
                survey.task.cancel()
                self._loops.pop(key, None)
                del self._surveys[key]
                self.board.forget(key)

    def notice(self, target: str) -> str:
        """What whoever starts ``target`` says of it, from the profile's ``notices`` file; empty when nothing is said.

        When the word is taken back the target is there: it is asked at once, whatever the back-off.
        """
        said = self._notices.read().get(target, "")
        if not said and target in self._starting and target in self._loops:
            self._loops[target].refresh()
        self._starting = self._starting | {target} if said else self._starting - {target}
        return said

    def refresh(self, *named: str) -> None:
        """Ask every target again at once; a survey of :data:`LONG_LOOKS` only if it is ``named``."""
        for key, loop in self._loops.items():
            if key not in LONG_LOOKS or key in named:
                loop.refresh()

    def spawn(self, work: Any, name: str) -> asyncio.Task[Any]:
        """Run a coroutine for as long as the session lasts; an exception that it dies of goes to the log."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s died", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Stop reading. The executor goes on by itself until it holds nothing."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        if self.executor is not None:
            await self.executor.close()
        if self.desk is not None:
            self.desk.close()


def _import_sources() -> Any:
    """The module that makes sources; importing it (and what its sources import) takes tenths of a second."""
    from alphapulse_tui.sources import build

    return build


def _make_log(profile: Profile, pod: str, container: str, previous: bool) -> Any:
    """A source for one container's log; none where the profile has no cluster."""
    from alphapulse_tui.sources.pod_log import PodLogSource

    target = profile.kubernetes
    if target is None:
        return None
    return PodLogSource(target.kubeconfig, target.context, target.namespace, pod, container, previous=previous)


def _import_desk() -> Any:
    """The desk and, with it, the journal."""
    from alphapulse_tui.incident import desk

    return desk


def _import_executor() -> Any:
    """The executor's client."""
    from alphapulse_tui.executor import client

    return client

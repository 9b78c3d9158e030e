"""The loop that runs every source: back-off, refusals, staleness, and that one hung source delays nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from alphapulse_tui.board import Board
from alphapulse_tui.model.health import Finding, Health
from alphapulse_tui.model.reading import Link
from alphapulse_tui.sources.contract import DENIED_RETRY, Denied, Source, SourceLoop, Unreachable, ceiling
from tests.waiting import until

LOST = Finding("t", Health.CRITICAL, "no slot left")


class Scripted(Source[int]):
    """Answers with what it was given, one after another; the last one for ever."""

    target = "t"
    interval = 0.01
    deadline = 0.2

    def __init__(self, *answers: object, target: str = "t") -> None:
        self.target = target
        self.answers = list(answers)
        self.reads = self.closed = 0
        self.judged: list[int] = []

    async def read(self) -> int:
        self.reads += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if answer == "hang":
            await asyncio.Event().wait()
        assert isinstance(answer, int)
        return answer

    def judge(self, snapshot: int) -> tuple[Finding, ...]:
        self.judged.append(snapshot)
        return (Finding("t", Health.WARNING, f"judged {len(self.judged)} times"),)

    async def close(self) -> None:
        self.closed += 1


class Sleeps:
    """Sleeps that take no time, and are written down; after ``limit`` of them it sleeps for ever."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await (asyncio.Event().wait() if len(self.seconds) >= self.limit else asyncio.sleep(0))


def widest(low: float, high: float) -> float:
    """Jitter's upper end."""
    return high


async def run(loop: SourceLoop[int], done: Callable[[], object], what: str) -> None:
    task = asyncio.create_task(loop.run())
    try:
        await until(done, 5, what)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_backs_off_to_a_minute_and_never_gives_up() -> None:
    board, sleeps = Board(), Sleeps(3000)
    source = Scripted(Unreachable("gone"))
    await run(SourceLoop(source, board, sleeps, widest), lambda: len(sleeps.seconds) >= 3000, "3000 failures")
    assert sleeps.seconds[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert set(sleeps.seconds[6:]) == {60.0}
    reading = board.get("t")
    assert reading is not None and (reading.link, reading.problem, reading.attempts) == (Link.DOWN, "gone", 3000)


def test_the_ceiling_of_a_long_outage_is_still_a_number() -> None:
    assert ceiling(10**9) == 60.0


async def test_a_refusal_is_asked_again_ever_less_often() -> None:
    board, sleeps = Board(), Sleeps(3)
    loop = SourceLoop(Scripted(Denied("GRANT pg_monitor TO x")), board, sleeps, widest)
    await run(loop, lambda: len(sleeps.seconds) >= 3, "three refusals")
    assert sleeps.seconds[0] < DENIED_RETRY and sleeps.seconds == sorted(sleeps.seconds)
    assert max(sleeps.seconds) <= DENIED_RETRY
    reading = board.get("t")
    assert reading is not None and (reading.link, reading.problem) == (Link.DENIED, "GRANT pg_monitor TO x")


async def test_recovery_forgets_the_failures_and_keeps_what_was_known_meanwhile() -> None:
    board, sleeps = Board(), Sleeps(100)
    seen: list[tuple[Link, int | None]] = []
    board.subscribe(lambda reading, before: seen.append((reading.link, reading.snapshot)))
    source = Scripted(1, Unreachable("x"), Unreachable("x"), 2)
    await run(
        SourceLoop(source, board, sleeps, widest),
        lambda: board.get("t") and board.readings["t"].snapshot == 2,
        "recovery",
    )
    assert [link for link, _ in seen][:3] == [Link.CONNECTING, Link.LIVE, Link.DOWN]
    assert (Link.DOWN, 1) in seen
    assert board.readings["t"].attempts == 0


async def test_what_a_failure_proves_is_told_and_taken_back() -> None:
    board, sleeps = Board(), Sleeps(100)
    worst: list[Health] = []
    links: list[Link] = []
    board.subscribe(lambda reading, before: worst.append(reading.health(board.clock())))
    board.subscribe(lambda reading, before: links.append(reading.link))
    source = Scripted(Unreachable("full", (LOST,)), 1)
    await run(SourceLoop(source, board, sleeps, widest), lambda: Link.LIVE in links, "recovery")
    assert Health.CRITICAL in worst
    assert board.readings["t"].proven == ()


async def test_an_unchanged_snapshot_is_judged_again() -> None:
    board = Board()
    source = Scripted(7)
    await run(SourceLoop(source, board), lambda: len(source.judged) >= 3, "three judgements")
    assert source.judged[:3] == [7, 7, 7]


async def test_a_hang_ends_at_its_deadline_and_delays_nobody() -> None:
    board = Board()
    hung, well = Scripted("hang", target="hung"), Scripted(1, target="well")
    tasks = [asyncio.create_task(SourceLoop(one, board).run()) for one in (hung, well)]
    await until(lambda: board.get("hung") and board.readings["hung"].link is Link.DOWN, 5, "the deadline")
    assert "no answer within 0.2 s" in board.readings["hung"].problem
    assert well.reads >= 5 and hung.closed >= 1
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_bug_is_told_cleanly_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    board, sleeps = Board(), Sleeps(100)
    source = Scripted(KeyError("\x1b[2J"), 5)
    with caplog.at_level(logging.ERROR):
        await run(
            SourceLoop(source, board, sleeps, widest),
            lambda: board.get("t") and board.readings["t"].snapshot == 5,
            "survival",
        )
    assert "source t failed" in caplog.text
    board = Board()
    await SourceLoop(Scripted(KeyError("\x1b[2J")), board).read_once(1.0)
    assert "\x1b" not in board.readings["t"].problem and "KeyError" in board.readings["t"].problem


async def test_refresh_cuts_a_back_off_short() -> None:
    board, sleeps = Board(), Sleeps(1)
    source = Scripted(Unreachable("x"))
    loop = SourceLoop(source, board, sleeps, widest)

    def pressed() -> bool:
        loop.refresh()
        return source.reads >= 4

    await run(loop, pressed, "reads without sleeping")


async def test_refresh_reads_a_live_target_at_once_and_nobody_else_does() -> None:
    board, source = Board(), Scripted(1, 2, 3)
    source.interval = 3600.0
    loop = SourceLoop(source, board)
    work = asyncio.create_task(loop.run())
    for reads in (1, 2, 3):
        await until(lambda reads=reads: board.get("t") and board.readings["t"].snapshot == reads, 5, "the reading")
        assert source.reads == reads
        loop.refresh()
    work.cancel()


async def test_once_reads_once_and_closes() -> None:
    board, source = Board(), Scripted("hang")
    await SourceLoop(source, board).read_once(0.05)
    assert board.readings["t"].link is Link.DOWN and source.closed >= 1 and source.reads == 1


async def test_a_stream_that_ends_is_down_not_silent() -> None:
    class Ends(Scripted):
        async def follow(self, publish: Callable[[int], None]) -> None:
            publish(1)

    board, sleeps = Board(), Sleeps(1)
    await run(
        SourceLoop(Ends(1), board, sleeps, widest),
        lambda: board.get("t") and board.readings["t"].link is Link.DOWN,
        "the end",
    )
    assert "ended its stream" in board.readings["t"].problem


def test_a_live_value_that_ages_is_stale_then_unknown() -> None:
    now = [0.0]
    board = Board(lambda: now[0])
    SourceLoop(Scripted(1), board)._arrived(1)
    reading = board.readings["t"]
    assert reading.link_at(0.0) is Link.LIVE
    assert reading.link_at(2.1 * reading.interval) is Link.STALE
    assert reading.health(5.1 * reading.interval) is Health.UNKNOWN

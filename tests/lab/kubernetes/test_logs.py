"""What a container said: tail, since, timestamps, follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.lab.kubernetes.agent.logs import ContainerLog, LogQuestion


@pytest.fixture
def log(tmp_path: Path) -> ContainerLog:
    path = tmp_path / "api-0.log"
    kept = ContainerLog(path)
    with path.open("wb", buffering=0) as file:
        for second in (1, 2, 3):
            file.write(f"line {second}a\nline {second}b\n".encode())
            kept.mark(float(second))
    return kept


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        (LogQuestion(), ["line 1a", "line 1b", "line 2a", "line 2b", "line 3a", "line 3b"]),
        (LogQuestion(tail=2), ["line 3a", "line 3b"]),
        (LogQuestion(tail=0), []),
        (LogQuestion(tail=99), ["line 1a", "line 1b", "line 2a", "line 2b", "line 3a", "line 3b"]),
        (LogQuestion(since=2.0), ["line 2a", "line 2b", "line 3a", "line 3b"]),
        (LogQuestion(since=2.0, tail=1), ["line 3b"]),
        (LogQuestion(limit=8), ["line 1a"]),
        (LogQuestion(tail=1, timestamps=True), ["1970-01-01T00:00:03.000000Z line 3b"]),
    ],
)
def test_reading(log: ContainerLog, question: LogQuestion, lines: list[str]) -> None:
    text, end = log.read(question, 4.0)
    assert text.decode().splitlines() == lines
    assert end == log.size()


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert ContainerLog(tmp_path / "none.log").read(LogQuestion(), 1.0) == (b"", 0)


async def test_a_follower_gets_whole_lines_and_the_torn_last_one_at_the_end(log: ContainerLog) -> None:
    _, offset = log.read(LogQuestion(), 4.0)
    with log.path.open("ab", buffering=0) as file:
        file.write(b"whole\nto")
        followed = log.follow(LogQuestion(), offset)
        assert await anext(followed) == b"whole\n"
        file.write(b"rn")
    log.closed = True
    assert [piece async for piece in followed] == [b"torn"]


def test_last_words_are_short(log: ContainerLog) -> None:
    assert log.tail_text(2, 100) == "line 3a\nline 3b\n"
    assert log.tail_text(2, 4) == " 3b\n"

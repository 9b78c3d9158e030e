"""kill -9 in the middle of writing, again and again: what was acknowledged is there, and every chain holds (design 7, goals)."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from alphapulse_tui.incident.journal import Journal

WRITERS = ("ana", "ben", "cho")


class Writers:
    """The forking process, and what its children have acknowledged."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.incident.writer", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.acknowledged: dict[str, int] = {}

    def say(self, command: str, name: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command} {name}\n")
        self.process.stdin.flush()

    def hear(self) -> list[str]:
        """The next line of any of them."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        assert said, "the writers are gone"
        if len(said) == 3:
            self.acknowledged[said[1]] = int(said[2])
        return said

    def kill(self, name: str) -> None:
        self.say("kill", name)
        while self.hear() != [name, "dead"]:
            pass

    def end(self) -> None:
        self.process.communicate(timeout=30)


def rounds(path: Path, count: int, seed: int) -> int:
    """Kill writers at random moments, one at a time, and replace them; returns how many events were acknowledged."""
    chance = random.Random(seed)
    writers = Writers(path)
    try:
        for name in WRITERS:
            writers.say("start", name)
        for _ in range(count):
            name = chance.choice(WRITERS)
            for _ in range(chance.randint(1, 20)):
                writers.hear()
            writers.kill(name)
            writers.say("start", name)
        for name in WRITERS:
            writers.kill(name)
    finally:
        writers.end()
    journal = Journal.open(path, anchor=lambda _: None)
    assert journal.verify().findings == ()
    there = {event.id: event.sequence for event in journal.events()}
    journal.close()
    lost = {name: sequence for name, sequence in writers.acknowledged.items() if there.get(name) != sequence}
    assert lost == {}
    return len(writers.acknowledged)


def test_nothing_acknowledged_is_lost_in_30_kills(tmp_path: Path) -> None:
    assert rounds(tmp_path / "j" / "journal.sqlite", 30, seed=30) > 60


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_nothing_acknowledged_is_lost_in_1000_kills(tmp_path: Path) -> None:
    assert rounds(tmp_path / "j" / "journal.sqlite", 1000, seed=1000) > 2000

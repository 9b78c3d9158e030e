"""Wrong choices at Redis, by keys: cancelled, overtaken by somebody else, and a node that hangs once the change has left."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.hanging import goes_on_at_the_end, hanging_at, through
from tests.e2e.test_redis_split_brain import say_who_agreed
from tests.e2e.wrong_choices import assert_nothing_is_open, assert_told_and_not_sent, assert_unknown, settle
from tests.lab.test_redis_vault_faults import masters, owner, said
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(300)]

MB = 1024 * 1024


@dataclass(frozen=True)
class Choice:
    """One fix of a procedure, as far as its confirmation."""

    procedure: str
    step: str
    fault: str
    plan: str
    """What the plan says."""
    overtake: Callable[[LabHandle], None]
    """Somebody else changes what it is about."""
    words: str
    """What is told then."""
    untouched: Callable[[LabHandle], bool]
    picked: tuple[str, ...] = ()
    """What a look has to have found first."""
    agreed: bool = False
    """Whether a second person has to be named."""
    typed: Callable[[LabHandle], str] | None = None
    """The name that confirms it; without it a letter does."""

    def open(self, cockpit: CockpitTerminal) -> None:
        """To the plan."""
        cockpit.wait_live("Redis")
        cockpit.open_at(self.procedure, self.step)
        if self.agreed:
            say_who_agreed(cockpit)
        cockpit.run_step(self.step, "Enter plans it", *self.picked)
        cockpit.wait_text(self.plan)

    def confirm(self, cockpit: CockpitTerminal, lab: LabHandle) -> None:
        """By its letter, or by its name."""
        if self.typed is None:
            cockpit.press(cockpit.confirmation())
        else:
            cockpit.confirm_name(self.typed(lab))


def dead(lab: LabHandle) -> int:
    """The node that does not answer."""
    return next(ordinal for ordinal in range(6) if "myself" not in said(lab, ordinal, "cluster", "nodes"))


def waiting_replica(lab: LabHandle) -> int:
    """The replica whose master is down."""
    down = [one for one in range(6) if "master_link_status:down" in said(lab, one, "info", "replication")]
    assert len(down) == 1
    return down[0]


def promote(lab: LabHandle) -> None:
    """Somebody else takes the dead master's shard over."""
    replica = waiting_replica(lab)
    assert lab.redis_cli(replica, "cluster", "failover", "takeover", user="admin") == "OK"
    wait_until(lambda: lab.redis_cli(replica, "role").startswith("master"), 20, "somebody else's takeover")


def close_it(lab: LabHandle) -> None:
    """Somebody else closes the open slot."""
    for ordinal in masters(lab):
        lab.redis_cli(ordinal, "cluster", "setslot", "3300", "stable", user="admin")


def delete_it(lab: LabHandle) -> None:
    """Somebody else deletes the key."""
    assert lab.redis_cli(owner(lab, "positions:all"), "unlink", "positions:all", user="admin") == "1"


def limit_one(lab: LabHandle) -> None:
    """Somebody else sets one node."""
    lab.redis_cli(4, "config", "set", "maxmemory", "96mb", user="admin")


def limits(lab: LabHandle) -> list[str]:
    return [lab.redis_cli(ordinal, "config", "get", "maxmemory").splitlines()[1] for ordinal in range(6)]


CHOICES = {
    "a forced failover": Choice(
        "redis-split-brain",
        "Force a failover at the right replica",
        "redis-no-successor",
        "MAY BE LOST",
        promote,
        "is not the one that was shown",
        lambda lab: lab.redis_cli(waiting_replica(lab), "role").startswith("slave"),
        agreed=True,
        typed=lambda lab: f"redis-cluster-{dead(lab)}",
    ),
    "an open slot": Choice(
        "redis-split-brain",
        "Close open slots",
        "redis-slots-uncovered",
        "Closes slot 3300",
        close_it,
        "nothing is left to do",
        lambda lab: any("[3300->-" in lab.redis_cli(one, "cluster", "nodes") for one in masters(lab)),
    ),
    "a giant key": Choice(
        "redis-memory",
        "Unlink the giant key",
        "redis-giant-key",
        "Deletes positions:all",
        delete_it,
        "nothing is left to do",
        lambda lab: said(lab, owner(lab, "positions:all"), "exists", "positions:all") == "1",
        picked=("key positions:all",),
        typed=lambda _: "positions:all",
    ),
    "a memory limit": Choice(
        "redis-memory",
        "Raise the limit on every node",
        "redis-giant-key",
        "Sets maxmemory from 64.0 MiB",
        limit_one,
        "is not the one that was shown",
        lambda lab: set(limits(lab)) == {str(64 * MB)},
    ),
}


@pytest.fixture(params=CHOICES)
def choice(request: pytest.FixtureRequest, redis_lab: LabHandle) -> Iterator[Choice]:
    """Each of them, with its fault in force."""
    found = CHOICES[request.param]
    redis_lab.break_(found.fault)
    yield found
    redis_lab.mend()
    redis_lab.redis_cli(4, "config", "set", "maxmemory", "64mb", user="admin")


def test_cancelled_at_the_confirmation_nothing_is_written(redis_lab: LabHandle, state: Path, choice: Choice) -> None:
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        choice.open(cockpit)
        if choice.typed is None:
            cockpit.confirmation()
            cockpit.press("enter")  # Only the letter does it.
        else:
            cockpit.confirm_name("something-else")
            cockpit.wait_text("that is not its name")
            cockpit.leave("that is not its name")
        cockpit.wait_step(choice.step)
        assert choice.untouched(redis_lab)
        assert_nothing_is_open(cockpit)
        assert [event for event in cockpit.journal() if "action_run" in event.payload] == []


def test_overtaken_between_plan_and_confirmation_it_is_told_and_not_sent(
    redis_lab: LabHandle, state: Path, choice: Choice
) -> None:
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        choice.open(cockpit)
        choice.overtake(redis_lab)
        choice.confirm(cockpit, redis_lab)
        assert_told_and_not_sent(cockpit, choice.words)


@pytest.fixture
def patient_lab(redis_lab: LabHandle) -> Iterator[LabHandle]:
    """Nodes that bear another one's silence for a minute: nobody fails over while one hangs."""

    def set_timeout(milliseconds: int) -> None:
        for ordinal in range(6):
            redis_lab.redis_cli(ordinal, "config", "set", "cluster-node-timeout", str(milliseconds), user="admin")

    set_timeout(60_000)
    try:
        yield redis_lab
    finally:
        set_timeout(2000)


def test_an_owner_that_hangs_with_the_slot_on_its_way_is_unknown_until_it_goes_on(
    patient_lab: LabHandle, state: Path, tmp_path: Path
) -> None:
    patient_lab.break_("redis-slots-uncovered")
    ordinal = next(one for one in masters(patient_lab) if "[3300->-" in patient_lab.redis_cli(one, "cluster", "nodes"))
    word = b"*4\r\n$7\r\nCLUSTER\r\n$7\r\nSETSLOT\r\n$4\r\n3300\r\n"
    hang_and_settle(patient_lab, state, tmp_path, CHOICES["an open slot"], ordinal, word)
    assert not any("[3300-" in patient_lab.redis_cli(one, "cluster", "nodes") for one in range(6))


def test_a_node_that_hangs_with_the_unlink_on_its_way_is_unknown_until_it_goes_on(
    patient_lab: LabHandle, state: Path, tmp_path: Path
) -> None:
    patient_lab.break_("redis-giant-key")
    ordinal = owner(patient_lab, "positions:all")
    word = b"*2\r\n$6\r\nUNLINK\r\n$13\r\npositions:all\r\n"
    hang_and_settle(patient_lab, state, tmp_path, CHOICES["a giant key"], ordinal, word)
    assert said(patient_lab, ordinal, "exists", "positions:all") == "0"


def hang_and_settle(lab: LabHandle, state: Path, folder: Path, choice: Choice, ordinal: int, word: bytes) -> None:
    """The node is stopped with the change in its socket: unknown. It goes on, takes it, and that is read.

    ``word`` is how the change begins on the wire: beforehand ``ACL DRYRUN`` asks with the same words whether our user may make it.
    """
    name = f"redis-cluster-{ordinal}"
    with (
        goes_on_at_the_end(lab, name) as send,
        hanging_at(lab.ports[name], word, lambda: send(signal.SIGSTOP)) as relay,
        CockpitTerminal(through(lab, lab.ports[name], relay, folder), state) as cockpit,
    ):
        choice.open(cockpit)
        choice.confirm(cockpit, lab)
        assert_unknown(cockpit, 60)
        assert re.match(r"T", _state(lab, name))
        send(signal.SIGCONT)
        wait_until(lambda: not choice.untouched(lab), 20, "the change to be taken")
        settle(cockpit)


def _state(lab: LabHandle, name: str) -> str:
    """How the kernel has the node's process: ``T`` is stopped."""
    (pid,) = (process.pid for process in lab.status().processes if process.name == name)
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]

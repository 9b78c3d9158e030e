"""What the screen and the executor say to each other: one JSON object a line, over a private Unix socket.

A :class:`Request` carries a number; every :class:`Answer` to it carries the same one. Most requests get one answer; ``execute`` and
``finish`` get a stream of progress and then an answer with ``last`` set. No message holds a secret: shares and passwords have no
field here, so they cannot be sent by mistake.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

import msgspec

from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.plan import Outcome, Plan, Result, Verification

LARGEST_LINE = 16 * 1024 * 1024
"""Bytes of one message; a plan with 10,000 victims has 3 MB."""

PLAN_SECONDS = 15.0
"""For one reading of the target: planning, planning again, verifying. Above the actions' own deadlines, whose sentences say more."""

SHARE_SECONDS = 600.0
"""What a person may take at the key-share prompt before the run counts as unknown."""

READY = "ready"
"""Said through the ready descriptor once the socket listens; anything else is the sentence why it does not."""


class ExecutorProblem(AlphaPulseError):
    """Refused, or not possible; nothing was sent unless the sentence says so."""

    exit_code: ClassVar[ExitCode] = ExitCode.REFUSED


class TargetSilent(ExecutorProblem):
    """The target gave no answer when it was read for a plan; nothing was sent."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNAVAILABLE


class ExecutorGone(ExecutorProblem):
    """The executor cannot be started, or its connection broke. What it had taken over, it finishes, and the journal tells."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNAVAILABLE

    def __init__(self, sentence: str, *, asked: bool = False) -> None:
        super().__init__(sentence)
        self.asked = asked
        """Whether it had the request: then it may have begun."""


class Stage(Enum):
    """How far a run has come."""

    CHECKING = "checking"
    """The target is read before anything is written."""
    INTENT = "intent"
    """The intent is synced; nothing has been sent."""
    SENT = "sent"
    """The preconditions still held; the request is leaving."""
    OUTCOME = "outcome"
    """``result`` is set."""
    VERIFYING = "verifying"
    """The target was read again and does not say so yet."""
    VERIFIED = "verified"
    """``verification`` is set, for better or worse; the last word of a run."""


class Progress(msgspec.Struct, frozen=True):
    """One step of a run."""

    run: str
    """The plan's id."""
    stage: Stage
    sentence: str
    """For a person."""
    result: Result | None = None
    verification: Verification | None = None
    """Its ``reading`` is the reading after."""
    before: dict[str, str] = {}
    """The reading before, with ``verification``."""
    plan: Plan | None = None
    """With ``sent``: the plan as it runs, without the victims that have gone since."""


class Begun(msgspec.Struct, frozen=True):
    """A run that somebody else sends (the key-share helper): the intent is synced, the preconditions held, and it counts as sent."""

    run: str
    plan: Plan
    seconds: float
    """Within these ``finish`` must be called, or the outcome is unknown."""


class OpenRun(msgspec.Struct, frozen=True):
    """A run whose end is not known: an intent without an outcome, or with an unknown one that nothing has settled since."""

    run: str
    action: str
    title: str
    object: str
    """Locked until this is settled."""
    actor: str
    writer: str
    """Host, process and start of the executor that wrote the intent."""
    incident: str
    sequence: int
    """Of the intent in the journal."""
    began_at: float
    """Unix seconds."""
    sent: bool
    """False: it died before sending, so nothing was changed."""
    outcome: Outcome | None
    sentence: str
    """What is known, for a person."""
    under_way: bool
    """Whether its executor still lives and holds it: not for anybody else to settle."""
    plan: Plan | None
    """None when a newer version wrote it."""


class Resolution(Enum):
    """The three keys of the banner (design 7)."""

    VERIFY = "verify"
    DONE = "mark done"
    ABANDON = "abandon"


class Status(msgspec.Struct, frozen=True):
    """How the executor stands."""

    environment: str
    production: bool
    read_only: bool
    armed_until: float | None
    """Unix seconds, or none: not armed. Only production needs arming."""
    running: tuple[str, ...]
    """Runs that it holds."""
    pid: int


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question. ``what`` names a method of the server; the fields that it needs are set."""

    number: int
    what: str
    action: str = ""
    params: dict[str, str] = {}
    plan: str = ""
    """A plan's id: the executor runs its own copy, never one that travelled."""
    digest: str = ""
    """Of the plan that the person saw."""
    confirmation: str = ""
    reason: str = ""
    incident: str = ""
    override: str = ""
    """Why a locked object is to be touched all the same."""
    environment: str = ""
    run: str = ""
    result: Result | None = None
    how: Resolution = Resolution.VERIFY
    evidence: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer."""

    number: int
    last: bool = True
    problem: str = ""
    """Set: refused, and why."""
    silent: bool = False
    """With ``problem``: not refused, the target gave no answer."""
    value: Any = None


def encode(message: Request | Answer) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"


decode_request = msgspec.json.Decoder(Request).decode
"""A :class:`Request` of a line; raises ``msgspec.DecodeError``."""

decode_answer = msgspec.json.Decoder(Answer).decode
"""An :class:`Answer` of a line; raises ``msgspec.DecodeError``."""

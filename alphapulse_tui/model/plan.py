"""What an action would do, said before it is done: the plan, and what came of it.

Made by ``actions``, shown by the confirm dialog, executed by the executor, kept in the journal. All of it is plain data (msgspec encodes
it over the executor's socket and into the journal), and none of it may hold a secret.
"""

from __future__ import annotations

import hashlib
from enum import Enum

import msgspec


class Risk(Enum):
    """How much harm a mistake would do; it decides the confirmation (design 4, rule 5)."""

    SAFE = "safe"
    DISRUPTIVE = "disruptive"
    DESTRUCTIVE = "destructive"


class Outcome(Enum):
    """What is known of a sent action. ``UNKNOWN``: no answer came after sending; it is neither success nor failure and never sent again by itself."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    """Never sent: read-only, precondition gone, object locked, journal not writable."""


class Verdict(Enum):
    """What reading the target again said."""

    VERIFIED = "verified"
    PENDING = "pending"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"
    """The target could not be read."""


class Victim(msgspec.Struct, frozen=True):
    """One object that the action would touch. ``identity`` must still match at execution, or it is dropped (gone) or the action stops (changed)."""

    key: str
    """Names the object: ``pid 4121``, ``vault-1``."""
    identity: str
    """What must not change: a backend_start, a uid and generation, a nonce."""
    label: str
    """One line for a person."""
    facts: dict[str, str] = {}
    """Column to text, for the table of victims."""


class Check(msgspec.Struct, frozen=True):
    """A proof to be read from the target: what is expected, in words."""

    title: str
    expected: str


class Plan(msgspec.Struct, frozen=True):
    """What one action would do now. ``refusal`` set means: not possible, and what would make it so."""

    id: str
    action: str
    title: str
    target: str
    environment: str
    object: str
    """What is locked while this runs: ``postgres/backend/4121``, ``kubernetes/deployment/api``, ``vault/node/vault-1``."""
    risk: Risk
    sentence: str
    """What this will do, in one sentence."""
    call: str
    """The exact call, secrets left out."""
    shell: str
    """The same with stock tools on a bastion."""
    params: dict[str, str]
    victims: tuple[Victim, ...] = ()
    preconditions: dict[str, str] = {}
    """Travel in the request: uid, generation, nonce."""
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()
    undo: str = ""
    """How to go back, in one sentence; ``none: ...`` says why not."""
    undo_action: str = ""
    """Id of the action that goes back, or empty."""
    undo_params: dict[str, str] = {}
    refusal: str = ""
    confirm_word: str = ""
    """For a destructive action: the name to be typed."""
    deadline: float = 10.0
    """Seconds for the execution."""
    verify_seconds: float = 30.0
    """Seconds within which the checks must hold."""
    changes: bool = True
    """False for an action that only reads: it needs no confirmation and leaves no intent."""
    needs_share: bool = False
    """Whether a person must enter a key share at the helper's prompt (Vault only)."""
    made_at: float = 0.0
    """Unix seconds."""

    def digest(self) -> str:
        """SHA-256 of what the plan would do: what a person confirmed is what runs, and the same change is the same digest, whichever way it is
        asked for.

        Not of when it was made, nor of what was seen beside it: a victim's age and size and the warnings grow while it is read.
        """
        victims = tuple(Victim(victim.key, victim.identity, "") for victim in self.victims)
        body = msgspec.structs.replace(self, id="", made_at=0.0, victims=victims, warnings=())
        return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


class Result(msgspec.Struct, frozen=True):
    """What came of an execution."""

    outcome: Outcome
    sentence: str
    """For a person: ``3 of 3 backends signalled``."""
    details: dict[str, str] = {}
    """Per victim: key to what happened."""


class Verification(msgspec.Struct, frozen=True):
    """What the target said when it was read again."""

    verdict: Verdict
    sentence: str
    reading: dict[str, str] = {}
    """Named figures, the same names as in the reading before: ``slots used`` to ``97 %``."""

"""What a person must give before a plan runs: asked for by the screen, checked again by the executor (design 4, rule 5).

The letter of a disruptive plan follows from the plan's random id: another one each time, so that keys typed ahead on a slow link cannot hit it, and
the same for screen and executor without being sent.
"""

from __future__ import annotations

import hashlib

from alphapulse_tui.model.plan import Plan, Risk

ENTER = "enter"
"""What confirms a safe plan."""

LETTERS = "bdeghkmtwxy"
"""Letters that confirm: none of them is a command of the cockpit."""


def required_confirmation(plan: Plan) -> str:
    """``enter`` for a safe plan, a letter for a disruptive one, the name to be typed for a destructive one.

    A destructive plan without a word to type cannot be confirmed: empty.
    """
    if plan.risk is Risk.SAFE:
        return ENTER
    if plan.risk is Risk.DISRUPTIVE:
        return LETTERS[int.from_bytes(hashlib.sha256(plan.id.encode()).digest()[:8], "big") % len(LETTERS)]
    return plan.confirm_word


def confirms(plan: Plan, given: str) -> bool:
    """Whether ``given`` is what ``plan`` demands."""
    required = required_confirmation(plan)
    return bool(required) and given.strip() == required

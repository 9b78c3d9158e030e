"""Have a person give a key share: starts the helper (``share_prompt``) on the terminal and turns what it tells into a ``Result``.

Called by the screen between ``begin`` and ``finish`` of the executor's client, with the screen suspended. Nothing in this module ever sees
the share. What is certain is said so: until the helper announces that it sends, nothing was sent; after that, silence is *unknown*.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alphapulse_tui
from alphapulse_tui.actions.vault_node import ca_file
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.share_prompt import WATCHERS
from alphapulse_tui.executor.share_wire import COUNTED_ANEW, NOT_SENT, TAKEN
from alphapulse_tui.model.plan import Outcome, Plan, Result
from alphapulse_tui.text import clean

GRACE_SECONDS = 20.0
"""For sending to every node, beyond the time that the person has."""

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "USER", "TERM", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that the helper gets, beside those by which it knows that it would be watched."""

_given: dict[str, int] = {}
"""Round (nonce) to shares given from this process: one login, one sitting (design 7: warned and recorded, not stopped)."""


async def ask_share(plan: Plan, profile: Profile, seconds: float | None = None) -> Result:
    """Ask for one share on ``/dev/tty`` and have it given to the plan's nodes; the caller has suspended the screen.

    ``seconds``: how long the person may take; by default the plan's deadline, less what sending takes. A cancelled call ends the helper.
    """
    patience = max(5.0, (seconds or plan.deadline) - GRACE_SECONDS)
    request = {
        "nodes": [
            {"name": victim.key, "address": victim.facts["address"], "nonce": victim.identity}
            for victim in plan.victims
        ],
        "environment": plan.environment,
        "ca_file": ca_file(profile),
        "seconds": patience,
        "given": _given,
    }
    with _terminal_kept():
        try:
            output = await _run_helper(json.dumps(request).encode(), patience + GRACE_SECONDS)
        except OSError as error:
            return Result(Outcome.REFUSED, f"the key-share helper cannot be started: {clean(error.strerror or error)}")
    events = [event for line in output.splitlines() if (event := _decoded(line))]
    return result_of(plan, events)


def result_of(plan: Plan, events: list[dict[str, Any]]) -> Result:
    """What the helper's lines mean, node by node."""
    given = {event["node"]: event for event in events if event.get("event") == "given"}
    announced = {event["node"] for event in events if event.get("event") == "sending"}
    if not announced:
        said = next((event["sentence"] for event in events if event.get("event") in ("end", "crash")), "")
        return Result(Outcome.REFUSED, clean(said) or "the key-share helper ended without a word: nothing was sent")
    details = {
        victim.key: clean(given[victim.key]["sentence"])
        if victim.key in given
        else f"{victim.key}: {'sent, no answer' if victim.key in announced else 'nothing was sent to it'}"
        for victim in plan.victims
    }
    outcomes = [given[name]["outcome"] if name in given else "unknown" for name in announced]
    taken = [event for event in given.values() if event["outcome"] in TAKEN]
    counted = [event["nonce"] for event in taken if event["outcome"] in ("counted", COUNTED_ANEW) and event["nonce"]]
    for nonce in dict.fromkeys(counted):
        _given[nonce] = _given.get(nonce, 0) + 1
    before = next((event["before"] for event in events if event.get("event") == "again"), 0)
    if before and any(outcome not in (COUNTED_ANEW, *NOT_SENT) for outcome in outcomes):
        details["same person"] = f"this login has given {before + 1} shares in this round"
    if counted:
        details["round"] = ", ".join(dict.fromkeys(counted))
    sentence = f"the share was taken by {len(taken)} of {len(plan.victims)} nodes: {'; '.join(details[v.key] for v in plan.victims)}"
    if "unknown" in outcomes:
        return Result(Outcome.UNKNOWN, sentence, details)
    sent = any(outcome not in NOT_SENT for outcome in outcomes)
    return Result(Outcome.DONE if taken else Outcome.FAILED if sent else Outcome.REFUSED, sentence, details)


async def _run_helper(request: bytes, seconds: float) -> bytes:
    """The helper's standard output; after ``seconds`` it is ended, and what it had said until then counts."""
    package = Path(alphapulse_tui.__file__).parent
    environment = {name: os.environ[name] for name in (*INHERITED, *WATCHERS) if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-E",
        "-s",
        "-m",
        "alphapulse_tui.executor.share_prompt",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=package.parent,
        env=environment,
    )
    assert process.stdin is not None and process.stdout is not None
    said = bytearray()
    try:
        process.stdin.write(request)
        process.stdin.close()
        async with asyncio.timeout(seconds):
            while chunk := await process.stdout.read(65536):
                said += chunk
            await process.wait()
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass  # What it said so far is the truth, and silence after "sending" is the unknown outcome.
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await process.wait()
        if process.returncode is None:
            process.kill()
    return bytes(said)


@contextlib.contextmanager
def _terminal_kept() -> Iterator[None]:
    """Give the terminal back as it was, also when the helper was killed before it could.

    Echo is off from the first moment: the helper needs tenths of a second to start, and a share that is typed ahead must not be shown.
    """
    try:
        tty = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield  # The helper says so itself.
        return
    try:
        before = termios.tcgetattr(tty)
        unseen = list(before)
        unseen[3] &= ~(termios.ECHO | termios.ECHONL)
        termios.tcsetattr(tty, termios.TCSAFLUSH, unseen)
        try:
            yield
        finally:
            termios.tcsetattr(tty, termios.TCSAFLUSH, before)
    finally:
        os.close(tty)


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}

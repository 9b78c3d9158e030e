"""The key-share helper: a small process that asks for one share on the terminal and sends it itself.

Started by ``executor.share`` while the screen is suspended. The share never enters the screen's process, no argument, no environment, no
file, no message: it is typed here unseen, lies in one buffer, goes to the nodes and is overwritten; the process ends within a second
after. Python makes copies that nobody can reach (the socket, TLS), so the promise is *process gone*, not *memory wiped* (design 7).

Reads a request (one JSON object) from standard input and writes what happened (a JSON object a line) to standard output; neither holds a
secret. Speaks to the person on ``/dev/tty``. Standard library only: it starts in a tenth of a second, and little code sees the share.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import ssl
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from alphapulse_tui.actor import actor_name
from alphapulse_tui.executor.share_tty import Share, Terminal
from alphapulse_tui.executor.share_wire import BODY_HEAD, BODY_TAIL, Given, Status, give, read_status
from alphapulse_tui.hardening import DEBUG_VARIABLES, harden_process
from alphapulse_tui.text import clean

POLL_SECONDS = 2.0
"""Between two looks at the round while the person has not typed anything."""

TRIES = 3
"""Typing errors that are forgiven; each is found here, before anything is sent."""

WATCHERS = (*DEBUG_VARIABLES, "SSLKEYLOGFILE")
"""Variables under which keys or TLS would be written down."""

_MCL_CURRENT, _MCL_FUTURE = 1, 2


@dataclass(frozen=True)
class Node:
    """A node that is to get the share."""

    name: str
    address: str
    nonce: str
    """Of the round that the person was shown in the plan."""


@dataclass(frozen=True)
class Request:
    """What the cockpit asks for."""

    nodes: tuple[Node, ...]
    environment: str
    ca_file: str
    seconds: float
    """Until the question is withdrawn."""
    given: Mapping[str, int]
    """Round (nonce) to the shares that this login has given in it already."""

    @classmethod
    def parse(cls, text: str) -> Request:
        """From JSON; raises ``ValueError``, ``KeyError``, ``TypeError`` or ``AttributeError`` for anything else."""
        raw: Mapping[str, Any] = json.loads(text)
        nodes = tuple(Node(clean(n["name"], 64), n["address"], clean(n["nonce"], 64)) for n in raw["nodes"])
        given = {str(nonce): int(count) for nonce, count in raw["given"].items()}
        return cls(nodes, clean(raw["environment"], 64), raw["ca_file"], float(raw["seconds"]), given)


def main() -> int:
    """Ask, send, tell. The exit code is 0 whenever the lines on standard output tell the whole story."""
    reasons = unsafe()
    harden_process()
    lock_memory()
    sys.excepthook = _crash
    try:
        request = Request.parse(sys.stdin.read())
    except (ValueError, KeyError, TypeError, AttributeError):
        return _refuse("the key-share helper is started by the cockpit, not by hand")
    if reasons:
        return _refuse("a key share is not asked for while it could be written down: " + "; ".join(reasons))
    try:
        tls = ssl.create_default_context(cafile=request.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        return _refuse(f"the CA file {clean(request.ca_file)} cannot be used: {clean(error, 120)}")
    try:
        terminal = Terminal()
    except (OSError, termios.error):
        return _refuse("there is no terminal to ask for the key share on")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _leave)
    with terminal:
        return Prompt(request, terminal, tls).run()


class Prompt:
    """One question to one person."""

    def __init__(self, request: Request, terminal: Terminal, tls: ssl.SSLContext) -> None:
        self._request = request
        self._terminal = terminal
        self._tls = tls
        self._seen: dict[str, Status] = {}
        self._silent: set[str] = set()
        """Nodes that are not polled any more: waiting for them would make the prompt deaf."""

    def run(self) -> int:
        """Show the round, take a share, give it to every node that is still sealed."""
        share = Share()
        try:
            self._introduce()
            if not any(status.sealed and not status.problem for status in self._seen.values()):
                return self._withdraw("no node can take a share now")
            ended = self._take(share)
            if ended:
                return self._withdraw(ended)
            self._give(share)
        finally:
            share.wipe()
        return 0

    def _introduce(self) -> None:
        request, say = self._request, self._terminal.say
        say()
        say(f"AlphaPulse {request.environment}: one key share for Vault, asked of {actor_name()}")
        for node in request.nodes:
            status = read_status(node.address, self._tls)
            self._seen[node.name] = status
            say(f"  {node.name}  {clean(node.address, 200)}  {status.words()}")
            if node.nonce and status.nonce != node.nonce and status.sealed and not status.problem:
                say(f"  {node.name}: somebody began the round anew since the plan (it was {node.nonce})")
        say(
            "It is given to each of these nodes that is sealed. It is not shown and not kept, and the cockpit does not see it."
        )
        before = max((request.given.get(status.nonce, 0) for status in self._seen.values()), default=0)
        if before:
            _tell({"event": "again", "before": before})
            shares = "a share" if before == 1 else f"{before} shares"
            say(
                f"WARNING: you have given {shares} in this round already. Shares belong to several people; this one is recorded."
            )

    def _take(self, share: Share) -> str:
        """Read a well-formed share; an empty text, or why there is none."""
        deadline = time.monotonic() + self._request.seconds
        for left in range(TRIES, 0, -1):
            share.wipe()
            self._terminal.ask("Key share (unseen; Enter gives it, Ctrl-C cancels): ")
            ended = self._terminal.read(share, deadline, self._changed, POLL_SECONDS)
            self._terminal.say()
            if ended == "enter" and share.size:
                problem = share.problem()
                if not problem:
                    return ""
                self._terminal.say(f"  {problem}{'; once more' if left > 1 else ''}")
                continue
            share.wipe()
            return {
                "late": f"nobody gave a share within {self._request.seconds:g} s",
                "gone": "the terminal was closed",
                "stop": "every node was opened meanwhile",
            }.get(ended, "cancelled")
        share.wipe()
        return f"{TRIES} times no well-formed share"

    def _changed(self) -> bool:
        """Tell what others do meanwhile; whether there is nothing left to open."""
        for node in self._request.nodes:
            if node.name in self._silent:
                continue
            before, now = self._seen[node.name], read_status(node.address, self._tls)
            if now.problem:
                self._silent.add(node.name)
            if now.problem or now == before:
                continue
            self._seen[node.name] = now
            anew = bool(before.nonce) and before.nonce != now.nonce and now.sealed
            self._terminal.say(
                f"\n  {node.name} now: {now.words()}{' (somebody began the round anew)' if anew else ''}"
            )
        return not any(status.sealed or status.problem for status in self._seen.values())

    def _give(self, share: Share) -> None:
        body = bytearray(len(BODY_HEAD) + share.size + len(BODY_TAIL))
        body[: len(BODY_HEAD)] = BODY_HEAD
        body[len(BODY_HEAD) : -len(BODY_TAIL)] = share.view()
        body[-len(BODY_TAIL) :] = BODY_TAIL
        share.wipe()
        try:
            for node in self._request.nodes:
                _tell({"event": "sending", "node": node.name})
                given = give(node.name, node.address, self._seen[node.name], body, self._tls)
                _tell(_told(node, given))
                self._terminal.say(f"  {given.sentence}")
        finally:
            body[:] = bytes(len(body))
        self._terminal.say()
        _tell({"event": "end", "sentence": ""})

    def _withdraw(self, sentence: str) -> int:
        self._terminal.say(f"  {sentence}: nothing was sent")
        return _refuse(f"{sentence}: nothing was sent")


def unsafe() -> list[str]:
    """What could write the share down: debug variables of ours, or a tracer; asked before hardening takes the variables away."""
    reasons = [f"{name} is set" for name in WATCHERS if os.environ.get(name)]
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return reasons
    tracer = next((line.split()[1] for line in status.splitlines() if line.startswith("TracerPid:")), "0")
    return reasons if tracer == "0" else [*reasons, f"process {tracer} is tracing this one"]


def lock_memory() -> None:
    """Keep the memory out of swap where that is allowed; with a limit on locked memory, later allocations would fail."""
    if os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        ctypes.CDLL(None).mlockall(_MCL_CURRENT | _MCL_FUTURE)


def _told(node: Node, given: Given) -> dict[str, Any]:
    before, after = given.before, given.after
    return {
        "event": "given",
        "node": node.name,
        "outcome": given.outcome,
        "sentence": given.sentence,
        "nonce": after.nonce or before.nonce,
        "progress": after.progress,
        "threshold": after.threshold or before.threshold,
        "sealed": after.sealed,
    }


def _refuse(sentence: str) -> int:
    _tell({"event": "end", "sentence": sentence})
    return 0


def _tell(event: Mapping[str, Any]) -> None:
    """A line to the cockpit; if that has died meanwhile, the node has the share all the same."""
    try:
        os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")
    except OSError:
        return


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """End in order: the terminal is restored and the buffers are overwritten on the way out."""
    raise SystemExit(128 + number)


def _crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:  # noqa: ARG001
    """Say what failed, never with what."""
    _tell({"event": "crash", "sentence": f"the key-share helper failed: {kind.__name__}"})


if __name__ == "__main__":
    sys.exit(main())

"""What the key-share helper says to a Vault node, and what the node's answers mean. Standard library only.

Not hvac and not httpx: both keep the request, and with it the share, in their objects and exceptions (measured, design 7). Here the body is
one bytearray that goes to the socket without a copy and is overwritten after. Used by ``share_prompt``.
"""

from __future__ import annotations

import http.client
import json
import signal
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from alphapulse_tui.text import clean

READ_SECONDS = 2.0
SEND_SECONDS = 6.0
"""In all, for one node: a server that drips a byte a second would otherwise hold the terminal."""

BODY_HEAD, BODY_TAIL = b'{"key":"', b'"}'
"""Around the share; hex and base64 need no escaping in JSON."""

BODY_LIMIT = 64 * 1024
"""Bytes of an answer that are looked at."""

COUNTED_ANEW = "counted anew"
"""The outcome of a share that was counted in a round which somebody began while it was on its way: sent and spent, unlike ``changed``."""

TAKEN = ("open", "opening", "counted", COUNTED_ANEW)
"""Outcomes of a share that the node has and counts (facts 2.3.1)."""

NOT_SENT = ("not sent", "changed", "open before")
"""Outcomes for a node that the share never left for: it was silent, its round is another one than the person saw, or it was open."""


@dataclass(frozen=True)
class Status:
    """A node's seal as it says it is; ``problem`` when it does not."""

    sealed: bool = True
    initialized: bool = False
    progress: int = 0
    threshold: int = 0
    nonce: str = ""
    problem: str = ""

    def words(self) -> str:
        """One line for a person."""
        if self.problem:
            return self.problem
        if not self.sealed:
            return "open"
        return f"sealed, {self.progress} of {self.threshold} shares given, round {self.nonce or 'not begun'}"


@dataclass(frozen=True)
class Given:
    """What came of giving a share to one node."""

    outcome: str
    """One of :data:`TAKEN` or :data:`NOT_SENT`; else it was sent, and is ``not counted``, ``wrong``, ``refused`` or ``unknown``."""
    sentence: str
    before: Status
    after: Status


class Silence(Exception):
    """No answer; ``sent`` tells whether the request may have arrived."""

    def __init__(self, sentence: str, sent: bool) -> None:
        super().__init__(sentence)
        self.sent = sent


def read_status(address: str, tls: ssl.SSLContext) -> Status:
    """The node's seal now."""
    try:
        code, answer = _exchange(address, "GET", "/v1/sys/seal-status", None, tls, READ_SECONDS)
    except Silence as silence:
        return Status(problem=str(silence))
    return _status(answer) if code == 200 else Status(problem=f"answers with code {code}")


def give(name: str, address: str, seen: Status, body: bytearray, tls: ssl.SSLContext) -> Given:
    """Send ``body`` to the node, unless its round is another one than the ``seen`` one; says what it meant."""
    before = read_status(address, tls)
    if before.problem:
        return Given("not sent", f"{name} {before.problem}: nothing was sent to it", before, before)
    if not before.sealed:
        return Given("open before", f"{name} is open already: nothing was sent to it", before, before)
    if seen.nonce and before.nonce != seen.nonce:
        said = f"{name}: somebody began the round anew (it was {seen.nonce}): nothing was sent to it, plan again"
        return Given("changed", said, before, before)
    try:
        code, answer = _exchange(address, "PUT", "/v1/sys/unseal", body, tls, SEND_SECONDS)
    except Silence as silence:
        if silence.sent:
            return Given("unknown", f"{name}: sent, no answer: {silence}", before, before)
        return Given("not sent", f"{name} {silence}: nothing was sent to it", before, before)
    if code == 200:
        return _meaning(name, before, _status(answer))
    return _refusal(name, before, code, answer, read_status(address, tls))


def _meaning(name: str, before: Status, after: Status) -> Given:
    """A share was accepted; whether it counted is in the progress."""
    if after.problem:
        return Given("unknown", f"{name}: sent, but {after.problem}", before, after)
    if not after.sealed:
        return Given("open", f"{name} is open", before, after)
    if before.nonce and after.nonce and after.nonce != before.nonce:
        said = (
            f"{name}: somebody began the round anew while the share was on its way; it was counted in the new one, "
            f"which has {after.progress} of {after.threshold} shares"
        )
        return Given(COUNTED_ANEW, said, before, after)
    if after.progress > before.progress:
        return Given("counted", f"{name} has {after.progress} of {after.threshold} shares", before, after)
    if after.progress == 0 and before.progress + 1 >= before.threshold:
        return Given("opening", f"{name} has all its shares and opens within seconds", before, after)
    said = f"{name} still has {after.progress} of {after.threshold} shares: this share was given before in this round"
    return Given("not counted", said, before, after)


def _refusal(name: str, before: Status, code: int, answer: Mapping[str, Any], after: Status) -> Given:
    errors = answer.get("errors")
    text = clean("; ".join(map(str, errors)) if isinstance(errors, list) else "", 300)
    wiped = not after.problem and after.progress < before.progress
    if "message authentication failed" in text or "failed to decrypt" in text or (wiped and "invalid key" in text):
        said = (
            f"{name}: one of the {before.threshold} shares of this round was wrong, and only now does it show. The server has thrown away "
            "all of them: everybody gives theirs again"
        )
        return Given("wrong", said, before, after)
    return Given("refused", f"{name} refuses with code {code}: {text or 'it says nothing'}", before, after)


def _status(answer: Mapping[str, Any]) -> Status:
    try:
        return Status(
            sealed=bool(answer["sealed"]),
            initialized=bool(answer.get("initialized", True)),
            progress=int(answer.get("progress") or 0),
            threshold=int(answer.get("t") or 0),
            nonce=clean(answer.get("nonce", ""), 64),
        )
    except (KeyError, TypeError, ValueError):
        return Status(problem="does not answer as Vault does")


def _exchange(
    address: str, method: str, path: str, body: bytearray | None, tls: ssl.SSLContext, seconds: float
) -> tuple[int, dict[str, Any]]:
    """One request and its answer as JSON; :class:`Silence` when there is none within ``seconds``."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=seconds, context=tls)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=seconds)
    )
    sent = False
    try:
        with _within(seconds):
            connection.connect()
            sent = True
            headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
            connection.request(method, parts.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            raw = response.read(BODY_LIMIT)
    except TimeoutError:
        raise Silence(f"gave no answer within {seconds:g} s", sent) from None
    except ConnectionRefusedError:
        raise Silence("refuses connections", sent) from None
    except (OSError, http.client.HTTPException) as error:
        raise Silence(f"cannot be asked: {clean(error, 160) or type(error).__name__}", sent) from None
    finally:
        connection.close()
    if body is not None and raw.find(memoryview(body)[len(BODY_HEAD) : -len(BODY_TAIL)]) >= 0:
        raw = b"{}"  # An answer that repeats the share must not reach a message.
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        answer = {}
    return response.status, answer if isinstance(answer, dict) else {}


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """A total deadline, by a signal: socket time-outs are per call. Main thread only."""

    def late(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

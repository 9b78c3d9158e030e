"""What a node's answers to a share mean, where a real node cannot be brought to the moment: nodes that answer from a record."""

from __future__ import annotations

import contextlib
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alphapulse_tui.executor import share
from alphapulse_tui.executor.share import result_of
from alphapulse_tui.executor.share_prompt import Node, _told
from alphapulse_tui.executor.share_wire import BODY_HEAD, BODY_TAIL, Given, Status, give
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Victim

SHARE = b"ab" * 33


def seal(progress: int = 0, nonce: str = "", *, sealed: bool = True) -> dict[str, Any]:
    return {"sealed": sealed, "initialized": True, "t": 3, "progress": progress, "nonce": nonce}


@contextlib.contextmanager
def recorded(status: dict[str, Any], answer: dict[str, Any]) -> Iterator[tuple[str, list[bytes]]]:
    """A node that tells ``status`` and answers a share with ``answer``: its address, and the bodies that reached it."""
    bodies: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.tell(status)

        def do_PUT(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.tell(answer)

        def tell(self, said: dict[str, Any]) -> None:
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()


def given(name: str, status: dict[str, Any], answer: dict[str, Any], seen: Status) -> tuple[Given, int]:
    """What came of one share, and how often it reached the node."""
    with recorded(status, answer) as (address, bodies):
        body = bytearray(BODY_HEAD + SHARE + BODY_TAIL)
        return give(name, address, seen, body, ssl.create_default_context()), len(bodies)


def plan_of(*names: str) -> Plan:
    victims = tuple(Victim(name, "", name) for name in names)
    return Plan(
        "1", "vault.unseal", "unseal", "vault", "lab", "vault/node", Risk.SAFE, "x", "x", "x", {}, victims=victims
    )


def told(*each: Given, before: int = 0) -> list[dict[str, Any]]:
    """The helper's lines for these nodes, ``vault-0`` first."""
    events: list[dict[str, Any]] = [{"event": "again", "before": before}] if before else []
    for number, one in enumerate(each):
        node = Node(f"vault-{number}", "", "")
        events += [{"event": "sending", "node": node.name}, _told(node, one)]
    return events


@pytest.fixture(autouse=True)
def rounds(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A sitting of this test's own."""
    mine: dict[str, int] = {}
    monkeypatch.setattr(share, "_given", mine)
    return mine


ANEW = (seal(2, "first"), seal(1, "second"), Status(progress=2, threshold=3, nonce="first"))
"""Somebody resets between our look at the round and our share."""
OTHER = (seal(1, "second"), seal(2, "second"), Status(progress=2, threshold=3, nonce="first"))
"""Somebody has reset before our look."""
OPEN = (seal(sealed=False), seal(sealed=False), Status(progress=2, threshold=3, nonce="first"))
COUNTED = (seal(1, "first"), seal(2, "first"), Status(progress=1, threshold=3, nonce="first"))
LAST = (seal(2, "first"), seal(sealed=False), Status(progress=2, threshold=3, nonce="first"))


@pytest.mark.parametrize(
    ("moment", "outcome", "sent"),
    [
        (ANEW, "counted anew", 1),
        (OTHER, "changed", 0),
        (OPEN, "open before", 0),
        (COUNTED, "counted", 1),
        (LAST, "open", 1),
    ],
)
def test_one_word_never_means_both_sent_and_not_sent(
    moment: tuple[dict[str, Any], dict[str, Any], Status], outcome: str, sent: int
) -> None:
    found, times = given("vault-0", *moment)
    assert (found.outcome, times) == (outcome, sent)
    assert ("nothing was sent" in found.sentence) == (not sent)


def test_a_share_that_was_counted_in_another_round_was_sent_and_is_remembered(rounds: dict[str, int]) -> None:
    found, _ = given("vault-0", *ANEW)
    result = result_of(plan_of("vault-0"), told(found, before=1))
    assert result.outcome is Outcome.DONE
    assert "taken by 1 of 1 nodes" in result.sentence and "1 of 3 shares" in result.sentence
    assert rounds == {"second": 1} and result.details["round"] == "second"
    assert "same person" not in result.details, "what this login gave in the round before was thrown away"


def test_a_node_that_was_open_before_has_taken_no_share(rounds: dict[str, int]) -> None:
    already, _ = given("vault-0", *OPEN)
    result = result_of(plan_of("vault-0"), told(already, before=1))
    assert result.outcome is Outcome.REFUSED and "taken by 0 of 1 nodes" in result.sentence
    assert "same person" not in result.details
    counted, _ = given("vault-1", *COUNTED)
    result = result_of(plan_of("vault-0", "vault-1"), told(already, counted, before=1))
    assert result.outcome is Outcome.DONE and "taken by 1 of 2 nodes" in result.sentence
    assert result.details["same person"] == "this login has given 2 shares in this round" and rounds == {"first": 1}


def test_a_share_for_a_round_that_is_gone_is_not_sent(rounds: dict[str, int]) -> None:
    found, _ = given("vault-0", *OTHER)
    result = result_of(plan_of("vault-0"), told(found))
    assert result.outcome is Outcome.REFUSED and "taken by 0 of 1 nodes" in result.sentence and rounds == {}

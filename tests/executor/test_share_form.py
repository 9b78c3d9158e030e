"""The form of a key share: what cannot be one is found before it is sent, and is never shown."""

from __future__ import annotations

import base64

import pytest

from alphapulse_tui.executor.share_tty import Share


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ab" * 33, ""),
        (base64.b64encode(bytes(33)).decode(), ""),
        (base64.b64encode(bytes(32)).decode(), ""),
        ("ab" * 15, "has 15"),
        ("ab" * 34, "has 34"),
        ("a" * 67, "neither"),
        ("", "neither"),
        ("=" * 4, "neither"),
        ("ab" * 300, "neither"),
        ("ä" * 20, "neither"),
    ],
)
def test_the_form_of_a_share(text, problem):
    share = Share()
    for byte in text.encode():
        share.append(byte)
    assert problem in share.problem() and bool(problem) == bool(share.problem())
    share.wipe()
    assert share.size == 0 and not any(share._buffer)

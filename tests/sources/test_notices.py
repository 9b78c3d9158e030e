"""Notices: shown while they stand, gone when they go, harmless when they are broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.sources.notices import LARGEST, Notices


def test_a_changed_file_is_read_again_and_its_words_are_clean(tmp_path: Path) -> None:
    file = tmp_path / "notices.json"
    file.write_text('{"kubernetes": "building \\u001b[31m etcd"}')
    notices = Notices(str(file))
    assert notices.read() == {"kubernetes": "building \\x1b[31m etcd"}
    file.unlink()
    assert notices.read() == {}
    file.write_text('{"vault": "starting three nodes"}')
    assert notices.read() == {"vault": "starting three nodes"}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"a": "' + "x" * LARGEST + '"}'])
def test_what_is_no_such_file_says_nothing(content: str, tmp_path: Path) -> None:
    file = tmp_path / "notices.json"
    file.write_text(content)
    assert Notices(str(file)).read() == {}


def test_without_a_file_nothing_is_said() -> None:
    assert Notices("").read() == {}

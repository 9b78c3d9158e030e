"""Ports: no two labs get the same one, a stranger's is renewed, a restart keeps them."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from alphapulse_tui.lab import ports as module
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.ports import Ports


@contextmanager
def ports(file: Path) -> Iterator[Ports]:
    """Ports whose claims end with the block, as with their process."""
    made = Ports(file)
    yield made
    made.release()


def test_ports_differ_and_a_taken_one_is_renewed(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    with ports(file) as earlier:
        first, second = earlier["a"], earlier["b"]
    assert first != second
    with socket.socket() as stranger, ports(file) as later:
        stranger.bind(("127.0.0.1", first))
        stranger.listen()
        later.renew_taken()
        assert later["b"] == second
        assert later["a"] != first


def test_two_labs_that_start_at_one_moment_get_different_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both draw the same numbers, and neither listens yet."""
    with ports(tmp_path / "one.json") as one, ports(tmp_path / "other.json") as other:
        draws = iter([*range(700, 710)] * 2)
        monkeypatch.setattr(secrets, "randbelow", lambda count: next(draws))
        mine = [one[name] for name in ("a", "b", "c")]
        draws = iter(range(700, 720))
        theirs = [other[name] for name in ("a", "b", "c")]
        assert set(mine).isdisjoint(theirs)


def test_a_restarted_lab_does_not_take_the_port_that_another_lab_has_got(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine.json", tmp_path / "theirs.json"
    with ports(mine) as first:
        port = first["a"]
    theirs.write_text(json.dumps({"x": port}))
    with ports(theirs) as neighbour, ports(mine) as again:
        neighbour.renew_taken()
        again.renew_taken()
        assert again["a"] != port


def test_a_machine_without_a_free_port_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        monkeypatch.setattr(module, "_COUNT", 1)
        monkeypatch.setattr(module, "_FIRST", stack.enter_context(ports(tmp_path / "first.json"))["a"])
        with pytest.raises(
            LabError, match=r"No free port on 127\.0\.0\.1 between \d+ and \d+: stop what occupies them"
        ):
            stack.enter_context(ports(tmp_path / "second.json"))["a"]


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"a": "x"}', "\x00"])
def test_a_damaged_ports_file_gives_new_ports(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "ports.json"
    file.write_text(damage)
    with ports(file) as made:
        assert made["a"] == json.loads(file.read_text())["a"]

"""What the registry refuses, and what the list of faults is made from. The faults here break nothing; the real ones are in test_faults.py."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from alphapulse_tui.cli.lab_faults import page, table
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import LabError, NotReadyError, UnknownFaultError
from alphapulse_tui.lab.faults import registry
from alphapulse_tui.lab.faults.registry import MODULES, Exclusive, Faults, catalogue, load_faults, named
from alphapulse_tui.lab.platform import HEALTH_SECONDS, TARGETS, Lab, TargetState


class Quiet:
    """Breaks nothing."""

    summary, mended_by = "Nothing.", "nobody"
    parameters: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.mended = 0

    async def inject(self, lab: Lab, parameter: str) -> str:
        return f"{self.name} is quiet"

    async def mend(self, lab: Lab, parameter: str) -> None:
        self.mended += 1


class Jealous(Quiet):
    needs = ("redis",)
    excludes: ClassVar[Mapping[str, str]] = {"other": "both want the one pen"}


class Unlucky(Quiet):
    async def inject(self, lab: Lab, parameter: str) -> str:
        raise ConnectionRefusedError("nobody listens")

    async def mend(self, lab: Lab, parameter: str) -> None:
        raise LabError("nobody listens still")


@pytest.fixture
async def lab(tmp_path: Path) -> Lab:  # type: ignore[misc]
    """Nothing runs; the target redis says that it is ready."""
    made = Lab(LabDirectory(tmp_path))
    made.report("redis", TargetState.READY, "ready")
    return made


@pytest.fixture
async def faults(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Faults:
    known = {one.name: one for one in (Jealous("jealous"), Quiet("other"), Unlucky("unlucky"))}
    monkeypatch.setattr(registry, "load_faults", lambda: known)
    return Faults(lab)


@pytest.mark.parametrize(("first", "second"), [("jealous", "other"), ("other", "jealous")])
async def test_faults_that_exclude_each_other_are_told_why(faults: Faults, first: str, second: str) -> None:
    await faults.inject(first, "")
    with pytest.raises(LabError) as refused:
        await faults.inject(second, "")
    assert str(refused.value) == (
        f"{second} cannot be injected while {first} is in force: both want the one pen (`alphapulse lab mend {first}` ends it)."
    )
    assert faults.active() == [first]
    await faults.mend(first, "")
    assert await faults.inject(second, "") == f"{second} is quiet"


async def test_a_fault_on_a_target_that_is_not_up_says_how_far_it_is(lab: Lab, faults: Faults) -> None:
    lab.report("redis", TargetState.BUILDING, "compiling, 3 of 9 packages")
    with pytest.raises(
        LabError, match=r"jealous breaks redis, which is not up \(building: compiling, 3 of 9 packages\)"
    ):
        await faults.inject("jealous", "")
    del lab.progress["redis"]
    with pytest.raises(LabError, match="which this lab does not have: start it without --only"):
        await faults.inject("jealous", "")
    assert faults.active() == []


async def test_a_server_that_refuses_is_one_sentence_and_the_fault_can_be_mended(faults: Faults) -> None:
    with pytest.raises(
        LabError, match="unlucky was begun and did not take hold: ConnectionRefusedError nobody listens"
    ):
        await faults.inject("unlucky", "")
    assert faults.active() == ["unlucky"]
    await faults.forget()
    assert faults.active() == []


async def test_a_server_that_is_silent_while_it_is_mended_is_one_sentence(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(lab: Lab, parameter: str) -> None:
        raise TimeoutError("no answer")

    monkeypatch.setattr(registry.load_faults()["other"], "mend", silent)
    await faults.inject("other", "")
    with pytest.raises(LabError, match="other could not be mended: TimeoutError no answer"):
        await faults.mend("other", "")
    assert faults.active() == ["other"]


async def test_of_several_each_waits_only_briefly_for_what_another_may_withhold(
    lab: Lab, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[str] = []
    patience: list[float] = []

    async def needs_the_other(lab: Lab, parameter: str) -> None:
        patience.append(lab.patience)
        if not whole:
            raise NotReadyError("not whole yet")

    async def makes_it_whole(lab: Lab, parameter: str) -> None:
        whole.append("now")

    monkeypatch.setattr(registry.load_faults()["other"], "mend", needs_the_other)
    monkeypatch.setattr(registry.load_faults()["unlucky"], "mend", makes_it_whole)
    monkeypatch.setattr(registry.load_faults()["unlucky"], "inject", registry.load_faults()["other"].inject)
    for name in ("unlucky", "other"):
        await faults.inject(name, "")
    assert await faults.mend("all", "") == ["unlucky", "other"]
    first, again = patience
    assert first < again == lab.patience == HEALTH_SECONDS
    assert faults.active() == []


async def test_forgetting_mends_what_is_in_force(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    await faults.inject("other", "")
    await faults.forget()
    assert registry.load_faults()["other"].mended == 1  # type: ignore[attr-defined]
    assert faults.active() == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_breaks_how_it_shows_and_what_mends_it(name: str) -> None:
    module = importlib.import_module(f"alphapulse_tui.lab.faults.{name}")
    line = named(module.FAULT.name)
    assert (module.__doc__ or "").startswith(f"``{line.name}")
    assert line.name == name.replace("_", "-")
    for text in (line.summary, line.mended_by, line.breaks, line.shows, line.mends):
        assert len(text.split()) >= 1 and "\n" not in text
    assert len(line.breaks) > 40 and len(line.shows) > 40


def test_what_faults_say_of_others_and_of_targets_is_there() -> None:
    known = load_faults()
    for fault in known.values():
        assert set(getattr(fault, "needs", ())) <= set(TARGETS)
        if isinstance(fault, Exclusive):
            assert set(fault.excludes) <= set(known) - {fault.name}


@pytest.mark.parametrize("width", [60, 80, 110])
def test_the_list_fits_the_terminal_and_names_every_fault(width: int) -> None:
    lines = table(catalogue(), width).splitlines()
    assert max(map(len, lines)) <= width
    first = [line.split()[0] for line in lines[1:] if line and line[0] != " "]
    assert [name for name in first if name in load_faults()] == sorted(load_faults())
    for fault in catalogue():
        assert max(map(len, page(fault, width).splitlines())) <= width
        assert "How it shows: " in page(fault, width)


def test_an_unknown_fault_of_the_list_gets_the_nearest() -> None:
    with pytest.raises(UnknownFaultError, match="Did you mean vault-sealed-one"):
        named("vault-sealed-on")

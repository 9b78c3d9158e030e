"""Procedure files: ours are whole, a team's own override them, and every mistake names file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.errors import BadDataError, UsageError
from alphapulse_tui.runbook.load import find_procedure, load_procedure, load_procedures
from alphapulse_tui.runbook.names import procedure_names

GOOD = """\
id: own-check
title: Our own
section: "9"
severity: P2
target: vault
summary: What our team does.
steps:
  - id: look
    kind: check
    title: Look
    why: To see it.
    check: vault.seal
"""


def test_the_shipped_procedures_load_and_say_why_at_every_step() -> None:
    procedures = load_procedures()
    assert {"vault-sealed", "pg-connections"} <= set(procedures)
    for procedure in procedures.values():
        assert procedure.prevention, f"{procedure.id} says nothing of prevention"
        assert all(step.why for step in procedure.steps)


def test_a_teams_folder_adds_one_and_overrides_one(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(GOOD)
    (tmp_path / "vault.yaml").write_text(GOOD.replace("own-check", "vault-sealed"))
    procedures = load_procedures(tmp_path)
    assert procedures["own-check"].title == "Our own"
    assert procedures["vault-sealed"].title == "Our own"


BOMB = "l0: &l0 [x]\n" + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 20))
"""Nine times as many values a line."""

MISTAKES = {
    "empty": ("", 1, "is empty"),
    "no yaml": ("id: [unclosed", 1, "no valid YAML"),
    "tab": ("id: x\n\ttitle: y\n", 2, "no valid YAML"),
    "a list": ("- id: x\n", 1, "the file"),
    "unknown field": (GOOD + "colour: red\n", 13, "colour: there is no such field; there are: id, links"),
    "written twice": (GOOD + "title: again\n", 13, "'title' is written twice"),
    "wrong type": (GOOD.replace("title: Our own", "title: [1]"), 2, "title"),
    "bad id": (GOOD.replace("id: own-check", "id: Own Check"), 1, "id"),
    "unknown kind": (GOOD.replace("kind: check", "kind: chekc"), 9, "one of: action, branch, check"),
    "unknown check": (GOOD.replace("vault.seal", "vault.sael"), 12, "did you mean 'vault.seal'?"),
    "missing why": (GOOD.replace("    why: To see it.\n", ""), 8, "why"),
    "no steps": (GOOD[: GOOD.index("steps:")] + "steps: []\n", 7, "steps"),
    "unknown survey": (GOOD + "reads: [postgres-lokcs]\n", 13, "no survey 'postgres-lokcs'"),
    "unknown pick": (
        GOOD + "parameters: [{name: node, title: a node, pick: vault.sael}]\n",
        13,
        "did you mean 'vault.seal'?",
    ),
    "needs nothing": (GOOD + "    needs: later\n", 13, "no earlier step 'later'"),
    "command of an unknown parameter": (
        GOOD + "    command: psql -v slow={slow}\n",
        13,
        "steps[0].command: there is no parameter 'slow'",
    ),
    "command with a parameter in quotes": (
        GOOD + "    command: psql -c \"SELECT '{slow}'\"\nparameters: [{name: slow, title: a number}]\n",
        13,
        "{slow} stands inside quotes",
    ),
    "a value that is none": (GOOD.replace("title: Our own", "title: ="), 2, "'=' cannot be read as YAML has it"),
    "a tag": (GOOD.replace("title: Our own", "title: !careful now"), 2, "without a tag (!name)"),
    "a wrong number": (GOOD.replace("title: Our own", "title: !!int abc"), 2, "'abc' cannot be read"),
    "a wrong time": (GOOD.replace("title: Our own", "title: !!timestamp abc"), 2, "'abc' cannot be read"),
    "an impossible date": (GOOD.replace("title: Our own", "title: 2026-02-30"), 2, "put it into quotes"),
    "itself": (GOOD.replace("title: Our own", "title: &a [*a]"), 2, "*a stands for what it is itself a part of"),
    "too deep": ("id: x\ntitle: " + "[" * 100_000, 2, "is nested deeper than 50 levels"),
    "unfolding": (BOMB, 6, "has more than 100000 values"),
    "hostile": (GOOD.replace("vault.seal", '"\\e]52;c;x\\a[/x]"'), 12, "the invisible character U+001B"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_line_and_field(name: str, tmp_path: Path) -> None:
    text, row, says = MISTAKES[name]
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(BadDataError) as caught:
        load_procedure(file)
    sentence = caught.value.sentence
    assert sentence.startswith(f"{file}:{row}: "), sentence
    assert says in sentence
    assert "\n" not in sentence and "\x1b" not in sentence


def test_an_alias_may_stand_for_anything_that_stays_small(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        GOOD.replace("title: Our own", "title: &ours Our own").replace("summary: What our team does.", "summary: *ours")
    )
    assert load_procedure(tmp_path / "own.yaml").summary == "Our own"


def test_a_file_that_is_not_utf8_or_not_readable_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "bytes.yaml"
    file.write_bytes(b"id: \xff\xfe\n")
    with pytest.raises(BadDataError, match=r"bytes\.yaml:1: no UTF-8 text; save the file as UTF-8\."):
        load_procedure(file)
    with pytest.raises(BadDataError, match="cannot be read"):
        load_procedure(tmp_path / "missing.yaml")


def test_a_folder_that_nobody_can_look_into() -> None:
    folder = Path("/", "x" * 300, "procedures")
    with pytest.raises(BadDataError, match=r"procedures: cannot be read: File name too long\."):
        load_procedures(folder)
    assert procedure_names(folder) == procedure_names()


def test_an_unknown_procedure_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'vault-sealed'"):
        find_procedure(load_procedures(), "vault-seald")

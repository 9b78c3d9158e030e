"""A team's own folder: one file that adds, one that overrides, and all that can be wrong; each wrong one is left out alone, with one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.errors import BadDataError, UsageError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.incident.export import preventions
from alphapulse_tui.runbook.load import load_procedure, load_procedures, read_shelf
from alphapulse_tui.runbook.names import procedure_names, shipped_folder
from alphapulse_tui.screens.runbook import RunbookScreen
from alphapulse_tui.session import Session
from tests.cli.program import alphapulse
from tests.empty_home import move_into
from tests.runbook.test_load import BOMB, GOOD
from tests.screens.stage import Clock, text_of
from tests.waiting import until

ACTS = GOOD.replace("kind: check", "kind: action").replace("check: vault.seal", "action: vault.unseal")


def own(name: str, before: str = "", after: str = "", text: str = GOOD) -> str:
    text = text.replace("own-check", name)
    assert before in text
    return text.replace(before, after) if before else text


BROKEN: dict[str, tuple[str | bytes, int, str]] = {
    "no-yaml": ("id: [unclosed", 1, "no valid YAML: expected"),
    "tab": ("id: tab\n\ttitle: y\n", 2, "indent with spaces, not with tabs"),
    "twice": (own("twice") + "title: again\n", 13, "'title' is written twice; keep one"),
    "list-for-text": (own("list-for-text", "Our own", "[1]"), 2, "title: must be a text, not a list"),
    "number-for-text": (own("number-for-text", '"9"', "2.1"), 3, "section: must be a text, not a number; put it into quotes"),
    "nothing-for-text": (own("nothing-for-text", " What our team does.", ""), 6, "summary: is empty, and must be a text"),
    "field": (own("field") + "colour: red\n", 13, "colour: there is no such field; there are: id,"),
    "field-of-step": (own("field-of-step", "    why:", "    whi:"), 11, "steps[0].whi: there is no such field; did you mean 'why'?"),
    "check": (own("check", "vault.seal", "vault.sael"), 12, "steps[0].check: there is no check 'vault.sael'; did you mean"),
    "action": (own("action", "vault.unseal", "vault.unsael", ACTS), 12, "steps[0].action: there is no action"),
    "parameter": (own("parameter", text=ACTS) + "    params: {nodee: v}\n", 13,
                  "steps[0].params.nodee: there is no parameter of vault.unseal 'nodee'; did you mean 'node'?"),
    "no-parameter": (own("no-parameter", "vault.unseal", "redis.unlink", ACTS), 8, "steps[0].params: redis.unlink needs 'key'"),
    "number-for-parameter": (own("number-for-parameter", text=ACTS) + "    params: {node: 5}\n", 13,
                             "steps[0].params.node: must be a text, not a number; put it into quotes"),
    "place": (own("place", text=ACTS) + "    params: {node: '{who}'}\n", 13, "there is no parameter 'who'"),
    "needs-itself": (own("needs-itself") + "    needs: look\n", 13, "there is no earlier step 'look'"),
    "no-title": (own("no-title", "title: Our own\n", ""), 1, "the field 'title' is missing"),
    "blank-title": (own("blank-title", "Our own", "'    '"), 2, "title: must be one line of 3 to 120 characters"),
    "two-line-id": (GOOD.replace("own-check", '"two-lines\\n"'), 1, "id: must be words of a-z and 0-9 joined by dashes"),
    "empty": ("", 1, "is empty; a procedure has id, title"),
    "binary": (b"\x7fELF\x00\x01", 1, "holds the character"),
    "latin1": (b"id: latin1\ntitle: caf\xe9\n", 2, "no UTF-8 text; save the file as UTF-8"),
    "hidden": (own("hidden", "Our own", '"a\\e[31m"'), 2, "holds the invisible character U+001B; take it out"),
    "bomb": (BOMB, 6, "more than 100000 values"),
    "itself": (own("itself", "Our own", "&a [*a]"), 2, "stands for what it is itself a part of"),
    "two-documents": (own("two-documents") + "---\nid: two\n", 13, "no valid YAML"),
    "list-for-name": (own("list-for-name") + "? [a]\n: b\n", 13, "where the name of a field belongs"),
    "text": ("just text", 1, "the file: must be a table, not a text"),
    "kind": (own("kind", "kind: check", "kind: chekc"), 9, "steps[0].kind: is one of: action, branch"),
    "severity": (own("severity", "P2", "high"), 4, "severity: must be P0, P1, P2 or P3"),
    "target": (own("target", "target: vault", "target: valt"), 5, "there is no target 'valt'; did you mean 'vault'?"),
    "link": (own("link") + "links: [grafana]\n", 13, "links[0]: there is no link 'grafana'; did you mean"),
    "no-number": (own("no-number") + "    typical_seconds: .nan\n", 13, "must be seconds, from 0 to a day"),
    "for-ever": (own("for-ever", "kind: check", "kind: wait") + "    hold_seconds: 1\n    deadline_seconds: .inf\n", 14,
                 "deadline_seconds: must be seconds, above 0, at most a day"),
    "same-parameter": (own("same-parameter") + "parameters: [{name: a, title: one}, {name: a, title: two}]\n", 13,
                       "parameters[1].name: the name 'a' is taken"),
    "brace": (own("brace") + "    command: awk '{print}'\n", 13, "a brace of the shell's own needs a space behind it"),
    "leads-nowhere": (own("leads-nowhere") + "    opens: [nowhere]\n", 13, "steps[0].opens[0]: there is no procedure 'nowhere'"),
    "leads-to-a-wrong-one": (own("leads-to-a-wrong-one") + "    opens: [leads-nowhere]\n", 13, "there is no procedure 'leads-nowhere'"),
    "z-same-id": (GOOD, 1, "id: adds.yaml has the id 'own-check' too; give one of them another"),
}  # fmt: skip
"""File, its line, and part of the sentence."""

WITHOUT_LINE = {
    "folder.yaml": "cannot be read: Is a directory; put a file there that you may read, or take it away",
    "loop.yaml": "cannot be read: Too many levels of symbolic links",
    "pipe.yaml": "cannot be read: it is a pipe, not a file",
    "gone.yaml": "cannot be read: No such file or directory",
    "huge.yaml": "is larger than 256 KiB",
    "other.yml": "is not read under this name; name it other.yaml",
}


def fill_with_good(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adds.yaml").write_text(GOOD)
    (folder / "overrides.yaml").write_text(own("vault-sealed"))
    (folder / ".#adds.yaml").symlink_to("ana@desk.4711")  # What Emacs leaves beside a file that is being edited.
    (folder / "adds.yaml~").write_text("junk")


def fill_with_broken(folder: Path) -> None:
    fill_with_good(folder)
    for name, (text, _, _) in BROKEN.items():
        (folder / f"{name}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "folder.yaml").mkdir()
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "gone.yaml").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "huge.yaml").write_text("# " + "x" * 300_000)
    (folder / "other.yml").write_text(own("other"))


def assert_all_told(sentences: list[str], folder: Path) -> None:
    """Each broken file has exactly one of the sentences, with its line."""
    assert len(sentences) == len(BROKEN) + len(WITHOUT_LINE)
    for name, (_, row, says) in BROKEN.items():
        (sentence,) = (one for one in sentences if one.startswith(f"{folder / name}.yaml:"))
        assert sentence.startswith(f"{folder / name}.yaml:{row}: ") and says in sentence, sentence
    for name, says in WITHOUT_LINE.items():
        (sentence,) = (one for one in sentences if one.startswith(f"{folder / name}: "))
        assert says in sentence, sentence
    assert not [one for one in sentences if "\n" in one or "\x1b" in one or not one.endswith((".", "?"))]


def test_what_is_ours_would_pass_as_a_teams_own() -> None:
    for file in sorted(shipped_folder().glob("*.yaml")):
        load_procedure(file)  # With the parameters of its actions, which are not looked up when the program starts.


def test_every_wrong_file_is_left_out_alone(tmp_path: Path) -> None:
    fill_with_broken(tmp_path)
    shelf = read_shelf(tmp_path)
    assert_all_told([one.sentence for one in shelf.mistakes], tmp_path)
    assert set(shelf.procedures) == {*load_procedures(), "own-check"}
    assert shelf.procedures["vault-sealed"].title == "Our own"
    assert "own-check" in preventions(tmp_path)
    assert "other" not in procedure_names(tmp_path)
    with pytest.raises(BadDataError, match="there is no check"):
        shelf.find("check")
    with pytest.raises(UsageError):
        shelf.find("nowhere")


def test_ours_is_not_run_in_the_place_of_a_wrong_one_of_theirs(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(own("vault-sealed", "vault.seal", "vault.sael"))
    shelf = read_shelf(tmp_path)
    assert shelf.procedures["vault-sealed"].title != "Our own"
    with pytest.raises(BadDataError, match=r"mine\.yaml:12: steps\[0\]\.check"):
        shelf.find("vault-sealed")


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "procedures").write_text("")
    (mistake,) = read_shelf(tmp_path / "procedures").mistakes
    assert "procedures: cannot be read: Not a directory. Procedures of your own belong there" in mistake.sentence


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the procedures of an engineer lie whose profile has no target."""
    move_into(tmp_path / "home", monkeypatch)
    folder = tmp_path / "home" / ".config" / "alphapulse" / "procedures"
    folder.mkdir(parents=True)
    (folder.parent / "alphapulse.toml").write_text("[profiles.bare]\n")
    return folder


def test_without_a_screen_each_is_told_in_one_sentence(folder: Path) -> None:
    fill_with_broken(folder)
    validated = alphapulse("config", "validate")
    assert validated.code == ExitCode.BAD_CONFIG
    assert_all_told(validated.out.splitlines(), folder)
    listed = alphapulse("runbook", "list")
    assert listed.code == ExitCode.OK and "own-check" in listed.out and "pg-connections" in listed.out
    told = [line.removeprefix("alphapulse: ") for line in listed.err.splitlines()]
    assert len(told) == len(BROKEN) + len(WITHOUT_LINE)
    shown = alphapulse("runbook", "show", "vault-sealed")
    assert shown.code == ExitCode.OK and len(shown.err.splitlines()) == 1
    assert f"(and {len(told) - 1} more: `alphapulse config validate` names them)" in shown.err
    refused = alphapulse("runbook", "run", "severity", "--yes", "--json")
    assert refused.code == ExitCode.BAD_DATA and "severity: must be P0, P1, P2 or P3" in refused.out


def test_a_folder_with_nothing_wrong_is_said_to_be_so(folder: Path) -> None:
    fill_with_good(folder)
    validated = alphapulse("config", "validate")
    assert (validated.code, validated.err) == (ExitCode.OK, "")
    assert validated.out.splitlines()[-1] == f"{folder}: 2 procedures of your own, nothing wrong"
    (folder.parent / "alphapulse.toml").unlink()
    assert "2 procedures of your own" in alphapulse("config", "validate").out


class Alone(Session):
    """Neither sources nor an executor."""

    async def start_sources(self) -> None:
        return

    async def start_executor(self) -> None:
        self.executor_problem = "no executor in this test"


async def test_the_cockpit_opens_and_lists_what_is_left_out(folder: Path) -> None:
    fill_with_broken(folder)
    app = Cockpit(Alone(Profile(name="stage"), clock=Clock()))
    async with app.run_test(size=(80, 60), notifications=True) as pilot:
        await until(lambda: app.session.desk, 10, "the journal")
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, RunbookScreen) and "own-check" in text_of(app), 10, "the list")
        await until(lambda: f"And {len(BROKEN) + len(WITHOUT_LINE) - 1} more" in text_of(app), 10, "the message")
        await pilot.press("end")
        await until(lambda: text_of(app).count("left out, see Enter") > 20, 10, "the rows")
        await pilot.press("slash", *"severity.y", "enter", "enter")
        await until(lambda: "severity: must be P0, P1, P2 or P3" in text_of(app).replace("\n", " "), 10, "the sentence")
        assert isinstance(app.screen, RunbookScreen)

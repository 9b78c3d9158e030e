"""Nothing of the runbook is dropped in silence: every line of it has an entry, and every place that an entry names exists."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from alphapulse_tui.errors import BadDataError
from alphapulse_tui.runbook.coverage import load_coverage, why
from alphapulse_tui.runbook.load import load_procedures
from tests.coverage_page import PAGE, page

RUNBOOK = Path(__file__).parent / "section_2.txt"


def runbook_lines() -> list[tuple[str, int, str, str]]:
    """Section, line, kind and text of everything that the runbook's sections say."""
    told = [line.split("\t") for line in RUNBOOK.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [(section, int(number), kind, text) for number, section, kind, text in told]


def test_every_line_of_the_runbook_has_one_entry_and_every_entry_a_line() -> None:
    coverage = load_coverage(load_procedures())
    entries = [
        (section.section, entry.line, entry.kind, entry.text)
        for section in coverage.sections
        for entry in section.entries
    ]
    lines = runbook_lines()
    assert [line for line in lines if line not in entries] == [], "lines of the runbook without an entry"
    assert [entry for entry in entries if entry not in lines] == [], "entries that the runbook does not have"
    assert [entry for entry, count in Counter(entries).items() if count > 1] == []


def test_what_is_replaced_or_refused_says_why() -> None:
    procedures = load_procedures()
    for section in load_coverage(procedures).sections:
        for entry in section.entries:
            assert entry.how == "run" or len(why(entry, procedures)) > 20, entry


def test_the_page_is_made_from_it() -> None:
    assert PAGE.read_text("utf-8") == page(), "docs/coverage.md is old: python -m tests.coverage_page"


GOOD = """\
sections:
  - section: "2.3"
    title: Vault
    entries:
      - line: 367
        kind: command
        text: vault status
        how: replaced
        step: vault-sealed/which-nodes
"""

MISTAKES = {
    "empty": ("", 1, "is empty; a coverage file has sections"),
    "no entries": (GOOD[: GOOD.index("    entries:")] + "    entries: []\n", 4, "entries"),
    "unknown kind": (GOOD.replace("kind: command", "kind: comand"), 6, "Invalid enum value 'comand'"),
    "unknown field": (GOOD + "        colour: red\n", 10, "colour: there is no such field; there are: action, because"),
    "gone procedure": (GOOD.replace("vault-sealed/", "vault-seeled/"), 9, "did you mean 'vault-sealed'?"),
    "gone step": (GOOD.replace("which-nodes", "which-node"), 9, "did you mean 'which-nodes'?"),
    "no place": (GOOD.replace("        step: vault-sealed/which-nodes\n", ""), 5, "names no place"),
    "no reason": (GOOD.replace("which-nodes", "why-sealed"), 5, "say why it is replaced"),
    "gone query": (GOOD + "        query: p98\n", 10, "there is no query 'p98'"),
    "gone check": (GOOD + "        check: vault.sael\n", 10, "did you mean 'vault.seal'?"),
    "gone action": (GOOD + "        action: vault.init\n", 10, "there is no action 'vault.init'"),
    "gone setting": (GOOD + "        setting: thresholds.vault_latncy_critical\n", 10, "vault_latency_critical"),
    "gone section": (GOOD + "        setting: limits.x\n", 10, "there is no section of settings 'limits'"),
    "gone parameter": (GOOD + "        setting: parameters.vault-latency.nod\n", 10, "did you mean 'node'?"),
    "twice": (GOOD + "        how: run\n", 10, "'how' is written twice"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_line_and_field(tmp_path: Path, mistake: str) -> None:
    text, line, words = MISTAKES[mistake]
    file = tmp_path / "coverage.yaml"
    file.write_text(text)
    with pytest.raises(BadDataError) as problem:
        load_coverage(load_procedures(), file)
    said = str(problem.value)
    assert said.startswith(f"{file}:{line}: ") and words in said and "\n" not in said


def test_a_good_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "coverage.yaml"
    file.write_text(GOOD)
    (section,) = load_coverage(load_procedures(), file).sections
    assert section.entries[0].places == (("step", "vault-sealed/which-nodes"),)

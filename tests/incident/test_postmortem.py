"""The postmortem: the runbook's template to the letter, intervals with their ends, hostile words, and files that are never lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse_tui.errors import CannotCreateError
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.markdown import phrase, prose
from alphapulse_tui.incident.postmortem import file_name, render, write, write_as
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.incident.state import project
from alphapulse_tui.redact import forget_secrets, remember_secret
from tests.incident.story import START, Story, whole_incident

GOLDEN = Path(__file__).with_name("postmortem.golden.md")
NOW = START + 4000
PREVENTION = {"vault-sealed": ["Enable auto-unseal by AWS KMS", "Enable auto-unseal"]}

APPENDIX_B = [
    "# Postmortem: ", "**Date**: ", "**Severity**: ", "**Duration**: ", "**Incident Commander**: ", "---", "## Summary", "## Timeline (UTC)",
    "| Time | Event |", "|------|-------|", "## Root Cause", "## Impact", "- **Users Affected**: ", "- **Duration**: ", "- **Failed Requests**: ",
    "- **Revenue Impact**: ", "## What Went Well", "## What Went Wrong", "## Action Items", "| Item | Owner | Due Date | Status |",
    "|------|-------|----------|--------|", "## Lessons Learned",
]  # fmt: skip
"""The runbook's appendix B in its order."""

OURS = [
    "## Trigger", "## Detection", "## Where We Got Lucky", "## Severity", "## Intervals", "## Promises", "## Changes, Before and After",
    "## Procedures", "## Evidence", "## Gaps and Contradictions", "## Suggested Action Items", "## Record",
]  # fmt: skip


def state_of(story: Story, incident: str = "INC-0001") -> IncidentState:
    return project(story.events)[incident]


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def tables(text: str) -> list[list[str]]:
    """Every table as its rows."""
    found: list[list[str]] = []
    before = ""
    for line in text.split("\n"):
        if line.startswith("|"):
            if not before.startswith("|"):
                found.append([])
            found[-1].append(line)
        before = line
    return found


def cells(row: str) -> int:
    """Cells of a row, as GFM counts them: an escaped pipe is a letter, also within code."""
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) - 1


def test_the_whole_incident_is_the_golden_file() -> None:
    """After an intended change: read the difference, then copy what the assertion prints over the golden file."""
    assert render(state_of(whole_incident()), NOW, "lab", PREVENTION) == GOLDEN.read_text(encoding="utf-8")


def test_every_part_of_appendix_b_stands_in_its_order_and_ours_follow() -> None:
    text = render(state_of(whole_incident()), NOW, "lab", PREVENTION)
    place = 0
    for part in [*APPENDIX_B, *OURS]:
        found = text.find(f"\n{part}", place) if place else text.find(part)
        assert found >= 0, f"{part!r} is missing or out of order"
        place = found + 1


def test_an_incident_of_which_nothing_is_known_says_not_recorded_and_never_zero() -> None:
    story = Story()
    story.declare()
    text = render(state_of(story), NOW, "lab")
    rows = [line for line in section(text, "Intervals").split("\n") if line.startswith("| TT")]
    assert [row.split("|")[2].strip() for row in rows] == ["0 s", "not recorded", "not recorded", "not recorded"]
    assert "**Duration**: not resolved" in text
    assert section(text, "Summary").strip() == "not recorded"
    assert "- **Failed Requests**: not recorded" in text
    assert "No change was made through the cockpit." in text


def test_intervals_are_those_of_the_journal() -> None:
    text = section(render(state_of(whole_incident()), NOW, "lab"), "Intervals")
    assert "| TTD (time to detect) | 25 s |" in text
    assert "| TTA (time to acknowledge) | 2 min 20 s |" in text
    assert "| TTM (time to mitigate) | 5 min 15 s |" in text
    assert "| TTR (time to resolve) | 1 h 06 min |" in text
    assert "2026-11-23 13:58:25Z" in text and "ana resolved it at 2026-11-23 15:05:00Z" in text


def test_before_and_after_of_the_fix_are_in_a_table() -> None:
    text = section(render(state_of(whole_incident()), NOW, "lab"), "Changes, Before and After")
    assert "| sealed | true | false |" in text and "| progress | 2/3 | 0/3 |" in text
    assert "Check: verified: vault-1 is unsealed" in text


def test_an_end_before_its_beginning_is_called_a_problem_of_the_data() -> None:
    story = whole_incident()
    story.write(410, Kind.POSTMORTEM_FIELD, field="started", text="2026-11-23 14:30")
    text = render(state_of(story), NOW, "lab")
    assert "(the data contradict themselves)" in section(text, "Intervals")
    assert "detected (13:58:25Z) comes before started (14:30:00Z)" in text


def test_gaps_name_what_is_missing() -> None:
    story = Story()
    story.fire(-10)
    story.declare()
    story.fix(60, run="run-1", verdict="")
    story.fix(70, run="run-2", verdict="contradicted")
    story.fix(80, run="run-3", verdict="", outcome="unknown")
    story.fire(100, name="HighErrorRate", severity="P1")
    story.write(5000, Kind.RESOLVED, reason="enough")
    text = section(render(state_of(story), START + 6000, "lab"), "Gaps and Contradictions")
    for said in (
        "Alert VaultSealed (VaultSealed fires)", "Alert HighErrorRate", "nobody checked that it worked", "the target contradicts it",
        "its outcome is not known", "never recorded when the incident was acknowledged", "Missed: response", "Nothing was recorded between",
        "When it was resolved, this was still wrong", "No root cause has been entered", "No action item has been entered",
    ):  # fmt: skip
        assert said in text, f"{said!r} is not among the gaps:\n{text}"


def test_a_clock_that_jumped_is_said() -> None:
    story = Story()
    story.declare()
    event = story.write(60, Kind.NOTE, text="x")
    story.events[-1] = type(event)(
        **{**{name: getattr(event, name) for name in event.__struct_fields__}, "wall": event.wall + 3600}
    )
    assert "The clock of bastion jumped by +3600 s" in render(state_of(story), NOW, "lab")


HOSTILE = st.text(alphabet=st.sampled_from("|\n\\`*_[]()<>&#-+=~!1. ab\t"), max_size=60)


@settings(max_examples=150, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_words_break_a_table_or_make_a_section(title: str, note: str, field: str) -> None:
    story = Story()
    story.declare(title=title)
    story.write(5, Kind.NOTE, text=note)
    story.fix(10)
    story.write(20, Kind.POSTMORTEM_FIELD, field="summary", text=field)
    story.write(21, Kind.POSTMORTEM_FIELD, field="users", text=field)
    story.write(22, Kind.POSTMORTEM_FIELD, field="action_item", item=note, owner=field, due=title, status=note)
    plain = Story()
    plain.declare(title="x")
    plain.write(5, Kind.NOTE, text="x")
    plain.fix(10)
    plain.write(22, Kind.POSTMORTEM_FIELD, field="action_item", item="x", owner="x", due="x", status="x")
    text, calm = render(state_of(story), NOW, "lab"), render(state_of(plain), NOW, "lab")
    for rows in tables(text):
        assert len({cells(row) for row in rows}) == 1, f"a row has another number of cells: {rows}"
    headings = [line for line in text.split("\n") if re.match(r" {0,3}#{1,6}(\s|$)", line)]
    expected = [line for line in calm.split("\n") if re.match(r" {0,3}#{1,6}(\s|$)", line)]
    assert headings[1:] == expected[1:]
    assert "<script" not in text.replace("&lt;script", "")


def test_markdown_of_a_person_stays_where_it_does_no_harm() -> None:
    assert prose("- one\n- *two*") == "- one\n- *two*"
    assert prose("words\n====\n```\n# h") == "words\n\\====\n\\```\n\\# h"
    assert phrase("idle_in_transaction 100%") == "idle_in_transaction 100%"
    assert phrase("1. first") == "1\\. first" and phrase("# x") == "\\# x"


def test_a_secret_that_was_learnt_later_is_not_exported() -> None:
    story = whole_incident()
    story.write(450, Kind.NOTE, text="the canary is s3cr_et*pa|ss")
    try:
        remember_secret("s3cr_et*pa|ss")
        text = render(state_of(story), NOW, "lab")
    finally:
        forget_secrets()
    assert "s3cr" not in text
    assert "the canary is (redacted)" in text and "Redacted on export: 1 more values" in text


def test_the_name_is_the_runbooks() -> None:
    story = Story()
    story.declare(title="API down: p99 > 500 ms, größer/../x")
    assert file_name(state_of(story)) == "postmortem-20261123-api-down-p99-500-ms-groer-x.md"
    other = Story()
    other.declare(title="///")
    assert file_name(state_of(other)) == "postmortem-20261123-inc-0001.md"


def test_a_file_as_we_left_it_is_replaced_and_an_edited_one_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "new" / ".bug"
    first = write("one\n", folder, "postmortem-x.md", [])
    second = write("two\n", folder, "postmortem-x.md", [first.sha256])
    assert second.path == first.path and first.path.read_text() == "two\n"
    first.path.write_text("edited by ana\n")
    third = write("three\n", folder, "postmortem-x.md", [first.sha256, second.sha256])
    assert third.path.name == "postmortem-x-2.md" and third.beside == str(first.path)
    assert first.path.read_text() == "edited by ana\n"
    assert write("three\n", folder, "postmortem-x.md", []).path == third.path, "the same words need no second copy"
    assert sorted(path.name for path in folder.iterdir()) == ["postmortem-x-2.md", "postmortem-x.md"], (
        "a draft was left behind"
    )


def test_a_named_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "mine.md"
    target.write_text("mine\n")
    with pytest.raises(CannotCreateError, match="is not overwritten"):
        write_as("x", target, [])
    with pytest.raises(CannotCreateError, match="cannot be written"):
        write_as("x", tmp_path / "none" / "x.md", [])
    assert target.read_text() == "mine\n"


def test_a_folder_that_is_a_file_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".bug").write_text("")
    with pytest.raises(CannotCreateError, match="postmortem_folder"):
        write("x", tmp_path / ".bug", "postmortem-x.md", [])

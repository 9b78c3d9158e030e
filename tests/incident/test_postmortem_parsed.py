"""The postmortem as a forge reads it: parsed by markdown-it, never by looking at its lines."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.postmortem import render
from alphapulse_tui.incident.state import project
from tests.incident.story import START, Story, whole_incident

NOW = START + 10_000
HOSTILE = st.text(alphabet=st.sampled_from("|\n\\`*_[]()<>&#-+=~!1. ab\t"), max_size=40)


def parsed(story: Story) -> list[Token]:
    text = render(project(story.events)["INC-0001"], NOW, "lab")
    return MarkdownIt("commonmark").enable("table").parse(text)


def headings(tokens: list[Token]) -> list[str]:
    return [tokens[place + 1].content for place, one in enumerate(tokens) if one.type == "heading_open"]


def tables(tokens: list[Token]) -> list[list[list[str]]]:
    """The cells of every row of every table."""
    found: list[list[list[str]]] = []
    for place, one in enumerate(tokens):
        if one.type == "table_open":
            found.append([])
        elif one.type == "tr_open":
            found[-1].append([])
        elif one.type in ("th_open", "td_open"):
            inline = tokens[place + 1].children or []
            found[-1][-1].append("".join(" " if part.type == "softbreak" else part.content for part in inline))
    return found


def table_of(tokens: list[Token], first: str) -> list[list[str]]:
    return next(rows for rows in tables(tokens) if rows[0][0] == first)


def test_the_sections_are_those_of_appendix_b_then_ours() -> None:
    found = headings(parsed(whole_incident()))
    appendix = ["Summary", "Timeline (UTC)", "Root Cause", "Impact", "What Went Well", "What Went Wrong", "Action Items",
                "Lessons Learned"]  # fmt: skip
    assert found[0] == "Postmortem: Vault sealed"
    assert found[1:9] == appendix
    assert {"Trigger", "Detection", "Where We Got Lucky"} <= set(found[9:])


def test_a_note_with_a_pipe_and_a_newline_is_one_cell() -> None:
    rows = table_of(parsed(whole_incident()), "Time")
    assert {len(row) for row in rows} == {2}
    assert "ben: node restarted by the | rollout [x](http://evil)" in [row[1] for row in rows]


def test_before_and_after_are_cells() -> None:
    rows = [row for table in tables(parsed(whole_incident())) for row in table]
    assert ["sealed", "true", "false"] in rows
    assert ["progress", "2/3", "0/3"] in rows


@settings(max_examples=60, deadline=None)
@given(HOSTILE, HOSTILE, st.randoms(use_true_random=False))
def test_hostile_words_in_any_order_of_events_make_no_section_no_html_and_no_link(
    note: str, field: str, order: random.Random
) -> None:
    story = whole_incident()
    story.write(500, Kind.NOTE, text=note + " [x](http://evil) <b>&amp;</b>")
    story.write(501, Kind.POSTMORTEM_FIELD, field="lessons", text=field)
    story.write(502, Kind.POSTMORTEM_FIELD, field="action_item", number=2, item=note, owner=field, due="", status="")
    plain = headings(parsed(whole_incident()))
    order.shuffle(story.events)
    tokens = parsed(story)
    found = headings(tokens)
    assert [one for one in plain if one in found][:9] == found[:9] == plain[:9]
    assert not [one for one in tokens if one.type in ("html_block", "code_block")]
    inline = [part for one in tokens for part in one.children or []]
    assert "html_inline" not in [part.type for part in inline]
    assert "http://evil" not in [part.attrs.get("href") for part in inline]
    for rows in tables(tokens):
        assert len({len(row) for row in rows}) == 1

"""docs/lab.md and its picture say what the code says."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from alphapulse_tui.lab.faults.registry import catalogue
from alphapulse_tui.lab.platform import TARGETS
from alphapulse_tui.lab.standins.accounts import ACCOUNTS
from tests.lab_page import PAGE, current, with_block
from tests.lab_picture import FILE, PLACES, Seen, draw

SVG = "{http://www.w3.org/2000/svg}"


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == current(page), "docs/lab.md is old: python -m tests.lab_page"
    assert all(f"| `{fault.name}`" in page for fault in catalogue())
    assert page.count("| [1](https://") == len(ACCOUNTS)


def test_a_part_that_is_not_there_is_told() -> None:
    assert (
        with_block("<!-- a: begin -->\nold\n<!-- a: end -->", "a", "new") == "<!-- a: begin -->\nnew\n<!-- a: end -->"
    )
    with pytest.raises(ValueError, match="no part 'b'"):
        with_block("", "b", "new")


def test_the_picture_has_a_box_for_every_target_and_an_arrow_for_every_connection() -> None:
    picture = ET.fromstring(FILE.read_text(encoding="utf-8"))
    names = {text.text for text in picture.iter(f"{SVG}text") if text.get("font-weight") == "bold"}
    assert set(TARGETS) <= names, "the picture is old: python -m tests.lab_picture"

    boxes = {**dict.fromkeys(PLACES, ("a process",)), "brand-new": ("one", "two & three")}
    drawn = ET.fromstring(draw(Seen(boxes, frozenset({("api", "postgres"), ("lab", "api"), ("edge", "brand-new")}))))
    assert len(list(drawn.iter(f"{SVG}rect"))) == 1 + len(boxes)
    assert len([one for one in drawn.iter(f"{SVG}path") if one.get("marker-end")]) == 3
    corners = {(one.get("x"), one.get("y")) for one in drawn.iter(f"{SVG}rect")}
    assert len(corners) == 1 + len(boxes)

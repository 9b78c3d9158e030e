"""The first wall: nothing that a terminal obeys, hides or turns around survives ``clean``."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse_tui.text import CELL_LIMIT, LINE_LIMIT, clean, clean_lines, spell

FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}

hostile = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from(
            "\x1b\x00\x07\r\n\t\x7f\x9b\x90\xad\u200b\u202e\u2028\u2029\u2066\ufeff\ufe0f\U000e0041\ud800\udfff"
        ),
        st.sampled_from("\u0301\u0489\u20e0"),
        st.sampled_from("[]/@=;abcxyz0123"),
    ),
    max_size=300,
)


def harmless(text: str) -> bool:
    return not any(unicodedata.category(char) in FORBIDDEN_CATEGORIES for char in text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("alphapulse-api-7d9f-x2x", "alphapulse-api-7d9f-x2x"),
        ("", ""),
        (None, ""),
        (42, "42"),
        (ValueError("no\x1b[31m"), "no\\x1b[31m"),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        ("bad\rgood", "bad\\x0dgood"),
        ("one\ntwo\tthree\r\nfour", "one two three four"),
        ("nul\0bel\adel\x7f", "nul\\x00bel\\x07del\\x7f"),
        ("\x1b]52;c;eA==\x1b\\", "\\x1b]52;c;eA==\\x1b\\"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u2028b\u2029c", "a b c"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("pod\u200b-1", "pod\\u200b-1"),
        ("pod\ufe0f-1", "pod\\ufe0f-1"),
        ("soft\xadhyphen", "soft\\xadhyphen"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("hangul\u3164filler", "hangul\\u3164filler"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("not\ufffea char", "not\\ufffea char"),
        ("\u26a0\ufe0f Vault sealed 漢字 ñ", "\u26a0\ufe0f Vault sealed 漢字 ñ"),
        ("z" + "\u0301" * 4, "z" + "\u0301" * 4),
        ("z" + "\u0301" * 200 + "y", "z" + "\u0301" * 4 + "\ufffdy"),
        ("[/var/log] [@click=app.quit]x[/]", "[/var/log] [@click=app.quit]x[/]"),
    ],
)
def test_what_is_shown(raw: object, shown: str) -> None:
    assert clean(raw) == shown


def test_every_dangerous_character_of_unicode_is_covered() -> None:
    dangerous = [
        chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in FORBIDDEN_CATEGORIES
    ]
    assert len(dangerous) > 2000  # the surrogates alone are 2048
    assert [hex(ord(char)) for char in dangerous if not harmless(clean(f"a{char}b"))] == []


@given(hostile)
@settings(max_examples=300, deadline=None)
def test_clean_text_is_harmless_and_stays_as_it_is(raw: str) -> None:
    shown = clean(raw)
    assert harmless(shown)
    shown.encode()  # no lone surrogate is left
    assert clean(shown) == shown
    assert harmless(spell(raw))


@given(hostile, st.integers(32, 200))
@settings(max_examples=300, deadline=None)
def test_no_limit_is_exceeded_and_the_count_is_right(raw: str, limit: int) -> None:
    shown = clean(raw, limit)
    assert len(shown.encode()) <= limit
    assert clean(shown, limit) == shown


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=65, max_size=5000))
def test_a_cut_counts_the_bytes_that_are_missing(raw: str) -> None:
    shown = clean(raw, limit=64)
    head, _, tail = shown.rpartition("…(+")
    assert raw.startswith(head)
    assert int(tail.removesuffix(" B)").replace(",", "")) == len(raw) - len(head)


@given(st.lists(hostile.map(lambda line: line.replace("\n", "").removesuffix("\r")), min_size=1, max_size=8))
def test_lines_stay_lines(raw: list[str]) -> None:
    shown = clean_lines("\n".join(raw) + "\n")
    assert len(shown) == len(raw)
    assert all(harmless(line) for line in shown)


def test_lines_keep_indentation_and_cut_each_line_by_itself() -> None:
    shown = clean_lines("def f():\r\n\treturn 1\n\n" + "x" * (2 * LINE_LIMIT) + "\nend")
    assert shown[:3] == ["def f():", "    return 1", ""]
    assert shown[3].endswith(" B)")
    assert len(shown[3]) <= LINE_LIMIT
    assert shown[4:] == ["end"]
    assert clean_lines("") == []


@pytest.mark.parametrize("unit", ["\t", "\x1b", "漢", "\u202e", "e\u0301", "\u0301", "x"])
def test_a_megabyte_is_cut_before_it_costs_anything(unit: str) -> None:
    raw = unit * (1_000_000 // len(unit))
    started = time.perf_counter()
    shown = clean(raw)
    assert time.perf_counter() - started < 0.2  # measured: at most 9 ms; a table took 4.6 s for the tabs
    assert len(shown.encode()) <= CELL_LIMIT
    assert "B)" in shown[-4:]


def test_ten_thousand_names_cost_nothing() -> None:
    names = [f"alphapulse-worker-{number:08x}-abcde" for number in range(10_000)]
    started = time.perf_counter()
    assert [clean(name) for name in names] == names
    assert time.perf_counter() - started < 0.1  # measured: 3 ms

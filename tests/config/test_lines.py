from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from alphapulse_tui.config.lines import KeyPath, key_lines, nearest_line

TEXT = '''# a comment with [brackets] = and "quotes"
top = "a # no comment" # one
"quoted key".'with dot.s' = 1

[profiles.lab]
text = """
[not.a.table]
no = 1 \\""" ""
"""
raw = \'\'\'
x = [\'\'\'
after = 2026-11-23 21:10:00 # a date with a space
list = [
  1, # [
  { a = 1, "b.c" = { d = [2, 3] } },
  [ 4,
    5 ],
]

[[profiles.lab.nodes]]
name = "one"

[[profiles.lab.nodes]]
name = "two"
[profiles.lab.nodes.deep]
x = 1
'''


def test_every_key_is_on_its_line() -> None:
    lines = key_lines(TEXT)
    lab: KeyPath = ("profiles", "lab")
    assert {path: line for path, line in lines.items() if path[:2] != lab} == {
        ("top",): 2,
        ("quoted key",): 3,
        ("quoted key", "with dot.s"): 3,
        ("profiles",): 5,
    }
    expected = {
        (): 5,
        ("text",): 6,
        ("raw",): 10,
        ("after",): 12,
        ("list",): 13,
        ("list", 0): 14,
        ("list", 1): 15,
        ("list", 1, "a"): 15,
        ("list", 1, "b.c", "d", 1): 15,
        ("list", 2, 0): 16,
        ("list", 2, 1): 17,
        ("nodes",): 20,
        ("nodes", 0, "name"): 21,
        ("nodes", 1): 23,
        ("nodes", 1, "name"): 24,
        ("nodes", 1, "deep", "x"): 26,
    }
    assert {path: lines.get((*lab, *path)) for path in expected} == expected


def test_the_text_above_is_toml() -> None:
    assert tomllib.loads(TEXT)["profiles"]["lab"]["nodes"][1]["deep"] == {"x": 1}


def test_what_is_not_there_has_the_line_of_the_table_around_it() -> None:
    lines = key_lines(TEXT)
    assert nearest_line(lines, ("profiles", "lab", "nodes", 1, "port")) == 23
    assert nearest_line(lines, ("nowhere",)) is None


KEYS = st.text("abc-_.\"'\\é ", min_size=1, max_size=4)
VALUES = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def _quoted(text: str) -> str:
    body = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{body}"'


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",\n# ]\n".join(map(_written, value)) + "\n]"
    return _quoted(value) if isinstance(value, str) else str(value).lower()


def _paths(value: object, path: KeyPath = ()) -> set[KeyPath]:
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return {(*path, key) for key, _ in pairs}.union(*(_paths(item, (*path, key)) for key, item in pairs))


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_whatever_tomllib_reads_has_a_line_for_every_key(document: dict[str, object]) -> None:
    text = "".join(f"{_quoted(key)} = {_written(value)}\n" for key, value in document.items())
    raw = tomllib.loads(text)
    lines = key_lines(text)
    assert set(lines) == _paths(raw)
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert _quoted(path[-1]) in text.splitlines()[line - 1]

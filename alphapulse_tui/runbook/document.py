"""A YAML file of the runbook (a procedure, the coverage) as plain data, and every mistake in it as one sentence with file, line and field.

PyYAML's nodes know their lines; msgspec knows the path of the field that does not fit; here the one is looked up by the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import inspect
from yaml.constructor import SafeConstructor

from alphapulse_tui.errors import BadDataError
from alphapulse_tui.foreign_yaml import FAST, WRONG_VALUE, Loader, refuse_traps
from alphapulse_tui.plain_file import read_plain
from alphapulse_tui.text import clean, spell

MAX_BYTES = 256 * 1024
"""Bytes of a file; more is a mistake, not a procedure."""

_KINDS = {
    "str": "a text",
    "array": "a list",
    "list": "a list",
    "object": "a table",
    "dict": "a table",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "empty",
}
"""msgspec's names of what a file can hold."""

_EXPECTED = re.compile(r"Expected `(?P<wanted>\w+)`(?:, got `(?P<got>\w+)`| (?P<rule>.+))?")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>\w+)`")

_Type = inspect.Type | inspect.Metadata

Place = list[str | int]
"""Where in a document: names of fields and numbers in lists."""


def read_document(file: Path, what: str) -> tuple[yaml.Node, Any]:
    """A YAML file as its nodes, which know their lines, and as plain data; ``what`` says what an empty one lacks.

    Raises:
        BadDataError: unreadable, too big, or no YAML; one sentence with file and line.
    """
    root = _compose(file, what)
    return root, _plain(root, file)


def mistake(file: Path, root: yaml.Node, path: Place, sentence: str) -> BadDataError:
    """One sentence that points at the deepest node of ``path`` that exists."""
    node = root
    for part in path:
        following = _child(node, part)
        if following is None:
            break
        node = following
    return _placed(file, node.start_mark.line, path, sentence)


def unplaced(file: Path, root: yaml.Node, error: str, kind: type[msgspec.Struct]) -> BadDataError:
    """msgspec's complaint about a document of this ``kind``, which knows the path of the field, with file, line and field."""
    sentence, _, where = error.partition(" - at `$")
    where, some_value, _ = where.partition("[...]")  # A table of texts: msgspec does not say which of them.
    path: Place = [int(index) if index else name for name, index in re.findall(r"\.([^.\[`]+)|\[(\d+)\]", where)]
    if found := _UNKNOWN.match(sentence):
        name = found["name"]
        fields = _fields(_type_at(root, path, kind))
        near = get_close_matches(name, fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(fields)}"
        key = next((key for key, _ in _pairs(_node(root, path)) if key.value == name), None)
        line = (key or _node(root, path)).start_mark.line
        return _placed(file, line, [*path, clean(name, 80)], f"there is no such field; {hint}")
    if found := _MISSING.match(sentence):
        return mistake(file, root, path, f"the field {found['name']!r} is missing")
    if some_value:
        pairs = _pairs(_node(root, path))
        path += [str(key.value) for key, value in pairs if not value.tag.endswith(":str")][:1]
    tags = _tags(_type_at(root, path[:-1], kind)) if path[-1:] == ["kind"] else []
    if tags:
        sentence = f"is one of: {', '.join(tags)}"
    return mistake(file, root, path, _worded(sentence, _type_at(root, path, kind)))


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """A name that does not exist, and the nearest that does."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"there is no {what} {clean(name, 80)!r}; " + (
        f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    )


def _placed(file: Path, line: int, path: Place, sentence: str) -> BadDataError:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "the file"
    return BadDataError(f"{clean(file)}:{line + 1}: {clean(field, 200)}: {_ended(clean(sentence, 600))}")


def _ended(sentence: str) -> str:
    """With one full stop, and none behind a question.

    >>> _ended("it is gone"), _ended("did you mean 'b'?")
    ('it is gone.', "did you mean 'b'?")
    """
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _worded(sentence: str, found: _Type) -> str:
    """msgspec's words for a person: ``must be a text, not a number``; ``found`` is what the field's type is."""
    match = _EXPECTED.match(sentence)
    if match is None:
        return sentence
    wanted = _KINDS.get(match["wanted"], match["wanted"])
    if match["got"] is None:
        says = str((found.extra or {}).get("says", "")) if isinstance(found, inspect.Metadata) else ""
        rule = f"{wanted} {match['rule']}"
        return f"must be {says or rule}"
    got = _KINDS.get(match["got"], match["got"])
    if got == "empty":
        return f"is empty, and must be {wanted}"
    quotes = "; put it into quotes" if wanted == "a text" and got in ("a number", "true or false") else ""
    return f"must be {wanted}, not {got}{quotes}"


def _type_at(root: yaml.Node, path: Place, kind: type[msgspec.Struct]) -> _Type:
    """The type of what stands at ``path``, with what is said of it; of several structs the one whose tag stands there."""
    found: _Type = inspect.type_info(kind)
    for length, part in enumerate(path, 1):
        bare = _bare(found)
        if isinstance(bare, inspect.StructType):
            fields = {field.name: field.type for field in bare.fields}
            found = fields.get(str(part), inspect.AnyType())
        else:
            each = bare.item_type if isinstance(bare, inspect.VarTupleType) else getattr(bare, "value_type", None)
            found = each or inspect.AnyType()
        if isinstance(_bare(found), inspect.UnionType):
            found = _tagged(found, _node(root, path[:length]))
    return found


def _bare(found: _Type) -> _Type:
    while isinstance(found, inspect.Metadata):
        found = found.type
    return found


def _tagged(found: _Type, node: yaml.Node) -> _Type:
    """Of a union of structs the one whose tag stands in ``node``; the union where none does."""
    structs = [one for one in getattr(_bare(found), "types", ()) if isinstance(one, inspect.StructType)]
    values = {str(key.value): value.value for key, value in _pairs(node)}
    return next((one for one in structs if values.get(str(one.tag_field)) == one.tag), found)


def _fields(found: _Type) -> list[str]:
    """The names that a table of this type may have."""
    bare = _bare(found)
    if not isinstance(bare, inspect.StructType):
        return []
    return sorted([*(field.name for field in bare.fields), *([bare.tag_field] if bare.tag_field else [])])


def _tags(found: _Type) -> list[str]:
    return sorted(str(one.tag) for one in getattr(_bare(found), "types", ()) if getattr(one, "tag", None))


def _node(root: yaml.Node, path: Place) -> yaml.Node:
    node: yaml.Node | None = root
    for part in path:
        node = _child(node, part) if node is not None else None
    return node or root


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _child(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item: yaml.Node = node.value[part]
        return item
    return None


def _compose(file: Path, what: str) -> yaml.Node:
    shown = clean(file)
    text = _text(file, shown)
    try:
        root = _nodes(text, FAST)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        said = clean(error.problem or error.context or "syntax error", 200)
        if "\t" in text.split("\n")[line - 1 : line][0][:1]:
            said = f"{said}: indent with spaces, not with tabs"
        raise BadDataError(f"{shown}:{line}: no valid YAML: {said}; mend that line.") from None
    except yaml.YAMLError as error:
        raise BadDataError(f"{shown}:1: no valid YAML: {clean(error, 200)}; mend it.") from None
    if root is None:
        raise BadDataError(f"{shown}:1: is empty; {what}.")
    return root


def _text(file: Path, shown: str) -> str:
    """What the file holds, if it may be YAML at all.

    Raises:
        BadDataError: unreadable, too big, or no text.
    """
    try:
        data = read_plain(file, MAX_BYTES)
    except OSError as error:
        raise BadDataError(
            f"{shown}: cannot be read: {clean(error.strerror or error)}; put a file there that you may read, or take it away."
        ) from None
    if len(data) > MAX_BYTES:
        raise BadDataError(f"{shown}: is larger than {MAX_BYTES // 1024} KiB: make several procedures of it.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDataError(f"{shown}:{line}: no UTF-8 text; save the file as UTF-8.") from None
    wrong = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if wrong is not None:
        line = text.count("\n", 0, wrong.start()) + 1
        raise BadDataError(f"{shown}:{line}: holds the character {spell(wrong.group())}; take it out.")
    return text


def _nodes(text: str, loader: Loader) -> yaml.Node | None:
    try:
        refuse_traps(text.encode(), loader)
        return yaml.compose(text, Loader=loader)
    except yaml.YAMLError:
        if loader is yaml.SafeLoader:
            raise
        return _nodes(text, yaml.SafeLoader)  # Its errors name the line where the broken thing began.


def _plain(node: yaml.Node, file: Path) -> Any:
    """The node as Python data: scalars by YAML's own rules, duplicate keys refused (PyYAML keeps the last in silence)."""
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value in node.value:
            place = f"{clean(file)}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise BadDataError(
                    f"{place}: a list or table stands where the name of a field belongs; name the field."
                )
            key = str(key_node.value)
            if key in result:
                raise BadDataError(f"{place}: {clean(key, 80)!r} is written twice; keep one.")
            result[key] = _plain(value, file)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, file) for item in node.value]
    place = f"{clean(file)}:{node.start_mark.line + 1}"
    try:
        found = SafeConstructor().construct_object(node)
    except WRONG_VALUE as error:
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise BadDataError(
            f"{place}: {clean(node.value, 80)!r} cannot be read as YAML has it ({clean(problem, 120)}); "
            "put it into quotes, without a tag (!name)."
        ) from None
    if isinstance(found, str):
        # Refused, not spelled out: a command that is not what its author wrote is worse than none.
        visible = found.replace("\n", " ").replace("\t", " ")
        spelled = spell(visible)
        if spelled != visible:
            hidden = next((one for one, other in zip(visible, spelled, strict=False) if one != other), visible[-1])
            raise BadDataError(f"{place}: a text holds the invisible character U+{ord(hidden):04X}; take it out.")
    return found

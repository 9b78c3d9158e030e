"""Raw TOML values to typed settings, with *every* problem named instead of the first one.

``msgspec.convert`` stops at its first complaint and knows no neighbouring names, so the walk over the types (from
``msgspec.inspect``) is ours. Values are never repeated in a sentence: somebody will have written a password into the
file, and a sentence ends in logs and on shared screens.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import inspect

from alphapulse_tui.config.lines import KeyPath
from alphapulse_tui.config.settings import Profile, Settings
from alphapulse_tui.text import clean

_MISSING = object()
_SECRET_WORDS = re.compile(r"passw|token|secret", re.IGNORECASE)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the file: where, and a sentence that begins with the key's own name."""

    path: KeyPath
    sentence: str


def decode_settings(raw: Mapping[str, Any]) -> tuple[Settings, list[Problem]]:
    """The settings as far as they can be understood, and everything that is wrong, in the file's order.

    A value that is wrong is left out; ``sound`` says whether a part of the settings may be used all the same.
    """
    decoder = _Decoder()
    settings: Settings = decoder.value(raw, inspect.type_info(Settings), ())  # a table without required fields
    problems = decoder.problems
    for name, profile in settings.profiles.items():
        told = _contradictions(profile, ("profiles", name))
        problems += [problem for problem in told if sound(problems, problem.path)]  # not twice for one mistake
    if settings.default_profile and settings.default_profile not in raw.get("profiles", {}):
        text = f"default_profile names a profile that is not there{suggestion(settings.default_profile, settings.profiles)}"
        problems.append(Problem(("default_profile",), text))
    return settings, problems


def sound(problems: Iterable[Problem], path: KeyPath) -> bool:
    """Whether none of ``problems`` is inside ``path``: one broken profile does not keep the others from opening."""
    return not any(problem.path[: len(path)] == path for problem in problems)


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest one that exists, or all of them.

    >>> suggestion("prodution", ["production", "staging"])
    '; did you mean "production"?'
    >>> suggestion("x", ["production", "staging"])
    '; there are production, staging'
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; there are {', '.join(names)}" if len(names) > 1 else f'; there is only "{names[0]}"' if names else ""


def dotted(path: KeyPath) -> str:
    """A path as it would be written in the file: ``profiles.lab.redis.nodes[0].port``; safe to show."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if _PLAIN_KEY.fullmatch(part) else f'"{clean(part, 80)}"'
            text += f".{word}" if text else word
    return text


class _Decoder:
    """Walks value and type side by side; what is wrong is collected in ``problems`` and left out of the result."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def value(self, raw: Any, kind: inspect.Type, path: KeyPath) -> Any:
        """``raw`` as ``kind``, or ``_MISSING`` when that cannot be."""
        says = ""
        while isinstance(kind, inspect.Metadata | inspect.UnionType):
            if isinstance(kind, inspect.Metadata):
                says = str((kind.extra or {}).get("says", says))
                kind = kind.type
            else:  # X | None: TOML has no null
                kind = next(member for member in kind.types if not isinstance(member, inspect.NoneType))
        if isinstance(kind, inspect.StructType | inspect.DataclassType):
            return self._table(raw, kind, path)
        if isinstance(kind, inspect.DictType):
            return self._named(raw, kind, path)
        if isinstance(kind, inspect.VarTupleType):
            return self._list(raw, kind, path)
        wanted = _refusal(raw, kind, says)
        if wanted:
            return self._wrong(path, wanted, raw, same_kind=_kind_of(raw) == _WORDS.get(type(kind)))
        return float(raw) if isinstance(kind, inspect.FloatType) else raw

    def _table(self, raw: Any, kind: inspect.StructType | inspect.DataclassType, path: KeyPath) -> Any:
        if not isinstance(raw, Mapping):
            return self._wrong(path, "a table", raw)
        fields = {field.name: field for field in kind.fields if not (kind.cls is Profile and field.name == "name")}
        for key in raw:
            if key not in fields:
                self.problems.append(Problem((*path, key), _unknown(path, key, fields)))
        values = {name: self.value(raw[name], fields[name].type, (*path, name)) for name in fields if name in raw}
        for name, field in fields.items():
            if field.required and name not in raw:
                self.problems.append(Problem(path, f"{dotted((*path, name))} is missing"))
        values = {name: value for name, value in values.items() if value is not _MISSING}
        if any(field.required and name not in values for name, field in fields.items()):
            return _MISSING
        return kind.cls(**values)

    def _named(self, raw: Any, kind: inspect.DictType, path: KeyPath) -> Any:
        if not isinstance(raw, Mapping):
            return self._wrong(path, "a table", raw)
        known = {}
        for key, item in raw.items():
            self.value(key, kind.key_type, (*path, key))
            known[key] = self.value(item, kind.value_type, (*path, key))
        return {key: value for key, value in known.items() if value is not _MISSING}

    def _list(self, raw: Any, kind: inspect.VarTupleType, path: KeyPath) -> Any:
        if not isinstance(raw, list):
            return self._wrong(path, "a list", raw)
        if len(raw) < (kind.min_length or 0):
            return self._wrong(path, "a list of at least one item", raw, same_kind=True)
        items = [self.value(item, kind.item_type, (*path, index)) for index, item in enumerate(raw)]
        return tuple(item for item in items if item is not _MISSING)

    def _wrong(self, path: KeyPath, wanted: str, raw: Any, same_kind: bool = False) -> Any:
        tail = "" if same_kind else f", not {_kind_of(raw)}"
        self.problems.append(Problem(path, f"{dotted(path)} must be {wanted}{tail}"))
        return _MISSING


def _refusal(raw: Any, kind: inspect.Type, says: str) -> str:
    """What ``raw`` should have been; empty when it is that."""
    if isinstance(kind, inspect.StrType):
        fits = isinstance(raw, str) and "\0" not in raw and len(raw) >= (kind.min_length or 0)
        fits = fits and (kind.pattern is None or re.search(kind.pattern, raw) is not None)
        return "" if fits else says or "a text"
    if isinstance(kind, inspect.BoolType):
        return "" if isinstance(raw, bool) else "true or false"
    if isinstance(kind, inspect.LiteralType):
        words = [str(word) for word in kind.values if word]
        near = difflib.get_close_matches(raw, words, n=1) if isinstance(raw, str) else []
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        return "" if isinstance(raw, str) and raw in kind.values else f"one of {', '.join(sorted(words))}{hint}"
    if isinstance(kind, inspect.IntType):
        whole = isinstance(raw, int) and not isinstance(raw, bool)
        fits = whole and (kind.ge is None or raw >= kind.ge) and (kind.le is None or raw <= kind.le)
        return "" if fits else f"a whole number from {kind.ge} to {kind.le}"
    if isinstance(kind, inspect.FloatType):
        if isinstance(raw, int) and abs(raw) > sys.float_info.max:
            return "a number of fewer digits"
        return "" if isinstance(raw, int | float) and not isinstance(raw, bool) else "a number"
    raise AssertionError(f"the settings use a type that the decoder does not know: {kind!r}")


_WORDS: dict[type[inspect.Type], str] = {
    inspect.StrType: "a text",
    inspect.LiteralType: "a text",
    inspect.IntType: "a number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
}


def _kind_of(raw: Any) -> str:
    """What a raw value is, in words; the value itself stays unsaid."""
    words = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a table"}
    return words.get(type(raw), "a date or time")


def _unknown(path: KeyPath, key: str, known: Iterable[str]) -> str:
    hint = suggestion(key, known)
    if _SECRET_WORDS.search(key) and "did you mean" not in hint:
        hint = "; secrets do not belong into this file: name the file that holds it, or use the environment"
    return f"{dotted((*path, key))} is unknown{hint}"


def _contradictions(profile: Profile, path: KeyPath) -> list[Problem]:
    """What the types cannot see: numbers that cannot be meant, names used twice, replicas without an address."""
    found = [
        Problem((*path, "thresholds", name), f"{dotted((*path, 'thresholds', name))} {sentence}")
        for name, sentence in profile.thresholds.contradictions()
    ]
    replicas = profile.postgres.replicas if profile.postgres else ()
    if profile.postgres and not profile.postgres.primary and not replicas:
        found.append(
            Problem((*path, "postgres"), f"{dotted((*path, 'postgres'))} names neither a primary nor a replica")
        )
    for index, replica in enumerate(replicas):
        if not (replica.host or replica.service):
            place = (*path, "postgres", "replicas", index)
            found.append(Problem(place, f"{dotted(place)} needs a host or a service"))
    found += _names_used_twice([replica.name for replica in replicas], (*path, "postgres", "replicas"))
    if profile.redis:
        found += _names_used_twice([node.name for node in profile.redis.nodes], (*path, "redis", "nodes"))
    if profile.vault:
        found += _names_used_twice([node.name for node in profile.vault.nodes], (*path, "vault", "nodes"))
    return found


def _names_used_twice(names: list[str], path: KeyPath) -> list[Problem]:
    places = [(*path, index, "name") for index, name in enumerate(names) if name and name in names[:index]]
    return [Problem(place, f"{dotted(place)} is used twice: every node needs a name of its own") for place in places]

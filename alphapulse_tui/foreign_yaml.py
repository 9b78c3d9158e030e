"""YAML that others have written: what PyYAML would crash, hang or end the process on is refused before it is read.

PyYAML builds documents by recursion: in C a file of 100 KB of ``[`` overruns the stack and takes the process along. Aliases let a
small file unfold without end. Its event parser does neither, so the events are looked through first.
"""

from __future__ import annotations

import yaml

Loader = type[yaml.SafeLoader | yaml.CSafeLoader]

FAST: Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C, unless PyYAML was built without it: ten times as fast."""

MOST_NESTED = 50
"""Levels of lists and tables; a kubeconfig has six, a procedure five."""

MOST_VALUES = 100_000
"""Texts, lists and tables once every alias is unfolded; a kubeconfig of a thousand contexts has half of it."""

WRONG_VALUE = (yaml.YAMLError, ValueError, ArithmeticError, AttributeError, LookupError)
"""What PyYAML's constructors raise for a value that is not what its shape or tag says: 2026-02-30, ``!!int abc``, ``!!timestamp x``."""


def refuse_traps(data: bytes, loader: Loader = FAST) -> None:
    """See that ``data`` is nested at most :data:`MOST_NESTED` deep and unfolds to at most :data:`MOST_VALUES` values.

    Raises:
        yaml.MarkedYAMLError: It is not, with the place; or it is no YAML.
        yaml.YAMLError: It is no text that YAML may hold.
    """
    values = 0
    begun: list[tuple[str | None, int]] = []  # Of every list and table that is open: its anchor, the values before it.
    sizes: dict[str | None, int] = {}
    for event in yaml.parse(data, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, values))
            values += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            sizes[anchor] = values - before
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in (anchor for anchor, _ in begun):
                raise _trap(f"*{event.anchor} stands for what it is itself a part of", event)
            values += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
        if len(begun) > MOST_NESTED:
            raise _trap(f"it is nested deeper than {MOST_NESTED} levels", event)
        if values > MOST_VALUES:
            raise _trap(f"it has more than {MOST_VALUES} values, with what its aliases (*name) stand for", event)


def _trap(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    # The stubs know one class of marks only; the parser in C raises its errors with its own, too.
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]

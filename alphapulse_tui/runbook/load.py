"""Reads procedure files: ours, then a team's own, which add procedures and override ours by id.

Every mistake is one sentence with file, line and field. PyYAML's nodes know their lines; msgspec knows the path of the field that does
not fit; here the one is looked up by the other.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import msgspec
import yaml
from yaml.constructor import SafeConstructor

from alphapulse_tui.actions.registry import ACTIONS
from alphapulse_tui.config.settings import Links
from alphapulse_tui.errors import BadDataError, UsageError
from alphapulse_tui.foreign_yaml import FAST, WRONG_VALUE, Loader, refuse_traps
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks import CHECKS
from alphapulse_tui.runbook.names import shipped_folder
from alphapulse_tui.runbook.schema import ActionStep, BranchStep, CheckStep, LinkStep, Procedure, Step, WaitStep
from alphapulse_tui.sources.surveys import SURVEYS
from alphapulse_tui.text import clean

MAX_BYTES = 256 * 1024
"""Bytes of a procedure file; more is a mistake, not a procedure."""

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9-]*)\}")


def load_procedures(*folders: Path) -> dict[str, Procedure]:
    """All procedures by id: ours first, then each of ``folders`` in order, later ones overriding by id.

    Raises:
        BadDataError: the first mistake, with file, line and field.
    """
    found: dict[str, Procedure] = {}
    files: dict[str, Path] = {}
    for folder in (shipped_folder(), *folders):
        for file in _files(folder):
            procedure = load_procedure(file)
            found[procedure.id], files[procedure.id] = procedure, file
    for procedure in found.values():
        _check_opens(files[procedure.id], procedure, found)
    return found


def _files(folder: Path) -> list[Path]:
    """The procedure files in ``folder``, none when it does not exist; raises ``BadDataError`` when nobody can know."""
    try:
        return sorted(folder.glob("*.yaml"))
    except OSError as error:
        raise BadDataError(
            f"{clean(folder)}: cannot be read: {error.strerror}. Procedures of your own belong there."
        ) from None


def _check_opens(file: Path, procedure: Procedure, known: dict[str, Procedure]) -> None:
    """Procedures that a step leads to must be there once every file is read."""
    for index, step in enumerate(procedure.steps):
        for place, name in enumerate(step.opens):
            if name not in known:
                where: list[str | int] = ["steps", index, "opens", place]
                raise mistake(file, _compose(file, "a procedure"), where, unknown("procedure", name, known))


def find_procedure(procedures: dict[str, Procedure], procedure_id: str) -> Procedure:
    """The procedure of that id.

    Raises:
        UsageError: there is none; names the nearest.
    """
    if procedure_id in procedures:
        return procedures[procedure_id]
    near = get_close_matches(procedure_id, procedures, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(procedures)) or 'none'}."
    raise UsageError(f"There is no procedure {clean(procedure_id, 80)!r}; {hint}")


def load_procedure(file: Path) -> Procedure:
    """Read and check one file.

    Raises:
        BadDataError: unreadable, no YAML, or not a procedure; one sentence with file, line and field.
    """
    root, plain = read_document(file, "a procedure has id, title, section, severity, target, summary and steps")
    try:
        procedure = msgspec.convert(plain, Procedure)
    except msgspec.ValidationError as error:
        raise unplaced(file, root, str(error)) from None
    _check_references(file, root, procedure)
    return procedure


def read_document(file: Path, what: str) -> tuple[yaml.Node, Any]:
    """A YAML file as its nodes, which know their lines, and as plain data; ``what`` says what an empty one lacks.

    Raises:
        BadDataError: unreadable, too big, or no YAML; one sentence with file and line.
    """
    root = _compose(file, what)
    return root, _plain(root, file)


def unplaced(file: Path, root: yaml.Node, error: str) -> BadDataError:
    """msgspec's complaint, which knows the path of the field, with file, line and field."""
    sentence, _, path = error.partition(" - at `$")
    path = path.rstrip("`")
    if path.endswith(".kind") and ".steps[" in path:
        sentence += f"; it is one of: {', '.join(sorted(step.kind for step in get_args(Step)))}"
    return mistake(file, root, _path(path), sentence)


def _compose(file: Path, what: str) -> yaml.Node:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadDataError(
            f"{file}: cannot be read: {error.strerror}. Give it read permission or take it away."
        ) from None
    if len(data) > MAX_BYTES:
        raise BadDataError(f"{file}: {len(data)} bytes are too many for a procedure (at most {MAX_BYTES}).")
    try:
        root = _nodes(data, FAST)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise BadDataError(
            f"{where}: no valid YAML: {clean(error.problem or error.context or 'syntax error', 200)}."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadDataError(f"{file}: no valid YAML: {clean(error, 200)}.") from None
    if root is None:
        raise BadDataError(f"{file}:1: is empty; {what}.")
    return root


def _nodes(data: bytes, loader: Loader) -> yaml.Node | None:
    try:
        refuse_traps(data, loader)
        return yaml.compose(data, Loader=loader)
    except yaml.YAMLError:
        if loader is yaml.SafeLoader:
            raise
        return _nodes(data, yaml.SafeLoader)  # Its errors name the line where the broken thing began.


def _plain(node: yaml.Node, file: Path) -> Any:
    """The node as Python data: scalars by YAML's own rules, duplicate keys refused (PyYAML keeps the last in silence)."""
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value in node.value:
            key = str(key_node.value)
            if key in result:
                raise BadDataError(
                    f"{file}:{key_node.start_mark.line + 1}: {clean(key, 80)!r} is written twice; keep one."
                )
            result[key] = _plain(value, file)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, file) for item in node.value]
    try:
        return SafeConstructor().construct_object(node)
    except WRONG_VALUE as error:
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise BadDataError(
            f"{file}:{node.start_mark.line + 1}: {clean(node.value, 80)!r} cannot be read as YAML has it ({clean(problem, 120)}); "
            "put it into quotes, without a tag (!name)."
        ) from None


def _path(text: str) -> list[str | int]:
    """msgspec's ``.steps[2].kind`` as its parts."""
    return [int(index) if index else name for name, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", text)]


def mistake(file: Path, root: yaml.Node, path: list[str | int], sentence: str) -> BadDataError:
    """One sentence that points at the deepest node of ``path`` that exists."""
    node = root
    for part in path:
        following = _child(node, part)
        if following is None:
            break
        node = following
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "the file"
    return BadDataError(f"{file}:{node.start_mark.line + 1}: {field}: {clean(sentence, 300)}.")


def _child(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item: yaml.Node = node.value[part]
        return item
    return None


def _check_references(file: Path, root: yaml.Node, procedure: Procedure) -> None:
    """Names that must exist elsewhere: checks, actions, links, steps, parameters."""
    ids = [step.id for step in procedure.steps]
    parameters = {parameter.name for parameter in procedure.parameters}
    known = [field.name for field in fields(Thresholds)]
    for index, parameter in enumerate(procedure.parameters):
        if parameter.threshold and parameter.threshold not in known:
            raise mistake(
                file, root, ["parameters", index, "threshold"], unknown("threshold", parameter.threshold, known)
            )
        if parameter.pick and parameter.pick not in CHECKS:
            raise mistake(file, root, ["parameters", index, "pick"], unknown("check", parameter.pick, CHECKS))
    surveys = [survey.target for survey in SURVEYS]
    for index, survey in enumerate(procedure.reads):
        if survey not in surveys:
            raise mistake(file, root, ["reads", index], unknown("survey", survey, surveys))
    for index, step in enumerate(procedure.steps):
        here: list[str | int] = ["steps", index]
        if ids.index(step.id) != index:
            raise mistake(file, root, [*here, "id"], f"the id {step.id!r} is taken by step {ids.index(step.id) + 1}")
        if step.needs and step.needs not in ids[:index]:
            raise mistake(file, root, [*here, "needs"], unknown("earlier step", step.needs, ids[:index]))
        if isinstance(step, CheckStep | WaitStep | BranchStep) and step.check not in CHECKS:
            raise mistake(file, root, [*here, "check"], unknown("check", step.check, CHECKS))
        if isinstance(step, LinkStep) and step.link not in Links.__struct_fields__:
            raise mistake(file, root, [*here, "link"], unknown("link", step.link, Links.__struct_fields__))
        _check_command(file, root, [*here, "command"], step.command, parameters)
        if isinstance(step, BranchStep):
            for number, case in enumerate(step.cases):
                if case.goto not in ids:
                    raise mistake(file, root, [*here, "cases", number, "goto"], unknown("step", case.goto, ids))
            if step.otherwise not in ids:
                raise mistake(file, root, [*here, "otherwise"], unknown("step", step.otherwise, ids))
        if isinstance(step, ActionStep):
            if step.until and step.until not in CHECKS:
                raise mistake(file, root, [*here, "until"], unknown("check", step.until, CHECKS))
            if step.action not in ACTIONS:
                raise mistake(file, root, [*here, "action"], unknown("action", step.action, ACTIONS))
            for name, value in step.params.items():
                for wanted in _PLACEHOLDER.findall(value):
                    if wanted not in parameters:
                        raise mistake(file, root, [*here, "params", name], unknown("parameter", wanted, parameters))


def _check_command(
    file: Path, root: yaml.Node, where: list[str | int], command: str, parameters: Iterable[str]
) -> None:
    """A command's placeholders name parameters, and stand where the shell takes a quoted word for one word."""
    for found in _PLACEHOLDER.finditer(command):
        if found.group(1) not in parameters:
            raise mistake(file, root, where, unknown("parameter", found.group(1), parameters))
        if _in_quotes(command[: found.start()]):
            raise mistake(
                file, root, where, f"{found.group(0)} stands inside quotes; its value is quoted when it is put in"
            )


def _in_quotes(before: str) -> bool:
    """Whether the shell is inside quotes after ``before``.

    >>> [_in_quotes(text) for text in ("echo 'it", "echo 'it' ", 'echo "a\\\\" b', "it\\\\'s ")]
    [True, False, True, False]
    """
    inside, escaped = "", False
    for character in before:
        if escaped:
            escaped = False
        elif character == "\\" and inside != "'":
            escaped = True
        elif character == inside:
            inside = ""
        elif not inside and character in "'\"":
            inside = character
    return bool(inside)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """A name that does not exist, and the nearest that does."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"there is no {what} {name!r}; " + (
        f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    )


def fill(text: str, values: dict[str, str]) -> str:
    """``text`` with every ``{parameter}`` replaced; what is no parameter stays as it is.

    >>> fill("older than {idle-seconds} s {state}", {"idle-seconds": "600"})
    'older than 600 s {state}'
    """
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(1), match.group(0)), text)


def fill_command(text: str, values: dict[str, str]) -> str:
    """A command with every ``{parameter}`` replaced by its value as one word of the shell, whatever is in it; what has no value stays.

    >>> fill_command("psql -v name={name} -v age={age}", {"name": "a; reboot", "age": ""})
    "psql -v name='a; reboot' -v age={age}"
    """
    return fill(text, {name: shlex.quote(value) for name, value in values.items() if value})

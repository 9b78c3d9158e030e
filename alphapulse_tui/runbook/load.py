"""Reads procedure files: ours, then a team's own, which add procedures and override ours by id.

A file with a mistake is left out and costs itself only: nobody may lose the runbook because of a comma. Each mistake is one sentence with file,
line and field (``document.py``); names that must exist elsewhere are looked up by ``references.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import msgspec

from alphapulse_tui.errors import BadDataError, UsageError
from alphapulse_tui.runbook.document import Place, mistake, read_document, unknown, unplaced
from alphapulse_tui.runbook.names import SUFFIX, procedure_files, procedure_name, shipped_folder
from alphapulse_tui.runbook.references import check_references
from alphapulse_tui.runbook.schema import Procedure
from alphapulse_tui.text import clean


@dataclass(frozen=True, slots=True)
class Mistake:
    """A file of a team's own that cannot be used."""

    sentence: str
    """With file, line and field, and what to do."""
    procedure: str = ""
    """The id that the file says it has; empty where it does not tell."""
    file: str = ""
    """The file's own name."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the folders hold."""

    procedures: dict[str, Procedure]
    """By id."""
    mistakes: tuple[Mistake, ...]
    """One for each file that was left out; where it would have replaced one of ours, ours stands."""

    def find(self, procedure_id: str) -> Procedure:
        """The procedure of that id.

        Raises:
            BadDataError: a team's own file says that it is this one, and is wrong: ours in its place is not what they want run.
            UsageError: there is none; names the nearest.
        """
        broken = next((one for one in self.mistakes if one.procedure == procedure_id), None)
        if broken is not None:
            raise BadDataError(broken.sentence)
        return find_procedure(self.procedures, procedure_id)


def read_shelf(*folders: Path) -> Shelf:
    """All procedures: ours first, then each of ``folders`` in order, later ones overriding by id. A file with a mistake costs itself only."""
    good: list[tuple[Path, Procedure]] = []
    mistakes: list[Mistake] = []
    for folder in (shipped_folder(), *folders):
        here: dict[str, Path] = {}
        try:
            files = procedure_files(folder)
        except OSError as error:
            said = f"{clean(folder)}: cannot be read: {clean(error.strerror or error)}. Procedures of your own belong there."
            mistakes.append(Mistake(said, file="procedures"))
            continue
        for file in files:
            try:
                procedure = load_procedure(file, ours=folder == shipped_folder())
                _check_id(file, procedure, here)
            except BadDataError as problem:
                mistakes.append(Mistake(problem.sentence, procedure_name(file), clean(file.name, 80)))
            else:
                good.append((file, procedure))
                here[procedure.id] = file
    while (wrong := _wrong_way(good)) is not None:
        place, sentence = wrong
        file, procedure = good.pop(place)  # What leads to it may be wrong now, too.
        mistakes.append(Mistake(sentence, procedure.id, clean(file.name, 80)))
    return Shelf({procedure.id: procedure for _, procedure in good}, tuple(mistakes))


def load_procedures(*folders: Path) -> dict[str, Procedure]:
    """The procedures of :func:`read_shelf`.

    Raises:
        BadDataError: the first mistake, with file, line and field.
    """
    shelf = read_shelf(*folders)
    for mistaken in shelf.mistakes:
        raise BadDataError(mistaken.sentence)
    return shelf.procedures


def _check_id(file: Path, procedure: Procedure, taken: dict[str, Path]) -> None:
    """Two files of one folder must not be the same procedure: which of them counted would be their names' matter."""
    if not file.name.endswith(SUFFIX):
        raise BadDataError(f"{clean(file)}: is not read under this name; name it {clean(file.stem)}{SUFFIX}.")
    if procedure.id in taken:
        root, _ = read_document(file, "")
        raise mistake(
            file, root, ["id"], f"{taken[procedure.id].name} has the id {procedure.id!r} too; give one of them another"
        )


def _wrong_way(good: list[tuple[Path, Procedure]]) -> tuple[int, str] | None:
    """The first file with a step that leads to a procedure that there is not: its place, and the sentence."""
    known = {procedure.id for _, procedure in good}
    for place, (file, procedure) in enumerate(good):
        for index, step in enumerate(procedure.steps):
            for number, name in enumerate(step.opens):
                if name not in known:
                    root, _ = read_document(file, "")
                    where: Place = ["steps", index, "opens", number]
                    return place, mistake(file, root, where, unknown("procedure", name, known)).sentence
    return None


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


def load_procedure(file: Path, *, ours: bool = False) -> Procedure:
    """Read and check one file; what is dear to check of ``ours`` a test has checked.

    Raises:
        BadDataError: unreadable, no YAML, or not a procedure; one sentence with file, line and field.
    """
    root, plain = read_document(file, "a procedure has id, title, section, severity, target, summary and steps")
    try:
        procedure = msgspec.convert(plain, Procedure)
    except msgspec.ValidationError as error:
        raise unplaced(file, root, str(error), Procedure) from None
    check_references(file, root, procedure, actions=not ours)
    return procedure

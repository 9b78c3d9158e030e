"""Where everything of the runbook is: ``coverage.yaml`` beside the procedures, read and held against what exists.

Nothing of the runbook is dropped in silence: every command, threshold, metric, link, role and time has an entry with the step or setting that
has it, or what replaces it and why, or why it is refused. A step, setting, query or action that an entry names and that is gone is a mistake
with file, line and field, as in a procedure. ``python -m tests.coverage_page`` makes docs/coverage.md of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from alphapulse_tui.actions.registry import ACTIONS
from alphapulse_tui.config.settings import Contact, Links, Profile, PrometheusTarget, runbook_contacts
from alphapulse_tui.model.platform_queries import PLATFORM_QUERIES
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks import CHECKS
from alphapulse_tui.runbook.document import mistake, read_document, unknown, unplaced
from alphapulse_tui.runbook.schema import Procedure, Sentence

Kind = Literal[
    "command",
    "threshold",
    "metric",
    "link",
    "role",
    "time",
    "symptom",
    "cause",
    "prevention",
    "expected",
    "alert",
    "field",
]
How = Literal["run", "replaced", "refused"]


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the runbook, and where it is."""

    line: Annotated[int, Meta(ge=1)]
    """Its line in the runbook; the first of several."""
    kind: Kind
    text: Annotated[str, Meta(min_length=1)]
    """As the runbook writes it."""
    how: How
    """``run``: we do it. ``replaced``: something else does it better. ``refused``: not from here."""
    step: str = ""
    """``procedure/step``."""
    procedure: str = ""
    """Whose symptoms, prevention or parameters have it."""
    setting: str = ""
    """``thresholds.redis_memory_critical``, ``links.jaeger``, ``contacts.L1``, ``prometheus.window``, ``procedure.parameter`` as
    ``parameters.pg-connections.idle-seconds``."""
    query: str = ""
    """A query of the platform panel: ``p99``."""
    check: str = ""
    action: str = ""
    screen: str = ""
    """Where on the screens, in words, for what no procedure has: ``platform panel``."""
    because: str = ""
    """Why it is replaced or refused; may be left out where the step says so itself."""

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Field and value of everything that it names."""
        named = ("step", "procedure", "setting", "query", "check", "action", "screen")
        return tuple((name, value) for name in named if (value := getattr(self, name)))


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """One section of the runbook."""

    section: Annotated[str, Meta(min_length=1)]
    title: Sentence
    entries: Annotated[tuple[Entry, ...], Meta(min_length=1, extra={"says": "a list of at least one entry"})]


class Coverage(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    sections: Annotated[tuple[Section, ...], Meta(min_length=1, extra={"says": "a list of at least one section"})]


def shipped() -> Path:
    """Where our own lies: not in the folder of procedures, whose every file is one."""
    return Path(__file__).resolve().parent / "coverage.yaml"


def load_coverage(procedures: Mapping[str, Procedure], file: Path | None = None) -> Coverage:
    """Read and check the file.

    Raises:
        BadDataError: the first mistake, with file, line and field.
    """
    file = file or shipped()
    root, plain = read_document(file, "a coverage file has sections")
    try:
        coverage = msgspec.convert(plain, Coverage)
    except msgspec.ValidationError as error:
        raise unplaced(file, root, str(error), Coverage) from None
    for number, section in enumerate(coverage.sections):
        for index, entry in enumerate(section.entries):
            field, said = problem(entry, procedures)
            if said:
                raise mistake(file, root, ["sections", number, "entries", index, *([field] if field else [])], said)
    return coverage


def problem(entry: Entry, procedures: Mapping[str, Procedure]) -> tuple[str, str]:
    """The field of an entry that is wrong and what is wrong with it; both empty when nothing is."""
    if not entry.places and entry.how != "refused":
        return "", "names no place: a step, procedure, setting, query, check, action or screen"
    if entry.step:
        said = _step(entry.step, procedures)
        if said:
            return "step", said
    if entry.how != "run" and not why(entry, procedures):
        return "because", f"is missing: say why it is {entry.how}, here or in the step"
    tables = (("procedure", procedures), ("query", [one.id for one in PLATFORM_QUERIES]), ("check", CHECKS))
    for name, known in (*tables, ("action", ACTIONS)):
        value = getattr(entry, name)
        if value and value not in known:
            return name, unknown(name, value, known)
    return ("setting", _setting(entry.setting, procedures)) if entry.setting else ("", "")


def why(entry: Entry, procedures: Mapping[str, Procedure]) -> str:
    """Why it is not as the runbook has it: the entry's own words, else its step's."""
    if entry.because or not entry.step:
        return entry.because.strip()
    procedure, _, step = entry.step.partition("/")
    return procedures[procedure].step(step).because.strip()


def _step(place: str, procedures: Mapping[str, Procedure]) -> str:
    procedure, _, step = place.partition("/")
    if procedure not in procedures:
        return unknown("procedure", procedure, procedures)
    ids = [each.id for each in procedures[procedure].steps]
    return "" if step in ids else unknown(f"step of {procedure}", step, ids)


def _setting(place: str, procedures: Mapping[str, Procedure]) -> str:
    section, _, name = place.partition(".")
    if section == "parameters":
        procedure, _, parameter = name.partition(".")
        if procedure not in procedures:
            return unknown("procedure", procedure, procedures)
        known = [each.name for each in procedures[procedure].parameters]
        return "" if parameter in known else unknown(f"parameter of {procedure}", parameter, known)
    tables: dict[str, list[str]] = {
        "thresholds": [field.name for field in fields(Thresholds)],
        "links": list(Links.__struct_fields__),
        "contacts": [*runbook_contacts(), *Contact.__struct_fields__],
        "prometheus": list(PrometheusTarget.__struct_fields__),
        "profile": list(Profile.__struct_fields__),
    }
    if section not in tables:
        return unknown("section of settings", section, [*tables, "parameters"])
    return "" if name in tables[section] else unknown(f"setting in {section}", name, tables[section])

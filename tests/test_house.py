"""The house rules that no linter knows (docs/architecture.md): small files, small functions, two broad excepts, forbidden names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*(ROOT / "alphapulse_tui").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
PACKAGE = [file for file in FILES if "alphapulse_tui" in file.relative_to(ROOT).parts]

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
BROAD = (
    "sources/contract.py",
    "sources/private_thread.py",
    "listeners.py",
    "executor/",
    "cli/main.py",
    "terminal/driver.py",
)
"""Where any exception may be caught: the source loop (with its threads, which raise it again elsewhere, and whom it tells) and the executor must
survive; the command line and the driver must leave well."""

NAMELESS = {"utils", "helpers", "manager", "managers", "common", "misc"}


def test_no_file_grows_past_its_room() -> None:
    large = {
        str(file.relative_to(ROOT)): count
        for file in FILES
        if (count := len(file.read_text().splitlines())) > MOST_LINES
    }
    assert not large


def test_no_function_grows_past_a_screen() -> None:
    large = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_FUNCTION_LINES:
                    large.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {lines}")
    assert not large


def test_any_exception_is_caught_only_where_something_must_survive() -> None:
    broad = set()
    for file in PACKAGE:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or _names(node.type) & {"Exception", "BaseException"}
            ):
                reraises = any(isinstance(part, ast.Raise) for part in ast.walk(node))
                if not reraises:
                    broad.add(str(file.relative_to(ROOT / "alphapulse_tui")))
    assert not {file for file in broad if not file.startswith(BROAD)}


def _names(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


@pytest.mark.parametrize("file", PACKAGE, ids=lambda file: str(file.relative_to(ROOT)))
def test_names_say_what_a_module_is(file: Path) -> None:
    assert file.stem not in NAMELESS and not set(file.relative_to(ROOT).parts) & NAMELESS

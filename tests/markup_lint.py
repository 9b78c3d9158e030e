"""The lint behind ``test_markup_lint.py``: finds bare strings that Textual would read as markup.

It reads syntax trees and does not guess types: a variable is safe when everything assigned to it in its function is, or when it is annotated
``Content`` or ``Text``; a call or an attribute is safe when every definition of that name in the tree is annotated so.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

# What is given to these is markup: class or method -> (positions, keywords). A position of -1 means all.
CONSTRUCTORS: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "Static": ((0,), ("content",)),
    "Label": ((0,), ("content",)),
    "Button": ((0,), ("label", "tooltip")),
    "Checkbox": ((0,), ("label", "tooltip")),
    "RadioButton": ((0,), ("label", "tooltip")),
    "RadioSet": ((-1,), ("tooltip",)),
    "ToggleButton": ((0,), ("label", "tooltip")),
    "Collapsible": ((), ("title",)),
    "Tab": ((0,), ("label",)),
    "Tabs": ((-1,), ()),
    "TabPane": ((0,), ("title",)),
    "Tree": ((0,), ("label",)),
    "Option": ((0,), ("prompt",)),
    "OptionList": ((-1,), ()),
    "Select": ((0,), ("options", "prompt", "tooltip")),
    "Selection": ((0,), ("prompt",)),
    "SelectionList": ((-1,), ()),
    "Link": ((), ("tooltip",)),
    "Notification": ((0,), ("message", "title")),
}
METHODS: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "notify": ((0,), ("message", "title")),
    "update": ((0,), ("content",)),
    "add_row": ((-1,), ("label",)),
    "add_rows": ((0,), ("rows",)),
    "add_column": ((0,), ("label",)),
    "add_columns": ((-1,), ()),
    "update_cell": ((2,), ("value",)),
    "update_cell_at": ((1,), ("value",)),
    "add_leaf": ((0,), ("label",)),
    "set_label": ((0,), ("label",)),
    "add": ((0,), ("label",)),
    "add_option": ((0,), ("item",)),
    "add_options": ((0,), ("items",)),
    "set_options": ((0,), ("options",)),
    "replace_option_prompt": ((1,), ("prompt",)),
    "replace_option_prompt_at_index": ((1,), ("prompt",)),
    "with_tooltip": ((0,), ("tooltip",)),
    "write": ((), ()),
}
ASSIGNED = frozenset(
    {"border_title", "border_subtitle", "tooltip", "label", "prompt", "renderable", "title", "sub_title"}
)
CLASS_CONSTANTS = frozenset({"BORDER_TITLE", "BORDER_SUBTITLE"})
RENDERERS = frozenset({"render", "render_str"})
SAFE_TYPES = frozenset({"Content", "Text", "Strip", "Segment", "Visual", "int", "float", "bool", "None"})
ALSO_DICTIONARIES_AND_SETS = frozenset({"update", "add"})
TITLE_IS_MARKUP = re.compile(r"(?:^|[^a-z])(?:collapsible|pane|tab)(?:$|[^a-z])", re.IGNORECASE)
"""Of all titles only those of a Collapsible and a TabPane are markup; apps, screens and our panels show theirs as they are."""


@dataclass
class Vocabulary:
    """Names in the tree whose every definition is annotated with a safe type."""

    annotations: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, source: str) -> None:
        for name, safe in annotated(source):
            self.annotations[name].append(safe)

    def knows(self, name: str) -> bool:
        return bool(self.annotations.get(name)) and all(self.annotations[name])


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(textwrap.dedent(source))


@cache
def annotated(source: str) -> tuple[tuple[str, bool], ...]:
    """Every annotated name of a source, and whether its type is safe."""
    found = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append((node.name, is_safe_type(node.returns)))
        elif isinstance(node, ast.AnnAssign):
            name = node.target.attr if isinstance(node.target, ast.Attribute) else getattr(node.target, "id", "")
            found.append((name, is_safe_type(node.annotation)))
    return tuple(found)


def is_safe_type(annotation: ast.expr | None) -> bool:
    """Whether an annotation can only mean something that is never read as markup (also in lists, tuples, optional)."""
    if annotation is None:
        return False
    names = {
        name
        for name in re.findall(r"[A-Za-z_]\w*", ast.unparse(annotation))
        if name not in ("list", "tuple", "Sequence", "Iterable")
    }
    return bool(names) and names <= SAFE_TYPES


class MarkupLint(ast.NodeVisitor):
    """Collects ``line: what`` for every bare string that would be read as markup."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.found: list[str] = []
        self.functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
        self.classes: list[ast.ClassDef] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.classes.append(node)
        self.generic_visit(node)
        self.classes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.functions.append(node)
        if node.name in RENDERERS and self.classes and not is_safe_type(node.returns):
            for statement in ast.walk(node):
                if isinstance(statement, ast.Return) and statement.value is not None and self.is_text(statement.value):
                    self.report(statement, f"{node.name}() returns")
        self.generic_visit(node)
        self.functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name that ast.NodeVisitor looks for

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        sinks = METHODS if isinstance(node.func, ast.Attribute) and name in METHODS else CONSTRUCTORS
        if name in sinks and not (isinstance(node.func, ast.Attribute) and name in CONSTRUCTORS and name in METHODS):
            positions, keywords = sinks[name]
            self.check_arguments(node, name, positions, keywords)
        if any(keyword.arg == "markup" and not is_false(keyword.value) for keyword in node.keywords):
            self.report(node, f"{name}(markup=True)")
        if name == "from_markup" and not (node.args and isinstance(node.args[0], ast.Constant)):
            self.report(node, "from_markup() of a text that is not written here")
        if name == "from_ansi":
            self.report(node, "from_ansi() keeps what a terminal obeys")
        self.generic_visit(node)

    def check_arguments(self, node: ast.Call, name: str, positions: tuple[int, ...], keywords: tuple[str, ...]) -> None:
        if any(keyword.arg == "markup" and is_false(keyword.value) for keyword in node.keywords):
            return
        given = [argument for index, argument in enumerate(node.args) if -1 in positions or index in positions]
        given += [keyword.value for keyword in node.keywords if keyword.arg in keywords]
        guessed = name in ALSO_DICTIONARIES_AND_SETS and not self.is_widget(node.func)
        for argument in given:
            if self.is_text(argument) if guessed else not self.is_safe(argument):
                self.report(argument, f"{name}()")

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.check_assignment(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.check_assignment(node.target, node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.check_assignment(node.target, node.value)
        self.generic_visit(node)

    def check_assignment(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Attribute) and target.attr in ASSIGNED:
            if target.attr in ("title", "sub_title") and not TITLE_IS_MARKUP.search(ast.unparse(target.value)):
                return
            if not self.is_safe(value):
                self.report(value, target.attr)
        elif isinstance(target, ast.Name) and target.id in CLASS_CONSTANTS and self.classes and not self.is_safe(value):
            self.report(value, target.id)

    def is_widget(self, function: ast.expr) -> bool:
        """Whether the receiver of ``update`` or ``add`` is surely a widget or a tree node."""
        receiver = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
        return receiver == "super()" or bool(
            re.search(r"query_one\(|(^|[._])(static|label|root|node|branch|toast|tree)$", receiver)
        )

    def is_text(self, value: ast.expr) -> bool:
        """Whether ``value`` is surely a string, and not a harmless constant."""
        if isinstance(value, ast.IfExp):
            return self.is_text(value.body) or self.is_text(value.orelse)
        if isinstance(value, ast.BinOp):
            return self.is_text(value.left) or self.is_text(value.right) or is_string(value.left)
        if isinstance(value, ast.Call):
            name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
            return name in ("str", "clean", "format", "join")
        return isinstance(value, ast.JoinedStr) or (is_string(value) and not self.is_safe(value))

    def is_safe(self, value: ast.expr) -> bool:
        """Whether ``value`` is never read as markup, as far as the source shows."""
        match value:
            case ast.Constant():
                return not isinstance(value.value, str) or "[" not in value.value
            case ast.IfExp():
                return self.is_safe(value.body) and self.is_safe(value.orelse)
            case ast.BoolOp():
                return all(self.is_safe(part) for part in value.values)
            case ast.BinOp():
                return self.is_safe(value.left) and self.is_safe(value.right) and not isinstance(value.op, ast.Mod)
            case ast.List() | ast.Tuple() | ast.Set():
                return all(self.is_safe(part) for part in value.elts)
            case ast.ListComp() | ast.GeneratorExp():
                return self.is_safe(value.elt)
            case ast.Starred() | ast.Await():
                return self.is_safe(value.value)
            case ast.NamedExpr():
                return self.is_safe(value.value)
            case ast.Call():
                return self.is_safe_call(value)
            case ast.Attribute():
                return self.vocabulary.knows(value.attr)
            case ast.Name():
                return self.is_safe_name(value.id)
        return False

    def is_safe_call(self, call: ast.Call) -> bool:
        function = call.func
        if isinstance(function, ast.Name):
            return function.id in SAFE_TYPES | {"Option", "Selection", "len", *CONSTRUCTORS} or self.vocabulary.knows(
                function.id
            )
        if isinstance(function, ast.Attribute):
            of_safe_type = isinstance(function.value, ast.Name) and function.value.id in SAFE_TYPES
            of_content = (
                function.attr in CONTENT_METHODS and not is_string(function.value) and self.is_safe(function.value)
            )
            return of_safe_type or of_content or self.vocabulary.knows(function.attr)
        return False

    def is_safe_name(self, name: str) -> bool:
        if not self.functions:
            return self.vocabulary.knows(name)
        function = self.functions[-1]
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        arguments += [argument for argument in (function.args.vararg, function.args.kwarg) if argument is not None]
        for argument in arguments:
            if argument.arg == name:
                return is_safe_type(argument.annotation)
        values = [value for node in ast.walk(function) for value in bound_to(node, name)]
        if not values:
            return self.vocabulary.knows(name)
        return all(value is not None and self.is_safe(value) for value in values if not mentions(value, name))

    def report(self, node: ast.AST, sink: str) -> None:
        self.found.append(f"{node.lineno}: {sink}: {ast.unparse(node)[:80]}")  # type: ignore[attr-defined]


CONTENT_METHODS = frozenset(
    {
        "stylize",
        "stylize_before",
        "append",
        "append_text",
        "join",
        "truncate",
        "pad_left",
        "pad_right",
        "right_crop",
        "copy",
        "plain",
    }
)


def bound_to(node: ast.AST, name: str) -> Iterator[ast.expr | None]:
    """The values that ``node`` gives to the variable ``name``; ``None`` where the value cannot be seen (a loop, a ``with``)."""
    if isinstance(node, ast.Assign) and any(isinstance(part, ast.Name) and part.id == name for part in node.targets):
        yield node.value
        return
    target = getattr(node, "target", None)
    if isinstance(node, ast.AugAssign | ast.NamedExpr) and isinstance(target, ast.Name) and target.id == name:
        yield node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
        yield ast.Constant(None) if is_safe_type(node.annotation) else node.value
    elif isinstance(node, ast.Assign | ast.For | ast.AsyncFor | ast.comprehension | ast.withitem):
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.optional_vars if isinstance(node, ast.withitem) else node.target]
        )
        if any(
            isinstance(part, ast.Name) and part.id == name for target in targets if target for part in ast.walk(target)
        ):
            yield None


def mentions(value: ast.expr | None, name: str) -> bool:
    """Whether a variable is built from itself (``line = line.append(...)``): then its other assignments decide."""
    return (
        value is not None
        and isinstance(value, ast.Call)
        and any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(value.func))
    )


def is_string(value: ast.expr) -> bool:
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))


def is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def lint(*sources: str) -> list[str]:
    """What is found in the first of ``sources``; all of them teach the vocabulary."""
    vocabulary = Vocabulary()
    for source in sources:
        vocabulary.learn(source)
    checker = MarkupLint(vocabulary)
    checker.visit(parsed(sources[0]))
    return checker.found

"""No bare string reaches a widget, a title or ``notify``: Textual would read markup in it.

``[/var/log/x]`` in a pod's message kills a default ``Static``; ``[ERROR]`` silently disappears; ``[@click=app.quit]`` becomes a button. So what
is shown is ``Content`` or ``Text``, or the widget is told ``markup=False``. Constants without a bracket may stay bare.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import alphapulse_tui
from tests.markup_lint import lint

PACKAGE = Path(alphapulse_tui.__file__).parent
LINTED = ("widgets", "screens", "app.py")


def linted_files() -> list[Path]:
    files = [
        path
        for part in LINTED
        for path in ([PACKAGE / part] if part.endswith(".py") else sorted((PACKAGE / part).rglob("*.py")))
    ]
    return [path for path in files if path.exists()]


def test_no_bare_string_reaches_the_screen() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in linted_files()}
    assert len(sources) > 3
    found = [
        f"{path.relative_to(PACKAGE.parent)}:{finding}"
        for path, source in sources.items()
        for finding in lint(source, *(other for other in sources.values() if other is not source))
    ]
    assert found == [], "wrap these in Content(...) or say markup=False:\n" + "\n".join(found)


CAUGHT = {
    "Static, f-string": "Static(f'{name}')",
    "Static, keyword": "Static(content=pod.message)",
    "Static, constant": "Static('[b]bold[/b]')",
    "Static, markup=True": "Static('x', markup=True)",
    "through the module": "widgets.Static(name)",
    "Label, attribute": "Label(pod.name)",
    "Label, concatenation": "Label('pod ' + name)",
    "Label, %": "Label('%s' % name)",
    "Label, format": "Label('{}'.format(name))",
    "Label, join": "Label(', '.join(names))",
    "Label, str()": "Label(str(error))",
    "Label, clean()": "Label(clean(error))",
    "Label, condition": "Label('ok' if good else name)",
    "Label, or": "Label(name or '-')",
    "Button": "Button(name)",
    "Button, tooltip": "Button('x', tooltip=f'{name}')",
    "Checkbox": "Checkbox(name)",
    "Collapsible": "Collapsible(title=name)",
    "Tab": "Tab(name)",
    "TabPane": "TabPane(name)",
    "Tree": "Tree(name)",
    "OptionList": "OptionList('a', name)",
    "Option": "Option(name)",
    "Select": "Select([(name, 1)])",
    "Select, comprehension": "Select([(pod.name, pod.uid) for pod in pods])",
    "DataTable cells": "table.add_row('x', pod.name)",
    "DataTable cells, starred": "table.add_row(*cells)",
    "DataTable cells, rows": "table.add_rows([(pod.name,) for pod in pods])",
    "DataTable cell": "table.update_cell(row, column, pod.name)",
    "DataTable cell by place": "table.update_cell_at(place, f'{age}')",
    "DataTable header": "table.add_column(name)",
    "DataTable headers": "table.add_columns('a', name)",
    "tree leaf": "node.add_leaf(name)",
    "tree node": "tree.root.add(name)",
    "tree label": "node.set_label(name)",
    "option": "menu.add_option(name)",
    "option prompt": "menu.replace_option_prompt('id', name)",
    "notify": "self.notify(f'{error}')",
    "notify, title": "self.notify('x', title=name)",
    "notify, bracket": "self.notify('see [1]')",
    "update": "self.query_one('#x').update(name)",
    "update, any receiver": "panel.update(f'{name}')",
    "border title": "self.border_title = name",
    "border title, f-string": "self.border_title = f'Pods ({count})'",
    "border subtitle": "panel.border_subtitle = pod.name",
    "border subtitle, +=": "panel.border_subtitle += pod.name",
    "tooltip": "self.tooltip = alert.summary",
    "title": "pane.title = name",
    "title of a Collapsible": "self.query_one(Collapsible).title = f'{name}'",
    "label": "button.label = name",
    "from_markup": "Label(Content.from_markup(name))",
    "from_markup, Text": "Text.from_markup(f'{name}')",
    "from_ansi": "Text.from_ansi(line)",
    "class constant": "class P(Widget):\n    BORDER_TITLE = 'Pods [1]'",
    "render": "class P(Widget):\n    def render(self) -> str:\n        return f'{self.pod}'",
    "a variable": "def f(pod):\n    line = pod.name\n    return Label(line)",
    "a variable, one bad branch": "def f(pod):\n    line = Content('x')\n    if pod:\n        line = pod.name\n    return Label(line)",
    "a loop's variable": "def f(pods):\n    for name in pods:\n        yield Label(name)",
    "an argument": "def f(name: str):\n    return Label(name)",
    "a call of ours that returns str": "def words(pod) -> str: ...\nLabel(words(pod))",
}

ALLOWED = {
    "constant": "Static('No pods.')",
    "nothing": "Static()",
    "markup=False": "Static(pod.message, markup=False)",
    "Content": "Label(Content(pod.name))",
    "Text": "table.add_row(Text(pod.name), Content.styled(pod.node, 'bold'))",
    "assembled": "Label(Content.assemble(('x', 'bold'), pod.name))",
    "from_markup with variables": "Label(Content.from_markup('[b]$name[/b]', name=pod.name))",
    "notify, markup=False": "self.notify(f'{error}', markup=False)",
    "notify, constant": "self.notify('Done.')",
    "a number": "table.add_row(len(pods), 3)",
    "condition": "Label('ok' if good else Content(name))",
    "a variable": "def f(pod):\n    line = Content(pod.name)\n    return Label(line)",
    "an argument": "def f(line: Content | None):\n    return Label(line)",
    "cells": "def f(cells: list[Content]):\n    table.add_row(*cells)",
    "comprehension": "table.add_columns(*(Content(name) for name in names))",
    "a call of ours": "def words(pod) -> Content: ...\nLabel(words(pod))",
    "an attribute of ours": "class P:\n    line: Content\nself.border_title = p.line",
    "Content grows": "def f(pod):\n    line = Content('x')\n    line = line.append(pod.name)\n    return Label(line)",
    "a dictionary": "settings.update(other)",
    "a set": "seen.add(name)",
    "a screen's title": "self.title = self.pod.name",
    "a panel's title": "panel.title = plan.title",
    "border title taken away": "self.border_title = None",
    "render": "class P(Widget):\n    def render(self) -> Content:\n        return Content(self.pod)",
    "not a widget": "Reading(name)",
}


@pytest.mark.parametrize("kind", CAUGHT)
def test_what_is_caught(kind: str) -> None:
    assert lint(CAUGHT[kind]) != []


@pytest.mark.parametrize("kind", ALLOWED)
def test_what_is_allowed(kind: str) -> None:
    assert lint(ALLOWED[kind]) == []


def test_a_definition_elsewhere_counts_and_one_bad_definition_spoils_the_name() -> None:
    use = "Label(words(pod))"
    assert lint(use, "def words(pod) -> Content: ...") == []
    assert lint(use, "def words(pod) -> Content: ...", "def words(pod) -> str: ...") == ["1: Label(): words(pod)"]

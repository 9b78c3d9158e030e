"""Every key of the cockpit in one table: bindings, footer, help, palette and the check of a user's keymap are made from it.

The same key means the same thing on every screen (design 4, rule 4). Only letters, digits, F-keys, arrows, Enter and Esc: tmux, flow
control and old terminals eat the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from textual.binding import Binding, BindingType
from textual.keys import Keys

from alphapulse_tui.errors import ConfigError

EVERYWHERE = "everywhere"
COCKPIT = "cockpit"
PROCEDURE = "procedure"
INCIDENT = "incident"
DETAIL = "detail"
TEXT = "text"
"""All that is known of one row."""
LOG = "log"
"""A container's log: a list of its lines."""
LIST = "list"
"""What every list has, also those of targets (``DETAIL``)."""
ACTION = "action"
UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that a key does. ``id`` is what a keymap in the config names."""

    id: str
    keys: str
    """Textual key names, joined by commas; the first is shown."""
    action: str
    """The screen's method ``action_...``; those of the program begin with ``app.``."""
    title: str
    """One or two words for the footer."""
    help: str
    """One sentence for the help screen."""
    scope: str
    footer: bool = True
    shown_key: str = ""
    """How the footer writes the key, where its name is not what is pressed."""


COMMANDS: tuple[Command, ...] = (
    Command("cockpit.panel", "1,2,3,4,5,6,7", "", "panel", "Focus the panel of that number.", COCKPIT, shown_key="1-7"),
    Command(
        "fix", "f", "fixes", "fix", "Numbered fixes for the focused panel or row, the suggested one first.", COCKPIT
    ),
    Command(
        "open", "enter", "", "open", "Open the panel's details, or the alert's procedure.", COCKPIT, shown_key="Enter"
    ),
    Command("procedure", "p", "procedure", "procedure", "Open the procedure that the verdict suggests.", COCKPIT),
    Command("runbook", "r", "runbook", "runbook", "All procedures.", EVERYWHERE),
    Command("incident", "i", "incident", "incident", "The open incident: clocks, timeline, postmortem.", EVERYWHERE),
    Command("acknowledge", "a", "acknowledge", "ack", "Acknowledge the incident.", EVERYWHERE),
    Command("note", "n", "note", "note", "Write a note into the timeline.", EVERYWHERE),
    Command("update", "u", "update", "update", "Draft an update of the incident, copied for the channel.", EVERYWHERE),
    Command("escalate", "e", "escalate", "escalate", "Record an escalation, with a reason.", EVERYWHERE),
    Command("declare", "exclamation_mark", "declare", "declare", "Declare an incident.", EVERYWHERE, shown_key="!"),
    Command("arm", "A", "arm", "arm", "Allow changes in production for 60 minutes.", EVERYWHERE, footer=False),
    Command(
        "unresolved", "o", "unresolved", "outcomes", "Actions whose outcome is not known.", EVERYWHERE, footer=False
    ),
    Command(
        "refresh",
        "f5",
        "refresh",
        "refresh",
        "Ask every target again now; try again what failed at the start.",
        EVERYWHERE,
        footer=False,
        shown_key="F5",
    ),
    Command("palette", "colon", "app.command_palette", "command", "Find a command by name.", EVERYWHERE, shown_key=":"),
    Command("help", "question_mark", "help", "help", "This screen's keys.", EVERYWHERE, shown_key="?"),
    Command("quit", "q", "app.quit", "quit", "Leave; what was sent goes on in the executor.", EVERYWHERE),
    Command(
        "detail.open",
        "enter",
        "",
        "open",
        "All that is known of the row; else its procedure, else its fixes.",
        LIST,
        shown_key="Enter",
    ),
    Command("detail.fix", "f", "fixes", "fix", "Numbered fixes for the row, the suggested one first.", DETAIL),
    Command("detail.procedure", "p", "procedure", "procedure", "Open the procedure that mends the row.", DETAIL),
    Command(
        "detail.view",
        "1,2,3,4,5,6,7,8,9",
        "",
        "panel",
        "Show the view of that number.",
        DETAIL,
        shown_key="1-9",
    ),
    Command("detail.next", "right", "view(1)", "next", "The next view.", DETAIL, footer=False),
    Command("detail.previous", "left", "view(-1)", "previous", "The view before.", DETAIL, footer=False),
    Command("list.filter", "slash", "filter", "filter", "Show only rows that contain a text.", LIST, shown_key="/"),
    Command("list.sort", "s", "sort", "sort", "Sort by the next column; after the last, as it came.", LIST),
    Command("list.copy", "c", "copy", "copy", "Copy the row to the clipboard.", LIST),
    Command("list.file", "C", "file", "to file", "Write the rows that are shown into a file.", LIST, footer=False),
    Command("back", "escape", "back", "back", "Back to where you came from.", LIST, shown_key="Esc"),
    Command("detail.logs", "l", "logs", "logs", "Follow the log of the row's pod.", DETAIL),
    Command("log.previous", "h", "previous", "run before", "The log of the run before, or of the present one.", LOG),
    Command("log.container", "m", "container", "container", "The log of the pod's next container.", LOG),
    Command("log.follow", "g", "follow", "follow", "To the newest line, and stay with it.", LOG),
    Command("text.copy", "c", "copy", "copy", "Copy the whole text to the clipboard.", TEXT),
    Command("text.back", "escape", "back", "back", "Back to the list.", TEXT, shown_key="Esc"),
    Command("procedure.run", "enter", "", "run step", "Do what the step says.", PROCEDURE, shown_key="Enter"),
    Command("procedure.skip", "b", "skip", "leave out", "Leave the step out and say why.", PROCEDURE),
    Command("procedure.values", "t", "values", "values", "Change a value that the steps use.", PROCEDURE),
    Command("procedure.way", "y", "way", "another way", "Choose the way out of a branch by hand.", PROCEDURE),
    Command("procedure.open", "p", "procedure", "procedure", "Open the procedure that the step leads to.", PROCEDURE),
    Command("procedure.undo", "z", "undo", "undo", "Take back what the step did.", PROCEDURE, footer=False),
    Command("procedure.written", "w", "written", "as written", "Show or hide what the runbook writes.", PROCEDURE),
    Command("procedure.copy", "c", "copy", "copy", "Copy the step's command to the clipboard.", PROCEDURE),
    Command("procedure.next", "right", "step(1)", "next", "Look at the next step.", PROCEDURE, footer=False),
    Command("procedure.previous", "left", "step(-1)", "previous", "Look at the step before.", PROCEDURE, footer=False),
    Command("procedure.back", "escape", "back", "back", "Leave; it can be taken up again.", PROCEDURE, shown_key="Esc"),
    Command("incident.severity", "S", "severity", "severity", "Change the severity, with a reason.", INCIDENT),
    Command("incident.phase", "P", "phase", "phase", "Set the phase: assess, investigate, fix, mitigated.", INCIDENT),
    Command("incident.commander", "M", "commander", "commander", "Say who is incident commander.", INCIDENT),
    Command(
        "incident.clock", "K", "clock", "clock", "Satisfy a clock or put it off, with a reason.", INCIDENT, footer=False
    ),
    Command(
        "incident.entry",
        "enter",
        "",
        "entry",
        "Pin the entry of the timeline, or correct it.",
        INCIDENT,
        footer=False,
        shown_key="Enter",
    ),
    Command("incident.write", "W", "write", "postmortem", "Summary, cause, impact, lessons, action items.", INCIDENT),
    Command("incident.resolve", "R", "resolve", "resolve", "Resolve it, with a reason; or reopen it.", INCIDENT),
    Command("incident.undo", "z", "undo", "undo", "Take back an action of the incident.", INCIDENT, footer=False),
    Command("incident.export", "x", "export", "export", "Write the postmortem as markdown.", INCIDENT),
    Command("incident.back", "escape", "back", "back", "Back to the cockpit.", INCIDENT, shown_key="Esc"),
    Command("action.copy", "c", "copy", "copy", "Copy the same with stock tools, for a bastion.", ACTION),
    Command("action.undo", "z", "undo", "undo", "Go back: plan the action that undoes this one.", ACTION),
    Command("action.back", "escape", "leave", "back", "Leave; what was sent goes on.", ACTION, shown_key="Esc"),
    Command("unresolved.verify", "v", "verify", "verify", "Read the target again and record what it says.", UNRESOLVED),
    Command("unresolved.done", "d", "done", "mark done", "Say that it is done, with evidence.", UNRESOLVED),
    Command(
        "unresolved.abandon",
        "b",
        "abandon",
        "leave out",
        "Give it up and say why; its object is free again.",
        UNRESOLVED,
    ),
    Command("unresolved.next", "right", "step(1)", "next", "The next one.", UNRESOLVED, footer=False),
    Command("unresolved.previous", "left", "step(-1)", "previous", "The one before.", UNRESOLVED, footer=False),
    Command("unresolved.back", "escape", "dismiss", "back", "Settle it later.", UNRESOLVED, shown_key="Esc"),
)
"""The table. Capitals state a fact of the incident or arm; nothing that changes a target is on one key."""


def bindings(*scopes: str) -> list[BindingType]:
    """Textual bindings of the commands in ``scopes``, in the table's order."""
    return [
        Binding(command.keys, command.action, command.title, id=command.id, show=command.footer, tooltip=command.help)
        for command in COMMANDS
        if command.scope in scopes and command.action
    ]


ALWAYS = ("help", "declare", "incident", "runbook", "quit")
"""Commands that the footer names before the other ones of every screen, in this order: on a narrow terminal the end is cut."""


def footer_text(*scopes: str, keymap: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Pairs of key and word for the footer line, as the user's keymap has them: the screen's own, help, then the rest."""
    changed = keymap or {}
    wanted = [command for command in COMMANDS if command.scope in scopes and command.footer]
    wanted.sort(key=_footer_place)
    return [(shown(command, changed.get(command.id)), command.title) for command in wanted]


def key_of(command_id: str, keymap: Mapping[str, str]) -> str:
    """How a person writes the key that does ``command_id`` now: for sentences that name a key."""
    return next(shown(command, keymap.get(command.id)) for command in COMMANDS if command.id == command_id)


def _footer_place(command: Command) -> tuple[bool, int]:
    """The screen's own keys first, then those of :data:`ALWAYS`, then the rest as the table has them."""
    own = command.scope != EVERYWHERE
    return (not own, 0 if own else ALWAYS.index(command.id) if command.id in ALWAYS else len(ALWAYS))


def shown(command: Command, key: str | None = None) -> str:
    """How a person writes the command's key."""
    if key is None:
        return command.shown_key or command.keys.split(",")[0]
    return key_name(key.split(",")[0].strip())


def key_name(key: str) -> str:
    """How a person writes one of Textual's names for keys.

    >>> key_name("question_mark"), key_name("f5"), key_name("escape"), key_name("A")
    ('?', 'F5', 'Esc', 'A')
    """
    names = {
        "question_mark": "?",
        "exclamation_mark": "!",
        "slash": "/",
        "colon": ":",
        "full_stop": ".",
        "escape": "Esc",
        "enter": "Enter",
        "left": "left",
        "right": "right",
    }
    return names.get(key, key.upper() if key[0] == "f" and key[1:].isdigit() else key)


def check_keymap(keymap: Mapping[str, str], commands: tuple[Command, ...] = COMMANDS) -> None:
    """Refuse a keymap with a mistake: Textual takes all in silence.

    Raises:
        ConfigError: one sentence for the first of :func:`keymap_problems`.
    """
    for _, sentence in keymap_problems(keymap, commands):
        raise ConfigError(sentence)


def keymap_problems(keymap: Mapping[str, str], commands: tuple[Command, ...] = COMMANDS) -> Iterator[tuple[str, str]]:
    """What is wrong with a keymap: an unknown id, a fixed one, an unknown key, two commands of one screen on one key.

    Each is the id that the user wrote and a sentence that begins with ``keys``.
    """
    ids = {command.id: command for command in commands}
    for name, keys in keymap.items():
        if name not in ids:
            near = get_close_matches(name, ids, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(ids))}"
            yield name, f"keys: no command {name!r}{hint}"
            continue
        if not ids[name].action:
            yield name, f"keys.{name}: Enter and the digits of panels and views cannot be changed"
        for key in keys.split(","):
            if not _is_key(key.strip()):
                said = f"{key!r} is no key; write a letter, a digit, f1 to f12, or a name such as 'slash'"
                yield name, f"keys.{name}: {said}"
    yield from _shared_keys(keymap, commands)


def _shared_keys(keymap: Mapping[str, str], commands: tuple[Command, ...]) -> Iterator[tuple[str, str]]:
    taken: dict[tuple[str, str], str] = {}
    together = {
        EVERYWHERE: (EVERYWHERE, COCKPIT, LIST, LOG, DETAIL, TEXT, PROCEDURE, INCIDENT),
        LIST: (LIST, DETAIL, LOG),
    }
    # Dialogs (ACTION, UNRESOLVED) cover the screen below and hear only their own keys.
    told: set[tuple[str, str, str]] = set()
    for command in commands:
        for key in keymap.get(command.id, command.keys).split(","):
            for scope in together.get(command.scope, (command.scope,)):
                other = taken.setdefault((scope, key.strip()), command.id)
                if other != command.id and (key, other, command.id) not in told:
                    told.add((key, other, command.id))
                    mine = command.id if command.id in keymap else other
                    said = f"{key.strip()!r} is both {other!r} and {command.id!r}; give one of them another key"
                    yield mine, f"keys: {said}"


def _is_key(name: str) -> bool:
    return (
        len(name) == 1
        or name in {key.value for key in Keys}
        or name in {"exclamation_mark", "question_mark", "slash", "colon", "full_stop"}
    )

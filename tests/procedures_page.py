"""docs/procedures.md, made from the procedure files and the registry of actions. ``python -m tests.procedures_page`` writes it; a test says when
it is old.
"""

from __future__ import annotations

from pathlib import Path

from alphapulse_tui.actions.registry import ACTIONS, action_class
from alphapulse_tui.model.words import age
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import ActionStep, BranchStep, CheckStep, Procedure, Step, WaitStep

PAGE = Path(__file__).resolve().parent.parent / "docs" / "procedures.md"
PICTURES = PAGE.parent / "pictures"

HEAD = """# Procedures

Every procedure that is installed, step by step: what the runbook writes, what we run, and why where we differ. This page is made from the
procedure files and the registry of actions (`python -m tests.procedures_page`); do not edit it.

On the screen `r` lists them, `Enter` opens one, `t` changes a value that the steps use, `b` leaves a step out with a reason, `c` copies the
step's command. Without a screen:

    alphapulse runbook list
    alphapulse runbook show ID
    alphapulse runbook run ID --dry-run
    alphapulse runbook run ID --copy
    alphapulse runbook run ID [--step STEP] [--param NAME=VALUE] --yes [--confirm NAME] [--json]

`run` leaves with 0 when every step came out well, 2 when a proof did not hold or an action failed, 3 when something could not be verified,
77 when a step was refused: a manual step, a key share, a destructive action whose object was not named with `--confirm`.

`--copy` prints the commands of every step for a bastion, with stock tools, and sends nothing. They are for bash and read addresses and logins
from the environment, so that no secret stands in them:

| tool | variables |
|---|---|
| psql | `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSFILE`; the replica's `REPLICA_HOST`, `REPLICA_PORT`; the pooler's `PGBOUNCER_PORT` |
| redis-cli | `REDIS_HOST` and `REDIS_PORT` of any one node, `REDIS_USER`, `REDISCLI_AUTH` |
| vault | `VAULT_ADDR`, `VAULT_TOKEN`; `VAULT_NODES`, the addresses of all nodes with blanks between |
| kubectl | `KUBECONFIG` |
| curl | `PROMETHEUS_URL`, `API_HEALTH_URL` |
"""

RISKS = """## Actions

`safe` is confirmed by Enter, `disruptive` by a letter that the screen shows, another one each time, `destructive` by typing the name of what it
hits. The class belongs to the action, wherever it is taken from.

| action | what it does | risk | target | runbook |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    procedures = load_procedures()
    listed = "\n".join(
        f"| [`{each.id}`](#{each.id}) | {each.section} | {each.severity} | {_cell(each.title)} |"
        for each in procedures.values()
    )
    parts = [HEAD, "| procedure | runbook | at worst | |\n|---|---|---|---|\n" + listed + "\n"]
    parts += [_procedure(each) for each in procedures.values()]
    parts.append(RISKS + "".join(_action(name) for name in ACTIONS))
    return "\n".join(parts)


def _procedure(procedure: Procedure) -> str:
    lines = [f"## {procedure.id}", "", f"**{procedure.title}** (runbook {procedure.section}, {procedure.severity})", ""]
    lines += [procedure.summary, ""]
    picture = PICTURES / f"procedure-{procedure.id}.svg"
    if picture.exists():
        lines += [f"![{procedure.title}](pictures/{picture.name})", ""]
    for title, texts in (("Shows as", procedure.symptoms), ("Keeps it from coming back", procedure.prevention)):
        if texts:
            lines += [f"{title}:", "", *(f"- {text}" for text in texts), ""]
    if procedure.parameters:
        lines += ["Values:", ""]
        for each in procedure.parameters:
            default = f"threshold `{each.threshold}`" if each.threshold else f"`{each.default}`" if each.default else ""
            told = [f"default {default}" if default else "", "picked live" if each.pick else "", each.source]
            lines.append(f"- `{each.name}`: {each.title} ({'; '.join(word for word in told if word)})")
        lines.append("")
    for number, step in enumerate(procedure.steps, 1):
        lines += _step(number, step)
    return "\n".join(lines)


def _step(number: int, step: Step) -> list[str]:
    usually = f", usually {age(step.typical_seconds)}" if step.typical_seconds else ""
    lines = [f"### {number}. {step.title}", "", f"`{step.id}`, {_does(step)}{usually}. {step.why}", ""]
    for title, text in (
        ("As the runbook writes it", step.written),
        ("As we run it", step.run),
        ("The same with stock tools", step.command),
    ):
        if text:
            lines += [f"{title}:", "", "```", text.strip(), "```", ""]
    if step.because:
        lines += [f"Why: {step.because.strip()}", ""]
    return lines


def _does(step: Step) -> str:
    match step:
        case ActionStep():
            again = f", again until `{step.until}`" if step.until else ""
            return f"action `{step.action}` ({action_class(step.action).risk.value}){again}"
        case CheckStep():
            return f"{'proof' if step.proof else 'check'} `{step.check}`"
        case WaitStep():
            return (
                f"waits until `{step.check}` has held for {step.hold_seconds:g} s (at most {step.deadline_seconds:g} s)"
            )
        case BranchStep():
            ways = ", ".join(f"`{case.when}` to `{case.goto}`" for case in step.cases)
            return f"branch by `{step.check}`: {ways}, otherwise to `{step.otherwise}`"
    return {"manual": "by hand", "message": "message", "link": "link"}[step.kind]


def _action(name: str) -> str:
    found = action_class(name)
    return f"| `{name}` | {_cell(found.title)} | {found.risk.value} | {found.target} | {found.source.removeprefix('runbook ')} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

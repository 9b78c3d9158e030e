"""Silence one alert at Alertmanager, and end a silence (runbook 4.2, facts 4.2).

A silence has the alert's own labels as its matchers, every one by equality: never a pattern, so that no other alert is hidden with it. It is
found again by a mark in its comment, because Alertmanager alone makes its id: so an answer that never came can still be looked up. A silence
is not an acknowledgement, and ends by itself after four hours at most.
"""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from alphapulse_tui.actions.alertmanager import AlertmanagerClient
from alphapulse_tui.actions.contract import Action, ActionProblem, Parameter
from alphapulse_tui.actor import actor_name
from alphapulse_tui.model.alerts import severity_of
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.silences import DURATIONS, exactly, written
from alphapulse_tui.sources.alertmanager import SUPPRESSED, ManagedAlert, ManagedSilence, shown
from alphapulse_tui.text import clean

SHORT = 8
"""Characters of an id that are shown."""


class SilenceAlert(Action):
    """One alert notifies nobody for a while."""

    id = "alerts.silence"
    title = "silence"
    target = "alerts"
    risk = Risk.SAFE
    source = "runbook 4.2"
    parameters = (
        Parameter("alert", "the alert's fingerprint at Alertmanager", required=True),
        Parameter("duration", "for how long", choices=tuple(DURATIONS), required=True),
        Parameter("comment", "why, for whoever finds it: the incident, and what is being done", required=True),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which alerts would be silent, until when; a P0 needs more than Enter."""
        duration, comment = params.get("duration", ""), clean(params.get("comment", "").strip(), 300)
        if duration not in DURATIONS:
            raise ActionProblem(f"say for how long: {', '.join(DURATIONS)}")
        if not comment:
            raise ActionProblem("say why: a silence without a comment tells nobody whether it may be ended")
        async with AlertmanagerClient(self.profile) as client:
            alerts, silences, url = await client.alerts(), await client.silences(), client.url
        alert = _named(alerts, params.get("alert", ""))
        matchers = exactly(alert.labels)
        touched = [one for one in alerts if matchers == _part(one, matchers)]
        name = _name(alert)
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"silence {name} for {duration}",
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"alerts/{clean(alert.fingerprint, 64)}",
            risk=Risk.DISRUPTIVE if Severity.P0 in map(_severity, touched) else self.risk,
            sentence=f"Has Alertmanager tell nobody of {name} for {duration} from now on; it fires on, and is shown as silenced.",
            call=f"POST {url}/api/v2/silences matchers {clean(written(matchers), 1024)}, endsAt now + {duration}, "
            f"createdBy {actor_name()}, comment {comment!r}",
            shell=_amtool(url, "add", f"--duration={duration}", f"--author={actor_name()}", f"--comment={comment}",
                          *(written([one]) for one in matchers)),
            params={"alert": clean(alert.fingerprint, 64), "duration": duration, "comment": comment},
            victims=tuple(_alert_victim(one) for one in touched),
            preconditions={"state": _state(alert)},
            checks=(Check(name, "suppressed at Alertmanager, by this very silence"),),
            warnings=(
                "a silence is no acknowledgement: nobody hears from it that somebody is at work",
                *((f"{len(touched)} alerts have all of these labels: all are silenced",) if len(touched) > 1 else ()),
            ),
            undo="expire the silence: it notifies again at once",
            undo_action=ExpireSilence.id,
            undo_params={"matchers": clean(written(matchers), 1024)},
            refusal=_held(alert, silences),
            verify_seconds=15.0,
            made_at=time.time(),
        )  # fmt: skip

    async def execute(self, plan: Plan) -> Result:
        """Look once more that it fires, then silence it."""
        async with AlertmanagerClient(self.profile) as client:
            alert = _named(await client.alerts(), plan.params["alert"])
            if _state(alert) != plan.preconditions["state"]:
                raise ActionProblem(f"{_name(alert)} is {_state(alert)} now: nothing was sent, plan again")
            now = time.time()
            end = now + DURATIONS[plan.params["duration"]]
            body: dict[str, Any] = {
                "matchers": [
                    {"name": name, "value": value, "isRegex": False, "isEqual": True}
                    for name, value in exactly(alert.labels)
                ],
                "startsAt": _moment(now),
                "endsAt": _moment(end),
                "createdBy": actor_name(),
                "comment": f"{plan.params['comment']} {_mark(plan)}",
            }
            silence = await client.create(body)
        return Result(Outcome.DONE, f"silence {silence} until {_until(end)}", {"silence": silence})

    async def verify(self, plan: Plan) -> Verification:
        """The alert is suppressed, and by the silence that carries this plan's mark."""
        async with AlertmanagerClient(self.profile) as client:
            alerts, silences = await client.alerts(), await client.silences()
        alert = next((one for one in alerts if one.fingerprint == plan.params["alert"]), None)
        ours = next((one for one in silences if _mark(plan) in one.comment), None)
        name = plan.checks[0].title
        if ours is None:
            return Verification(Verdict.CONTRADICTED, "Alertmanager has no such silence", {name: _said(alert)})
        until = _until(ours.ends_at.timestamp())
        if not ours.in_force:
            said = f"silence {ours.id[:SHORT]} is {clean(ours.status.state, 32)}"
            return Verification(Verdict.CONTRADICTED, said, {name: _said(alert)})
        reading = {name: f"silenced by {clean(ours.id[:SHORT])} until {until}"}
        if alert is None:
            said = f"the silence is in force until {until}; the alert itself has ended meanwhile"
            return Verification(Verdict.VERIFIED, said, reading)
        if alert.status.state == SUPPRESSED and ours.id in alert.status.silenced_by:
            return Verification(Verdict.VERIFIED, f"{name} is suppressed by silence {ours.id} until {until}", reading)
        said = f"the silence is in force, but {name} is not suppressed by it yet"
        return Verification(Verdict.PENDING, said, {name: _said(alert)})


class ExpireSilence(Action):
    """A silence ends now; what still fires under it notifies again."""

    id = "alerts.expire-silence"
    title = "expire a silence"
    target = "alerts"
    risk = Risk.SAFE
    source = "runbook 4.2"
    parameters = (
        Parameter("silence", "the silence's id"),
        Parameter("matchers", "instead of an id: the matchers, as Alertmanager writes them"),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which silences would end, and who would be told of again."""
        wanted, matchers = params.get("silence", ""), params.get("matchers", "")
        if not wanted and not matchers:
            raise ActionProblem("say which silence: its id, or its matchers")
        async with AlertmanagerClient(self.profile) as client:
            alerts, silences, url = await client.alerts(), await client.silences(), client.url
        found = [one for one in silences if one.in_force and _means(one, wanted, matchers)]
        ids = {one.id for one in found}
        again = [_name(one) for one in alerts if ids & set(one.status.silenced_by)]
        names = ", ".join(again) or "nothing that fires at the moment"
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=self.title,
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"alerts/silence/{found[0].id}" if len(found) == 1 else "alerts/silences",
            risk=self.risk,
            sentence=f"Ends {len(found)} silence{'' if len(found) == 1 else 's'} now; notifies again: {clean(names, 300)}.",
            call="; ".join(f"DELETE {url}/api/v2/silence/{clean(one.id, 64)}" for one in found),
            shell="\n".join(_amtool(url, "expire", clean(one.id, 64)) for one in found),
            params={"silence": wanted} if wanted else {"matchers": matchers},
            victims=tuple(_silence_victim(one) for one in found),
            checks=tuple(Check(one.id[:SHORT], "not in force any more") for one in found),
            undo="none: silence the alert again from its row",
            refusal="" if found else "no such silence is in force: it has ended, or was expired already",
            verify_seconds=15.0,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """One after the other, each as it was shown; one that was changed since is left alone."""
        done: dict[str, str] = {}
        async with AlertmanagerClient(self.profile) as client:
            now = {one.id: one for one in await client.silences() if one.in_force}
            for victim in plan.victims:
                silence = now.get(victim.key)
                if silence is None or silence.updated_at.isoformat() != victim.identity:
                    raise ActionProblem(f"silence {victim.key} was changed or ended meanwhile; plan again")
            for victim in plan.victims:
                await client.expire(victim.key)
                done[victim.key] = "expired"
        return Result(Outcome.DONE, f"{len(done)} of {len(plan.victims)} expired", done)

    async def verify(self, plan: Plan) -> Verification:
        """None of them is in force."""
        async with AlertmanagerClient(self.profile) as client:
            now = {one.id: one for one in await client.silences() if one.in_force}
        reading = {
            victim.key[:SHORT]: f"in force until {_until(now[victim.key].ends_at.timestamp())}"
            if victim.key in now
            else "expired"
            for victim in plan.victims
        }
        left = [victim.key for victim in plan.victims if victim.key in now]
        if left:
            return Verification(Verdict.PENDING, f"still in force: {', '.join(left)}", reading)
        return Verification(Verdict.VERIFIED, "no longer in force: what fires notifies again", reading)


def _named(alerts: Sequence[ManagedAlert], fingerprint: str) -> ManagedAlert:
    found = next((one for one in alerts if fingerprint and one.fingerprint == fingerprint), None)
    if found is None:
        shown_print = clean(fingerprint, 64) or "(none given)"
        raise ActionProblem(
            f"Alertmanager has no alert with fingerprint {shown_print}: it has ended, or only Prometheus knows it so far"
        )
    return found


def _part(alert: ManagedAlert, matchers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Those labels of ``alert`` that ``matchers`` speak of: a silence also hides an alert that has more labels."""
    names = {name for name, _ in matchers}
    return exactly({name: value for name, value in alert.labels.items() if name in names})


def _name(alert: ManagedAlert) -> str:
    """``VaultSealed vault-1``: with the label that tells one of several from the others, where there is one."""
    parts = (alert.labels.get(label, "") for label in ("alertname", "instance", "pod"))
    return clean(" ".join(filter(None, parts)), 128) or "an alert without a name"


def _severity(alert: ManagedAlert) -> Severity | None:
    return severity_of(alert.labels.get("severity", ""), alert.labels.get("alertname", ""))


def _state(alert: ManagedAlert) -> str:
    if alert.status.silenced_by:
        return "silenced"
    return "inhibited" if alert.status.state == SUPPRESSED else "firing"


def _said(alert: ManagedAlert | None) -> str:
    return "ended" if alert is None else _state(alert)


def _held(alert: ManagedAlert, silences: Sequence[ManagedSilence]) -> str:
    """Why the alert is not to be silenced: it is already."""
    held = [one for one in silences if one.in_force and one.id in alert.status.silenced_by]
    if not held:
        return "silenced already" if alert.status.silenced_by else ""
    last = shown(max(held, key=lambda one: one.ends_at))
    return f"silenced already until {_until(last.ends_at)} by {last.created_by}: {last.comment}; expire that one first"


def _alert_victim(alert: ManagedAlert) -> Victim:
    severity = _severity(alert)
    facts = {clean(name, 64): clean(value, 128) for name, value in sorted(alert.labels.items())}
    identity = clean(alert.fingerprint, 64)
    return Victim(identity, identity, f"{severity.value if severity else '--'} {_name(alert)}", facts)


def _silence_victim(silence: ManagedSilence) -> Victim:
    one = shown(silence)
    facts = {"matchers": " ".join(one.matchers), "until": _until(one.ends_at), "by": one.created_by}
    label = f"until {facts['until']} by {one.created_by}: {one.comment}"
    return Victim(one.id, silence.updated_at.isoformat(), label, facts)


def _means(silence: ManagedSilence, wanted: str, matchers: str) -> bool:
    """Whether it is the one of that id, or one that means just these matchers."""
    if wanted:
        return silence.id == wanted
    own = tuple(sorted((one.name, one.value) for one in silence.matchers))
    return silence.means(own) and clean(written(own), 1024) == matchers


def _mark(plan: Plan) -> str:
    """What tells this plan's silence from every other."""
    return f"[alphapulse {plan.id[:12]}]"


def _moment(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _until(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%H:%M:%SZ}"


def _amtool(url: str, *words: str) -> str:
    command, *rest = words
    return shlex.join(["amtool", "silence", command, f"--alertmanager.url={url}", *rest])

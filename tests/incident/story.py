"""Events as the journal would give them, without a journal: a writer with a clock of the test's own, and one whole incident."""

from __future__ import annotations

from typing import Any

import msgspec

from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.model.plan import Plan, Risk

START = 1_795_442_400.0
"""Unix seconds: 2026-11-23 14:00:00Z."""


class Story:
    """Writes events; ``at`` is seconds since :data:`START`."""

    def __init__(self, actor: str = "ana") -> None:
        self.events: list[Event] = []
        self.actor = actor

    def write(
        self,
        at: float,
        kind: Kind,
        incident: str = "INC-0001",
        actor: str = "",
        writer: str = "bastion:1:1",
        **payload: Any,
    ) -> Event:
        sequence = len(self.events) + 1
        event = Event(
            f"event-{sequence}", sequence, writer, sequence, START + at, 5000.0 + at, actor or self.actor, incident, kind,
            msgspec.to_builtins(payload, str_keys=True), "", "",
        )  # fmt: skip
        self.events.append(event)
        return event

    def declare(self, at: float = 0.0, severity: str = "P0", title: str = "Vault sealed", **payload: Any) -> Event:
        return self.write(at, Kind.DECLARED, title=title, severity=severity, **payload)

    def fire(self, at: float, name: str = "VaultSealed", severity: str = "P0", **payload: Any) -> Event:
        told = {"fingerprint": f"f-{name}", "name": name, "severity": severity, "summary": f"{name} fires"}
        return self.write(at, Kind.ALERT_FIRED, incident="", **{**told, "starts_at": START + at - 5, **payload})

    def clear(self, at: float, name: str = "VaultSealed") -> Event:
        return self.write(at, Kind.ALERT_CLEARED, incident="", fingerprint=f"f-{name}", name=name)

    def flip(
        self, at: float, after: str, sentence: str, subject: str = "vault-1", before: str = "ok", **payload: Any
    ) -> Event:
        told = {"target": "vault", "subject": subject, "before": before, "after": after, "sentence": sentence}
        return self.write(at, Kind.FLIP, incident="", **told, **payload)

    def fix(
        self,
        at: float,
        run: str = "run-1",
        verdict: str = "verified",
        incident: str = "INC-0001",
        outcome: str = "done",
        action: str = "vault.unseal",
    ) -> None:
        """An action from its intent to its proof, a second each."""
        plan = Plan(
            run, action, "Unseal vault-1", "vault", "lab", "vault/node/vault-1", Risk.DISRUPTIVE, "gives one share",
            "PUT /v1/sys/unseal | (share)", "bao operator unseal", {},
        )  # fmt: skip
        before, after = {"sealed": "true", "progress": "2/3"}, {"sealed": "false", "progress": "0/3"}
        self.write(
            at, Kind.INTENT, incident, action_run=run, plan=plan, digest="d", reason="node is sealed", before=before
        )
        self.write(at + 1, Kind.SENT, incident, action_run=run, dropped=[])
        self.write(
            at + 2,
            Kind.OUTCOME,
            incident,
            action_run=run,
            outcome=outcome,
            sentence="share taken",
            details={},
            seconds=0.3,
        )
        if verdict:
            self.write(
                at + 3,
                Kind.VERIFIED,
                incident,
                action_run=run,
                verdict=verdict,
                sentence="vault-1 is unsealed",
                before=before,
                after=after,
            )


def whole_incident() -> Story:
    """From the first flip to the export: what the golden file is made of."""
    story = Story()
    story.flip(-120, "critical", "vault-1 is sealed")
    story.fire(-90)
    story.declare(0)
    story.write(45, Kind.ACKNOWLEDGED, what="incident")
    story.write(60, Kind.ROLE, role="commander", name="ana")
    story.write(90, Kind.NOTE, text="node restarted by\nthe | rollout [x](http://evil)", actor="ben")
    story.write(120, Kind.PROCEDURE_STARTED, run="p-1", procedure="vault-sealed", title="Vault sealed", params={})
    story.write(
        150, Kind.STEP, run="p-1", procedure="vault-sealed", step="which", title="Which nodes are sealed", state="found",
        sentence="1 of 3 is sealed", evidence=[["vault-0", "unsealed"], ["vault-1", "SEALED"]],
    )  # fmt: skip
    story.fix(200)
    story.flip(210, "ok", "over: vault-1 is sealed", before="critical")
    story.clear(220)
    story.write(300, Kind.MESSAGE, channel="#incidents", state="copied", text="Vault is unsealed, watching")
    story.write(310, Kind.PROCEDURE_FINISHED, run="p-1", procedure="vault-sealed", result="every step settled")
    fields = {
        "summary": "vault-1 came back sealed after a restart.\n# not a heading", "root_cause": "No auto-unseal is configured.",
        "users": "about 40 | 8 %", "failed_requests": "312", "revenue": "none", "went_well": "- alert in 30 s\n- shares at hand",
        "went_wrong": "the runbook's link was dead", "lessons": "Seal by KMS.",
    }  # fmt: skip
    for name, text in fields.items():
        story.write(400, Kind.POSTMORTEM_FIELD, field=name, text=text)
    story.write(
        410,
        Kind.POSTMORTEM_FIELD,
        field="action_item",
        number=1,
        item="Enable auto-unseal",
        owner="Platform",
        due="2026-12-01",
        status="Pending",
    )
    story.write(3900, Kind.RESOLVED, reason="watched for an hour")
    return story

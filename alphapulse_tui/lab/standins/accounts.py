"""What exists in the stand-ins' accounts from the start: what a client must name beside its token. Told in ``standins.json``."""

from __future__ import annotations

SLACK_TEAM, SLACK_BOT = "T0LAB0000", "B0LAB0000"
"""The first two parts of the webhook's path; the third is its secret."""
SLACK_CHANNEL = "incidents"
"""The channel that is there from the start."""
STATUS_PAGE = "lab0page0000"
SENTRY_ORGANIZATION = "alphapulse"
SENTRY_PROJECTS = ("api", "agent-workers")
GITHUB_REPOSITORY = "alphapulse/platform"
JIRA_PROJECT = "OPS"
JIRA_USER = "oncall@alphapulse.lab"
"""Whose API token it is."""
LOKI_TENANT = "alphapulse"
"""Any tenant is served; this is the one to name."""

ACCOUNTS: dict[str, dict[str, str]] = {
    "slack": {"webhook_path": f"/services/{SLACK_TEAM}/{SLACK_BOT}/", "channel": SLACK_CHANNEL},
    "pagerduty": {"user": JIRA_USER},
    "statuspage": {"page": STATUS_PAGE},
    "loki": {"tenant": LOKI_TENANT},
    "grafana": {},
    "sentry": {"organization": SENTRY_ORGANIZATION, "projects": ",".join(SENTRY_PROJECTS)},
    "jaeger": {},
    "github": {"repository": GITHUB_REPOSITORY},
    "jira": {"project": JIRA_PROJECT, "user": JIRA_USER},
}
"""Every stand-in in the order in which they are listed, with what a client needs to know of its account."""

SECRETS: dict[str, tuple[str, ...]] = {
    "slack": ("token", "webhook"),
    "pagerduty": ("token", "routing-key"),
    "statuspage": ("token",),
    "grafana": ("token",),
    "sentry": ("token",),
    "github": ("token",),
    "jira": ("token",),
}
"""The secrets that each asks for; Loki and Jaeger ask for none."""


def secret_file(name: str, kind: str) -> str:
    """The name of a stand-in's secret in the lab's folder of secrets."""
    return f"standin-{name}-{kind}"

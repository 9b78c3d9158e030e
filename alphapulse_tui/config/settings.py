"""The typed settings: exactly what a profile file may say, and nothing else.

Everybody imports these; ``config.load`` is the only one who makes them from a file. Immutable, so that a source, the
screen and the executor can hold the same profile. Every target is optional: an absent one is *not configured*, and its
panel says so. Secrets are never settings: a profile names the *file* that holds one, and ``config.discover`` finds what
the engineer already has.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from alphapulse_tui.model.alerts import ALERT_PROCEDURES
from alphapulse_tui.model.thresholds import Thresholds

FilePath = Annotated[str, Meta(extra={"path": True})]
"""A file. ``~`` is the home folder; a relative path starts at the profile file's folder. Loaded, it is absolute."""

Port = Annotated[int, Meta(ge=1, le=65535)]
"""A TCP port."""

NAME_RULE = "letters, digits, dot, dash and underscore, at most 63"
"""How the rule for names is said to a person."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", extra={"says": NAME_RULE})]
"""A name that is also used for a folder or an object: profiles, environments, nodes."""

NameOrNone = Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$", extra={"says": NAME_RULE})]
"""As above, or empty for the default."""

_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
"""1 to 65535, as a pattern."""

Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://([^\s/@?#:\[\]]+|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[\w.-]+)?\])"
        rf"(:{_PORT})?(/[^\s@]*)?$",
        extra={"says": 'an address like "http://host:port", without a user or password in it'},
    ),
]
"""An http or https address. A password in it would end up in messages, so it is refused."""

Window = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,4}[smh]$", extra={"says": 'a duration like "30s", "5m" or "1h"'})]
"""A duration as PromQL writes it."""

Text = Annotated[str, Meta(min_length=1, extra={"says": "a text that is not empty"})]
"""A text that must say something."""

Colour = Literal["", "red", "orange", "yellow", "green", "cyan", "blue", "magenta", "grey"]
"""The colours a profile can have."""

SslMode = Literal["", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
"""libpq's sslmode; empty means libpq's default, ``prefer``."""


class KubernetesTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.kubernetes]``: the cluster."""

    kubeconfig: FilePath = ""
    """A kubeconfig file, or several joined by ``:``. Default: ``KUBECONFIG``, then ``~/.kube/config``."""
    context: str = ""
    """The context to use. Default: the kubeconfig's current one."""
    namespace: Text = "alphapulse"
    """The namespace that is watched (runbook 1.2: ``-n alphapulse``)."""


class PostgresServer(Struct, frozen=True, forbid_unknown_fields=True):
    """One PostgreSQL server: by ``service`` (pg_service.conf) or ``host``; the rest comes from ``PG*`` variables."""

    name: str = ""
    """What the panels call it. Default: ``primary``, or ``replica-0``, ``replica-1`` ..."""
    service: str = ""
    """An entry of pg_service.conf (``PGSERVICEFILE``, then ``~/.pg_service.conf``)."""
    host: str = ""
    """Host name, address, or the absolute path of a socket folder. Default: ``PGHOST``."""
    port: Port | None = None
    """Default: ``PGPORT``, then 5432."""
    user: str = ""
    """Default: ``PGUSER``, then the login name."""
    database: str = ""
    """Default: ``PGDATABASE``, then the user's name (as libpq has it)."""
    passfile: FilePath = ""
    """A libpq password file, mode 0600. Default: ``PGPASSFILE``, then ``~/.pgpass``."""
    sslmode: SslMode = ""
    """Default: ``PGSSLMODE``, then ``prefer``."""


class PostgresTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.postgres]``: the writer and its standbys."""

    primary: PostgresServer | None = None
    """The server that takes writes."""
    replicas: tuple[PostgresServer, ...] = ()
    """The streaming standbys, each named by ``name``."""


class RedisNode(Struct, frozen=True, forbid_unknown_fields=True):
    """One node of the Redis or Valkey cluster; every node is asked for its own view."""

    name: Name
    """The node's name, as its pod is called."""
    host: Text
    """Host name or address."""
    port: Port = 6379
    """TCP port."""


class RedisTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.redis]``: every node of the cluster."""

    nodes: Annotated[tuple[RedisNode, ...], Meta(min_length=1, extra={"says": "a list of at least one node"})]
    """All nodes, masters and replicas alike."""
    username: str = ""
    """The ACL user. Default: the server's ``default`` user."""
    password_file: FilePath = ""
    """A file, mode 0600, that holds the password. Default: ``REDISCLI_AUTH``."""


class VaultNode(Struct, frozen=True, forbid_unknown_fields=True):
    """One Vault or OpenBao node: seal state is a property of the node, never of a load balancer (review 2.3.1)."""

    name: Name
    """The node's name, as its pod is called."""
    address: Url
    """The node's own API address."""


class VaultTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.vault]``: every node of the raft cluster."""

    nodes: Annotated[tuple[VaultNode, ...], Meta(min_length=1, extra={"says": "a list of at least one node"})]
    """All nodes. The seal panel needs no token."""
    token_file: FilePath = ""
    """A file, mode 0600, that holds a token. Default: ``VAULT_TOKEN``, the token helper, ``~/.vault-token``."""
    ca_file: FilePath = ""
    """A PEM bundle that signs the nodes' certificates. Default: ``VAULT_CACERT``, then the system's."""


class PrometheusTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.prometheus]``."""

    url: Url
    """Its base address."""
    window: Window = "5m"
    """Over how long rates are taken (runbook 4.1: 5 minutes); at least four scrapes long."""


class AlertmanagerTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.alertmanager]``."""

    url: Url
    """Its base address."""


class ApiTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.api]``: the platform's own API, seen from outside."""

    health_url: Url
    """What is asked for the API's health (runbook 1.2: ``https://api.alphapulse.ai/health``)."""


class BackupsTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.backups]``: the S3 bucket that holds dumps, base backups, WAL, RDB files and raft snapshots (runbook 3.4 and 5)."""

    bucket: Text = "alphapulse-backups"
    """The bucket's name."""
    endpoint: Url | None = None
    """The address of an S3 server that is not Amazon's; its buckets are addressed by path."""
    region: str = ""
    """Default: the AWS chain's."""
    credentials_file: FilePath = ""
    """A shared credentials file of the AWS tools, mode 0600, whose ``[default]`` is used. Default: the AWS chain."""


class Links(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.links]``: pages that people open; nothing is fetched. Defaults: runbook 1.2 and 4.3."""

    status_page: Url = "https://status.alphapulse.ai"
    """What customers see (runbook 1.2)."""
    grafana_overview: Url = "https://grafana.alphapulse.ai/d/overview"
    """Dashboard (runbook 4.3)."""
    grafana_api: Url = "https://grafana.alphapulse.ai/d/api"
    """Dashboard (runbook 4.3)."""
    grafana_postgres: Url = "https://grafana.alphapulse.ai/d/postgres"
    """Dashboard (runbook 4.3)."""
    grafana_redis: Url = "https://grafana.alphapulse.ai/d/redis"
    """Dashboard (runbook 4.3)."""
    grafana_vault: Url = "https://grafana.alphapulse.ai/d/vault"
    """Dashboard (runbook 4.3)."""
    jaeger: Url = "https://jaeger.alphapulse.ai"
    """Traces (runbook 4.3)."""
    sentry: Url = "https://sentry.io/alphapulse"
    """Errors (runbook 4.3)."""
    prometheus: Url = "https://prometheus.alphapulse.ai/alerts"
    """Alert list (runbook 1.2)."""


class Contact(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom an escalation level reaches."""

    name: Text
    """Role or person."""
    how: str = ""
    """How they are reached: ``PagerDuty``, ``Slack DM``, a number."""


def runbook_contacts() -> dict[str, Contact]:
    """The escalation path as far as the runbook tells it (6.1); people and numbers are the profile's own (6.2)."""
    return {
        "L1": Contact("On-Call Engineer", "PagerDuty"),
        "L2": Contact("Tech Lead", "Slack DM"),
        "L3": Contact("Engineering Leadership", "Phone"),
        "L4": Contact("CTO", "Phone"),
    }


def runbook_alerts() -> dict[str, str]:
    """Alert name to procedure as the runbook has them (4.2)."""
    return dict(ALERT_PROCEDURES)


class IncidentSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiles.NAME.incident]``."""

    postmortem_folder: Text = ".bug"
    """Where the postmortem is written: ``~`` is the home folder; a relative path starts at the working directory (runbook, appendix B)."""


class Profile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[profiles.NAME]``: one environment, its targets and what is particular to it."""

    name: str = ""
    """The profile's name: its key in the file, filled in when loaded (it may not be written there)."""
    environment: NameOrNone = ""
    """Names the journal: one each, so that a drill never mixes with production. Default: the profile's name."""
    production: bool = False
    """Whether mistakes hurt customers: starts read-only and must be armed by hand."""
    colour: Colour = ""
    """Colour of the environment's name in the top line. Default: red for production, blue otherwise."""
    notices: FilePath = ""
    """A JSON file ``{panel: sentence}`` in which whoever starts the targets says how far that has come; a panel shows its sentence while
    its target does not answer. The lab keeps one."""
    kubernetes: KubernetesTarget | None = None
    """The cluster, or none: not configured."""
    postgres: PostgresTarget | None = None
    """PostgreSQL, or none: not configured."""
    redis: RedisTarget | None = None
    """Redis or Valkey, or none: not configured."""
    vault: VaultTarget | None = None
    """Vault or OpenBao, or none: not configured."""
    prometheus: PrometheusTarget | None = None
    """Prometheus, or none: not configured."""
    alertmanager: AlertmanagerTarget | None = None
    """Alertmanager, or none: not configured."""
    api: ApiTarget | None = None
    """The platform's API, or none: not configured."""
    backups: BackupsTarget | None = None
    """Where backups are, or none: not configured."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """Where warning and critical begin."""
    links: Links = field(default_factory=Links)
    """Pages that people open."""
    contacts: dict[str, Contact] = field(default_factory=runbook_contacts)
    """Escalation level (``L1`` to ``L4``, or any word) to contact; levels that are not written keep the runbook's."""
    alerts: dict[Text, str] = field(default_factory=runbook_alerts)
    """Alert name to the id of the procedure that it opens, or to ``""`` for none; alerts that are not written keep the runbook's (4.2)."""
    incident: IncidentSettings = field(default_factory=IncidentSettings)
    """The incident's paper work."""
    keys: dict[str, str] = field(default_factory=dict)
    """Binding id to key or comma-separated keys; checked against the commands that exist when the cockpit opens, and by `config validate`."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    default_profile: str = ""
    """The profile that opens when none is asked for. Default: the only one there is."""
    profiles: dict[Name, Profile] = field(default_factory=dict)
    """Every ``[profiles.NAME]``."""


TARGETS = ("kubernetes", "postgres", "redis", "vault", "prometheus", "alertmanager", "api", "backups")
"""The sections of a profile that name a system; each may be absent."""

"""What the surveys of the API tell: how its containers ended, what they depend on, where its time and its errors are.

Read by ``sources.api_crash``, ``sources.api_metrics`` and ``sources.api_logs``. Moments are unix seconds, memory is bytes. No value of an
environment variable is kept but host and port of what it names.
"""

from __future__ import annotations

from dataclasses import dataclass

DEPENDENCIES = ("database", "redis", "vault")
"""What the API stands on, in the order in which the runbook asks for them (2.4)."""


@dataclass(frozen=True, slots=True)
class LastEnd:
    """How one container's last run ended, and its last words."""

    pod: str
    container: str
    reason: str
    """``Error``, ``OOMKilled``, or empty when it never ran."""
    exit_code: int | None
    finished_at: float | None
    restarts: int
    waiting: str
    """Why it does not run now: ``CrashLoopBackOff``, ``ImagePullBackOff`` ..., or empty."""
    message: str
    """What the kubelet says of the waiting."""
    image: str
    words: tuple[str, ...] = ()
    """The last lines of the *previous* log, oldest first; redacted."""
    log_problem: str = ""
    """Why there is no log."""
    init: bool = False
    """An init container: the others have not begun."""

    @property
    def place(self) -> str:
        """Pod and container."""
        return f"{self.pod}/{self.container}{' (an init container)' if self.init else ''}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one container of the Deployment's template may use."""

    container: str
    memory_request: float | None
    memory_limit: float | None
    used: float | None = None
    """The most that one of its pods uses now; none when no metrics server says so."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the template: its name and where its value comes from, never the value."""

    name: str
    origin: str
    """``written in the template``, ``ConfigMap x``, ``Secret y (not read)``, ``field metadata.name``."""
    source: tuple[str, str] = ("", "")
    """Kind (``ConfigMap`` or ``Secret``) and name of the object that it comes from."""
    key: str = ""
    """Its key there."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One address that the template gives to the API, tried from here."""

    dependency: str
    variable: str
    origin: str
    place: str
    """``host:port``, or empty when the address is in a Secret that we do not read."""
    answers: bool | None
    """None: could not be tried."""
    said: str


@dataclass(frozen=True, slots=True)
class CrashSnapshot:
    """One Deployment as one looks at it in a crash loop."""

    deployment: str
    image: str
    ends: tuple[LastEnd, ...]
    """Of containers that are not well, the most restarts first."""
    bounds: tuple[Bounds, ...]
    variables: tuple[Variable, ...]
    probes: tuple[Probe, ...]
    missing: tuple[str, ...] = ()
    """What could not be read."""
    held: tuple[str, ...] = ()
    """Why pods of it are not made (a quota) or find no node, in the cluster's own words; redacted."""

    def failing(self, dependency: str) -> tuple[Probe, ...]:
        """Probes of a dependency when not one of its addresses answers; empty when one does or nothing could be tried."""
        tried = [one for one in self.probes if one.dependency == dependency and one.answers is not None]
        return tuple(tried) if tried and not any(one.answers for one in tried) else ()


@dataclass(frozen=True, slots=True)
class CrashesSnapshot:
    """The API and every other Deployment that is not well."""

    deployments: tuple[CrashSnapshot, ...]

    def of(self, name: str) -> CrashSnapshot | None:
        """The Deployment of that name, or none if it was not looked at."""
        return next((one for one in self.deployments if one.deployment == name), None)


@dataclass(frozen=True, slots=True)
class EndpointTime:
    """One endpoint's latency and where its time goes. ``None``: the metric answers nothing."""

    endpoint: str
    rate: float
    """Requests a second."""
    p50: float | None
    p95: float | None
    p99: float | None
    """Milliseconds."""
    mean: float | None
    """Milliseconds a request, over the window."""
    parts: tuple[tuple[str, float], ...] = ()
    """Dependency to milliseconds a request; what is left of ``mean`` is the API's own."""

    @property
    def own(self) -> float | None:
        """Milliseconds a request that no dependency took; none without a breakdown."""
        return (
            max(0.0, self.mean - sum(part for _, part in self.parts)) if self.mean is not None and self.parts else None
        )


@dataclass(frozen=True, slots=True)
class PodTime:
    """One pod's share of the latency."""

    pod: str
    version: str
    rate: float
    p99: float | None
    """Milliseconds."""
    cpu: float | None
    """Cores used."""


@dataclass(frozen=True, slots=True)
class LatencySnapshot:
    """Where the time goes, by endpoint (slowest first) and by pod."""

    window: str
    endpoints: tuple[EndpointTime, ...]
    pods: tuple[PodTime, ...]
    rate_now: float | None
    """Requests a second over the window."""
    rate_before: float | None
    """The same half an hour ago; none when Prometheus does not reach back so far."""
    onset: float | None
    """Since when p99 is over the line without a break, unix seconds; none when it is not."""
    breakdown: bool = True
    """Whether the API tells where its time goes (``api_dependency_duration_seconds``)."""


@dataclass(frozen=True, slots=True)
class EndpointErrors:
    """Answers of one endpoint by status."""

    endpoint: str
    status: str
    rate: float
    """Answers a second."""
    percent: float
    """Of all answers of that endpoint."""


@dataclass(frozen=True, slots=True)
class VersionErrors:
    """The error rate of one release: the old and the new side by side while a rollout is under way."""

    version: str
    rate: float
    """Requests a second."""
    percent: float


@dataclass(frozen=True, slots=True)
class ErrorsSnapshot:
    """Where the errors are."""

    window: str
    endpoints: tuple[EndpointErrors, ...]
    """Failing ones (5xx) first, most errors a second first."""
    types: tuple[tuple[str, float], ...]
    """``api_errors_total`` by type, a second, most first; zeros left out."""
    versions: tuple[VersionErrors, ...]
    percent: float | None
    """Of all requests; none without traffic."""
    onset: float | None
    """Since when the error rate is over the line without a break; none when it is not."""


@dataclass(frozen=True, slots=True)
class LogGroup:
    """Lines of the pods' logs that say the same but for numbers."""

    text: str
    """One of the lines, redacted."""
    count: int
    pods: tuple[str, ...]
    last_at: float | None = None


@dataclass(frozen=True, slots=True)
class LogsSnapshot:
    """What the API's pods complain of, most often first."""

    groups: tuple[LogGroup, ...]
    lines: int
    """How many lines were read."""
    pods: int
    missing: tuple[str, ...] = ()

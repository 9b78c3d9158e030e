"""Where the API's time and errors are, as PromQL that answers what it claims to (facts 2.4.2 and 4.2).

Pure data, read by ``sources.api_metrics``; ``WINDOW`` is replaced by the profile's rate window. The runbook's own form is a parse error
(``by`` after ``histogram_quantile``), and without ``le`` in it an empty answer without a word.
"""

from __future__ import annotations

_SECONDS = "api_request_duration_seconds"
_PARTS = "api_dependency_duration_seconds"
_COUNT = f"sum by (endpoint) (rate({_SECONDS}_count[WINDOW]))"
_FAILED = 'api_requests_total{status=~"5.."}'
_OF_THE_API = "and on (pod) (count by (pod) (api_requests_total))"


def by_endpoint(quantile: float) -> str:
    """Milliseconds by endpoint."""
    return f"1000 * histogram_quantile({quantile:g}, sum by (le, endpoint) (rate({_SECONDS}_bucket[WINDOW])))"


ENDPOINT_RATE = _COUNT
ENDPOINT_MEAN = f"1000 * sum by (endpoint) (rate({_SECONDS}_sum[WINDOW])) / ({_COUNT} > 0)"
ENDPOINT_PARTS = (
    f"1000 * sum by (endpoint, dependency) (rate({_PARTS}_sum[WINDOW])) / on (endpoint) group_left () ({_COUNT} > 0)"
)
"""Milliseconds that a request spends in each dependency. Empty when the API does not tell."""

POD_RATE = f"sum by (pod, version) (rate({_SECONDS}_count[WINDOW]))"
POD_P99 = f"1000 * histogram_quantile(0.99, sum by (le, pod) (rate({_SECONDS}_bucket[WINDOW])))"
POD_CPU = f"sum by (pod) (rate(process_cpu_seconds_total[WINDOW])) {_OF_THE_API}"

RATE = "sum(rate(api_requests_total[WINDOW]))"
RATE_BEFORE = "sum(rate(api_requests_total[WINDOW] offset 30m))"
P99 = f"1000 * histogram_quantile(0.99, sum by (le) (rate({_SECONDS}_bucket[WINDOW])))"

ANSWERS = "sum by (endpoint, status) (rate(api_requests_total[WINDOW]))"
TYPES = "sum by (type) (rate(api_errors_total[WINDOW]))"
VERSIONS = "sum by (version) (rate(api_requests_total[WINDOW]))"
VERSIONS_FAILED = f"sum by (version) (rate({_FAILED}[WINDOW]))"
ERROR_PERCENT = f"100 * (sum(rate({_FAILED}[WINDOW])) or vector(0)) / (sum(rate(api_requests_total[WINDOW])) > 0)"

REQUESTS_METRIC = "api_requests_total"
TENANT_METRIC = "api_tenant_requests_total"
"""Requests by ``tenant``: the runbook's metrics (4.1) do not tell whose a request is, so an API that counts this says who is hurt."""


def of_deployment(name: str) -> tuple[str, str]:
    """Requests a second of a Deployment's pods, in all and by tenant. ``name`` is a regular expression already; the two parts behind it are the
    ReplicaSet's hash and the pod's own, so that ``api`` does not count ``api-canary``.
    """
    pods = f'pod=~"{name}-[a-z0-9]+-[a-z0-9]+"'.replace("\\", "\\\\")
    rate, tenants = (f"rate({metric}{{{pods}}}[WINDOW])" for metric in (REQUESTS_METRIC, TENANT_METRIC))
    return f"sum({rate})", f"sum by (tenant) ({tenants})"


def over(promql: str, window: str) -> str:
    """The query with its rates over ``window`` (``5m``)."""
    return promql.replace("WINDOW", window)

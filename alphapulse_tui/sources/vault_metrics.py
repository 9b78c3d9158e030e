"""A Vault node's own telemetry in Prometheus' text form, as far as latency is concerned (facts 2.3.2). Used by ``sources.vault_raft``.

The names keep the prefix ``vault_`` in OpenBao. Summaries look over ten seconds and are in milliseconds; a quantile without a request in
them is ``NaN``, which is *not told* and never zero.
"""

from __future__ import annotations

import math
import re

from alphapulse_tui.model.vault_raft import Telemetry

_LINE = re.compile(r"^(vault_\w+)(?:\{([^}]*)\})? (\S+)")
_QUANTILE = re.compile(r'quantile="([\d.]+)"')


def telemetry(body: bytes) -> Telemetry:
    """The figures that we show; every one that is not there is none."""
    found: dict[tuple[str, str], float] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        quantile = _QUANTILE.search(match[2] or "")
        key = (match[1], quantile[1] if quantile else "")
        # One name with several labels (a mount, a peer): the worst of them is what slows a request down.
        if math.isfinite(value):
            found[key] = max(value, found.get(key, value))

    def of(name: str, quantile: str = "") -> float | None:
        return found.get((f"vault_{name}", quantile))

    return Telemetry(
        handle_p50=of("core_handle_request", "0.5"),
        handle_p99=of("core_handle_request", "0.99"),
        login_p99=of("core_handle_login_request", "0.99"),
        audit_p99=of("audit_log_request", "0.99"),
        audit_failures=(of("audit_log_request_failure") or 0.0) + (of("audit_log_response_failure") or 0.0),
        commit_p99=of("raft_commitTime", "0.99"),
        contact_p99=of("raft_leader_lastContact", "0.99"),
        storage_get_p99=of("raft_storage_get", "0.99"),
        storage_put_p99=of("raft_storage_put", "0.99"),
        in_flight=of("core_in_flight_requests"),
        leases=of("expire_num_leases"),
    )

"""Names of Prometheus: `api.response_seconds` is also `api_response_seconds`.

Prometheus names metrics of OpenTelemetry so; several metrics may have one such name.
"""

import re

_FOREIGN = re.compile(r"[^A-Za-z0-9_:]")


def underscored(name: str) -> str:
    """The name with `_` for every sign that a bare name of PromQL does not have."""
    found = _FOREIGN.sub("_", name)
    return f"_{found}" if found[:1].isdigit() else found

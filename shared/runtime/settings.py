"""Settings: one frozen struct for each service, filled from the environment at start.

Field `batch_ms` of the gateway is read from `GATEWAY_BATCH_MS`, else from `TIDEGAUGE_BATCH_MS`, else it has its
default. One error lists all problems, each with the name of the variable.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from shared.errors import Misconfigured

SHARED_PREFIX = "TIDEGAUGE"
"""Prefix of variables that hold for every service, such as the addresses of the servers."""

S = TypeVar("S", bound=msgspec.Struct)


def load(cls: type[S], prefix: str, environ: Mapping[str, str]) -> S:
    """Fill `cls` from `environ`; raise `Misconfigured` listing every missing or unusable variable."""
    values: dict[str, object] = {}
    problems: list[str] = []
    for field in msgspec.structs.fields(cls):
        name = field.name.upper()
        variable = next((v for v in (f"{prefix}_{name}", f"{SHARED_PREFIX}_{name}") if environ.get(v)), None)
        if variable is None:
            if field.required:
                problems.append(f"{SHARED_PREFIX}_{name} is not set")
            continue
        try:
            values[field.name] = msgspec.convert(environ[variable], field.type, strict=False)
        except msgspec.ValidationError as error:
            problems.append(f"{variable}: {error}")
    if problems:
        raise Misconfigured("; ".join(problems))
    return cls(**values)

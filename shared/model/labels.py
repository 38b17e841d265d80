"""Labels: the names and values that tell the series of one metric apart; both are any UTF-8 text.

Lengths are counted in UTF-8 bytes. Labels that pass here can be stored in Postgres as text and as jsonb.

Invariant: the same labels in any order are equal, because they are sorted by name.
"""

import re
from collections.abc import Mapping

from shared.errors import Rejected

MAX_LABELS = 30
"""Labels a series may bear."""

MAX_NAME_BYTES = 64
"""Longest label name."""

MAX_VALUE_BYTES = 256
"""Longest label value."""

RESERVED = frozenset({"tenant", "tenant_id"})
"""Names that the system gives a meaning of its own."""

Labels = tuple[tuple[str, str], ...]
"""Sorted (name, value) pairs."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_name(text: str, max_bytes: int) -> bool:
    """Whether this may name a label or a metric: 1 to so many bytes of UTF-8 without control characters."""
    return bool(text) and not _CONTROL.search(text) and len(text.encode()) <= max_bytes


def labels_of(mapping: Mapping[str, str]) -> Labels:
    """Return the sorted labels; raise `Rejected` with code `invalid_labels` naming the label."""
    if len(mapping) > MAX_LABELS:
        raise Rejected("invalid_labels", f"labels: {len(mapping)} given, at most {MAX_LABELS}")
    for name, value in mapping.items():
        _check_name(name)
        _check_value(name, value)
    return tuple(sorted(mapping.items()))


def _check_name(name: str) -> None:
    if not is_name(name, MAX_NAME_BYTES):
        raise Rejected(
            "invalid_labels",
            f"labels: name {name[:MAX_NAME_BYTES]!a} must be 1 to {MAX_NAME_BYTES} bytes of UTF-8 "
            "without control characters",
        )
    if name.startswith("__") or name in RESERVED:
        raise Rejected("invalid_labels", f"labels: name {name!a} is reserved")


def _check_value(name: str, value: str) -> None:
    if _CONTROL.search(value):
        raise Rejected("invalid_labels", f"labels.{name}: control characters are not allowed")
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise Rejected("invalid_labels", f"labels.{name}: longer than {MAX_VALUE_BYTES} bytes")

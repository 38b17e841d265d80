"""Transitions as the table `alert_event` holds them.

Rows of the build before lack the columns that only dispatch reads; no outbox row names them.
"""

from typing import Any

import orjson

from services.alerts.domain.transition import Transition

FIELDS = (
    "rule", "series_id", "tenant_id", "episode_ms", "transition", "reason", "at_ms", "decided_on", "window_start_ms",
    "value", "threshold", "expr", "count", "revision", "watermark_ms", "fingerprint", "active_at_ms", "fired_at_ms",
    "resolved_at_ms", "key",
)  # fmt: skip
"""Columns whose values are those of a transition; labels and annotations are JSON."""

COLUMNS = ", ".join(f"e.{name}" for name in (*FIELDS, "labels", "annotations"))
"""What a statement selects, with the table called `e`."""


def transition_of(row: Any) -> Transition:
    """The transition of a row that has these columns."""
    return Transition(
        **{name: row[name] for name in FIELDS},
        labels=orjson.loads(row["labels"]),
        annotations=orjson.loads(row["annotations"]),
    )

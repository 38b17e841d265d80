"""The answers of the ledger as OpenAPI shows them.

Times are milliseconds UTC. The models describe answers; nothing is validated with them.
"""

from typing import Literal

from pydantic import BaseModel, Field


class AccountBody(BaseModel):
    """What came in, and what became of it: rows of points (a histogram has one a bucket), or events."""

    received: int = Field(description="From clients, what was refused included")
    derived: int = Field(description="Points that Tidegauge made of events")
    counted: int = Field(description="In the tables")
    duplicate: int = Field(description="Repeats, left out")
    conflict: int = Field(description="Repeats of a batch id with another body, left out")
    stale_total: int = Field(description="Running totals that came too late to count from")
    contested_total: int = Field(
        description="Running totals that several writers send as one series: they count nothing"
    )
    lost: int = Field(
        description="Messages of the log that vanished before they were counted; whose points they held is not known"
    )
    rejected: dict[str, int] = Field(description="Refused in answers, by code")
    dead_lettered: dict[str, int] = Field(description="In messages that could not be used, by code")
    difference: int = Field(
        description="What came in less what became of it; other than 0 is a fault of ours, or a loss"
    )


class MinuteBody(AccountBody):
    """A minute of the log: when the broker appended what came in."""

    minute_ms: int = Field(description="Start of the minute")


class LedgerBody(BaseModel):
    """What became of what a tenant sent, minute by minute; minutes without anything are left out."""

    signal: Literal["points", "events"]
    from_ms: int
    to_ms: int
    complete_until_ms: int | None = Field(
        description="All of the log up to here is in; null where that is not known, as with events"
    )
    minutes: list[MinuteBody]
    total: AccountBody

"""`tidegauge audit`: whether the ledger closes and the tiers agree, and what is still in flight.

Times are milliseconds UTC. Messages in flight are no fault: they are on no side of the ledger. Invariant: the command
ends with 0 exactly when every minute closes by itself and no compared window differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.kafka.ends import ends
from deploy.postgres import audit_report
from deploy.postgres.audit_report import AuditReport, Question, Tier
from deploy.postgres.prepared.comparison import GroupTier
from shared.errors import Misconfigured, Unavailable
from shared.ledger.accounts import CODED, PLAIN, Account, total
from shared.ledger.queries import TenantMinute, topics
from shared.prepared.tables import GROUP_TABLES, SERIES_TABLES

DEFAULT_RANGE_MS = 3600 * 1000
"""What is audited when nothing is said."""

_HEAD = ("tenant", "signal", "minutes", *PLAIN, *CODED, "difference")


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found."""

    question: Question
    report: AuditReport
    in_flight: Mapping[tuple[str, int], int] | None
    """Messages behind the checkpoint of each partition; None: the log cannot be looked at now."""

    @property
    def open(self) -> list[TenantMinute]:
        """Minutes that do not close."""
        return [minute for minute in self.report.minutes if minute.account.difference]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        compared = [one.mismatches for one in self.report.tiers]
        return not self.open and not any((*compared, *(one.mismatches for one in self.report.groups)))


def question(span: tuple[str, str], tenant: str | None, prefix: str, now_ms: int) -> Question:
    """What is asked; instants as ISO 8601, empty: the last hour. Raises `Misconfigured`."""
    to_ms = instant_ms("--to", span[1], now_ms)
    from_ms = instant_ms("--from", span[0], to_ms - DEFAULT_RANGE_MS)
    if from_ms >= to_ms:
        raise Misconfigured("--from: must be before --to")
    return Question(from_ms, to_ms, topics(prefix), tenant)


async def run(postgres: str, kafka: str, asked: Question) -> Audit:
    """Look at the tables, then at the log; raise `Unavailable` when the tables cannot be read."""
    found = await audit_report.read(postgres, asked)
    try:
        logs = await ends(kafka, list(asked.topics.values()))
    except Unavailable:
        return Audit(asked, found, None)
    behind = {part: max(0, end - found.checkpoints.get(part, 0)) for part, end in logs.items()}
    return Audit(asked, found, behind)


def render(audit: Audit) -> Iterator[str]:
    """The findings, line by line."""
    asked = audit.question
    yield f"received from {_text(asked.from_ms)} to {_text(asked.to_ms)}"
    signals = {topic: signal for signal, topic in asked.topics.items()}
    groups: dict[tuple[str, str], list[Account]] = {}
    for minute in audit.report.minutes:
        groups.setdefault((minute.tenant, signals[minute.topic]), []).append(minute.account)
    yield from _table([_row(*key, accounts) for key, accounts in sorted(groups.items())])
    for (tenant, signal), accounts in sorted(groups.items()):
        yield from _codes(f"{signal} of {tenant}", total(accounts))
    for minute in audit.open:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(minute.account.counts.items()))
        where = f"{_text(minute.minute_ms)}, {signals[minute.topic]} of {minute.tenant}"
        yield f"does not close: {where}: {counts}, difference {minute.account.difference:+}"
    yield from _flight(audit)
    for tier in audit.report.tiers:
        yield from _tier(tier)
    for compared in audit.report.groups:
        yield from _groups(compared)
    yield "all is accounted for" if audit.sound else "something is not accounted for: see above"


def _row(tenant: str, signal: str, accounts: Sequence[Account]) -> tuple[str, ...]:
    whole = total(accounts)
    plain = [whole.of(outcome) for outcome in PLAIN]
    coded = [sum(whole.by_code(outcome).values()) for outcome in CODED]
    return (tenant, signal, *map(str, (len(accounts), *plain, *coded, whole.difference)))


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    for row in (_HEAD, *rows):
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        yield "  ".join([*left, *right])


def _codes(whose: str, account: Account) -> Iterator[str]:
    for outcome in CODED:
        if found := {code: count for code, count in account.by_code(outcome).items() if count}:
            listed = ", ".join(f"{code} {count}" for code, count in sorted(found.items()))
            yield f"{outcome}, {whose}: {listed}"


def _flight(audit: Audit) -> Iterator[str]:
    if audit.in_flight is None:
        yield "in flight: not known, for Kafka does not answer"
        return
    for signal, topic in audit.question.topics.items():
        behind = [count for (name, _), count in audit.in_flight.items() if name == topic]
        waiting = [count for count in behind if count]
        where = f" in {len(waiting)} of {len(behind)} partitions" if waiting else ""
        yield f"in flight, {signal}: {sum(waiting)} messages{where}"


def _tier(tier: Tier) -> Iterator[str]:
    verdict = "differs from" if tier.mismatches else "agrees with"
    yield f"{tier.coarse} {verdict} {tier.fine} ({tier.compared} windows of series compared)"
    for one in tier.mismatches:
        what = f"{one.metric} of {one.tenant} at {_text(one.window_ms)}"
        yield f"  {what}: count and sum {_pair(one.coarse)}, of the finer ones {_pair(one.fine)}"


def _groups(tier: GroupTier) -> Iterator[str]:
    verdict = "differ from" if tier.mismatches else "agree with"
    names = GROUP_TABLES[tier.resolution_ms], SERIES_TABLES[tier.resolution_ms]
    since = f"{tier.compared} rows of groups compared, since {_text(tier.since_ms)}"
    yield f"prepared groups of {names[0]} {verdict} {names[1]} ({since})"
    for one in tier.mismatches:
        label_set = one.key.label_set or "all series"
        what = f"{one.key.metric} of tenant {one.key.tenant_id} by {label_set} at {_text(one.window_ms)}"
        in_what = f" in {', '.join(one.columns)}" if one.columns else ""
        found, expected = (_pair(each or (None, None)) for each in (one.found, one.expected))
        yield f"  {what}{in_what}: count and sum {found}, of its series {expected}"


def _pair(values: tuple[float | None, float | None]) -> str:
    return "no row" if values[0] is None else f"{values[0]:g} and {values[1]:g}"


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def instant_ms(option: str, text: str, default_ms: int) -> int:
    """The instant that an option gives; raise `Misconfigured` where it is none."""
    if not text:
        return default_ms
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"{option}: must be an instant such as 2026-03-01T12:00Z") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)

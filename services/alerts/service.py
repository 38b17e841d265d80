"""One partition of windows, from a message to transitions: the order of the steps. Milliseconds UTC.

Know the series, compare, move alerts, and with each tick look for those that fell silent. The law: everything here
follows from the messages in their order and the rules, and a message that comes twice changes nothing.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from services.alerts.domain import evaluate, lifecycle
from services.alerts.domain.lifecycle import Alert, Evaluation, SeriesRef, Transition
from services.alerts.domain.rule import Rule, RuleSet
from shared.model.rollup import Rollups
from shared.model.window import BASE_MS

MAX_KNOWN = 200_000
"""Series remembered at once; beyond it the memory starts anew."""

MAX_ALERTS = 100_000
"""Alerts of a partition at once; beyond it no new one begins until others have ended."""

_CHANGE_BYTES = 2_000

Key = tuple[str, int]
"""A rule's key and a series id: what an alert is the alert of."""


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """What a series is, as far as rules go."""

    metric: str
    """Every sign but letters, digits and `_` replaced by `_`."""
    series: SeriesRef


@dataclass(frozen=True, slots=True)
class WindowRows:
    """One message."""

    final: bool
    """The windows have closed."""
    watermark_ms: int
    series: Sequence[bytes]
    """Identities that the rows' slots mean."""
    rows: Rollups


@dataclass(slots=True, eq=False)
class AlertWork:
    """What is to be written."""

    transitions: list[Transition]
    """In the order of the log."""
    alerts: list[Alert]
    """Those that changed, as they stand."""


@dataclass(slots=True, eq=False)
class PartitionAlerts:
    """The alerts of one partition."""

    rule_set: RuleSet
    describe: Callable[[bytes], SeriesInfo]
    """What a series is; raises `Rejected` for one that is not sound."""
    time_ms: int | None = None
    """Watermark of the latest tick: all windows that end by then have been seen."""
    alerts: dict[Key, Alert] = field(default_factory=dict)
    max_alerts: int = MAX_ALERTS
    max_known: int = MAX_KNOWN
    evicted: int = 0
    """Windows whose breach found no room for an alert."""
    _version: int = -1
    _rules: list[Rule] = field(default_factory=list)
    _known: dict[bytes, tuple[SeriesRef, tuple[int, ...]]] = field(default_factory=dict)
    _transitions: list[Transition] = field(default_factory=list)
    _changed: dict[Key, Alert] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """Series that are remembered."""
        return len(self._known)

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Go on from these."""
        self.alerts = {(alert.rule.key, alert.series.series_id): alert for alert in alerts}

    def fold(self, windows: WindowRows) -> None:
        """Take in one message; raise `Rejected`, with nothing changed, when a series of it is not sound."""
        self._adopt()
        known = [self._known.get(packed) or self._learn(packed) for packed in windows.series]
        if len(windows.rows):
            self._judge(windows, known)
        elif windows.final:
            self._tick(windows.watermark_ms)

    def _learn(self, packed: bytes) -> tuple[SeriesRef, tuple[int, ...]]:
        info = self.describe(packed)
        matching = tuple(n for n, rule in enumerate(self._rules) if rule.comparison.metric == info.metric)
        if len(self._known) >= self.max_known:
            self._known.clear()
        self._known[packed] = info.series, matching
        return self._known[packed]

    def _judge(self, windows: WindowRows, known: Sequence[tuple[SeriesRef, tuple[int, ...]]]) -> None:
        interested = {number for _, matching in known for number in matching}
        for number in sorted(interested):
            rule = self._rules[number]
            if windows.final or rule.live:
                slots = np.array([number in matching for _, matching in known])
                chosen = np.flatnonzero(slots[windows.rows.slot] & self._open(windows.rows))
                self._compare(rule, windows, known, chosen)

    def _open(self, rows: Rollups) -> NDArray[np.bool_]:
        """Rows whose windows no tick has passed."""
        return np.asarray(rows.start_ms + BASE_MS > (self.time_ms or 0))

    def _compare(
        self,
        rule: Rule,
        windows: WindowRows,
        known: Sequence[tuple[SeriesRef, tuple[int, ...]]],
        chosen: NDArray[np.intp],
    ) -> None:
        rows = windows.rows
        found = evaluate.values(rule.comparison, rows, chosen)
        over = evaluate.breaches(rule.comparison, found)
        if not windows.final:
            # What was taken back, or may be as increments are, can undo a maximum or a count.
            over &= ~rows.estimated[chosen]
        on = lifecycle.CLOSED if windows.final else lifecycle.LIVE
        if not windows.final or not (self.alerts or over.any()):
            # A window without a breach ends alerts when it has closed, and nothing else.
            chosen, found, over = chosen[over], found[over], over[over]
        for row, value, breach in zip(chosen.tolist(), found.tolist(), over.tolist(), strict=True):
            series = known[rows.slot[row]][0]
            alert = self.alerts.get((rule.key, series.series_id))
            if alert is None and not self._may_begin(breach=breach):
                continue
            evaluation = Evaluation(
                int(rows.start_ms[row]),
                value,
                float(rows.count[row]),
                int(rows.revision[row]),
                windows.watermark_ms,
                on,
            )
            self._move(rule, series, evaluation, breach=breach)

    def _may_begin(self, *, breach: bool) -> bool:
        room = len(self.alerts) < self.max_alerts
        self.evicted += breach and not room
        return breach and room

    def _move(self, rule: Rule, series: SeriesRef, evaluation: Evaluation, *, breach: bool) -> None:
        key = rule.key, series.series_id
        alert = self.alerts.get(key)
        start_ms = evaluation.window_start_ms
        if alert is not None and evaluation.decided_on == lifecycle.CLOSED:
            if start_ms <= alert.last_closed_ms:
                return
            self._silent_before(key, alert, start_ms, evaluation.watermark_ms)
        if alert is None or not alert.active:
            if breach and (alert is None or start_ms > alert.last_closed_ms):
                self.alerts[key], begun = lifecycle.begin(rule, series, evaluation)
                self._note(key, begun)
            elif alert is not None and evaluation.decided_on == lifecycle.CLOSED:
                alert.last_closed_ms = start_ms
                self._changed[key] = self.alerts[key]
        elif breach:
            if evaluation.decided_on == lifecycle.CLOSED or start_ms > alert.last_breach_ms:
                self._note(key, alert.breach(self._finite(alert, evaluation)))
        else:
            self._note(key, alert.clear(self._finite(alert, evaluation), lifecycle.CLEAR))

    @staticmethod
    def _finite(alert: Alert, evaluation: Evaluation) -> Evaluation:
        if math.isfinite(evaluation.value):
            return evaluation
        return Evaluation(
            evaluation.window_start_ms,
            alert.value,
            evaluation.count,
            evaluation.revision,
            evaluation.watermark_ms,
            evaluation.decided_on,
        )

    def _tick(self, watermark_ms: int) -> None:
        """Time moves on: windows that ended by then without points of an alert's series were silent."""
        self.time_ms = max(self.time_ms or watermark_ms, watermark_ms)
        # In the order of their keys, so that a replay tells them in the same order.
        for key in sorted(self.alerts):
            alert = self.alerts[key]
            self._silent_before(key, alert, self.time_ms - BASE_MS + 1, self.time_ms)
            if not alert.active and alert.last_closed_ms + BASE_MS <= self.time_ms:
                del self.alerts[key]

    def _silent_before(self, key: Key, alert: Alert, start_ms: int, watermark_ms: int) -> None:
        """Judge the windows between the latest that was judged and the one that starts at `start_ms`."""
        silent_ms = alert.last_closed_ms + BASE_MS
        while alert.active and silent_ms < start_ms:
            evaluation = Evaluation(silent_ms, alert.value, 0.0, 0, watermark_ms, lifecycle.TICK)
            self._note(key, alert.clear(evaluation, lifecycle.NO_DATA))
            silent_ms += BASE_MS

    def _note(self, key: Key, transition: Transition | None) -> None:
        self._changed[key] = self.alerts[key]
        if transition is not None:
            self._transitions.append(transition)

    def _adopt(self) -> None:
        """Judge by the present rules from now on; an alert whose rule is gone or says something else ends."""
        if self._version == self.rule_set.version:
            return
        self._version, self._rules = self.rule_set.version, list(self.rule_set.rules)
        self._known.clear()
        rules = {rule.key: rule for rule in self._rules}
        for key, alert in sorted(self.alerts.items(), key=itemgetter(0)):
            rule = rules.get(alert.rule.key)
            if rule is not None and rule.comparison == alert.rule.comparison:
                # Its labels name the alert to receivers, so they stay until the episode ends.
                alert.rule = replace(rule, labels=alert.rule.labels)
            elif alert.active:
                # The windows up to its last breach are its own: a new episode of the same name would be
                # told under the same keys, and nobody would hear of it.
                alert.last_closed_ms = max(alert.last_closed_ms, alert.last_breach_ms)
                at_ms = alert.last_closed_ms + BASE_MS
                evaluation = Evaluation(
                    alert.last_breach_ms, alert.value, 0.0, 0, self.time_ms or at_ms, lifecycle.RULES
                )
                self._note(key, alert.end(evaluation, lifecycle.RULE_REMOVED, at_ms))

    @property
    def urgent(self) -> bool:
        """Whether somebody is to be told."""
        return bool(self._transitions)

    @property
    def waiting_bytes(self) -> int:
        """Roughly what the next checkpoint will free."""
        return _CHANGE_BYTES * (len(self._transitions) + len(self._changed))

    def checkpoint(self) -> AlertWork:
        """Hand over what was gathered."""
        work = AlertWork(self._transitions, [replace(alert) for alert in self._changed.values()])
        self._transitions, self._changed = [], {}
        return work

"""One partition of windows, from a message to transitions: the order of the steps. Milliseconds UTC.

A message names its series; each matching rule is evaluated on its rows, and each evaluation moves an alert. A tick does
what time alone does: a window without points says nothing. Invariant: transitions follow from the messages in their
order and the rules, and a message that comes twice changes nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.alerts.domain.transition import TICK, Transition
from services.alerts.evaluation.domain import machine
from services.alerts.evaluation.domain.alert import NONE, Alert, Evaluation, SeriesRef
from services.alerts.evaluation.domain.deadlines import Deadlines, Key
from services.alerts.evaluation.domain.history import History, HistoryWork
from services.alerts.evaluation.domain.judging import Judged, evaluations
from services.alerts.evaluation.domain.lookback import due
from shared.alerts.rules.model import Rule, RuleSet
from shared.alerts.rules.plan import Candidate
from shared.model.rollup import Ints, Rollups
from shared.model.window import BASE_MS, start_of

MAX_KNOWN = 200_000
"""Series remembered at once; beyond it the memory starts anew."""

MAX_ALERTS = 100_000
"""Alerts of a partition at once; beyond it no new one begins until others have ended."""

_CHANGE_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """What a series is, as far as rules go."""

    candidate: Candidate
    """As selectors see it."""
    series: SeriesRef


class KnownSeries(NamedTuple):
    """A series that has been matched with the rules."""

    series: SeriesRef
    rules: tuple[int, ...]
    """Positions of the rules that read it."""


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
    history: HistoryWork = field(default_factory=HistoryWork)


@dataclass(slots=True, eq=False)
class PartitionAlerts:
    """The alerts of one partition."""

    rule_set: RuleSet
    describe: Callable[[bytes], SeriesInfo]
    """What a series is; raises `Rejected` for one that is not sound."""
    time_ms: int | None = None
    """Watermark of the latest tick: all windows that end by then have been seen."""
    alerts: dict[Key, Alert] = field(default_factory=dict)
    history: History = field(default_factory=History)
    max_alerts: int = MAX_ALERTS
    max_known: int = MAX_KNOWN
    evicted: int = 0
    """Windows whose breach found no room for an alert."""
    _version: int = -1
    _rules: list[Rule] = field(default_factory=list)
    _ranged: dict[int, Rule] = field(default_factory=dict)
    """Those with ranges, by position."""
    _known: dict[bytes, KnownSeries] = field(default_factory=dict)
    _transitions: list[Transition] = field(default_factory=list)
    _with_alert: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Ids of the series that have an alert, by the key of its rule."""
    _changed: dict[Key, Alert] = field(default_factory=dict)
    _deadlines: Deadlines = field(default_factory=Deadlines)

    @property
    def known(self) -> int:
        """Series that are remembered."""
        return len(self._known)

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Go on from these."""
        self.alerts = {(alert.rule.key, alert.series.series_id): alert for alert in alerts}
        self._deadlines = Deadlines()
        self._with_alert.clear()
        for key in self.alerts:
            self._with_alert[key[0]].add(key[1])
            self._deadlines.note(key, self._deadline(key))

    def fold(self, windows: WindowRows) -> None:
        """Take in one message; raise `Rejected`, with nothing changed, when a series of it is not sound."""
        self._adopt()
        known = [self._known.get(packed) or self._learn(packed) for packed in windows.series]
        if len(windows.rows):
            self._evaluate(windows, known)
            if windows.final and self._ranged:
                self._keep(windows, known)
        elif windows.final:
            self._tick(windows.watermark_ms)

    def _learn(self, packed: bytes) -> KnownSeries:
        info = self.describe(packed)
        matching = (n for n, rule in enumerate(self._rules) if rule.comparison.leaf.selects(info.candidate))
        if len(self._known) >= self.max_known:
            self._known.clear()
        self._known[packed] = known = KnownSeries(info.series, tuple(matching))
        return known

    def _evaluate(self, windows: WindowRows, known: Sequence[KnownSeries]) -> None:
        open_rows = self._open(windows.rows)
        refs = [each.series for each in known]
        ids = np.array([each.series_id for each in refs], np.int64)
        for number, slots in sorted(_by_rule(known).items()):
            rule = self._rules[number]
            if not rule.comparison.leaf.has_range and (windows.final or rule.live):
                chosen = np.flatnonzero(slots[windows.rows.slot] & open_rows)
                self._judge(
                    rule, Judged(windows.rows, chosen, refs, ids, windows.final, windows.watermark_ms)
                )

    def _open(self, rows: Rollups) -> NDArray[np.bool_]:
        """Rows whose windows no tick has passed."""
        return np.asarray(rows.start_ms + BASE_MS > (self.time_ms or 0))

    def _keep(self, windows: WindowRows, known: Sequence[KnownSeries]) -> None:
        """Keep what rules with ranges will look back on."""
        slots = np.array([not self._ranged.keys().isdisjoint(each.rules) for each in known])
        chosen = np.flatnonzero(slots[windows.rows.slot] & self._open(windows.rows))
        if len(chosen):
            self.history.keep(windows.series, windows.rows.take(chosen), windows.watermark_ms)

    def _judge(self, rule: Rule, judged: Judged) -> None:
        for evaluation in evaluations(rule, judged, self._with_alert[rule.key], self._may_begin):
            self._apply(evaluation)

    def _may_begin(self, breach: bool) -> bool:  # noqa: FBT001 # what it is asked of
        room = len(self.alerts) < self.max_alerts
        self.evicted += breach and not room
        return breach and room

    def _apply(self, evaluation: Evaluation) -> None:
        key = evaluation.rule.key, evaluation.series.series_id
        before = self.alerts.get(key)
        after, transitions = machine.step(before, evaluation)
        if after is not None and after is not before:
            self.alerts[key] = self._changed[key] = after
            self._with_alert[key[0]].add(key[1])
            self._deadlines.note(key, self._deadline(key))
        self._transitions += transitions

    def _tick(self, watermark_ms: int) -> None:
        """Time moves on: what is due by then happens, each at its own step."""
        before_ms, time_ms = self.time_ms, max(self.time_ms or watermark_ms, watermark_ms)
        if self._ranged:
            self._look_back(before_ms, time_ms)
        self.time_ms = time_ms
        for at_ms, key in self._deadlines.due(start_of(time_ms), self._deadline):
            alert = self.alerts[key]
            if alert.active:
                self._apply(Evaluation(alert.rule, alert.series, NONE, TICK, at_ms - BASE_MS, time_ms))
            else:
                del self.alerts[key]
                self._with_alert[key[0]].discard(key[1])

    def _look_back(self, before_ms: int | None, time_ms: int) -> None:
        """Judge the rules with ranges at each step up to a tick."""
        longest_ms = max(rule.comparison.leaf.range_ms for rule in self._ranged.values())
        known = [self._known.get(packed) or self._learn(packed) for packed in self.history.series]
        slots = _by_rule(known)
        for step_ms in self.history.steps(before_ms, time_ms, longest_ms):
            # Rules with one range share what it holds.
            found: dict[tuple[int, bool], tuple[Judged, Ints] | None] = {}
            for number, rule in self._ranged.items():
                leaf = rule.comparison.leaf
                if number not in slots or not self.history.covers(leaf.key, step_ms - leaf.range_ms):
                    continue
                key = leaf.range_ms, self.history.needs_sketch(leaf)
                if key not in found:
                    found[key] = self._range(key, known, (step_ms, time_ms))
                if (whole := found[key]) is not None:
                    judged, series = whole
                    self._judge(rule, judged._replace(chosen=judged.chosen[slots[number][series]]))
        self.history.cover((rule.comparison.leaf.key for rule in self._ranged.values()), time_ms)
        self.history.pass_by(time_ms, longest_ms)

    def _range(
        self, key: tuple[int, bool], known: Sequence[KnownSeries], times_ms: tuple[int, int]
    ) -> tuple[Judged, Ints] | None:
        """What a range holds at a step up to a tick, of all series, and the slots of these."""
        found = self.history.at(key[0], times_ms[0], with_sketch=key[1])
        if found is None:
            return None
        refs = [known[slot].series for slot in found.slots.tolist()]
        ids = np.array([each.series_id for each in refs], np.int64)
        # By id: slots follow from what else was kept, which a new owner does not know.
        order = np.argsort(ids, kind="stable")
        step_ms, time_ms = times_ms
        return Judged(found.rows, order, refs, ids, True, time_ms, step_ms, found), found.slots[order]

    def _deadline(self, key: Key) -> int | None:
        """When time alone moves an alert; one that is over is forgotten once a tick has passed its window."""
        alert = self.alerts.get(key)
        if alert is None:
            return None
        if not alert.active:
            return alert.last_closed_ms + BASE_MS
        found = due(alert)
        return None if found is None else found.at_ms

    def _adopt(self) -> None:
        """Evaluate the present rules from now on; an alert whose rule is gone or says something else ends."""
        if self._version == self.rule_set.version:
            return
        self._version, self._rules = self.rule_set.version, list(self.rule_set.rules)
        self._ranged = {n: rule for n, rule in enumerate(self._rules) if rule.comparison.leaf.has_range}
        if not self._ranged:
            self.history.clear()
        self._known.clear()
        rules = {rule.key: rule for rule in self._rules}
        for key, alert in sorted(self.alerts.items(), key=itemgetter(0)):
            rule = rules.get(alert.rule.key)
            if rule is not None and rule.comparison == alert.rule.comparison:
                # Its labels name the alert to receivers, so they stay until the episode ends.
                self.alerts[key] = adopted = replace(alert, rule=replace(rule, labels=alert.rule.labels))
                self._deadlines.note(key, self._deadline(key))
                if key in self._changed:
                    self._changed[key] = adopted
            else:
                self._apply(machine.removal(alert, self.time_ms))

    @property
    def urgent(self) -> bool:
        """Whether transitions wait for a commit."""
        return bool(self._transitions)

    @property
    def waiting_bytes(self) -> int:
        """Roughly what the next checkpoint will free."""
        return _CHANGE_BYTES * (len(self._transitions) + len(self._changed)) + self.history.waiting_bytes

    def checkpoint(self) -> AlertWork:
        """Hand over what was gathered."""
        work = AlertWork(self._transitions, list(self._changed.values()), self.history.checkpoint())
        self._transitions, self._changed = [], {}
        return work


def _by_rule(known: Sequence[KnownSeries]) -> dict[int, NDArray[np.bool_]]:
    """Which of these series each rule reads, by its position; rules that read none are left out."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for slot, each in enumerate(known):
        for number in each.rules:
            found[number].append(slot)
    slots = {}
    for number, read in found.items():
        slots[number] = np.zeros(len(known), np.bool_)
        slots[number][read] = True
    return slots

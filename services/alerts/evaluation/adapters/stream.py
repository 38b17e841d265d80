"""Drives the fold from the pump: decodes windows, hands what came of them to Postgres, wakes dispatch.

Times are milliseconds UTC. Invariant: a record that is not sound leaves the fold untouched, and the rows of its alerts
hold all that is needed to go on from its offset.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from services.alerts.evaluation.adapters.history import HistoryTables
from services.alerts.evaluation.adapters.postgres import AlertTables
from services.alerts.evaluation.domain.alert import SeriesRef
from services.alerts.evaluation.ports import Dispatch
from services.alerts.evaluation.service import AlertWork, PartitionAlerts, SeriesInfo, WindowRows
from shared.alerts.rules.model import RuleSet
from shared.alerts.rules.plan import candidate
from shared.errors import Rejected, UnknownVersion
from shared.model.rollup import Rollups
from shared.model.window import BASE_MS
from shared.postgres.connections import Connection
from shared.runtime.kafka import Sender
from shared.stream import dead_letters
from shared.stream.processor import Checkpoint, Cut, Key, Record, Stored
from shared.wire import rollups
from shared.wire.series import SeriesId, checked, series_id
from shared.wire.versions import OLD

AHEAD_MS = 24 * 3600 * 1000
"""How far a watermark may lie ahead of the log: one from the far future would hold back every alert until then."""

AROUND_MS = 30 * 24 * 3600 * 1000
"""How far a window may lie from its watermark: beyond all lateness and every clock that is merely wrong."""


class DeadLetters:
    """The topic of dead letters."""

    def __init__(self, sender: Sender, prefix: str, version: int = OLD) -> None:
        self._sender = sender
        self._prefix = prefix
        self._version = version

    async def publish(self, cuts: Sequence[Cut[AlertWork]]) -> None:
        """Tell it what these cuts could not use. Raises `Unavailable`."""
        await self._sender.send(list(dead_letters.messages(cuts, self._prefix, self._version)))


class AlertFold:
    """One partition: records in, checkpoints out."""

    def __init__(self, key: Key, state: PartitionAlerts) -> None:
        self.key = key
        self.state = state

    @property
    def urgent(self) -> bool:
        """Whether transitions wait for a commit."""
        return self.state.urgent

    @property
    def waiting_bytes(self) -> int:
        """Memory that only a commit frees."""
        return self.state.waiting_bytes

    def fold(self, record: Record) -> None:
        """Decode and evaluate one record."""
        found = rollups.decode(record.value)
        check(found, self.key.partition, record.appended_at_ms)
        rows = evaluated_rows(found)
        if len(rows) == 0 < len(found.rollups):
            return
        self.state.fold(WindowRows(found.final, found.watermark_ms, found.series, rows))

    def pass_over(self, record: Record) -> None:
        """Nothing: no state depends on which records were folded."""

    def pass_gap(self) -> None:
        """Nothing, for the same reason."""

    def checkpoint(self) -> Checkpoint[AlertWork]:
        """What was gathered; the alerts themselves are in their table."""
        return Checkpoint(self.state.checkpoint(), self.state.time_ms, b"", None)


def evaluated_rows(windows: rollups.WindowBatch) -> Rollups:
    """The rows that may page: windows of the finest tier as they stood when they closed, or still open."""
    paging = windows.rollups.revision == 0
    if windows.resolution_ms != BASE_MS:
        paging = np.zeros_like(paging)
    return windows.rollups if paging.all() else windows.rollups.take(np.flatnonzero(paging))


def check(windows: rollups.WindowBatch, partition: int, appended_at_ms: int) -> None:
    """Raise `Rejected` for windows that no aggregator of ours has sent here."""
    if windows.partition != partition:
        raise Rejected("foreign_windows", f"partition: {windows.partition} is not {partition}")
    if not 0 <= windows.watermark_ms <= appended_at_ms + AHEAD_MS:
        raise Rejected(
            "bad_windows", f"watermark_ms: {windows.watermark_ms} is not a time before the record's"
        )
    starts_ms = windows.rollups.start_ms
    if len(starts_ms):
        low_ms, high_ms = int(starts_ms.min()), int(starts_ms.max())
        if low_ms < windows.watermark_ms - AROUND_MS or high_ms > windows.watermark_ms + AROUND_MS:
            raise Rejected("bad_windows", "start_ms: lies more than 30 days from the watermark")


def series_info(packed: bytes, id_of: SeriesId = series_id, *, named: bool = True) -> SeriesInfo:
    """What a series is to rules; raise `Rejected` unless it is sound. `named`: alerts tell metric, kind and unit."""
    read = checked(packed)
    labels = dict(read.labels)
    ref = SeriesRef(id_of(packed), read.tenant_id, labels, is_level=read.kind == "gauge")
    if named:
        ref = replace(ref, metric=read.metric, kind=read.kind, unit=read.unit)
    return SeriesInfo(candidate(read.metric, read.kind, read.unit, labels), ref)


class Alerting:
    """The alert service's side of the pump."""

    def __init__(
        self,
        rule_set: RuleSet,
        tables: AlertTables,
        dead: DeadLetters,
        dispatch: Dispatch[Connection],
        id_of: SeriesId = series_id,
        *,
        named: bool = True,
    ) -> None:
        self._rule_set = rule_set
        self._series_info = partial(series_info, id_of=id_of, named=named)
        self._tables = tables
        self._history = HistoryTables()
        self._dead = dead
        self._dispatch = dispatch

    async def restore(
        self, connection: Connection, stored: Mapping[Key, Stored]
    ) -> dict[Key, AlertFold | UnknownVersion]:
        """The partitions with their alerts, and the windows that these look back on, as the tables hold them."""
        folds: dict[Key, AlertFold | UnknownVersion] = {}
        history = await self._history.restore(connection, stored)
        for key, alerts in (await self._tables.restore(connection, stored)).items():
            kept, time_ms = history[key], stored[key].watermark_ms
            if isinstance(kept, UnknownVersion):
                folds[key] = kept
                continue
            state = PartitionAlerts(self._rule_set, self._series_info, time_ms=time_ms)
            state.restore(alerts)
            state.history.restore(kept.windows, kept.since_ms, time_ms or 0)
            folds[key] = AlertFold(key, state)
        return folds

    async def save(self, connection: Connection, cuts: Sequence[Cut[AlertWork]]) -> None:
        """Write alerts and transitions, and hand these over to dispatch."""
        await self._tables.save(connection, cuts)
        await self._history.save(connection, cuts)
        if _has_transitions(cuts):
            await self._dispatch.within(connection)

    async def publish(self, cuts: Sequence[Cut[AlertWork]]) -> None:
        """Dead letters; transitions are dispatched after the commit. Raises `Unavailable`."""
        await self._dead.publish(cuts)

    async def settled(self, cuts: Sequence[Cut[AlertWork]]) -> None:
        """Let what was written be dispatched."""
        if _has_transitions(cuts):
            self._dispatch.wake()


def _has_transitions(cuts: Sequence[Cut[AlertWork]]) -> bool:
    return any(cut.checkpoint.work.transitions for cut in cuts)

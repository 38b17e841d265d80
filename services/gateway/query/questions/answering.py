"""Answers questions: what they name must exist, then rows are fetched and turned into figures.

Times are milliseconds UTC.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec
import numpy as np
from cachetools import LRUCache

from services.gateway.query.questions import answers
from services.gateway.query.questions.calendar import Windows
from services.gateway.query.questions.grouped import Gathered, GatheredSource, Grouped, without_sketches
from services.gateway.query.questions.ports import (
    Answer,
    ArchivedSince,
    Catalogue,
    KnownAnswers,
    LivePart,
    LiveWindows,
    nothing_archived,
)
from services.gateway.query.questions.question import Question, Refused
from services.gateway.query.questions.selection import Matcher, Selection, shape_of
from shared.errors import Unavailable, UnknownVersion

MAX_NAMES = 5_000
"""Names that are looked through for one that was meant."""

MAX_SEEN = 4_096
"""Metrics of which it is remembered which labels they have."""

HOUR_MS = 3_600_000

LATE_MS = 120_000
"""How far before the end of a question it is looked for series that are new."""


class NothingKnown:
    """Each answer is made when it is asked for."""

    async def answer(
        self, tenant_id: int, key: bytes, state: Hashable | None, make: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """What `make` makes."""
        return await make()


NOTHING_KNOWN = NothingKnown()


class Answering:
    """Answers questions from a source; what `live` has may be asked for before the catalogue knows it."""

    def __init__(
        self,
        source: GatheredSource,
        catalogue: Catalogue,
        live: LiveWindows | None = None,
        archived_since: ArchivedSince = nothing_archived,
        *,
        known: KnownAnswers = NOTHING_KNOWN,
    ) -> None:
        self._source = source
        self._catalogue = catalogue
        self._live = live
        self._known = known
        self._seen: LRUCache[tuple[int, str], frozenset[str]] = LRUCache(MAX_SEEN)
        """Labels that were asked for and that a metric has, by tenant and metric: it does not lose any for months."""
        self.archived_since = archived_since
        """Since when the archive has all rows, by tier."""

    async def answer(self, question: Question) -> Answer:
        """The answer, arrays in it numpy's, to be changed by nobody; raise `Refused`, `Unavailable`."""
        await self._check(question.selection, question.windows)
        read = {of: await self._gathered(question, *of) for of in _parts(question)}
        until_ms = next(iter(read.values())).complete_until_ms
        states = [one.state for one in read.values()]
        complete = tuple(
            int((windows.end_ms <= until_ms).sum()) for windows in dict.fromkeys(w for _, w in read)
        )

        async def made() -> Answer:
            return await asyncio.to_thread(_made, question, read, until_ms)

        tenant_id, state = question.selection.tenant_id, None if None in states else (complete, *states)
        answer = await self._known.answer(tenant_id, key_of(question), state, made)
        last_ms = int(question.windows.end_ms[-1])
        return answer | {"id": question.id, "complete_until_ms": min(until_ms, last_ms)}

    async def series(self, selection: Selection, windows: Windows) -> tuple[Grouped, Mapping[str, int]]:
        """Rows of each series by itself, and the labels of the metric; raise as `answer` does."""
        await self._check(selection, windows)
        begin_ms, end_ms = int(windows.begin_ms[0]), int(windows.end_ms[-1])
        found = await self._source.rows(selection, begin_ms, end_ms, windows.tier_ms, live=True)
        return found, await self._catalogue.labels(selection.tenant_id, selection.metric)

    async def _gathered(self, question: Question, selection: Selection, windows: Windows) -> Gathered:
        begin_ms, end_ms = int(windows.begin_ms[0]), int(windows.end_ms[-1])
        return await self._source.gathered(selection, begin_ms, end_ms, windows.tier_ms, live=question.live)

    async def _check(self, selection: Selection, windows: Windows) -> None:
        """Refuse a metric or a label that there is not, with those that may have been meant."""
        metrics = await self._catalogue.metrics(selection.tenant_id)
        known = any(one.name == selection.metric for one in metrics)
        labels: Mapping[str, int] = {}
        of = selection.tenant_id, selection.metric
        seen = self._seen.get(of, frozenset())
        if known and not selection.labels <= seen:
            labels = await self._catalogue.labels(*of)
            self._seen[of] = seen = seen | (selection.labels & set(labels))
        if known and selection.labels <= seen:
            return
        if (live := await self._live_labels(selection, int(windows.end_ms[-1]))) is not None:
            known, labels = True, dict.fromkeys(live, 0) | dict(labels)
        if not known:
            near = _near(selection.metric, (one.name for one in metrics))
            hint = f"; did you mean {near}?" if near else "; GET /v1/metrics lists those that there are"
            raise Refused(
                "unknown_metric",
                f"metric: nothing called {selection.metric[:64]!a} was ever sent{hint}",
                "/metric",
                {"metric": near} if near else None,
                status=404,
            )
        for name in sorted(selection.labels - set(labels)):
            place = "/by" if name in (selection.by or ()) else "/where"
            shown = ", ".join(list(labels)[:20]) or "none"
            raise Refused(
                "unknown_label",
                f"{place[1:]}: no series of {selection.metric} bears {name[:64]!a}; it has {shown}",
                place,
                {"by": [near]} if (near := _near(name, labels)) and place == "/by" else None,
                status=404,
            )

    async def _live_labels(self, selection: Selection, end_ms: int) -> frozenset[str] | None:
        """The labels of the series of a metric that came of late, None where none has.

        The catalogue knows a series when its first window has closed: too late for who has just sent a point.
        """
        if self._live is None:
            return None
        try:
            parts = await self._live.live(selection.tenant_id, selection.metric, end_ms - LATE_MS, end_ms)
        except (Unavailable, UnknownVersion):
            return None
        return await asyncio.to_thread(_labels_of, parts) if parts else None


def _labels_of(parts: Iterable[LivePart]) -> frozenset[str]:
    return frozenset(name for one in parts for owner in one.part.owners for name, _ in owner.labels)


_Part: TypeAlias = tuple[Selection, Windows]


def _part(question: Question, share: tuple[str, str]) -> Selection:
    """What is counted of a share."""
    label, value = share
    return question.selection.with_condition(Matcher(label, "=", (value,)))


def _parts(question: Question) -> Iterator[_Part]:
    """What has to be read: the groups in both ranges, and the parts of shares; the first is the question itself."""
    for windows in filter(None, (question.windows, question.compared)):
        yield question.selection, windows
        for asked in question.figures:
            if asked.share is not None:
                yield _part(question, asked.share), windows


def key_of(question: Question) -> bytes:
    """A name for the question, of whoever asks it, whatever it calls itself."""
    spans = [
        (one.begin_ms.tobytes(), one.end_ms.tobytes(), one.tier_ms, one.resolution, one.zone)
        for one in (question.windows, question.compared)
        if one is not None
    ]
    figures = [asked.name for asked in question.figures]
    top_of = question.top_of and question.top_of.name
    said = (
        shape_of(question.selection), figures, spans, question.top, top_of, question.compare, question.live,
        question.min_samples,
    )  # fmt: skip
    return blake2b(msgspec.msgpack.encode(said), digest_size=16).digest()


def _made(question: Question, read: Mapping[_Part, Gathered], until_ms: int) -> Answer:
    """The answer of what was read; raise `Refused`."""
    rows, windows = {of: one.rows() for of, one in read.items()}, question.windows
    if not any(one.needs_sketch for one in (*question.figures, question.top_of or answers.COUNT)):
        rows = {of: replace(one, rollups=without_sketches(one.rollups)) for of, one in rows.items()}
    found = rows[question.selection, windows]
    kind = answers.one_kind(question, found)
    chosen = answers.choose(question, found)
    table, series = _figures(question, rows, windows, chosen, until_ms)
    shown: Answer = {
        "id": question.id,
        "metric": question.selection.metric,
        "kind": kind.kind,
        "unit": kind.unit,
        "resolution": windows.resolution,
        "tz": windows.zone,
        "start_ms": windows.begin_ms,
        "end_ms": windows.end_ms,
        "hours": (windows.end_ms - windows.begin_ms) / HOUR_MS,
        "complete": table.complete.tolist(),
        "complete_until_ms": until_ms,
        **_named(chosen, series),
        "warnings": _warnings(table),
    }
    if question.compared is not None:
        shown["compare"] = _compared(question, rows, question.compared, chosen, until_ms)
    return shown


def _compared(
    question: Question, rows: Mapping[_Part, Grouped], windows: Windows, chosen: answers.Chosen, until_ms: int
) -> Answer:
    """The same groups in the windows to compare with."""
    same = _same(chosen, rows[question.selection, windows])
    table, series = _figures(question, rows, windows, same, until_ms)
    return {
        "shift": question.compare,
        "start_ms": windows.begin_ms,
        "end_ms": windows.end_ms,
        "complete": table.complete.tolist(),
        **_named(same, series),
    }


def _figures(
    question: Question, rows: Mapping[_Part, Grouped], windows: Windows, chosen: answers.Chosen, until_ms: int
) -> tuple[answers.Table, list[Answer]]:
    """The table of the chosen groups, and their figures."""
    found = rows[question.selection, windows]
    table, shares = answers.tabled(found, chosen, windows, until_ms), {}
    for asked in question.figures:
        if asked.share is not None:
            part = rows[_part(question, asked.share), windows]
            shares[asked.name] = answers.tabled(part, _same(chosen, part), windows, until_ms)
    kind = answers.one_kind(question, found).kind
    return table, answers.series_of(question, table, windows, kind, shares)


def _near(name: str, names: Iterable[str]) -> str:
    """The name that is most like another, empty where none is."""
    some = [one for one, _ in zip(names, range(MAX_NAMES), strict=False)]
    return next(iter(get_close_matches(name, some, 1)), "")


def _same(chosen: answers.Chosen, found: Grouped) -> answers.Chosen:
    """The same groups among other rows: kinds and units aside, which `one_kind` has compared."""
    places = {group.labels: place for place, group in enumerate(chosen.groups)}
    place = [places.get(group.labels, answers.REST) for group in found.groups]
    return answers.Chosen(chosen.groups, np.array(place or [answers.REST], np.int64))


def _named(chosen: answers.Chosen, series: list[dict[str, Any]]) -> dict[str, Any]:
    """Series with their labels, and the rest with how many groups it holds."""
    named = [{"labels": dict(group.labels)} | one for group, one in zip(chosen.groups, series, strict=False)]
    shown: dict[str, Any] = {"series": named}
    if len(series) > len(named):
        shown["rest"] = {"series": int((chosen.place == answers.REST).sum())} | series[-1]
    return shown


def _warnings(table: answers.Table) -> list[str]:
    """What the reader of the figures ought to know."""
    found = []
    if table.rows.estimated.any():
        found.append("min and max are bounds in some windows, since something was taken back")
    if np.isnan(table.rows.samples).any():
        found.append("how many samples came is not known of some windows")
    return found

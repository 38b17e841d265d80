"""The reports of the source documents, put together from questions.

Times are milliseconds UTC; days and weeks are those of a zone.
"""

import asyncio
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from services.gateway.query.ports import Alerts, Funnels
from services.gateway.query.questions.answering import Answering
from services.gateway.query.questions.calendar import Windows, kept_since_ms, local, midnight_ms
from services.gateway.query.resources.funnels.funnel import report
from services.gateway.query.resources.summaries import insights
from services.gateway.query.resources.summaries.headline import (
    RESPONSES,
    Range,
    Wanted,
    ask,
    headline,
    of_window,
)
from shared.errors import Rejected
from shared.model.funnel import FUNNELS

HOUR_MS = 3_600_000
QUARTER_MS = 900_000
MINUTE_MS = 60_000
FIRING = 100
"""Most firing alerts of a dashboard."""

ROUTES = 20
"""Routes of a report."""

_FIGURES = ("count", "rate", "p50", "p95", "p99")


class Reports:
    """Makes reports."""

    def __init__(self, answering: Answering, funnels: Funnels, alerts: Alerts) -> None:
        self._answering = answering
        self._funnels = funnels
        self._alerts = alerts

    async def quick_stats(self, tenant_id: int, now_ms: int) -> dict[str, Any]:
        """The last hour, up to the minute that is under way."""
        to_ms = now_ms - now_ms % MINUTE_MS + MINUTE_MS
        of = Range(to_ms - HOUR_MS, to_ms)
        return _of(of) | await headline(self._answering, tenant_id, of.windows(now_ms))

    async def day(self, tenant_id: int, day: date, zone: ZoneInfo, now_ms: int) -> dict[str, Any]:
        """A day of a zone: its figures, those of the day before, its hours, its routes."""
        of, before = day_of(day, zone), day_of(day - timedelta(days=1), zone)
        await self._check_kept(of, now_ms)
        figures, earlier, hours, routes = await asyncio.gather(
            headline(self._answering, tenant_id, of.windows(now_ms)),
            headline(self._answering, tenant_id, before.windows(now_ms)),
            self._over_time(tenant_id, _spaced(of, HOUR_MS)),
            self._routes(tenant_id, of.windows(now_ms)),
        )
        named = {"date": day.isoformat(), "tz": zone.key}
        return {**_of(of), **named, **figures, "before": earlier, "hours": hours, "routes": routes}

    async def week(self, tenant_id: int, day: date, zone: ZoneInfo, now_ms: int) -> dict[str, Any]:
        """The week, from its Monday, that holds a day: its figures, those of the week before, its days."""
        monday = day - timedelta(days=day.weekday())
        days = [day_of(monday + timedelta(days=place), zone) for place in range(-7, 7)]
        of, before = Range(days[7].from_ms, days[13].to_ms), Range(days[0].from_ms, days[6].to_ms)
        await self._check_kept(of, now_ms)
        figures, earlier, *each = await asyncio.gather(
            headline(self._answering, tenant_id, of.windows(now_ms)),
            headline(self._answering, tenant_id, before.windows(now_ms)),
            *(headline(self._answering, tenant_id, one.windows(now_ms)) for one in days[7:]),
        )
        named = [
            {"date": (monday + timedelta(days=place)).isoformat()} | _of(one) | found
            for place, (one, found) in enumerate(zip(days[7:], each, strict=True))
        ]
        week = {"week": monday.isoformat(), "tz": zone.key}
        return {**_of(of), **week, **figures, "before": earlier, "days": named}

    async def dashboard(self, tenant_id: int, now_ms: int) -> dict[str, Any]:
        """The last day in quarters of an hour: figures, routes, errors by type, funnels and what fires."""
        to_ms = now_ms - now_ms % QUARTER_MS + QUARTER_MS
        of = Range(to_ms - 24 * HOUR_MS, to_ms)
        windows = of.windows(now_ms)
        figures, over_time, routes, types, funnels, firing = await asyncio.gather(
            headline(self._answering, tenant_id, windows),
            self._over_time(tenant_id, _spaced(of, QUARTER_MS)),
            self._routes(tenant_id, windows),
            ask(
                self._answering,
                tenant_id,
                Wanted("events.count", ("count",), by=("type",), top=ROUTES),
                windows,
            ),
            self._reports(tenant_id, of),
            self._alerts.alerts(tenant_id, ("firing",), now_ms, FIRING),
        )
        return {
            **_of(of),
            **figures,
            "over_time": over_time,
            "routes": routes,
            "events_by_type": [
                series["labels"] | of_window(series) for series in (types or {"series": []})["series"]
            ],
            "funnels": {
                name: {
                    "entries": each.entries,
                    "completed": each.completed,
                    "largest_drop": each.largest_drop,
                }
                for name, each in funnels.items()
            },
            "alerts": [
                {"rule": one.rule, "labels": one.labels, "value": one.value, "fired_at_ms": one.fired_at_ms}
                for one in firing
            ],
        }

    async def insights(self, tenant_id: int, now_ms: int) -> dict[str, Any]:
        """What stands out in the last day, beside the same day a week ago."""
        to_ms = now_ms - now_ms % QUARTER_MS
        of = Range(to_ms - 24 * HOUR_MS, to_ms)
        week_ms = 7 * 24 * HOUR_MS
        before = Range(of.from_ms - week_ms, of.to_ms - week_ms).windows(now_ms)
        by_route = Wanted(RESPONSES, ("count", "p95"), by=("endpoint",), top=500)
        by_page = Wanted("web_vital.lcp", ("count", "p75", "share(rating=good)"), by=("page",), top=500)
        routes, pages, funnels = await asyncio.gather(
            ask(self._answering, tenant_id, by_route, of.windows(now_ms), before),
            ask(self._answering, tenant_id, by_page, of.windows(now_ms)),
            self._reports(tenant_id, of),
        )
        found = [one for name, each in funnels.items() for one in insights.largest_drop(name, each)]
        found += (
            insights.slowest_routes(routes) + insights.regressions(routes) + insights.poor_pages("lcp", pages)
        )
        return _of(of) | {"insights": found}

    async def _check_kept(self, of: Range, now_ms: int) -> None:
        """Raise `Rejected` for what is neither in the tables nor in the archive: figures of it would look like none."""
        since_ms = kept_since_ms(QUARTER_MS, now_ms, await self._answering.archived_since())
        if of.from_ms < since_ms:
            since = local(since_ms, ZoneInfo("UTC")).date()
            raise Rejected("not_kept", f"date: windows are kept since {since}; ask for a later date")

    async def _over_time(self, tenant_id: int, windows: Windows) -> dict[str, Any]:
        """Requests in windows."""
        found = await ask(
            self._answering, tenant_id, Wanted(RESPONSES, ("count", "rate", "p50", "p95")), windows
        )
        if found is None:
            return {"start_ms": windows.begin_ms, "complete": [], "samples": [], "values": {}}
        series = found["series"][0]
        return {
            "start_ms": windows.begin_ms, "complete": found["complete"], "samples": series["samples"],
            "values": series["values"],
        }  # fmt: skip

    async def _routes(self, tenant_id: int, windows: Windows) -> list[dict[str, Any]]:
        """The routes that were asked most."""
        wanted = Wanted(RESPONSES, _FIGURES, by=("endpoint",), top=ROUTES)
        found = await ask(self._answering, tenant_id, wanted, windows)
        return [series["labels"] | of_window(series) for series in (found or {"series": []})["series"]]

    async def _reports(self, tenant_id: int, of: Range) -> dict[str, Any]:
        """How far sessions came in each funnel."""
        found = {}
        for name, funnel in FUNNELS.items():
            reach = await self._funnels.reach(tenant_id, funnel, of.from_ms, of.to_ms)
            found[name] = report(funnel, reach)
        return found


def day_of(day: date, zone: ZoneInfo) -> Range:
    """A day of a zone."""
    return Range(midnight_ms(day, zone), midnight_ms(day + timedelta(days=1), zone))


def _spaced(of: Range, length_ms: int) -> Windows:
    """A range in windows of one length, the last one shorter where it does not fit."""
    begin_ms = np.arange(of.from_ms, of.to_ms, length_ms, dtype=np.int64)
    return Windows(begin_ms, np.append(begin_ms[1:], of.to_ms), QUARTER_MS, "range", "UTC")


def _of(of: Range) -> dict[str, Any]:
    return {"from_ms": of.from_ms, "to_ms": of.to_ms}

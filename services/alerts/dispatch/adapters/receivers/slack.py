"""Tells a channel of Slack, by an incoming webhook: a message an alert, or a group of them.

Source: Slack, "Sending messages using incoming webhooks". What comes from clients is escaped, so that it links nowhere
and calls nobody. Slack takes one message a second, so one is under way at a time.
"""

from collections.abc import Sequence

import orjson

from services.alerts.dispatch.adapters.receivers.http import LIMIT_S, Poster
from services.alerts.dispatch.adapters.receivers.pagerduty import summary_of
from services.alerts.dispatch.ports import DeliveryResult, Payload
from services.alerts.domain.transition import FIRING, Transition

MAX_TEXT = 3000
"""Characters of a message; Slack refuses longer sections."""

MAX_PART = 250
"""Characters of a summary, and of labels, before they are escaped."""

_ROOM = 20
"""Characters that saying how many are left out takes."""
_HIDDEN = frozenset({"alertname", "tenant", "severity", "metric", "kind", "unit"})
_SIGNS = {FIRING: ":red_circle:"}
_OVER = ":large_green_circle:"


class SlackGroups:
    """Alerts that are told in one message."""

    def __init__(self, by: Sequence[str], external_url: str) -> None:
        self.by = by
        self._external_url = external_url

    def render(self, group: str, transitions: Sequence[Transition]) -> bytes:
        """A line an alert."""
        lines: list[str] = []
        for each in transitions:
            line = _line(each, self._external_url)
            if lines and sum(map(len, lines)) + len(lines) + len(line) + _ROOM > MAX_TEXT:
                break
            lines.append(line)
        left = len(transitions) - len(lines)
        return _message("\n".join([*lines, f"and {left} more"] if left else lines))


class Slack:
    """One channel as a receiver."""

    concurrency = 1
    batch = 1
    hears_all = False

    def __init__(
        self,
        name: str,
        url: str,
        external_url: str = "",
        limit_s: float = LIMIT_S,
        *,
        group_by: Sequence[str] | None = None,
    ) -> None:
        self.name = name
        self.groups = None if group_by is None else SlackGroups(group_by, external_url)
        self._external_url = external_url
        self._poster = Poster(url, self.concurrency, limit_s)

    def render(self, transition: Transition) -> bytes:
        """A message of one alert."""
        return _message(_line(transition, self._external_url))

    async def deliver(self, payloads: Sequence[Payload]) -> DeliveryResult:
        """Post it."""
        (payload,) = payloads
        return await self._poster.post(payload, {"Idempotency-Key": payload.key})

    async def close(self) -> None:
        """Let the connections go."""
        await self._poster.close()


def _line(transition: Transition, external_url: str) -> str:
    sign = _SIGNS.get(transition.transition, _OVER)
    where = " ".join(f"{name}={value}" for name, value in transition.labels.items() if name not in _HIDDEN)
    words = f"{sign} *{transition.transition.upper()}* {escaped(summary_of(transition)[:MAX_PART])}"
    link = f" <{external_url}/v1/alerts/{transition.alert_id}/history|how it came>" if external_url else ""
    return f"{words} {escaped(where[:MAX_PART])}".rstrip() + link


def escaped(text: str) -> str:
    """Text that Slack shows as it is, on one line."""
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(shown.split())


def _message(text: str) -> bytes:
    return orjson.dumps({"text": text})

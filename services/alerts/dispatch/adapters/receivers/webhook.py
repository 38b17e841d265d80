"""Calls a webhook: one POST an alert, or a group of them, in the format of Alertmanager's webhooks, version 4.

Each has the key of what it says in its headers, and a signature where there is a secret. What the answers mean stands
in `http.py`.
"""

from collections.abc import Sequence

from services.alerts.dispatch.adapters.receivers import alertmanager
from services.alerts.dispatch.adapters.receivers.http import LIMIT_S, Poster
from services.alerts.dispatch.adapters.receivers.signature import Signer
from services.alerts.dispatch.ports import DeliveryResult, Payload
from services.alerts.domain.transition import Transition
from shared.runtime.clock import now_ms


class MessageGroups:
    """Alerts that are told together in the format of Alertmanager's webhooks."""

    def __init__(self, by: Sequence[str], receiver: str, external_url: str) -> None:
        self.by = by
        self._receiver = receiver
        self._external_url = external_url

    def render(self, group: str, transitions: Sequence[Transition]) -> bytes:
        """A message of a group."""
        return alertmanager.render_group(group, transitions, self._receiver, self._external_url)


class Webhook:
    """One address as a receiver."""

    concurrency = 8
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
        secrets: Sequence[bytes] = (),
    ) -> None:
        self._signer = Signer(secrets) if secrets else None
        self.name = name
        self.groups = None if group_by is None else MessageGroups(group_by, name, external_url)
        self._external_url = external_url
        self._poster = Poster(url, self.concurrency, limit_s)

    def render(self, transition: Transition) -> bytes:
        """A message of one alert."""
        return alertmanager.render(transition, self.name, self._external_url)

    async def deliver(self, payloads: Sequence[Payload]) -> DeliveryResult:
        """Post it and classify the response."""
        (payload,) = payloads
        signed = (
            {} if self._signer is None else self._signer.headers(payload.key, now_ms() // 1000, payload.body)
        )
        return await self._poster.post(payload, {**signed, "Idempotency-Key": payload.key})

    async def close(self) -> None:
        """Let the connections go."""
        await self._poster.close()

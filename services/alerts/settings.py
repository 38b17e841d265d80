"""Settings of alerts, read once at start from `ALERTS_*`, else `TIDEGAUGE_*`.

Units stand in the names. A value out of range or a webhook that cannot be called is refused at start, by name.
"""

import base64
import re
from collections.abc import Callable, Collection
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from shared.errors import Misconfigured
from shared.model.labels import MAX_NAME_BYTES, is_name
from shared.stream.runtimes.choice import Runtime
from shared.wire.versions import OLD, WriteVersion

LEAST_SECRET_BYTES, MOST_SECRET_BYTES = 24, 64
"""Length of a secret, as Standard Webhooks has it."""

MAX_SECRETS = 2
"""Secrets that sign at once."""

_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once at start."""

    kafka: str
    """Address of Kafka, host:port."""
    postgres: str
    """Address of Postgres, postgresql://user@host:port/database."""
    rules: str
    """Path of the rule file; read again when it changes and on SIGHUP."""
    runtime: Runtime = "aiokafka"
    """What drives the pump: both are exact, aiokafka needs a third of the CPU a message."""
    topic_prefix: str = ""
    """Put before every topic and the consumer group; lets two systems share servers."""
    write_version: WriteVersion = OLD
    """Version of what is stored and sent: 4, or 5 once every process of the fleet reads it. Both are read always."""
    webhooks: str = ""
    """Receivers over HTTP, `name=url,name2=url2`; a comma within an address is written %2C."""
    webhook_secrets: str = ""
    """What signs messages to webhooks, `name=whsec_…,name2=whsec_…`; two with a blank between while they change."""
    pagerduty: str = ""
    """Services of PagerDuty, `name=routing_key,name2=…`, each of 32 letters and digits."""
    slack: str = ""
    """Channels of Slack, `name=url,name2=url2`, each the address of an incoming webhook."""
    group_by: str = ""
    """Labels whose alerts webhooks are told of together, `alertname,service`; empty: each alert alone."""
    group_interval_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 30.0
    """How long after a message of a group the next one waits, 1 to 3600; the first never waits."""
    external_url: str = ""
    """Address under which people reach the gateway; stands in what receivers are sent."""
    pool_size: Annotated[int, msgspec.Meta(ge=3, le=20)] = 5
    """Connections to Postgres, 3 to 20: commits, acquisitions, maintenance and one or more for the outbox."""
    metrics_host: str = "127.0.0.1"
    """Address at which Prometheus may ask; in a container 0.0.0.0."""
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """Port there; 0: nobody may ask."""


def secrets_of(text: str, named: Collection[str]) -> dict[str, tuple[bytes, ...]]:
    """Name -> secrets of the webhooks whose messages are signed; raise `Misconfigured`, and show no secret."""
    found: dict[str, tuple[bytes, ...]] = {}
    for position, entry in enumerate(filter(None, text.split(",")), 1):
        name, _, written = entry.strip().partition("=")
        secrets = [_secret(word) for word in written.split()]
        if name not in named or name in found:
            raise Misconfigured(
                f"ALERTS_WEBHOOK_SECRETS: entry {position} is not of a webhook of ALERTS_WEBHOOKS, once"
            )
        if not 1 <= len(secrets) <= MAX_SECRETS or None in secrets:
            raise Misconfigured(
                f"ALERTS_WEBHOOK_SECRETS: {name} needs one secret, or two with a blank between them, each whsec_ and "
                f"base64 of {LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes"
            )
        found[name] = tuple(secret for secret in secrets if secret is not None)
    return found


def _secret(text: str) -> bytes | None:
    """The bytes of a secret of Standard Webhooks; None for what is none."""
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return None
    sound = text.startswith("whsec_") and LEAST_SECRET_BYTES <= len(secret) <= MOST_SECRET_BYTES
    return secret if sound else None


def group_by(text: str) -> tuple[str, ...] | None:
    """The labels to group by; None: there are no groups. Raise `Misconfigured` for what is no label."""
    labels = tuple(label.strip() for label in text.split(",") if label.strip())
    if any(not is_name(label, MAX_NAME_BYTES) for label in labels):
        raise Misconfigured("ALERTS_GROUP_BY: must be names of labels, such as alertname,service")
    return labels or None


def webhooks(text: str, setting: str = "ALERTS_WEBHOOKS", taken: Collection[str] = ()) -> dict[str, str]:
    """Name -> address of the webhooks; raise `Misconfigured` naming each that cannot be used, but no address."""
    return _named(text, setting, "url", _problem_of, taken)


def routing_keys(text: str, taken: Collection[str] = ()) -> dict[str, str]:
    """Name -> key of the services of PagerDuty; raise `Misconfigured` as `webhooks` does."""
    return _named(text, "ALERTS_PAGERDUTY", "routing_key", _problem_of_key, taken)


def _named(
    text: str, setting: str, what: str, problem_of: Callable[[str], str | None], taken: Collection[str]
) -> dict[str, str]:
    named: dict[str, str] = {}
    problems = list[str]()
    for position, entry in enumerate(filter(None, text.split(",")), 1):
        name, _, value = entry.strip().partition("=")
        if not _NAME.fullmatch(name):
            problems.append(f"entry {position} is not name={what} with a name of letters, digits, - and _")
        elif name in named or name in taken:
            problems.append(f"{name} stands twice")
        elif problem := problem_of(value):
            problems.append(f"{name} {problem}")
        else:
            named[name] = value
    if problems:
        raise Misconfigured(f"{setting}: {'; '.join(problems)}")
    return named


def _problem_of_key(key: str) -> str | None:
    return None if _ROUTING_KEY.fullmatch(key) else "is not a key of 32 letters and digits"


def _problem_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    return (
        None if usable and url.isascii() and url.isprintable() and " " not in url else "is not an http(s) URL"
    )

"""Where a Sentry client puts its key: the query, the header `X-Sentry-Auth`, or the DSN in the header of an envelope.

A DSN is `https://KEY@HOST/PROJECT`. Its host and project say nothing here: the key alone says whose data it is.
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

AUTH = b"x-sentry-auth"


def key_of_request(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> bytes:
    """The key in the query, else in the header; empty where there is none."""
    for name, value in parse_qsl(query.decode("latin-1")):
        if name == "sentry_key":
            return value.encode()
    for header, said in headers:
        if header == AUTH:
            return _key_of_header(said)
    return b""


def key_of_dsn(dsn: object) -> bytes:
    """The key in a DSN; empty where there is none."""
    if not isinstance(dsn, str):
        return b""
    try:
        return (urlsplit(dsn).username or "").encode("utf-8", "replace")
    except ValueError:
        return b""


def _key_of_header(said: bytes) -> bytes:
    """`Sentry sentry_version=7, sentry_key=...`: source: develop.sentry.dev, authentication."""
    for part in said.removeprefix(b"Sentry ").split(b","):
        name, _, value = part.strip().partition(b"=")
        if name == b"sentry_key":
            return value
    return b""

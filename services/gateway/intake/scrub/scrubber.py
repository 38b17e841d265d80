"""Takes personal data and secrets out of properties, names, labels and ids of users, before they are in the log.

A request in which nothing is suspicious costs one pass over its text; else its events are searched one by one, and
JSON is opened where something may be. What is taken out is named in its place. Invariant: what comes out is JSON with
the same names, and scrubbing it again changes nothing.
"""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from services.gateway.intake.scrub.kinds import (
    KINDS,
    SECRET_HINT,
    SECRET_HUMP,
    SECRET_NAME,
    USER_HINT,
    USER_NAME,
    VERSION_NAME,
    Clean,
)
from services.gateway.intake.scrub.search import Search, search, text_of
from shared.model.event import MAX_DEPTH, MAX_NAME, MAX_PROPERTIES_BYTES

SWITCHES = frozenset({"keys", "token", "email", "card", "phone", "ip", "url", "path", "user"})
"""What a tenant may have taken out; `user`: ids of users become keyed hashes."""

REMOVED = "[removed]"

MAX_SCRUBBERS = 512
"""Sets of switches whose scrubbers are kept: there are no more."""

ROUNDS = 4
"""Times that a text is gone through while something is found: what is taken out may bare what stood beside it."""

MAX_USERS = 10_000
"""Users whose hashes are remembered."""

_HASH = re.compile(r"u:[0-9a-f]{32}")

HIDDEN = r"\\[u/]"
"""A character that JSON writes otherwise than it is."""

END = "\r"
"""Stands behind the last properties, and between names."""

NOT_FLAT = (
    r"\A[^{]|[^}]\n|\n[^{]|[^\n]\{|\["  # what is no object, or holds one, or a list
    r"|[\u{80}-\u{ff}]|:[ \t\r]*-?[0-9.]+[eE]|[0-9]{20}"  # what may be no UTF-8, and what may be beyond a double
)
"""What is not in JSON objects, a line each, of which nobody has to look whether a table holds them.

They are JSON, so that a line that ends with a brace and one that begins with a brace are two of them.
"""

_NUMBER = b"-0123456789"
"""What a number may begin with."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class Finder(NamedTuple):
    """One kind of what is taken out."""

    name: str
    in_text: Search
    """Whether it may be in a text."""
    clean: Clean


class ScrubbedEvents(NamedTuple):
    """The events of a request as they may be in the log."""

    properties: Sequence[msgspec.Raw]
    names: Sequence[str]
    flat: bool
    """As `EventColumns.flat` has it."""


class Scrubber:
    """Takes out what these switches say; `secret` keys the hashes of users' ids."""

    def __init__(self, switches: Collection[str], secret: bytes = b"") -> None:
        self.switches = switches
        """What is taken out."""
        self._kinds = [
            Finder(name, search([kind.hint]), kind.clean) for name, kind in KINDS.items() if name in switches
        ]
        self._kinds_of_versions = self._without("ip", "email")
        self._kinds_of_labels = self._without("ip", "path")
        self._keys = "keys" in switches
        self._users = "user" in switches
        self._secret = secret
        hints = [kind.hint for name, kind in KINDS.items() if name in switches]
        self._in_text = search(hints)
        named = [SECRET_HINT] * self._keys + [USER_HINT] * self._users
        self._in_json = search([*hints, *named, HIDDEN] if hints or named else ())
        self._odd = search([*hints, *named, HIDDEN, NOT_FLAT])

    def events(self, properties: Sequence[msgspec.Raw], names: Sequence[str]) -> ScrubbedEvents:
        """The properties of a request's events, as JSON, and their names."""
        joined = END.join(("", *names))
        text = text_of(b"\n".join(properties) + _packed(joined))
        if not self._odd(text):
            return ScrubbedEvents(properties, names, flat=True)
        if not self._in_json(text):
            return ScrubbedEvents(properties, names, flat=False)
        # What stands in the place of something short may be longer.
        cleaned = [self.plain(name)[:MAX_NAME] for name in names] if self._in_text(joined) else names
        return ScrubbedEvents(list(map(self._one, properties)), cleaned, flat=False)

    def plain(self, text: str, name: str = "") -> str:
        """A text, such as the one under this name."""
        return self._clean(
            text, name, self._kinds_of_versions if VERSION_NAME.fullmatch(name) else self._kinds
        )

    def label(self, value: str, name: str) -> str:
        """The value of a label; names, addresses and folders stay: they tell things apart, and series with them."""
        return self._clean(value, name, self._kinds_of_labels)

    def users(self, user_ids: Sequence[str | None]) -> Sequence[str | None]:
        """Ids of users, or hashes of them that only this installation can make."""
        if not self._users:
            return user_ids
        return [each if each is None else self._hashed(each) for each in user_ids]

    def _without(self, *names: str) -> list[Finder]:
        return [each for each in self._kinds if each.name not in names]

    def _clean(self, text: str, name: str, kinds: Sequence[Finder]) -> str:
        if self._users and USER_NAME.fullmatch(name):
            return self._hashed(text)
        if len(text) > MAX_PROPERTIES_BYTES or not self._in_text(text):
            return text
        for _ in range(ROUNDS):
            before = text
            for kind in kinds:
                if kind.in_text(text):
                    text = kind.clean(text)
            if text == before or not self._in_text(text):
                break
        return text

    def _hashed(self, user_id: str) -> str:
        return user_id if _HASH.fullmatch(user_id) else _hash_of(user_id, self._secret)

    def _one(self, properties: msgspec.Raw) -> msgspec.Raw:
        """The properties of one event; those that are too large are refused on admission."""
        if len(properties) > MAX_PROPERTIES_BYTES or not self._in_json(text_of(bytes(properties))):
            return properties
        return self._value("", properties, MAX_DEPTH + 1)

    def _value(self, name: str, value: msgspec.Raw, depth: int) -> msgspec.Raw:
        """A JSON value under a name; what is no JSON, or nested too deeply, is refused on admission."""
        try:
            first = bytes(value)[:1]
            if first == b'"':
                text = _text(value)
                cleaned = self.plain(text, name)
                return value if cleaned == text else msgspec.Raw(_encode(cleaned))
            if not depth or first not in (b"{", b"["):
                return value
            return self._object(value, depth) if first == b"{" else self._list(name, value, depth)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return value

    def _object(self, value: msgspec.Raw, depth: int) -> msgspec.Raw:
        members = _members(value)
        cleaned = {name: self._member(name, each, depth) for name, each in members.items()}
        same = all(map(_is, members.values(), cleaned.values()))
        return value if same else msgspec.Raw(_encode(cleaned))

    def _member(self, name: str, value: msgspec.Raw, depth: int) -> msgspec.Raw:
        """A member of an object: of a secret nothing stays, be it a list, and the id of a user may be a number."""
        if self._keys and is_secret(name):
            return value if bytes(value) in (b"null", _REMOVED) else msgspec.Raw(_REMOVED)
        if self._users and bytes(value)[0] in _NUMBER and USER_NAME.fullmatch(name):
            return msgspec.Raw(_encode(self._hashed(bytes(value).decode())))
        return self._value(name, value, depth - 1)

    def _list(self, name: str, value: msgspec.Raw, depth: int) -> msgspec.Raw:
        items = _items(value)
        cleaned = [self._value(name, each, depth - 1) for each in items]
        return value if all(map(_is, items, cleaned)) else msgspec.Raw(_encode(cleaned))


_REMOVED = _encode(REMOVED)


def _packed(text: str) -> bytes:
    """Half a character is refused on admission."""
    return text.encode("utf-8", "replace")


def _is(one: object, other: object) -> bool:
    return one is other


def is_secret(name: str) -> bool:
    """Whether the value under a name is a secret, whatever it looks like."""
    return bool(SECRET_NAME.fullmatch(name) or SECRET_HUMP.fullmatch(name))


@lru_cache(MAX_USERS)
def _hash_of(user_id: str, secret: bytes) -> str:
    return "u:" + blake2b(_packed(user_id), key=secret[:64], digest_size=16, person=b"user").hexdigest()


@lru_cache(MAX_SCRUBBERS)
def scrubber_of(switches: frozenset[str], secret: bytes) -> Scrubber:
    """The one for a tenant's switches."""
    return Scrubber(switches, secret)

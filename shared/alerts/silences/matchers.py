"""Silences: which alerts they are about, and when they are in force. Pure; milliseconds UTC.

A matcher is one of Alertmanager's: a label that is not there is empty, a regular expression is RE2's and matches the
whole value.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import re2

from shared.errors import Rejected

OPERATORS = ("=", "!=", "=~", "!~")

MAX_MATCHERS = 20
"""Matchers of a silence."""

MAX_VALUE_BYTES = 1_000
"""Longest name or value of a matcher."""

MAX_PATTERN_MEMORY_BYTES = 1 << 20
"""What the program of a regular expression may need."""

_WRITTEN = re.compile(r'\s*(?P<name>[^=!~"{}\s]+)\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>.*?)\s*', re.DOTALL)


@dataclass(frozen=True)
class Matcher:
    """One condition on one label."""

    name: str
    operator: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels fulfils it."""
        value = labels.get(self.name, "")
        found = bool(self._program.fullmatch(value)) if "~" in self.operator else value == self.value
        return found is not self.operator.startswith("!")

    @cached_property
    def _program(self) -> Any:
        return _compiled(self.value)


@dataclass(frozen=True)
class Silence:
    """A time in which alerts with such labels are not told of."""

    silence_id: str
    tenant_id: int
    matchers: tuple[Matcher, ...]

    def mutes(self, tenant_id: int, labels: Mapping[str, str]) -> bool:
        """Whether it is about the alert of a tenant with these labels."""
        return tenant_id == self.tenant_id and matching(self.matchers, labels)


def matching(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether an alert with these labels fulfils all of them."""
    return all(one.matches(labels) for one in matchers)


def muted_by(silences: Iterable[Silence], tenant_id: int, labels: Mapping[str, str]) -> str | None:
    """The first silence that is about an alert; None: none is."""
    return next((one.silence_id for one in silences if one.mutes(tenant_id, labels)), None)


def matcher_of(name: str, operator: str, value: str, place: str = "matchers") -> Matcher:
    """A matcher; raise `Rejected` with code `invalid_matcher` for what is none."""
    if not name or len(name.encode()) > MAX_VALUE_BYTES or "\0" in name:
        raise _invalid(place, f"a name is 1 to {MAX_VALUE_BYTES} bytes")
    if operator not in OPERATORS:
        raise _invalid(place, f"an operator is one of {' '.join(OPERATORS)}")
    if len(value.encode()) > MAX_VALUE_BYTES or "\0" in value:
        raise _invalid(place, f"a value has at most {MAX_VALUE_BYTES} bytes, and no NUL")
    if "~" in operator:
        try:
            _compiled(value)
        except re2.error as error:
            reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
            raise _invalid(place, f"no regular expression: {reason}") from error
    return Matcher(name, operator, value)


def written(text: str, place: str = "matchers") -> Matcher:
    """A matcher as people write it: `severity=warning`, `endpoint=~"/pay.*"`; raise as `matcher_of` does."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise _invalid(place, f"{text[:80]!r} is not like severity=warning or endpoint=~'/pay.*'")
    return matcher_of(found["name"], found["operator"], _unquoted(found["value"]), place)


def all_of(matchers: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """The matchers of a silence; raise `Rejected` for too many, and where they would mute whatever there is."""
    if not 1 <= len(matchers) <= MAX_MATCHERS:
        raise _invalid("matchers", f"1 to {MAX_MATCHERS} of them")
    if all(one.matches({}) for one in matchers):
        raise _invalid("matchers", "one of them must not match an empty value, or every alert would be muted")
    return tuple(matchers)


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY_BYTES
    return re2.compile(pattern, options)


def _unquoted(text: str) -> str:
    for quote in "\"'":
        if len(text) > 1 and text[0] == text[-1] == quote:
            return text[1:-1].replace(f"\\{quote}", quote).replace("\\\\", "\\")
    return text


def _invalid(place: str, message: str) -> Rejected:
    return Rejected("invalid_matcher", f"{place}: {message}")

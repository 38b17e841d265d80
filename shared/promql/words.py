"""The words of a query, with their places; a query that would be slow to parse is refused by them.

promql-parser gives no places. What nests deeply costs it more than its length. It compiles each regular
expression, by other rules than ours and up to 0.2 s each. So words are counted first, and regular expressions stand
aside under their numbers while it parses.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from promql_parser import StringLiteral
from promql_parser import parse as parse_promql

from shared.promql.errors import NotPromql, Place, TooDeep, TooLong

MAX_BYTES = 8_192
"""Longest query."""

MAX_NESTING = 150
"""Most operators and brackets of a query."""

MAX_PATTERNS = 20
"""Most regular expressions of a query."""

_WORD = re.compile(
    r"(?P<blank>\s+|\#[^\n]*)"
    r'|(?P<string>"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`)'
    r"|(?P<number>(?:0[xX][0-9a-fA-F]+|\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\.\d\w*))"
    r"|(?P<name>[A-Za-z_:][\w:]*)"
    r"|(?P<sign>=~|!~|[=!<>]=|[^\s])",
    re.ASCII,
)
_SPAN = re.compile(r"(\d{1,12}(ms|[smhdwy]))+|\d{1,12}(\.\d{1,9})?", re.ASCII)
_NESTS = frozenset("([+-*/%^<>") | {"==", "!=", "<=", ">="}
_NESTING_NAMES = frozenset({"and", "or", "unless", "atan2"})


class Word(NamedTuple):
    """One word."""

    kind: str
    """`name`, `number`, `string` or `sign`."""
    text: str
    at: int
    """Where it begins, characters from 0."""


class Text(NamedTuple):
    """A query as it is handed to the parser."""

    query: str
    """As it came."""
    words: list[Word]
    parsable: str
    """The query with a number in place of each regular expression."""
    patterns: list[str]
    """The regular expressions, by these numbers."""

    def position(self, at: int) -> Place:
        """The place of a character."""
        before = self.query[:at]
        return Place(before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)


def text_of(query: str, mark: Callable[[int], str] = str) -> Text:
    """The words of a query, regular expressions under their marks.

    Raise `PromqlError` for one that is empty, too long or too deeply nested.
    """
    if not query.strip():
        raise NotPromql("no expression found in input")
    if len(query.encode("utf-8", "replace")) > MAX_BYTES:
        raise TooLong(f"longer than {MAX_BYTES} bytes")
    text = Text(query, list(_words(query)), *_aside(query, mark))
    nesting = [word for word in text.words if _nests(word)]
    if len(nesting) > MAX_NESTING:
        at = nesting[MAX_NESTING].at
        raise TooDeep(f"more than {MAX_NESTING} operators and brackets", at, text.position(at))
    _check_spans(text)
    return text


def _check_spans(text: Text) -> None:
    """Raise `PromqlError` for a range or an offset that is no span: promql-parser 0.12.0 panics at some of these."""
    inside, signs = False, ""
    for word in text.words:
        if (inside or signs == "offset") and word.kind in {"number", "name"}:
            for part in word.text.split(":"):
                if part and not _SPAN.fullmatch(part):
                    problem = f"not a valid duration string: {part}"
                    raise NotPromql(problem, word.at, text.position(word.at))
        if word.kind != "sign":
            signs = "offset" if word.kind == "name" and word.text.lower() == "offset" else ""
        elif word.text not in {"-", "+"}:
            signs = ""
        inside = word.text == "[" or (inside and word.text != "]")


def _words(query: str) -> Iterator[Word]:
    for found in _WORD.finditer(query):
        if found.lastgroup and found.lastgroup != "blank":
            yield Word(found.lastgroup, found[0], found.start())


def _nests(word: Word) -> bool:
    if word.kind == "name":
        return word.text.lower() in _NESTING_NAMES
    return word.kind == "sign" and word.text in _NESTS


def _aside(query: str, mark: Callable[[int], str]) -> tuple[str, list[str]]:
    """The query with numbers in place of its regular expressions, and these."""
    parts: list[str] = []
    patterns: list[str] = []
    sign, copied = "", 0
    for word in _words(query):
        if word.kind == "string" and sign in {"=~", "!~"}:
            parts += [query[copied : word.at], f'"{mark(len(patterns))}"']
            patterns.append(value_of(word.text))
            copied = word.at + len(word.text)
        sign = word.text if word.kind == "sign" else ""
    if len(patterns) > MAX_PATTERNS:
        raise TooDeep(f"more than {MAX_PATTERNS} regular expressions")
    return "".join([*parts, query[copied:]]), patterns


def value_of(literal: str) -> str:
    """What a string literal stands for."""
    return cast("StringLiteral", parsed(literal)).val


def parsed(text: str) -> Any:
    """The tree of a text; raise `NotPromql` where it is no PromQL. A panic of the parser is no `Exception`."""
    try:
        return parse_promql(text)
    except ValueError as error:
        raise NotPromql(str(error)) from error
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise NotPromql("the parser cannot read it") from error

"""Annotations: text with `{{ $value }}`, `{{ $labels.name }}` and a closed list of functions of them.

Columns count from 0. Invariant: what is accepted can be filled in for every alert, as Prometheus fills it in; a label
that is not there is empty.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from shared.alerts.rules import formats
from shared.alerts.rules.errors import ExpressionError

_TOKEN = re.compile(
    r"""\s*(?:(?P<value>\$value\b)|\$labels\.(?P<label>[A-Za-z_][A-Za-z0-9_.]*)|(?P<pipe>\|)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\["\\nt])*"|`[^`]*`)|(?P<labels>\$labels\b)|(?P<name>[A-Za-z][A-Za-z0-9]*))"""
)
_END = re.compile(r"\s*\}\}")
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t"}
_KNOWN = (
    'only $value, $labels.name and index $labels "name" can be filled in, alone or by one of '
    f"{', '.join(sorted((*formats.OF_NUMBERS, *formats.OF_TEXTS, 'printf')))}"
)

Filler = Callable[[float, Mapping[str, str]], float | str]
"""What is filled in, by the value and the labels of an alert."""


class _Part(NamedTuple):
    """A part of a pipeline, and whether it gives a number."""

    fill: Filler
    is_number: bool


def check(text: str) -> None:
    """Raise `ExpressionError` for a template that is not known."""
    _compiled(text)


def filled(text: str, value: float, labels: Mapping[str, str]) -> str:
    """The text with its templates filled in."""
    return "".join(
        part if isinstance(part, str) else formats.shown(part(value, labels)) for part in _compiled(text)
    )


@lru_cache(maxsize=1024)
def _compiled(text: str) -> tuple[str | Filler, ...]:
    return tuple(_parts(text))


def _parts(text: str) -> Iterator[str | Filler]:
    end = 0
    while (at := text.find("{{", end)) >= 0:
        yield text[end:at]
        tokens, end = _tokens(text, at)
        yield _pipeline(tokens, at).fill
    yield text[end:]


def _tokens(text: str, at: int) -> tuple[list[re.Match[str]], int]:
    """The words of a template that begins here, and where it ends."""
    tokens: list[re.Match[str]] = []
    end = at + 2
    while not (closed := _END.match(text, end)):
        found = _TOKEN.match(text, end)
        if found is None:
            raise ExpressionError(at, _KNOWN)
        tokens.append(found)
        end = found.end()
    return tokens, closed.end()


def _pipeline(tokens: list[re.Match[str]], at: int) -> _Part:
    """What words between pipes give: each takes what the one before it gave as its last argument."""
    given: _Part | None = None
    command: list[re.Match[str]] = []
    for token in (*tokens, None):
        if token is not None and token.lastgroup != "pipe":
            command.append(token)
            continue
        given = _command(command, given, at)
        command = []
    if given is None:
        raise ExpressionError(at, _KNOWN)
    return given


def _command(words: list[re.Match[str]], given: _Part | None, at: int) -> _Part:
    if not words:
        raise ExpressionError(at, _KNOWN)
    kinds = [word.lastgroup for word in words]
    if kinds[0] == "name":
        return _call(words[0]["name"], words[1:], given, at)
    if len(words) > 1 or given is not None:
        raise ExpressionError(at, _KNOWN)
    return _operand(words[0], at)


def _operand(word: re.Match[str], at: int) -> _Part:
    """A value, a label or a text."""
    if word["value"]:
        return _Part(lambda value, _: value, is_number=True)
    if word["label"]:
        name = word["label"]
        return _Part(lambda _, labels: labels.get(name, ""), is_number=False)
    if word["text"]:
        text = _text(word)
        return _Part(lambda *_: text, is_number=False)
    raise ExpressionError(at, _KNOWN)


def _call(name: str, words: list[re.Match[str]], given: _Part | None, at: int) -> _Part:
    if name == "index":
        return _label(words, at)
    if name == "printf":
        return _printed(words, given, at)
    operands = [_operand(word, at) for word in words] + ([] if given is None else [given])
    function = formats.OF_NUMBERS.get(name) or formats.OF_TEXTS.get(name)
    if function is None or len(operands) != 1 or operands[0].is_number != (name in formats.OF_NUMBERS):
        raise ExpressionError(at, _KNOWN)
    fill = operands[0].fill
    return _Part(lambda value, labels: function(fill(value, labels)), is_number=False)


def _label(words: list[re.Match[str]], at: int) -> _Part:
    """`index $labels "name"`: a label whose name has other signs than letters, digits, `_` and `.`."""
    if [word.lastgroup for word in words] != ["labels", "text"]:
        raise ExpressionError(at, _KNOWN)
    name = _text(words[1])
    return _Part(lambda _, labels: labels.get(name, ""), is_number=False)


def _printed(words: list[re.Match[str]], given: _Part | None, at: int) -> _Part:
    """`printf "…"` of as many operands as its format has verbs, each of their kind."""
    if not words or words[0].lastgroup != "text":
        raise ExpressionError(at, _KNOWN)
    operands = [_operand(word, at) for word in words[1:]] + ([] if given is None else [given])
    verbs = formats.verbs_of(_text(words[0]))
    if verbs is None or [verb.is_number for verb in verbs.verbs] != [each.is_number for each in operands]:
        problem = "printf: write %f, %e, %g or %v for the value, %s for a label, %% for a percent sign"
        raise ExpressionError(at, problem)
    fills = [each.fill for each in operands]
    return _Part(lambda value, labels: verbs.filled([fill(value, labels) for fill in fills]), is_number=False)


def _text(word: re.Match[str]) -> str:
    quoted = word["text"]
    if quoted.startswith("`"):
        return quoted[1:-1]
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), quoted[1:-1])

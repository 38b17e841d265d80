"""Where a text stops being PromQL: promql-parser tells neither line nor column.

The longest beginning that parses, once a value stands where one is missing and its open brackets are closed, ends where
the mistake begins. Places count signs from 0.
"""

from collections.abc import Iterator, Sequence

from shared.promql.errors import PromqlError
from shared.promql.words import Word, parsed

MAX_WORDS = 400
"""Words up to which the place is looked for: each beginning is parsed twice."""

_CLOSING = {"(": ")", "{": "}", "[": "]"}


def mistake_at(query: str, words: Sequence[Word]) -> int:
    """The first word that cannot follow those before it; the end of a text that is not finished."""
    if len(words) > MAX_WORDS:
        return 0
    beginnings = list(_beginnings(query, words))
    for count in range(len(words), 0, -1):
        if any(map(_parses, beginnings[count - 1])):
            return words[count].at if count < len(words) else len(query)
    return words[0].at if words else 0


def _beginnings(query: str, words: Sequence[Word]) -> Iterator[tuple[str, str]]:
    """The text up to each word, brackets closed, and without its regular expressions, which are slow to read."""
    text, opened, end, sign = "", "", 0, ""
    for word in words:
        is_pattern = word.kind == "string" and sign in {"=~", "!~"}
        text += query[end : word.at] + ('""' if is_pattern else word.text)
        end, sign = word.at + len(word.text), word.text if word.kind == "sign" else ""
        if word.text in _CLOSING:
            opened = _CLOSING[word.text] + opened
        elif opened[:1] == word.text:
            opened = opened[1:]
        yield text + opened, f"{text} 1{opened}"


def _parses(text: str) -> bool:
    try:
        parsed(text)
    except PromqlError:
        return False
    return True

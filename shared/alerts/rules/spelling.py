"""How expressions of rules are spelled: what is handed to the parser, and the one form in which a text is kept.

Columns count from 0. Invariant: what is handed over has every word where it stood, and a
text in normal form is its own.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from shared.alerts.rules import alias
from shared.alerts.rules.errors import ExpressionError
from shared.promql.words import Text, Word, text_of

_ZEROS = re.compile(r"(0+)\d[\d.]*(?:[eE][+-]?\d+)?", re.ASCII)
_DURATION = re.compile(r"(?!0[xX])[\d.]+(?:ms|[smhdwy])[\w.]*", re.ASCII)
_COMPARISONS = frozenset({">", ">=", "<", "<=", "==", "!="})


def parsable(text: str) -> Text:
    """The words of an expression, as PromQL spells them; raise `PromqlError` or `ExpressionError`.

    A quantile of an alias may have a dot, `…:p99.9_10s`. A number is decimal: to PromQL, leading zeros make it octal.
    """
    words = text_of(text).words
    signs = list(text)
    for before, word, after in _outside(words):
        dotted = after is not None and after.at == word.at + len(word.text) and after.kind == "number"
        if word.kind == "name" and dotted and after is not None and alias.has_dot(word.text, after.text):
            signs[after.at] = "_"
        elif word.kind == "number" and (zeros := _ZEROS.fullmatch(word.text)):
            signs[word.at : word.at + len(zeros[1])] = " " * len(zeros[1])
        elif word.kind == "number" and _DURATION.fullmatch(word.text) and not _continues(before, word):
            raise ExpressionError(word.at, f"{word.text} is a duration; expected a number")
    return text_of("".join(signs))


def normal(text: Text, original: str) -> str:
    """The text with one blank where there were some, and around comparisons; without comments."""
    parts = list[str]()
    depth, end = 0, 0
    for word in text.words:
        written = original[word.at : word.at + len(word.text)]
        depth += (word.text in "{[") - (word.text in "}]") if word.kind == "sign" else 0
        if word.text in _COMPARISONS and not depth:
            parts += [" ", written, " "]
        else:
            parts += [" " * (word.at > end and bool(parts) and parts[-1] != " "), written]
        end = word.at + len(word.text)
    return "".join(parts)


def _outside(words: Sequence[Word]) -> Iterator[tuple[Word | None, Word, Word | None]]:
    """Words that stand neither in braces nor in a range, each with its neighbours."""
    depth, before = 0, None
    for word, after in pairwise([*words, None]):
        if word is None:
            return
        depth += (word.text in {"{", "["}) - (word.text in {"}", "]"}) if word.kind == "sign" else 0
        if not depth:
            yield before, word, after
        before = word


def _continues(before: Word | None, word: Word) -> bool:
    """Whether a word is the rest of an offset, or of the alias before it."""
    if before is None:
        return False
    return before.text.lower() == "offset" or before.at + len(before.text) == word.at

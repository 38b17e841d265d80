"""Where the parts of a query stand, asked for in the order in which a walk of its tree meets them.

The parser's tree has the order of the text: a function before its arguments, left before right. So the next call of a
function in the tree is the next of its name in the text, and so with selectors and operators.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

from shared.promql.errors import Place
from shared.promql.words import Text, Word

SELECTOR = "{}"
"""What selectors are asked for by."""

ALTERNATIVE = "{or}"
"""What an `or` between matchers is asked for by."""

_GROUPING = frozenset(
    {"by", "without", "on", "ignoring", "group_left", "group_right", "fill", "fill_left", "fill_right"}
)
_OPERATORS = frozenset({"and", "or", "unless", "atan2", "bool", "offset"})
_NUMBERS = frozenset({"inf", "nan"})
_CLOSING = {"{": "}", "[": "]", "(": ")"}


class Positions:
    """Places of calls by name, of operators by sign and of selectors, each given once."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._found: defaultdict[str, deque[int]] = defaultdict(deque)
        for key, at in _parts([*text.words, Word("sign", "", len(text.query))]):
            self._found[key].append(at)

    def next(self, key: str) -> Place:
        """The place of the next one in the text; the end of the text where there is none."""
        return self._text.position(self.next_at(key))

    def next_at(self, key: str) -> int:
        """The same, counting signs from 0."""
        waiting = self._found[key]
        return waiting.popleft() if waiting else len(self._text.query)


def _parts(words: Sequence[Word]) -> Iterator[tuple[str, int]]:
    """What stands where; names between braces, in a range or in a list of labels are no part of their own."""
    opened, depth, named = "", 0, False
    for word, after in pairwise(words):
        if opened:
            if opened == "{" and word.kind == "name" and word.text.lower() == "or" and after.kind != "sign":
                yield ALTERNATIVE, word.at
            depth += (word.text == opened) - (word.text == _CLOSING[opened])
            opened = opened if depth else ""
            continue
        key = _key(word, after)
        if word.text in {"{", "["}:
            opened, depth = word.text, 1
        elif key in _GROUPING and after.text == "(":
            opened, depth = "(", 0
        if not (word.text == "{" and named):
            yield (SELECTOR if word.text == "{" else key), word.at
        named = key == SELECTOR


def _key(word: Word, after: Word) -> str:
    if word.kind != "name":
        return word.text if word.kind == "sign" else word.kind
    lower = word.text.lower()
    if after.text == "(" or lower in _OPERATORS or after.text.lower() in {"by", "without"}:
        return lower
    if lower in _GROUPING and after.kind != "sign":
        return lower
    return "number" if lower in _NUMBERS else SELECTOR

"""A query as its words and as its tree; what cannot be read is answered as Prometheus answers.

The reading itself is shared with the rules. Invariant: nothing but a `QueryError` leaves here.
"""

from collections.abc import Callable
from typing import Any

from services.gateway.query.prometheus.errors import answered
from shared.promql import words
from shared.promql.words import Text


def text_of(query: str, mark: Callable[[int], str] = str) -> Text:
    """The words of a query, regular expressions under their marks; raise `QueryError`."""
    with answered():
        return words.text_of(query, mark)


def parsed(text: str) -> Any:
    """The tree of a text; raise `QueryError` where it is no PromQL."""
    with answered():
        return words.parsed(text)

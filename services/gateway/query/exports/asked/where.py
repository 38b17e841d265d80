"""Conditions on rows as Postgres judges them: the same words as those of questions. Pure.

What a row does not bear counts as empty.
"""

import re
from collections.abc import Mapping, Sequence

from services.gateway.query.questions.question import MAX_CONDITIONS, condition
from services.gateway.query.questions.selection import Matcher
from shared.errors import Rejected


def matchers_of(texts: Sequence[str], names: Mapping[str, str]) -> tuple[Matcher, ...]:
    """The conditions; raise `Rejected` for one that cannot be read, or that names none of `names`, if there are any."""
    if len(texts) > MAX_CONDITIONS:
        raise Rejected("invalid_where", f"where: at most {MAX_CONDITIONS} conditions")
    found = tuple(map(condition, texts))
    for matcher in found:
        if names and matcher.label not in names:
            raise Rejected("invalid_where", f"where: names one of {', '.join(names)}")
    return found


def sql_of(matcher: Matcher, names: Mapping[str, str], place: int) -> tuple[str, list[object]]:
    """SQL of one condition with its values, whose parameters begin at `place`; without names it is about labels."""
    values: list[object] = [] if names else [matcher.label]
    written = names[matcher.label] if names else f"(s.labels ->> ${place}::text)"
    place += len(values)
    if matcher.operator == "~":
        values.append(like_of(matcher.values[0]))
        test = f"LIKE ${place}::text"
    else:
        values.append(list(matcher.values))
        test = f"= ANY(${place}::text[])"
    return f"{'NOT ' if matcher.negated else ''}coalesce({written}, '') {test}", values


def like_of(glob: str) -> str:
    """A glob as a pattern of LIKE."""
    return re.sub(r"([\\%_])", r"\\\1", glob).replace("*", "%")

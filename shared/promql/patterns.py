"""Regular expressions that clients write: RE2's, which match in linear time, within a bound of memory.

Python's own can be made to hang by whoever writes the pattern. Invariant: what compiles matches in linear time.
"""

from typing import Any

import re2

from shared.promql.errors import BadPattern

MAX_PATTERN_BYTES = 1_000
"""Longest glob or regular expression."""

MAX_PATTERN_MEMORY_BYTES = 1 << 20
"""What the program of a regular expression may need."""


def compiled(pattern: str, *, glob: bool = False) -> Any:
    """The program of a regular expression or a glob, whose `fullmatch` matches a whole value; raise `BadPattern`.

    A glob knows `*` alone.
    """
    if len(pattern.encode()) > MAX_PATTERN_BYTES:
        raise BadPattern(f"a pattern has at most {MAX_PATTERN_BYTES} bytes")
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = MAX_PATTERN_MEMORY_BYTES
    try:
        return re2.compile(".*".join(map(re2.escape, pattern.split("*"))) if glob else pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise BadPattern(f"not a regular expression: {reason}") from error

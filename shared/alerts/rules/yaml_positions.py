"""Where a sign of a scalar's value stands in a YAML file.

Positions count from 0, in signs of the file. Invariant: YAML folds, escapes and indents, but it neither adds nor drops
a sign that is not blank; so those are counted.
"""

import re

import yaml

BLANKS = " \t\r\n\x85\u2028\u2029"
"""What YAML may fold: other scripts' blanks are signs to it."""

_SIGN = re.compile(f"[^{BLANKS}]")
_SIGNS = {
    '"': re.compile(rf"\\(?:x..|u.{{4}}|U.{{8}}|\r?\n|.)|[^{BLANKS}]"),
    "'": re.compile(f"''|[^{BLANKS}]"),
}
"""How one sign of a text is written, by its quotes."""


def position_of(content: str, node: yaml.ScalarNode, column: int) -> int:
    """The position of the sign at `column` of the value; just behind the last sign when nothing but blanks follow."""
    begin, quote = node.start_mark.index, node.style or ""
    if quote in ("|", ">"):
        begin = content.index("\n", begin) + 1
    elif quote:
        begin += 1
    signs = _SIGNS.get(quote, _SIGN).finditer(content, begin, node.end_mark.index)
    spans = [found.span() for found in signs if not _blank(found[0], quote)]
    before = sum(sign not in BLANKS for sign in node.value[:column])
    over = not node.value[column:].strip(BLANKS)
    return spans[before - 1][1] if over and before else spans[before][0]


def _blank(sign: str, quote: str) -> bool:
    """Whether what is written here is a blank, or nothing."""
    if quote != '"' or len(sign) == 1:
        return False
    kind, code = sign[1], sign[2:]
    return chr(int(code, 16)) in BLANKS if kind in "xuU" else kind in " \t\r\nntrNLP"

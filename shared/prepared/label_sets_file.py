"""The file of label sets: YAML with the patterns of metrics, and by each the lists of labels to put series together by.

Lines and columns count from 1. Invariant: a file is taken whole or not at all, and all that is wrong with it is said at
once, each problem with its line and its field.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from shared.errors import Misconfigured, Rejected
from shared.model.labels import labels_of
from shared.model.series import check_metric
from shared.prepared.label_sets import (
    MAX_LABELS,
    MAX_PATTERNS,
    MAX_SETS,
    SEPARATOR,
    LabelSet,
    LabelSets,
    overlap,
)

MAX_BYTES = 1 << 18
"""Largest file."""

ROOT = "metrics"
"""The only key of the file."""

_TEXT = "tag:yaml.org,2002:str"


def load(path: str) -> LabelSets:
    """The label sets of a file; raise `Misconfigured` with a line for each problem: `file:line:column: field: what`."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error
    reader = _Reader(path)
    found = reader.sets(content)
    if reader.problems:
        raise Misconfigured("\n".join(reader.problems))
    return LabelSets(found)


class _Reader:
    def __init__(self, path: str) -> None:
        self._path = path
        self.problems: list[str] = []

    def sets(self, content: bytes) -> dict[str, tuple[LabelSet, ...]]:
        root = self._root(content)
        if root is None:
            return {}
        given = dict(self._pairs(root, "the file"))
        for key, (place, _) in given.items():
            if key != ROOT:
                self._at(place, f"unknown key {key!r}; known is {ROOT}")
        if ROOT not in given:
            self._at(root, f"{ROOT}: must be given")
            return {}
        patterns = {key: (place, node) for key, (place, node) in self._pairs(given[ROOT][1], ROOT)}
        if len(patterns) > MAX_PATTERNS:
            self._at(given[ROOT][0], f"{ROOT}: more than {MAX_PATTERNS} patterns")
        found = {key: tuple(self._label_sets(*patterns[key], key)) for key in patterns}
        self._check_overlaps(found, patterns)
        return found

    def _root(self, content: bytes) -> yaml.Node | None:
        if len(content) > MAX_BYTES:
            self._say(1, 1, f"the file is larger than {MAX_BYTES} bytes")
            return None
        try:
            text = content.decode()
            for token in yaml.scan(text, yaml.SafeLoader):
                if isinstance(token, (yaml.AnchorToken, yaml.AliasToken)):
                    self._at(token, "anchors and aliases are not read here")
                    return None
            root = yaml.compose(text, yaml.SafeLoader)
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, OverflowError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self._say(line, column, getattr(error, "problem", None) or f"not YAML: {error}")
            return None
        if root is None:
            self._say(1, 1, f"the file is empty; it must hold {ROOT}")
        return root

    def _pairs(self, node: yaml.Node, field: str) -> Iterator[tuple[str, tuple[yaml.Node, yaml.Node]]]:
        """Keys with their own place and their value; each key once."""
        if not isinstance(node, yaml.MappingNode):
            self._at(node, f"{field}: must be a mapping")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
                self._at(key, f"{field}: a key must be a text; put it in quotes")
            elif key.value in seen:
                self._at(key, f"{field}: {key.value!r} stands twice")
            else:
                seen.add(key.value)
                yield key.value, (key, value)

    def _label_sets(self, key: yaml.Node, node: yaml.Node, pattern: str) -> Iterator[LabelSet]:
        field = f"{ROOT}.{pattern}"
        self._refusable(key, field, lambda: check_metric(pattern))
        if not isinstance(node, yaml.SequenceNode):
            self._at(node, f"{field}: must be a list of lists of labels")
            return
        seen: set[LabelSet] = set()
        for number, item in enumerate(node.value):
            found = self._label_set(item, f"{field}[{number}]")
            if found in seen:
                self._at(item, f"{field}[{number}]: stands twice")
            if found is not None and found not in seen:
                seen.add(found)
                yield found

    def _label_set(self, node: yaml.Node, field: str) -> LabelSet | None:
        if not isinstance(node, yaml.SequenceNode):
            self._at(node, f"{field}: must be a list of labels; [] puts all series together")
            return None
        names = [name for name in (self._label(each, field) for each in node.value) if name]
        if len(set(names)) < len(names):
            self._at(node, f"{field}: a label stands twice")
        if len(names) > MAX_LABELS:
            self._at(node, f"{field}: more than {MAX_LABELS} labels")
        return tuple(sorted(set(names)))

    def _label(self, node: yaml.Node, field: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT:
            self._at(node, f"{field}: a label must be a text; put it in quotes")
            return ""
        name = str(node.value)
        if SEPARATOR in name:
            self._at(node, f"{field}: a label with {SEPARATOR!r} in its name cannot be in a set")
        self._refusable(node, field, lambda: labels_of({name: ""}))
        return name

    def _check_overlaps(self, found: dict[str, tuple[LabelSet, ...]], patterns: dict[str, Any]) -> None:
        """No metric has too many sets, whichever patterns it matches."""
        for pattern, sets in found.items():
            others = [other for other in found if other != pattern and overlap(pattern, other)]
            whole = set(sets).union(*(found[other] for other in others))
            if len(whole) > MAX_SETS:
                beside = f" with those of {', '.join(others)}" if others else ""
                self._at(
                    patterns[pattern][0],
                    f"{ROOT}.{pattern}: {len(whole)} label sets{beside}; a metric has at most {MAX_SETS}",
                )

    def _refusable(self, node: yaml.Node, field: str, check: Any) -> None:
        try:
            check()
        except Rejected as refused:
            self._at(node, f"{field}: {refused.message}")

    def _at(self, place: Any, message: str) -> None:
        self._say(place.start_mark.line + 1, place.start_mark.column + 1, message)

    def _say(self, line: int, column: int, message: str) -> None:
        self.problems.append(f"{self._path}:{line}:{column}: {message}")

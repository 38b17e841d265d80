"""Rule files: YAML in the shape of Prometheus, read with the place of every word.

Lines and columns count from 1. Invariant: a file is taken whole or not at all, and all that is wrong with it is said at
once.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from shared.errors import Misconfigured, Rejected
from shared.model.labels import labels_of
from shared.rules import expression, template, yaml_positions
from shared.rules.expression import ExpressionError
from shared.rules.model import Rule, duration_ms

MAX_BYTES = 1 << 20
"""Largest file."""

RESERVED = ("alertname", "tenant")
"""Labels that every alert gets by itself."""

GROUP = {"name": True, "rules": True, "interval": False}
RULE = {"alert": True, "expr": True, "for": False, "labels": False, "annotations": False}
"""Keys, and whether they must be there."""

TEXT = "tag:yaml.org,2002:str"
PLAIN = (TEXT, "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
"""What a duration or an expression may look like to YAML."""

_ANNOTATION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What Postgres or JSON cannot hold, and control characters but tab and line break."""

T = TypeVar("T")


def load(path: str) -> list[Rule]:
    """The rules of a file; raise `Misconfigured` with a line for each problem: `file:line:column: what`."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error
    reader = _Reader(path)
    rules = reader.rules(content)
    if reader.problems:
        raise Misconfigured("\n".join(reader.problems))
    return rules


class _Reader:
    def __init__(self, path: str) -> None:
        self._path = path
        self._text = ""
        self._read_to = (1, 1)
        self.problems: list[str] = []

    def rules(self, content: bytes) -> list[Rule]:
        root = self._root(content)
        if root is None:
            return []
        fields = self._fields(root, {"groups": True})
        found: list[Rule] = []
        groups: set[str] = set()
        keys: set[str] = set()
        for node in self._items(fields.get("groups")):
            group = self._fields(node, GROUP)
            name = self._name(group.get("name"), "group")
            self._unique(groups, name, group.get("name"), "group")
            self._interval(group.get("interval"))
            for item in self._items(group.get("rules")):
                found += self._rule(name, self._fields(item, RULE), keys)
        return found

    def _root(self, content: bytes) -> yaml.Node | None:
        if len(content) > MAX_BYTES:
            self._say(1, 1, f"the file is larger than {MAX_BYTES} bytes")
            return None
        try:
            return self._composed(content.decode())
        except UnicodeDecodeError as error:
            good = content[: error.start].decode()
            self._say(good.count("\n") + 1, len(good) - good.rfind("\n"), "the file is not UTF-8")
        except (yaml.MarkedYAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self._say(line, column, getattr(error, "problem", None) or "nested too deeply")
        except yaml.reader.ReaderError as error:
            before = self._text[: error.position]
            self._say(before.count("\n") + 1, error.position - before.rfind("\n"), f"YAML: {error.reason}")
        except (ValueError, OverflowError):
            self._say(*self._read_to, "what follows names a sign that Unicode does not have")
        return None

    def _composed(self, text: str) -> yaml.Node | None:
        """The file as nodes; None after a problem."""
        self._text = text
        for token in yaml.scan(text, yaml.SafeLoader):
            if isinstance(token, (yaml.AnchorToken, yaml.AliasToken)):
                self._at(token, "anchors and aliases are not read here")
                return None
            self._read_to = token.end_mark.line + 1, token.end_mark.column + 1
        root = yaml.compose(text, yaml.SafeLoader)
        if root is None:
            self._say(1, 1, "the file is empty; it must hold groups")
        return root

    def _rule(self, group: str, fields: Mapping[str, yaml.Node], seen: set[str]) -> Iterator[Rule]:
        before = len(self.problems)
        name = self._name(fields.get("alert"), "alert")
        # The key as a whole: a group `a/b` may hold what another group `a` calls `b/c`.
        self._unique(seen, name and f"{group}/{name}", fields.get("alert"), "alert")
        comparison = self._parsed(fields.get("expr"), expression.parse)
        for_ms = self._parsed(fields.get("for"), duration_ms) if "for" in fields else 0
        labels = self._mapping(fields.get("labels"), self._check_label)
        annotations = self._mapping(fields.get("annotations"), self._check_annotation)
        if len(self.problems) == before and comparison is not None and for_ms is not None:
            yield Rule(group, name, comparison, for_ms, labels, annotations)

    def _fields(self, node: yaml.Node, known: Mapping[str, bool]) -> dict[str, yaml.Node]:
        """The values of a mapping by key; unknown, double and missing keys are problems."""
        fields: dict[str, yaml.Node] = {}
        for key, value in self._pairs(node, f"a mapping with {', '.join(known)}"):
            if key.value not in known:
                self._at(key, f"unknown key {key.value!r}; known are {', '.join(known)}")
            fields[key.value] = value
        missing = [name for name, needed in known.items() if needed and name not in fields]
        if missing and isinstance(node, yaml.MappingNode):
            self._at(node, f"{', '.join(missing)}: must be given")
        return fields

    def _pairs(self, node: yaml.Node, wanted: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self._at(node, f"must be {wanted}")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._at(key, "a key must be a word")
            elif key.value in seen:
                self._at(key, f"{key.value!r} stands twice")
            else:
                seen.add(key.value)
                yield key, value

    def _items(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._at(node, "must be a list")
            return []
        return list(node.value)

    def _scalar(self, node: yaml.Node | None) -> str:
        """A text that is not empty; the empty text after a problem or for an absent one."""
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or node.tag not in PLAIN or not node.value.strip():
            self._at(node, "must be a text")
            return ""
        return str(node.value)

    def _name(self, node: yaml.Node | None, what: str) -> str:
        """A name that can be a label's value; the empty text after a problem or for an absent one."""
        name = self._scalar(node)
        if node is None or not name:
            return ""
        if node.tag != TEXT:
            self._at(node, f"{what}: must be a text; put it in quotes")
            return ""
        try:
            labels_of({what: name})
        except Rejected as problem:
            self._at(node, problem.message.removeprefix("labels."))
            return ""
        return name

    def _unique(self, seen: set[str], name: str, node: yaml.Node | None, what: str) -> None:
        if name in seen and node is not None:
            self._at(node, f"{what} {name} stands twice")
        if name:
            seen.add(name)

    def _interval(self, node: yaml.Node | None) -> None:
        if node is not None and self._parsed(node, duration_ms) not in (None, 10_000):
            self._at(node, f"interval: windows are {expression.WINDOW} long, nothing else is evaluated")

    def _parsed(self, node: yaml.Node | None, parse: Callable[[str], T]) -> T | None:
        text = self._scalar(node)
        if not text or not isinstance(node, yaml.ScalarNode):
            return None
        try:
            return parse(text)
        except ExpressionError as problem:
            self._within(node, problem)
            return None

    def _mapping(
        self, node: yaml.Node | None, check: Callable[[yaml.ScalarNode, yaml.ScalarNode], None]
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in self._pairs(node, "a mapping of texts") if node is not None else ():
            if not isinstance(value, yaml.ScalarNode) or value.tag != TEXT:
                self._at(value, f"{key.value!r}: must be a text; put it in quotes")
                continue
            check(key, value)
            found[key.value] = value.value
        return found

    def _check_label(self, key: yaml.ScalarNode, value: yaml.ScalarNode) -> None:
        if key.value in RESERVED:
            self._at(key, f"{key.value} is given by the system")
        elif "{{" in value.value:
            problem = ExpressionError(value.value.index("{{"), "a label names the alert: no templates")
            self._within(value, problem)
        else:
            try:
                labels_of({key.value: value.value})
            except Rejected as refused:
                self._at(key, refused.message)

    def _check_annotation(self, key: yaml.ScalarNode, value: yaml.ScalarNode) -> None:
        if not _ANNOTATION.fullmatch(key.value):
            self._at(key, "an annotation's name is letters, digits and '_', not starting with a digit")
        if unstorable := _UNSTORABLE.search(value.value):
            self._within(value, ExpressionError(unstorable.start(), "control characters are not allowed"))
        try:
            template.check(value.value)
        except ExpressionError as problem:
            self._within(value, problem)

    def _within(self, node: yaml.ScalarNode, problem: ExpressionError) -> None:
        """A problem at a place inside a scalar, whichever way it is written."""
        at = yaml_positions.position_of(self._text, node, problem.column)
        self._say(self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at), problem.message)

    def _at(self, place: Any, message: str) -> None:
        self._say(place.start_mark.line + 1, place.start_mark.column + 1, message)

    def _say(self, line: int, column: int, message: str) -> None:
        self.problems.append(f"{self._path}:{line}:{column}: {message}")

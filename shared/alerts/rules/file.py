"""Rule files: YAML in the shape of Prometheus, read with the place of every word.

Invariant: a file is taken whole or not at all, and all that is wrong with it is said at once, with line and column.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from shared.alerts.rules import alias, expression, template
from shared.alerts.rules.errors import ExpressionError
from shared.alerts.rules.extension import KEY, Extension
from shared.alerts.rules.model import Rule, duration_ms
from shared.alerts.rules.nodes import TEXT, Nodes
from shared.errors import Misconfigured, Rejected
from shared.model.labels import labels_of

RESERVED = ("alertname", "tenant")
"""Labels that every alert gets by itself."""

GROUP = {"name": True, "rules": True, "interval": False, "labels": False, KEY: False}
RULE = {
    "alert": True, "expr": True, "for": False, "keep_firing_for": False, "labels": False, "annotations": False,
    KEY: False,
}  # fmt: skip
"""Keys, and whether they must be there."""

LATER = "is not carried out yet; leave it out"
REFUSED_OF_GROUP = {"query_offset": LATER, "limit": LATER}
REFUSED_OF_RULE = {
    "record": "rules that record are not carried out yet; write the expression in the alert that uses it",
}
"""Keys that Prometheus has, and what to do instead."""

_ANNOTATION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What Postgres or JSON cannot hold, and control characters but tab and line break."""


def load(path: str) -> list[Rule]:
    """The rules of a file; raise `Misconfigured` with a line for each problem: `file:line:column: what`."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error
    return rules_of(path, content)


def rules_of(path: str, content: bytes) -> list[Rule]:
    """The rules of a file that has been read; raise `Misconfigured` as `load` does."""
    nodes = Nodes(path)
    rules = _Reader(nodes).rules(nodes.root(content))
    if nodes.problems:
        # Once each: keys of a group are read with every rule of it.
        raise Misconfigured("\n".join(dict.fromkeys(nodes.problems)))
    return rules


class _Reader:
    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._keys: set[str] = set()

    def rules(self, root: yaml.Node | None) -> list[Rule]:
        found: list[Rule] = []
        groups: set[str] = set()
        fields = self._nodes.fields(root, {"groups": True}) if root is not None else {}
        for node in self._nodes.items(fields.get("groups")):
            group = self._nodes.fields(node, GROUP, REFUSED_OF_GROUP)
            name = self._name(group.get("name"), "group")
            self._unique(groups, name, group.get("name"), "group")
            self._interval(group.get("interval"))
            labels = self._nodes.texts(group.get("labels"), self._check_label)
            extension = Extension(self._nodes).with_keys(group.get(KEY))
            for item in self._nodes.items(group.get("rules")):
                rules = self._rule(name, item, extension)
                found += [replace(rule, labels={**labels, **rule.labels}) for rule in rules]
        return found

    def _rule(self, group: str, node: yaml.Node, extension: Extension) -> Iterator[Rule]:
        before = len(self._nodes.problems)
        known = RULE | {"alert": not _records(node)}
        fields = self._nodes.fields(node, known, REFUSED_OF_RULE)
        name = self._name(fields.get("alert"), "alert")
        # The key as a whole: a group `a/b` may hold what another group `a` calls `b/c`.
        self._unique(self._keys, name and f"{group}/{name}", fields.get("alert"), "alert")
        comparison = self._nodes.parsed(fields.get("expr"), expression.parse)
        for_ms = self._duration(fields, "for")
        keep_ms = self._duration(fields, "keep_firing_for")
        labels = self._nodes.texts(fields.get("labels"), self._check_label)
        annotations = self._nodes.texts(fields.get("annotations"), self._check_annotation)
        extension = extension.with_keys(fields.get(KEY))
        more = {} if comparison is None else extension.of(comparison, for_ms)
        if len(self._nodes.problems) == before and comparison is not None:
            yield Rule(group, name, comparison, for_ms, labels, annotations, keep_firing_ms=keep_ms, **more)

    def _duration(self, fields: Mapping[str, yaml.Node], name: str) -> int:
        return self._nodes.parsed(fields.get(name), duration_ms) or 0

    def _name(self, node: yaml.Node | None, what: str) -> str:
        """A name that can be a label's value; the empty text after a problem or for an absent one."""
        name = self._nodes.scalar(node)
        if node is None or not name:
            return ""
        if node.tag != TEXT:
            self._nodes.at(node, f"{what}: must be a text; put it in quotes")
            return ""
        try:
            labels_of({what: name})
        except Rejected as problem:
            self._nodes.at(node, problem.message.removeprefix("labels."))
            return ""
        return name

    def _unique(self, seen: set[str], name: str, node: yaml.Node | None, what: str) -> None:
        if name in seen and node is not None:
            self._nodes.at(node, f"{what} {name} stands twice")
        if name:
            seen.add(name)

    def _interval(self, node: yaml.Node | None) -> None:
        if node is not None and self._nodes.parsed(node, duration_ms) not in (None, 10_000):
            self._nodes.at(node, f"interval: windows are {alias.WINDOW} long, nothing else is evaluated")

    def _check_label(self, key: yaml.ScalarNode, value: yaml.ScalarNode) -> None:
        if key.value in RESERVED:
            self._nodes.at(key, f"{key.value} is given by the system")
        elif "{{" in value.value:
            problem = ExpressionError(value.value.index("{{"), "a label names the alert: no templates")
            self._nodes.within(value, problem)
        else:
            try:
                labels_of({key.value: value.value})
            except Rejected as refused:
                self._nodes.at(key, refused.message)

    def _check_annotation(self, key: yaml.ScalarNode, value: yaml.ScalarNode) -> None:
        if not _ANNOTATION.fullmatch(key.value):
            self._nodes.at(key, "an annotation's name is letters, digits and '_', not starting with a digit")
        if unstorable := _UNSTORABLE.search(value.value):
            self._nodes.within(
                value, ExpressionError(unstorable.start(), "control characters are not allowed")
            )
        try:
            template.check(value.value)
        except ExpressionError as problem:
            self._nodes.within(value, problem)


def _records(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and any(key.value == "record" for key, _ in node.value)

"""YAML as rule files use it: mappings, lists and texts, each with its place. Lines and columns count from 1.

Invariant: whatever is given, there is an answer or a problem, and each problem says where it is.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import yaml

from shared.alerts.rules import yaml_positions
from shared.alerts.rules.errors import ExpressionError

MAX_BYTES = 1 << 20
"""Largest file."""

TEXT = "tag:yaml.org,2002:str"
PLAIN = (TEXT, "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
"""What a duration or an expression may look like to YAML."""

T = TypeVar("T")


class Nodes:
    """A file as nodes, and what is wrong with them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._text = ""
        self._read_to = (1, 1)
        self.problems: list[str] = []

    def root(self, content: bytes) -> yaml.Node | None:
        """What the file holds; None after a problem."""
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
                self.at(token, "anchors and aliases are not read here")
                return None
            self._read_to = token.end_mark.line + 1, token.end_mark.column + 1
        root = yaml.compose(text, yaml.SafeLoader)
        if root is None:
            self._say(1, 1, "the file is empty; it must hold groups")
        return root

    def fields(
        self, node: yaml.Node, known: Mapping[str, bool], refused: Mapping[str, str] | None = None
    ) -> dict[str, yaml.Node]:
        """The values of a mapping by key. Unknown, double and missing keys are problems, and those that are refused,
        whose texts say what to write instead.
        """
        fields: dict[str, yaml.Node] = {}
        for key, value in self.pairs(node, f"a mapping with {', '.join(known)}"):
            if key.value in (refused or {}):
                self.at(key, f"{key.value}: {(refused or {})[key.value]}")
            elif key.value not in known:
                self.at(key, f"unknown key {key.value!r}; known are {', '.join(known)}")
            fields[key.value] = value
        missing = [name for name, needed in known.items() if needed and name not in fields]
        if missing and isinstance(node, yaml.MappingNode):
            self.at(node, f"{', '.join(missing)}: must be given")
        return fields

    def pairs(self, node: yaml.Node, wanted: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """The keys of a mapping with their values."""
        if not isinstance(node, yaml.MappingNode):
            self.at(node, f"must be {wanted}")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.at(key, "a key must be a word")
            elif key.value in seen:
                self.at(key, f"{key.value!r} stands twice")
            else:
                seen.add(key.value)
                yield key, value

    def items(self, node: yaml.Node | None) -> list[yaml.Node]:
        """What a list holds; nothing after a problem or for an absent one."""
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.at(node, "must be a list")
            return []
        return list(node.value)

    def scalar(self, node: yaml.Node | None) -> str:
        """A text that is not empty; the empty text after a problem or for an absent one."""
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or node.tag not in PLAIN or not node.value.strip():
            self.at(node, "must be a text")
            return ""
        return str(node.value)

    def parsed(self, node: yaml.Node | None, parse: Callable[[str], T]) -> T | None:
        """What a text says; None after a problem or for an absent one."""
        text = self.scalar(node)
        if not text or not isinstance(node, yaml.ScalarNode):
            return None
        try:
            return parse(text)
        except ExpressionError as problem:
            self.within(node, problem)
            return None

    def texts(
        self, node: yaml.Node | None, check: Callable[[yaml.ScalarNode, yaml.ScalarNode], None]
    ) -> dict[str, str]:
        """A mapping of texts, each of which has been checked."""
        found: dict[str, str] = {}
        for key, value in self.pairs(node, "a mapping of texts") if node is not None else ():
            if not isinstance(value, yaml.ScalarNode) or value.tag != TEXT:
                self.at(value, f"{key.value!r}: must be a text; put it in quotes")
                continue
            check(key, value)
            found[key.value] = value.value
        return found

    def within(self, node: yaml.ScalarNode, problem: ExpressionError) -> None:
        """A problem at a place inside a scalar, whichever way it is written."""
        at = yaml_positions.position_of(self._text, node, problem.column)
        self._say(self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at), problem.message)

    def at(self, node: Any, message: str) -> None:
        """A problem where a node begins."""
        self._say(node.start_mark.line + 1, node.start_mark.column + 1, message)

    def _say(self, line: int, column: int, message: str) -> None:
        self.problems.append(f"{self._path}:{line}:{column}: {message}")

"""Libraries do what libraries do: retries and bounded maps are not written by hand."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

FOLDERS = ("deploy", "services", "shared")

DICTS = {"_Blind"}
"""Classes that are a dict for another reason: a guard that keeps Faust from remembering."""


def nodes(root: Path, *kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Every node of these kinds of every module, with the module's name."""
    for name, tree in trees(root):
        yield from ((name, node) for node in ast.walk(tree) if isinstance(node, kinds))


@cache
def trees(root: Path) -> list[tuple[str, ast.Module]]:
    """Every module, parsed once."""
    paths = (path for folder in FOLDERS for path in sorted((root / folder).rglob("*.py")))
    return [(str(path.relative_to(root)), ast.parse(path.read_text())) for path in paths]


def sleeps(handler: ast.AST) -> bool:
    """Whether something is slept within."""
    return any(isinstance(node, ast.Attribute) and node.attr == "sleep" for node in ast.walk(handler))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            "try:\n    a()\nexcept OSError:\n    await asyncio.sleep(1)", True, id="a pause by hand"
        ),
        pytest.param("try:\n    a()\nexcept OSError:\n    b()", False, id="no pause"),
    ],
)
def test_a_pause_after_a_failure_is_seen(source: str, expected: bool) -> None:
    """The check can fail."""
    assert expected == any(
        sleeps(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ExceptHandler)
    )


def test_no_pause_after_a_failure_is_made_by_hand(root: Path) -> None:
    """`shared.runtime.retry` draws it, so that processes that failed together do not return together."""
    assert set() == {name for name, node in nodes(root, ast.ExceptHandler) if sleeps(node)}


def test_no_map_is_bounded_by_hand(root: Path) -> None:
    """No class of ours is a dict, and none of our dicts drops its first entry: cachetools does that."""
    dicts = {
        node.name
        for _, node in nodes(root, ast.ClassDef)
        if any("dict" in ast.unparse(base).lower() for base in node.bases)
    }
    dropped = {name for name, node in nodes(root, ast.Delete) if "next(iter(" in ast.unparse(node)}

    assert (DICTS, set()) == (dicts, dropped)

"""The page of bounds says what is there: every bound that is shown, and every limit as it stands in the code."""

import ast
import importlib
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import msgspec

PAGE = "docs/BOUNDS.md"
MAKERS = {"Bound", "bound_of", "_fullest"}
"""Calls that make a bound; its name is the first string among their arguments."""


def rows_of(root: Path) -> list[str]:
    """The rows of the tables that name a place in the code."""
    return [
        line for line in (root / PAGE).read_text().splitlines() if line.startswith("|") and ".py:" in line
    ]


def names_in(path: Path) -> Iterator[str]:
    """The names of the bounds that a module makes; `*` stands for what is put in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
            for argument in node.args:
                match argument:
                    case ast.Constant(value=str(name)):
                        yield name
                    case ast.JoinedStr():
                        yield "".join(
                            str(part.value) if isinstance(part, ast.Constant) else "*"
                            for part in argument.values
                        )
                    case _:
                        continue
                break


def value_of(place: str) -> int:
    """A constant of a module, or the default of a setting."""
    path, name = place.split(":")
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    if name.isupper():
        return int(getattr(module, name))
    (found,) = (field for field in msgspec.structs.fields(module.Settings) if field.name == name)
    return int(found.default)


def number_of(text: str) -> int:
    """10,000 or 64 MiB as a number."""
    digits, _, unit = text.replace(",", "").partition(" ")
    return int(digits) << (20 if unit == "MiB" else 0)


def test_the_page_lists_every_bound_that_is_shown(root: Path) -> None:
    """And none that is not."""
    listed = {name for row in rows_of(root) for name in re.findall(r"^\| `(\w+)` \|", row)}
    paths = [path for folder in ("services", "shared") for path in sorted((root / folder).rglob("*.py"))]
    made = {name for path in paths for name in names_in(path)} - {"entries", "bytes"}

    assert made
    assert [name for name in sorted(made) if not any(fnmatch(one, name) for one in listed)] == []
    assert [one for one in sorted(listed) if not any(fnmatch(one, name) for name in made)] == []


def test_limits_are_as_the_page_says(root: Path) -> None:
    """Each row names the constant or setting, and its value."""
    wrong = []
    for row in rows_of(root):
        place, limit = (
            re.findall(r"`([\w/]+\.py:\w+)`", row)[0],
            re.findall(r"\| ([\d,]+(?: MiB)?) \|", row)[0],
        )
        if value_of(place) != number_of(limit):
            wrong.append(f"{place} is {value_of(place):,}, not {limit}")

    assert wrong == []


def test_the_page_names_tests_that_exist(root: Path) -> None:
    """Whoever doubts a bound finds where it is shown to hold."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (root / PAGE).read_text()))

    assert named
    assert [path for path in sorted(named) if not (root / path).is_file()] == []

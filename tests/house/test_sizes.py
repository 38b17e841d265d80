"""The sizes of the house: how long a module and a function may be, and which names say nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

MAX_SOURCE_LINES = 300
MAX_TEST_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_MAIN_LINES = 25
MAX_FAKE_LINES = 60
MAX_PORT_METHODS = 5
MAX_MODULES = 12
ALIKE = {"services/gateway/intake/protocols"}
"""Folders with a package for each thing of one kind: a reader sees a list, and it counts as one."""
DOCSTRING_LINES = range(3, 7)
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "core", "data", "info"}

SOURCE = ("services", "shared", "deploy", "clients")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def modules(root: Path, *folders: str) -> Iterator[tuple[str, Path]]:
    """Name and path of each Python module below the folders."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            yield path.relative_to(root).as_posix(), path


def lines_of(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text().splitlines())


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its `def` to its end, without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - docstring


@pytest.mark.parametrize(
    ("folders", "limit"),
    [
        pytest.param(SOURCE, MAX_SOURCE_LINES, id="source"),
        pytest.param(("tests", "bench"), MAX_TEST_LINES, id="tests"),
    ],
)
def test_no_module_is_too_long(root: Path, folders: tuple[str, ...], limit: int) -> None:
    """A module is read in one sitting."""
    found = {name: lines_of(path) for name, path in modules(root, *folders)}

    assert {name: n for name, n in found.items() if n > limit} == {}


def test_no_function_is_too_long(root: Path) -> None:
    """A function fits on a screen, its docstring aside."""
    long = [
        f"{name}:{node.lineno} {node.name} has {body_lines(node)} lines"
        for name, path in modules(root, *SOURCE, "tests", "bench")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, FUNCTIONS) and body_lines(node) > MAX_FUNCTION_LINES
    ]

    assert long == []


def entries(folder: Path) -> list[str]:
    """What a folder shows to a reader: its modules without `__init__`, and its packages, one each."""
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    packages = [path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.py"))]
    return modules + packages


def test_no_folder_is_crowded(root: Path) -> None:
    """A folder of the source holds at most 12 modules and packages; a list of packages counts as one."""
    folders = [path for top in SOURCE for path in (root / top, *(root / top).rglob("*")) if path.is_dir()]
    found = {path.relative_to(root).as_posix(): len(entries(path)) for path in folders}
    found |= {name: len([*(root / name).glob("*.py")]) for name in ALIKE}

    assert {name: n for name, n in found.items() if n > MAX_MODULES} == {}


def test_the_start_of_a_service_only_starts(root: Path) -> None:
    """`__main__` reads the settings and runs the app; anything else has another room."""
    found = {name: lines_of(path) for name, path in modules(root, "services") if path.name == "__main__.py"}

    assert {name: n for name, n in found.items() if n > MAX_MAIN_LINES} == {}


def test_ports_are_narrow(root: Path) -> None:
    """A port has few methods, so that its fake is small and honest."""
    wide = [
        f"{name}: {node.name} has {len(methods)} methods"
        for name, path in modules(root, "services")
        if path.name == "ports.py"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
        and len(methods := [n for n in node.body if isinstance(n, FUNCTIONS)]) > MAX_PORT_METHODS
    ]

    assert wide == []


def test_fakes_are_small(root: Path) -> None:
    """A fake is so simple that it is plainly right; the contract suite does the rest."""
    large = [
        f"{name}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for name, path in modules(root, "tests/support")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
        and node.name.startswith(("Fake", "Memory"))
        and node.end_lineno - node.lineno + 1 > MAX_FAKE_LINES
    ]

    assert large == []


def test_modules_open_with_their_idea(root: Path) -> None:
    """Each module says in three to six lines what it does; a `__main__` need not."""
    other = {
        name: len((ast.get_docstring(ast.parse(path.read_text())) or "").splitlines())
        for name, path in modules(root, "services", "shared", "clients")
        if path.name not in {"__init__.py", "__main__.py"}
    }

    assert {name: n for name, n in other.items() if n not in DOCSTRING_LINES} == {}


def test_names_say_something(root: Path) -> None:
    """No room for things without a name: such a folder has no limit."""
    empty = [
        name
        for name, path in modules(root, *SOURCE, "tests", "bench")
        if any(EMPTY_NAMES & set(part.split("_")) for part in path.relative_to(root).with_suffix("").parts)
    ]

    assert empty == []
